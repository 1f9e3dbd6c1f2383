//! `explain`: why one service is or is not running, and what comes next.

use crate::base::clock::EpochMs;
use crate::base::error::{Error, Result};
use crate::base::span;
use crate::journal::Filter;
use crate::lifecycle::sweep::{self, Life, Step};
use crate::lifecycle::why;
use crate::service::{ExitRecord, Liveness, Record, Status, event_from_json};
use crate::state::{Document, SetAside};

use super::context::Context;
use super::events::{self, Start};
use super::shown::{self, Seen};
use super::{ending, facts, find};

/// What an explanation is made of, for those who show it.
pub use crate::lifecycle::restart::for_health;
pub use crate::lifecycle::why::{Coming, Figures, brief};

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
    /// Why it does not run, in one sentence; `None`: it does, or there is none.
    pub why: Option<String>,
}

/// Explains the service of that name; `no-such-service` (exit 6) if there is none, whose hint tells what became of one that there was.
/// Changes nothing.
pub fn run(context: &Context, name: &str) -> Result<Explanation> {
    let reading = context.store().read_or_recover("explain")?;
    // What its shim has done by itself may not stand in the state yet.
    let found = find::find(&reading.document, name).map_err(|error| gone(context, name, error))?;
    let mut seen = shown::observe(&context.root, found.clone());
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
    let needs = needs.iter().map(|name| need(context, &reading.document, record, name)).collect();
    let step = Step { why: secrets.hide(&step.why), ..step };
    if let Some(last) = &mut seen.record.progress.last_transition {
        last.why = secrets.hide(&last.why);
    }
    Ok(Explanation { seen, why, step, exit, figures, coming, needs, at, set_aside: reading.set_aside })
}

/// The error for a service without a record, with what became of the last one of that name, if the journal knows.
fn gone(context: &Context, name: &str, error: Error) -> Error {
    let filter = Filter::new(Some(name.to_owned()), None, None);
    let request = events::Request { start: Start::Last, limit: 1, filter };
    let last = events::run(context, &request).ok().and_then(|found| found.items.into_iter().next_back());
    let last = last.and_then(|json| event_from_json(serde_json::from_str(&json).ok()?).ok());
    let Some(last) = last else { return error };
    let why = last.data.get("why").and_then(|why| why.as_str()).map(|why| format!(": {why}")).unwrap_or_default();
    let ago = span::short(EpochMs::now().since(last.at));
    let word = last.kind.word();
    error
        .with_hint(format!("there was one: {word}, {ago} ago{why}; all of it: minions managed events --service {name}"))
}

/// What there is of a service that `record` depends on: of the same scope.
fn need(context: &Context, document: &Document, record: &Record, name: &str) -> Need {
    let is_meant = |other: &&Record| other.spec.name == name && other.scope() == record.scope();
    let Some(found) = document.records.iter().find(is_meant) else {
        return Need { name: name.to_owned(), found: None, is_healthy: false, why: None };
    };
    // Its shim may have gone on, too.
    let found = shown::observe(&context.root, found.clone()).record;
    let secrets = shown::secrets(&found, &context.settings.env_key_deny_patterns);
    Need {
        name: name.to_owned(),
        is_healthy: found.healthy && facts::observe_service(&found) == Liveness::Alive,
        why: brief(&found, EpochMs::now()).map(|why| secrets.hide(&why)),
        found: Some((found.name, found.status)),
    }
}
