//! `logs`: what a service wrote, from the end of the file backwards, and whatever it writes from then on.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::base::error::{Error, Kind, Result};
use crate::base::files;
use crate::service::is_kebab_case;
use crate::state::{Reading, SetAside};

use super::context::Context;
use super::find;

/// Bytes read at a time.
const BLOCK_BYTES: usize = 64 * 1024;

/// Most bytes that [`last_lines`] takes of a log: lines may be of any length.
const TAIL_BYTES_MAX: u64 = 64 * 1024;

/// Which log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The one that is written now.
    Current,
    /// The one before the last rotation.
    Previous,
}

/// Where a service's log is.
#[derive(Debug)]
pub struct Place {
    /// The file.
    pub path: PathBuf,
    /// Whether a record of the service is there; without one this is the log that it left.
    pub is_recorded: bool,
    /// What had to be put aside; must be said (exit 9).
    pub set_aside: Option<SetAside>,
}

/// Finds the log of the service of that name. A service whose record is gone (stopped, or never healthy) may have left
/// its log, which still counts; with neither it is `no-such-service` (exit 6).
pub fn locate(context: &Context, name: &str, which: Which) -> Result<Place> {
    let Reading { document, set_aside } = context.store().read_or_recover("logs")?;
    let record = document.find(name);
    let path = match (which, record) {
        (Which::Current, Some(record)) if !record.log_path.is_empty() => PathBuf::from(&record.log_path),
        (Which::Previous, Some(record)) if !record.log_path.is_empty() => {
            PathBuf::from(format!("{}.1", record.log_path))
        }
        // Only a kebab-case name is safe as part of a path.
        (_, None) if !is_kebab_case(name) => return Err(find::no_such_service(&document, name)),
        (Which::Current, _) => context.root.log(name),
        (Which::Previous, _) => context.root.log_previous(name),
    };
    if record.is_none() && !path.is_file() {
        return Err(find::no_such_service(&document, name));
    }
    if which == Which::Previous && !path.is_file() {
        let message = format!("`{name}` has no log from before a rotation");
        return Err(Error::new(Kind::NotFound, "no-previous-log", message)
            .with_hint(format!("its log: minions managed logs {name}")));
    }
    Ok(Place { path, is_recorded: record.is_some(), set_aside })
}

/// The last `count` lines of the file at `path`, whatever is no UTF-8 replaced; within 64 KiB of the end.
pub fn last_lines(path: &Path, count: usize) -> io::Result<Vec<String>> {
    let mut file = files::open_read(path)?;
    let length = file.metadata()?.len();
    let start = start_of_lines(&mut file, length, count)?.max(length.saturating_sub(TAIL_BYTES_MAX));
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect())
}

/// Where the last `count` lines of the first `length` bytes of `file` start. A last line without its end counts.
fn start_of_lines(file: &mut File, length: u64, count: usize) -> io::Result<u64> {
    if count == 0 {
        return Ok(length);
    }
    let mut block = vec![0; BLOCK_BYTES];
    let mut end = length;
    let mut seen = 0;
    while end > 0 {
        let start = end.saturating_sub(BLOCK_BYTES as u64);
        let size = usize::try_from(end - start).expect("a block fits in memory");
        file.seek(SeekFrom::Start(start))?;
        let read = read_up_to(file, &mut block[..size])?;
        for at in (0..read).rev() {
            let position = start + at as u64;
            // The very last line end closes the last line; it starts no other.
            if block[at] == b'\n' && position + 1 < length {
                seen += 1;
                if seen == count {
                    return Ok(position + 1);
                }
            }
        }
        end = start;
    }
    Ok(0)
}

/// Fills `block` as far as the file goes: it may have been truncated meanwhile.
fn read_up_to(file: &mut File, block: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < block.len() {
        match file.read(&mut block[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    Error::io(format!("cannot read the log `{}`", path.display()), error)
}

/// A log being read: first its end, then what is appended, over truncation and rotation.
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    file: Option<File>,
    position: u64,
}

impl Follower {
    /// Starts at the last `count` lines of the file at `path`, which need not be there yet.
    pub fn new(path: &Path, count: usize) -> Result<Self> {
        Self::open(path, count).map_err(|error| unreadable(path, error))
    }

    fn open(path: &Path, count: usize) -> io::Result<Self> {
        let mut follower = Self { path: path.to_owned(), file: None, position: 0 };
        match files::open_read(path) {
            Ok(mut file) => {
                let length = file.metadata()?.len();
                follower.position = start_of_lines(&mut file, length, count)?;
                follower.file = Some(file);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(follower)
    }

    /// Whether there is a file.
    pub fn is_there(&self) -> bool {
        self.file.is_some()
    }

    /// The next bytes, at most a block; empty at the end as it is now.
    pub fn next_bytes(&mut self) -> Result<Vec<u8>> {
        self.advance().map_err(|error| unreadable(&self.path, error))
    }

    fn advance(&mut self) -> io::Result<Vec<u8>> {
        let bytes = self.read_on()?;
        if !bytes.is_empty() {
            return Ok(bytes);
        }
        let Some(fresh) = self.successor()? else { return Ok(bytes) };
        // What was written to the old file between the read above and the rotation comes first.
        let rest = self.read_on()?;
        if rest.is_empty() {
            self.file = Some(fresh);
            self.position = 0;
            return self.read_on();
        }
        Ok(rest)
    }

    fn read_on(&mut self) -> io::Result<Vec<u8>> {
        let Some(file) = &mut self.file else { return Ok(Vec::new()) };
        file.seek(SeekFrom::Start(self.position))?;
        let mut block = vec![0; BLOCK_BYTES];
        let read = read_up_to(file, &mut block)?;
        block.truncate(read);
        self.position += read as u64;
        Ok(block)
    }

    /// What the path names, if that is another file by now, or the same one cut short.
    fn successor(&self) -> io::Result<Option<File>> {
        let fresh = match files::open_read(&self.path) {
            Ok(fresh) => fresh,
            // Between a rotation and the next write there may be no file.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let now = fresh.metadata()?;
        let same = match &self.file {
            Some(file) => file.metadata().map(|held| (held.dev(), held.ino()) == (now.dev(), now.ino()))?,
            None => false,
        };
        Ok(Some(fresh).filter(|_| !same || now.len() < self.position))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::files::{Durability, write_atomic};

    fn drained(follower: &mut Follower) -> String {
        let mut text = Vec::new();
        loop {
            let bytes = follower.next_bytes().unwrap();
            if bytes.is_empty() {
                return String::from_utf8(text).unwrap();
            }
            text.extend(bytes);
        }
    }

    #[test]
    fn the_last_lines_are_found_from_the_end_whatever_their_length() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let long = "x".repeat(BLOCK_BYTES);
        let check = |text: &str, count: usize, expected: &str| {
            write_atomic(&path, text.as_bytes(), Durability::Cached).unwrap();
            let got = drained(&mut Follower::new(&path, count).unwrap());
            assert!(got == expected, "{count} lines of {} bytes gave {} bytes", text.len(), got.len());
        };
        check("", 3, "");
        check("a\nb\nc\n", 0, "");
        check("a\nb\nc\n", 1, "c\n");
        check("a\nb\nc", 1, "c");
        check("a\nb\nc\n", 2, "b\nc\n");
        check("a\nb\nc\n", 3, "a\nb\nc\n");
        check("a\nb\nc\n", usize::MAX, "a\nb\nc\n");
        check("\n\n\n", 2, "\n\n");
        check(&format!("a\n{long}\nb\n"), 2, &format!("{long}\nb\n"));
        check(&format!("{long}\n{long}\n"), 1, &format!("{long}\n"));
        check(&format!("a\n{}", &long[1..]), 1, &long[1..]);
    }

    #[test]
    fn following_goes_on_over_truncation_and_rotation() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let append =
            |text: &str| io::Write::write_all(&mut files::open_append(&path).unwrap(), text.as_bytes()).unwrap();
        let mut follower = Follower::new(&path, 10).unwrap();
        assert!(!follower.is_there());
        append("one\n");
        assert_eq!(drained(&mut follower), "one\n");
        append("two\n");
        assert_eq!(drained(&mut follower), "two\n");
        files::open_append(&path).unwrap().set_len(0).unwrap();
        append("3\n");
        assert_eq!(drained(&mut follower), "3\n");
        write_atomic(&path, b"another file\n", Durability::Cached).unwrap();
        assert_eq!(drained(&mut follower), "another file\n");
    }
}
