//! What is to be done next about a service that is to be up and healthy: by `ensure`, which brings it up, and by whoever only waits
//! for it.

use crate::base::clock::EpochMs;
use crate::service::{Record, Status};

use super::claim::Turn;
use super::facts::{Facts, Life, Shim, words};

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing: it is up and healthy.
    Up,
    /// It is up; whether it is healthy is to be asked.
    Ask,
    /// It is to be started.
    Start,
    /// Another command is at it, whose work is waited for.
    Await {
        /// That command's process.
        pid: u32,
        /// What it does.
        verb: String,
    },
    /// Its shim is about to go on by itself, which is waited for.
    AwaitShim,
    /// It will not be up.
    Refuse(Refusal),
}

/// Why a service will not be up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Its time to live is over.
    Expired,
    /// The start that was waited for has failed: whoever waited for it is told, and does not try the same again.
    Failed,
}

/// Decides about `record`. `is_fresh`: a probe passed so lately that it need not be asked again. `has_waited`: the caller has
/// waited for a start of it already, its own or another's. Total over turn × life × status × shim.
pub fn next(record: &Record, facts: &Facts, is_fresh: bool, has_waited: bool, now: EpochMs) -> Next {
    if let Turn::Theirs { pid, verb } = &facts.turn {
        return Next::Await { pid: *pid, verb: verb.clone() };
    }
    if record.ttl_expires_at.is_some_and(|at| at <= now) {
        return Next::Refuse(Refusal::Expired);
    }
    match (record.status, &facts.life, &facts.shim) {
        (Status::Running, Life::Alive | Life::Unknown, _) if is_fresh => Next::Up,
        (Status::Running, Life::Alive | Life::Unknown, _) => Next::Ask,
        // It ends what is left, and then says what becomes of it; or it has gone on, which is about to be recorded.
        (Status::Running, Life::Dead(_), Shim::Same | Shim::Moved { .. }) => Next::AwaitShim,
        // It died before it passed a probe: whoever has started it is about to write that down, or was killed.
        (Status::Running, Life::NotStarted | Life::Dead(_), _) if has_waited && record.last_health_at.is_none() => {
            Next::Refuse(Refusal::Failed)
        }
        (Status::Running, Life::NotStarted | Life::Dead(_), _) => Next::Start,
        (Status::Failed, _, _) if has_waited => Next::Refuse(Refusal::Failed),
        (
            Status::Queued | Status::Starting | Status::Backoff | Status::Stopping | Status::Stopped | Status::Failed,
            _,
            _,
        ) => Next::Start,
    }
}

/// How a service stands for a start that needs it and leaves it to others to bring it up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prospect {
    /// It is up, and was healthy when last probed.
    Up,
    /// It is up; whether it is healthy is to be asked.
    Ask {
        /// If it is not, it may be soon: it has not passed a probe since its start, and its health timeout is not over.
        is_coming: bool,
    },
    /// Somebody is at it, whose work is waited for; what that is.
    Await(String),
    /// It is not up, and nobody brings it up; why.
    Lost(String),
}

/// How `record` stands at `now` for whoever waits for it. One that is in another command's hands, or that its own shim is to start
/// again, is waited for; one that had passed a probe and fails now is asked once. Total over turn × life × status × shim.
pub fn prospect(record: &Record, facts: &Facts, now: EpochMs) -> Prospect {
    if let Turn::Theirs { pid, verb } = &facts.turn {
        return Prospect::Await(format!("`minions managed {verb}` (pid {pid}) is at it"));
    }
    if record.ttl_expires_at.is_some_and(|at| at <= now) {
        return Prospect::Lost("its time to live is over".into());
    }
    match (record.status, &facts.life, &facts.shim) {
        (Status::Running, Life::Alive | Life::Unknown, _) if record.healthy => Prospect::Up,
        (Status::Running, Life::Alive | Life::Unknown, _) => Prospect::Ask { is_coming: is_coming(record, now) },
        (Status::Running | Status::Backoff, _, Shim::Same | Shim::Moved { .. } | Shim::Waiting { .. }) => {
            Prospect::Await("its shim is at it".into())
        }
        (Status::Running, Life::Dead(death), Shim::Gone) => Prospect::Lost(words(death)),
        (Status::Running, Life::NotStarted, Shim::Gone) => Prospect::Lost("it has no process".into()),
        (
            Status::Queued | Status::Starting | Status::Backoff | Status::Stopping | Status::Stopped | Status::Failed,
            _,
            _,
        ) => Prospect::Lost(format!("it is `{}`", record.status.word())),
    }
}

/// Whether `record`, which runs, has not passed a probe yet and still has time for it.
fn is_coming(record: &Record, now: EpochMs) -> bool {
    record.last_health_at.is_none()
        && record.started_at.is_some_and(|start| start.plus(record.spec.healthcheck.timeout()) > now)
}

#[cfg(test)]
mod tests {
    use super::super::facts::{Death, Previous};
    use super::super::sample::record;
    use super::*;
    use crate::base::ids::Generation;

    const NOW: EpochMs = EpochMs(1_000_000);
    const LIVES: [Life; 4] = [Life::NotStarted, Life::Alive, Life::Dead(Death::Gone), Life::Unknown];

    fn shims() -> [Shim; 4] {
        let generation = Generation::new(NOW);
        [Shim::Gone, Shim::Same, Shim::Moved { generation }, Shim::Waiting { until: NOW }]
    }

    /// The table, as it is meant, for a record whose turn it is and whose time is not over.
    fn meant(record: &Record, life: &Life, shim: &Shim, is_fresh: bool, has_waited: bool) -> Next {
        let is_up = matches!(life, Life::Alive | Life::Unknown);
        let is_shims = matches!(shim, Shim::Same | Shim::Moved { .. }) && matches!(life, Life::Dead(_));
        match record.status {
            Status::Running if is_up && is_fresh => Next::Up,
            Status::Running if is_up => Next::Ask,
            Status::Running if is_shims => Next::AwaitShim,
            Status::Running if has_waited && record.last_health_at.is_none() => Next::Refuse(Refusal::Failed),
            Status::Failed if has_waited => Next::Refuse(Refusal::Failed),
            Status::Queued
            | Status::Starting
            | Status::Running
            | Status::Backoff
            | Status::Stopping
            | Status::Stopped
            | Status::Failed => Next::Start,
        }
    }

    fn facts(turn: Turn, life: &Life, shim: &Shim) -> Facts {
        let (life, shim, previous) = (life.clone(), shim.clone(), Previous::Gone);
        Facts { turn, life, previous, is_ending: false, shim, is_rebooted: false }
    }

    #[test]
    fn every_prospect_is_as_written() {
        let passed = [(true, Some(NOW)), (false, Some(NOW)), (false, None)];
        for (status, (healthy, last_health_at)) in Status::ALL.into_iter().flat_map(|one| passed.map(|two| (one, two)))
        {
            for (life, shim) in LIVES.iter().flat_map(|life| shims().map(|shim| (life, shim))) {
                let mut record = Record { healthy, last_health_at, ..record(status) };
                record.spec.healthcheck.timeout_s = 10.0;
                (record.started_at, record.ttl_expires_at) = (Some(EpochMs(NOW.0 - 9_999)), None);
                let is_up = matches!(life, Life::Alive | Life::Unknown);
                let found = prospect(&record, &facts(Turn::Ours, life, &shim), NOW);
                let is_as_meant = match (status, is_up, &shim) {
                    (Status::Running, true, _) if healthy => found == Prospect::Up,
                    (Status::Running, true, _) => found == Prospect::Ask { is_coming: last_health_at.is_none() },
                    (Status::Running | Status::Backoff, _, Shim::Same | Shim::Moved { .. } | Shim::Waiting { .. }) => {
                        matches!(found, Prospect::Await(_))
                    }
                    (
                        Status::Queued
                        | Status::Starting
                        | Status::Running
                        | Status::Backoff
                        | Status::Stopping
                        | Status::Stopped
                        | Status::Failed,
                        _,
                        _,
                    ) => matches!(found, Prospect::Lost(_)),
                };
                assert!(is_as_meant, "{status:?} {life:?} {shim:?} {healthy} {last_health_at:?}: {found:?}");
                let theirs = Turn::Theirs { pid: 7, verb: "restart".into() };
                let found = prospect(&record, &facts(theirs, life, &shim), NOW);
                assert_eq!(found, Prospect::Await("`minions managed restart` (pid 7) is at it".into()));
                let expired = Record { ttl_expires_at: Some(NOW), ..record };
                let found = prospect(&expired, &facts(Turn::Ours, life, &shim), NOW);
                assert_eq!(found, Prospect::Lost("its time to live is over".into()));
            }
        }
    }

    #[test]
    fn who_has_not_passed_a_probe_is_coming_until_its_health_timeout_is_over() {
        let mut record = record(Status::Running);
        record.spec.healthcheck.timeout_s = 10.0;
        for (ago, expected) in [(0, true), (9_999, true), (10_000, false), (-5, true)] {
            record.started_at = Some(EpochMs(NOW.0 - ago));
            assert_eq!(is_coming(&record, NOW), expected, "{ago}");
        }
        record.started_at = None;
        assert!(!is_coming(&record, NOW), "nobody knows since when");
    }

    #[test]
    fn every_cell_of_the_table_is_as_written() {
        let flags = [(false, false), (false, true), (true, false), (true, true)];
        for (status, last_health_at) in Status::ALL.into_iter().flat_map(|one| [(one, None), (one, Some(NOW))]) {
            let record = Record { last_health_at, ..record(status) };
            for (life, shim) in LIVES.iter().flat_map(|life| shims().map(|shim| (life, shim))) {
                for (is_fresh, has_waited) in flags {
                    let check = |turn: Turn, ends: i64, expected: Next| {
                        let record = Record { ttl_expires_at: Some(EpochMs(ends)), ..record.clone() };
                        let facts = facts(turn, life, &shim);
                        let found = next(&record, &facts, is_fresh, has_waited, NOW);
                        assert_eq!(found, expected, "{status:?} {facts:?} {is_fresh} {has_waited}");
                    };
                    check(Turn::Ours, NOW.0 + 1, meant(&record, life, &shim, is_fresh, has_waited));
                    check(Turn::Ours, NOW.0, Next::Refuse(Refusal::Expired));
                    let theirs = Turn::Theirs { pid: 7, verb: "stop".into() };
                    check(theirs, NOW.0 - 1, Next::Await { pid: 7, verb: "stop".into() });
                }
            }
        }
    }
}
