//! Dead letters: `<sink>.dead.jsonl`, a line per event that a sink has refused too often; and `<sink>.retry.jsonl`, those of them
//! that are tried once more. Only who has the sink's lock writes them; reading takes none.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;

use crate::base::clock::EpochMs;
use crate::base::error::{Error, Result};
use crate::base::files::{self, Durability};
use crate::service::Event;

use super::wire;

/// Largest file of dead letters; beyond it the older half is dropped.
const FILE_BYTES_MAX: u64 = 32 << 20;

/// An event that a sink has refused too often.
#[derive(Clone, Debug, PartialEq)]
pub struct Letter {
    /// The event.
    pub event: Event,
    /// How often it was refused.
    pub failures: u32,
    /// Why, the last time.
    pub error: String,
    /// When, the last time.
    pub at: EpochMs,
}

/// The letters of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Letters {
    /// Each event once, by its number; of two letters about one event the later counts.
    pub letters: Vec<Letter>,
    /// Lines that are no letters, kept byte for byte.
    pub others: Vec<Vec<u8>>,
}

impl Letters {
    /// Reads the file at `path`; none where there is none. A torn last line is left out.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = match files::read_bounded(path, 2 * FILE_BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(cannot("read", path, error)),
        };
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let mut letters = BTreeMap::new();
        let mut others = Vec::new();
        for line in bytes[..whole].split_inclusive(|byte| *byte == b'\n').filter_map(|line| line.strip_suffix(b"\n")) {
            match std::str::from_utf8(line).ok().and_then(wire::letter_of) {
                Some(letter) => drop(letters.insert(letter.event.seq, letter)),
                None => others.push(line.to_owned()),
            }
        }
        Ok(Self { letters: letters.into_values().collect(), others })
    }

    /// Replaces the file by these.
    pub fn write(&self, path: &Path) -> Result<()> {
        let letters = self.letters.iter().map(|letter| wire::letter_text(letter).into_bytes());
        let mut bytes = Vec::new();
        for line in self.others.iter().cloned().chain(letters) {
            bytes.extend_from_slice(&line);
            bytes.push(b'\n');
        }
        files::write_atomic(path, &bytes, Durability::Synced).map_err(|error| cannot("write", path, error))
    }
}

/// Adds `letter` to the file at `path`, safe from a power cut. Returns how many older ones were dropped to make room.
pub fn append(path: &Path, letter: &Letter) -> Result<u64> {
    let failed = |error| cannot("write", path, error);
    let mut file = files::open_append(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let torn = torn_tail(path, length).map_err(failed)?;
    // A killed writer's half line is cut off: its event was not acknowledged, and is here once more.
    file.set_len(length - torn).map_err(failed)?;
    let mut line = wire::letter_text(letter);
    line.push('\n');
    let written = file.write_all(line.as_bytes()).and_then(|()| file.sync_all());
    if let Err(error) = written {
        drop(file.set_len(length - torn));
        return Err(failed(error));
    }
    if length - torn + line.len() as u64 <= FILE_BYTES_MAX {
        return Ok(0);
    }
    let mut all = Letters::read(path)?;
    let dropped = all.letters.len() / 2;
    all.letters.drain(..dropped);
    all.others.clear();
    all.write(path)?;
    Ok(dropped as u64)
}

/// How many bytes stand after the last line end of the file at `path`, which is `length` long.
fn torn_tail(path: &Path, length: u64) -> io::Result<u64> {
    if length == 0 {
        return Ok(0);
    }
    let mut file = files::open_read(path)?;
    let mut last = [0_u8; 1];
    file.seek(io::SeekFrom::Start(length - 1))?;
    file.read_exact(&mut last)?;
    if last == *b"\n" {
        return Ok(0);
    }
    let bytes = files::read_bounded(path, 2 * FILE_BYTES_MAX)?;
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    Ok(length.saturating_sub(whole as u64))
}

fn cannot(what: &str, path: &Path, error: io::Error) -> Error {
    Error::io(format!("cannot {what} the dead letters in `{}`", path.display()), error)
}

#[cfg(test)]
mod tests {
    use super::super::sample::event;
    use super::*;

    fn letter(seq: u64, error: &str) -> Letter {
        Letter { event: event(seq, "web"), failures: 12, error: error.to_owned(), at: EpochMs(7) }
    }

    #[test]
    fn letters_are_read_back_once_each_and_a_torn_line_is_mended() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hook.dead.jsonl");
        assert_eq!(Letters::read(&path).unwrap(), Letters::default());
        append(&path, &letter(2, "a\nb")).unwrap();
        append(&path, &letter(1, "x")).unwrap();
        let mut file = files::open_append(&path).unwrap();
        file.write_all(b"{\"event\": {\"se").unwrap();
        assert_eq!(Letters::read(&path).unwrap().letters, [letter(1, "x"), letter(2, "a\nb")]);
        append(&path, &letter(1, "again")).unwrap();
        let read = Letters::read(&path).unwrap();
        assert_eq!((read.letters, read.others.len()), (vec![letter(1, "again"), letter(2, "a\nb")], 0));
    }

    #[test]
    fn lines_that_are_no_letters_stay() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hook.dead.jsonl");
        files::write_atomic(&path, b"what\r\n\xff\n", Durability::Cached).unwrap();
        append(&path, &letter(1, "x")).unwrap();
        let read = Letters::read(&path).unwrap();
        read.write(&path).unwrap();
        assert_eq!(Letters::read(&path).unwrap(), read);
        assert_eq!(read.others, [&b"what\r"[..], b"\xff"]);
    }
}
