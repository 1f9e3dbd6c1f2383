//! `updated`: something that services were built from has changed. Those that want it (`restart.on_update`) are started anew once
//! nobody has used them for a minute; the next sweep, or the loop, does it.

use crate::base::clock::EpochMs;
use crate::base::error::Result;
use crate::lifecycle::due::{last_use, next_due};
use crate::service::Record;
use crate::state::SetAside;

use super::context::Context;
use super::find;

/// The name of this verb at the lock.
const VERB: &str = "updated";

/// What became of one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The record's name.
    pub name: String,
    /// Whether it is to be started anew for this. One that is not up starts with what is new anyway.
    pub fate: Fate,
}

/// What an update means for a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is started anew, at that time if nobody uses it until then.
    Restarts(EpochMs),
    /// It does not run: whoever starts it next starts what is new.
    NotUp,
    /// It does not say `on_update`.
    Unwatched,
}

/// What came of all.
#[derive(Debug)]
pub struct Report {
    /// When.
    pub at: EpochMs,
    /// One per service, by name.
    pub items: Vec<Item>,
    /// Something unreadable in the state file was put aside.
    pub set_aside: Option<SetAside>,
}

/// Marks the services of `project`, or all, as updated. Error: `no-such-project` (exit 6), where it is named and has none.
pub fn run(context: &Context, project: Option<&str>) -> Result<Report> {
    let (at, backoff) = (EpochMs::now(), context.health_backoff());
    let is_asked = |record: &Record| project.is_none_or(|project| project == record.owner.project);
    let fate = |record: &Record| {
        let mut marked = record.clone();
        mark(&mut marked, at);
        let next = next_due(&marked, last_use(record).unwrap_or(at), backoff);
        match (is_watched(record), next) {
            (false, _) => Fate::Unwatched,
            (true, Some((_, due))) => Fate::Restarts(due.max(at)),
            (true, None) => Fate::NotUp,
        }
    };
    let changed = context.store().change(VERB, |document| -> Result<Vec<Item>> {
        let asked = document.records.iter().filter(|record| is_asked(record));
        let items: Vec<Item> = asked.map(|record| Item { name: record.name.clone(), fate: fate(record) }).collect();
        if let (Some(project), true) = (project, items.is_empty()) {
            return Err(find::no_such_project(document, project));
        }
        for record in document.records.iter_mut().filter(|record| is_asked(record) && is_watched(record)) {
            mark(record, at);
        }
        Ok(items)
    })?;
    let mut items = changed.value?;
    items.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(Report { at, items, set_aside: changed.set_aside })
}

fn is_watched(record: &Record) -> bool {
    record.spec.lifecycle.restart.as_ref().is_some_and(|policy| policy.on_update)
}

fn mark(record: &mut Record, at: EpochMs) {
    record.progress.updated_at = Some(at);
}
