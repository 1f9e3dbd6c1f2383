//! The reading end of the journal: without a lock, over any rotation, each event once and in order. Impure: reads files.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::ops::{ControlFlow, RangeInclusive};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use crate::base::files;

use super::line::{Line, seq_of};
use super::log::Log;
use super::segments::closed;

/// What is read at once.
const BLOCK_BYTES: usize = 256 << 10;
/// The longest line that is taken for one; ours are far shorter.
const LINE_BYTES_MAX: u64 = 1 << 20;
/// A stretch of a segment that is read through rather than halved.
const STRETCH_BYTES: u64 = 64 << 10;
/// Rotations that may come within one scan, before what cannot be found counts as gone.
const LOOKS_MAX: usize = 100;

/// What a scan came by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scanned {
    /// The number of the last event that was looked at; where the scan began, if there was none.
    pub last: u64,
    /// Numbers of events that are nowhere, though later ones are there.
    pub gaps: Vec<RangeInclusive<u64>>,
    /// Lines within the journal that make no sense.
    pub bad_lines: u64,
    /// Whether it was told to stop.
    pub is_stopped: bool,
}

/// A scan under way.
struct Walk<'a> {
    take: &'a mut dyn FnMut(&Line<'_>) -> ControlFlow<()>,
    scanned: Scanned,
    /// Whether the event after `last` is known to have been written, so that its absence is a gap.
    is_begun: bool,
    /// Where an event was missing that another look at the folder might have found.
    missed_at: Option<u64>,
}

/// How the walk through one file ended.
enum Walked {
    ToEnd,
    Stopped,
    /// An event is missing that a rotation may have moved: look at the folder again.
    LookAgain,
}

impl Log {
    /// Hands the events after number `after` to `take`, the oldest first, until it breaks. What has been removed for its age
    /// is a gap only if `after` is not 0. Lines that make no sense are skipped and counted; the beginning of one at the
    /// end is what somebody is appending.
    pub fn scan(&self, after: u64, take: &mut dyn FnMut(&Line<'_>) -> ControlFlow<()>) -> io::Result<Scanned> {
        let scanned = Scanned { last: after, ..Scanned::default() };
        let mut walk = Walk { take, scanned, is_begun: after > 0, missed_at: None };
        for _ in 0..LOOKS_MAX {
            let mut is_done = true;
            for path in self.files_after(walk.scanned.last)? {
                match walk.file(&path)? {
                    Walked::ToEnd => {}
                    Walked::Stopped => {
                        walk.scanned.is_stopped = true;
                        return Ok(walk.scanned);
                    }
                    Walked::LookAgain => {
                        is_done = false;
                        break;
                    }
                }
            }
            if is_done && !self.was_rotated(walk.scanned.last)? {
                break;
            }
        }
        Ok(walk.scanned)
    }

    /// The files that may hold events after `last`, oldest first.
    fn files_after(&self, last: u64) -> io::Result<Vec<PathBuf>> {
        let segments = closed(&self.root)?;
        let from = segments.partition_point(|segment| segment.first <= last.saturating_add(1)).saturating_sub(1);
        let mut paths: Vec<PathBuf> = segments.into_iter().skip(from).map(|segment| segment.path).collect();
        paths.push(self.root.events());
        Ok(paths)
    }

    /// Whether a segment was closed that begins right after `last`: the one that was written when we looked, and is none now.
    fn was_rotated(&self, last: u64) -> io::Result<bool> {
        Ok(closed(&self.root)?.last().is_some_and(|segment| segment.first > last))
    }
}

impl Walk<'_> {
    fn file(&mut self, path: &std::path::Path) -> io::Result<Walked> {
        let mut file = match files::open_read(path) {
            Ok(file) => file,
            // Not begun yet, or removed for its age meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Walked::ToEnd),
            Err(error) => return Err(error),
        };
        let start = place_after(&file, self.scanned.last)?;
        file.seek(SeekFrom::Start(start))?;
        let mut reader = BufReader::with_capacity(BLOCK_BYTES, file);
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            let read = reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes)?;
            if bytes.pop_if(|last| *last == b'\n').is_none() {
                if read as u64 == LINE_BYTES_MAX {
                    self.scanned.bad_lines += 1;
                    reader.skip_until(b'\n')?;
                    continue;
                }
                // The end, or the beginning of a line.
                return Ok(Walked::ToEnd);
            }
            match self.line(&bytes) {
                ControlFlow::Continue(()) => {}
                ControlFlow::Break(walked) => return Ok(walked),
            }
        }
    }

    fn line(&mut self, bytes: &[u8]) -> ControlFlow<Walked> {
        let Some(line) = Line::parse(bytes) else {
            self.scanned.bad_lines += 1;
            return ControlFlow::Continue(());
        };
        if line.seq <= self.scanned.last {
            return ControlFlow::Continue(());
        }
        let expected = self.scanned.last.saturating_add(1);
        if line.seq > expected && self.is_begun {
            if self.missed_at.replace(expected) != Some(expected) {
                return ControlFlow::Break(Walked::LookAgain);
            }
            self.scanned.gaps.push(expected..=line.seq - 1);
        }
        self.is_begun = true;
        self.scanned.last = line.seq;
        match (self.take)(&line) {
            ControlFlow::Continue(()) => ControlFlow::Continue(()),
            ControlFlow::Break(()) => ControlFlow::Break(Walked::Stopped),
        }
    }
}

/// A place in `file` at the start of a line, before which no event is newer than `last`; found by halving.
fn place_after(file: &File, last: u64) -> io::Result<u64> {
    let (mut low, mut high) = (0, file.metadata()?.len());
    if last == 0 {
        return Ok(0);
    }
    let mut stretch = vec![0; usize::try_from(STRETCH_BYTES).unwrap_or(usize::MAX)];
    while high - low > STRETCH_BYTES {
        let middle = low + (high - low) / 2;
        let read = file.read_at(&mut stretch, middle)?;
        let Some(line) = stretch[..read].iter().position(|byte| *byte == b'\n').map(|at| at + 1) else { break };
        match seq_of(&stretch[line..read]) {
            Some(seq) if seq <= last => low = middle + line as u64,
            Some(_) => high = middle,
            // What makes no sense says nothing of where to look.
            None => break,
        }
    }
    Ok(low)
}
