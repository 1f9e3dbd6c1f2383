//! The journal beside the state file, in one process: torn at every byte, broken in the middle, moved away, put back, read while it
//! is rotated. Whatever comes, no number is given twice, and what was told is told.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests break files, which the program may not")]

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;

use minions_managed::base::clock::EpochMs;
use minions_managed::base::root::Root;
use minions_managed::config::Settings;
use minions_managed::journal::Filter;
use minions_managed::ops::context::Context;
use minions_managed::ops::events::{self, Request, Start};
use minions_managed::service::{Draft, EventType};
use proptest::prelude::*;
use serde_json::Value;

/// A root with a journal.
struct Place {
    _dir: tempfile::TempDir,
    context: Context,
}

impl Place {
    fn new(segment_bytes: u64, segments_max: u64) -> Self {
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let settings = Settings {
            journal_segment_bytes: segment_bytes,
            journal_segments_max: segments_max,
            ..Settings::default()
        };
        let context = Context { root: Root::at(dir.path()), settings, env: Vec::new() };
        Self { _dir: dir, context }
    }

    fn journal(&self) -> PathBuf {
        self.context.root.events()
    }

    /// One write of the state that tells `count` events.
    fn tell(&self, count: usize, words: &str) {
        let edit = |document: &mut minions_managed::state::Document| {
            for _ in 0..count {
                document.tell(Draft::new(EventType::Fatal, EpochMs(1)).with("message", words));
            }
        };
        self.context.store().change("test", edit).unwrap();
    }

    /// All events: number and type.
    fn read(&self) -> Vec<(u64, String)> {
        let request = Request { start: Start::After(0), limit: usize::MAX, filter: Filter::default() };
        let found = events::run(&self.context, &request).unwrap();
        assert_eq!((found.gaps.len(), found.bad_lines), (0, 0), "{found:?}");
        let read = found.items.iter().map(|item| {
            let value: Value = serde_json::from_str(item).unwrap();
            (value["seq"].as_u64().unwrap(), value["type"].as_str().unwrap().to_owned())
        });
        read.collect()
    }

    /// The numbers of all events, those of lost ones, and how many lines make no sense.
    fn find(&self) -> (Vec<u64>, Vec<u64>, u64) {
        let request = Request { start: Start::After(0), limit: usize::MAX, filter: Filter::default() };
        let found = events::run(&self.context, &request).unwrap();
        let seq = |item: &String| serde_json::from_str::<Value>(item).unwrap()["seq"].as_u64().unwrap();
        (found.items.iter().map(seq).collect(), found.gaps.into_iter().flatten().collect(), found.bad_lines)
    }

    /// Fails unless the numbers are 1 to `last`, each once.
    fn expect(&self, last: u64, story: &str) {
        let numbers: Vec<u64> = self.read().into_iter().map(|(seq, _)| seq).collect();
        assert_eq!(numbers, (1..=last).collect::<Vec<u64>>(), "{story}");
    }

    fn count(&self, kind: EventType) -> usize {
        self.read().iter().filter(|(_, word)| word == kind.word()).count()
    }
}

#[test]
fn an_end_torn_at_any_byte_is_cut_and_appended_anew() {
    let place = Place::new(1 << 20, 16);
    place.tell(3, "one");
    place.tell(1, "two");
    let whole = std::fs::read(place.journal()).unwrap();
    for cut in 0..whole.len() {
        for tail in [&b""[..], b"\0\0\0", b"{\"seq\":"] {
            let torn = [&whole[..cut], tail].concat();
            std::fs::write(place.journal(), &torn).unwrap();
            let story = format!("cut at {cut}, then {tail:?}");
            place.expect(4, &story);
            let end = place.context.journal().look().unwrap();
            let lines = whole[..cut].iter().filter(|byte| **byte == b'\n').count();
            assert_eq!(end.last, lines as u64, "{story}");
            let kept: usize = whole.split_inclusive(|byte| *byte == b'\n').take(lines).map(<[u8]>::len).sum();
            assert_eq!(
                (end.cut_bytes, std::fs::read(place.journal()).unwrap().len()),
                ((torn.len() - kept) as u64, kept)
            );
            place.expect(4, &story);
        }
    }
    std::fs::write(place.journal(), &whole[..whole.len() - 9]).unwrap();
    place.tell(1, "three");
    place.expect(6, "with the event of the repair");
    assert_eq!(place.count(EventType::JournalRepaired), 1);
    let lines = std::fs::read_to_string(place.journal()).unwrap().lines().count();
    assert_eq!(lines, 6, "the journal has them all");
}

#[test]
fn what_makes_no_sense_in_the_middle_is_appended_anew_while_the_state_has_it() {
    let place = Place::new(1 << 20, 16);
    place.tell(20, "one");
    let mut bytes = std::fs::read(place.journal()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    std::fs::write(place.journal(), &bytes).unwrap();
    let numbers: Vec<u64> = place.find().0;
    assert_eq!(numbers, (1..=20).collect::<Vec<u64>>(), "a reader has it from the state");
    // So many that the state lets go of those that it has.
    place.tell(20, "two");
    place.expect(40, "repaired before it was let go");
    let aside: Vec<_> = std::fs::read_dir(place.context.root.engine())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains(".torn-"))
        .collect();
    assert_eq!(aside.len(), 1, "what was cut is kept: {aside:?}");
}

#[test]
fn what_is_lost_of_old_costs_nothing_that_came_later() {
    let place = Place::new(1 << 20, 16);
    for _ in 0..3 {
        place.tell(40, "one");
    }
    let text = std::fs::read_to_string(place.journal()).unwrap();
    std::fs::write(place.journal(), text.replacen("one", "One", 1)).unwrap();
    for _ in 0..3 {
        place.tell(40, "two");
    }
    let (numbers, gaps, bad_lines) = place.find();
    assert_eq!(
        (numbers, gaps.len(), bad_lines),
        ((2..=240).collect::<Vec<u64>>(), 0, 1),
        "the first line is all that is lost"
    );
}

#[test]
fn a_line_that_is_lost_for_good_is_said_and_the_others_are_read() {
    let place = Place::new(1 << 20, 16);
    place.tell(40, "one");
    place.tell(40, "two");
    place.tell(40, "three");
    let text = std::fs::read_to_string(place.journal()).unwrap();
    let broken = text.replacen("\"message\":\"one\"", "\"message\":\"One\"", 1);
    std::fs::write(place.journal(), broken).unwrap();
    let request = Request { start: Start::After(0), limit: usize::MAX, filter: Filter::default() };
    let found = events::run(&place.context, &request).unwrap();
    assert_eq!((found.items.len(), found.bad_lines, found.next), (119, 1, 120));
}

#[test]
fn a_state_that_was_lost_or_put_back_gives_no_number_twice() {
    let place = Place::new(1 << 20, 16);
    place.tell(3, "one");
    let old = std::fs::read(place.context.root.state()).unwrap();
    place.tell(3, "two");
    std::fs::write(place.context.root.state(), &old).unwrap();
    place.tell(1, "three");
    place.expect(7, "put back");
    std::fs::remove_file(place.context.root.state()).unwrap();
    place.tell(1, "four");
    place.expect(8, "lost");
    std::fs::write(place.context.root.state(), b"torn").unwrap();
    place.context.store().read_or_recover("test").unwrap();
    place.expect(9, "unreadable");
    assert_eq!(place.count(EventType::StateSetAside), 1);
}

#[test]
fn a_journal_that_was_removed_is_said_and_numbers_go_on() {
    let place = Place::new(1 << 20, 16);
    for _ in 0..5 {
        place.tell(20, "one");
    }
    std::fs::remove_file(place.journal()).unwrap();
    place.tell(1, "two");
    let read = place.read();
    assert_eq!(read.last().unwrap().0, 102, "the event, and that of the loss");
    assert_eq!(place.count(EventType::JournalLost), 1);
    place.tell(1, "three");
    assert_eq!(place.count(EventType::JournalLost), 1, "it is said once");
}

#[test]
fn a_journal_that_cannot_be_written_for_very_long_costs_the_oldest_events_and_says_so() {
    let place = Place::new(1 << 20, 16);
    place.tell(1, "one");
    std::fs::remove_file(place.journal()).unwrap();
    std::fs::create_dir(place.journal()).unwrap();
    let long = "x".repeat(20_000);
    for _ in 0..12 {
        place.tell(20, &long);
    }
    let state = std::fs::metadata(place.context.root.state()).unwrap().len();
    assert!(state < 6 << 20, "it is bounded: {state}");
    std::fs::remove_dir(place.journal()).unwrap();
    place.tell(1, "two");
    let numbers: Vec<u64> = place.read().into_iter().map(|(seq, _)| seq).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{numbers:?}");
    assert!(numbers[0] > 1 && place.count(EventType::JournalLost) > 0);
}

#[test]
fn an_event_that_is_too_long_loses_its_data_only() {
    let place = Place::new(1 << 20, 16);
    place.tell(1, &"x".repeat(40_000));
    place.expect(1, "told");
    assert!(std::fs::read_to_string(place.journal()).unwrap().contains("\"data\":{\"cut_bytes\":40"));
}

#[test]
fn readers_beside_a_writer_that_rotates_are_given_each_event_once() {
    let place = Place::new(4096, 100_000);
    let writing = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for _ in 0..300 {
                place.tell(7, "one");
            }
        });
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let (mut next, mut looks) = (0, 0);
                    while next < 2100 {
                        looks += 1;
                        let request = Request { start: Start::After(next), limit: 500, filter: Filter::default() };
                        let found = events::run(&place.context, &request).unwrap();
                        let expected = next + found.items.len() as u64;
                        assert_eq!((found.next, found.gaps.len()), (expected, 0), "{found:?}");
                        let first =
                            found.items.first().map(|item| item.starts_with(&format!("{{\"seq\":{},", next + 1)));
                        assert_ne!(first, Some(false), "{found:?}");
                        next = found.next;
                    }
                    looks
                })
            })
            .collect();
        writer.join().unwrap();
        readers.into_iter().map(|reader| reader.join().unwrap()).max()
    });
    assert!(writing > Some(4), "they read while it wrote");
    place.expect(2100, "at the end");
}

#[test]
fn who_reads_a_part_is_told_of_no_loss_behind_it() {
    let place = Place::new(1 << 20, 16);
    place.tell(20, "one");
    place.tell(20, "two");
    place.tell(10, "three");
    assert!(place.context.store().read().unwrap().carried.events[0].seq > 11, "the state has let go of some");
    for limit in 1..50 {
        let request = Request { start: Start::After(0), limit, filter: Filter::default() };
        let found = events::run(&place.context, &request).unwrap();
        assert_eq!((found.items.len(), found.next, found.gaps.len()), (limit, limit as u64, 0), "{found:?}");
    }
}

#[test]
fn the_last_that_match_are_found_wherever_they_are() {
    let place = Place::new(1 << 20, 1000);
    // More than is looked at first, and than is looked at then.
    let (seldom, often) = (EventType::JournalLost, EventType::Fatal);
    let edit = |document: &mut minions_managed::state::Document, kinds: &[(EventType, usize)]| {
        for (kind, count) in kinds {
            (0..*count).for_each(|_| document.tell(Draft::new(*kind, EpochMs(1))));
        }
    };
    let kinds = [(seldom, 2), (often, 9_000), (seldom, 1), (often, 40_000), (seldom, 1), (often, 20_000)];
    for (kind, count) in kinds {
        for at in (0..count).step_by(1000) {
            let some = [(kind, (count - at).min(1000))];
            place.context.store().change("test", |document| edit(document, &some)).unwrap();
        }
    }
    let total: u64 = kinds.iter().map(|(_, count)| *count as u64).sum();
    let check = |kind: EventType, limit: usize, expected: &[u64]| {
        let filter = Filter::new(None, None, Some(kind.word().to_owned()));
        let found = events::run(&place.context, &Request { start: Start::Last, limit, filter }).unwrap();
        let seqs: Vec<u64> = found
            .items
            .iter()
            .map(|item| serde_json::from_str::<Value>(item).unwrap()["seq"].as_u64().unwrap())
            .collect();
        assert_eq!(
            (seqs.as_slice(), found.next, found.gaps.len(), found.bad_lines),
            (expected, total, 0, 0),
            "{limit}"
        );
    };
    let all = [1, 2, 9_003, 49_004];
    for limit in 0..=5 {
        check(seldom, limit, &all[all.len().saturating_sub(limit)..]);
    }
    check(often, 3, &[total - 2, total - 1, total]);
    let every: Vec<u64> = (1..=total).filter(|seq| !all.contains(seq)).collect();
    check(often, usize::MAX, &every);
    check(often, 30_000, &every[every.len() - 30_000..]);
    // What is missing on both sides of where a part begins is one gap.
    let mut firsts: Vec<u64> = std::fs::read_dir(place.context.root.engine())
        .unwrap()
        .filter_map(|entry| Root::events_segment_first(entry.unwrap().file_name().to_str().unwrap()))
        .collect();
    firsts.sort_unstable();
    let behind = firsts.partition_point(|first| *first <= total - 16_384);
    let (first, next) = (firsts[behind - 1], firsts[behind]);
    std::fs::remove_file(place.context.root.events_segment(first)).unwrap();
    let filter = Filter::new(None, None, Some(often.word().to_owned()));
    let found = events::run(&place.context, &Request { start: Start::Last, limit: 60_000, filter }).unwrap();
    assert_eq!(found.gaps, [first..=next - 1]);
}

#[test]
fn any_number_is_found_by_halving() {
    let place = Place::new(1 << 20, 3);
    for _ in 0..60 {
        place.tell(50, "some words so that a line is not too short");
    }
    let log = place.context.journal();
    let mut of_first = BTreeMap::new();
    for after in (0..3000).step_by(37) {
        let mut first = None;
        let scanned = log.scan(after, &mut |line| {
            first = Some(line.seq);
            ControlFlow::Break(())
        });
        assert_eq!(scanned.unwrap().last, after + 1);
        of_first.insert(after, first);
    }
    assert!(of_first.iter().all(|(after, first)| *first == Some(after + 1)));
}

proptest! {
    #[test]
    fn whatever_is_written_into_the_journal_no_event_is_missing(
        spoilt in proptest::collection::vec(any::<u8>(), 1..300),
        at in any::<prop::sample::Index>(),
        length in 0..300_usize,
    ) {
        let place = Place::new(1 << 20, 16);
        place.tell(5, "one");
        let whole = std::fs::read(place.journal()).unwrap();
        let start = at.index(whole.len() + 1);
        let end = (start + length).min(whole.len());
        std::fs::write(place.journal(), [&whole[..start], &spoilt, &whole[end..]].concat()).unwrap();
        let (numbers, gaps, _) = place.find();
        prop_assert_eq!((numbers, gaps), ((1..=5).collect::<Vec<u64>>(), Vec::new()));
        place.tell(1, "two");
        let (numbers, gaps, _) = place.find();
        prop_assert!(numbers.len() >= 6 && gaps.is_empty());
        prop_assert_eq!(numbers, (1..=place.context.store().read().unwrap().carried.seq).collect::<Vec<u64>>());
        // Then the state lets go of them.
        place.tell(40, "three");
        let (numbers, gaps, _) = place.find();
        let last = place.context.store().read().unwrap().carried.seq;
        prop_assert_eq!((numbers.len() as u64, gaps), (last, Vec::new()));
    }
}
