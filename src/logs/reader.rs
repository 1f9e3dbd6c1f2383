//! Reading a log by positions, while it may be rotated. Impure: reads files.
//!
//! A reader takes no lock and makes nobody wait. It looks at the mark, reads, and looks again: what it read counts only if
//! nothing has changed in between.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::base::files;

use super::collapse::has_hole;
use super::mark::{GAP, Mark, PartMark, Step};
use super::previous::Previous;

/// A rotation changes the mark four times, and there are seconds between rotations; who still has no quiet moment after so
/// many looks is told so.
const LOOKS_MAX: usize = 1000;

/// The path of the previous log of `log`.
pub fn previous_of(log: &Path) -> PathBuf {
    super::rotate::suffixed(log, ".1")
}

/// A log that is open, and where its previous one is.
#[derive(Debug)]
pub(super) struct Reader {
    log: File,
    previous: PathBuf,
}

/// What is at a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// So many bytes, now in the buffer; at least one.
    Bytes(usize),
    /// Nothing yet: it is the end.
    End,
    /// Nothing, and there never will be; what comes next is there. Either somebody else truncated the file, or it was
    /// truncated by a rotation.
    Moved(u64),
    /// It was there and went with an older previous log; what is left begins there.
    Lost(u64),
}

/// What a log and its hole told in one look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    mark: Option<Mark>,
    is_cut: bool,
}

/// Where what is, by positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    /// Of the file's first byte.
    base: u64,
    /// From here on the file has what it should; before that there may be a hole.
    readable_from: u64,
    /// Of the first line that is not the previous log's.
    start: u64,
    /// After the previous log's last byte.
    ends: u64,
}

impl Look {
    fn first(log: &File) -> io::Result<Self> {
        let mark = Mark::read(log)?;
        Ok(Self { mark, is_cut: is_cut(log, mark)? })
    }

    /// Whether all is as it was. The mark is looked at first and last, and no two steps of any two rotations have the same
    /// one: so nothing else changed either, but by the one step that `is_cut` tells.
    fn still_holds(&self, log: &File) -> io::Result<bool> {
        Ok(is_cut(log, self.mark)? == self.is_cut && Mark::read(log)? == self.mark)
    }

    fn span(&self) -> Span {
        let Some(Mark { step, base, start, cut, ends, .. }) = self.mark else {
            return Span { base: 0, readable_from: 0, start: 0, ends: 0 };
        };
        match (step, self.is_cut) {
            (Step::Whole, _) => Span { base, readable_from: base, start, ends },
            (Step::Cutting, _) | (Step::Punched, false) => Span { base, readable_from: base + cut, start: ends, ends },
            (Step::Punched, true) => Span { base: base + cut, readable_from: base + cut, start: ends, ends },
            (Step::Truncating, false) => Span { base, readable_from: base, start: ends, ends },
            (Step::Truncating, true) => {
                let base = base + cut + GAP;
                Span { base, readable_from: base, start: base, ends }
            }
        }
    }

    /// Whether `part` is the part right before what the log has.
    fn follows(&self, part: PartMark) -> bool {
        part.to == self.span().ends || self.is_published(part)
    }

    /// Whether `part` holds the head of the log and the mark does not know of it yet: the two are not one step.
    fn is_published(&self, part: PartMark) -> bool {
        let is_whole = self.mark.is_some_and(|mark| mark.step == Step::Whole);
        is_whole && part.from == self.span().start && part.to > part.from
    }
}

/// Whether the cut that `mark` speaks of was made.
fn is_cut(log: &File, mark: Option<Mark>) -> io::Result<bool> {
    let Some(mark) = mark else { return Ok(false) };
    match mark.step {
        Step::Whole | Step::Cutting => Ok(false),
        Step::Punched => Ok(!has_hole(log, mark.cut)?),
        Step::Truncating => Ok(log.metadata()?.len() < mark.cut),
    }
}

impl Reader {
    /// Opens the log at `path`; `None` if there is none.
    pub(super) fn open(path: &Path) -> io::Result<Option<Self>> {
        match files::open_read(path) {
            Ok(log) => Ok(Some(Self { log, previous: previous_of(path) })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether `other` reads the same file.
    pub(super) fn is_same(&self, other: &Self) -> io::Result<bool> {
        let (ours, theirs) = (self.log.metadata()?, other.log.metadata()?);
        Ok((ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino()))
    }

    /// What is at `position`, as far as it fits into `buffer`.
    pub(super) fn read_at(&self, position: u64, buffer: &mut [u8]) -> io::Result<Found> {
        self.steady(|look| self.find(look, position, buffer))
    }

    /// The positions that can be read, oldest first: those of the previous log, if the log follows on it, then those of the
    /// log. Each begins with a line's first byte, as far as that can be known.
    pub(super) fn segments(&self) -> io::Result<Vec<Range<u64>>> {
        self.steady(|look| {
            let span = look.span();
            let part = self.part(look)?.filter(|part| look.follows(part.mark));
            let end = span.base + self.log.metadata()?.len();
            let start = match &part {
                Some(part) if look.is_published(part.mark) => part.mark.to,
                part if self.begins_line(&span, part.as_ref())? => span.start,
                _ => span.readable_from,
            };
            let previous = part.map(|part| part.mark.from..part.mark.to).filter(|range| !range.is_empty());
            Ok(previous.into_iter().chain(std::iter::once(start.min(end)..end)).collect())
        })
    }

    /// Whether a line begins where the mark says so: a service may have truncated its log itself. The previous log `part` can
    /// tell; without it the byte before must be a line end.
    fn begins_line(&self, span: &Span, part: Option<&Previous>) -> io::Result<bool> {
        if span.start <= span.readable_from {
            return Ok(span.start == span.readable_from);
        }
        let (from, first) = (span.readable_from - span.base, span.start - span.base);
        if let Some(told) = part.map(|part| part.bears_out(&self.log, (from, first), span.start)).transpose()?.flatten()
        {
            return Ok(told);
        }
        let mut before = [0];
        let read = self.log.read_at(&mut before, first - 1)?;
        Ok(read == 1 && before == *b"\n")
    }

    /// The result of `read` about a state of the log that was the same before and after it.
    fn steady<T>(&self, mut read: impl FnMut(&Look) -> io::Result<T>) -> io::Result<T> {
        for _ in 0..LOOKS_MAX {
            let look = Look::first(&self.log)?;
            let result = read(&look)?;
            if look.still_holds(&self.log)? {
                return Ok(result);
            }
        }
        Err(io::Error::other("it is rotated faster than it can be read"))
    }

    fn find(&self, look: &Look, position: u64, buffer: &mut [u8]) -> io::Result<Found> {
        let span = look.span();
        if position >= span.readable_from {
            let read = read_up_to(&self.log, buffer, position - span.base)?;
            if read > 0 {
                return Ok(Found::Bytes(read));
            }
            let is_beyond = position > span.base + self.log.metadata()?.len() && position != span.readable_from;
            return Ok(if is_beyond { Found::Moved(span.readable_from) } else { Found::End });
        }
        let part = self.part(look)?;
        if let Some(Previous { file, mark }) = &part
            && (mark.from..mark.to).contains(&position)
        {
            let size = usize::try_from(mark.to - position).unwrap_or(usize::MAX).min(buffer.len());
            let read = read_up_to(file, &mut buffer[..size], position - mark.from)?;
            if read > 0 {
                return Ok(Found::Bytes(read));
            }
        }
        if position >= span.ends {
            return Ok(Found::Moved(span.readable_from));
        }
        let left = part.filter(|part| look.follows(part.mark) && part.mark.from > position);
        Ok(Found::Lost(left.map_or(span.start, |part| part.mark.from)))
    }

    /// The previous log, if it is of this log.
    fn part(&self, look: &Look) -> io::Result<Option<Previous>> {
        look.mark.map_or(Ok(None), |mark| Previous::open(&self.previous, mark.id))
    }
}

/// Fills `buffer` with what `file` has from byte `offset` on, as far as it goes.
fn read_up_to(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
