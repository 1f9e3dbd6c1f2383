//! Ending services for good: the whole tree of each, then its record. `stop` chooses them by name, other verbs otherwise.
//! Claim, perform, settle.

use std::collections::HashSet;

use crate::base::clock::EpochMs;
use crate::base::error::{Error, Kind, Result};
use crate::base::ids::Generation;
use crate::base::steps::{Step, reached};
use crate::health::side_by_side;
use crate::lifecycle::claim::Turn;
use crate::lifecycle::order;
use crate::lifecycle::transitions::Input;
use crate::service::{Claim, ExitRecord, Identity, Record, Status};
use crate::state::{Document, SetAside};

use super::context::Context;
use super::moved::moved;
use super::{ending, facts, find};

/// How many services are ended side by side; each waits, so that threads are all it costs.
const AT_ONCE_MAX: usize = 32;

/// Which services are to be ended; judged under the lock.
#[derive(Clone, Copy, Debug)]
pub enum Choice<'a> {
    /// Those of these names; one that is not there is an error (`no-such-service`, exit 6).
    Names(&'a [String]),
    /// All of this project; none is an error (`no-such-project`, exit 6).
    Project(&'a str),
    /// These very lives, where they are still there.
    Lives(&'a [(String, Option<Generation>)]),
}

/// What came of one name.
#[derive(Debug)]
pub struct Stopped {
    /// The record's name.
    pub name: String,
    /// The pid it had.
    pub pid: Option<u32>,
    /// How it ended, if anybody saw it.
    pub exit: Option<ExitRecord>,
    /// Why it is not stopped.
    pub error: Option<Error>,
    /// The services that wait for it when they are started, and were not stopped with it: they have lost what they need.
    pub dependents: Vec<String>,
}

impl Stopped {
    /// Before anything is done.
    fn of(record: &Record) -> Self {
        Self { name: record.name.clone(), pid: record.pid, exit: None, error: None, dependents: Vec::new() }
    }
}

/// What came of all names, in their order.
#[derive(Debug, Default)]
pub struct Report {
    /// One per name.
    pub items: Vec<Stopped>,
    /// Something unreadable in the state file was put aside.
    pub set_aside: Option<SetAside>,
}

/// Stops `names`, dependents first, else side by side. Others that depend on one of them go on, and are named in its report.
/// Nothing is done at all if one of them is unknown (exit 6) or worked on by another
/// command (exit 7); a service that will not end keeps its record, marked `stopping`.
pub fn run(context: &Context, names: &[String]) -> Result<Report> {
    end_chosen(context, "stop", Choice::Names(names), |_| Ok(()))
}

/// Ends those that `choice` means, for the command `verb`, as [`run`] does. `last_rites` is called for each that is proven
/// gone, while nobody else can take its name; if it fails, the record stays.
pub(super) fn end_chosen(
    context: &Context,
    verb: &str,
    choice: Choice<'_>,
    last_rites: impl Fn(&Record) -> Result<()> + Sync,
) -> Result<Report> {
    let maker = facts::own_identity()?;
    let changed = context.store().change(verb, |document| claim(document, verb, choice, &maker))?;
    let (records, set_aside) = (changed.value?, changed.set_aside);
    reached(Step::StopClaimed);
    let end = |record: &Record| {
        let exit = ending::end_both(&context.root, record, context.stop_grace())?;
        last_rites(record).map(|()| exit)
    };
    let mut items: Vec<Stopped> = records.iter().map(Stopped::of).collect();
    for level in order::to_stop(&records) {
        let ended = side_by_side(&level, AT_ONCE_MAX, |at| end(&records[*at]));
        for (at, outcome) in level.into_iter().zip(ended) {
            match outcome {
                Ok(exit) => items[at].exit = exit,
                Err(error) => items[at].error = Some(error),
            }
        }
    }
    reached(Step::StopEnded);
    settle(context, verb, &records, &mut items)?;
    Ok(Report { items, set_aside })
}

/// Marks every record that is meant `stopping`, ours to work on, and returns them as they were.
fn claim(document: &mut Document, verb: &str, choice: Choice<'_>, maker: &Identity) -> Result<Vec<Record>> {
    let found = chosen(document, choice)?;
    if let Some(refusal) = found.iter().find_map(refusal) {
        return Err(refusal);
    }
    let names: HashSet<&str> = found.iter().map(|record| record.name.as_str()).collect();
    for record in document.records.iter_mut().filter(|record| names.contains(record.name.as_str())) {
        let now = EpochMs::now();
        moved(record, Input::StopAsked, now, format!("`minions managed {verb}` stops it"))?;
        record.claim = Some(Claim { maker: maker.clone(), verb: verb.to_owned(), at: now });
    }
    Ok(found)
}

/// Copies of the records that are meant, each once.
fn chosen(document: &Document, choice: Choice<'_>) -> Result<Vec<Record>> {
    let mut found: Vec<&Record> = Vec::new();
    match choice {
        Choice::Names(names) => {
            for name in names {
                let record = find::find(document, name)?;
                if !found.iter().any(|other| other.name == record.name) {
                    found.push(record);
                }
            }
        }
        Choice::Project(project) => {
            found.extend(document.records.iter().filter(|record| record.owner.project == project));
            if found.is_empty() {
                return Err(find::no_such_project(document, project));
            }
        }
        Choice::Lives(lives) => {
            let is_meant =
                |record: &&Record| lives.iter().any(|life| life.0 == record.name && record.is_kin(life.1.as_ref()));
            found.extend(document.records.iter().filter(is_meant));
        }
    }
    Ok(found.into_iter().cloned().collect())
}

fn refusal(record: &Record) -> Option<Error> {
    match facts::observe_turn(record) {
        Turn::Ours => None,
        Turn::Theirs { pid, verb } => {
            let message =
                format!("service `{}` is being worked on by `minions managed {verb}` (pid {pid})", record.name);
            Some(
                Error::new(Kind::Conflict, "claimed", message)
                    .with_hint("nothing was stopped; wait for that command to end and try again"),
            )
        }
    }
}

/// Who waits for `record` when it is started, and is up or will be.
fn left_behind(document: &Document, record: &Record) -> Vec<String> {
    let is_up = |name: &&str| {
        document.find(name).is_some_and(|there| match there.status {
            Status::Queued | Status::Starting | Status::Running | Status::Backoff => true,
            Status::Stopping | Status::Stopped | Status::Failed => false,
        })
    };
    order::dependents(&document.records, record).into_iter().filter(is_up).map(str::to_owned).collect()
}

/// Removes the records of what has ended, if they are still about that generation, and the shims' files.
fn settle(context: &Context, verb: &str, records: &[Record], items: &mut [Stopped]) -> Result<()> {
    let changed = context.store().change(verb, |document| {
        for (record, item) in records.iter().zip(items.iter()) {
            let is_ours = document.find(&record.name).is_some_and(|there| there.generation == record.generation);
            if is_ours && item.error.is_none() {
                document.remove_ended(&record.name, item.exit);
            } else if is_ours && let Some(there) = document.find_mut(&record.name) {
                // It stays `stopping`, for the next stop or sweep to try again.
                there.claim = None;
            }
        }
        records.iter().map(|record| left_behind(document, record)).collect::<Vec<_>>()
    })?;
    for (item, dependents) in items.iter_mut().zip(changed.value) {
        item.dependents = dependents;
    }
    reached(Step::StopSettled);
    for (record, item) in records.iter().zip(items.iter()) {
        if let (Some(generation), None) = (&record.generation, &item.error) {
            ending::forget(&context.root, &record.name, generation);
        }
    }
    Ok(())
}
