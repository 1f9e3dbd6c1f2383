//! What came of an acceptance, as data.

use crate::base::clock::EpochMs;
use crate::base::error::Kind;
use crate::base::ids::AgentName;
use crate::runs::{Entry, FailureClass, Outcome, Run, SpecAction, SpecReport};
use crate::state::SetAside;

use super::super::desk;
use super::super::start::{FailureKind, Started};
use super::{Acceptance, Busy};

/// What came of all agents.
#[derive(Debug, Default)]
pub struct Report {
    /// One per agent, in the order asked.
    pub items: Vec<AgentReport>,
    /// Something unreadable in the state file was put aside.
    pub set_aside: Option<SetAside>,
}

/// Adds what came of the start to what is reported of a spec.
pub(super) fn add(report: &mut SpecReport, started: Started) {
    let Started { pid, healthy, failure } = started;
    (report.pid, report.healthy) = (pid, healthy);
    if let Some(failure) = failure {
        report.action = SpecAction::None;
        report.error = Some(failure.error);
        report.log_tail = failure.log_tail;
        report.failure = Some(match failure.kind {
            FailureKind::Dependency => FailureClass::Dependency,
            FailureKind::OldLives | FailureKind::Spared | FailureKind::Spawn => FailureClass::Spawn,
            FailureKind::Healthcheck => FailureClass::Healthcheck,
            FailureKind::Overtaken => FailureClass::Claimed,
        });
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
            failure_class: Some(if error.kind == Kind::Conflict { FailureClass::Claimed } else { FailureClass::Infra }),
            reason: Some(error.chain()),
            ..Self::none(agent)
        }
    }

    /// There is no sidecar.
    pub(super) fn absent(acceptance: &Acceptance<'_>) -> Self {
        if acceptance.request.is_required { Self::missing(acceptance.agent) } else { Self::none(acceptance.agent) }
    }

    /// Another command decides it: nothing is done, and who asked for this very agent is told so.
    pub(super) fn of_another(acceptance: &Acceptance<'_>, entry: &Entry) -> Self {
        let report = Self {
            exists: true,
            reason: Some(desk::words(entry, EpochMs::now())),
            run_id: Some(entry.run_id.clone()),
            ..Self::none(acceptance.agent)
        };
        match acceptance.request.busy {
            Busy::Refused => Self { outcome: Outcome::Failed, failure_class: Some(FailureClass::Claimed), ..report },
            Busy::PassedOver => report,
        }
    }

    /// There is no sidecar though one is required.
    fn missing(agent: &AgentName) -> Self {
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

    /// What `run` came to, for who asks again; `None` if it has decided nothing.
    pub(super) fn of_run(agent: &AgentName, run: Run) -> Option<Self> {
        let outcome = run.outcome.filter(|_| run.status.is_ended())?;
        Some(Self {
            exists: true,
            accepted: outcome != Outcome::Rejected,
            outcome,
            failure_class: run.failure_kind,
            reason: run.failure_message,
            run_id: Some(run.id),
            specs: run.specs,
            ..Self::none(agent)
        })
    }

    /// Whether the sidecar has had its decision, so that it moves aside. A conflict leaves it pending: the same
    /// command may succeed once the port is free or the other command has ended.
    pub fn is_decided(&self) -> bool {
        self.exists && !self.failure_class.is_some_and(FailureClass::is_passing)
    }

    /// How a command that accepted only this ends; `None`: well.
    pub fn kind(&self) -> Option<Kind> {
        match (self.outcome, self.failure_class) {
            (Outcome::None | Outcome::Accepted | Outcome::Unchanged, _) => None,
            // Somebody has called it off.
            (Outcome::Rejected, Some(FailureClass::Cancelled)) => Some(Kind::Conflict),
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
