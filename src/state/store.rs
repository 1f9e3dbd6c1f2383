//! The state file: read by anyone at any time, written whole by whoever has the lock. Impure: moves a bad file aside.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::base::clock::EpochMs;
use crate::base::error::{Error as Failure, Kind};
use crate::base::files::{self, Durability};
use crate::base::lock::FileLock;
use crate::base::root::Root;
use crate::base::steps::{Step, reached};
use crate::service::{Draft, EventType, Identity, Liveness};

use super::at_rest::{self, Upkeep};
use super::carried::Journal;
use super::rebuild::rebuild;
use super::wire::{Unparsed, document_from_bytes, document_to_bytes, malformed_to_bytes};
use super::{Document, Error, Malformed, OwnText, VERSION};

/// The longest state file: some 45,000 records of usual size. Neither read nor written beyond, so that a runaway file
/// cannot eat the memory of every command.
pub const STATE_BYTES_MAX: u64 = 64 << 20;

/// A temporary file that nobody has touched for so long is a killed writer's: a living one takes milliseconds.
const LITTER_AGE: Duration = Duration::from_secs(600);

/// How many files may be set aside within one millisecond before we call it an error.
const ASIDE_TRIES: u32 = 1000;

/// Access to the state file of one root.
#[derive(Clone, Debug)]
pub struct Store {
    root: Root,
    lock_timeout: Duration,
    liveness: fn(&Identity) -> Liveness,
    journal: Option<Arc<dyn Journal>>,
}

/// What a change did.
#[derive(Debug)]
pub struct Changed<T> {
    /// What the edit returned.
    pub value: T,
    /// The state as it was when the lock was had.
    pub before: Document,
    /// The state as it is now.
    pub after: Document,
    /// Whether anything was written.
    pub written: bool,
    /// What had to be put aside; the command goes on and must say it (exit 9).
    pub set_aside: Option<SetAside>,
}

/// The state, and what reading it has set aside.
#[derive(Debug)]
pub struct Reading {
    /// The state.
    pub document: Document,
    /// What had to be put aside; the command goes on and must say it (exit 9).
    pub set_aside: Option<SetAside>,
}

/// Something unreadable that was moved out of the way. Nothing is lost: it stands at `path`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// Where it stands now.
    pub path: PathBuf,
    /// What was wrong with it.
    pub why: String,
    /// What it was.
    pub what: AsideKind,
}

/// What was set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsideKind {
    /// The whole file; so many records were rebuilt from what the shims know.
    File {
        /// Records in the rebuilt state.
        rebuilt: usize,
    },
    /// So many entries that are no records.
    Entries(usize),
}

impl Reading {
    /// What the command must say beside its result (exit 9): what was set aside, or what is malformed and still there.
    pub fn notice(&self) -> Option<Failure> {
        let malformed = &self.document.malformed;
        match (&self.set_aside, malformed.first()) {
            (Some(set_aside), _) => Some(set_aside.to_error()),
            (None, None) => None,
            (None, Some(first)) => Some(
                Failure::new(
                    Kind::StateSetAside,
                    "state-malformed",
                    format!(
                        "{} of the state file's records are malformed ({}: {})",
                        malformed.len(),
                        first.pointer,
                        first.why
                    ),
                )
                .with_hint("the others go on; `minions managed doctor` tells why these could not be set aside"),
            ),
        }
    }
}

impl SetAside {
    /// The same as an event.
    fn to_draft(&self) -> Draft {
        let (what, count) = match self.what {
            AsideKind::File { rebuilt } => ("file", rebuilt),
            AsideKind::Entries(count) => ("records", count),
        };
        Draft::new(EventType::StateSetAside, EpochMs::now())
            .with("what", what)
            .with("count", count)
            .with("path", self.path.display().to_string())
            .with("why", self.why.as_str())
    }

    /// The same as an error (exit 9), for a door to show.
    pub fn to_error(&self) -> Failure {
        let path = self.path.display();
        let message = match self.what {
            AsideKind::File { rebuilt } => format!(
                "the state file was unreadable ({}) and has been set aside as `{path}`; {rebuilt} services were rebuilt \
                 from what their shims know",
                self.why
            ),
            AsideKind::Entries(count) => {
                format!("{count} malformed records were set aside as `{path}` ({}); the others go on", self.why)
            }
        };
        Failure::new(Kind::StateSetAside, "state-set-aside", message)
            .with_hint("look at `minions managed list`, then at the file that was set aside")
    }
}

impl Store {
    /// The store of `root`. Changes wait at most `lock_timeout` for the lock.
    pub fn new(root: &Root, lock_timeout: Duration) -> Self {
        Self { root: root.clone(), lock_timeout, liveness: |_| Liveness::Unknown, journal: None }
    }

    /// The same store, which asks `liveness` whether a process lives when it must rebuild the state. Without it nobody
    /// is proven dead, so that every generation without an exit comes back.
    #[must_use]
    pub fn judging_by(self, liveness: fn(&Identity) -> Liveness) -> Self {
        Self { liveness, ..self }
    }

    /// The same store, whose changes are told to `journal`. Without one nothing is told, and what is carried stays.
    #[must_use]
    pub fn telling(self, journal: Arc<dyn Journal>) -> Self {
        Self { journal: Some(journal), ..self }
    }

    /// Reads the state without the lock; a missing file is an empty document of revision 0. The file is not touched,
    /// whatever is wrong with it. Malformed entries are in `Document::malformed`.
    pub fn read(&self) -> Result<Document, Error> {
        let path = self.root.state();
        let bytes = match files::read_bounded(&path, STATE_BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Document::default()),
            Err(source) => return Err(Error::io(format!("cannot read the state file `{}`", path.display()), source)),
        };
        if bytes.len() as u64 > STATE_BYTES_MAX {
            return Err(Error::Unreadable { path, why: format!("it is longer than {STATE_BYTES_MAX} bytes") });
        }
        document_from_bytes(&bytes).map_err(|Unparsed { why, version }| match version {
            Some(found) if found > VERSION => Error::Newer { path, found, why: Some(why) },
            Some(_) | None => Error::Unreadable { path, why },
        })
    }

    /// The text of the state file, if it is just as this program wrote it. `None` says nothing but that it must be read
    /// by [`read`](Self::read).
    pub fn read_own_text(&self) -> Option<OwnText> {
        OwnText::new(files::read_bounded(&self.root.state(), STATE_BYTES_MAX).ok()?)
    }

    /// Reads the state; if something in it is unreadable, takes the lock and sets that aside. If that cannot be done, what
    /// can be read is still returned, and nothing is touched: see `Reading::notice`.
    pub fn read_or_recover(&self, verb: &str) -> Result<Reading, Error> {
        let (readable, unreadable) = match self.read() {
            Ok(document) if document.malformed.is_empty() || !document.is_writable() => {
                return Ok(Reading { document, set_aside: None });
            }
            Ok(document) => (Some(document), None),
            Err(error @ Error::Unreadable { .. }) => (None, Some(error)),
            Err(error) => return Err(error),
        };
        match (self.change(verb, |_| ()), readable, unreadable) {
            (Ok(changed), _, _) => Ok(Reading { document: changed.after, set_aside: changed.set_aside }),
            (Err(_), Some(document), _) => Ok(Reading { document, set_aside: None }),
            (Err(_), None, Some(unreadable)) => Err(unreadable),
            (Err(error), None, None) => Err(error),
        }
    }

    /// Takes the lock, reads afresh, applies `edit`, and writes if that changed anything. `verb` names the command to
    /// whoever waits for the lock. Nothing slow may happen in `edit`.
    pub fn change<T>(&self, verb: &str, edit: impl FnOnce(&mut Document) -> T) -> Result<Changed<T>, Error> {
        let mut exclusive = self.exclusive(verb)?;
        let value = edit(&mut exclusive.document);
        exclusive.commit(value)
    }

    /// Takes the lock and reads afresh. An unreadable file is set aside and rebuilt here; a newer one is refused.
    pub fn exclusive(&self, verb: &str) -> Result<Exclusive, Error> {
        let lock = FileLock::acquire(&self.root.lock(), self.lock_timeout, verb)
            .and_then(|lock| lock.with_folder(self.lock_timeout))
            .map_err(Error::Lock)?;
        reached(Step::StateLocked);
        let path = self.root.state();
        let (mut document, set_aside) = match self.read() {
            Ok(document) if !document.is_writable() => {
                return Err(Error::Newer { path, found: document.version, why: None });
            }
            Ok(document) => (document, None),
            Err(Error::Unreadable { path, why }) => {
                let (document, set_aside) = self.replace_unreadable(&path, why)?;
                (document, Some(set_aside))
            }
            Err(error) => return Err(error),
        };
        let before = document.clone();
        let told = set_aside.as_ref().filter(|_| self.journal.is_some()).map(SetAside::to_draft);
        document.carried.drafts.extend(told);
        let (root, journal) = (self.root.clone(), self.journal.clone());
        Ok(Exclusive { lock, root, path, before, document, set_aside, journal })
    }

    /// Writes the copies that records at rest lack (`at_rest.rs`): of a predecessor's state file, say.
    pub fn make_up_copies(&self, verb: &str) -> Result<(), Error> {
        let exclusive = self.exclusive(verb)?;
        at_rest::make_up(&self.root, &exclusive.before().records)
    }

    /// Gives the bad file a second name and then replaces it in one step, so that at no moment the state is missing: a
    /// missing file would mean that nothing lives.
    fn replace_unreadable(&self, path: &Path, why: String) -> Result<(Document, SetAside), Error> {
        let mut document = rebuild(&self.root, self.liveness)?;
        // Whoever remembers a revision of the lost file must not take one of ours for it: the time in milliseconds is
        // larger than any count of writes.
        document.revision = u64::try_from(EpochMs::now().0).unwrap_or(1);
        log::warn!("the state file is unreadable ({why}) and is set aside; {} records rebuilt", document.records.len());
        let aside = free_name(path, "corrupt", "", |aside| files::keep_as(path, aside))?;
        if let Err(error) = write(path, &document) {
            // The bad file is still in its place: a second name for it at every try would only be litter.
            drop(files::remove(&aside));
            return Err(error);
        }
        let what = AsideKind::File { rebuilt: document.records.len() };
        Ok((document, SetAside { path: aside, why, what }))
    }
}

/// The lock, and the state that it guards: the only way to write. Dropping it without `commit` writes nothing.
#[derive(Debug)]
pub struct Exclusive {
    lock: FileLock,
    root: Root,
    path: PathBuf,
    before: Document,
    document: Document,
    set_aside: Option<SetAside>,
    journal: Option<Arc<dyn Journal>>,
}

impl Exclusive {
    /// The state when the lock was had.
    pub fn before(&self) -> &Document {
        &self.before
    }

    /// The state as it is to be written.
    pub fn document(&mut self) -> &mut Document {
        &mut self.document
    }

    /// Writes the state, if it is not as it was, with the next revision, and lets the lock go. Malformed entries are
    /// put into a file of their own first. On failure the old file is as it was.
    pub fn commit<T>(mut self, value: T) -> Result<Changed<T>, Error> {
        let malformed = std::mem::take(&mut self.document.malformed);
        if !malformed.is_empty() {
            let aside = set_entries_aside(&self.path, &malformed)?;
            self.document.tell(aside.to_draft());
            self.set_aside = Some(aside);
        }
        let written = self.document != self.before;
        if written {
            if let Some(why) = self.document.fault() {
                return Err(Error::Refused { why });
            }
            // Without the lock the old file would be replaced by what was made of it before somebody else's change.
            self.lock.check().map_err(Error::Lock)?;
            self.document.version = VERSION;
            self.document.revision = self.before.revision.saturating_add(1);
            self.write()?;
            log::debug!("revision {} is written: {} records", self.document.revision, self.document.records.len());
        }
        Ok(Changed { value, before: self.before, after: self.document, written, set_aside: self.set_aside })
    }

    /// Writes the state with the events that the change means, and then appends them to the journal.
    fn write(&mut self) -> Result<(), Error> {
        let Document { records, carried, .. } = &mut self.document;
        let lacking = self.journal.as_deref().map(|journal| carried.number(journal, &self.before.records, records));
        // Without a journal nobody hears it.
        carried.drafts.clear();
        carried.exits.clear();
        let copies = Upkeep::between(&self.before.records, &self.document.records);
        copies.before_write(&self.root);
        // Once more: all that takes time has been done by now.
        let held = self.lock.check().map_err(Error::Lock);
        held.and_then(|()| write(&self.path, &self.document)).inspect_err(|_| copies.take_back(&self.root))?;
        copies.after_write(&self.root);
        if let (Some(journal), Some(lacking)) = (self.journal.as_deref(), lacking.filter(|lacking| *lacking > 0)) {
            reached(Step::JournalCarried);
            self.document.carried.append(journal, lacking);
        }
        Ok(())
    }
}

fn write(path: &Path, document: &Document) -> Result<(), Error> {
    let bytes = document_to_bytes(document);
    if bytes.len() as u64 > STATE_BYTES_MAX {
        return Err(Error::Refused { why: format!("it would be longer than {STATE_BYTES_MAX} bytes") });
    }
    files::write_atomic(path, &bytes, Durability::Synced)
        .map_err(|source| Error::io(format!("cannot write the state file `{}`", path.display()), source))?;
    if let Some(dir) = path.parent() {
        // What killed writers left is only litter; failing to sweep it out must not fail the change.
        drop(files::remove_stale_temporaries(dir, LITTER_AGE));
    }
    Ok(())
}

fn set_entries_aside(path: &Path, malformed: &[Malformed]) -> Result<SetAside, Error> {
    let bytes = malformed_to_bytes(malformed);
    let aside = free_name(path, "malformed", ".json", |aside| {
        if aside.try_exists()? {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        // Nobody else makes such names while we hold the lock.
        files::write_atomic(aside, &bytes, Durability::Synced)
    })?;
    let why = malformed.iter().map(|entry| format!("{}: {}", entry.pointer, entry.why)).collect::<Vec<_>>().join("; ");
    Ok(SetAside { path: aside, why, what: AsideKind::Entries(malformed.len()) })
}

/// Makes a file `<path>.<word>-<milliseconds><end>` by `make`, under a name that is not taken.
fn free_name(path: &Path, word: &str, end: &str, make: impl Fn(&Path) -> io::Result<()>) -> Result<PathBuf, Error> {
    let now = EpochMs::now().0;
    for attempt in 0..ASIDE_TRIES {
        let more = if attempt == 0 { String::new() } else { format!("-{attempt}") };
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{word}-{now}{more}{end}"));
        let aside = PathBuf::from(name);
        match make(&aside) {
            Ok(()) => return Ok(aside),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(Error::io(format!("cannot set aside as `{}`", aside.display()), source)),
        }
    }
    Err(Error::io(format!("cannot set `{}` aside", path.display()), io::ErrorKind::AlreadyExists.into()))
}
