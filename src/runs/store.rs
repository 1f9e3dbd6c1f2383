//! The files of runs: read, begun, moved by the table, and removed once there are too many. Impure: lists their folder.
//!
//! No lock guards them: only who has the lease of an agent writes that agent's runs. Nothing is synced, since what a run tells of
//! is processes, which end with the boot; a power cut may cost the last ones.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::clock::EpochMs;
use crate::base::error::{Error, Kind, Result};
use crate::base::files::{self, Durability};
use crate::base::root::Root;
use crate::lifecycle::runs::{Illegal, RunInput};

use super::run::{Run, is_id};
use super::wire::{run_from_json, run_to_json};

/// A run holds one report: far below this, unless it is none of ours.
const RUN_BYTES_MAX: u64 = 4 << 20;
/// A temporary file that nobody has touched for so long is a killed writer's.
const LITTER_AGE: Duration = Duration::from_secs(600);

/// The code of a run that is none.
const UNREADABLE: &str = "run-unreadable";

/// The runs of one root.
#[derive(Clone, Debug)]
pub struct RunStore {
    dir: PathBuf,
}

/// Every run that there is.
#[derive(Debug, Default)]
pub struct Listing {
    /// The newest first.
    pub runs: Vec<Run>,
    /// Files that should be runs and are none.
    pub malformed: Vec<Malformed>,
}

/// A file that should be a run and is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Which.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

impl Malformed {
    /// The same as an error of whoever asked for this very run.
    pub fn to_error(&self) -> Error {
        let message = format!("the run record `{}` cannot be read: {}", self.path.display(), self.why);
        Error::new(Kind::Unforeseen, UNREADABLE, message)
            .with_hint("the other runs are not touched by it; move it away if nobody needs it")
    }
}

impl RunStore {
    /// The runs under `root`.
    pub fn new(root: &Root) -> Self {
        Self { dir: root.runs() }
    }

    /// The run of that id; `None` if there is none. Error: `run-unreadable`.
    pub fn find(&self, id: &str) -> Result<Option<Run>> {
        if !is_id(id) {
            return Ok(None);
        }
        let path = self.path(id);
        match read(&path) {
            Ok(found) => found.transpose().map_err(|malformed| malformed.to_error()),
            Err(error) => Err(Error::io(format!("cannot read the run record `{}`", path.display()), error)),
        }
    }

    /// The same for who must go on: what is no run is said, and as good as none.
    pub fn find_readable(&self, id: &str) -> Result<Option<Run>> {
        match self.find(id) {
            Err(error) if error.code == UNREADABLE => {
                log::warn!("{}", error.chain());
                Ok(None)
            }
            found => found,
        }
    }

    /// Every run, the newest first. One that goes while the folder is read is left out.
    pub fn list(&self) -> Result<Listing> {
        let mut listing = Listing::default();
        for id in self.ids()?.into_iter().rev() {
            let path = self.path(&id);
            match read(&path) {
                Ok(None) => {}
                Ok(Some(Ok(run))) => listing.runs.push(run),
                Ok(Some(Err(malformed))) => listing.malformed.push(malformed),
                Err(error) => listing.malformed.push(Malformed { path, why: error.to_string() }),
            }
        }
        // Ids sort by the time of their making, and so do the names; only the clock may have been set back meanwhile.
        listing.runs.sort_by(|a, b| b.created_at.cmp(&a.created_at).then_with(|| b.id.cmp(&a.id)));
        Ok(listing)
    }

    /// The ids of all runs, the oldest first.
    pub fn ids(&self) -> Result<Vec<String>> {
        let failed = |error| Error::io(format!("cannot list the runs in `{}`", self.dir.display()), error);
        let entries = match std::fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut ids = Vec::new();
        for entry in entries {
            let name = entry.map_err(failed)?.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(".json")).filter(|id| is_id(id));
            ids.extend(id.map(str::to_owned));
        }
        ids.sort_unstable();
        Ok(ids)
    }

    /// Writes a run that is new.
    pub fn begin(&self, run: &Run) -> Result<()> {
        files::create_dir(&self.dir).map_err(|error| failed(&self.path(&run.id), error))?;
        self.write(run)
    }

    /// Moves the run by `input`, with what `edit` changes in it besides, and writes it. Errors: `run-ended` (exit 7) for a move that
    /// the table has not: nothing is written then, so that an ended run stays as it is to the byte; `no-such-run` (exit 6).
    pub fn change(&self, id: &str, input: RunInput, edit: impl FnOnce(&mut Run)) -> Result<Run> {
        let mut run = self.find(id)?.ok_or_else(|| no_such_run(id))?;
        run.advance(input, EpochMs::now()).map_err(|illegal| ended(id, illegal))?;
        edit(&mut run);
        self.write(&run)?;
        Ok(run)
    }

    /// Removes the oldest ended runs until there are at most `runs_max`, but for those that `is_kept`; how many went. One that has
    /// not ended, or cannot be read, stays. While there are not too many only names are read.
    pub fn prune(&self, runs_max: usize, is_kept: impl Fn(&str) -> bool) -> Result<usize> {
        let ids = self.ids()?;
        let mut removed = 0;
        for id in &ids {
            if ids.len() - removed <= runs_max {
                break;
            }
            let path = self.path(id);
            let is_ended = |run: std::result::Result<Run, Malformed>| run.is_ok_and(|run| run.status.is_ended());
            let is_over = || read(&path).is_ok_and(|run| run.is_some_and(is_ended));
            if !is_kept(id) && is_over() {
                files::remove(&path)
                    .map_err(|error| Error::io(format!("cannot remove the run record `{}`", path.display()), error))?;
                removed += 1;
            }
        }
        // What killed writers left is only litter.
        if !ids.is_empty() {
            drop(files::remove_stale_temporaries(&self.dir, LITTER_AGE));
        }
        Ok(removed)
    }

    fn path(&self, id: &str) -> PathBuf {
        self.dir.join(format!("{id}.json"))
    }

    fn write(&self, run: &Run) -> Result<()> {
        let path = self.path(&run.id);
        let text = format!("{}\n", run_to_json(run));
        files::write_atomic(&path, text.as_bytes(), Durability::Cached).map_err(|error| failed(&path, error))
    }
}

/// The run at `path`, or why what is there is none; `None` if nothing is.
fn read(path: &Path) -> io::Result<Option<std::result::Result<Run, Malformed>>> {
    match files::read_bounded(path, RUN_BYTES_MAX) {
        Ok(bytes) => Ok(Some(run_from_json(&bytes).map_err(|why| Malformed { path: path.to_owned(), why }))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn failed(path: &Path, error: io::Error) -> Error {
    Error::io(format!("cannot write the run record `{}`", path.display()), error)
}

fn ended(id: &str, illegal: Illegal) -> Error {
    Error::new(Kind::Conflict, "run-ended", format!("{id} stays as it is: {illegal}"))
        .with_hint("what it came to: minions managed runs show ID")
}

/// There is no run of that id (`no-such-run`, exit 6).
pub fn no_such_run(id: &str) -> Error {
    Error::new(Kind::NotFound, "no-such-run", format!("there is no run `{}`", id.escape_debug()))
        .with_hint("every run: minions managed runs; the oldest go beyond runsMax")
}

#[cfg(test)]
mod tests {
    use super::super::run::sample;
    use super::*;
    use crate::runs::{Outcome, RunStatus};

    fn store(dir: &Path) -> RunStore {
        RunStore::new(&Root::at(dir))
    }

    /// Runs 1 to `count`, those of odd numbers ended.
    fn filled(dir: &Path, count: u64) -> RunStore {
        let store = store(dir);
        for number in 1..=count {
            store.begin(&sample::run(number)).unwrap();
            if number % 2 == 1 {
                store.change(&sample::run(number).id, RunInput::Completed, |_| ()).unwrap();
            }
        }
        store
    }

    #[test]
    fn an_ended_run_is_the_same_to_the_byte_whatever_is_tried() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        let id = sample::run(1).id;
        store.begin(&sample::run(1)).unwrap();
        store.change(&id, RunInput::Failed, |run| run.outcome = Some(Outcome::Partial)).unwrap();
        let before = files::read_bounded(&store.path(&id), RUN_BYTES_MAX).unwrap();
        for input in RunInput::ALL {
            let error = store.change(&id, input, |run| run.outcome = None).unwrap_err();
            assert_eq!((error.code, error.kind.exit_code()), ("run-ended", 7), "{input:?}");
            assert_eq!(files::read_bounded(&store.path(&id), RUN_BYTES_MAX).unwrap(), before);
        }
        assert_eq!(store.change(&sample::run(2).id, RunInput::Claimed, |_| ()).unwrap_err().code, "no-such-run");
    }

    #[test]
    fn the_newest_comes_first_and_what_is_none_is_told_beside() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        assert!(store.list().unwrap().runs.is_empty() && store.prune(1, |_| false).unwrap() == 0, "no folder yet");
        let store = filled(dir.path(), 3);
        let bad = store.path(&sample::run(9).id);
        files::write_atomic(&bad, b"{", Durability::Cached).unwrap();
        files::write_atomic(&store.dir.join("notes.txt"), b"", Durability::Cached).unwrap();
        let listing = store.list().unwrap();
        let ids: Vec<String> = listing.runs.into_iter().map(|run| run.id).collect();
        assert_eq!(ids, [3, 2, 1].map(|number| sample::run(number).id));
        assert_eq!(listing.malformed.iter().map(|one| &one.path).collect::<Vec<_>>(), [&bad]);
        assert_eq!(store.find(&sample::run(9).id).unwrap_err().code, "run-unreadable");
        assert_eq!(store.find("../../x").unwrap(), None);
    }

    #[test]
    fn the_oldest_ended_ones_go_and_no_others() {
        let check = |runs_max: usize, kept: &[u64], expected: &[u64]| {
            let dir = tempfile::tempdir().unwrap();
            let store = filled(dir.path(), 7);
            let ids =
                |numbers: &[u64]| -> Vec<String> { numbers.iter().map(|number| sample::run(*number).id).collect() };
            let kept = ids(kept);
            store.prune(runs_max, |id| kept.iter().any(|kept| kept == id)).unwrap();
            assert_eq!(store.ids().unwrap(), ids(expected), "{runs_max} {kept:?}");
        };
        check(7, &[], &[1, 2, 3, 4, 5, 6, 7]);
        check(5, &[], &[2, 4, 5, 6, 7]);
        check(5, &[1], &[1, 2, 4, 6, 7]);
        check(1, &[], &[2, 4, 6]);
        let dir = tempfile::tempdir().unwrap();
        let store = filled(dir.path(), 2);
        assert_eq!(store.find(&sample::run(2).id).unwrap().unwrap().status, RunStatus::Claimed);
    }
}
