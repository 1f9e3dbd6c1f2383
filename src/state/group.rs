//! Group commit: changes that several threads of one command make at the same time are written, and synced, together.
//!
//! Whoever comes while a write is under way waits for it and then belongs to the next batch: the first takes the lock and reads,
//! each makes its own edit in turn, and the last writes for all. A thread alone does what `Store::change` does.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::base::error::{Error as Failure, Kind};

use super::Document;
use super::store::{Exclusive, Reading, SetAside, Store};

/// Writes the state for the threads of one command.
#[derive(Debug)]
pub struct GroupCommit {
    store: Store,
    turns: Mutex<Turns>,
    changed: Condvar,
}

/// Where the batches stand. Batches are numbered; one is open at a time, and the one before it may still be written.
#[derive(Debug, Default)]
struct Turns {
    /// The batch that whoever comes now belongs to.
    batch: u64,
    /// How many belong to it, and how many of them have made their edits.
    members: usize,
    edited: usize,
    /// The lock and the state, from the batch's first edit to its write.
    open: Option<Exclusive>,
    /// The batch is being opened, or the one before it written, without this lock being held.
    is_busy: bool,
    /// A thread panicked in the middle of its turn.
    is_broken: bool,
    /// So many batches, from the first on, are written or have failed.
    decided: u64,
    failed: Vec<(u64, Failure)>,
    set_aside: Option<SetAside>,
}

impl GroupCommit {
    /// Writes through `store`.
    pub fn new(store: Store) -> Self {
        Self { store, turns: Mutex::default(), changed: Condvar::new() }
    }

    /// Reads the state as `Store::read_or_recover` does.
    pub fn read_or_recover(&self, verb: &str) -> Result<Document, Failure> {
        let Reading { document, set_aside } = self.store.read_or_recover(verb)?;
        if set_aside.is_some() {
            self.lock()?.note(set_aside);
        }
        Ok(document)
    }

    /// What had to be put aside by any of the reads and writes; the command must say it (exit 9).
    pub fn set_aside(&self) -> Option<SetAside> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner).set_aside.clone()
    }

    /// Applies `edit` to the state as it is when its turn comes, after the edits of those who came before, and returns once
    /// that is written. Nothing slow may happen in `edit`. An error means that no edit of this write was written; all who
    /// took part get it. Only after `panic`, of another thread, it may have been.
    pub fn change<T>(&self, verb: &str, edit: impl FnOnce(&mut Document) -> T) -> Result<T, Failure> {
        let _guard = PanicGuard(self);
        let mut turns = self.lock()?;
        let mine = turns.batch;
        turns.members += 1;
        turns = self.wait_while(turns, |turns| turns.is_busy && turns.batch == mine)?;
        if turns.batch == mine && turns.open.is_none() {
            turns = self.open(turns, verb)?;
        }
        let is_open = turns.batch == mine;
        let Some(open) = turns.open.as_mut().filter(|_| is_open) else {
            return Err(turns.outcome(mine).err().unwrap_or_else(panicked));
        };
        let value = edit(open.document());
        turns.edited += 1;
        let turns = if turns.edited < turns.members {
            self.wait_while(turns, |turns| turns.decided <= mine)?
        } else {
            self.write(turns)?
        };
        turns.outcome(mine).map(|()| value)
    }

    /// Opens the batch, while others come to it. One that cannot be opened has failed for all who came.
    fn open<'a>(&'a self, mut turns: MutexGuard<'a, Turns>, verb: &str) -> Result<MutexGuard<'a, Turns>, Failure> {
        turns.is_busy = true;
        drop(turns);
        let opened = self.store.exclusive(verb);
        let mut turns = self.lock()?;
        turns.is_busy = false;
        match opened {
            Ok(opened) => turns.open = Some(opened),
            Err(error) => {
                turns.next();
                turns.decide(Err(error.into()));
            }
        }
        self.changed.notify_all();
        Ok(turns)
    }

    /// Writes the batch, to which nobody can come any more.
    fn write<'a>(&'a self, mut turns: MutexGuard<'a, Turns>) -> Result<MutexGuard<'a, Turns>, Failure> {
        let open = turns.open.take();
        turns.next();
        turns.is_busy = true;
        drop(turns);
        let written = open.map(|open| open.commit(())).transpose();
        let mut turns = self.lock()?;
        turns.is_busy = false;
        let set_aside = written.map(|changed| changed.and_then(|changed| changed.set_aside));
        turns.decide(set_aside.map_err(Failure::from));
        self.changed.notify_all();
        Ok(turns)
    }

    fn lock(&self) -> Result<MutexGuard<'_, Turns>, Failure> {
        self.turns.lock().map_err(|_| panicked())
    }

    fn wait_while<'a>(
        &self,
        turns: MutexGuard<'a, Turns>,
        is_so: impl Fn(&Turns) -> bool,
    ) -> Result<MutexGuard<'a, Turns>, Failure> {
        let turns = self.changed.wait_while(turns, |turns| !turns.is_broken && is_so(turns)).map_err(|_| panicked())?;
        if turns.is_broken { Err(panicked()) } else { Ok(turns) }
    }
}

impl Turns {
    /// Whoever comes now belongs to another batch.
    fn next(&mut self) {
        self.batch += 1;
        (self.members, self.edited) = (0, 0);
    }

    /// Notes how the oldest batch that was not decided ended.
    fn decide(&mut self, ended: Result<Option<SetAside>, Failure>) {
        match ended {
            Ok(set_aside) => self.note(set_aside),
            Err(failure) => self.failed.push((self.decided, failure)),
        }
        self.decided += 1;
    }

    fn note(&mut self, set_aside: Option<SetAside>) {
        self.set_aside = self.set_aside.take().or(set_aside);
    }

    /// How a batch that is decided ended.
    fn outcome(&self, batch: u64) -> Result<(), Failure> {
        let failed = self.failed.iter().find(|(number, _)| *number == batch);
        failed.map_or(Ok(()), |(_, failure)| Err(twin(failure)))
    }
}

/// The same failure for another thread, its causes as part of the sentence.
fn twin(failure: &Failure) -> Failure {
    let twin = Failure::new(failure.kind, failure.code, failure.chain());
    Failure { hint: failure.hint.clone(), ..twin }
}

fn panicked() -> Failure {
    Failure::new(Kind::Unforeseen, "panic", "another thread of this command panicked while it changed the state")
}

/// Whoever waits for a thread that panics is woken and told.
struct PanicGuard<'a>(&'a GroupCommit);

impl Drop for PanicGuard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.turns.lock().unwrap_or_else(PoisonError::into_inner).is_broken = true;
            self.0.changed.notify_all();
        }
    }
}
