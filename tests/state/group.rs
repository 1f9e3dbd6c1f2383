//! Threads of one command that change the state at the same time.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use minions_managed::base::clock::EpochMs;
use minions_managed::base::lock::FileLock;
use minions_managed::state::{GroupCommit, Store};

use crate::samples::{record, root, store};

const THREADS: i64 = 16;
const INCREMENTS: i64 = 50;

/// Adds one, and returns what it is then.
fn increment(group: &GroupCommit) -> Result<i64, minions_managed::base::error::Error> {
    group.change("increment", |document| {
        let at = document.find_mut("web").unwrap().started_at.as_mut().unwrap();
        *at = EpochMs(at.0 + 1);
        at.0
    })
}

fn start_at_zero(store: &Store) {
    let zero = minions_managed::service::Record { started_at: Some(EpochMs(0)), ..record("web") };
    store.change("test", |document| document.put(zero)).unwrap();
}

#[test]
fn changes_of_many_threads_are_never_lost_and_are_written_together() {
    let (_dir, root) = root();
    let store = store(&root);
    start_at_zero(&store);
    let group = GroupCommit::new(store.clone());
    let mut seen: Vec<i64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    let counted = (0..INCREMENTS).map(|_| {
                        let mine = increment(&group).unwrap();
                        let written = store.read().unwrap().find("web").unwrap().started_at.unwrap().0;
                        assert!(written >= mine, "what was returned is written");
                        mine
                    });
                    counted.collect::<Vec<i64>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    seen.sort_unstable();
    assert_eq!(seen, (1..=THREADS * INCREMENTS).collect::<Vec<_>>(), "each edit saw all that came before it");
    let revision = store.read().unwrap().revision;
    assert!(revision < u64::try_from(THREADS * INCREMENTS).unwrap(), "{revision} writes");
    assert_eq!(group.set_aside(), None);
}

#[test]
fn a_thread_alone_writes_once_for_each_change_and_not_at_all_for_none() {
    let (_dir, root) = root();
    let store = store(&root);
    start_at_zero(&store);
    let group = GroupCommit::new(store.clone());
    for expected in 1..=3 {
        assert_eq!(increment(&group).unwrap(), expected);
        group.change("look", |_| ()).unwrap();
    }
    assert_eq!(store.read().unwrap().revision, 4);
}

#[test]
fn a_lock_that_is_not_had_fails_all_who_waited_for_it_at_once() {
    const LIMIT: Duration = Duration::from_millis(300);
    let (_dir, root) = root();
    start_at_zero(&store(&root));
    let group = GroupCommit::new(Store::new(&root, LIMIT));
    let held = FileLock::acquire(&root.lock(), LIMIT, "accept").unwrap();
    let start = Barrier::new(usize::try_from(THREADS).unwrap());
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                start.wait();
                let error = increment(&group).unwrap_err();
                assert_eq!((error.kind.exit_code(), error.code), (8, "lock-timeout"));
                assert!(error.message.contains("for `accept`") && error.hint.is_some(), "{error:?}");
            });
        }
    });
    assert!(began.elapsed() < LIMIT * 8, "not one after the other: {:?}", began.elapsed());
    drop(held);
    assert_eq!(increment(&group).unwrap(), 1, "the next batch is not the one that failed");
}

#[test]
fn a_thread_that_panics_in_its_edit_lets_nobody_wait_for_ever() {
    let (_dir, root) = root();
    let store = store(&root);
    start_at_zero(&store);
    let group = GroupCommit::new(store.clone());
    let codes: Vec<Option<&str>> = std::thread::scope(|scope| {
        let others: Vec<_> =
            (0..THREADS).map(|_| scope.spawn(|| increment(&group).err().map(|error| error.code))).collect();
        let panicking = scope.spawn(|| group.change("test", |_| panic!("in the middle of an edit")));
        assert!(panicking.join().is_err());
        others.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(codes.iter().all(|code| matches!(code, None | Some("panic"))), "{codes:?}");
    let written = codes.iter().filter(|code| code.is_none()).count();
    drop(group);
    let count = store.read().unwrap().find("web").unwrap().started_at.unwrap().0;
    // A batch that was being written when the other panicked may be there, though nobody could be told.
    assert!(count >= i64::try_from(written).unwrap(), "whoever was told that it is written has it: {count}, {written}");
}
