//! Records of services that have no process and stay (`backoff`, `stopped`, `failed`). No shim knows of them, so each has a copy of
//! its own beside the run folders of its name, and survives the loss of the state file as what runs does. Impure: removes files.
//!
//! The copies follow from the difference of two states, like events, under the lock of the change, so that nobody who changes a
//! record has to think of them. A copy is there before the record is at rest, and gone before the record is: whoever dies in between
//! leaves one too many or one too few, never one that brings back what somebody has ended. The next sweep makes up for it
//! ([`lacking`], [`observe_left`](super::observe_left)). Of a service that runs a copy may be left; what its shim knows goes before it.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use crate::base::files;
use crate::base::root::Root;
use crate::service::{Record, Status};

use super::Error;
use super::evidence;
use super::wire::{AtRestFile, AtRestRecord, RecordJson};

/// One record, as in the state file (a sidecar of at most 1 MiB holds its spec).
const BYTES_MAX: u64 = 4 << 20;

/// Whether `record` is of a service that has no process and stays.
pub fn is_at_rest(record: &Record) -> bool {
    let is_resting = match record.status {
        Status::Backoff | Status::Stopped | Status::Failed => true,
        Status::Queued | Status::Starting | Status::Running | Status::Stopping => false,
    };
    is_resting && record.process.is_none()
}

/// Writes the copy of `record`.
fn keep(root: &Root, record: &Record) -> Result<(), Error> {
    let path = root.at_rest(&record.name);
    let dir = path.parent().unwrap_or(&path);
    files::create_dir(dir).map_err(|error| Error::io(format!("cannot make `{}`", dir.display()), error))?;
    evidence::write(dir, Root::AT_REST, &AtRestFile::new(RecordJson(record)))
}

/// Reads the copy of the record `name`; `None`: there is none. An error says why it makes no sense.
pub fn read_at_rest(root: &Root, name: &str) -> Result<Option<Record>, Error> {
    let path = root.at_rest(name);
    let fits = |record: Record| {
        let is_it = record.name == name && is_at_rest(&record);
        if is_it { Ok(record) } else { Err("it holds another record".to_owned()) }
    };
    let turn = |file: AtRestRecord| file.into_record().and_then(fits);
    evidence::read(path.parent().unwrap_or(&path), Root::AT_REST, BYTES_MAX, turn)
}

/// Removes the copy of the record `name`, what a killed writer has left of one, and their folder if nothing else is in it. Called
/// under the lock, where nobody else is at it.
#[expect(clippy::disallowed_methods, reason = "the one place where a copy goes with its record")]
pub fn forget_at_rest(root: &Root, name: &str) -> io::Result<()> {
    let path = root.at_rest(name);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        removed => removed?,
    }
    if let Some(dir) = path.parent() {
        drop(files::remove_stale_temporaries(dir, Duration::ZERO));
        // Fails, as it should, while there is a run folder.
        drop(std::fs::remove_dir(dir));
    }
    Ok(())
}

/// Those of `records` that are at rest and have no copy.
pub fn lacking<'a>(root: &Root, records: &'a [Record]) -> Vec<&'a Record> {
    let has_copy = |record: &Record| root.at_rest(&record.name).exists();
    records.iter().filter(|record| is_at_rest(record) && !has_copy(record)).collect()
}

/// What a change of the state means for the copies.
#[derive(Debug, Default)]
pub(super) struct Upkeep<'a> {
    /// Records at rest that were not so before: if the change fails, their copies go again.
    new: Vec<&'a Record>,
    /// Records at rest that are others than before.
    changed: Vec<&'a Record>,
    /// Who is gone.
    gone: Vec<&'a str>,
    /// Who runs now: from here on its shim knows it.
    up: Vec<&'a str>,
}

impl<'a> Upkeep<'a> {
    /// By the records before and after.
    pub(super) fn between(before: &'a [Record], after: &'a [Record]) -> Self {
        let mut upkeep = Self::default();
        let is_paired = before.len() == after.len() && before.iter().zip(after).all(|(was, is)| was.name == is.name);
        let mut rest: HashMap<&str, &Record> = if is_paired {
            HashMap::new()
        } else {
            before.iter().map(|record| (record.name.as_str(), record)).collect()
        };
        for (at, record) in after.iter().enumerate() {
            let was = if is_paired { before.get(at) } else { rest.remove(record.name.as_str()) };
            if is_at_rest(record) {
                match was.filter(|was| is_at_rest(was)) {
                    None => upkeep.new.push(record),
                    Some(was) if was != record => upkeep.changed.push(record),
                    Some(_) => {}
                }
            } else if record.status == Status::Running && was.is_none_or(|was| was.status != Status::Running) {
                upkeep.up.push(&record.name);
            }
        }
        upkeep.gone = rest.into_keys().collect();
        upkeep
    }

    /// What is to be done before the state is written. A copy that cannot be written keeps nobody from anything: the state has the
    /// record, and the next sweep tries again.
    pub(super) fn before_write(&self, root: &Root) {
        for record in self.new.iter().chain(&self.changed) {
            if let Err(error) = keep(root, record) {
                log::warn!("service `{}` has no copy of its record: {error}", record.name);
            }
        }
        self.gone.iter().for_each(|name| forget(root, name));
    }

    /// Takes back what would stand in no record: the state could not be written.
    pub(super) fn take_back(&self, root: &Root) {
        self.new.iter().for_each(|record| forget(root, &record.name));
    }

    /// What is to be done once the state is written.
    pub(super) fn after_write(&self, root: &Root) {
        self.up.iter().for_each(|name| forget(root, name));
    }
}

fn forget(root: &Root, name: &str) {
    if let Err(error) = forget_at_rest(root, name) {
        log::warn!("the copy of the record of `{name}` is left: {error}");
    }
}

/// Writes the copies that `records` lack; called under the lock.
pub(super) fn make_up(root: &Root, records: &[Record]) -> Result<(), Error> {
    lacking(root, records).into_iter().try_for_each(|record| keep(root, record))
}

/// The names of which there is a copy.
pub(super) fn names(root: &Root) -> Result<Vec<String>, Error> {
    Ok(evidence::observe_left(root, |_| evidence::Known::None)?.at_rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::files::{Durability, read_bounded, write_atomic};
    use crate::state::record_from_json;
    use serde_json::json;

    fn record(name: &str, status: Status) -> Record {
        let check = json!({"type": "command", "cmd": "true", "expect_regex": ""});
        record_from_json(json!({"name": name, "cmd": "sh", "status": status.word(), "healthcheck": check})).unwrap()
    }

    fn root() -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::at(dir.path());
        (dir, root)
    }

    /// Every status before (or none) × every status after (or none): whether there is a copy then, if there was one of who was at
    /// rest.
    #[test]
    fn who_is_at_rest_has_a_copy_and_who_runs_or_is_gone_has_none() {
        let all = || Status::ALL.into_iter().map(Some).chain([None]);
        for (was, is) in all().flat_map(|was| all().map(move |is| (was, is))) {
            let (_dir, root) = root();
            let records = |status: Option<Status>| -> Vec<Record> {
                // Another one, so that places move.
                let web = status.map(|status| record("web", status));
                web.into_iter().chain([record("other", Status::Running)]).collect()
            };
            let (before, after) = (records(was), records(is));
            Upkeep::between(&[], &before).before_write(&root);
            let upkeep = Upkeep::between(&before, &after);
            upkeep.before_write(&root);
            let is_resting =
                |status: Option<Status>| matches!(status, Some(Status::Backoff | Status::Stopped | Status::Failed));
            // Somebody is about to start or to end it: until that is done, it is as it was.
            let is_under_way = matches!(is, Some(Status::Queued | Status::Starting | Status::Stopping));
            let before_write = is_resting(is) || (is_under_way || is == Some(Status::Running)) && is_resting(was);
            assert_eq!(root.at_rest("web").exists(), before_write, "{was:?} {is:?}");
            upkeep.after_write(&root);
            let expected = is_resting(is) || is_under_way && is_resting(was);
            assert_eq!(root.at_rest("web").exists(), expected, "{was:?} {is:?}");
            assert_eq!(root.run().join("web").exists(), expected, "no empty folder is left: {was:?} {is:?}");
            if is_resting(is) {
                assert_eq!(read_at_rest(&root, "web").unwrap().as_ref(), after.first());
            }
        }
    }

    #[test]
    fn change_that_could_not_be_written_leaves_no_copy_of_who_is_in_no_record() {
        let (_dir, root) = root();
        let (stopped, failed) = ([record("web", Status::Stopped)], [record("web", Status::Failed)]);
        let first = Upkeep::between(&[], &stopped);
        first.before_write(&root);
        first.take_back(&root);
        assert!(!root.run().join("web").exists());
        first.before_write(&root);
        let second = Upkeep::between(&stopped, &failed);
        second.before_write(&root);
        second.take_back(&root);
        assert!(read_at_rest(&root, "web").unwrap().is_some(), "its record is there");
    }

    #[test]
    fn who_lacks_a_copy_and_whose_copy_is_in_no_record_are_found() {
        let (_dir, root) = root();
        let records = [record("a", Status::Stopped), record("b", Status::Running), record("c", Status::Backoff)];
        let names = |records: Vec<&Record>| records.iter().map(|one| one.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(lacking(&root, &records)), ["a", "c"]);
        make_up(&root, &records).unwrap();
        assert_eq!(names(lacking(&root, &records)), Vec::<String>::new());
        let known = |name: &str| if name == "c" { evidence::Known::One } else { evidence::Known::None };
        assert_eq!(evidence::observe_left(&root, known).unwrap().at_rest, ["a"]);
        let dir = root.run().join("a");
        write_atomic(&dir.join(".tmp-of-the-dead"), b"{", Durability::Cached).unwrap();
        forget_at_rest(&root, "a").unwrap();
        assert!(!dir.exists(), "nothing is left of it");
        forget_at_rest(&root, "a").unwrap();
        assert_eq!(super::names(&root).unwrap(), ["c"]);
    }

    #[test]
    fn copy_that_makes_no_sense_is_said_and_is_nobody() {
        for text in
            ["", "{", "{\"version\": 99, \"record\": {}}", "{\"version\": 1, \"record\": {\"name\": \"other\"}}"]
        {
            let (_dir, root) = root();
            keep(&root, &record("web", Status::Stopped)).unwrap();
            write_atomic(&root.at_rest("web"), text.as_bytes(), Durability::Cached).unwrap();
            assert!(read_at_rest(&root, "web").is_err(), "{text}");
        }
        let (_dir, root) = root();
        keep(&root, &record("web", Status::Stopped)).unwrap();
        let text = read_bounded(&root.at_rest("web"), BYTES_MAX).unwrap();
        std::fs::create_dir_all(root.run().join("other")).unwrap();
        write_atomic(&root.at_rest("other"), &text, Durability::Cached).unwrap();
        let error = read_at_rest(&root, "other").unwrap_err();
        assert!(
            std::error::Error::source(&error).is_some_and(|why| why.to_string().contains("another record")),
            "{error}"
        );
    }
}
