//! When to ask next, while waiting for the first pass. Pure: history and elapsed time in, next action out.

use std::time::Duration;

use crate::config::Settings;
use crate::service::Healthcheck;

/// Contract section 7: probes are at least this far apart. It is also the least pause between the end of a slow probe
/// and the next.
const INTERVAL_MIN: Duration = Duration::from_millis(100);
/// Contract section 7: a probe has at least this long, however short the wait.
const PROBE_TIME_MIN: Duration = Duration::from_millis(500);
/// While nobody listens we look again after an eighth of the time waited so far, so that noticing costs at most an eighth
/// of the service's own start, within these bounds: a look is one refused connect, some 20 µs of processor time.
const LOOK_SHARE: u32 = 8;
/// A server that binds after a millisecond is to be seen at once.
const LOOK_PAUSE_MIN: Duration = Duration::from_micros(300);
/// 40 looks a second cost less than a thousandth of a processor.
const LOOK_PAUSE_MAX: Duration = Duration::from_millis(25);

/// The times of one wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Schedule {
    interval: Duration,
    timeout: Duration,
    probe_max: Duration,
}

/// What has happened so far, all that matters of it. Times are since the wait began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum History {
    /// Nothing yet.
    Fresh,
    /// The last look found that nobody listens.
    Refused { at: Duration },
    /// The last probe was sent, and was no pass.
    Asked { started: Duration, ended: Duration },
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Ask, for at most `limit`.
    Probe { limit: Duration },
    /// Nothing for this long, then ask the schedule again.
    Pause(Duration),
    /// The time is over.
    GiveUp,
}

impl Schedule {
    /// Of one healthcheck.
    pub(super) fn new(check: &Healthcheck, settings: &Settings) -> Self {
        Self {
            interval: seconds(check.interval_s).max(INTERVAL_MIN),
            timeout: seconds(check.timeout_s),
            probe_max: seconds(settings.probe_max_sec),
        }
    }

    /// What to do after `elapsed`. The last probe is at the very end of the time, so that a service that became ready
    /// in the middle of a long interval is not missed.
    pub(super) fn next(&self, history: History, elapsed: Duration) -> Next {
        let due = match history {
            History::Fresh => Duration::ZERO,
            History::Refused { at } if at >= self.timeout => return Next::GiveUp,
            History::Refused { at } => {
                let pause = (at / LOOK_SHARE).clamp(LOOK_PAUSE_MIN, LOOK_PAUSE_MAX);
                (at + pause).min(self.timeout)
            }
            History::Asked { started, ended } if started >= self.timeout || ended >= self.timeout => {
                return Next::GiveUp;
            }
            History::Asked { started, ended } => (started + self.interval).max(ended + INTERVAL_MIN).min(self.timeout),
        };
        if due > elapsed { Next::Pause(due - elapsed) } else { Next::Probe { limit: self.limit(elapsed) } }
    }

    /// How long a probe that starts now may take: the contract's time for one probe, but no more than half a second
    /// past the end of the wait.
    fn limit(&self, elapsed: Duration) -> Duration {
        self.limit_alone().min(self.timeout.saturating_sub(elapsed).max(PROBE_TIME_MIN))
    }

    /// How long a probe outside of any wait may take: `min(probeMaxSec, max(0.5 s, timeout_s))`.
    pub(super) fn limit_alone(&self) -> Duration {
        self.probe_max.min(self.timeout.max(PROBE_TIME_MIN))
    }
}

/// Judged input; what is no duration all the same (negative, not a number, past the clock's range) is as near as can be.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::from_secs(3600))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(interval_ms: u64, timeout_ms: u64) -> Schedule {
        Schedule { interval: ms(interval_ms), timeout: ms(timeout_ms), probe_max: Duration::from_secs(5) }
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn asked(started: u64, ended: u64) -> History {
        History::Asked { started: ms(started), ended: ms(ended) }
    }

    #[test]
    fn probes_start_every_interval_and_once_more_at_the_end() {
        let check = |history, elapsed, expected| {
            assert_eq!(schedule(1000, 2500).next(history, ms(elapsed)), expected, "{history:?} at {elapsed}");
        };
        check(History::Fresh, 0, Next::Probe { limit: ms(2500) });
        check(asked(0, 10), 10, Next::Pause(ms(990)));
        check(asked(0, 10), 1000, Next::Probe { limit: ms(1500) });
        check(asked(1000, 1950), 1950, Next::Pause(ms(100)));
        check(asked(1000, 2450), 2450, Next::Pause(ms(50)));
        check(asked(2000, 2010), 2010, Next::Pause(ms(490)));
        check(asked(2000, 2010), 2500, Next::Probe { limit: ms(500) });
        check(asked(2500, 2510), 2510, Next::GiveUp);
        check(asked(2000, 2600), 2600, Next::GiveUp);
    }

    #[test]
    fn looks_grow_from_a_third_of_a_millisecond_to_25_and_end_with_the_time() {
        let us = Duration::from_micros;
        let check = |at, expected_pause| {
            let refused = History::Refused { at: us(at) };
            assert_eq!(schedule(1000, 2000).next(refused, us(at)), Next::Pause(us(expected_pause)), "at {at} µs");
            let then = schedule(1000, 2000).next(refused, us(at + expected_pause));
            assert!(matches!(then, Next::Probe { .. }), "at {at} µs, then {then:?}");
        };
        check(0, 300);
        check(2_400, 300);
        check(8_000, 1_000);
        check(200_000, 25_000);
        check(1_500_000, 25_000);
        check(1_990_000, 10_000);
        assert_eq!(schedule(1000, 2000).next(History::Refused { at: ms(2000) }, ms(2000)), Next::GiveUp);
    }

    #[test]
    fn one_probe_has_the_contracts_time() {
        let check = |timeout_s: f64, probe_max_sec: f64, expected_ms| {
            let probe = crate::service::Probe::Http { url: String::new(), expect_status: 200 };
            let settings = Settings { probe_max_sec, ..Settings::default() };
            let schedule = Schedule::new(&Healthcheck { timeout_s, ..Healthcheck::of(probe) }, &settings);
            assert_eq!(schedule.limit_alone(), ms(expected_ms), "{timeout_s} {probe_max_sec}");
        };
        check(60.0, 5.0, 5000);
        check(2.0, 5.0, 2000);
        check(0.1, 5.0, 500);
        check(60.0, 0.2, 200);
        check(f64::NAN, 5.0, 500);
    }

    #[test]
    fn no_history_makes_a_wait_endless_or_busy() {
        let times = [0, 1, 99, 100, 499, 500, 999, 1000, 1001, 5000];
        let mut histories = vec![History::Fresh];
        histories.extend(times.map(|at| History::Refused { at: ms(at) }));
        histories.extend(times.iter().flat_map(|&from| times.iter().map(move |&to| asked(from, from + to))));
        for (timeout, history) in [1, 100, 1000].into_iter().flat_map(|t| histories.iter().map(move |&h| (t, h))) {
            for elapsed in times {
                match schedule(100, timeout).next(history, ms(elapsed)) {
                    Next::Pause(pause) => {
                        assert!(!pause.is_zero() && ms(elapsed) + pause <= ms(timeout), "{history:?} {elapsed}");
                    }
                    Next::Probe { limit } => assert!(limit >= ms(500), "{history:?} {elapsed}"),
                    Next::GiveUp => assert_ne!(history, History::Fresh),
                }
            }
        }
    }
}
