//! `stop`: ends the whole tree of each service and removes its record. Claim, perform, settle.

use crate::base::clock::EpochMs;
use crate::base::error::{Error, Kind, Result};
use crate::health::side_by_side;
use crate::lifecycle::claim::Turn;
use crate::process;
use crate::service::{Claim, ExitRecord, Record, Status};
use crate::state::SetAside;

use super::context::Context;
use super::{ending, facts, find};

/// How many services are ended side by side; each waits, so that threads are all it costs.
const AT_ONCE_MAX: usize = 32;

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
}

/// What came of all names, in their order.
#[derive(Debug)]
pub struct Report {
    /// One per name.
    pub items: Vec<Stopped>,
    /// Something unreadable in the state file was put aside.
    pub set_aside: Option<SetAside>,
}

/// Stops `names`, side by side. Nothing is done at all if one of them is unknown (exit 6) or worked on by another
/// command (exit 7); a service that will not end keeps its record, marked `stopping`.
pub fn run(context: &Context, names: &[String]) -> Result<Report> {
    let mut wanted: Vec<&String> = Vec::with_capacity(names.len());
    for name in names {
        if !wanted.contains(&name) {
            wanted.push(name);
        }
    }
    let (records, set_aside) = claim(context, &wanted)?;
    let ended =
        side_by_side(&records, AT_ONCE_MAX, |record| ending::end_both(&context.root, record, context.stop_grace()));
    let mut items = Vec::with_capacity(records.len());
    let mut gone = Vec::with_capacity(records.len());
    for (record, outcome) in records.into_iter().zip(ended) {
        let (exit, error) = match outcome {
            Ok(exit) => (exit, None),
            Err(error) => (None, Some(error)),
        };
        items.push(Stopped { name: record.name.clone(), pid: record.pid, exit, error });
        gone.push(record);
    }
    settle(context, &gone, &items)?;
    Ok(Report { items, set_aside })
}

/// Marks every record `stopping`, ours to work on, and returns them as they were.
fn claim(context: &Context, names: &[&String]) -> Result<(Vec<Record>, Option<SetAside>)> {
    let store = context.store();
    let maker = process::own_identity().map_err(|error| Error::io("cannot look at this very process", error))?;
    let changed = store.change("stop", |document| {
        let found: Vec<Record> = names
            .iter()
            .map(|name| document.find(name).cloned().ok_or_else(|| find::no_such_service(document, name)))
            .collect::<Result<_>>()?;
        if let Some(refusal) = found.iter().find_map(refusal) {
            return Err(refusal);
        }
        for record in document.records.iter_mut().filter(|record| names.contains(&&record.name)) {
            record.status = Status::Stopping;
            record.claim = Some(Claim { maker: maker.clone(), verb: "stop".into(), at: EpochMs::now() });
        }
        Ok(found)
    })?;
    Ok((changed.value?, changed.set_aside))
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

/// Removes the records of what has ended, if they are still about that generation, and the shims' files.
fn settle(context: &Context, records: &[Record], items: &[Stopped]) -> Result<()> {
    context.store().change("stop", |document| {
        for (record, item) in records.iter().zip(items) {
            let is_ours = document.find(&record.name).is_some_and(|there| there.generation == record.generation);
            if is_ours && item.error.is_none() {
                document.remove(&record.name);
            } else if is_ours && let Some(there) = document.find_mut(&record.name) {
                // It stays `stopping`, for the next stop or sweep to try again.
                there.claim = None;
            }
        }
    })?;
    for (record, item) in records.iter().zip(items) {
        if let (Some(generation), None) = (&record.generation, &item.error) {
            ending::forget(&context.root, &record.name, generation);
        }
    }
    Ok(())
}
