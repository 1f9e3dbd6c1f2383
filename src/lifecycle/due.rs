//! What time makes due for a service that runs: its stop when nobody uses it, its daily restart, its restart after an update.
//!
//! Each has a moment: the last of those that it waits for, if nobody uses the service from now on. It is due once that moment
//! has come. Nothing is due early: uses are written down sparingly, and what may have gone unwritten is waited for too
//! ([`slack`]).

use std::time::Duration;

use crate::base::clock::EpochMs;
use crate::base::span;
use crate::service::{Record, Status};

/// A daily restart waits until the service has been up for so long (contract section 8).
pub const DAILY_UP: Duration = Duration::from_secs(24 * 3600);
/// And until nobody has used it for so long.
pub const DAILY_IDLE: Duration = Duration::from_secs(3600);
/// A restart after an update waits until nobody has used it for so long (contract section 8).
pub const UPDATE_IDLE: Duration = Duration::from_secs(60);
/// Of the shortest span without use that matters to a service, as much may go unwritten.
const SLACK_SHARE: u32 = 4;

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Due {
    /// It is stopped until somebody needs it.
    IdleStop,
    /// It is started anew, with what it was built from as it is now.
    UpdateRestart,
    /// It is started anew, as every day.
    DailyRestart,
}

impl Due {
    /// Each, in the order in which they go where several are due: what is stopped need not be started anew.
    pub const ALL: [Self; 3] = [Self::IdleStop, Self::UpdateRestart, Self::DailyRestart];

    /// What it is, for people: `idle stop`.
    pub const fn words(self) -> &'static str {
        match self {
            Self::IdleStop => "idle stop",
            Self::UpdateRestart => "restart after an update",
            Self::DailyRestart => "daily restart",
        }
    }
}

/// When a service is known to have been used last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Use {
    /// It is in use.
    Now,
    /// It is not, and this was the last time; the start counts as a use.
    Last(EpochMs),
    /// It cannot be told whether it is in use: then it counts as if it were.
    Unknown,
}

/// The span without use that matters first to `record`; `None`: none does.
pub fn idle_span(record: &Record) -> Option<Duration> {
    let lifecycle = &record.spec.lifecycle;
    let policy = lifecycle.restart.as_ref();
    let idle_stop = lifecycle.idle_stop_s.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX));
    let daily = policy.filter(|policy| policy.daily).map(|_| DAILY_IDLE);
    let update = policy.filter(|policy| policy.on_update).map(|_| UPDATE_IDLE);
    [idle_stop, daily, update].into_iter().flatten().min()
}

/// How long after a use that was written down another one may go unwritten, where health is written every `backoff`.
pub fn slack(record: &Record, backoff: Duration) -> Duration {
    idle_span(record).map_or(backoff, |span| backoff.min(span / SLACK_SHARE))
}

/// The last use of `record` that anybody wrote down; its start, if that was later.
pub fn last_use(record: &Record) -> Option<EpochMs> {
    record.progress.last_used_at.max(record.started_at)
}

/// Whether a use at `at` is to be written down: the last one that was, or the start, is no news any more.
pub fn is_use_news(record: &Record, at: EpochMs, backoff: Duration) -> bool {
    last_use(record).is_none_or(|last| at.since(last) >= slack(record, backoff) || at < last)
}

/// What is due for `record` at `now`, and why. Only what runs, and is settled, has anything due.
pub fn due(record: &Record, used: Use, backoff: Duration, now: EpochMs) -> Option<(Due, String)> {
    let Use::Last(last) = used else { return None };
    let is_over = |due: &Due| moment(record, *due, last, backoff).is_some_and(|at| at <= now);
    let due = Due::ALL.into_iter().find(is_over)?;
    let idle = span::short(now.since(last));
    Some((
        due,
        match due {
            Due::IdleStop => format!("nobody has used it for {idle}"),
            Due::UpdateRestart => format!("it was updated, and nobody has used it for {idle}"),
            Due::DailyRestart => {
                let up = record.started_at.map_or_else(String::new, |start| span::short(now.since(start)));
                format!("it is up for {up}, and nobody has used it for {idle}")
            }
        },
    ))
}

/// What comes next for `record`, and when, if nobody uses it from `last` on.
pub fn next_due(record: &Record, last: EpochMs, backoff: Duration) -> Option<(Due, EpochMs)> {
    let moments = Due::ALL.into_iter().filter_map(|due| Some((due, moment(record, due, last, backoff)?)));
    moments.min_by_key(|(_, at)| *at)
}

/// When `due` is due, if nobody uses the service after `last`; `None`: never.
fn moment(record: &Record, due: Due, last: EpochMs, backoff: Duration) -> Option<EpochMs> {
    if record.status != Status::Running || record.claim.is_some() {
        return None;
    }
    let lifecycle = &record.spec.lifecycle;
    let policy = lifecycle.restart.as_ref();
    let idle_for = |span: Duration| last.plus(span.saturating_add(slack(record, backoff)));
    match due {
        Due::IdleStop => {
            let seconds = lifecycle.idle_stop_s?;
            Some(idle_for(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)))
        }
        Due::UpdateRestart => {
            // What was started since then has what is new.
            let is_open = |at: &EpochMs| record.started_at.is_none_or(|started| *at >= started);
            let is_meant = policy.is_some_and(|policy| policy.on_update);
            let updated_at = record.progress.updated_at.filter(is_open).filter(|_| is_meant)?;
            Some(idle_for(UPDATE_IDLE).max(updated_at))
        }
        Due::DailyRestart => {
            let started_at = record.started_at.filter(|_| policy.is_some_and(|policy| policy.daily))?;
            Some(idle_for(DAILY_IDLE).max(started_at.plus(DAILY_UP)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{claimed, record};
    use super::*;
    use crate::service::{Lifecycle, Progress, RestartPolicy};

    const BACKOFF: Duration = Duration::from_secs(30);
    const START: i64 = 1_800_000_000_000;
    const MINUTE: i64 = 60_000;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;

    fn at(ms: i64) -> EpochMs {
        EpochMs(START + ms)
    }

    fn declared(idle_stop_s: Option<f64>, daily: bool, on_update: bool) -> Record {
        let restart = Some(RestartPolicy { daily, on_update, ..RestartPolicy::default() });
        let mut record = Record { started_at: Some(at(0)), claim: None, ..record(Status::Running) };
        record.spec.lifecycle = Lifecycle { idle_stop_s, restart, ..Lifecycle::default() };
        record
    }

    fn updated(mut record: Record, ms: i64) -> Record {
        record.progress.updated_at = Some(at(ms));
        record
    }

    /// The whole table: what is declared × update × last use × now. Written out by the contract's words, without slack; what
    /// lies within the slack after a moment is checked apart.
    #[test]
    fn every_combination_is_due_as_the_contract_says() {
        let moments = [0, 30_000, MINUTE, 5 * MINUTE, HOUR, 20 * HOUR, DAY, DAY + HOUR, 2 * DAY];
        let mut seen = std::collections::HashSet::new();
        for idle_stop_s in [None, Some(60.0), Some(4.0 * 3600.0)] {
            for (daily, on_update) in [(false, false), (true, false), (false, true), (true, true)] {
                for (update, last) in [None, Some(0), Some(HOUR)].into_iter().flat_map(|u| moments.map(|l| (u, l))) {
                    let record = declared(idle_stop_s, daily, on_update);
                    let record = update.map_or(record.clone(), |ms| updated(record, ms));
                    let slack = i64::try_from(slack(&record, BACKOFF).as_millis()).unwrap();
                    for now in moments {
                        let idle = now - last;
                        let is_idle = |ms: i64| idle >= ms + slack;
                        let idle_stop = idle_stop_s == Some(60.0) && is_idle(MINUTE)
                            || idle_stop_s == Some(4.0 * 3600.0) && is_idle(4 * HOUR);
                        let update = on_update && update.is_some_and(|ms| ms <= now) && is_idle(MINUTE);
                        let daily = daily && now >= DAY && is_idle(HOUR);
                        let expected = match (idle_stop, update, daily) {
                            (true, _, _) => Some(Due::IdleStop),
                            (false, true, _) => Some(Due::UpdateRestart),
                            (false, false, true) => Some(Due::DailyRestart),
                            (false, false, false) => None,
                        };
                        let found = due(&record, Use::Last(at(last)), BACKOFF, at(now)).map(|(due, _)| due);
                        assert_eq!(found, expected, "{record:?} {last} {now}");
                        seen.insert(expected);
                        for used in [Use::Now, Use::Unknown] {
                            assert_eq!(due(&record, used, BACKOFF, at(now)), None);
                        }
                    }
                }
            }
        }
        assert_eq!(seen.len(), 4, "every outcome is met");
    }

    #[test]
    fn only_what_runs_and_is_settled_has_anything_due() {
        let last = Use::Last(at(0));
        for status in Status::ALL {
            let record = Record { status, ..declared(Some(1.0), true, true) };
            assert_eq!(due(&record, last, BACKOFF, at(DAY)).is_some(), status == Status::Running, "{status:?}");
            assert_eq!(due(&claimed(record, "stop"), last, BACKOFF, at(DAY)), None);
        }
    }

    #[test]
    fn what_may_have_gone_unwritten_is_waited_for() {
        let check = |idle_stop_s: f64, slack_ms: u64, due_ms: i64| {
            let record = declared(Some(idle_stop_s), false, false);
            assert_eq!(slack(&record, BACKOFF), Duration::from_millis(slack_ms));
            let is_due = |ms: i64| due(&record, Use::Last(at(0)), BACKOFF, at(ms)).is_some();
            assert!(!is_due(due_ms - 1) && is_due(due_ms), "{idle_stop_s}");
            assert_eq!(next_due(&record, at(0), BACKOFF), Some((Due::IdleStop, at(due_ms))));
        };
        check(1.0, 250, 1_250);
        check(120.0, 30_000, 150_000);
        check(3600.0, 30_000, 3_630_000);
        assert_eq!(slack(&declared(None, false, false), BACKOFF), BACKOFF);
        assert_eq!(slack(&declared(None, false, true), BACKOFF), UPDATE_IDLE / 4);
    }

    #[test]
    fn a_use_is_written_down_once_the_last_one_is_older_than_the_slack() {
        let record = |last_used_at: Option<i64>| Record {
            progress: Progress { last_used_at: last_used_at.map(at), ..Progress::default() },
            started_at: last_used_at.map(|_| at(-60_000)),
            ..declared(Some(2.0), false, false)
        };
        let check = |last: Option<i64>, now: i64, expected: bool| {
            assert_eq!(is_use_news(&record(last), at(now), BACKOFF), expected, "{last:?} {now}");
        };
        check(None, 0, true);
        check(Some(0), 499, false);
        check(Some(0), 500, true);
        check(Some(1), 0, true);
        let started = |last_used_at: Option<i64>| Record { started_at: Some(at(0)), ..record(last_used_at) };
        for (last, expected) in [(None, 0), (Some(7), 7), (Some(-7), 0)] {
            assert_eq!(last_use(&started(last)), Some(at(expected)), "its start counts");
        }
        assert!(!is_use_news(&started(None), at(499), BACKOFF));
    }

    #[test]
    fn the_next_thing_due_is_the_earliest() {
        let record = updated(declared(Some(4.0 * 3600.0), true, true), 10);
        let ms = |ms: i64| at(ms + 15_000);
        assert_eq!(next_due(&record, at(0), BACKOFF), Some((Due::UpdateRestart, ms(MINUTE))));
        let record = Record { progress: Progress::default(), ..record };
        assert_eq!(next_due(&record, at(0), BACKOFF), Some((Due::IdleStop, ms(4 * HOUR))));
        let earlier = updated(declared(None, false, true), -1);
        assert_eq!(next_due(&earlier, at(0), BACKOFF), None, "it was started since then");
        let daily = declared(None, true, false);
        assert_eq!(next_due(&daily, at(0), BACKOFF), Some((Due::DailyRestart, at(DAY))));
        assert_eq!(next_due(&declared(None, false, false), at(0), BACKOFF), None);
    }

    #[test]
    fn spans_that_are_none_never_end() {
        for odd in [f64::INFINITY, f64::NAN, -1.0, 1e300] {
            let record = declared(Some(odd), false, false);
            assert_eq!(due(&record, Use::Last(at(0)), BACKOFF, at(1000 * DAY)), None, "{odd}");
        }
    }
}
