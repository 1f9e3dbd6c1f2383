//! What a shim does next: phase × what it sees → next phase and action. Pure: the moment is handed in.
//!
//! A shim gives its service one life after another, as its restart policy says. Whoever asks for its end, and the end of its time
//! to live, are remembered from whichever moment on: then no life follows any more.

use std::time::{Duration, Instant};

use crate::service::ExitCause;

/// Pause between two rounds of killing: the time for the kernel to carry one out.
const KILL_ROUND: Duration = Duration::from_millis(10);
/// After this many rounds whoever is left sits in an uninterruptible call: look once a second only.
const QUICK_ROUNDS: u32 = 100;
/// The slow pause.
const SLOW_ROUND: Duration = Duration::from_secs(1);

/// What a shim sees when it wakes up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Somebody asks for its end.
    pub(super) is_asked: bool,
    /// Its time to live is over.
    pub(super) is_expired: bool,
    /// The service itself has ended.
    pub(super) has_ended: bool,
    /// None of its tree is left.
    pub(super) is_alone: bool,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Nothing but sleep on.
    Sleep,
    /// Ask everyone of the tree to end.
    Terminate,
    /// SIGKILL to everyone.
    Kill,
    /// Nobody is left, and the next life is to come: say so, and sleep on.
    Await,
    /// Begin the next life.
    Begin,
    /// Nobody is left, and nothing is to come.
    Leave,
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
    /// Nobody is left; the next life begins at `at`.
    Waiting { at: Instant },
}

/// The state machine of one shim.
#[derive(Debug)]
pub(super) struct Life {
    phase: Phase,
    grace: Duration,
    /// No life follows, whatever was decided.
    is_last: bool,
    /// When the next life is to begin; `None`: nothing has been decided, or that none is.
    again_at: Option<Instant>,
}

impl Life {
    pub(super) fn new(grace: Duration) -> Self {
        Self { phase: Phase::Up, grace, is_last: false, again_at: None }
    }

    /// When to wake up even if nothing happens; `None`: never.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Up => None,
            Phase::Ending { kill_at, .. } => Some(kill_at),
            Phase::Killing { next_at, .. } => Some(next_at),
            Phase::Waiting { at } => Some(at),
        }
    }

    /// Why the service has ended that is seen to have ended. One that has did so by itself, whatever was asked in the same moment.
    pub(super) fn cause(&self) -> ExitCause {
        match self.phase {
            Phase::Up | Phase::Waiting { .. } => ExitCause::Own,
            Phase::Ending { cause, .. } | Phase::Killing { cause, .. } => cause,
        }
    }

    /// Whether no other life follows this one, by what is seen now or was seen before.
    pub(super) fn is_last(&self, seen: Seen) -> bool {
        self.is_last || seen.is_asked || seen.is_expired
    }

    /// It is decided that another life follows, once nobody of this one is left.
    pub(super) fn decide_again(&mut self, at: Instant) {
        self.again_at = Some(at);
    }

    /// The next life has begun.
    pub(super) fn begun(&mut self) {
        (self.phase, self.again_at) = (Phase::Up, None);
    }

    /// The next life could not be begun: what may be left of the attempt is gone first.
    pub(super) fn refused(&mut self, now: Instant) {
        (self.phase, self.again_at) = (Phase::Ending { cause: ExitCause::Own, kill_at: now }, None);
    }

    /// The next phase, and what to do now. A service that ended by itself may leave descendants: they end with it.
    pub(super) fn next(&mut self, seen: Seen, now: Instant) -> Action {
        self.is_last = self.is_last(seen);
        match self.phase {
            Phase::Up => {
                let cause = match (seen.has_ended, seen.is_asked, self.is_last) {
                    (true, _, _) => ExitCause::Own,
                    (false, true, _) => ExitCause::Asked,
                    (false, false, true) => ExitCause::Expired,
                    (false, false, false) => return Action::Sleep,
                };
                if seen.is_alone {
                    return self.alone(now);
                }
                self.phase = Phase::Ending { cause, kill_at: now + self.grace };
                Action::Terminate
            }
            Phase::Ending { .. } | Phase::Killing { .. } if seen.is_alone => self.alone(now),
            Phase::Ending { cause, kill_at } if now >= kill_at => {
                self.phase = Phase::Killing { cause, round: 1, next_at: now + KILL_ROUND };
                Action::Kill
            }
            Phase::Killing { cause, round, next_at } if now >= next_at => {
                let pause = if round < QUICK_ROUNDS { KILL_ROUND } else { SLOW_ROUND };
                self.phase = Phase::Killing { cause, round: round.saturating_add(1), next_at: now + pause };
                Action::Kill
            }
            Phase::Waiting { .. } if self.is_last => Action::Leave,
            Phase::Waiting { at } if now >= at => Action::Begin,
            Phase::Ending { .. } | Phase::Killing { .. } | Phase::Waiting { .. } => Action::Sleep,
        }
    }

    /// Nobody of this life is left.
    fn alone(&mut self, now: Instant) -> Action {
        match self.again_at.filter(|_| !self.is_last) {
            None => Action::Leave,
            Some(at) => {
                self.phase = Phase::Waiting { at };
                if now >= at { Action::Begin } else { Action::Await }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::monotonic;

    const GRACE: Duration = Duration::from_secs(1000);
    const LATER: Duration = Duration::from_secs(5);

    fn every_sight() -> impl Iterator<Item = Seen> {
        (0..16_u8).map(|bits| {
            let has = |bit: u8| bits & (1 << bit) != 0;
            Seen { is_asked: has(0), is_expired: has(1), has_ended: has(2), is_alone: has(3) }
        })
    }

    /// A state machine in each phase, with what it says of itself; `again_at` as decided.
    fn every_phase(now: Instant, again_at: Option<Instant>) -> Vec<(&'static str, Life)> {
        let life = |phase| Life { phase, grace: GRACE, is_last: false, again_at };
        let cause = ExitCause::Own;
        vec![
            ("up", life(Phase::Up)),
            ("ending", life(Phase::Ending { cause, kill_at: now + LATER })),
            ("ending, grace over", life(Phase::Ending { cause, kill_at: now })),
            ("killing", life(Phase::Killing { cause, round: 1, next_at: now + LATER })),
            ("killing, round over", life(Phase::Killing { cause, round: 1, next_at: now })),
            ("waiting", life(Phase::Waiting { at: now + LATER })),
            ("waiting, wait over", life(Phase::Waiting { at: now })),
        ]
    }

    /// The table, as it is meant.
    fn meant(phase: &str, seen: Seen, again: Option<bool>) -> Action {
        let is_last = seen.is_asked || seen.is_expired;
        let alone = match again.filter(|_| !is_last) {
            None => Action::Leave,
            Some(true) => Action::Begin,
            Some(false) => Action::Await,
        };
        match phase {
            "up" if !(is_last || seen.has_ended) => Action::Sleep,
            "waiting" | "waiting, wait over" if is_last => Action::Leave,
            "waiting" => Action::Sleep,
            "waiting, wait over" => Action::Begin,
            _ if seen.is_alone => alone,
            "up" => Action::Terminate,
            "ending, grace over" | "killing, round over" => Action::Kill,
            _ => Action::Sleep,
        }
    }

    #[test]
    fn every_cell_of_the_table_is_as_written() {
        let now = monotonic();
        for (again_at, again) in [(None, None), (Some(now), Some(true)), (Some(now + LATER), Some(false))] {
            for seen in every_sight() {
                for (phase, mut life) in every_phase(now, again_at) {
                    assert_eq!(life.next(seen, now), meant(phase, seen, again), "{phase} {seen:?} {again:?}");
                }
            }
        }
    }

    #[test]
    fn no_life_follows_once_an_end_was_asked_for_in_any_phase() {
        let now = monotonic();
        let alone = Seen { has_ended: true, is_alone: true, ..Seen::default() };
        for seen in every_sight().filter(|seen| seen.is_asked || seen.is_expired) {
            for (phase, mut life) in every_phase(now, Some(now)) {
                life.next(seen, now);
                assert!(life.is_last(Seen::default()), "{phase} {seen:?}");
                let after = life.next(alone, now + LATER);
                assert_eq!(after, Action::Leave, "{phase} {seen:?}");
            }
        }
    }

    #[test]
    fn every_first_cause_is_told_as_it_is_and_stays() {
        let now = monotonic();
        for seen in every_sight().filter(|seen| !seen.is_alone) {
            let mut life = Life::new(GRACE);
            assert_eq!(life.cause(), ExitCause::Own, "what is seen to have ended did so by itself");
            life.next(seen, now);
            let cause = match (seen.has_ended, seen.is_asked, seen.is_expired) {
                (true, _, _) | (false, false, false) => ExitCause::Own,
                (false, true, _) => ExitCause::Asked,
                (false, false, true) => ExitCause::Expired,
            };
            assert_eq!(life.cause(), cause, "{seen:?}");
            if cause != ExitCause::Own {
                let all = Seen { is_asked: true, is_expired: true, has_ended: true, is_alone: false };
                assert_eq!(life.next(all, now), Action::Sleep, "the grace is not over");
                assert_eq!(life.cause(), cause, "the first cause stays");
            }
        }
    }

    #[test]
    fn without_grace_the_kill_follows_at_once_and_repeats() {
        let now = monotonic();
        let mut life = Life::new(Duration::ZERO);
        assert_eq!(life.next(Seen { is_asked: true, ..Seen::default() }, now), Action::Terminate);
        assert_eq!(life.next(Seen::default(), now), Action::Kill);
        assert!(life.deadline().is_some());
        assert_eq!(life.cause(), ExitCause::Asked);
    }

    #[test]
    fn a_life_that_has_begun_is_like_the_first() {
        let now = monotonic();
        let mut life = Life::new(GRACE);
        life.decide_again(now + LATER);
        let over = Seen { has_ended: true, is_alone: true, ..Seen::default() };
        assert_eq!(life.next(over, now), Action::Await);
        assert_eq!(life.deadline(), Some(now + LATER));
        assert_eq!(life.next(Seen::default(), now + LATER), Action::Begin);
        life.begun();
        assert_eq!((life.deadline(), life.next(Seen::default(), now + LATER)), (None, Action::Sleep));
        assert_eq!(life.next(over, now + LATER), Action::Leave, "nothing has been decided of this one");
        life.refused(now);
        let alone = Seen { is_alone: true, ..Seen::default() };
        assert_eq!(life.next(Seen::default(), now), Action::Kill, "something may be left of the attempt");
        assert_eq!(life.next(alone, now), Action::Leave, "nothing has been decided of it");
        life.refused(now);
        life.decide_again(now + LATER);
        assert_eq!((life.next(alone, now), life.next(alone, now + LATER)), (Action::Await, Action::Begin));
    }
}
