//! Starting again what a killed command has ended, what its restart policy brings back, and what time starts anew. Nobody waits
//! for its health: `reconcile`, `healthcheck` and the loop tell of that.

use crate::base::clock::EpochMs;
use crate::base::error::{Error, Result};
use crate::base::ids::Generation;
use crate::lifecycle::claim::Turn;
use crate::lifecycle::sweep::{Action, Cause};
use crate::lifecycle::transitions::Input;
use crate::lifecycle::{dead, restart};
use crate::service::{Record, Status};
use crate::state::Document;

use super::super::context::Context;
use super::super::facts;
use super::super::start::{Again, By, Only, again};
use super::Done;

/// Starts those of `records` that are to be, for the command `verb`.
pub(super) fn start(context: &Context, records: &mut [Done], verb: &'static str) {
    let mut inputs: Vec<Input> = Vec::new();
    for done in records.iter_mut().filter(|done| done.is_done()) {
        done.starts = wanted(context, done);
        inputs.extend(done.starts.filter(|input| !inputs.contains(input)));
    }
    for input in inputs {
        let wanted = records.iter_mut().filter(|done| done.starts == Some(input) && done.is_done());
        start_by(context, wanted.collect(), input, verb);
    }
}

/// By what input it is to be started now, if it is.
fn wanted(context: &Context, done: &Done) -> Option<Input> {
    match done.step.action {
        Action::StartAgain(input) => Some(input),
        // What it has become is known only since it ended.
        Action::End(Cause::Unhealthy) => {
            let document = context.store().read().ok()?;
            document.find(&done.step.name).filter(|record| is_due(record, EpochMs::now())).map(|_| Input::BackoffOver)
        }
        Action::End(Cause::Dead | Cause::Expired | Cause::Asked | Cause::Idle)
        | Action::Keep
        | Action::Adopt
        | Action::Restore
        | Action::Follow
        | Action::Wait
        | Action::GiveUp
        | Action::Rest
        | Action::Free => None,
    }
}

fn is_due(record: &Record, now: EpochMs) -> bool {
    let is_over =
        restart::for_health(&record.spec).is_some_and(|policy| restart::is_due(&policy, &record.progress, now));
    record.status == Status::Backoff && is_over
}

fn start_by(context: &Context, mut wanted: Vec<&mut Done>, input: Input, verb: &'static str) {
    let names: Vec<String> = wanted.iter().map(|done| done.step.name.clone()).collect();
    let lives: Vec<Option<Generation>> = wanted.iter().map(|done| done.generation.clone()).collect();
    let by = By::Lifecycle(input);
    let only = Only::Generations(&lives);
    let request = Again { names: &names, verb, by, waits: false, is_all_or_none: false, only };
    match again(context, &request, &|_| {}) {
        // One item per name, in their order.
        Ok(report) => {
            for (done, item) in wanted.iter_mut().zip(report.items) {
                done.pid = item.pid;
                // Whoever was faster has done it, or has ended it.
                done.is_overtaken = item.error.as_ref().is_some_and(|error| error.code == "claimed");
                done.error = item.error.filter(|_| !done.is_overtaken);
            }
        }
        Err(error) => {
            for done in &mut wanted {
                done.error = Some(Error::new(error.kind, error.code, error.chain()));
            }
        }
    }
    let refused: Vec<(&str, &Error)> =
        wanted.iter().filter_map(|done| Some((done.step.name.as_str(), done.error.as_ref()?))).collect();
    if let Err(error) = count(context, &refused, verb) {
        log::warn!("what could not be started again is not counted: {}", error.chain());
    }
}

/// A start that was refused before anything was claimed (its program or its port is taken away) counts as one that failed, so that
/// it is tried at the policy's pace, and in the end no more.
fn count(context: &Context, refused: &[(&str, &Error)], verb: &str) -> Result<()> {
    let now = EpochMs::now();
    let edit = |document: &mut Document| {
        let mut has_changed = false;
        for (name, error) in refused {
            let still_due = |there: &&mut Record| is_due(there, now) && facts::observe_turn(there) == Turn::Ours;
            if let Some(there) = document.find_mut(name).filter(still_due) {
                // What waits may wait again, or be given up.
                has_changed |= dead::start_failed(there, Input::StartAgainFailed, now, &error.message).is_ok();
            }
        }
        has_changed
    };
    if refused.is_empty() || context.store().read().is_ok_and(|mut document| !edit(&mut document)) {
        return Ok(());
    }
    context.store().change(verb, edit)?;
    Ok(())
}
