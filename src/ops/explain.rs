//! `explain`: why one service is or is not running, and what comes next.

use crate::base::clock::EpochMs;
use crate::base::error::Result;
use crate::lifecycle::sweep::{self, Life, Step};
use crate::lifecycle::why::{self, Coming, Figures};
use crate::service::{ExitRecord, Liveness, Record, Status};
use crate::state::{Document, SetAside};

use super::context::Context;
use super::shown::{self, Seen};
use super::{ending, facts, find};

/// Why a record does not run, in one sentence; `None`: it is recorded as running.
pub use crate::lifecycle::why::brief;

/// Everything that answers it.
#[derive(Debug)]
pub struct Explanation {
    /// What is known of the service.
    pub seen: Seen,
    /// Why it is or is not running, in one sentence.
    pub why: String,
    /// What a sweep would do with it now, and why.
    pub step: Step,
    /// How it last ended, if anybody saw it.
    pub exit: Option<ExitRecord>,
    /// What its restart policy would do; `None`: nothing starts it again.
    pub figures: Option<Figures>,
    /// What comes by itself, the next first.
    pub coming: Vec<Coming>,
    /// What it depends on, as declared.
    pub needs: Vec<Need>,
    /// The moment of all this.
    pub at: EpochMs,
    /// What had to be put aside; must be said (exit 9).
    pub set_aside: Option<SetAside>,
}

/// A service that another depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// Its declared name.
    pub name: String,
    /// The name of its record, and where that stands; `None`: there is none in this scope.
    pub found: Option<(String, Status)>,
    /// Whether it is alive and was healthy when last probed.
    pub is_healthy: bool,
}

/// Explains the service of that name; `no-such-service` (exit 6) if there is none. Changes nothing.
pub fn run(context: &Context, name: &str) -> Result<Explanation> {
    let reading = context.store().read_or_recover("explain")?;
    // What its shim has done by itself may not stand in the state yet.
    let mut seen = shown::observe(&context.root, find::find(&reading.document, name)?.clone());
    let record = &seen.record;
    let at = EpochMs::now();
    let facts = facts::for_sweep(&context.root, record);
    let secrets = shown::secrets(record, &context.settings.env_key_deny_patterns);
    let step = sweep::step(record, &facts, at);
    let written = record.generation.as_ref().and_then(|generation| ending::read_exit(&context.root, name, generation));
    let why = secrets.hide(&why::why(record, &facts.life, at));
    let exit = record.last_exit.or(written.filter(|_| facts.life != Life::Alive));
    let (figures, coming) = (why::figures(record, at), why::coming(record, context.health_backoff()));
    let needs = &record.spec.lifecycle.depends_on;
    let needs = needs.iter().map(|name| need(&reading.document, record, name)).collect();
    let step = Step { why: secrets.hide(&step.why), ..step };
    if let Some(last) = &mut seen.record.progress.last_transition {
        last.why = secrets.hide(&last.why);
    }
    Ok(Explanation { seen, why, step, exit, figures, coming, needs, at, set_aside: reading.set_aside })
}

/// What there is of a service that `record` depends on: of the same scope.
fn need(document: &Document, record: &Record, name: &str) -> Need {
    let is_meant = |other: &&Record| other.spec.name == name && other.scope() == record.scope();
    let found = document.records.iter().find(is_meant);
    Need {
        name: name.to_owned(),
        found: found.map(|found| (found.name.clone(), found.status)),
        is_healthy: found.is_some_and(|found| found.healthy && facts::observe_service(found) == Liveness::Alive),
    }
}
