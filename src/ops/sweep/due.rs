//! What is due for those that run and are well: the table of `lifecycle::due`, and restarts for their health. To a sweep these
//! are steps like all others.

use crate::base::clock::EpochMs;
use crate::base::error::Result;
use crate::lifecycle::due::{self, Use};
use crate::lifecycle::health::is_to_restart;
use crate::lifecycle::sweep::{Action, Cause};
use crate::lifecycle::transitions::Input;
use crate::service::{Record, Status};

use super::super::context::Context;
use super::super::usage::Usage;
use super::{Done, Due, VERB, carry_out, observe};

/// Puts what is due into the steps of those for whom nothing else is. Returns who is in use right now and had not been so, as
/// far as their records tell, for a while.
pub(super) fn add<'a>(context: &Context, steps: &mut [Due<'a>], now: EpochMs) -> Vec<&'a str> {
    let (usage, backoff) = (Usage::default(), context.health_backoff());
    let mut in_use = Vec::new();
    for one in steps.iter_mut().filter(|one| is_well(one)) {
        let record = one.record;
        if is_to_restart(record) {
            let failures = record.progress.unhealthy_in_row;
            // What becomes of it then is decided by `restart::for_health`.
            one.step.action = Action::End(Cause::Unhealthy);
            one.step.why = format!("{failures} probes in a row have failed");
            continue;
        }
        if due::idle_span(record).is_none() {
            continue;
        }
        let used = usage.observe(record);
        if used == Use::Now && due::is_use_news(record, now, backoff) {
            in_use.push(record.name.as_str());
        }
        if let Some((due, why)) = due::due(record, used, backoff, now) {
            one.step.action = match due {
                due::Due::IdleStop => Action::End(Cause::Idle),
                due::Due::UpdateRestart => Action::StartAgain(Input::Updated),
                due::Due::DailyRestart => Action::StartAgain(Input::DailyDue),
            };
            one.step.why = why;
        }
    }
    in_use
}

fn is_well(one: &Due<'_>) -> bool {
    one.step.action == Action::Keep && one.was_alive && one.record.status == Status::Running
}

/// Whether `record`, which is about to be stopped for want of use, is still not in use: the last look before that.
pub(super) fn is_still_idle(context: &Context, record: &Record) -> bool {
    let used = Usage::default().observe(record);
    due::due(record, used, context.health_backoff(), EpochMs::now()).is_some_and(|(due, _)| due == due::Due::IdleStop)
}

/// Writes down that the services `names` were in use at `now`.
pub(super) fn note(context: &Context, names: &[&str], now: EpochMs) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    context.store().change(VERB, |document| {
        for name in names {
            if let Some(record) = document.find_mut(name) {
                record.progress.last_used_at = record.progress.last_used_at.max(Some(now));
            }
        }
    })?;
    Ok(())
}

/// Starts those of `names` anew that are unhealthy and want that, for the command `verb`: right after they were probed, instead
/// of by the next sweep. What came of each.
pub(in crate::ops) fn restart_unhealthy(context: &Context, names: &[&str], verb: &'static str) -> Result<Vec<Done>> {
    let mut records = context.store().read()?.records;
    records.retain(|record| names.contains(&record.name.as_str()) && is_to_restart(record));
    if records.is_empty() {
        return Ok(Vec::new());
    }
    let now = EpochMs::now();
    let mut steps = observe::observe(&context.root, &records, now);
    add(context, &mut steps, now);
    steps.retain(|one| one.step.action != Action::Keep);
    carry_out(context, steps, verb)
}
