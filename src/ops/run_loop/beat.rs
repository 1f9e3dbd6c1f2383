//! The beat: ticks at even distances that neither pile up nor come without a pause. It knows no clock but what it is handed,
//! so that a test can let a year pass.

use std::time::Duration;

use crate::base::error::Result;

/// The shortest pause between two ticks, whatever is due: what cannot be done is not tried without a pause.
const PAUSE_MIN: Duration = Duration::from_millis(20);

/// What the loop goes by.
pub trait Pace {
    /// The time since some moment of its own; it never goes back.
    fn now(&self) -> Duration;
    /// Whether somebody has asked for the end.
    fn is_asked(&self) -> bool;
    /// Lets `span` pass, or less if somebody asks for the end.
    fn sleep(&mut self, span: Duration);
}

/// What a tick says of the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Next {
    /// The time between two ticks.
    pub(super) interval: Duration,
    /// When something becomes due, from now on; `None`: nothing is known to.
    pub(super) due_in: Option<Duration>,
}

/// Calls `tick` again and again until somebody asks for the end; how often it did. An error of `tick` ends it.
pub(super) fn drive(pace: &mut dyn Pace, mut tick: impl FnMut(&dyn Pace) -> Result<Next>) -> Result<u64> {
    let mut ticks = 0;
    while !pace.is_asked() {
        let began = pace.now();
        let next = tick(pace)?;
        ticks += 1;
        if pace.is_asked() {
            break;
        }
        pace.sleep(pause(pace.now().saturating_sub(began), next));
    }
    Ok(ticks)
}

/// How long to sleep after a tick that took `took`: until the next multiple of the interval since its begin that is still to
/// come, so that those which were missed are left out; or until something is due before that.
fn pause(took: Duration, next: Next) -> Duration {
    let interval = next.interval.max(PAUSE_MIN);
    let over = Duration::from_nanos_u128(took.as_nanos() % interval.as_nanos());
    let until_beat = interval - over;
    next.due_in.map_or(until_beat, |due| due.min(until_beat)).max(PAUSE_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::error::{Error, Kind};
    use std::cell::Cell;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_tick_is_followed_by_the_next_beat_or_by_what_is_due_before() {
        let check = |took: u64, due_in: Option<u64>, expected: u64| {
            let next = Next { interval: ms(5000), due_in: due_in.map(ms) };
            assert_eq!(pause(ms(took), next), ms(expected), "{took} {due_in:?}");
        };
        check(0, None, 5000);
        check(100, None, 4900);
        check(4990, None, 20);
        check(5000, None, 5000);
        check(12_000, None, 3000);
        check(100, Some(1000), 1000);
        check(100, Some(6000), 4900);
        check(100, Some(0), 20);
        assert_eq!(pause(ms(3), Next { interval: ms(0), due_in: None }), PAUSE_MIN, "no interval makes it spin");
    }

    /// A clock of its own: each tick takes a second; who asks for the end does so at a moment.
    struct Simulated {
        now: Cell<Duration>,
        ends_at: Duration,
    }

    impl Pace for Simulated {
        fn now(&self) -> Duration {
            self.now.get()
        }

        fn is_asked(&self) -> bool {
            self.now.get() >= self.ends_at
        }

        fn sleep(&mut self, span: Duration) {
            self.now.set(self.now.get() + span);
        }
    }

    #[test]
    fn ticks_keep_their_distance_leave_out_what_they_missed_and_end_when_asked() {
        let mut pace = Simulated { now: Cell::new(ms(0)), ends_at: ms(60_000) };
        let (mut began, mut count) = (Vec::new(), 0);
        let now = Cell::new(ms(0));
        let done = drive(&mut pace, |pace| {
            now.set(pace.now());
            began.push(now.get().as_secs());
            count += 1;
            // Due at once, for ever: it is tried after the shortest pause, not without one.
            let due_in = (count == 3).then_some(ms(2500));
            Ok(Next { interval: ms(10_000), due_in })
        });
        assert_eq!(done.unwrap(), 7);
        assert_eq!(began, [0, 10, 20, 22, 32, 42, 52]);
    }

    #[test]
    fn an_error_that_a_tick_returns_ends_the_loop() {
        let mut pace = Simulated { now: Cell::new(ms(0)), ends_at: Duration::MAX };
        let lost = |_: &dyn Pace| Err(Error::new(Kind::Conflict, "lease-lost", "lost"));
        assert_eq!(drive(&mut pace, lost).unwrap_err().code, "lease-lost");
    }
}
