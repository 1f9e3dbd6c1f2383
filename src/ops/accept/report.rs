//! What came of an acceptance, as data.

use crate::base::error::Kind;
use crate::base::ids::AgentName;
use crate::state::SetAside;

use super::super::start::{FailureKind, Started};

/// What came of all agents.
#[derive(Debug, Default)]
pub struct Report {
    /// One per agent, in the order asked.
    pub items: Vec<AgentReport>,
    /// Something unreadable in the state file was put aside.
    pub set_aside: Option<SetAside>,
}

/// How one acceptance ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There was no sidecar.
    None,
    /// Every service is up.
    Accepted,
    /// Every service was up already, as declared.
    Unchanged,
    /// The sidecar is not valid.
    Rejected,
    /// Some services are up.
    Partial,
    /// None is.
    Failed,
}

impl Outcome {
    const ALL: [Self; 6] = [Self::None, Self::Accepted, Self::Unchanged, Self::Rejected, Self::Partial, Self::Failed];

    /// The value of that word.
    pub(super) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.word() == word)
    }

    /// The word in output.
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Accepted => "accepted",
            Self::Unchanged => "unchanged",
            Self::Rejected => "rejected",
            Self::Partial => "partial",
            Self::Failed => "failed",
        }
    }
}

/// Why an acceptance did not succeed. The words are stable (contract sections 4 and 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureClass {
    /// The sidecar is not valid.
    InvalidSidecar,
    /// A first health pass did not come.
    Healthcheck,
    /// A service could not be started.
    Spawn,
    /// A declared port has a listener already.
    PortInUse,
    /// Another command is at one of the services.
    Claimed,
    /// What it waits for is not up.
    Dependency,
    /// Something that has nothing to do with the sidecar: a full disk, a folder that cannot be read.
    Infra,
}

impl FailureClass {
    const ALL: [Self; 7] = [
        Self::InvalidSidecar,
        Self::Healthcheck,
        Self::Spawn,
        Self::PortInUse,
        Self::Claimed,
        Self::Dependency,
        Self::Infra,
    ];

    /// The value of that word.
    pub(super) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.word() == word)
    }

    /// The word in output.
    pub const fn word(self) -> &'static str {
        match self {
            Self::InvalidSidecar => "invalid-managed-spawn",
            Self::Healthcheck => "managed-spawn-healthcheck-failed",
            Self::Spawn => "spawn-failed",
            Self::PortInUse => "port-in-use",
            Self::Claimed => "claimed",
            Self::Dependency => "dependency-failed",
            Self::Infra => "infra-failed",
        }
    }
}

/// What was done for one spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpecAction {
    /// A new service was started.
    Spawned,
    /// An older generation was ended and a new one started.
    Replaced,
    /// It ran already.
    Unchanged,
    /// It is declared and waits.
    Queued,
    /// Nothing.
    None,
}

impl SpecAction {
    const ALL: [Self; 5] = [Self::Spawned, Self::Replaced, Self::Unchanged, Self::Queued, Self::None];

    /// The value of that word.
    pub(super) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.word() == word)
    }

    /// The word in output.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Spawned => "spawned",
            Self::Replaced => "replaced",
            Self::Unchanged => "unchanged",
            Self::Queued => "queued",
            Self::None => "none",
        }
    }
}

/// What became of one spec.
#[derive(Clone, Debug)]
pub struct SpecReport {
    /// The record's name.
    pub name: String,
    /// The name in the sidecar.
    pub declared_name: String,
    /// What was done; for a dry run what would be.
    pub action: SpecAction,
    /// Why that was done.
    pub why: String,
    /// The service's pid, while it is up.
    pub pid: Option<u32>,
    /// Whether its first probe passed; `None` if nobody waited.
    pub healthy: Option<bool>,
    /// What went wrong, in one sentence.
    pub error: Option<String>,
    /// Where its output goes; empty if it was never to be started.
    pub log_path: String,
    /// The last lines of that, when it failed.
    pub log_tail: Vec<String>,
    /// What kind of failure it was.
    pub failure: Option<FailureClass>,
}

impl SpecReport {
    /// Adds what came of the start.
    pub(super) fn add(&mut self, started: Started) {
        let Started { pid, healthy, failure } = started;
        (self.pid, self.healthy) = (pid, healthy);
        if let Some(failure) = failure {
            self.action = SpecAction::None;
            self.error = Some(failure.error);
            self.log_tail = failure.log_tail;
            self.failure = Some(match failure.kind {
                FailureKind::Dependency => FailureClass::Dependency,
                FailureKind::OldLives | FailureKind::Spared | FailureKind::Spawn => FailureClass::Spawn,
                FailureKind::Healthcheck => FailureClass::Healthcheck,
                FailureKind::Overtaken => FailureClass::Claimed,
            });
        }
    }
}

/// What became of one agent's sidecar.
#[derive(Clone, Debug)]
pub struct AgentReport {
    /// Whose sidecar.
    pub agent: AgentName,
    /// Whether there was one.
    pub exists: bool,
    /// Whether it was judged valid and acted on.
    pub accepted: bool,
    /// How it ended.
    pub outcome: Outcome,
    /// Why not well.
    pub failure_class: Option<FailureClass>,
    /// The same in words: a verdict's reason, or the first error.
    pub reason: Option<String>,
    /// The acceptance's id; `None` when there was nothing to decide.
    pub run_id: Option<String>,
    /// One per spec.
    pub specs: Vec<SpecReport>,
    /// For people: the sidecar's text with every failure marked; empty unless rejected.
    pub excerpt: String,
}

impl AgentReport {
    /// There is no sidecar, and none is asked for.
    pub(super) fn none(agent: &AgentName) -> Self {
        Self {
            agent: agent.clone(),
            exists: false,
            accepted: false,
            outcome: Outcome::None,
            failure_class: None,
            reason: None,
            run_id: None,
            specs: Vec::new(),
            excerpt: String::new(),
        }
    }

    /// It could not be decided, or not to its end; what was claimed is in the state file.
    pub(super) fn broken(agent: &AgentName, error: &crate::base::error::Error) -> Self {
        Self {
            exists: true,
            outcome: Outcome::Failed,
            failure_class: Some(FailureClass::Infra),
            reason: Some(error.chain()),
            ..Self::none(agent)
        }
    }

    /// There is no sidecar though one is required.
    pub(super) fn missing(agent: &AgentName) -> Self {
        Self {
            outcome: Outcome::Rejected,
            failure_class: Some(FailureClass::InvalidSidecar),
            reason: Some("sidecar-missing".into()),
            ..Self::none(agent)
        }
    }

    /// What became of `specs`, taken together.
    pub(super) fn of_specs(agent: &AgentName, run_id: &str, specs: Vec<SpecReport>) -> Self {
        let failed = specs.iter().filter(|spec| spec.failure.is_some()).count();
        let outcome = match (failed, specs.iter().all(|spec| spec.action == SpecAction::Unchanged)) {
            (0, true) => Outcome::Unchanged,
            (0, false) => Outcome::Accepted,
            (some, _) if some == specs.len() => Outcome::Failed,
            (_, _) => Outcome::Partial,
        };
        // That one is not up because another is not says less than why the other is not.
        let root = specs.iter().find(|spec| spec.failure.is_some_and(|failure| failure != FailureClass::Dependency));
        let first = root.or_else(|| specs.iter().find(|spec| spec.failure.is_some()));
        Self {
            exists: true,
            accepted: true,
            outcome,
            failure_class: first.and_then(|spec| spec.failure),
            reason: first.and_then(|spec| spec.error.clone()),
            run_id: Some(run_id.to_owned()),
            specs,
            ..Self::none(agent)
        }
    }

    /// Whether the sidecar has had its decision, so that it moves aside. A conflict leaves it pending: the same
    /// command may succeed once the port is free or the other command has ended.
    pub fn is_decided(&self) -> bool {
        self.exists
            && !matches!(
                self.failure_class,
                Some(FailureClass::PortInUse | FailureClass::Claimed | FailureClass::Infra)
            )
    }

    /// How a command that accepted only this ends; `None`: well.
    pub fn kind(&self) -> Option<Kind> {
        match (self.outcome, self.failure_class) {
            (Outcome::None | Outcome::Accepted | Outcome::Unchanged, _) => None,
            (Outcome::Rejected, _) => Some(Kind::InvalidSidecar),
            (Outcome::Partial | Outcome::Failed, Some(FailureClass::PortInUse | FailureClass::Claimed)) => {
                Some(Kind::Conflict)
            }
            (Outcome::Partial | Outcome::Failed, Some(FailureClass::Infra)) => Some(Kind::Unforeseen),
            (Outcome::Partial, _) => Some(Kind::PartlyHealthy),
            (Outcome::Failed, _) => Some(Kind::NotHealthy),
        }
    }
}
