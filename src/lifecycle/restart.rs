//! Whether a service that has ended is started again, and when: the one function that shims, the sweep and the loop go by.
//!
//! Waits are bounded on both sides: none is longer than [`WAIT_MAX`], and what ends at once waits at least [`WAIT_MIN`], so
//! that a start that keeps failing never fills a disk or a process table, whatever its policy says.

use std::borrow::Cow;
use std::time::Duration;

use crate::base::clock::EpochMs;
use crate::base::ids::Generation;
use crate::base::span;
use crate::service::{Exit, OnUnhealthy, Progress, RestartMode, RestartPolicy, Spec};

/// A life shorter than this was no life: a service that is killed after it is started again at once if its policy says so.
pub const LIFE_MIN: Duration = Duration::from_millis(100);
/// So long waits at least what ended within [`LIFE_MIN`]: with either, no service is started more than ten times a second.
pub const WAIT_MIN: Duration = Duration::from_millis(100);
/// No wait is longer: the longest time to live that settings allow by default.
pub const WAIT_MAX: Duration = Duration::from_secs(24 * 3600);

/// How one life of a service ended, that nobody had asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// When; the waits count from here.
    pub at: EpochMs,
    /// How long it had been up, as far as is known; for what was ended for its health: until its last pass.
    pub lived: Duration,
    /// How its process ended.
    pub exit: Exit,
    /// It was ended because too many probes in a row failed: that is a failure, whatever its process said.
    pub was_unhealthy: bool,
}

/// What a restart policy says of an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is not started again: that is not its policy.
    Over {
        /// It ended as one that has done its work.
        is_success: bool,
    },
    /// It is started again.
    Again {
        /// When: now or later.
        at: EpochMs,
        /// Its history, with this end and that start in it.
        progress: Progress,
    },
    /// It has been started again too often.
    GiveUp {
        /// Its history, with this end in it.
        progress: Progress,
        /// Why, in one sentence.
        why: String,
    },
}

/// Judges the end of a service: `jitter` is anything between 0 and 1, drawn for this end.
pub fn after_exit(policy: Option<&RestartPolicy>, progress: &Progress, end: &End, jitter: f64) -> Verdict {
    let is_success = is_success(policy, end);
    let is_over = match policy.map(|policy| policy.mode) {
        None | Some(RestartMode::Never) => true,
        Some(RestartMode::OnFailure) => is_success,
        Some(RestartMode::Always) => false,
    };
    match policy.filter(|_| !is_over) {
        Some(policy) => again(policy, progress, end, jitter),
        None => Verdict::Over { is_success },
    }
}

/// The policy by which a service is started again that was ended for its health: its own; where that starts nothing again, and it is
/// to be restarted all the same (`on_unhealthy`), the defaults, with no wait after the first such end in a row. `None`: it is not.
///
/// So one that becomes healthy and fails again and again waits longer and longer, and is given up in the end.
pub fn for_health(spec: &Spec) -> Option<Cow<'_, RestartPolicy>> {
    let own = spec.lifecycle.restart.as_ref();
    if let Some(policy) = own.filter(|policy| policy.mode != RestartMode::Never) {
        return Some(Cow::Borrowed(policy));
    }
    match spec.healthcheck.on_unhealthy {
        OnUnhealthy::Report => None,
        OnUnhealthy::Restart => {
            let defaults = RestartPolicy::default();
            let backoff_s = std::iter::once(0.0).chain(defaults.backoff_s).collect();
            Some(Cow::Owned(RestartPolicy { mode: RestartMode::OnFailure, backoff_s, ..defaults }))
        }
    }
}

/// The same for a service whose machine was booted anew: it did not fail, so that it starts at once, with a clean count. One that
/// is never started again is over, and has not succeeded.
pub fn after_boot(policy: Option<&RestartPolicy>, progress: &Progress, now: EpochMs) -> Verdict {
    match policy.map(|policy| policy.mode) {
        None | Some(RestartMode::Never) => Verdict::Over { is_success: false },
        Some(RestartMode::OnFailure | RestartMode::Always) => {
            let restarts = progress.restarts.saturating_add(1);
            Verdict::Again { at: now, progress: Progress { restarts, next_at: Some(now), ..forgiven(progress) } }
        }
    }
}

/// The share of jitter for the end of `generation`, from 0 to 1: by its name, so that whoever judges the same end comes to the same
/// moment. Lives by one shim differ in the time of their names alone: all of the name counts.
pub fn share(generation: Option<&Generation>) -> f64 {
    let drawn = generation.map_or(u32::MAX, |generation| spread(generation.as_str().as_bytes()));
    f64::from(drawn) / f64::from(u32::MAX)
}

/// The upper half of the FNV-1a hash of `bytes`, in which every byte counts, once more multiplied for the last ones to reach it.
fn spread(bytes: &[u8]) -> u32 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let hash = bytes.iter().fold(OFFSET, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME));
    let mixed = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    u32::try_from(mixed >> 32).unwrap_or(u32::MAX)
}

/// The history of a service that a person starts anew: its failures and automatic starts are forgotten, not their sum.
pub fn forgiven(progress: &Progress) -> Progress {
    Progress {
        restarts: progress.restarts,
        last_used_at: progress.last_used_at,
        last_transition: progress.last_transition.clone(),
        ..Progress::default()
    }
}

/// The wait after the failure with that number in a row, counted from 0, if the service was up for a while. The longest
/// that jitter allows.
pub fn wait(policy: &RestartPolicy, failures_before: u32) -> Duration {
    policy.backoff(failures_before).min(WAIT_MAX)
}

/// Whether the wait in `progress` is over at `now`. One that is longer than the policy ever asks for is: the clock was set back.
pub fn is_due(policy: &RestartPolicy, progress: &Progress, now: EpochMs) -> bool {
    let longest = wait(policy, progress.failures_in_row.saturating_sub(1)).max(WAIT_MIN);
    progress.next_at.is_none_or(|at| at <= now || at.since(now) > longest)
}

/// How many automatic starts are left at `at`.
pub fn starts_left(policy: &RestartPolicy, progress: &Progress, at: EpochMs) -> u32 {
    let used = u32::try_from(recent_starts(policy, progress, at).len()).unwrap_or(u32::MAX);
    policy.max_restarts.saturating_sub(used)
}

fn is_success(policy: Option<&RestartPolicy>, end: &End) -> bool {
    let is_good = |code: i32| policy.map_or(code == 0, |policy| policy.success_exit_codes.contains(&code));
    match end.exit {
        Exit::Code(code) => !end.was_unhealthy && is_good(code),
        Exit::Signal(_) | Exit::Unknown => false,
    }
}

fn again(policy: &RestartPolicy, progress: &Progress, end: &End, jitter: f64) -> Verdict {
    let failures_before = if end.lived >= policy.reset_after() { 0 } else { progress.failures_in_row };
    let wait = jittered(policy, wait(policy, failures_before), jitter);
    let wait = if end.lived < LIFE_MIN { wait.max(WAIT_MIN) } else { wait };
    let at = end.at.plus(wait);
    let mut recent_starts = recent_starts(policy, progress, at);
    let progress = Progress { failures_in_row: failures_before.saturating_add(1), ..progress.clone() };
    if recent_starts.len() >= usize::try_from(policy.max_restarts).unwrap_or(usize::MAX) {
        let why = given_up(policy);
        return Verdict::GiveUp { progress: Progress { recent_starts, next_at: None, ..progress }, why };
    }
    recent_starts.push(at);
    let restarts = progress.restarts.saturating_add(1);
    Verdict::Again { at, progress: Progress { recent_starts, restarts, next_at: Some(at), ..progress } }
}

/// The automatic starts that still count at `at`, the newest as many as the policy allows. One that lies later, since the
/// clock was set back, counts as one of just now.
fn recent_starts(policy: &RestartPolicy, progress: &Progress, at: EpochMs) -> Vec<EpochMs> {
    let window = policy.window();
    let starts = progress.recent_starts.iter().map(|start| (*start).min(at));
    let counting: Vec<EpochMs> = starts.filter(|start| at.since(*start) < window).collect();
    let kept_max = usize::try_from(policy.max_restarts).unwrap_or(usize::MAX);
    let surplus = counting.len().saturating_sub(kept_max);
    counting.into_iter().skip(surplus).collect()
}

/// Between half of `wait` and the whole, if the policy wants that.
fn jittered(policy: &RestartPolicy, wait: Duration, jitter: f64) -> Duration {
    if !policy.jitter {
        return wait;
    }
    // What is no number is as good as none.
    let share = if jitter.is_finite() { jitter.clamp(0.0, 1.0) } else { 0.0 };
    let half = wait / 2;
    half + half.mul_f64(share)
}

fn given_up(policy: &RestartPolicy) -> String {
    match policy.max_restarts {
        0 => "its restart policy allows no automatic start (max_restarts is 0)".into(),
        starts => {
            let window = span::short(policy.window());
            format!(
                "it was started again {starts} times within {window}, which is as often as its restart policy allows"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use crate::service::Status;

    const NOW: EpochMs = EpochMs(1_800_000_000_000);
    const LONG: Duration = Duration::from_secs(60);

    fn policy(mode: RestartMode) -> RestartPolicy {
        RestartPolicy { mode, ..RestartPolicy::default() }
    }

    fn end(exit: Exit) -> End {
        End { at: NOW, lived: LONG, exit, was_unhealthy: false }
    }

    fn failed(times: u32) -> Progress {
        Progress { failures_in_row: times, ..Progress::default() }
    }

    fn started(ago_ms: &[i64]) -> Progress {
        Progress { recent_starts: ago_ms.iter().map(|ago| EpochMs(NOW.0 - ago)).collect(), ..Progress::default() }
    }

    /// The wait in milliseconds, and the history then; `None` if it is not started again.
    fn waits(verdict: &Verdict) -> Option<(i64, &Progress)> {
        match verdict {
            Verdict::Again { at, progress } => Some((at.0 - NOW.0, progress)),
            Verdict::Over { .. } | Verdict::GiveUp { .. } => None,
        }
    }

    #[test]
    fn every_mode_judges_every_end() {
        let exits = [Exit::Code(0), Exit::Code(3), Exit::Code(1), Exit::Signal(9), Exit::Unknown];
        for (exit, is_good) in exits.into_iter().zip([true, true, false, false, false]) {
            for was_unhealthy in [false, true] {
                let end = End { was_unhealthy, ..end(exit) };
                let is_success = is_good && !was_unhealthy;
                let judge = |mode| {
                    let policy = RestartPolicy { success_exit_codes: vec![0, 3], ..policy(mode) };
                    after_exit(Some(&policy), &Progress::default(), &end, 0.0)
                };
                assert_eq!(judge(RestartMode::Never), Verdict::Over { is_success }, "{end:?}");
                assert!(waits(&judge(RestartMode::Always)).is_some(), "{end:?}");
                let on_failure = judge(RestartMode::OnFailure);
                assert_eq!(waits(&on_failure).is_none(), is_success, "{end:?}");
                assert_eq!(on_failure == Verdict::Over { is_success: true }, is_success, "{end:?}");
                let without = after_exit(None, &Progress::default(), &end, 0.0);
                assert_eq!(without, Verdict::Over { is_success: is_success && exit == Exit::Code(0) }, "{end:?}");
            }
        }
    }

    #[test]
    fn the_nth_failure_in_a_row_waits_the_nth_time_and_further_ones_the_last() {
        let policy = RestartPolicy { backoff_s: vec![5.0, 30.0, 120.0], ..policy(RestartMode::OnFailure) };
        for (failures, expected_ms) in [(0, 5_000), (1, 30_000), (2, 120_000), (3, 120_000), (u32::MAX, 120_000)] {
            let verdict = after_exit(Some(&policy), &failed(failures), &end(Exit::Code(1)), 0.7);
            let (wait_ms, progress) = waits(&verdict).expect("it is started again");
            assert_eq!(wait_ms, expected_ms, "{failures}");
            assert_eq!(progress.failures_in_row, failures.saturating_add(1));
            assert_eq!(progress.next_at, Some(EpochMs(NOW.0 + expected_ms)));
            assert_eq!(
                (progress.recent_starts.as_slice(), progress.restarts),
                ([progress.next_at.unwrap()].as_slice(), 1)
            );
        }
    }

    #[test]
    fn who_was_up_for_long_enough_starts_its_count_anew() {
        let policy = policy(RestartMode::Always);
        for (lived_ms, expected) in [(0, 5), (599_999, 5), (600_000, 1), (600_001, 1), (u64::MAX, 1)] {
            let end = End { lived: Duration::from_millis(lived_ms), ..end(Exit::Signal(9)) };
            let verdict = after_exit(Some(&policy), &failed(4), &end, 0.0);
            assert_eq!(waits(&verdict).unwrap().1.failures_in_row, expected, "{lived_ms}");
        }
        let never = RestartPolicy { reset_after_s: 0.0, ..policy };
        let verdict = after_exit(Some(&never), &failed(4), &End { lived: Duration::ZERO, ..end(Exit::Unknown) }, 0.0);
        assert_eq!(waits(&verdict).unwrap().1.failures_in_row, 1, "every life is long enough");
    }

    #[test]
    fn who_starts_more_often_than_allowed_within_the_window_is_given_up() {
        let policy =
            RestartPolicy { max_restarts: 3, window_s: 300.0, backoff_s: vec![0.0], ..policy(RestartMode::Always) };
        let judge = |ago_ms: &[i64]| after_exit(Some(&policy), &started(ago_ms), &end(Exit::Code(1)), 0.0);
        assert!(waits(&judge(&[2, 1])).is_some(), "the third is allowed");
        assert!(waits(&judge(&[300_000, 2, 1])).is_some(), "the first is just out of the window");
        let Verdict::GiveUp { progress, why } = judge(&[299_999, 2, 1]) else { panic!("the fourth is too many") };
        assert_eq!((progress.failures_in_row, progress.next_at, progress.recent_starts.len()), (1, None, 3));
        assert!(why.contains("3 times within 5m"), "{why}");
        let none = RestartPolicy { max_restarts: 0, ..policy.clone() };
        let verdict = after_exit(Some(&none), &Progress::default(), &end(Exit::Code(1)), 0.0);
        assert!(matches!(&verdict, Verdict::GiveUp { why, .. } if why.contains("max_restarts is 0")), "{verdict:?}");
        // The window is looked at as it will be when the wait is over.
        let slow = RestartPolicy { backoff_s: vec![10.0], ..policy };
        let judge = |ago_ms: &[i64]| after_exit(Some(&slow), &started(ago_ms), &end(Exit::Code(1)), 0.0);
        assert!(waits(&judge(&[290_000, 2, 1])).is_some());
        assert!(waits(&judge(&[289_999, 2, 1])).is_none());
    }

    #[test]
    fn a_loop_of_crashes_keeps_a_bounded_history_and_ends() {
        let policy = RestartPolicy { backoff_s: vec![0.0], ..policy(RestartMode::Always) };
        let mut progress = Progress::default();
        let mut at = NOW;
        for starts in 0..=policy.max_restarts {
            let end = End { at, lived: Duration::ZERO, exit: Exit::Code(1), was_unhealthy: false };
            match after_exit(Some(&policy), &progress, &end, 0.0) {
                Verdict::Again { at: next, progress: then } => {
                    assert!(next.since(at) >= WAIT_MIN && starts < policy.max_restarts);
                    (at, progress) = (next, then);
                }
                verdict @ (Verdict::GiveUp { .. } | Verdict::Over { .. }) => {
                    assert!(starts == policy.max_restarts && matches!(verdict, Verdict::GiveUp { .. }));
                }
            }
        }
        assert_eq!((progress.restarts, progress.recent_starts.len()), (10, 10));
        // Ten times as many as are allowed, out of a file that somebody edited.
        let many = started(&[1; 100]);
        let lasting = RestartPolicy { max_restarts: 10, ..policy };
        assert_eq!(recent_starts(&lasting, &many, NOW).len(), 10);
    }

    #[test]
    fn a_clock_that_was_set_back_neither_stops_nor_frees_anybody() {
        let policy = RestartPolicy { max_restarts: 2, backoff_s: vec![0.0], ..policy(RestartMode::Always) };
        let day = 86_400_000;
        let verdict = after_exit(Some(&policy), &started(&[-day]), &end(Exit::Code(1)), 0.0);
        let (_, progress) = waits(&verdict).expect("one of two is used");
        assert_eq!(progress.recent_starts, [NOW, NOW], "what lies in the future was just now");
        let verdict = after_exit(Some(&policy), &started(&[-day, -day]), &end(Exit::Code(1)), 0.0);
        assert!(waits(&verdict).is_none(), "both are used");
        let later = End { at: NOW.plus(Duration::from_secs(301)), ..end(Exit::Code(1)) };
        assert!(waits(&after_exit(Some(&policy), progress, &later, 0.0)).is_some(), "and they grow old as others do");
    }

    #[test]
    fn jitter_is_between_half_of_the_wait_and_the_whole() {
        let judge = |jitter, share| {
            let policy = RestartPolicy { backoff_s: vec![10.0], jitter, ..policy(RestartMode::Always) };
            waits(&after_exit(Some(&policy), &Progress::default(), &end(Exit::Code(1)), share)).unwrap().0
        };
        for (share, expected) in [(0.0, 5_000), (0.5, 7_500), (1.0, 10_000), (-3.0, 5_000), (9.9, 10_000)] {
            assert_eq!(judge(true, share), expected, "{share}");
            assert_eq!(judge(false, share), 10_000, "{share}");
        }
        for share in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(judge(true, share), 5_000, "{share}");
        }
    }

    #[test]
    fn every_generation_draws_its_own_share() {
        let shim = Generation::new(EpochMs(1_700_000_000_000));
        let lives = (0..1000).map(|life| shim.successor(EpochMs(1_700_000_000_001 + life * 100)));
        let shares: Vec<f64> = lives.map(|life| share(Some(&life))).collect();
        assert!(shares.iter().all(|share| (0.0..=1.0).contains(share)));
        for tenth in 0..10 {
            let bounds = f64::from(tenth) / 10.0..f64::from(tenth + 1) / 10.0;
            let there = shares.iter().filter(|share| bounds.contains(share)).count();
            assert!((50..200).contains(&there), "{there} of 1000 in {bounds:?}");
        }
        assert_eq!((share(Some(&shim)), share(None)), (share(Some(&shim)), 1.0));
    }

    #[test]
    fn no_wait_is_without_bounds_and_none_spins() {
        let judge = |backoff_s: f64, lived_ms| {
            let policy = RestartPolicy { backoff_s: vec![backoff_s], ..policy(RestartMode::Always) };
            let end = End { lived: Duration::from_millis(lived_ms), ..end(Exit::Signal(9)) };
            waits(&after_exit(Some(&policy), &Progress::default(), &end, 1.0)).unwrap().0
        };
        let day = 86_400_000;
        for (backoff_s, lived_ms, expected) in [
            (0.0, 100, 0),
            (0.0, 99, 100),
            (0.0, 0, 100),
            (0.05, 0, 100),
            (0.2, 0, 200),
            (1e18, 100, day),
            (86_400.0, 0, day),
            (f64::MAX, 100, 0),
            (f64::NAN, 100, 0),
            (-1.0, 0, 100),
        ] {
            assert_eq!(judge(backoff_s, lived_ms), expected, "{backoff_s} {lived_ms}");
        }
        let policy = policy(RestartMode::Always);
        let last = End { at: EpochMs(i64::MAX), ..end(Exit::Unknown) };
        let verdict = after_exit(Some(&policy), &Progress { restarts: u64::MAX, ..failed(u32::MAX) }, &last, 1.0);
        assert!(matches!(verdict, Verdict::Again { at: EpochMs(i64::MAX), .. }));
    }

    #[test]
    fn an_end_for_its_health_goes_by_its_own_policy_or_by_the_defaults_with_a_first_start_at_once() {
        let mut spec = sample::record(Status::Running).spec;
        let modes = [None, Some(RestartMode::Never), Some(RestartMode::OnFailure), Some(RestartMode::Always)];
        for (mode, on_unhealthy) in
            modes.into_iter().flat_map(|mode| OnUnhealthy::ALL.iter().map(move |on| (mode, *on)))
        {
            spec.lifecycle.restart = mode.map(policy);
            spec.healthcheck.on_unhealthy = on_unhealthy;
            let found = for_health(&spec);
            let is_own = matches!(mode, Some(RestartMode::OnFailure | RestartMode::Always));
            assert_eq!(found.is_some(), is_own || on_unhealthy == OnUnhealthy::Restart, "{mode:?} {on_unhealthy:?}");
            let Some(found) = found else { continue };
            assert_eq!(matches!(found, Cow::Borrowed(_)), is_own);
            if !is_own {
                let waits_s: Vec<u64> = (0..8).map(|failures| wait(&found, failures).as_secs()).collect();
                assert_eq!(waits_s, [0, 1, 2, 4, 8, 16, 30, 30]);
            }
        }
    }

    #[test]
    fn a_boot_is_no_failure() {
        let progress = Progress { failures_in_row: 7, restarts: 9, ..started(&[1, 1, 1, 1, 1, 1, 1, 1, 1, 1]) };
        let again =
            Verdict::Again { at: NOW, progress: Progress { restarts: 10, next_at: Some(NOW), ..Progress::default() } };
        for mode in [RestartMode::OnFailure, RestartMode::Always] {
            assert_eq!(after_boot(Some(&policy(mode)), &progress, NOW), again);
        }
        for policy in [None, Some(&policy(RestartMode::Never))] {
            assert_eq!(after_boot(policy, &progress, NOW), Verdict::Over { is_success: false });
        }
    }

    #[test]
    fn what_a_person_starts_anew_has_a_clean_count() {
        let last = crate::service::Transition {
            at: NOW,
            from: Some(Status::Running),
            to: Status::Failed,
            input: "gave-up".into(),
            why: "often".into(),
        };
        let progress = Progress {
            failures_in_row: 3,
            recent_starts: vec![NOW],
            restarts: 12,
            next_at: Some(NOW),
            unhealthy_in_row: 2,
            last_used_at: Some(NOW),
            updated_at: Some(NOW),
            last_transition: Some(last.clone()),
        };
        let clean =
            Progress { restarts: 12, last_used_at: Some(NOW), last_transition: Some(last), ..Progress::default() };
        assert_eq!(forgiven(&progress), clean);
    }

    #[test]
    fn a_wait_ends_when_it_is_over_and_where_the_clock_was_set_back() {
        let policy = policy(RestartMode::Always);
        let due = |in_ms: Option<i64>, failures| {
            let next_at = in_ms.map(|ms| EpochMs(NOW.0 + ms));
            is_due(&policy, &Progress { next_at, ..failed(failures) }, NOW)
        };
        for (in_ms, failures, expected) in [
            (None, 1, true),
            (Some(-1), 1, true),
            (Some(0), 1, true),
            (Some(1), 1, false),
            (Some(1_000), 1, false),
            (Some(1_001), 1, true),
            (Some(2_000), 2, false),
            (Some(2_001), 2, true),
            (Some(86_400_000), 9, true),
            (Some(1_000), 0, false),
        ] {
            assert_eq!(due(in_ms, failures), expected, "{in_ms:?} {failures}");
        }
        let at_once = RestartPolicy { backoff_s: vec![0.0], ..policy };
        let progress = Progress { next_at: Some(NOW.plus(WAIT_MIN)), ..failed(1) };
        assert!(!is_due(&at_once, &progress, NOW), "what ended at once waits a little all the same");
    }

    #[test]
    fn what_is_left_of_the_window_can_be_told() {
        let policy = policy(RestartMode::Always);
        assert_eq!(starts_left(&policy, &Progress::default(), NOW), 10);
        assert_eq!(starts_left(&policy, &started(&[300_000, 1, 0]), NOW), 8);
        assert_eq!(starts_left(&policy, &started(&[0; 30]), NOW), 0);
        assert_eq!(wait(&policy, 2), Duration::from_secs(4));
    }
}
