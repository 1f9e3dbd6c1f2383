//! What `ensure` does next about one service that is to be up and healthy.

use crate::base::clock::EpochMs;
use crate::service::{Record, Status};

use super::claim::Turn;
use super::facts::{Facts, Life, Shim};

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

    #[test]
    fn every_cell_of_the_table_is_as_written() {
        let flags = [(false, false), (false, true), (true, false), (true, true)];
        for (status, last_health_at) in Status::ALL.into_iter().flat_map(|one| [(one, None), (one, Some(NOW))]) {
            let record = Record { last_health_at, ..record(status) };
            for (life, shim) in LIVES.iter().flat_map(|life| shims().map(|shim| (life, shim))) {
                for (is_fresh, has_waited) in flags {
                    let check = |turn: Turn, ends: i64, expected: Next| {
                        let record = Record { ttl_expires_at: Some(EpochMs(ends)), ..record.clone() };
                        let facts = Facts {
                            turn,
                            life: life.clone(),
                            previous: Previous::Gone,
                            is_ending: false,
                            shim: shim.clone(),
                            is_rebooted: false,
                        };
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
