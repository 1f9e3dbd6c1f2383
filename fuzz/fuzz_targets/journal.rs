//! Any bytes as a journal: its reader takes what is whole, in order, and says what it does not take; its writer cuts only what is no
//! line, and what it appends is read back.
//!
//! Of the input, a line that begins with `~` stands in a file as it is, one with `|` begins the next segment, and any other gets its
//! checksum first, as the journal's writer would give it: else nearly none would have the right one.
#![no_main]

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use minions_managed::base::clock::EpochMs;
use minions_managed::base::root::Root;
use minions_managed::journal::{Bounds, Filter, Line, Log, Scanned, Timeline};
use minions_managed::service::{Draft, Event, EventType, event_from_json, event_to_text};

/// Where the journal of this process is, in memory where there is such a folder.
static ROOT: LazyLock<Root> = LazyLock::new(|| Root::at(minions_fuzz::scratch("journal")));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    minions_fuzz::mutate(data, size, max_size, seed)
});

fuzz_target!(
    init: minions_fuzz::plant("journal", minions_fuzz::journals()),
    |bytes: &[u8]| {
        let texts = lay(bytes);
        texts.iter().for_each(|text| whole_line(text));
        let log = Log::new(&ROOT, Bounds { segment_bytes: 4096, segments_max: 1000 });
        let (scanned, read) = scan(&log, 0);
        in_order(&scanned, &read);
        starts_anywhere(&log, &read);
        draws(&texts);
        writes_on(&log, &scanned, &read);
    }
);

/// Writes the files that `bytes` mean, in place of those that are there. Returns the texts that got a checksum.
fn lay(bytes: &[u8]) -> Vec<String> {
    let engine = ROOT.engine();
    drop(fs::remove_dir_all(&engine));
    fs::create_dir_all(&engine).expect("the folder is ours");
    let one = Log::new(&ROOT, Bounds { segment_bytes: u64::MAX, segments_max: 1000 });
    let mut texts = Vec::new();
    for (at, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        match line.split_first() {
            Some((b'~', raw)) => {
                let mut file = fs::read(ROOT.events()).unwrap_or_default();
                file.extend(raw);
                // A last one may be torn.
                file.extend((!raw.ends_with(b"~")).then_some(b'\n'));
                fs::write(ROOT.events(), file).expect("the folder is ours");
            }
            Some((b'|', first)) => {
                let first = std::str::from_utf8(first).ok().and_then(|first| first.parse().ok());
                drop(fs::rename(ROOT.events(), ROOT.events_segment(first.unwrap_or(at as u64))));
            }
            Some(_) if line.ends_with(b"}") => {
                if let Ok(text) = std::str::from_utf8(line) {
                    one.append(std::iter::once(text)).expect("there is room");
                    texts.push(text.to_owned());
                }
            }
            Some(_) | None => {}
        }
    }
    texts
}

/// A line says of its event just what the event's JSON says, if that is an event as it is written.
fn whole_line(text: &str) {
    let Some(line) = Line::of_json(text) else {
        let is_ours = minions_fuzz::value(text.as_bytes()).and_then(|value| event_from_json(value).ok());
        let is_written_so = |event: Event| (1..1 << 53).contains(&event.seq) && event_to_text(&event) == text;
        assert!(!is_ours.is_some_and(is_written_so), "what we write is a line: {text}");
        return;
    };
    assert_eq!(line.json(), text);
    let Some(event) = minions_fuzz::value(text.as_bytes()).and_then(|value| event_from_json(value).ok()) else {
        return;
    };
    if event_to_text(&event) != text {
        return;
    }
    assert_eq!((line.seq, line.at, line.kind), (event.seq, event.at.0, event.kind.word()));
    let is = |service: &str, project: &str, kind: &str| {
        Filter::new(Some(service.to_owned()), Some(project), Some(kind.to_owned())).is_match(&line)
    };
    if !event.service.contains(|c: char| c.is_control() || matches!(c, '"' | '\\')) {
        assert!(is(&event.service, &event.project, event.kind.word()), "it is found by what it is: {text}");
        assert!(!is(&event.service, &format!("{} ", event.project), event.kind.word()));
    }
}

/// All after number `after`: what a scan came by, and the events by number, each once.
fn scan(log: &Log, after: u64) -> (Scanned, BTreeMap<u64, String>) {
    let (mut read, mut last) = (BTreeMap::new(), after);
    let scanned = log.scan(after, &mut |line| {
        assert!(line.seq > last, "numbers rise: {} after {last}", line.seq);
        last = line.seq;
        assert_eq!(read.insert(line.seq, line.json()), None);
        ControlFlow::Continue(())
    });
    let scanned = scanned.expect("regular files can be read");
    assert!(scanned.last == last && !scanned.is_stopped, "{scanned:?}");
    (scanned, read)
}

/// Nothing is read that was not written, and between two that are read nothing is passed over in silence.
fn in_order(scanned: &Scanned, read: &BTreeMap<u64, String>) {
    let there: HashSet<(u64, String)> = files().iter().flat_map(|path| lines(path)).collect();
    let mut expected = read.keys().next().copied();
    let mut gaps = scanned.gaps.iter();
    for (seq, text) in read {
        assert!(there.contains(&(*seq, text.clone())), "{text}");
        if expected != Some(*seq) {
            let gap = expected.map(|expected| expected..=seq - 1);
            assert_eq!(gaps.next(), gap.as_ref(), "a gap is said");
        }
        expected = seq.checked_add(1);
    }
    assert_eq!(gaps.next(), None, "a gap that is none");
    assert!(!is_rising() || there.iter().all(|(seq, _)| *seq <= scanned.last), "the newest is read");
}

/// Whoever goes on behind any event is given what follows, as far as numbers rise in the files.
fn starts_anywhere(log: &Log, read: &BTreeMap<u64, String>) {
    if !is_rising() {
        return;
    }
    for after in read.keys() {
        let (_, rest) = scan(log, *after);
        assert!(rest.iter().eq(read.range(after + 1..)), "after {after}");
    }
}

/// The journal's files, oldest first.
fn files() -> Vec<PathBuf> {
    let entries = fs::read_dir(ROOT.engine()).expect("the folder is ours");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
    paths.sort();
    // The one that is written is the last, and its name sorts last: a digit comes before `j`.
    paths
}

/// The whole lines of a file: number and text. What stands behind the last line end is none.
fn lines(path: &Path) -> Vec<(u64, String)> {
    let bytes = fs::read(path).expect("a file of ours");
    let ended = bytes.split_inclusive(|byte| *byte == b'\n').filter_map(|line| line.strip_suffix(b"\n"));
    ended.filter_map(|line| Line::parse(line).map(|line| (line.seq, line.json()))).collect()
}

fn seqs(path: &Path) -> Vec<u64> {
    lines(path).into_iter().map(|(seq, _)| seq).collect()
}

/// Whether numbers rise over all files, and each closed segment is named by its first event, as the writer leaves them: places are
/// found by that.
fn is_rising() -> bool {
    let named = |path: &PathBuf| Root::events_segment_first(path.file_name()?.to_str()?);
    let is_named = |path: &PathBuf| named(path).is_none_or(|first| seqs(path).first() == Some(&first));
    let numbers: Vec<u64> = files().iter().flat_map(|path| seqs(path)).collect();
    numbers.is_sorted() && files().iter().all(is_named)
}

/// A picture of any events is one: each service's time without a gap, from its beginning to its end.
fn draws(texts: &[String]) {
    let (from, to) = (EpochMs(1_000), EpochMs(5_000));
    let mut timeline = Timeline::new(from, to);
    texts.iter().filter_map(|text| Line::of_json(text)).for_each(|line| timeline.take(&line));
    for row in timeline.rows() {
        assert_eq!((row.spans[0].from, row.spans[row.spans.len() - 1].to), (from, to), "{row:?}");
        assert!(row.spans.iter().all(|span| span.from < span.to), "{row:?}");
        assert!(row.spans.windows(2).all(|two| two[0].to == two[1].from && two[0].standing != two[1].standing));
        assert_eq!(row.cells(7).len(), 7);
    }
}

/// The writer finds the end, cuts only what is no line, and what it appends is read behind all that was there.
fn writes_on(log: &Log, scanned: &Scanned, read: &BTreeMap<u64, String>) {
    let end = log.look().expect("regular files can be read and cut");
    let again = log.look().expect("regular files can be read and cut");
    assert_eq!((again.last, again.cut_bytes), (end.last, 0), "once is enough");
    assert_eq!(&scan(log, 0).1, read, "nothing that is a line was cut");
    let Some(next) = scanned.last.max(end.last).checked_add(2).filter(|_| is_rising()) else { return };
    let text = |seq: u64| event_to_text(&Draft::new(EventType::Fatal, EpochMs(1)).numbered(seq, "evt-1".into()));
    let more = [text(next - 1), text(next)];
    log.append(more.iter().map(String::as_str)).expect("there is room");
    let (_, after) = scan(log, 0);
    assert_eq!(after.len(), read.len() + 2);
    assert!(after.range(next - 1..).map(|(_, text)| text).eq(more.iter()), "what is appended is read");
    assert_eq!(log.look().expect("regular files can be read").last, next);
    let texts = more.each_ref().map(String::as_str);
    log.keep(next - 1, &texts).expect("it is there already");
    assert_eq!(scan(log, 0).1, after, "to keep it changes nothing");
}
