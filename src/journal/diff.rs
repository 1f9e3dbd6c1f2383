//! What a change of the records means: two sets of records in, events out. Nobody writes a service's event by hand, so none is
//! forgotten. Pure.
//!
//! Several changes between two writes show only as far as the last of them tells: a service that exited and was started again by
//! its shim has both events, at the times that the record holds.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::base::clock::EpochMs;
use crate::base::redact;
use crate::service::{Draft, EventType, Exit, ExitCause, ExitRecord, Record, Status};

/// The longest text that an event quotes, in characters.
const TEXT_CHARS_MAX: usize = 1000;
/// What somebody may do who was not asked to: what is removed then was dead.
const UNASKED: [&str; 3] = ["sweep", "reconcile", "run"];

/// Two sets of records, and what was learnt of those that went.
#[derive(Clone, Copy, Debug)]
pub struct Difference<'a> {
    /// Before.
    pub before: &'a [Record],
    /// After.
    pub after: &'a [Record],
    /// How those ended that are gone, by name.
    pub exits: &'a [(String, ExitRecord)],
    /// The time of the change: that of an event where nothing tells a better one.
    pub now: EpochMs,
}

/// The events that the difference means: service by service in the order of the records, those that are gone last.
pub fn drafts(difference: &Difference<'_>) -> Vec<Draft> {
    let Difference { before, after, exits, now } = *difference;
    let mut drafts = Vec::new();
    let is_in_place = |(old, new): (&Record, &Record)| old.name == new.name;
    if before.len() == after.len() && before.iter().zip(after).all(is_in_place) {
        for (old, new) in before.iter().zip(after) {
            changed(&mut drafts, old, new, now);
        }
        return drafts;
    }
    let mut left: HashMap<&str, &Record> = before.iter().map(|record| (record.name.as_str(), record)).collect();
    for new in after {
        match left.remove(new.name.as_str()) {
            Some(old) => changed(&mut drafts, old, new, now),
            None => appeared(&mut drafts, new, now),
        }
    }
    for old in before.iter().filter(|old| left.contains_key(old.name.as_str())) {
        let exit = exits.iter().find(|(name, _)| *name == old.name).map(|(_, exit)| *exit);
        drafts.push(gone(old, exit.or(old.last_exit), now));
    }
    drafts
}

fn appeared(drafts: &mut Vec<Draft>, record: &Record, now: EpochMs) {
    let kind = match record.status {
        // Nobody has claimed it, and it runs.
        Status::Running => EventType::ServiceAdopted,
        Status::Queued | Status::Starting | Status::Backoff | Status::Stopping | Status::Stopped | Status::Failed => {
            of_status(record.status)
        }
    };
    drafts.push(moved(kind, record, now).with("to", record.status.word()));
    if record.healthy {
        drafts.push(draft(EventType::ServiceHealthy, record, record.last_health_at.unwrap_or(now)));
    }
}

fn changed(drafts: &mut Vec<Draft>, old: &Record, new: &Record, now: EpochMs) {
    let is_new_life = old.generation != new.generation;
    if let Some(exit) = new.last_exit.filter(|exit| exit.cause == ExitCause::Own && old.last_exit != new.last_exit) {
        // It is about the life that ended, which a new one may have followed already.
        let ended = draft(EventType::ServiceExited, old, exit.at);
        drafts.push(with_exit(ended, Some(exit)));
    }
    let of_move = |drafts: &mut Vec<Draft>, kind| {
        let is_spawned = new.status == Status::Running && old.started_at != new.started_at;
        let at = match new.started_at.filter(|_| is_spawned) {
            Some(at) => at,
            None if old.progress.last_transition == new.progress.last_transition => now,
            None => moved_at(new, now),
        };
        let draft = moved(kind, new, at).with("from", old.status.word()).with("to", new.status.word());
        drafts.push(if is_new_life { with_previous(draft, old) } else { draft });
    };
    if is_new_life {
        if new.status == Status::Starting && old.spec_hash != new.spec_hash {
            of_move(drafts, EventType::ServiceReplaced);
        }
        let is_restored = old.previous.as_ref().is_some_and(|previous| previous.generation == new.generation);
        of_move(
            drafts,
            match new.status {
                Status::Running if is_restored || is_adopted(new) => EventType::ServiceAdopted,
                Status::Running => EventType::ServiceRestarted,
                Status::Queued
                | Status::Starting
                | Status::Backoff
                | Status::Stopping
                | Status::Stopped
                | Status::Failed => of_status(new.status),
            },
        );
    } else if old.status != new.status {
        let is_again = new.status == Status::Running && is_adopted(new);
        of_move(drafts, if is_again { EventType::ServiceAdopted } else { of_status(new.status) });
    }
    let was_healthy = old.healthy && !is_new_life;
    if new.healthy && !was_healthy {
        drafts.push(draft(EventType::ServiceHealthy, new, new.last_health_at.unwrap_or(now)));
    }
    if was_healthy && !new.healthy && new.status == Status::Running {
        drafts.push(draft(EventType::ServiceUnhealthy, new, now));
    }
    if !is_new_life && old.ttl_expires_at.is_some() && old.ttl_expires_at != new.ttl_expires_at {
        let end = |record: &Record| json!(record.ttl_expires_at.map(|at| at.0));
        drafts.push(draft(EventType::ServiceRenewed, new, now).with("from", end(old)).with("to", end(new)));
    }
}

/// What became of a service whose record is gone.
fn gone(old: &Record, exit: Option<ExitRecord>, now: EpochMs) -> Draft {
    let last = old.progress.last_transition.as_ref().filter(|last| last.to == old.status);
    let verb = old.claim.as_ref().map_or("", |claim| claim.verb.as_str());
    let kind = match old.status {
        Status::Queued | Status::Backoff | Status::Stopped | Status::Failed => EventType::ServiceDropped,
        // It never was more than a start.
        Status::Starting | Status::Running => EventType::ServiceFailed,
        Status::Stopping => {
            let is_over = old.ttl_expires_at.is_some_and(|end| end <= now);
            ended_for(last.map_or("", |last| last.input.as_str()), exit, is_over, verb)
        }
    };
    let at = exit.filter(|exit| old.last_exit != Some(*exit)).map_or(now, |exit| exit.at.min(now));
    let mut draft = draft(kind, old, at).with("from", old.status.word());
    if !verb.is_empty() {
        draft = draft.with("by", verb);
    }
    if let Some(last) = last {
        draft = draft.with("input", last.input.as_str()).with("why", quoted(&last.why));
    }
    with_exit(draft, exit)
}

/// What a stop that is done means, by the word of what asked for it (`lifecycle::Input`), which an older version did not write.
fn ended_for(input: &str, exit: Option<ExitRecord>, is_over: bool, verb: &str) -> EventType {
    match (input, exit.map(|exit| exit.cause)) {
        (_, Some(ExitCause::Expired)) | ("ttl-over", _) => EventType::ServiceExpired,
        (_, Some(ExitCause::Own)) | ("dropped", _) => EventType::ServiceExited,
        ("first-health-failed" | "spawn-failed", _) => EventType::ServiceFailed,
        ("stop-asked", _) => EventType::ServiceStopped,
        (_, Some(ExitCause::Asked) | None) if is_over => EventType::ServiceExpired,
        (_, None) if UNASKED.contains(&verb) => EventType::ServiceExited,
        (_, Some(ExitCause::Asked) | None) => EventType::ServiceStopped,
    }
}

const fn of_status(status: Status) -> EventType {
    match status {
        Status::Queued => EventType::ServiceQueued,
        Status::Starting => EventType::ServiceStarting,
        Status::Running => EventType::ServiceRunning,
        Status::Backoff => EventType::ServiceBackoff,
        Status::Stopping => EventType::ServiceStopping,
        Status::Stopped => EventType::ServiceStopped,
        Status::Failed => EventType::ServiceFailed,
    }
}

/// Whether the record says that it was found running. The words are those of `lifecycle::Input`.
fn is_adopted(record: &Record) -> bool {
    let last = record.progress.last_transition.as_ref();
    last.is_some_and(|last| last.to == record.status && matches!(last.input.as_str(), "adopted" | "restored"))
}

fn draft(kind: EventType, record: &Record, at: EpochMs) -> Draft {
    Draft {
        at,
        kind,
        service: record.name.clone(),
        project: record.owner.project.clone(),
        agent: record.owner.agent.clone(),
        generation: record.generation.as_ref().map(ToString::to_string).unwrap_or_default(),
        run_id: record.run_id.clone().unwrap_or_default(),
        data: Map::new(),
    }
}

/// When the record came to its status.
fn moved_at(record: &Record, now: EpochMs) -> EpochMs {
    let last = record.progress.last_transition.as_ref();
    last.filter(|last| last.to == record.status).map_or(now, |last| last.at)
}

/// An event of a change of status, with what the record says of it.
fn moved(kind: EventType, record: &Record, at: EpochMs) -> Draft {
    let mut draft = draft(kind, record, at);
    let last = record.progress.last_transition.as_ref().filter(|last| last.to == record.status);
    if let Some(last) = last {
        draft = draft.with("input", last.input.as_str()).with("why", quoted(&last.why));
    } else if let Some(claim) = &record.claim {
        draft = draft.with("by", claim.verb.as_str());
    }
    match record.status {
        Status::Backoff => draft.with("next_at", json!(record.progress.next_at.map(|at| at.0))),
        Status::Running => draft.with("pid", json!(record.pid)),
        Status::Queued | Status::Starting | Status::Stopping | Status::Stopped | Status::Failed => draft,
    }
}

fn with_previous(draft: Draft, old: &Record) -> Draft {
    draft.with("previous", json!(old.generation.as_ref().map(ToString::to_string)))
}

fn with_exit(draft: Draft, exit: Option<ExitRecord>) -> Draft {
    let Some(exit) = exit else { return draft };
    let (code, signal) = match exit.exit {
        Exit::Code(code) => (json!(code), Value::Null),
        Exit::Signal(signal) => (Value::Null, json!(signal)),
        Exit::Unknown => (Value::Null, Value::Null),
    };
    draft.with("exit", json!({"code": code, "signal": signal, "cause": exit.cause.word(), "at": exit.at.0}))
}

/// Text that came from elsewhere: bounded, and without what URLs may hide.
fn quoted(text: &str) -> String {
    let short: String = text.chars().take(TEXT_CHARS_MAX).collect();
    redact::urls(&short)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(cause: ExitCause) -> Option<ExitRecord> {
        Some(ExitRecord { exit: Exit::Unknown, cause, at: EpochMs(1) })
    }

    #[test]
    fn why_a_service_went_is_told_by_its_exit_then_by_what_asked_for_it() {
        use EventType::{ServiceExited, ServiceExpired, ServiceFailed, ServiceStopped};
        let check = |input: &str, exit: Option<ExitRecord>, is_over: bool, verb: &str, expected: EventType| {
            assert_eq!(ended_for(input, exit, is_over, verb), expected, "{input}, {exit:?}, {is_over}, {verb}");
        };
        check("stop-asked", exit(ExitCause::Asked), false, "stop", ServiceStopped);
        check("stop-asked", exit(ExitCause::Own), false, "stop", ServiceExited);
        check("stop-asked", None, true, "stop", ServiceStopped);
        check("ttl-over", exit(ExitCause::Asked), true, "sweep", ServiceExpired);
        check("", exit(ExitCause::Expired), true, "sweep", ServiceExpired);
        check("dropped", None, false, "sweep", ServiceExited);
        check("first-health-failed", exit(ExitCause::Asked), false, "accept", ServiceFailed);
        check("", exit(ExitCause::Asked), true, "sweep", ServiceExpired);
        check("", None, false, "sweep", ServiceExited);
        check("", None, false, "stop", ServiceStopped);
    }
}
