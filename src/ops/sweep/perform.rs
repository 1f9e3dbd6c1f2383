//! Doing what is due for records. Claim: one change of the state for all, each only if its record is still as it was
//! looked at. Perform, side by side. Settle: one change again.

use crate::base::clock::EpochMs;
use crate::base::error::{Error, Result};
use crate::base::root::Root;
use crate::base::steps::{Step, reached};
use crate::health::side_by_side;
use crate::lifecycle::claim::Turn;
use crate::lifecycle::dead;
use crate::lifecycle::fate::Fate;
use crate::lifecycle::order;
use crate::lifecycle::sweep::{Action, Cause};
use crate::lifecycle::transitions::{Input, last_input};
use crate::process;
use crate::service::{Claim, Exit, ExitRecord, Record, Status};
use crate::state::{self, Document};

use super::super::context::Context;
use super::super::ending::{self, Target};
use super::super::moved::moved;
use super::super::{chain, facts, renew};
use super::{Done, Due, due};

/// How many generations are ended side by side; each waits, so that threads are all it costs.
const AT_ONCE_MAX: usize = 32;

/// A record with what is to become of it, made ready before the lock is taken.
struct Ready<'a> {
    due: Due<'a>,
    /// What the record is to be from the claim on; `None`: it is left as it is.
    becomes: Option<Record>,
    error: Option<Error>,
}

/// What came of one that was claimed.
type Ended = Result<Option<ExitRecord>>;

/// Performs the steps; what came of each, in their order.
pub(in crate::ops) fn perform(context: &Context, due: Vec<Due<'_>>, verb: &str) -> Result<Vec<Done>> {
    if due.iter().all(|due| due.step.action == Action::Keep) {
        return Ok(due.into_iter().map(Done::planned).collect());
    }
    let maker = facts::own_identity()?;
    let claim = Claim { maker, verb: verb.to_owned(), at: EpochMs::now() };
    let ready = side_by_side(&due, AT_ONCE_MAX, |due| prepare(context, due, &claim));
    let ready: Vec<Ready<'_>> = due
        .into_iter()
        .zip(ready)
        .map(|(due, ready)| match ready {
            Ok(becomes) => Ready { due, becomes, error: None },
            Err(error) => Ready { due, becomes: None, error: Some(error) },
        })
        .collect();
    reached(Step::SweepPrepared);
    let claimed = context.store().change(verb, |document| claim_all(&context.root, document, &ready))?.value;
    reached(Step::SweepClaimed);
    let to_end = indices(&ready, &claimed);
    let mut ended = Vec::with_capacity(to_end.len());
    for level in order::to_stop(to_end.iter().map(|at| ready[*at].due.record)) {
        let level: Vec<usize> = level.into_iter().map(|place| to_end[place]).collect();
        ended.extend(side_by_side(&level, AT_ONCE_MAX, |at| {
            (*at, ending::end_both(&context.root, ready[*at].due.record, context.stop_grace()))
        }));
    }
    reached(Step::SweepEnded);
    settle(context, &ready, &ended, &claim)?;
    reached(Step::SweepSettled);
    Ok(told(context, ready, &claimed, ended))
}

/// What the record is to be once it is claimed. What must be so before that is done here.
fn prepare(context: &Context, due: &Due<'_>, claim: &Claim) -> Result<Option<Record>> {
    let (root, grace, now) = (&context.root, context.stop_grace(), claim.at);
    let Due { record, step, .. } = due;
    let change = step.change.as_ref();
    Ok(match step.action {
        Action::Keep => None,
        // Whoever has come since it was looked at is not cut.
        Action::End(Cause::Idle) if record.status != Status::Stopping && !due::is_still_idle(context, record) => None,
        Action::End(cause) => Some(stopping(record, claim, cause, &step.why)?),
        Action::Free => {
            ending::end_previous(root, record, grace)?;
            Some(without_process(record, Input::Freed, now, &step.why)?)
        }
        // Starting is another use case's: what is recorded before that is done here.
        Action::StartAgain(_) | Action::Wait | Action::GiveUp | Action::Rest => match change {
            None => None,
            Some(change) => {
                ending::end_both(root, record, grace)?;
                let last_exit = change.exit.or(record.last_exit);
                let record = Record { progress: change.progress.clone(), last_exit, ..Record::clone(record) };
                Some(without_process(&record, change.input, now, &step.why)?)
            }
        },
        Action::Follow => {
            ending::end_previous(root, record, grace)?;
            followed(root, record, now, &step.why)?
        }
        Action::Adopt => Some(adopted(context, record, now, &step.why)?),
        // Without its orders it can't be brought back: then all of it ends.
        Action::Restore => Some(match restored(context, record, now, &step.why)? {
            Some(restored) => restored,
            None => stopping(record, claim, Cause::Dead, &step.why)?,
        }),
    })
}

/// To be ended by us. One that is `stopping` already is so for its own reason.
fn stopping(record: &Record, claim: &Claim, cause: Cause, why: &str) -> Result<Record> {
    let mut stopping = Record { claim: Some(claim.clone()), ..record.clone() };
    let input = match cause {
        Cause::Dead => Input::Dropped,
        Cause::Expired => Input::TtlOver,
        Cause::Asked => Input::StopAsked,
        Cause::Idle => Input::Idle,
        Cause::Unhealthy => Input::Unhealthy,
    };
    if last_input(record) != Some(input) || record.status != Status::Stopping {
        moved(&mut stopping, input, claim.at, why)?;
    }
    Ok(stopping)
}

/// As one of which nothing lives any more, and of which nobody is in the middle.
fn without_process(record: &Record, input: Input, now: EpochMs, why: &str) -> Result<Record> {
    let settled = Record { healthy: false, alive: false, claim: None, ..record.clone() };
    let mut settled = Record { process: None, pid: None, previous: None, ..settled };
    moved(&mut settled, input, now, why)?;
    Ok(settled)
}

/// As its shim's files tell that it is by now; `None`: they tell nothing that is new.
fn followed(root: &Root, record: &Record, now: EpochMs, why: &str) -> Result<Option<Record>> {
    let mut free = Record { claim: None, previous: None, ..record.clone() };
    if record.status == Status::Starting {
        // Whoever started it died before it could say so.
        moved(&mut free, Input::Adopted, now, why)?;
    }
    Ok(chain::observe_newer(root, &free, now))
}

/// As one that runs. The generation that it was to replace must be gone, and its shim must go by the record.
fn adopted(context: &Context, record: &Record, now: EpochMs, why: &str) -> Result<Record> {
    ending::end_previous(&context.root, record, context.stop_grace())?;
    let mut adopted = Record { alive: true, claim: None, previous: None, ..record.clone() };
    moved(&mut adopted, Input::Adopted, now, why)?;
    // Its shim may have given it another life since it was claimed.
    let Target { generation, process, started_at, .. } = Target::of(&context.root, record);
    if let (None, Some(process), Some(at)) = (&record.process, process, started_at) {
        adopted.generation = generation;
        adopted.pid = Some(process.service.pid);
        adopted.process = Some(process);
        adopted.started_at = Some(at);
    }
    renew::arm(&context.root, &adopted)?;
    Ok(adopted)
}

/// The record of the generation that was to be replaced, as its shim's files tell it; `None`: they do not.
fn restored(context: &Context, record: &Record, now: EpochMs, why: &str) -> Result<Option<Record>> {
    let previous = record.previous.as_ref().and_then(|previous| previous.generation.as_ref());
    let newest = previous.and_then(|generation| state::newest_life(&context.root, &record.name, generation));
    let evidence = newest.and_then(|newest| state::read_one(&context.root.run_dir(&record.name, &newest)));
    let there = evidence.and_then(|evidence| evidence.to_record(process::observe_liveness));
    let is_whole = |there: &Record| {
        there.process.is_some() && there.spec.name == record.spec.name && there.scope() == record.scope()
    };
    let Some(there) = there.filter(is_whole) else { return Ok(None) };
    let mut restored = Record { status: record.status, ..there };
    moved(&mut restored, Input::Restored, now, why)?;
    Ok(Some(restored))
}

/// Writes what each record becomes, where it is still as it was looked at and nobody else is at it; says for which it was.
fn claim_all(root: &Root, document: &mut Document, ready: &[Ready<'_>]) -> Vec<bool> {
    let mut claim_one = |ready: &Ready<'_>| {
        let (Some(becomes), Some(there)) = (&ready.becomes, document.find_mut(&ready.due.record.name)) else {
            return false;
        };
        let is_ours = there.is_same_life(ready.due.record)
            && there.ttl_expires_at == ready.due.record.ttl_expires_at
            && facts::observe_turn(there) == Turn::Ours
            && is_still_due(there, &ready.due);
        if is_ours {
            let health = there.clone();
            *there = becomes.clone();
            if there.generation == health.generation && there.process.is_some() {
                // It may have been probed meanwhile.
                there.healthy = health.healthy;
                there.last_health_at = health.last_health_at;
                there.health_proof = health.health_proof;
                there.progress.last_used_at = health.progress.last_used_at;
                there.progress.updated_at = health.progress.updated_at;
            }
            // A follower that came since we looked has left it alone, as one that somebody was at.
            if matches!(ready.due.step.action, Action::Adopt | Action::Follow)
                && let Some(newer) = chain::observe_newer(root, there, EpochMs::now())
            {
                *there = newer;
            }
        }
        is_ours
    };
    ready.iter().map(&mut claim_one).collect()
}

/// Whether what is due for its use or its health is so still: it may have been used or probed meanwhile.
fn is_still_due(there: &Record, due: &Due<'_>) -> bool {
    match due.step.action.cause() {
        Some(Cause::Idle) => there.progress.last_used_at == due.record.progress.last_used_at,
        Some(Cause::Unhealthy) => there.healthy == due.record.healthy,
        Some(Cause::Dead | Cause::Expired | Cause::Asked) | None => true,
    }
}

/// The ones that are ours to end.
fn indices(ready: &[Ready<'_>], claimed: &[bool]) -> Vec<usize> {
    let is_ending = |at: &usize| {
        let becomes = ready[*at].becomes.as_ref();
        claimed[*at] && becomes.is_some_and(|record| record.status == Status::Stopping)
    };
    (0..ready.len()).filter(is_ending).collect()
}

/// Removes the records of what has ended, if they are still ours; what would not end stays `stopping`, for the next try.
fn settle(context: &Context, ready: &[Ready<'_>], ended: &[(usize, Ended)], claim: &Claim) -> Result<()> {
    if ended.is_empty() {
        return Ok(());
    }
    context.store().change(&claim.verb, |document| {
        for (at, outcome) in ended {
            let name = &ready[*at].due.record.name;
            let is_ours = |there: &&mut Record| there.claim.as_ref() == Some(claim);
            match (document.find_mut(name).filter(is_ours), outcome) {
                (None, _) => {}
                (Some(there), Ok(exit)) => match ended_as(there, ready[*at].due.step.action, *exit) {
                    Some(stays) => *there = stays,
                    None => drop(document.remove_ended(name, *exit)),
                },
                (Some(there), Err(_)) => there.claim = None,
            }
        }
    })?;
    Ok(())
}

/// The record of what has ended, if it stays: what was ended for idleness, or for its health if its policy says so.
fn ended_as(there: &Record, action: Action, exit: Option<ExitRecord>) -> Option<Record> {
    let now = EpochMs::now();
    let record = Record { last_exit: exit.or(there.last_exit), ..there.clone() };
    let last = there.progress.last_transition.as_ref();
    let why = last.map(|last| last.why.clone()).unwrap_or_default();
    let (progress, input, why) = match action.cause() {
        Some(Cause::Idle) => (record.progress.clone(), Input::Stopped, why),
        Some(Cause::Unhealthy) => match dead::after_unhealthy(&record, exit, now) {
            Fate::Again { at: _, progress } => (progress, exited(exit), why),
            Fate::Failed { progress, why: no_more } => (progress, Input::GaveUp, format!("{why}; {no_more}")),
            Fate::Stopped | Fate::Gone => return None,
        },
        Some(Cause::Dead | Cause::Expired | Cause::Asked) | None => return None,
    };
    // `stopping` leads to each of these.
    without_process(&Record { progress, ..record }, input, now, &why).ok()
}

fn exited(exit: Option<ExitRecord>) -> Input {
    Input::Exited(exit.map_or(Exit::Unknown, |exit| exit.exit).into())
}

/// What came of each; the files of what is gone go too.
fn told(context: &Context, ready: Vec<Ready<'_>>, claimed: &[bool], ended: Vec<(usize, Ended)>) -> Vec<Done> {
    let mut ended: std::collections::HashMap<usize, Ended> = ended.into_iter().collect();
    let tell = |(at, ready): (usize, Ready)| {
        let Ready { due, becomes, error } = ready;
        let forget = || {
            let generation = due.record.generation.iter();
            generation.for_each(|generation| ending::forget(&context.root, &due.record.name, generation));
        };
        let (exit, error) = match ended.remove(&at) {
            Some(Ok(exit)) => {
                forget();
                (exit, None)
            }
            Some(Err(error)) => (None, Some(error)),
            None => {
                // Its shim never had its word: the orders of the generation that was not to be are all there is of it. Or it
                // is dead, and all that its files tell stands in its record by now.
                let is_restored = becomes.as_ref().is_some_and(|record| !record.is_kin(due.record.generation.as_ref()));
                if claimed[at] && (is_restored || due.step.change.is_some()) {
                    forget();
                }
                (None, error)
            }
        };
        let is_wanted = becomes.is_some() || due.step.action == Action::End(Cause::Idle);
        let is_overtaken = is_wanted && !claimed[at] && error.is_none();
        Done { exit, error, is_overtaken, ..Done::planned(due) }
    };
    ready.into_iter().enumerate().map(tell).collect()
}
