//! One slow look at the world for all who want it at the same time.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Shares looks between threads without showing anybody the past: whoever asks gets what was seen by a look that began
/// after the question. While one look is under way all who ask wait together for the next, so that a hundred who ask at
/// once cost two looks.
#[derive(Debug)]
pub struct SharedLook<T> {
    state: Mutex<State<T>>,
    news: Condvar,
}

#[derive(Debug)]
struct State<T> {
    /// How many looks have begun.
    begun: u64,
    is_looking: bool,
    /// How many wait for a look to end: the one under way, or one after it.
    waiting: usize,
    /// What was seen last, and by which look.
    seen: Option<(u64, Arc<T>)>,
}

impl<T> SharedLook<T> {
    /// Nobody has looked yet.
    pub const fn new() -> Self {
        Self { state: Mutex::new(State { begun: 0, is_looking: false, waiting: 0, seen: None }), news: Condvar::new() }
    }

    /// What `look` sees now, or saw for another who asked at the same time.
    pub fn observe(&self, look: impl Fn() -> T) -> Arc<T> {
        let mut state = self.lock();
        let wanted = state.begun + 1;
        while state.is_looking {
            state.waiting += 1;
            state = self.news.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
            if let Some((number, seen)) = &state.seen
                && *number >= wanted
            {
                let seen = Arc::clone(seen);
                state.forget_unless_wanted();
                return seen;
            }
        }
        state.is_looking = true;
        state.begun += 1;
        let number = state.begun;
        drop(state);
        // A look that panics must not leave the others waiting for it.
        let looking = Looking(self);
        let seen = Arc::new(look());
        let mut state = self.lock();
        state.seen = Some((number, Arc::clone(&seen)));
        state.forget_unless_wanted();
        drop(state);
        drop(looking);
        seen
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    /// What was seen is kept only as long as somebody waits.
    fn forget_unless_wanted(&mut self) {
        if self.waiting == 0 {
            self.seen = None;
        }
    }
}

impl<T> Default for SharedLook<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Says that the look is over when it goes, however it ended.
struct Looking<'a, T>(&'a SharedLook<T>);

impl<T> Drop for Looking<'_, T> {
    fn drop(&mut self) {
        self.0.lock().is_looking = false;
        self.0.news.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Barrier, mpsc};

    #[test]
    fn who_asks_in_turn_sees_the_world_as_it_is_then() {
        let shared = SharedLook::new();
        let world = AtomicU64::new(0);
        for at in 1..5 {
            world.store(at, Ordering::SeqCst);
            assert_eq!(*shared.observe(|| world.load(Ordering::SeqCst)), at);
        }
        assert!(shared.lock().seen.is_none(), "nothing is kept for nobody");
    }

    #[test]
    fn who_asks_during_a_look_shares_the_next_one_and_nobody_sees_the_past() {
        const ASKERS: usize = 50;
        let shared = SharedLook::new();
        let (looks, world) = (AtomicU64::new(0), AtomicU64::new(1));
        let (entered, told) = mpsc::channel();
        let go = Barrier::new(2);
        std::thread::scope(|scope| {
            let first = scope.spawn(|| {
                shared.observe(|| {
                    let seen = world.load(Ordering::SeqCst);
                    looks.fetch_add(1, Ordering::SeqCst);
                    entered.send(()).expect("somebody hears it");
                    go.wait();
                    seen
                })
            });
            told.recv().expect("the first look is under way");
            world.store(2, Ordering::SeqCst);
            let ask = || {
                scope.spawn(|| {
                    shared.observe(|| {
                        looks.fetch_add(1, Ordering::SeqCst);
                        world.load(Ordering::SeqCst)
                    })
                })
            };
            let others: Vec<_> = (0..ASKERS).map(|_| ask()).collect();
            while shared.lock().waiting < ASKERS {
                std::thread::yield_now();
            }
            go.wait();
            assert_eq!(*first.join().expect("it looks"), 1);
            for other in others {
                assert_eq!(*other.join().expect("it looks"), 2, "the world had changed before it asked");
            }
        });
        assert_eq!(looks.load(Ordering::SeqCst), 2);
        assert!(shared.lock().seen.is_none());
    }

    #[test]
    fn a_look_that_panics_leaves_nobody_waiting() {
        let shared = SharedLook::<u8>::new();
        let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| shared.observe(|| panic!("on purpose"))));
        assert!(failed.is_err());
        assert_eq!(*shared.observe(|| 7), 7);
    }
}
