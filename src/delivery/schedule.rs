//! When an event that was refused is tried again, and when no more (contract section 9).

use std::time::Duration;

/// After so many failures an event goes to the dead letters, and the next one goes on.
pub const FAILURES_MAX: u32 = 12;
/// So many events wait for one sink; beyond that the oldest are dropped.
pub const WAITING_MAX: usize = 5000;

/// The wait after the first failure; each next one is twice as long.
const WAIT_MIN: Duration = Duration::from_secs(1);
/// The longest wait.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// How long to wait after the `failures`-th failure in a row, from 1: doubling from 1 s to 60 s, of which jitter takes up to half,
/// so that many deliverers do not knock at once. `share` (0 to 1) is the part of the jitter's half that is waited.
pub fn wait_after(failures: u32, share: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(WAIT_MAX.as_secs().ilog2() + 1);
    let whole = (WAIT_MIN * 2_u32.pow(doublings)).min(WAIT_MAX);
    let share = if (0.0..=1.0).contains(&share) { share } else { 1.0 };
    whole / 2 + (whole / 2).mul_f64(share)
}

/// Whether an event that has failed `failures` times is dead.
pub fn is_dead(failures: u32) -> bool {
    failures >= FAILURES_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_from_one_second_to_sixty_and_jitter_keeps_them_above_half() {
        let whole = [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60, 60];
        for (failures, seconds) in (1..).zip(whole) {
            let seconds = f64::from(seconds);
            assert_eq!(wait_after(failures, 1.0).as_secs_f64(), seconds, "{failures}");
            assert_eq!(wait_after(failures, 0.0).as_secs_f64(), seconds / 2.0, "{failures}");
            assert_eq!(wait_after(failures, 0.5).as_secs_f64(), seconds * 0.75, "{failures}");
            assert_eq!(is_dead(failures), failures == 12);
        }
        assert_eq!(wait_after(u32::MAX, 7.0), Duration::from_secs(60));
        assert_eq!(wait_after(0, f64::NAN).as_secs_f64(), wait_after(1, 1.0).as_secs_f64());
    }
}
