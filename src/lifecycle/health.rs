//! What a probe changes in a record, and which services need none just now.

use std::time::Duration;

use crate::base::clock::EpochMs;
use crate::service::{OnUnhealthy, Proof, Record, Status};

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
///
/// After the first pass a service counts as unhealthy once as many probes in a row have failed as its `failure_threshold`
/// says; those before that are counted, and a pass forgets them. The flip itself is written once.
pub fn note(record: &mut Record, finding: Finding, at: EpochMs, backoff: Duration) -> bool {
    match finding {
        Finding::Passed(proof) => {
            let is_known = is_fresh(record, at, backoff) && record.health_proof == Some(proof) && record.alive;
            if is_known && record.progress.unhealthy_in_row == 0 {
                return false;
            }
            record.healthy = true;
            record.alive = true;
            record.last_health_at = Some(at);
            record.health_proof = Some(proof);
            record.progress.unhealthy_in_row = 0;
            true
        }
        Finding::Failed => {
            let was_alive = record.alive;
            record.alive = true;
            if record.last_health_at.is_none() {
                // It has not passed yet, so that there is nothing to count.
                let was_healthy = std::mem::replace(&mut record.healthy, false);
                return was_healthy || !was_alive;
            }
            if !record.healthy && record.progress.unhealthy_in_row >= threshold(record) {
                return !was_alive;
            }
            record.progress.unhealthy_in_row = record.progress.unhealthy_in_row.saturating_add(1);
            record.healthy &= record.progress.unhealthy_in_row < threshold(record);
            true
        }
        Finding::Dead => {
            let was_up = record.healthy || record.alive;
            record.healthy = false;
            record.alive = false;
            was_up
        }
    }
}

/// Whether `record` is of a service that runs, is unhealthy as its own threshold says, and wants to be started anew for that.
pub fn is_to_restart(record: &Record) -> bool {
    record.status == Status::Running
        && record.spec.healthcheck.on_unhealthy == OnUnhealthy::Restart
        && record.last_health_at.is_some()
        && !record.healthy
        && record.progress.unhealthy_in_row >= threshold(record)
}

/// Failed probes in a row that make it unhealthy; a file edited by hand may hold none.
fn threshold(record: &Record) -> u32 {
    record.spec.healthcheck.failure_threshold.max(1)
}

/// Whether the record says that a probe passed less than `backoff` before `now`. A pass in the future, after the clock
/// was set back, is none.
pub fn is_fresh(record: &Record, now: EpochMs, backoff: Duration) -> bool {
    record.healthy && record.last_health_at.is_some_and(|at| at <= now && now.since(at) < backoff)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::Progress;
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
    fn before_the_first_pass_a_failure_is_written_once_and_counts_nothing() {
        for before in records().into_iter().filter(|record| record.last_health_at.is_none()) {
            let mut after = before.clone();
            let is_news = before.healthy || !before.alive;
            assert_eq!(note(&mut after, Finding::Failed, NOW, BACKOFF), is_news, "{before:?}");
            assert_eq!(after, Record { healthy: false, alive: true, ..before });
        }
    }

    /// The count of failures before × the threshold × whether it is healthy.
    #[test]
    fn after_the_first_pass_failures_count_up_to_the_threshold_and_flip_it_once() {
        for (before, threshold, count) in records().into_iter().flat_map(|record| {
            [(1, 0), (1, 1), (3, 0), (3, 1), (3, 2), (3, 3), (0, 0)].map(|(t, c)| (record.clone(), t, c))
        }) {
            let Some(_) = before.last_health_at else { continue };
            let mut before = before;
            before.spec.healthcheck.failure_threshold = threshold;
            before.progress.unhealthy_in_row = count;
            let mut after = before.clone();
            let is_told = !before.healthy && count >= threshold.max(1);
            assert_eq!(note(&mut after, Finding::Failed, NOW, BACKOFF), !is_told || !before.alive, "{before:?}");
            let unhealthy_in_row = if is_told { count } else { count + 1 };
            let healthy = before.healthy && unhealthy_in_row < threshold.max(1);
            let progress = Progress { unhealthy_in_row, ..before.progress.clone() };
            assert_eq!(after, Record { healthy, alive: true, progress, ..before });
        }
    }

    #[test]
    fn three_failures_in_a_row_flip_it_and_a_pass_between_them_forgets() {
        let mut one = record(true, true, Some(0), Some(Proof::Tree));
        let mut step = |finding, is_news: bool, healthy: bool, count: u32| {
            assert_eq!(note(&mut one, finding, NOW, BACKOFF), is_news, "{one:?}");
            assert_eq!((one.healthy, one.progress.unhealthy_in_row), (healthy, count));
        };
        step(Finding::Failed, true, true, 1);
        step(Finding::Failed, true, true, 2);
        step(Finding::Passed(Proof::Tree), true, true, 0);
        step(Finding::Passed(Proof::Tree), false, true, 0);
        step(Finding::Failed, true, true, 1);
        step(Finding::Failed, true, true, 2);
        step(Finding::Failed, true, false, 3);
        step(Finding::Failed, false, false, 3);
        step(Finding::Passed(Proof::Tree), true, true, 0);
    }

    #[test]
    fn who_is_unhealthy_by_its_threshold_is_started_anew_if_it_wants_that() {
        for status in Status::ALL {
            for on_unhealthy in OnUnhealthy::ALL {
                for (healthy, last, count) in
                    [(false, Some(1), 3), (false, Some(1), 2), (true, Some(1), 3), (false, None, 3)]
                {
                    let mut one = record(healthy, true, last, None);
                    (one.status, one.spec.healthcheck.on_unhealthy) = (status, *on_unhealthy);
                    one.progress.unhealthy_in_row = count;
                    let is_meant = (status, *on_unhealthy) == (Status::Running, OnUnhealthy::Restart)
                        && (healthy, last, count) == (false, Some(1), 3);
                    assert_eq!(is_to_restart(&one), is_meant, "{one:?}");
                }
            }
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
