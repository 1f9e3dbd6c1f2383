//! The same work for many, side by side, with a bound. Impure: starts threads.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::base::parts::has_threads;

/// How many probes or waits run at once: they sleep nearly all the time, so that this bounds memory and descriptors
/// (three per probe), not the processor.
pub const PROBES_AT_ONCE_MAX: usize = 128;
/// A probe's thread needs little; the default of 2 MiB would be address space for nothing.
const STACK_BYTES: usize = 256 * 1024;

/// Does `work` for each of `items`, at most `at_once_max` of them at a time, and returns the results in their order. One
/// item is done on the caller's own thread. If threads cannot be had, fewer work, at worst the caller's alone.
pub fn side_by_side<T: Sync, R: Send>(items: &[T], at_once_max: usize, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    side_by_side_with_stack(items, at_once_max, STACK_BYTES, work)
}

/// The same for work that needs a stack of `stack_bytes`.
pub fn side_by_side_with_stack<'a, T: Sync, R: Send>(
    items: &'a [T],
    at_once_max: usize,
    stack_bytes: usize,
    work: impl Fn(&'a T) -> R + Sync,
) -> Vec<R> {
    let results: Vec<Mutex<Option<R>>> = items.iter().map(|_| Mutex::new(None)).collect();
    let next = AtomicUsize::new(0);
    let take_turns = || {
        while let Some((item, slot)) = {
            let at = next.fetch_add(1, Ordering::Relaxed);
            items.get(at).zip(results.get(at))
        } {
            let result = work(item);
            if let Ok(mut slot) = slot.lock() {
                *slot = Some(result);
            }
        }
    };
    let others = if has_threads() { items.len().min(at_once_max).saturating_sub(1) } else { 0 };
    std::thread::scope(|scope| {
        for _ in 0..others {
            let thread = std::thread::Builder::new().name("probe".into()).stack_size(stack_bytes);
            if thread.spawn_scoped(scope, take_turns).is_err() {
                break;
            }
        }
        take_turns();
    });
    // Every slot is filled: the scope has joined all threads, and passes on a panic of any.
    results.into_iter().filter_map(|slot| slot.into_inner().ok().flatten()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Barrier, Condvar};
    use std::time::Duration;

    #[test]
    fn all_work_at_once_up_to_the_bound_and_results_keep_their_order() {
        // Each waits for all: it ends only if all run at the same time.
        let barrier = Barrier::new(100);
        let items: Vec<usize> = (0..100).collect();
        let doubled = side_by_side(&items, PROBES_AT_ONCE_MAX, |item| {
            barrier.wait();
            item * 2
        });
        assert_eq!(doubled, items.iter().map(|item| item * 2).collect::<Vec<_>>());
    }

    #[test]
    fn no_more_than_the_bound_work_at_once() {
        let running = AtomicUsize::new(0);
        let most = AtomicUsize::new(0);
        let (lock, full) = (Mutex::new(()), Condvar::new());
        side_by_side(&[(); 12], 3, |()| {
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            // Lets others come in, if any would; no fact to wait for, as their absence is the point.
            let held = lock.lock().expect("a lock");
            drop(full.wait_timeout(held, Duration::from_millis(2)).expect("a lock"));
            running.fetch_sub(1, Ordering::SeqCst);
        });
        assert!((1..=3).contains(&most.load(Ordering::SeqCst)), "{most:?}");
        assert!(side_by_side(&[0_u8; 0], 3, |_| ()).is_empty());
    }
}
