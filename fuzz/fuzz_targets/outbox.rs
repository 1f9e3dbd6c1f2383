//! Any bytes as the files of a sink: a position is read or set aside, dead letters are kept whatever stands beside them, and both come
//! back as they were written.
#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use minions_managed::base::clock::EpochMs;
use minions_managed::delivery::cloudevent;
use minions_managed::delivery::dead::{self, Letter, Letters};
use minions_managed::delivery::position::Position;
use minions_managed::service::{Draft, EventType};

/// A folder of this process's own.
static DIR: LazyLock<PathBuf> = LazyLock::new(|| minions_fuzz::scratch("outbox"));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    minions_fuzz::mutate(data, size, max_size, seed)
});

fuzz_target!(
    init: minions_fuzz::plant("outbox", minions_fuzz::outboxes()),
    |bytes: &[u8]| {
        drop(fs::remove_dir_all(&*DIR));
        fs::create_dir_all(&*DIR).expect("the folder is ours");
        position(bytes);
        letters(bytes);
    }
);

fn position(bytes: &[u8]) {
    let path = DIR.join("hook.json");
    fs::write(&path, bytes).expect("the folder is ours");
    match Position::read(&path) {
        Ok(position) => {
            assert_eq!(Position::take(&path).expect("it is readable").position, position);
            position.write(&path).expect("there is room");
            assert_eq!(Position::read(&path).expect("we wrote it"), position);
        }
        Err(error) if error.code == "outbox-newer" => {
            assert_eq!(Position::take(&path).expect_err("it is not ours to judge").code, "outbox-newer");
            assert_eq!(fs::read(&path).expect("it stays"), bytes);
        }
        Err(error) => {
            assert_eq!(error.code, "outbox-unreadable");
            let found = Position::take(&path).expect("it is set aside");
            assert_eq!(found.position, Position::default());
            let aside = found.set_aside.expect("it is set aside");
            assert_eq!(fs::read(aside).expect("it is kept"), bytes);
        }
    }
}

fn letters(bytes: &[u8]) {
    let path = DIR.join("hook.dead.jsonl");
    fs::write(&path, bytes).expect("the folder is ours");
    let before = Letters::read(&path).expect("a regular file can be read");
    let numbers: Vec<u64> = before.letters.iter().map(|letter| letter.event.seq).collect();
    assert!(numbers.windows(2).all(|two| two[0] < two[1]), "in order, each event once");
    for letter in &before.letters {
        let message = cloudevent::message(&letter.event, "file:///r");
        assert!(!message.text.contains('\n') && cloudevent::parse(&message.text).is_some());
    }
    let is_there = |other: &Vec<u8>| bytes.split(|byte| *byte == b'\n').any(|line| line == other.as_slice());
    assert!(before.others.iter().all(is_there), "what is no letter is kept byte for byte");
    before.write(&path).expect("there is room");
    assert_eq!(Letters::read(&path).expect("we wrote it"), before, "written and read again");
    // A letter more, behind whatever there is, also a torn line.
    fs::write(&path, bytes).expect("the folder is ours");
    let seq = numbers.last().copied().unwrap_or_default();
    let Some(seq) = seq.checked_add(1) else { return };
    let event = Draft::new(EventType::Fatal, EpochMs(1)).numbered(seq, "evt-1".into());
    let letter = Letter { event, failures: 12, error: "no\n\u{1b}[31m".into(), at: EpochMs(7) };
    assert_eq!(dead::append(&path, &letter).expect("there is room"), 0);
    let mut after = Letters::read(&path).expect("a regular file can be read");
    assert_eq!(after.letters.pop(), Some(letter));
    assert_eq!(after, before, "and nothing else has changed");
}
