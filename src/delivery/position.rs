//! How far a sink has come: `engine/managed-outbox/<sink>.json`. Only who has the sink's lock writes it; reading takes none.

use std::io;
use std::path::{Path, PathBuf};

use crate::base::clock::EpochMs;
use crate::base::error::{Error, Kind, Result};
use crate::base::files::{self, Durability};

use super::wire::{PositionJson, VERSION};

/// Largest such file: a few numbers and one sentence.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// How far a sink has come.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Position {
    /// Every event up to this number is done with: delivered, not taken, dropped or dead.
    pub acked: u64,
    /// How often the first event that waits has failed.
    pub tried: Option<Tried>,
    /// Of the letters that are tried once more, every one up to this number is done with.
    pub retried: u64,
    /// How often the first of those letters has failed since.
    pub retry_tried: Option<Tried>,
    /// When whoever failed last means to try again: to be shown. A new deliverer does not wait for it.
    pub next_at: Option<EpochMs>,
    /// How many events it has taken.
    pub delivered: u64,
    /// How many were dropped because too many waited.
    pub dropped: u64,
    /// Of these, how many have been told by an event.
    pub dropped_said: u64,
    /// When that was told last.
    pub dropped_said_at: Option<EpochMs>,
    /// How many have become dead letters.
    pub dead: u64,
    /// How many dead letters were dropped because their file was full.
    pub dead_dropped: u64,
    /// Why the last failure was one.
    pub last_error: Option<String>,
    /// When that was.
    pub last_error_at: Option<EpochMs>,
    /// When it took an event last.
    pub last_delivered_at: Option<EpochMs>,
}

/// Failures of one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tried {
    /// Its number.
    pub seq: u64,
    /// How often it has failed.
    pub failures: u32,
}

/// A position as it was found.
#[derive(Debug, Default)]
pub struct Found {
    /// The position; a new one where there was no file, or none that could be read.
    pub position: Position,
    /// Where a file that could not be read has been put.
    pub set_aside: Option<PathBuf>,
}

impl Position {
    /// Reads the position at `path`; a new one where there is none. Errors: `outbox-unreadable` for a file that is none of
    /// ours, or of a later version.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = match files::read_bounded(path, FILE_BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(Error::io(format!("cannot read `{}`", path.display()), error)),
        };
        let unreadable = |why: &str| {
            Error::new(Kind::Unforeseen, UNREADABLE, format!("`{}` {why}", path.display()))
                .with_hint("the next delivery sets it aside and begins again with the oldest event")
        };
        let json: PositionJson = serde_json::from_slice(&bytes).map_err(|_| unreadable("is no position of a sink"))?;
        if json.version > VERSION {
            let message = format!("`{}` is of a later version of this program", path.display());
            return Err(Error::new(Kind::Unforeseen, "outbox-newer", message).with_hint("deliver with that version"));
        }
        Ok(json.into())
    }

    /// The same for whoever has the lock: a file that cannot be read is moved aside, and the sink begins anew with the oldest
    /// event there is. Receivers then get some events twice, under their old ids, and lose none.
    pub fn take(path: &Path) -> Result<Found> {
        match Self::read(path) {
            Ok(position) => Ok(Found { position, set_aside: None }),
            Err(error) if error.code == UNREADABLE => {
                let aside = path.with_extension(format!("json.corrupt-{}", EpochMs::now().0));
                files::rename_synced(path, &aside)
                    .map_err(|error| Error::io(format!("cannot set `{}` aside", path.display()), error))?;
                Ok(Found { position: Self::default(), set_aside: Some(aside) })
            }
            Err(error) => Err(error),
        }
    }

    /// Writes it. It need not survive a power cut: what comes after an older position is delivered twice.
    pub fn write(&self, path: &Path) -> Result<()> {
        let mut text = serde_json::to_vec(&PositionJson::from(self)).expect("keys are strings and numbers are finite");
        text.push(b'\n');
        files::write_atomic(path, &text, Durability::Cached)
            .map_err(|error| Error::io(format!("cannot write `{}`", path.display()), error))
    }

    /// Notes that `seq` has failed once more because of `error`; says how often that was.
    pub fn fail(&mut self, lane: Lane, seq: u64, error: &str, now: EpochMs) -> u32 {
        let tried = self.tried_mut(lane);
        let failures = tried.filter(|tried| tried.seq == seq).map_or(0, |tried| tried.failures).saturating_add(1);
        *tried = Some(Tried { seq, failures });
        self.last_error = Some(error.to_owned());
        self.last_error_at = Some(now);
        failures
    }

    /// Notes that everything up to `seq` is done with.
    pub fn done(&mut self, lane: Lane, seq: u64) {
        *self.tried_mut(lane) = None;
        self.next_at = None;
        match lane {
            Lane::Journal => self.acked = self.acked.max(seq),
            Lane::Retry => self.retried = self.retried.max(seq),
        }
    }

    fn tried_mut(&mut self, lane: Lane) -> &mut Option<Tried> {
        match lane {
            Lane::Journal => &mut self.tried,
            Lane::Retry => &mut self.retry_tried,
        }
    }
}

/// The code of a position that cannot be read.
const UNREADABLE: &str = "outbox-unreadable";

/// What an event comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// The journal.
    Journal,
    /// Dead letters that are tried once more: older than what waits, so they go first.
    Retry,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_back_and_an_unreadable_one_is_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hook.json");
        let mut position = Position { delivered: 7, ..Position::read(&path).unwrap() };
        assert_eq!(position.fail(Lane::Journal, 3, "no", EpochMs(5)), 1);
        assert_eq!(position.fail(Lane::Journal, 3, "no", EpochMs(6)), 2);
        position.write(&path).unwrap();
        assert_eq!(Position::read(&path).unwrap(), position);
        files::write_atomic(&path, b"{", Durability::Cached).unwrap();
        assert_eq!(Position::read(&path).unwrap_err().code, "outbox-unreadable");
        let found = Position::take(&path).unwrap();
        assert_eq!(found.position, Position::default());
        assert_eq!(files::read_bounded(&found.set_aside.unwrap(), 9).unwrap(), b"{");
        files::write_atomic(&path, br#"{"version": 2}"#, Durability::Cached).unwrap();
        assert_eq!(Position::take(&path).unwrap_err().code, "outbox-newer");
    }

    #[test]
    fn failures_are_counted_for_one_event_and_forgotten_with_it() {
        for lane in [Lane::Journal, Lane::Retry] {
            let mut position = Position::default();
            for expected in 1..=3 {
                assert_eq!(position.fail(lane, 9, "x", EpochMs(0)), expected);
            }
            assert_eq!(position.fail(lane, 10, "x", EpochMs(0)), 1, "another event");
            position.done(lane, 10);
            assert_eq!(position.fail(lane, 11, "x", EpochMs(0)), 1);
            position.done(lane, 5);
            assert_eq!(position.acked.max(position.retried), 10, "a position never goes back");
        }
    }
}
