//! The leases at sidecars, in one file: who decides which agent's sidecar, as which run; and which runs wait blocked for the next
//! try. Changed under a lock of its own, which is held for as long as one small file takes to be read and written, and never
//! together with the state's.
//!
//! `{"version":1,"leases":[{"agent":"ripley","run_id":"run-…","key":null,"status":"claimed","holder":{"pid":4711,"start_ticks":99,
//! "boot_id":"…","pid_namespace":4026531836},"since":1795172866000,"expires_at":1795172986000}]}`; of a blocked one `holder` and `expires_at` are null.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use crate::base::clock::EpochMs;
use crate::base::error::{Error, Result};
use crate::base::files::{self, Durability};
use crate::base::json::PlainObject;
use crate::base::lock::FileLock;
use crate::base::root::Root;
use crate::lifecycle::lease::Lease;
use crate::lifecycle::runs::RunStatus;
use crate::service::{identity_from_json, identity_json};

use super::run::is_id;

/// The format of the file.
const VERSION: u64 = 1;
/// Some two hundred bytes per agent whose sidecar is being decided or blocked: far below this.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// What stands at one agent's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Whose sidecar.
    pub agent: String,
    /// The run that decides it, or is to be taken up again.
    pub run_id: String,
    /// The idempotency key under which it is decided.
    pub key: Option<String>,
    /// Since when it stands so.
    pub since: EpochMs,
    /// Who decides it, until when; `None`: nobody, the run is blocked.
    pub lease: Option<Lease>,
}

impl Entry {
    /// Where its run stands, as far as this file knows.
    pub const fn status(&self) -> RunStatus {
        match self.lease {
            Some(_) => RunStatus::Claimed,
            None => RunStatus::Blocked,
        }
    }
}

/// The file of leases of one root, for the threads of one command.
#[derive(Debug)]
pub struct Leases {
    path: PathBuf,
    lock: PathBuf,
    timeout: Duration,
    /// Threads of one command wait for each other here, and not by polling the lock.
    gate: Mutex<()>,
}

impl Leases {
    /// The leases of `root`; changes wait at most `timeout` for the lock.
    pub fn new(root: &Root, timeout: Duration) -> Self {
        Self { path: root.queue(), lock: root.queue_lock(), timeout, gate: Mutex::new(()) }
    }

    /// All entries, without the lock. What makes no sense is as good as none: nobody could say whose it is.
    pub fn read(&self) -> Result<Vec<Entry>> {
        let bytes = match files::read_bounded(&self.path, FILE_BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::io(format!("cannot read the leases `{}`", self.path.display()), error)),
        };
        Ok(parse(&bytes).unwrap_or_else(|| {
            log::warn!("`{}` holds no leases", self.path.display());
            Vec::new()
        }))
    }

    /// The entry of `agent`, without the lock.
    pub fn find(&self, agent: &str) -> Result<Option<Entry>> {
        Ok(self.read()?.into_iter().find(|entry| entry.agent == agent))
    }

    /// Takes the lock, lets `edit` change the entries, and writes them if that changed any. An error of `edit` writes nothing.
    /// `verb` names the command to whoever waits for the lock. Nothing slow may happen in `edit`.
    pub fn change<T>(&self, verb: &str, edit: impl FnOnce(&mut Vec<Entry>) -> Result<T>) -> Result<T> {
        let _gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        let lock = FileLock::acquire(&self.lock, self.timeout, verb)?;
        let before = self.read()?;
        let mut entries = before.clone();
        let value = edit(&mut entries)?;
        if entries != before {
            lock.check()?;
            let items: Vec<Value> = entries.iter().map(entry_json).collect();
            let text = format!("{}\n", json!({ "version": VERSION, "leases": items }));
            // It is about processes, which end with the boot.
            files::write_atomic(&self.path, text.as_bytes(), Durability::Cached)
                .map_err(|error| Error::io(format!("cannot write the leases `{}`", self.path.display()), error))?;
        }
        Ok(value)
    }
}

fn entry_json(entry: &Entry) -> Value {
    json!({
        "agent": entry.agent,
        "run_id": entry.run_id,
        "key": entry.key,
        "status": entry.status().word(),
        "holder": entry.lease.as_ref().map(|lease| identity_json(&lease.holder)),
        "since": entry.since.0,
        "expires_at": entry.lease.as_ref().map(|lease| lease.expires_at.0),
    })
}

fn parse(bytes: &[u8]) -> Option<Vec<Entry>> {
    let PlainObject(object) = serde_json::from_slice(bytes).ok()?;
    object.get("leases")?.as_array()?.iter().map(entry_of).collect()
}

fn entry_of(value: &Value) -> Option<Entry> {
    let text = |key: &str| value[key].as_str().map(str::to_owned);
    let time = |key: &str| value[key].as_i64().map(EpochMs);
    let since = time("since")?;
    let holder = &value["holder"];
    let lease = if holder.is_null() {
        None
    } else {
        let holder = identity_from_json(holder.as_object()?)?;
        Some(Lease { holder, since, expires_at: time("expires_at")? })
    };
    let run_id = text("run_id").filter(|id| is_id(id))?;
    Some(Entry { agent: text("agent")?, run_id, key: text("key"), since, lease })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::error::Kind;
    use crate::service::Identity;

    fn entry(agent: &str, is_blocked: bool) -> Entry {
        let holder = Identity { pid: 7, start_ticks: 9, boot_id: "b".into(), pid_namespace: Some(3) };
        let lease = Lease { holder, since: EpochMs(1), expires_at: EpochMs(5) };
        Entry {
            agent: agent.into(),
            run_id: crate::base::ids::new_run_id(EpochMs(1)),
            key: Some("k\"".into()),
            since: EpochMs(1),
            lease: (!is_blocked).then_some(lease),
        }
    }

    #[test]
    fn entries_are_read_back_and_a_failed_edit_writes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let leases = Leases::new(&Root::at(dir.path()), Duration::from_secs(10));
        assert_eq!(leases.read().unwrap(), []);
        let both = [entry("ripley", false), entry("dallas", true)];
        leases
            .change("accept", |entries| {
                entries.extend(both.clone());
                Ok(())
            })
            .unwrap();
        assert_eq!(leases.read().unwrap(), both);
        assert_eq!(leases.find("dallas").unwrap().unwrap().status(), RunStatus::Blocked);
        let refused = leases.change("accept", |entries| {
            entries.clear();
            Err::<(), _>(Error::new(Kind::Conflict, "no", "no"))
        });
        assert_eq!((refused.unwrap_err().code, leases.read().unwrap().len()), ("no", 2));
    }

    #[test]
    fn what_makes_no_sense_is_as_good_as_none() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::at(dir.path());
        let leases = Leases::new(&root, Duration::from_secs(10));
        files::create_dir(&root.engine()).unwrap();
        for text in ["", "{", "{\"leases\":[{}]}", "{\"leases\":[{\"agent\":\"a\",\"run_id\":\"../x\",\"since\":1}]}"] {
            files::write_atomic(&root.queue(), text.as_bytes(), Durability::Cached).unwrap();
            assert_eq!(leases.read().unwrap(), [], "{text}");
        }
    }
}
