//! Parts of one piece of work, each on a thread of its own as far as threads are to be had. Impure: starts threads.

use std::sync::Mutex;
use std::thread;

/// Does `work` for each of `parts` and returns the results in their order. The first is done on the caller's own thread,
/// and so is whatever no thread can be started for: at the limit of processes all of it, one after the other.
pub fn map_parts<T: Send, R: Send>(parts: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let work = &work;
    let slots: Vec<Mutex<Option<T>>> = parts.into_iter().map(|part| Mutex::new(Some(part))).collect();
    let take = |slot: &Mutex<Option<T>>| slot.lock().ok().and_then(|mut part| part.take()).map(work);
    if !has_threads() {
        return slots.iter().filter_map(take).collect();
    }
    let Some((first, others)) = slots.split_first() else { return Vec::new() };
    thread::scope(|scope| {
        let start = |slot| thread::Builder::new().spawn_scoped(scope, move || take(slot));
        let threads: Vec<_> = others.iter().map(start).collect();
        let first = take(first);
        let rest = others.iter().zip(threads).map(|(slot, thread)| match thread {
            Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(_) => take(slot),
        });
        std::iter::once(first).chain(rest).flatten().collect()
    })
}

/// Whether work is done side by side at all: in a simulated world one part comes after the other.
pub fn has_threads() -> bool {
    #[cfg(debug_assertions)]
    if super::world::here().is_some() {
        return false;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_the_order_of_the_parts() {
        for count in [0_usize, 1, 2, 9] {
            let parts: Vec<usize> = (0..count).collect();
            assert_eq!(
                map_parts(parts.clone(), |part| part * 2),
                parts.iter().map(|part| part * 2).collect::<Vec<_>>()
            );
        }
    }
}
