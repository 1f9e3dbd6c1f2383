//! What a probe changes in a record, and which services need none just now.

use std::time::Duration;

use crate::base::clock::EpochMs;
use crate::service::{Proof, Record};

/// What was found out about the health of one generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// A probe passed.
    Passed(Proof),
    /// A probe was had of a living process, and was no pass.
    Failed,
    /// The process is proven dead, so that nobody had to be asked.
    Dead,
}

/// Writes the finding of `at` into `record`, and says whether that changed anything. Health is written when it changes
/// and otherwise at most every `backoff` (contract section 5): a pass soon after the last one changes nothing. Who fails
/// keeps the moment of the last pass and whose socket answered then.
pub fn note(record: &mut Record, finding: Finding, at: EpochMs, backoff: Duration) -> bool {
    match finding {
        Finding::Passed(proof) => {
            if is_fresh(record, at, backoff) && record.health_proof == Some(proof) && record.alive {
                return false;
            }
            record.healthy = true;
            record.alive = true;
            record.last_health_at = Some(at);
            record.health_proof = Some(proof);
            true
        }
        Finding::Failed => {
            let is_news = record.healthy || !record.alive;
            record.healthy = false;
            record.alive = true;
            is_news
        }
        Finding::Dead => {
            let was_up = record.healthy || record.alive;
            record.healthy = false;
            record.alive = false;
            was_up
        }
    }
}

/// Whether the record says that a probe passed less than `backoff` before `now`. A pass in the future, after the clock
/// was set back, is none.
pub fn is_fresh(record: &Record, now: EpochMs, backoff: Duration) -> bool {
    record.healthy && record.last_health_at.is_some_and(|at| at <= now && now.since(at) < backoff)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::record_from_json;
    use serde_json::json;

    const BACKOFF: Duration = Duration::from_secs(30);
    const NOW: EpochMs = EpochMs(1_000_000);

    fn record(healthy: bool, alive: bool, last_health_at: Option<i64>, proof: Option<Proof>) -> Record {
        let value = json!({
            "name": "web", "cmd": "node", "status": "running", "healthy": healthy, "alive": alive,
            "last_health_at": last_health_at, "health_proof": proof.map(Proof::word),
            "healthcheck": {"type": "http", "url": "http://localhost:1/", "expect_status": 200},
        });
        record_from_json(value).expect("a record")
    }

    /// Every record that differs in what health is about.
    fn records() -> Vec<Record> {
        let mut all = Vec::new();
        for (healthy, alive) in [(true, true), (true, false), (false, true), (false, false)] {
            for last in [None, Some(0), Some(970_000), Some(970_001), Some(1_000_000), Some(1_000_001)] {
                for proof in [None, Some(Proof::Tree), Some(Proof::Unverified)] {
                    all.push(record(healthy, alive, last, proof));
                }
            }
        }
        all
    }

    #[test]
    fn a_pass_is_written_when_it_says_something_new_and_else_only_after_the_backoff() {
        for before in records() {
            let is_recent = before.last_health_at.is_some_and(|at| (970_001..=1_000_000).contains(&at.0));
            let is_same = before.healthy && before.alive && before.health_proof == Some(Proof::Tree);
            let mut after = before.clone();
            assert_eq!(
                note(&mut after, Finding::Passed(Proof::Tree), NOW, BACKOFF),
                !(is_recent && is_same),
                "{before:?}"
            );
            if is_recent && is_same {
                assert_eq!(after, before);
            } else {
                let proof = Some(Proof::Tree);
                let (healthy, alive, last_health_at) = (true, true, Some(NOW));
                assert_eq!(after, Record { healthy, alive, last_health_at, health_proof: proof, ..before });
            }
        }
    }

    #[test]
    fn a_failure_is_written_once_and_keeps_when_a_probe_last_passed() {
        for before in records() {
            let mut after = before.clone();
            let is_news = before.healthy || !before.alive;
            assert_eq!(note(&mut after, Finding::Failed, NOW, BACKOFF), is_news, "{before:?}");
            assert_eq!(after, Record { healthy: false, alive: true, ..before });
        }
    }

    #[test]
    fn the_dead_are_neither_alive_nor_healthy() {
        for before in records() {
            let mut after = before.clone();
            assert_eq!(note(&mut after, Finding::Dead, NOW, BACKOFF), before.healthy || before.alive, "{before:?}");
            assert_eq!(after, Record { healthy: false, alive: false, ..before });
        }
    }

    #[test]
    fn only_a_recent_pass_of_the_past_is_fresh() {
        for record in records() {
            let is_recent = record.last_health_at.is_some_and(|at| (970_001..=1_000_000).contains(&at.0));
            assert_eq!(is_fresh(&record, NOW, BACKOFF), record.healthy && is_recent, "{record:?}");
        }
    }
}
