//! `sweep`: everything that time and crashes have made due. Read, decide, claim, perform, settle, as every verb; what
//! is decided are the tables of `lifecycle::sweep` and `lifecycle::orphan`, and `--dry-run` prints it.
//!
//! Not here: probes (`reconcile` adds one for each survivor).

mod again;
mod at_rest;
pub(super) mod due;
mod logs;
pub(super) mod observe;
mod orphans;
pub(super) mod perform;
mod report;

pub use crate::logs::Rotation;
pub use report::{Done, Orphan, Report, Rotated, Stats};

use crate::base::clock::EpochMs;
use crate::base::error::Result;
use crate::base::steps::{Step as Named, reached};
use crate::lifecycle::sweep::Step;
use crate::process;
use crate::service::Record;
use crate::state::{self, Reading};

use super::context::Context;
use super::{follow, queue, runs};

/// The name of this verb in claims and at the lock.
pub const VERB: &str = "sweep";

/// What is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request {
    /// Decide and tell, and change nothing.
    pub is_dry_run: bool,
    /// Look into every run folder and at all processes too, for shims of this root of which nothing else is left: their folders
    /// were removed. That takes as long as there are processes, so `reconcile` does it and the sweep of every minute does not.
    pub is_thorough: bool,
}

/// A record and what is due for it.
#[derive(Debug)]
pub(in crate::ops) struct Due<'a> {
    pub(in crate::ops) record: &'a Record,
    pub(in crate::ops) step: Step,
    /// Its service was there when it was looked at.
    pub(in crate::ops) was_alive: bool,
}

/// Does what is due for records, for the command `verb`, and starts what is to be started again; what came of each, in their order.
pub(in crate::ops) fn carry_out(context: &Context, due: Vec<Due<'_>>, verb: &'static str) -> Result<Vec<Done>> {
    let mut records = perform::perform(context, due, verb)?;
    reached(Named::SweepRecordsDone);
    again::start(context, &mut records, verb);
    Ok(records)
}

/// Looks at every record, at what is left of generations that are in none, and at the logs, and does what is due.
pub fn run(context: &Context, request: Request) -> Result<Report> {
    let store = context.store();
    let reading = if request.is_dry_run {
        Reading { document: store.read()?, set_aside: None }
    } else {
        store.read_or_recover(VERB)?
    };
    let document = &reading.document;
    if !document.is_writable() {
        // What a newer version records may look to us as if it stood in no record.
        let path = context.root.state();
        return Err(state::Error::Newer { path, found: document.version, why: None }.into());
    }
    let newer = follow::caught_up(context, document, VERB, request.is_dry_run)?;
    let document = newer.as_ref().unwrap_or(document);
    let now = EpochMs::now();
    let mut due = observe::observe(&context.root, &document.records, now);
    let (orphans, lost) = if document.malformed.is_empty() || request.is_dry_run {
        let (orphans, mut copies) = orphans::observe(&context.root, document, now, request.is_thorough)?;
        copies.retain(|name| !orphans.iter().any(|one| one.adopts() == Some(name)));
        (orphans, at_rest::observe(&context.root, document, copies, now))
    } else {
        // They could not be set aside, and may be about what seems to be in no record.
        (Vec::new(), Vec::new())
    };
    let bytes_max = context.settings.log_rotate_bytes;
    let mut report = Report::new(request, &reading);
    if request.is_dry_run {
        due::add(context, &mut due, now);
        report.logs = logs::observe(&context.root, &due, bytes_max);
        report.records = due.into_iter().map(Done::planned).collect();
        report.orphans = orphans.into_iter().map(orphans::Found::planned).collect();
        report.orphans.extend(lost.into_iter().map(at_rest::Lost::planned));
        return Ok(report);
    }
    at_rest::make_up(context, document);
    report.logs = logs::rotate(&context.root, &due, bytes_max);
    reached(Named::SweepRotated);
    // Late, so that little comes between the look at who is used and what is done.
    let in_use = due::add(context, &mut due, now);
    due::note(context, &in_use, now)?;
    report.records = carry_out(context, due, VERB)?;
    report.orphans = orphans::perform(context, orphans)?;
    report.orphans.extend(at_rest::perform(context, lost)?);
    if request.is_thorough {
        process::Cgroup::remove_abandoned();
    }
    // Nothing that runs depends on these.
    match queue::settle(context, VERB) {
        Ok(failures) => failures.iter().for_each(|error| log::warn!("a lease is not settled: {}", error.chain())),
        Err(error) => log::warn!("leases are not settled: {}", error.chain()),
    }
    if let Err(error) = runs::prune(context) {
        log::warn!("old runs are not removed: {}", error.chain());
    }
    Ok(report)
}
