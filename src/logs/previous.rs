//! The previous log: whose it is, and what it proves about the head of the log. Impure: reads files.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::base::files;

use super::mark::PartMark;

/// Bytes compared at a time.
const BLOCK_BYTES: usize = 64 * 1024;

/// A previous log that is of the log that is asked for.
pub(super) struct Previous {
    pub(super) file: File,
    pub(super) mark: PartMark,
}

impl Previous {
    /// Opens the one at `path` if it is of the log with that id.
    pub(super) fn open(path: &Path, id: u64) -> io::Result<Option<Self>> {
        let file = match files::open_read(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mark = PartMark::read(&file)?.filter(|mark| mark.id == id);
        Ok(mark.map(|mark| Self { file, mark }))
    }

    /// Whether the bytes of `log` before `first`, from `from` on, are those before the position `start`, as its mark says: a
    /// service may have truncated its log itself, and then they are new. `None` if this file cannot tell.
    pub(super) fn bears_out(&self, log: &File, (from, first): (u64, u64), start: u64) -> io::Result<Option<bool>> {
        let length = self.mark.to - self.mark.from;
        if self.mark.to == start && first - from <= length {
            let tail = length - (first - from);
            return self.agrees((log, from), tail, first - from, Zeros::Count).map(Some);
        }
        // It was made after the mark: it begins where the head ends.
        if self.mark.from == start {
            return self.agrees((log, first), 0, length.min(BLOCK_BYTES as u64), Zeros::Count).map(Some);
        }
        Ok(None)
    }

    /// Whether the `size` bytes of `log` from its given byte on are those of this file from `at` on.
    pub(super) fn agrees(&self, (log, from): (&File, u64), at: u64, size: u64, zeros: Zeros) -> io::Result<bool> {
        let (mut ours, mut theirs) = (vec![0; BLOCK_BYTES], vec![0; BLOCK_BYTES]);
        let mut done = 0;
        while done < size {
            let block = usize::try_from(size - done).map_or(BLOCK_BYTES, |left| left.min(BLOCK_BYTES));
            let (ours, theirs) = (&mut ours[..block], &mut theirs[..block]);
            let are_there = read_whole(log, ours, from + done)? && read_whole(&self.file, theirs, at + done)?;
            let differ = |(our, their): (&u8, &u8)| our != their && (*our != 0 || zeros == Zeros::Count);
            if !are_there || ours.iter().zip(theirs.iter()).any(differ) {
                return Ok(false);
            }
            done += block as u64;
        }
        Ok(true)
    }
}

/// What zeros in the log mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Zeros {
    /// What they are.
    Count,
    /// Perhaps a hole that was punched.
    AreNothing,
}

/// Fills `buffer` from byte `at` of `file` on; false if it ends before.
fn read_whole(file: &File, buffer: &mut [u8], at: u64) -> io::Result<bool> {
    match file.read_exact_at(buffer, at) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
