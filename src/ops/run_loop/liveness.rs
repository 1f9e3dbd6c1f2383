//! Whom to probe in this tick: everybody who runs, every `healthBackoffSec`.

use std::collections::HashMap;
use std::time::Duration;

use crate::base::clock::EpochMs;
use crate::base::ids::Generation;
use crate::lifecycle::health::is_fresh;
use crate::service::{Record, Status};

/// When whom was probed last.
#[derive(Debug, Default)]
pub(super) struct Probes {
    last: HashMap<String, (Option<Generation>, Duration)>,
}

/// The time between two probes of one service, for a loop with ticks at even distances: who would be due before the middle
/// between this tick and the next one is due now, so that on average it is `backoff`.
pub(super) fn distance(backoff: Duration, interval: Duration) -> Duration {
    backoff.saturating_sub((interval / 2).min(backoff / 2))
}

impl Probes {
    /// Those of `records` that are due at `now`, by the loop's own clock; `wall` is the same moment by the wall clock. Who passed a
    /// probe of anybody's less than `distance` ago is not; neither is who was probed by this loop since then.
    pub(super) fn take_due(
        &mut self,
        mut records: Vec<Record>,
        now: Duration,
        wall: EpochMs,
        distance: Duration,
    ) -> Vec<Record> {
        records.retain(|record| record.status == Status::Running);
        let names: HashMap<&str, ()> = records.iter().map(|record| (record.name.as_str(), ())).collect();
        self.last.retain(|name, _| names.contains_key(name.as_str()));
        records.retain(|record| {
            let was_asked = self
                .last
                .get(&record.name)
                .is_some_and(|(generation, at)| *generation == record.generation && now.saturating_sub(*at) < distance);
            !was_asked && !is_fresh(record, wall, distance)
        });
        for record in &records {
            self.last.insert(record.name.clone(), (record.generation.clone(), now));
        }
        records
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::record_from_json;
    use serde_json::json;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_distance_between_probes_is_the_backoff_but_for_half_a_tick() {
        assert_eq!(distance(s(30), s(5)), Duration::from_millis(27_500));
        assert_eq!(distance(s(30), s(300)), s(15), "with long ticks everybody is due at each");
        assert_eq!(distance(s(0), s(5)), s(0));
    }

    fn record(status: &str, last_health_at: Option<i64>) -> Record {
        let value = json!({
            "name": "web", "cmd": "node", "status": status, "healthy": last_health_at.is_some(), "alive": true,
            "last_health_at": last_health_at,
            "healthcheck": {"type": "http", "url": "http://localhost:1/", "expect_status": 200},
        });
        record_from_json(value).expect("a record")
    }

    #[test]
    fn who_runs_is_due_unless_it_passed_or_was_asked_within_the_distance() {
        let mut probes = Probes::default();
        let mut due = |record: Record, now: u64, wall_ms: i64| {
            !probes.take_due(vec![record], s(now), EpochMs(wall_ms), s(30)).is_empty()
        };
        assert!(!due(record("running", Some(0)), 0, 29_999));
        assert!(due(record("running", Some(0)), 0, 30_000));
        assert!(!due(record("running", None), 29, 100_000), "it was asked by this loop, and is not healthy");
        assert!(due(record("running", None), 30, 100_000));
        let other = Record { generation: Some(Generation::new(EpochMs(7))), ..record("running", None) };
        assert!(due(other, 31, 100_000), "another life");
        for status in Status::ALL {
            assert_eq!(due(record(status.word(), None), 200, 100_000), status == Status::Running, "{status:?}");
        }
    }

    #[test]
    fn who_is_gone_is_forgotten() {
        let mut probes = Probes::default();
        for at in 0..100 {
            let named = Record { name: format!("s{at}"), ..record("running", None) };
            probes.take_due(vec![named], s(at), EpochMs(0), s(30));
        }
        assert_eq!(probes.last.len(), 1);
    }
}
