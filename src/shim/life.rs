//! What a shim does next: phase × what woke it → next phase and action. Pure but for the monotonic clock it is handed.

use std::time::{Duration, Instant};

use crate::base::clock::monotonic;
use crate::service::ExitCause;

/// Pause between two rounds of killing: the time for the kernel to carry one out.
const KILL_ROUND: Duration = Duration::from_millis(10);
/// After this many rounds whoever is left sits in an uninterruptible call: look once a second only.
const QUICK_ROUNDS: u32 = 100;
/// The slow pause.
const SLOW_ROUND: Duration = Duration::from_secs(1);

/// What to do with the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Nothing but sleep on.
    Sleep,
    /// SIGTERM to everyone.
    Terminate,
    /// SIGKILL to everyone.
    Kill,
}

/// Where the shim stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The service runs.
    Up,
    /// The tree was asked to end; at `kill_at` it will be made to.
    Ending { cause: ExitCause, kill_at: Instant },
    /// The tree is being killed, for the `round`th time.
    Killing { cause: ExitCause, round: u32, next_at: Instant },
}

/// The state machine of one shim.
#[derive(Debug)]
pub(super) struct Life {
    phase: Phase,
    grace: Duration,
}

impl Life {
    pub(super) fn new(grace: Duration) -> Self {
        Self { phase: Phase::Up, grace }
    }

    /// When to wake up even if nothing happens; `None`: never.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Up => None,
            Phase::Ending { kill_at, .. } => Some(kill_at),
            Phase::Killing { next_at, .. } => Some(next_at),
        }
    }

    /// Why the service ended, or is ending.
    pub(super) fn cause(&self) -> ExitCause {
        match self.phase {
            Phase::Up => ExitCause::Own,
            Phase::Ending { cause, .. } | Phase::Killing { cause, .. } => cause,
        }
    }

    /// The next phase, and what to do now. A service that ended by itself may leave descendants: they end with it.
    pub(super) fn next(&mut self, is_asked: bool, is_expired: bool, has_ended: bool) -> Action {
        let now = monotonic();
        match self.phase {
            Phase::Up => {
                // A service that has ended did so by itself, whatever was asked in the same moment.
                let cause = match (has_ended, is_asked, is_expired) {
                    (true, _, _) => ExitCause::Own,
                    (false, true, _) => ExitCause::Asked,
                    (false, false, true) => ExitCause::Expired,
                    (false, false, false) => return Action::Sleep,
                };
                self.phase = Phase::Ending { cause, kill_at: now + self.grace };
                Action::Terminate
            }
            Phase::Ending { cause, kill_at } if now >= kill_at => {
                self.phase = Phase::Killing { cause, round: 1, next_at: now + KILL_ROUND };
                Action::Kill
            }
            Phase::Ending { .. } => Action::Sleep,
            Phase::Killing { cause, round, next_at } if now >= next_at => {
                let pause = if round < QUICK_ROUNDS { KILL_ROUND } else { SLOW_ROUND };
                self.phase = Phase::Killing { cause, round: round.saturating_add(1), next_at: now + pause };
                Action::Kill
            }
            Phase::Killing { .. } => Action::Sleep,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_first_cause_is_told_as_it_is() {
        for (asked, expired, ended) in [false, true]
            .iter()
            .flat_map(|a| [false, true].map(|e| (*a, e)))
            .flat_map(|(a, e)| [false, true].map(|x| (a, e, x)))
        {
            let mut life = Life::new(Duration::from_secs(1000));
            let expected = match (asked, expired, ended) {
                (false, false, false) => Action::Sleep,
                (_, _, _) => Action::Terminate,
            };
            assert_eq!(life.next(asked, expired, ended), expected, "{asked} {expired} {ended}");
            let cause = if ended || !(asked || expired) {
                ExitCause::Own
            } else if asked {
                ExitCause::Asked
            } else {
                ExitCause::Expired
            };
            assert_eq!(life.cause(), cause, "{asked} {expired} {ended}");
            if expected == Action::Terminate {
                assert_eq!(life.next(true, true, true), Action::Sleep, "the grace is not over");
                assert_eq!(life.cause(), cause, "the first cause stays");
            }
        }
    }

    #[test]
    fn without_grace_the_kill_follows_at_once_and_repeats() {
        let mut life = Life::new(Duration::ZERO);
        assert_eq!(life.next(true, false, false), Action::Terminate);
        assert_eq!(life.next(false, false, false), Action::Kill);
        assert!(life.deadline().is_some());
        assert_eq!(life.cause(), ExitCause::Asked);
    }
}
