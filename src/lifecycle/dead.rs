//! What becomes of a record whose service is found dead: its shim is at it, or its restart policy says, or it goes.

use std::time::Duration;

use crate::base::clock::EpochMs;
use crate::base::span;
use crate::service::{Exit, ExitCause, ExitRecord, Progress, Record};

use super::action::{Action, Cause, Change, Decision};
use super::facts::{Death, Facts, Shim, words};
use super::fate::{Fate, fate, is_kept};
use super::restart::{self, End, Verdict};
use super::transitions::{Illegal, Input, apply};

/// Decides by how it is known that the service of `record` is gone; `None`: nobody ever wrote down its process.
pub(super) fn decide(record: &Record, facts: &Facts, death: Option<&Death>, now: EpochMs) -> Decision {
    let said = death.map_or_else(|| "it has no process".to_owned(), words);
    match &facts.shim {
        Shim::Moved { .. } => {
            return Decision::of(Action::Follow, format!("{said}, and its shim has started it again"));
        }
        Shim::Waiting { .. } => {
            return Decision::of(Action::Follow, format!("{said}, and its shim is to start it again"));
        }
        Shim::Same if is_kept(&record.spec.lifecycle) => {
            return Decision::of(Action::Keep, format!("{said}, and its shim is still at it"));
        }
        Shim::Same | Shim::Gone => {}
    }
    let is_boot = is_boot(facts, death);
    let lifecycle = &record.spec.lifecycle;
    let fate = fate(lifecycle, &record.progress, verdict(record, death, is_boot, now));
    let exit = death.and_then(seen);
    let changed = |input, progress| Some(Change { input, progress, exit });
    match fate {
        Fate::Gone => Decision::of(Action::End(Cause::Dead), said),
        Fate::Stopped => {
            let why = format!("{said}, and is started once somebody needs it");
            let progress = Progress { next_at: None, ..record.progress.clone() };
            Decision { action: Action::Rest, why, change: changed(Input::Finished, progress) }
        }
        Fate::Failed { progress, why } => {
            let why = format!("{said}; {why}");
            Decision { action: Action::GiveUp, why, change: changed(Input::GaveUp, progress) }
        }
        Fate::Again { at, progress } => {
            let input = if is_boot { Input::OtherBoot } else { Input::DeadAtSweep };
            let nth = match progress.failures_in_row {
                0 => String::new(),
                failures => format!(", after failure {failures} in a row"),
            };
            let (action, when) = if at <= now {
                (Action::StartAgain(Input::BackoffOver), String::new())
            } else {
                (Action::Wait, format!(" in {}", span::short(at.since(now))))
            };
            let why = format!("{said}, and its restart policy starts it again{when}{nth}");
            Decision { action, why, change: changed(input, progress) }
        }
    }
}

/// What becomes of a service that was ended at `now` because its probes failed, by [`restart::for_health`].
pub fn after_unhealthy(record: &Record, exit: Option<ExitRecord>, now: EpochMs) -> Fate {
    // It was there to be probed, so that it was no start that failed.
    after_failure(record, exit, healthy_for(record).max(restart::LIFE_MIN), now)
}

/// Moves `record` on after a start that its own lifecycle asked for and that came to nothing, for `why`: its restart policy goes on,
/// or gives up. Without a policy the record goes where `input` leads.
pub fn start_failed(record: &mut Record, input: Input, now: EpochMs, why: &str) -> Result<(), Illegal> {
    match after_failure(record, record.last_exit, Duration::ZERO, now) {
        Fate::Again { at: _, progress } => {
            let before = std::mem::replace(&mut record.progress, progress);
            apply(record, Input::StartAgainFailed, now, why).inspect_err(|_| record.progress = before)
        }
        Fate::Failed { progress, why: no_more } => {
            let before = std::mem::replace(&mut record.progress, progress);
            apply(record, Input::GaveUp, now, format!("{why}; {no_more}")).inspect_err(|_| record.progress = before)
        }
        Fate::Stopped | Fate::Gone => apply(record, input, now, why),
    }
}

fn after_failure(record: &Record, exit: Option<ExitRecord>, lived: Duration, now: EpochMs) -> Fate {
    let Record { spec, progress, generation, .. } = record;
    let exit = exit.map_or(Exit::Unknown, |exit| exit.exit);
    let end = End { at: now, lived, exit, was_unhealthy: true };
    let share = restart::share(generation.as_ref());
    let verdict = restart::after_exit(restart::for_health(spec).as_deref(), progress, &end, share);
    fate(&spec.lifecycle, progress, verdict)
}

/// Whether it is the boot that ended it: also where its shim saw that it was asked to end, as a shutdown does.
fn is_boot(facts: &Facts, death: Option<&Death>) -> bool {
    match death {
        Some(Death::Rebooted) => true,
        Some(Death::Seen(exit)) => facts.is_rebooted && exit.cause != ExitCause::Own,
        Some(Death::Foreign { .. } | Death::Gone) | None => false,
    }
}

fn verdict(record: &Record, death: Option<&Death>, is_boot: bool, now: EpochMs) -> Verdict {
    let policy = record.spec.lifecycle.restart.as_ref();
    let judge =
        |end: &End| restart::after_exit(policy, &record.progress, end, restart::share(record.generation.as_ref()));
    match death {
        _ if is_boot => restart::after_boot(policy, &record.progress, now),
        // Somebody asked its shim, which no command did that would not have written it down: a stop all the same.
        Some(Death::Seen(exit)) if exit.cause != ExitCause::Own => Verdict::Over { is_success: true },
        Some(Death::Seen(exit)) => {
            let at = exit.at.min(now);
            let lived = record.started_at.map(|started| at.since(started)).unwrap_or_default();
            judge(&End { at, lived, exit: exit.exit, was_unhealthy: false })
        }
        Some(Death::Rebooted | Death::Foreign { .. } | Death::Gone) | None => {
            judge(&End { at: now, lived: healthy_for(record), exit: Exit::Unknown, was_unhealthy: false })
        }
    }
}

/// How long it is known to have been up: until its last pass.
fn healthy_for(record: &Record) -> Duration {
    let passed = record.last_health_at.zip(record.started_at);
    passed.map(|(passed, started)| passed.since(started)).unwrap_or_default()
}

fn seen(death: &Death) -> Option<ExitRecord> {
    match death {
        Death::Seen(exit) => Some(*exit),
        Death::Rebooted | Death::Foreign { .. } | Death::Gone => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::claim::Turn;
    use super::super::facts::{Life, Previous};
    use super::super::sample;
    use super::*;
    use crate::service::{Activation, Lifecycle, OnUnhealthy, RestartMode, RestartPolicy, Status};

    const NOW: EpochMs = EpochMs(1_800_000_000_000);
    const MODES: [Option<RestartMode>; 4] =
        [None, Some(RestartMode::Never), Some(RestartMode::OnFailure), Some(RestartMode::Always)];

    /// Started an hour ago, healthy for the first minute of it, as far as anybody knows.
    fn record(mode: Option<RestartMode>, activation: Activation) -> Record {
        let restart = mode.map(|mode| RestartPolicy { mode, ..RestartPolicy::default() });
        let mut record = sample::record(Status::Running);
        record.spec.lifecycle = Lifecycle { restart, activation, ..Lifecycle::default() };
        record.started_at = Some(EpochMs(NOW.0 - 3_600_000));
        record.last_health_at = Some(EpochMs(NOW.0 - 3_540_000));
        record.progress.failures_in_row = 2;
        record
    }

    fn decided(record: &Record, death: Option<&Death>, is_rebooted: bool) -> Decision {
        let life = death.map_or(Life::NotStarted, |death| Life::Dead(*death));
        let (turn, previous) = (Turn::Ours, Previous::Gone);
        let facts = Facts { turn, life, previous, is_ending: false, shim: Shim::Gone, is_rebooted };
        decide(record, &facts, death, NOW)
    }

    fn exit(exit: Exit, cause: ExitCause, ago_ms: i64) -> Death {
        Death::Seen(ExitRecord { exit, cause, at: EpochMs(NOW.0 - ago_ms) })
    }

    /// How an end counts.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Counts {
        Success,
        Failure,
        Stop,
        Boot,
    }

    #[test]
    fn every_death_meets_every_policy() {
        let own = |how| exit(how, ExitCause::Own, 0);
        let deaths = [
            (Some(own(Exit::Code(0))), false, Counts::Success),
            (Some(own(Exit::Code(0))), true, Counts::Success),
            (Some(own(Exit::Code(1))), false, Counts::Failure),
            (Some(own(Exit::Signal(9))), true, Counts::Failure),
            (Some(own(Exit::Unknown)), false, Counts::Failure),
            (Some(exit(Exit::Signal(15), ExitCause::Asked, 0)), false, Counts::Stop),
            (Some(exit(Exit::Signal(15), ExitCause::Asked, 0)), true, Counts::Boot),
            (Some(exit(Exit::Code(0), ExitCause::Expired, 0)), false, Counts::Stop),
            (Some(Death::Rebooted), true, Counts::Boot),
            (Some(Death::Gone), false, Counts::Failure),
            (Some(Death::Foreign { pid: 7 }), false, Counts::Failure),
            (None, false, Counts::Failure),
        ];
        for (death, is_rebooted, counts) in &deaths {
            for mode in MODES {
                for activation in [Activation::Always, Activation::OnDemand] {
                    let is_again = match (mode, counts) {
                        (None | Some(RestartMode::Never), _) | (_, Counts::Stop) => false,
                        (Some(RestartMode::OnFailure), counts) => *counts != Counts::Success,
                        (Some(RestartMode::Always), _) => true,
                    };
                    let expected = match (is_again, activation, counts) {
                        (true, _, Counts::Boot) => Action::StartAgain(Input::BackoffOver),
                        (true, _, _) => Action::Wait,
                        (false, Activation::Always, _) => Action::End(Cause::Dead),
                        (false, Activation::OnDemand, Counts::Success | Counts::Stop) => Action::Rest,
                        (false, Activation::OnDemand, Counts::Failure | Counts::Boot) => Action::GiveUp,
                    };
                    let found = decided(&record(mode, activation), death.as_ref(), *is_rebooted);
                    assert_eq!(
                        found.action, expected,
                        "{death:?} {is_rebooted} {mode:?} {activation:?}: {}",
                        found.why
                    );
                    let input = found.change.as_ref().map(|change| change.input);
                    assert_eq!(input == Some(Input::OtherBoot), is_again && *counts == Counts::Boot, "{}", found.why);
                    let is_seen = matches!(death, Some(Death::Seen(_)));
                    assert!(found.change.is_none_or(|change| change.exit.is_some() == is_seen));
                }
            }
        }
    }

    #[test]
    fn a_wait_counts_from_the_exit_that_was_seen_and_else_from_now() {
        let record = record(Some(RestartMode::Always), Activation::Always);
        let at = |death: &Death| {
            let change = decided(&record, Some(death), false).change.expect("it waits");
            (change.progress.next_at.expect("until a moment").0 - NOW.0, change.progress.failures_in_row)
        };
        // Up for most of an hour: its count starts anew, and the first failure waits a second.
        assert_eq!(at(&exit(Exit::Code(1), ExitCause::Own, 300)), (700, 1));
        assert_eq!(at(&exit(Exit::Code(1), ExitCause::Own, 5_000)), (-4_000, 1), "it is due");
        assert_eq!(at(&exit(Exit::Code(1), ExitCause::Own, -60_000)), (1_000, 1), "the clock was set back");
        // Known to have been up for a minute: it is the third failure in a row.
        assert_eq!(at(&Death::Gone), (4_000, 3));
        let due = decided(&record, Some(&exit(Exit::Code(1), ExitCause::Own, 5_000)), false);
        assert_eq!(due.action, Action::StartAgain(Input::BackoffOver));
        assert_eq!(due.why, "it exited with code 1, and its restart policy starts it again, after failure 1 in a row");
    }

    #[test]
    fn who_has_no_start_left_is_given_up() {
        let mut record = record(Some(RestartMode::OnFailure), Activation::Always);
        record.progress.recent_starts = vec![NOW; 10];
        let found = decided(&record, Some(&Death::Gone), false);
        assert_eq!((found.action, found.change.map(|change| change.input)), (Action::GiveUp, Some(Input::GaveUp)));
        assert!(found.why.contains("10 times within 5m"), "{}", found.why);
        assert_eq!(decided(&record, Some(&Death::Rebooted), true).action, Action::StartAgain(Input::BackoffOver));
    }

    #[test]
    fn an_end_for_failed_probes_is_a_failure_whatever_its_process_said() {
        let exit = ExitRecord { exit: Exit::Code(0), cause: ExitCause::Asked, at: NOW };
        let on_failure = record(Some(RestartMode::OnFailure), Activation::Always);
        let Fate::Again { at, progress } = after_unhealthy(&on_failure, Some(exit), NOW) else {
            panic!("it comes back")
        };
        assert_eq!((at.0 - NOW.0, progress.failures_in_row), (4_000, 3));
        assert_eq!(after_unhealthy(&record(None, Activation::Always), None, NOW), Fate::Gone);
        let on_demand = after_unhealthy(&record(None, Activation::OnDemand), Some(exit), NOW);
        assert!(matches!(on_demand, Fate::Failed { .. }), "{on_demand:?}");
    }

    #[test]
    fn who_is_to_be_restarted_for_its_health_without_a_policy_is_counted_and_given_up() {
        let mut record = record(None, Activation::Always);
        record.spec.healthcheck.on_unhealthy = OnUnhealthy::Restart;
        // Each life was healthy for a second.
        (record.progress.failures_in_row, record.last_health_at) = (0, Some(EpochMs(NOW.0 - 3_599_000)));
        let mut waits_s = Vec::new();
        let last = loop {
            match after_unhealthy(&record, None, NOW) {
                Fate::Again { at, progress } => {
                    waits_s.push((at.0 - NOW.0) / 1000);
                    record.progress = progress;
                }
                other @ (Fate::Failed { .. } | Fate::Stopped | Fate::Gone) => break other,
            }
        };
        assert_eq!(waits_s, [0, 1, 2, 4, 8, 16, 30, 30, 30, 30]);
        let Fate::Failed { progress, why } = last else { panic!("{last:?}") };
        assert_eq!((progress.failures_in_row, progress.restarts), (11, 10));
        assert!(why.contains("10 times within 5m"), "{why}");
    }
}
