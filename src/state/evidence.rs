//! What the shims left in `engine/managed-run/<name>/<generation>/`: orders, identities, exit. Impure: lists folders.
//!
//! Written by the page cache's grace only (`Durability::Cached`): all of it is about processes, which end with the boot.

use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::base::clock::EpochMs;
use crate::base::files::{self, Durability};
use crate::base::ids::Generation;
use crate::base::json::from_slice_to_depth;
use crate::base::lock::Lifeline;
use crate::base::root::{BARRED, Root};
use crate::service::{EnvVars, ExitRecord, Identity, Progress, Record, RestartPolicy, StopSignal, is_kebab_case};

use super::wire::{
    ExitFile, LaunchFile, LaunchOrders, LaunchRecord, RecordJson, ServiceFile, ShimFile, record_from_json,
};
use super::{DEPTH_MAX, Error};

/// A launch file holds one record (a sidecar of at most 1 MiB holds its spec) and one environment.
const LAUNCH_BYTES_MAX: u64 = 4 << 20;
/// The other files are one line; that of an end holds the moments of all starts that count (`max_restarts`).
const SMALL_BYTES_MAX: u64 = 64 << 10;

/// What a shim is to do: `launch.json` without the record in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Launch {
    /// The record's name.
    pub name: String,
    /// The first life that the shim starts; those after it are its kin.
    pub generation: Generation,
    /// The program, resolved.
    pub program: String,
    /// Its arguments, without the program itself.
    pub args: Vec<String>,
    /// Working folder; empty: the shim's own.
    pub cwd: String,
    /// The whole environment of the service.
    pub env: EnvVars,
    /// The file that takes its stdout and stderr.
    pub log_path: String,
    /// When it must end; `None`: never.
    pub ttl_expires_at: Option<EpochMs>,
    /// Milliseconds between the signal that asks it to end and SIGKILL.
    pub grace_ms: u64,
    /// The signal that asks it to end.
    pub stop_signal: StopSignal,
    /// When the shim starts it anew by itself; `None`: never.
    pub restart: Option<RestartPolicy>,
    /// What that is decided by. The file holds only the history of failures and starts; the rest comes back as if
    /// nothing had happened.
    pub progress: Progress,
}

/// A service that was spawned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    /// Who it is.
    pub service: Identity,
    /// When it was spawned.
    pub at: EpochMs,
    /// In which life.
    pub generation: Generation,
}

/// How a life ended, and what its shim has decided by that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Which life.
    pub generation: Generation,
    /// How. Unknown too if it was never begun: then `refusal` says why.
    pub exit: ExitRecord,
    /// Why the service could not be started, in one sentence.
    pub refusal: Option<String>,
    /// What comes next.
    pub next: Next,
    /// The history of failures and starts with this end in it; the rest is as if nothing had happened.
    pub progress: Progress,
}

/// What a shim does after the end of a life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// It goes.
    Over,
    /// It starts the service again.
    Again {
        /// When.
        at: EpochMs,
    },
    /// It goes, since the service has been started again too often.
    GaveUp {
        /// Why, in one sentence.
        why: String,
    },
}

impl Ended {
    /// One that nothing follows.
    pub fn for_good(generation: Generation, exit: ExitRecord) -> Self {
        Self { generation, exit, refusal: None, next: Next::Over, progress: Progress::default() }
    }
}

/// All that is left of one generation. What is absent was not written, or cannot be read: `unreadable` says which.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// The record's name: the folder's.
    pub name: String,
    /// The generation: the inner folder's name.
    pub generation: Generation,
    /// The folder.
    pub dir: PathBuf,
    /// What was ordered.
    pub launch: Option<Launch>,
    /// The record at the time of the order, from which the state can be rebuilt.
    pub record: Option<Record>,
    /// The shim.
    pub shim: Option<Identity>,
    /// The service.
    pub service: Option<Started>,
    /// How it ended.
    pub exit: Option<ExitRecord>,
    /// Files that are there but make no sense, each as one sentence.
    pub unreadable: Vec<String>,
}

/// Every generation that has left a folder, by name and age. A missing run folder means none. What is no name or no
/// generation is skipped: it is none of ours.
pub fn read_all(root: &Root) -> Result<Vec<Evidence>, Error> {
    let mut all = Vec::new();
    for (name, dir) in folders(&root.run())?.into_iter().filter(|(name, _)| is_kebab_case(name)) {
        for (word, dir) in folders(&dir)? {
            if let Some(generation) = Generation::parse(&word) {
                all.push(read_generation(name.clone(), generation, &dir));
            }
        }
    }
    Ok(all)
}

/// What is left in the run folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// The name and the generation of every run folder that was looked into, also of a barred one; each once, by name and age.
    pub generations: Vec<(String, Generation)>,
    /// The names of which there is a copy of a record at rest, and that nobody knows.
    pub at_rest: Vec<String>,
}

/// Which generations of a name stand in records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// None: there is no such record.
    None,
    /// One.
    One,
    /// More than one, or none that its record names.
    Other,
}

/// Lists the run folder. Names of which one generation is known are not looked into where one look tells that they hold one folder,
/// which is then taken for that generation's: to list ten thousand folders takes longer than all else that a sweep does.
pub fn observe_left(root: &Root, known: impl Fn(&str) -> Known) -> Result<Left, Error> {
    let mut left = Left::default();
    for (name, dir) in folders(&root.run())?.into_iter().filter(|(name, _)| is_kebab_case(name)) {
        match known(&name) {
            Known::One if holds_one_folder(&dir) => continue,
            Known::None if root.at_rest(&name).exists() => left.at_rest.push(name.clone()),
            Known::None | Known::One | Known::Other => {}
        }
        let words = folders(&dir)?.into_iter().map(|(word, _)| word);
        let mut generations: Vec<Generation> =
            words.filter_map(|word| Generation::parse(word.strip_suffix(BARRED).unwrap_or(&word))).collect();
        generations.dedup();
        left.generations.extend(generations.into_iter().map(|generation| (name.clone(), generation)));
    }
    Ok(left)
}

/// Whether a folder is known to hold exactly one folder: it then has three links, its own two and that one's `..`. File systems that
/// do not count links so (btrfs) give one, which tells nothing.
fn holds_one_folder(dir: &Path) -> bool {
    dir.metadata().is_ok_and(|seen| seen.nlink() == 3)
}

/// What is left in one run folder; `None` if its path does not end in a name and a generation.
pub fn read_one(dir: &Path) -> Option<Evidence> {
    let generation = Generation::parse(dir.file_name()?.to_str()?)?;
    let name = dir.parent()?.file_name()?.to_str()?;
    Some(read_generation(name.to_owned(), generation, dir))
}

fn read_generation(name: String, generation: Generation, dir: &Path) -> Evidence {
    let mut unreadable = Vec::new();
    let launch = kept(read_launch(dir), &mut unreadable);
    let record = kept(read_record(dir), &mut unreadable).filter(|record| {
        // A shim renames its folder for each life, and leaves its orders as they are.
        let fits = record.name == name && record.generation.as_ref().is_none_or(|its| its.is_kin(&generation));
        if !fits {
            unreadable.push(format!("`{}` holds the record of another generation", dir.join(LAUNCH).display()));
        }
        fits
    });
    let shim = kept(read_shim(dir), &mut unreadable);
    let service = kept(read_service(dir), &mut unreadable);
    let exit = kept(read_exit(dir), &mut unreadable);
    Evidence { name, generation, dir: dir.to_owned(), launch, record, shim, service, exit, unreadable }
}

/// The value, or a note of why there is none.
fn kept<T>(read: Result<Option<T>, Error>, unreadable: &mut Vec<String>) -> Option<T> {
    read.unwrap_or_else(|error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        unreadable.push(format!("{error}{cause}"));
        None
    })
}

const LAUNCH: &str = "launch.json";
const SHIM: &str = "shim.json";
const SERVICE: &str = "service.json";
const EXIT: &str = "exit.json";
/// An empty file that the shim keeps locked for as long as it lives.
const LIFELINE: &str = "lifeline";
/// An empty file: its being there is all that it says.
const ENDING: &str = "ending";
/// What a shim has to write once its service runs, made while there was room: identity, service, exit.
const RESERVES: [&str; 3] = ["reserve-1", "reserve-2", "reserve-3"];
/// A block of the usual file systems, and more than any of those files is long.
const RESERVE_BYTES: usize = 4096;

/// Sets room aside in the run folder `dir` for what its shim will have to write, so that a disk that fills up after the old
/// generation has ended does not keep the new one from being started and found.
pub fn write_reserves(dir: &Path) -> Result<(), Error> {
    for reserve in RESERVES {
        let path = dir.join(reserve);
        let failed = |error: io::Error| Error::io(format!("cannot set room aside in `{}`", dir.display()), error);
        files::create_over(&path).and_then(|mut file| file.write_all(&[0; RESERVE_BYTES])).map_err(failed)?;
    }
    Ok(())
}

/// Whether the system refuses to tell what stands in the run folder `dir`: too many open files, no permission, a broken
/// disk. What is not known then must not be taken for what is not there.
pub fn is_refused(dir: &Path) -> bool {
    let is_refusal = |read: Option<Error>| read.is_some_and(|error| error.is_refusal());
    is_refusal(read_launch(dir).err()) || is_refusal(read_shim(dir).err()) || is_refusal(read_service(dir).err())
}

/// Writes the shim's orders, with `record` beside them; makes the folder.
pub fn write_launch(dir: &Path, launch: &Launch, record: &Record) -> Result<(), Error> {
    files::create_dir(dir).map_err(|error| Error::io(format!("cannot make `{}`", dir.display()), error))?;
    rewrite_launch(dir, launch, record)
}

/// The same where the folder must be there: its shim may have renamed it meanwhile.
pub fn rewrite_launch(dir: &Path, launch: &Launch, record: &Record) -> Result<(), Error> {
    write(dir, LAUNCH, &LaunchFile::new(launch, RecordJson(record)))
}

/// Reads the shim's orders; the record in the file is skipped, so that the shim stays small.
pub fn read_launch(dir: &Path) -> Result<Option<Launch>, Error> {
    read(dir, LAUNCH, LAUNCH_BYTES_MAX, LaunchOrders::into_launch)
}

fn read_record(dir: &Path) -> Result<Option<Record>, Error> {
    read(dir, LAUNCH, LAUNCH_BYTES_MAX, |launch: LaunchRecord| record_from_json(launch.record.0))
}

/// Writes who the shim is.
pub fn write_shim(dir: &Path, shim: &Identity) -> Result<(), Error> {
    write(dir, SHIM, &ShimFile::new(shim))
}

/// Reads who the shim is.
pub fn read_shim(dir: &Path) -> Result<Option<Identity>, Error> {
    read(dir, SHIM, SMALL_BYTES_MAX, ShimFile::into_identity)
}

/// Takes back who the shim is: it is alone and goes, so that nothing of its generation is left.
#[expect(clippy::disallowed_methods, reason = "the shim removes its own file, as the sign that it was the last")]
pub fn remove_shim(dir: &Path) -> Result<(), Error> {
    let path = dir.join(SHIM);
    std::fs::remove_file(&path).map_err(|error| Error::io(format!("cannot remove `{}`", path.display()), error))
}

/// Writes who the service is.
pub fn write_service(dir: &Path, started: &Started) -> Result<(), Error> {
    write(dir, SERVICE, &ServiceFile::new(started))
}

/// Reads who the service is.
pub fn read_service(dir: &Path) -> Result<Option<Started>, Error> {
    let its_own = its_generation(dir);
    read(dir, SERVICE, SMALL_BYTES_MAX, |file: ServiceFile| file.into_started(its_own))
}

/// Writes how a life ended.
pub fn write_exit(dir: &Path, ended: &Ended) -> Result<(), Error> {
    write(dir, EXIT, &ExitFile::new(ended))
}

/// Reads how the last life ended that did; the newest may have begun since.
pub fn read_ended(dir: &Path) -> Result<Option<Ended>, Error> {
    let its_own = its_generation(dir);
    read(dir, EXIT, SMALL_BYTES_MAX, |file: ExitFile| file.into_ended(its_own))
}

/// Reads how the newest life ended; `None` if it has not, or nobody saw it.
pub fn read_exit(dir: &Path) -> Result<Option<ExitRecord>, Error> {
    let Some(ended) = read_ended(dir)? else { return Ok(None) };
    // Read later, so that an end that is older than what it says is never taken for the newest.
    let started = read_service(dir)?;
    let is_newest = started.is_none_or(|started| started.generation <= ended.generation);
    Ok(is_newest.then_some(ended.exit))
}

/// The generation that a run folder is named after, barred or not. A file that does not say which life it is about, as older
/// versions wrote them, is about that one.
fn its_generation(dir: &Path) -> Option<Generation> {
    let word = dir.file_name()?.to_str()?;
    Generation::parse(word.strip_suffix(BARRED).unwrap_or(word))
}

/// As a shim: from now on whoever shares the run folder `dir` can tell that this process lives, also from another pid namespace.
pub fn hold_lifeline(dir: &Path) -> Result<Lifeline, Error> {
    let path = dir.join(LIFELINE);
    Lifeline::hold(&path).map_err(|error| Error::io(format!("cannot lock `{}`", path.display()), error))
}

/// Whether the shim of the run folder `dir` is proven gone by its lifeline, wherever it was. One of old had none, and then nothing is proven.
pub fn is_lifeline_free(dir: &Path) -> bool {
    matches!(Lifeline::observe_is_held(&dir.join(LIFELINE)), Ok(Some(false)))
}

/// Marks that somebody is about to end this generation.
pub fn mark_ending(dir: &Path) -> Result<(), Error> {
    let path = dir.join(ENDING);
    let failed = |error: io::Error| Error::io(format!("cannot write `{}`", path.display()), error);
    files::write_atomic(&path, b"", Durability::Cached).map_err(failed)
}

/// Whether somebody has begun to end this generation.
pub fn is_ending(dir: &Path) -> bool {
    dir.join(ENDING).exists()
}

/// Writes a file of the run folder `dir`, or of the folder of a name; on a full disk into room that was set aside.
pub(super) fn write<T: Serialize>(dir: &Path, file: &str, value: &T) -> Result<(), Error> {
    let path = dir.join(file);
    let failed = |error: io::Error| Error::io(format!("cannot write `{}`", path.display()), error);
    let mut bytes = serde_json::to_vec(value).map_err(|error| failed(error.into()))?;
    bytes.push(b'\n');
    match files::write_atomic(&path, &bytes, Durability::Cached) {
        Err(error) if is_full(&error) => write_reserved(dir, &path, &bytes).map_err(|_| failed(error)),
        written => written.map_err(failed),
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Writes where room was set aside. The orders are too long for that, and are never worth it.
fn write_reserved(dir: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let is_for_it = bytes.len() <= RESERVE_BYTES && !path.ends_with(LAUNCH);
    let reserve = RESERVES.iter().map(|reserve| dir.join(reserve)).find(|reserve| is_for_it && reserve.exists());
    let reserve = reserve.ok_or(io::ErrorKind::StorageFull)?;
    files::write_into(&reserve, path, bytes)
}

/// Reads a file and turns its wire form into ours; `None` if it is not there.
pub(super) fn read<W: DeserializeOwned, T>(
    dir: &Path,
    file: &str,
    bytes_max: u64,
    turn: impl FnOnce(W) -> Result<T, String>,
) -> Result<Option<T>, Error> {
    let path = dir.join(file);
    let failed = |error: io::Error| Error::io(format!("cannot read `{}`", path.display()), error);
    let bytes = match files::read_bounded(&path, bytes_max) {
        Ok(bytes) if bytes.len() as u64 > bytes_max => return Err(failed(io::Error::other("it is too long"))),
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let wire = from_slice_to_depth(&bytes, DEPTH_MAX).map_err(|why| failed(io::Error::other(why)))?;
    turn(wire).map(Some).map_err(|why| failed(io::Error::other(why)))
}

/// Names and paths of the folders in `dir`, sorted; none if it is not there.
pub(super) fn folders(dir: &Path) -> Result<Vec<(String, PathBuf)>, Error> {
    let failed = |error: io::Error| Error::io(format!("cannot list `{}`", dir.display()), error);
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        if let (Ok(name), true) = (entry.file_name().into_string(), entry.file_type().map_err(failed)?.is_dir()) {
            found.push((name, entry.path()));
        }
    }
    found.sort();
    Ok(found)
}
