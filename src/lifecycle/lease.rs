//! Leases: who may be the one loop of a root, and who decides an agent's sidecar. A lease is a named holder with an expiry, not a
//! lock: it holds over a suspend and over any step of a tick, and whoever wants it can tell whether it is still meant.

use std::time::Duration;

use crate::base::clock::EpochMs;
use crate::service::{Identity, Liveness};

/// The shortest time that a lease is given for: a tick may have to end services with long graces, side by side.
const SPAN_MIN: Duration = Duration::from_secs(120);
/// As many ticks may fail to come before the lease is over.
const TICKS_MISSED_MAX: u32 = 4;

/// What a decision may take beside the waits for first health: to end what is replaced, whose grace may be ten minutes, and to start
/// what takes its place.
const DECISION_MIN: Duration = Duration::from_secs(15 * 60);

/// A lease as it stands in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The process that has it.
    pub holder: Identity,
    /// Since when.
    pub since: EpochMs,
    /// When it is over unless it is prolonged before.
    pub expires_at: EpochMs,
}

/// What a lease means for whoever wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Claimable {
    /// There is none.
    Free,
    /// It is the asker's own.
    Ours,
    /// Its holder is proven dead.
    Abandoned,
    /// It is over, though nobody can say that its holder is dead: that one hangs, or was stopped.
    Over,
    /// Somebody has it.
    Theirs,
}

/// Judges `lease` for `me`, given the liveness of its holder.
pub fn judge(
    lease: Option<&Lease>,
    me: &Identity,
    holder: impl FnOnce(&Identity) -> Liveness,
    now: EpochMs,
) -> Claimable {
    let Some(lease) = lease else { return Claimable::Free };
    if lease.holder == *me {
        return Claimable::Ours;
    }
    match holder(&lease.holder) {
        Liveness::Dead => Claimable::Abandoned,
        Liveness::Alive | Liveness::Unknown if lease.expires_at <= now => Claimable::Over,
        Liveness::Alive | Liveness::Unknown => Claimable::Theirs,
    }
}

/// For how long a loop with a tick every `interval` is given its lease.
pub fn span(interval: Duration) -> Duration {
    interval.saturating_mul(TICKS_MISSED_MAX).max(SPAN_MIN)
}

/// For how long a lease at a sidecar is given whose services wait for their first health for at most `timeouts`: as long as it takes
/// if each waits for the one before it. A holder that is dead is found out at once; only one that hangs is waited for so long.
pub fn decision_span(timeouts: impl IntoIterator<Item = Duration>) -> Duration {
    timeouts.into_iter().fold(DECISION_MIN, Duration::saturating_add)
}

/// Whether the holder of `lease`, given for `span`, is to prolong it by now: once half of it is over, so that most ticks write
/// nothing. A lease that ends later than it could have been given for was written before the clock was set back.
pub fn is_to_prolong(lease: &Lease, span: Duration, now: EpochMs) -> bool {
    let left = lease.expires_at.since(now);
    left <= span / 2 || left > span
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: EpochMs = EpochMs(1_000_000);

    fn identity(pid: u32) -> Identity {
        Identity { pid, start_ticks: 1, boot_id: "b".into(), pid_namespace: None }
    }

    fn lease(pid: u32, expires_at: i64) -> Lease {
        Lease { holder: identity(pid), since: EpochMs(1), expires_at: EpochMs(expires_at) }
    }

    #[test]
    fn every_lease_is_judged_by_its_holder_first_and_then_by_its_end() {
        let me = identity(1);
        for (expires_at, is_over) in [(NOW.0 + 1, false), (NOW.0, true), (NOW.0 - 1, true), (i64::MAX, false)] {
            for liveness in [Liveness::Alive, Liveness::Dead, Liveness::Unknown] {
                let check = |lease: Option<Lease>, expected: Claimable| {
                    assert_eq!(judge(lease.as_ref(), &me, |_| liveness, NOW), expected, "{lease:?} {liveness:?}");
                };
                check(None, Claimable::Free);
                check(Some(lease(1, expires_at)), Claimable::Ours);
                let theirs = match (liveness, is_over) {
                    (Liveness::Dead, _) => Claimable::Abandoned,
                    (Liveness::Alive | Liveness::Unknown, true) => Claimable::Over,
                    (Liveness::Alive | Liveness::Unknown, false) => Claimable::Theirs,
                };
                check(Some(lease(2, expires_at)), theirs);
            }
        }
    }

    #[test]
    fn another_process_of_the_same_pid_is_another() {
        let reused = Identity { start_ticks: 2, ..identity(1) };
        let judged = judge(Some(&lease(1, NOW.0 + 1)), &reused, |_| Liveness::Dead, NOW);
        assert_eq!(judged, Claimable::Abandoned);
    }

    #[test]
    fn a_decision_may_take_as_long_as_all_its_services_one_after_the_other() {
        let check = |timeouts: &[u64], expected: u64| {
            let timeouts = timeouts.iter().map(|seconds| Duration::from_secs(*seconds));
            assert_eq!(decision_span(timeouts), DECISION_MIN + Duration::from_secs(expected));
        };
        check(&[], 0);
        check(&[60, 3600], 3660);
    }

    #[test]
    fn a_lease_outlasts_some_ticks_and_is_prolonged_in_its_second_half() {
        let check = |seconds, expected| assert_eq!(span(Duration::from_secs(seconds)).as_secs(), expected);
        check(1, 120);
        check(30, 120);
        check(31, 124);
        check(3600, 14_400);
        let span = Duration::from_secs(120);
        let check = |left_s: i64, expected| {
            let is_due = is_to_prolong(&lease(1, NOW.0 + left_s * 1000), span, NOW);
            assert_eq!(is_due, expected, "{left_s}");
        };
        check(120, false);
        check(61, false);
        check(60, true);
        check(-1, true);
        check(121, true);
    }
}
