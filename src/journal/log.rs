//! The writing end of the journal. Whoever writes has the lock of the state: there is one at a time. Impure: writes files.
//!
//! Nothing is synced at an append. What a power cut can take stands in the state file still: that lets go of an event only
//! when [`Log::keep`] has synced the journal and read the event back.

use std::fs::File;
use std::io::{self, Write as _};
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt as _;

use crate::base::clock::EpochMs;
use crate::base::error::{Error, Kind, Result};
use crate::base::files::{self, Durability};
use crate::base::root::Root;
use crate::base::steps::{Step, reached};
use crate::base::world::{FileAct, touch};

use super::line::{Line, framed, seq_of};
use super::segments::closed;

/// The end of the file that is looked at first for its last whole line; four times as much each time that none is in it.
const END_BYTES: u64 = 4 << 10;
/// The longest end without one whole line that is cut: what is longer is nothing that an append has torn.
const TORN_BYTES_MAX: u64 = 64 << 20;
/// The first line's number stands in so many bytes.
const FIRST_BYTES: usize = 64;

/// How large the journal may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes from which a segment is closed and a new one begun.
    pub segment_bytes: u64,
    /// Closed segments that are kept; the oldest beyond them is removed.
    pub segments_max: usize,
}

/// The journal of one root.
#[derive(Clone, Debug)]
pub struct Log {
    pub(super) root: Root,
    bounds: Bounds,
}

/// The end of the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// The number of the last event; 0: there is none.
    pub last: u64,
    /// Bytes after it that were no whole line, and have been cut off.
    pub cut_bytes: u64,
}

impl Log {
    /// The journal of `root`.
    pub fn new(root: &Root, bounds: Bounds) -> Self {
        Self { root: root.clone(), bounds }
    }

    /// Finds the last event, and cuts off what a killed writer or a power cut has left behind it. Needs the lock.
    pub fn look(&self) -> Result<End> {
        self.look_raw().map_err(|error| self.failed("read the end of", error))
    }

    fn look_raw(&self) -> io::Result<End> {
        let file = match files::open_in_place(&self.root.events()) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(End { last: self.last_closed()?, cut_bytes: 0 });
            }
            Err(error) => return Err(error),
        };
        let length = file.metadata()?.len();
        let (whole, last) = whole_end(&file, length)?;
        if whole < length {
            self.cut(&file, whole, length)?;
        }
        let last = last.map_or_else(|| self.last_closed(), Ok)?;
        Ok(End { last, cut_bytes: length - whole })
    }

    /// The number of the last event, without changing anything; 0: there is none.
    pub fn last_seq(&self) -> io::Result<u64> {
        let file = match files::open_read(&self.root.events()) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return self.last_closed(),
            Err(error) => return Err(error),
        };
        let (_, last) = whole_end(&file, file.metadata()?.len())?;
        last.map_or_else(|| self.last_closed(), Ok)
    }

    /// The number of the oldest event of the closed segments, by their names; 0: there is none.
    pub fn oldest(&self) -> io::Result<u64> {
        Ok(closed(&self.root)?.first().map_or(0, |oldest| oldest.first))
    }

    /// The number of the last event of the closed segments.
    fn last_closed(&self) -> io::Result<u64> {
        let Some(newest) = closed(&self.root)?.pop() else { return Ok(0) };
        let file = files::open_read(&newest.path)?;
        let (_, last) = whole_end(&file, file.metadata()?.len())?;
        // One that holds nothing any more was there up to the event before its first at least.
        Ok(last.unwrap_or(newest.first.saturating_sub(1)))
    }

    /// Cuts `file` from `whole` on. Lines that make no sense are kept beside it first; the beginning of one is not: the state
    /// file still has the event.
    fn cut(&self, file: &File, whole: u64, length: u64) -> io::Result<()> {
        if length - whole > TORN_BYTES_MAX {
            return Err(io::Error::other("it is no journal: move it away"));
        }
        let torn = read_range(file, whole, length)?;
        if torn.contains(&b'\n') {
            let aside = self.root.events_torn(EpochMs::now().0);
            files::write_atomic(&aside, &torn, Durability::Synced)?;
            log::warn!("lines of the journal that make no sense are kept as {}", aside.display());
        }
        file.set_len(whole)
    }

    /// Appends events, each its compact JSON, the oldest first. On failure the journal is as it was, or what is torn is cut by
    /// the next [`Log::look`]. Needs the lock.
    pub fn append<'a>(&self, events: impl Iterator<Item = &'a str>) -> Result<()> {
        let bytes: String = events.map(framed).collect();
        if bytes.is_empty() {
            return Ok(());
        }
        self.append_raw(bytes.as_bytes()).map_err(|error| self.failed("append to", error))?;
        reached(Step::JournalAppended);
        Ok(())
    }

    fn append_raw(&self, bytes: &[u8]) -> io::Result<()> {
        let mut file = files::open_append(&self.root.events())?;
        let mut length = file.metadata()?.len();
        if length > 0 && length + bytes.len() as u64 > self.bounds.segment_bytes {
            match self.rotate(&file) {
                Ok(()) => {
                    file = files::open_append(&self.root.events())?;
                    length = 0;
                }
                Err(error) => {
                    log::warn!("the journal's segment grows beyond its bound, for it cannot be closed: {error}")
                }
            }
        }
        touch(FileAct::Write, &self.root.events())
            .and_then(|()| file.write_all(bytes))
            .inspect_err(|_| drop(file.set_len(length)))
    }

    /// Closes the segment: synced, it gets its name for good. Then removes what is too old.
    fn rotate(&self, file: &File) -> io::Result<()> {
        touch(FileAct::Sync, &self.root.events())?;
        file.sync_data()?;
        let mut head = [0; FIRST_BYTES];
        let read = files::open_read(&self.root.events())?.read_at(&mut head, 0)?;
        let first = seq_of(&head[..read]).ok_or_else(|| io::Error::other("its first line has no number"))?;
        let to = self.root.events_segment(first);
        if to.try_exists()? {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        files::rename_synced(&self.root.events(), &to)?;
        reached(Step::JournalRotated);
        let segments = closed(&self.root)?;
        let excess = segments.len().saturating_sub(self.bounds.segments_max);
        segments[..excess].iter().try_for_each(|segment| files::remove(&segment.path))
    }

    /// Makes sure that the journal keeps `events`, the last that were appended, over a power cut: synced, and read back. Where
    /// they are not what was appended (a power cut has torn more than the end), they are appended anew. Needs the lock.
    pub fn keep(&self, first: u64, events: &[&str]) -> Result<()> {
        let kept = (|| {
            touch(FileAct::Sync, &self.root.events())?;
            files::open_read(&self.root.events())?.sync_data()?;
            if self.has(first, events)? {
                return Ok(());
            }
            self.cut_from(first)?;
            let bytes: String = events.iter().map(|event| framed(event)).collect();
            self.append_raw(bytes.as_bytes())?;
            files::open_read(&self.root.events())?.sync_data()?;
            if self.has(first, events)? { Ok(()) } else { Err(io::Error::other("it does not keep what is appended")) }
        })();
        kept.map_err(|error| self.failed("sync", error))?;
        reached(Step::JournalKept);
        Ok(())
    }

    /// Whether the journal's last events are `events`, without those that went with the oldest segment since.
    fn has(&self, first: u64, events: &[&str]) -> io::Result<bool> {
        let is_full = closed(&self.root)?.len() >= self.bounds.segments_max;
        let (mut left, mut is_first, mut is_same) = (events.iter(), true, true);
        self.scan(first.saturating_sub(1), &mut |line| {
            let gone = if is_first && is_full { line.seq.saturating_sub(first) } else { 0 };
            is_first = false;
            let next = left.nth(usize::try_from(gone).unwrap_or(usize::MAX));
            is_same = is_same && next.is_some_and(|event| *event == line.json());
            if is_same { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok(is_same && left.next().is_none())
    }

    /// Cuts the segment that is written behind its last whole line before number `first`.
    fn cut_from(&self, first: u64) -> io::Result<()> {
        let file = files::open_in_place(&self.root.events())?;
        let length = file.metadata()?.len();
        if length > TORN_BYTES_MAX {
            return Err(io::Error::other("it is no journal: move it away"));
        }
        let bytes = read_range(&file, 0, length)?;
        let (mut end, mut whole) = (0, 0);
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            end += line.len();
            if line.strip_suffix(b"\n").and_then(Line::parse).is_some_and(|line| line.seq < first) {
                whole = end;
            }
        }
        self.cut(&file, whole as u64, length)
    }

    fn failed(&self, doing: &str, error: io::Error) -> Error {
        let path = self.root.events();
        let failure = Error::io(format!("cannot {doing} the journal `{}`", path.display()), error);
        let hint = failure.hint.clone().unwrap_or_else(|| "minions managed doctor".to_owned());
        Error { kind: Kind::Unforeseen, code: "journal-unwritable", ..failure }
            .with_hint(format!("{hint}; no event is lost: the state file keeps them until they can be appended"))
    }
}

fn read_range(file: &File, from: u64, to: u64) -> io::Result<Vec<u8>> {
    let length = usize::try_from(to - from).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, from)?;
    Ok(bytes)
}

/// Where the last whole line of `file` ends, and its number; the beginning and `None` if there is none.
fn whole_end(file: &File, length: u64) -> io::Result<(u64, Option<u64>)> {
    let mut window = END_BYTES;
    loop {
        let start = length.saturating_sub(window);
        let bytes = read_range(file, start, length)?;
        // The line in which the window begins is not all in it.
        let skipped =
            if start == 0 { 0 } else { bytes.iter().position(|b| *b == b'\n').map_or(bytes.len(), |at| at + 1) };
        let mut end = bytes.len();
        while let Some(close) = bytes[skipped..end].iter().rposition(|b| *b == b'\n').map(|at| skipped + at) {
            let open = bytes[skipped..close].iter().rposition(|b| *b == b'\n').map_or(skipped, |at| skipped + at + 1);
            if let Some(line) = Line::parse(&bytes[open..close]) {
                return Ok((start + close as u64 + 1, Some(line.seq)));
            }
            end = open;
        }
        if start == 0 {
            return Ok((0, None));
        }
        if window > TORN_BYTES_MAX {
            return Err(io::Error::other("it is no journal: move it away"));
        }
        window *= 4;
    }
}
