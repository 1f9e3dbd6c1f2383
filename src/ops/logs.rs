//! `logs`: what a service wrote, from the end of its log backwards, and whatever it writes from then on.

use std::io;
use std::path::{Path, PathBuf};

use crate::base::error::{Error, Kind, Result};
use crate::logs;
use crate::service::is_kebab_case;
use crate::state::{Reading, SetAside};

use super::context::Context;
use super::find;

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
/// its log, which still counts; with neither it is `no-such-service` (exit 6). A log that was never rotated has no previous
/// one: `no-previous-log` (exit 6).
pub fn locate(context: &Context, name: &str, which: Which) -> Result<Place> {
    let Reading { document, set_aside } = context.store().read_or_recover("logs")?;
    let record = document.find(name);
    let (log, previous) = match record {
        Some(record) if !record.log_path.is_empty() => {
            let log = PathBuf::from(&record.log_path);
            let previous = logs::previous_of(&log);
            (log, previous)
        }
        // Only a kebab-case name is safe as part of a path.
        None if !is_kebab_case(name) => return Err(find::no_such_service(&document, name)),
        Some(_) | None => (context.root.log(name), context.root.log_previous(name)),
    };
    if record.is_none() && !log.is_file() && !previous.is_file() {
        return Err(find::no_such_service(&document, name));
    }
    let path = match which {
        Which::Current => log,
        Which::Previous if previous.is_file() => previous,
        Which::Previous => {
            let message = format!("`{name}` has no log from before a rotation");
            return Err(Error::new(Kind::NotFound, "no-previous-log", message)
                .with_hint(format!("its log: minions managed logs {name}")));
        }
    };
    Ok(Place { path, is_recorded: record.is_some(), set_aside })
}

/// A log being read; see [`logs::Follower`].
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    inner: logs::Follower,
}

impl Follower {
    /// Starts at the last `count` lines of the log at `path`, which need not be there yet.
    pub fn new(path: &Path, count: usize) -> Result<Self> {
        let inner = logs::Follower::open(path, count).map_err(|error| unreadable(path, error))?;
        Ok(Self { path: path.to_owned(), inner })
    }

    /// Whether there is a log.
    pub fn is_there(&self) -> bool {
        self.inner.is_there()
    }

    /// The next bytes, at most a block; empty at the end as it was at the last look.
    pub fn next_bytes(&mut self) -> Result<Vec<u8>> {
        self.inner.next_bytes().map_err(|error| unreadable(&self.path, error))
    }

    /// Looks whether more has come.
    pub fn look_again(&mut self) -> Result<()> {
        self.inner.look_again().map_err(|error| unreadable(&self.path, error))
    }

    /// How many bytes went unread, because two rotations came between two looks.
    pub fn take_lost(&mut self) -> u64 {
        self.inner.take_lost()
    }
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    Error::io(format!("cannot read the log `{}`", path.display()), error)
}
