//! One process of the simulated machine.

use minions_managed::base::world::{Ended, Inside};

use crate::machine::Uid;
use crate::model::Model;

/// What a process is.
#[derive(Debug)]
pub(crate) enum Kind {
    /// Someone else's.
    Bystander,
    /// `minions managed …`.
    Command(Caught),
    /// The parent of a service.
    Shim(Shim),
    /// What a shim starts to bring the record up.
    Follower,
    /// A service's own process.
    Service(Model),
    /// What a service has started and left.
    Descendant {
        /// It does not end on SIGTERM.
        is_deaf: bool,
    },
}

impl Kind {
    /// A command that catches nothing yet.
    pub(crate) fn command() -> Self {
        Self::Command(Caught::default())
    }

    /// A shim that `maker` starts.
    pub(crate) fn shim(maker: Uid) -> Self {
        Self::Shim(Shim { maker, ..Shim::default() })
    }
}

/// What a command makes of SIGTERM.
#[derive(Debug, Default)]
pub(crate) struct Caught {
    /// It remembers it, and ends by itself.
    pub(crate) is_caught: bool,
    /// One has come.
    pub(crate) is_asked: bool,
}

/// What a shim has beside what every process has.
#[derive(Debug, Default)]
pub(crate) struct Shim {
    /// What its maker wrote: `None` as long as the pipe is open and empty.
    pub(crate) word: Option<Vec<u8>>,
    /// What it answered, likewise.
    pub(crate) answer: Option<Vec<u8>>,
    /// SIGTERM and SIGHUP that it has not seen yet.
    pub(crate) stop: bool,
    pub(crate) reread: bool,
    /// A child of it has ended since it slept.
    pub(crate) child: bool,
    pub(crate) maker: Uid,
}

/// One process.
#[derive(Debug)]
pub(crate) struct Proc {
    pub(crate) pid: u32,
    pub(crate) parent: Uid,
    pub(crate) start_ticks: u64,
    pub(crate) kind: Kind,
    pub(crate) inside: Inside,
    /// The name of the service that it is, or is about.
    pub(crate) name: String,
    pub(crate) ended: Option<Ended>,
    pub(crate) is_stopped: bool,
    /// SIGTERM came while it was stopped.
    pub(crate) has_pending_term: bool,
}

impl Proc {
    pub(crate) fn as_shim(&self) -> Option<&Shim> {
        match &self.kind {
            Kind::Shim(shim) => Some(shim),
            Kind::Bystander | Kind::Command(_) | Kind::Follower | Kind::Service(_) | Kind::Descendant { .. } => None,
        }
    }

    pub(crate) fn as_shim_mut(&mut self) -> Option<&mut Shim> {
        match &mut self.kind {
            Kind::Shim(shim) => Some(shim),
            Kind::Bystander | Kind::Command(_) | Kind::Follower | Kind::Service(_) | Kind::Descendant { .. } => None,
        }
    }

    pub(crate) fn as_service(&self) -> Option<&Model> {
        match &self.kind {
            Kind::Service(model) => Some(model),
            Kind::Bystander | Kind::Command(_) | Kind::Shim(_) | Kind::Follower | Kind::Descendant { .. } => None,
        }
    }

    pub(crate) fn is_service(&self) -> bool {
        self.as_service().is_some()
    }

    /// It is a command that does not end before it is asked to.
    pub(crate) fn is_loop(&self) -> bool {
        matches!(self.kind, Kind::Command(_)) && self.inside.args.get(2).is_some_and(|verb| verb == "run")
    }

    /// It runs the program that is tested.
    pub(crate) fn has_thread(&self) -> bool {
        match self.kind {
            Kind::Command(_) | Kind::Shim(_) | Kind::Follower => true,
            Kind::Bystander | Kind::Service(_) | Kind::Descendant { .. } => false,
        }
    }

    /// For transcripts.
    pub(crate) fn words(&self) -> String {
        let what = match &self.kind {
            Kind::Bystander => "bystander".to_owned(),
            Kind::Command(_) => "command".to_owned(),
            Kind::Shim(_) => format!("shim of {}", self.name),
            Kind::Follower => format!("follower of {}", self.name),
            Kind::Service(_) => format!("service {}", self.name),
            Kind::Descendant { .. } => format!("left behind by {}", self.name),
        };
        let state = if self.ended.is_some() { " (zombie)" } else { "" };
        format!("pid {}: {what}{state}", self.pid)
    }
}
