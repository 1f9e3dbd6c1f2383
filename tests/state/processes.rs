//! Many at once: processes that write, readers beside them, writers that are killed.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use minions_managed::base::clock::EpochMs;
use minions_managed::base::error::{Error as Failure, Kind};
use minions_managed::base::lock::FileLock;
use minions_managed::base::root::Root;
use minions_managed::state::{Error, Store};

use crate::samples::{record, root, store};

const WRITERS: i64 = 16;
const INCREMENTS: i64 = 100;
/// By this the children know their root; without it they do nothing.
const ROOT_KEY: &str = "STATE_TEST_ROOT";

/// Starts one of the tests below, those that are marked as children, in a process of its own.
fn child(test: &str, root: &Root) -> Child {
    Command::new(std::env::current_exe().expect("this test has a file"))
        .args(["--exact", test, "--ignored", "--test-threads=1"])
        .env(ROOT_KEY, root.dir())
        .stdout(Stdio::null())
        .spawn()
        .expect("this test can be started again")
}

fn root_of_parent() -> Root {
    Root::at(std::env::var_os(ROOT_KEY).expect("only started by the tests of this file"))
}

fn count(store: &Store) -> i64 {
    store.read().unwrap().find("web").unwrap().started_at.unwrap().0
}

fn increment(store: &Store) {
    store
        .change("increment", |document| {
            let at = document.find_mut("web").unwrap().started_at.as_mut().unwrap();
            *at = EpochMs(at.0 + 1);
        })
        .unwrap();
}

#[test]
#[ignore = "a child of the tests below"]
fn child_that_increments() {
    let store = store(&root_of_parent());
    for _ in 0..INCREMENTS {
        increment(&store);
    }
}

#[test]
#[ignore = "a child of the tests below"]
fn child_that_increments_in_spite_of_all() {
    let store = store(&root_of_parent());
    for _ in 0..INCREMENTS {
        let try_once = || {
            store.change("increment", |document| {
                let at = document.find_mut("web").unwrap().started_at.as_mut().unwrap();
                *at = EpochMs(at.0 + 1);
            })
        };
        while let Err(error) = try_once() {
            assert_eq!(Failure::from(error).code, "lock-lost");
        }
    }
}

#[test]
#[ignore = "a child of the tests below"]
fn child_that_writes_until_it_is_killed() {
    let store = store(&root_of_parent());
    loop {
        increment(&store);
    }
}

fn start_at_zero(root: &Root) -> Store {
    let store = store(root);
    store
        .change("test", |document| {
            document.put(record("web"));
            document.find_mut("web").unwrap().started_at = Some(EpochMs(0));
        })
        .unwrap();
    store
}

#[test]
fn changes_of_many_processes_at_once_are_never_lost() {
    let (_dir, root) = root();
    let store = start_at_zero(&root);
    let children: Vec<Child> = (0..WRITERS).map(|_| child("processes::child_that_increments", &root)).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(count(&store), WRITERS * INCREMENTS);
    assert_eq!(store.read().unwrap().revision, u64::try_from(WRITERS * INCREMENTS).unwrap() + 1);
}

/// Whoever removes the lock file makes some writers say so, and no change is lost that was said to be made.
#[test]
fn changes_are_not_lost_while_the_lock_file_is_removed() {
    let (_dir, root) = root();
    let store = start_at_zero(&root);
    let start = || child("processes::child_that_increments_in_spite_of_all", &root);
    let mut children: Vec<Child> = (0..WRITERS).map(|_| start()).collect();
    while children.iter_mut().any(|child| child.try_wait().unwrap().is_none()) {
        drop(std::fs::remove_file(root.lock()));
        std::thread::yield_now();
    }
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(count(&store), WRITERS * INCREMENTS);
}

#[test]
fn readers_never_see_half_a_change() {
    let (_dir, root) = root();
    let store = store(&root);
    let twins = |at: i64| {
        ["a", "b"].map(|name| {
            let mut twin = record(name);
            twin.started_at = Some(EpochMs(at));
            // Of a size that changes, so that a file that is written in place would be seen torn.
            twin.log_path = "x".repeat(usize::try_from(at % 7).unwrap() * 1000);
            twin
        })
    };
    store.change("test", |document| document.records.extend(twins(0))).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for at in 1..300 {
                store.change("test", |document| twins(at).map(|twin| document.put(twin))).unwrap();
            }
        });
        let mut last = 0;
        while !writer.is_finished() {
            let document = store.read().unwrap();
            let at = document.find("a").unwrap().started_at.unwrap().0;
            assert_eq!(document.find("b").unwrap().started_at, Some(EpochMs(at)));
            assert_eq!(document.revision, u64::try_from(at).unwrap() + 1);
            assert!(at >= last, "a reader never goes back in time");
            last = at;
        }
        writer.join().unwrap();
    });
}

#[test]
fn writer_killed_at_any_moment_leaves_a_whole_state_and_no_lock() {
    let (_dir, root) = root();
    let store = start_at_zero(&root);
    for round in 1..=12 {
        let before = count(&store);
        let mut writer = child("processes::child_that_writes_until_it_is_killed", &root);
        // Killed in the middle of its work, each round a little further into it.
        while count(&store) < before + round * 3 {
            std::thread::yield_now();
        }
        writer.kill().unwrap();
        writer.wait().unwrap();
        let after = count(&store);
        increment(&store);
        assert_eq!(count(&store), after + 1);
    }
}

#[test]
fn lock_that_is_not_had_in_time_names_its_holder() {
    let (_dir, root) = root();
    store(&root).change("test", |document| document.put(record("web"))).unwrap();
    let _held = FileLock::acquire(&root.lock(), Duration::from_secs(10), "accept").unwrap();
    let hasty = Store::new(&root, Duration::from_millis(20));
    let error = hasty.change("stop", |document| document.remove("web")).unwrap_err();
    assert!(matches!(error, Error::Lock(_)));
    let failure = Failure::from(error);
    assert_eq!((failure.kind, failure.code), (Kind::LockTimeout, "lock-timeout"));
    for part in ["managed-processes.lock", &format!("pid {}", std::process::id()), "`accept`"] {
        assert!(failure.message.contains(part), "{part}: {}", failure.message);
    }
    assert_eq!(hasty.read().unwrap().records.len(), 1, "reading takes no lock");
}

#[test]
fn note_of_a_killed_holder_is_not_reported_as_the_holder() {
    let (_dir, root) = root();
    let store = start_at_zero(&root);
    let mut writer = child("processes::child_that_writes_until_it_is_killed", &root);
    while count(&store) == 0 {
        std::thread::yield_now();
    }
    writer.kill().unwrap();
    writer.wait().unwrap();
    // Somebody who locks without a note, as another program might.
    std::fs::write(root.lock(), format!("{} accept 1\n", writer.id())).unwrap();
    let file = std::fs::File::options().read(true).open(root.lock()).unwrap();
    fs2::FileExt::lock_exclusive(&file).unwrap();
    let error = FileLock::acquire(&root.lock(), Duration::ZERO, "stop").unwrap_err();
    assert!(!error.message.contains(&format!("pid {} holds", writer.id())), "{}", error.message);
    assert!(!error.message.contains("for `accept`"), "{}", error.message);
}
