//! What is observed about a record before it is decided what is due for it.

use crate::base::clock::EpochMs;
use crate::base::ids::Generation;
use crate::service::{Exit, ExitRecord};

use super::claim::Turn;

/// What was observed about a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Whether another command is at it.
    pub turn: Turn,
    /// The process of its generation.
    pub life: Life,
    /// The generation that this one was to replace.
    pub previous: Previous,
    /// It lives or has lived, no probe of it has ever passed, and somebody has begun to end it.
    pub is_ending: bool,
    /// What its shim is about, where the service of the record is dead; else not asked, and [`Shim::Gone`].
    pub shim: Shim,
    /// The machine was booted anew since its processes were recorded.
    pub is_rebooted: bool,
}

/// What a living shim is about while the service of its record is dead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shim {
    /// It is gone, or there never was one.
    Gone,
    /// It is still at the generation of the record: it ends what is left, or is about to decide.
    Same,
    /// It has started a newer generation by itself, which lives.
    Moved {
        /// Which.
        generation: Generation,
    },
    /// It waits, and then starts it again by itself.
    Waiting {
        /// Until when.
        until: EpochMs,
    },
}

/// What has become of the generation that was to be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Previous {
    /// There is none, or it is proven gone.
    Gone,
    /// It lives, and nobody has begun to end it.
    Alive,
    /// It lives, and somebody has begun to end it.
    Ending,
    /// It cannot be told.
    Unknown,
}

/// What has become of a generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Life {
    /// Its service was never started, as far as anything tells.
    NotStarted,
    /// Its service is there.
    Alive,
    /// Its service is proven gone.
    Dead(Death),
    /// It cannot be told.
    Unknown,
}

/// How it is known that a service is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// Its shim wrote down the exit.
    Seen(ExitRecord),
    /// The machine was booted anew since.
    Rebooted,
    /// Its pid is another process's by now.
    Foreign {
        /// The pid.
        pid: u32,
    },
    /// No process has its pid.
    Gone,
}

/// How a service is known to be gone, for people.
pub fn words(death: &Death) -> String {
    match death {
        Death::Seen(ExitRecord { exit: Exit::Code(code), .. }) => format!("it exited with code {code}"),
        Death::Seen(ExitRecord { exit: Exit::Signal(signal), .. }) => format!("signal {signal} ended it"),
        Death::Seen(ExitRecord { exit: Exit::Unknown, .. }) | Death::Gone => {
            "its process is gone, and nobody saw how it ended".into()
        }
        Death::Rebooted => "the machine was booted anew since it was started".into(),
        Death::Foreign { pid } => format!("its process is gone: pid {pid} is another process now"),
    }
}
