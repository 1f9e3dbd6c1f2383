//! The advisory lock on a whole file, waited for within a bound. Impure: opens, locks and writes the lock file.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fs2::FileExt;

use super::clock::{EpochMs, monotonic};
use super::error::{Error, Kind};
use super::files;
use super::world::{FileAct, touch};

/// The longest pause between two tries. Holders keep the lock for a few milliseconds (nothing slow happens under it), so
/// a longer pause would leave it idle, and one that writes again at once would get in before whoever waits.
const PAUSE_MAX: Duration = Duration::from_millis(2);
/// The first pause; each next one is twice as long.
const PAUSE_MIN: Duration = Duration::from_micros(250);
/// Longer waits would overflow the clock.
const TIMEOUT_MAX: Duration = Duration::from_secs(366 * 24 * 3600);
/// A holder's note is one short line; more in the file is none of ours.
const NOTE_BYTES_MAX: u64 = 256;
/// As much of a holder's command line as a message can bear.
const COMMAND_BYTES_MAX: u64 = 200;
/// `/proc/locks` of a busy machine; what lies beyond is not searched.
const LOCKS_BYTES_MAX: u64 = 1 << 20;

/// An exclusive lock on a file; dropping it lets go. While it is held the file says who holds it and why:
/// `PID PURPOSE EPOCH_MS`. The descriptor is closed on exec, so no child keeps the lock.
#[derive(Debug)]
pub struct FileLock {
    file: File,
    path: PathBuf,
    /// The folder, locked as well: see [`with_folder`](Self::with_folder).
    folder: Option<File>,
}

impl FileLock {
    /// Takes the lock on the file at `path`, which is made, with its folder, if need be, and waits at most `timeout`
    /// for whoever has it. `purpose` is one word (the verb of the command). Errors: `lock-timeout` (exit 8) names the
    /// path and the holder; `io` if the file cannot be opened or locked at all.
    ///
    /// A lock file that is removed or replaced while we wait for it is noticed: the lock that counts is the one on the
    /// file that the path names at the end.
    pub fn acquire(path: &Path, timeout: Duration, purpose: &str) -> Result<Self, Error> {
        let failed = |error: io::Error| Error::io(format!("cannot lock `{}`", path.display()), error);
        if let Some(dir) = path.parent() {
            files::create_dir(dir).map_err(failed)?;
        }
        let deadline = monotonic() + timeout.min(TIMEOUT_MAX);
        loop {
            let file = open(path).map_err(failed)?;
            if !wait_for(&file, deadline).map_err(failed)? {
                return Err(timed_out(path, &file, timeout));
            }
            if is_the_file_at(&file, path).map_err(failed)? {
                let mut lock = Self { file, path: path.to_owned(), folder: None };
                lock.note(purpose);
                return Ok(lock);
            }
        }
    }

    /// The same, with the lock on the file's folder too, which is waited for at most `timeout`. Whoever removes the file lets another
    /// command lock a new one at once; the folder it waits for until this one is done. For one lock in a folder only. Where folders
    /// cannot be locked (some network file systems) the file's lock is all there is. Error: `lock-timeout` (exit 8).
    pub fn with_folder(mut self, timeout: Duration) -> Result<Self, Error> {
        let opened = self.path.parent().map(open_folder);
        let folder = opened.transpose().and_then(|folder| {
            let Some(folder) = folder else { return Ok(None) };
            wait_for(&folder, monotonic() + timeout.min(TIMEOUT_MAX)).map(|is_had| Some((folder, is_had)))
        });
        match folder {
            Ok(Some((_, false))) => return Err(timed_out(&self.path, &self.file, timeout)),
            Ok(folder) => self.folder = folder.map(|(folder, _)| folder),
            Err(error) => log::debug!("the folder of `{}` cannot be locked: {error}", self.path.display()),
        }
        Ok(self)
    }

    /// Whether it still counts: the path names the locked file. Somebody may have removed it, and then another command locks a
    /// new one at once. Who holds the lock asks before writing. Errors: `lock-lost` (exit 7); `io` if it cannot be told.
    pub fn check(&self) -> Result<(), Error> {
        let path = self.path.display();
        let looked = is_the_file_at(&self.file, &self.path);
        if looked.map_err(|error| Error::io(format!("cannot tell whether the lock `{path}` is held still"), error))? {
            return Ok(());
        }
        let message = format!("the lock file `{path}` was removed or replaced while this command held it");
        Err(Error::new(Kind::Conflict, "lock-lost", message)
            .with_hint("nothing was written; try again, and never remove that file: it locks nothing by being there"))
    }

    /// Says in the file who holds it. Only words for the message of whoever waits in vain depend on it, so that a full
    /// disk must not keep anyone from the lock: failures are ignored.
    fn note(&mut self, purpose: &str) {
        let line = format!("{} {purpose} {}\n", super::ids::own_pid(), EpochMs::now().0);
        let written =
            self.file.set_len(0).and_then(|()| self.file.rewind()).and_then(|()| self.file.write_all(line.as_bytes()));
        drop(written);
    }
}

impl Drop for FileLock {
    /// Wipes the note while the lock is still ours, then lets go; a note found later is that of a holder that was killed or
    /// panicked.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            drop(self.file.set_len(0));
        }
        // Closing the descriptor would do as well, unless a fork that has not yet called exec still has it.
        drop(FileExt::unlock(&self.file));
        self.folder.iter().for_each(|folder| drop(FileExt::unlock(folder)));
    }
}

/// A lock that says no more than that its holder lives: the kernel lets it go with that one's last descriptor, however it ends and in
/// whichever pid namespace it is. The descriptor is closed on exec.
#[derive(Debug)]
pub struct Lifeline {
    _file: File,
}

impl Lifeline {
    /// Holds the one at `path`, which is made if need be. Whoever looks at it in that moment is waited for.
    pub fn hold(path: &Path) -> io::Result<Self> {
        let file = open(path)?;
        FileExt::lock_exclusive(&file)?;
        Ok(Self { _file: file })
    }

    /// Whether somebody holds it; `None` if there is none.
    pub fn observe_is_held(path: &Path) -> io::Result<Option<bool>> {
        let file = match files::open_read(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        // Shared, so that two who look are not in each other's way; gone with the descriptor.
        match FileExt::try_lock_shared(&file) {
            Ok(()) => Ok(Some(false)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Some(true)),
            Err(error) => Err(error),
        }
    }
}

/// What was seen of a lock, without a trace of the look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    /// There is no lock file yet.
    Missing,
    /// It could be had. `note`, if a killed holder left one, says whose: `pid 4711 (`accept`)`.
    Free {
        /// Who was killed while holding it.
        note: Option<String>,
    },
    /// It was not had in the time.
    Held {
        /// Who has it, in words.
        holder: String,
    },
}

/// Looks whether the lock at `path` can be had within `patience`, and lets it go at once. The file is not made, and what
/// stands in it stays.
pub fn observe(path: &Path, patience: Duration) -> io::Result<Sight> {
    let file = match files::open_read(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Sight::Missing),
        Err(error) => return Err(error),
    };
    if wait_for(&file, monotonic() + patience.min(TIMEOUT_MAX))? {
        let note = Note::read(path).map(|note| format!("pid {} (`{}`)", note.pid, note.purpose.escape_debug()));
        FileExt::unlock(&file)?;
        return Ok(Sight::Free { note });
    }
    Ok(Sight::Held { holder: holder(Note::read(path), pid_by_kernel(&file.metadata()?)) })
}

#[expect(clippy::disallowed_methods, reason = "the one place that opens lock files")]
fn open(path: &Path) -> io::Result<File> {
    touch(FileAct::Lock, path)?;
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

#[expect(clippy::disallowed_methods, reason = "a folder is opened for its lock alone")]
fn open_folder(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Waits until `file` is locked (true) or the deadline is over (false).
fn wait_for(file: &File, deadline: Instant) -> io::Result<bool> {
    let mut pause = PAUSE_MIN;
    loop {
        match FileExt::try_lock_exclusive(file) {
            Ok(()) => return Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        let left = deadline.saturating_duration_since(monotonic());
        if left.is_zero() {
            return Ok(false);
        }
        // flock(2) has no time limit: short pauses, bounded by the deadline.
        super::clock::pause(pause.min(left));
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Whether the open `file` is still what `path` names.
fn is_the_file_at(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(there) => Ok(ours.dev() == there.dev() && ours.ino() == there.ino()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// What a holder wrote about itself.
struct Note {
    pid: u32,
    purpose: String,
    since: EpochMs,
}

impl Note {
    fn read(path: &Path) -> Option<Self> {
        let bytes = files::read_bounded(path, NOTE_BYTES_MAX).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        let mut words = text.split_whitespace();
        let pid = words.next()?.parse().ok()?;
        let purpose = words.next()?.to_owned();
        let since = EpochMs(words.next()?.parse().ok()?);
        Some(Self { pid, purpose, since })
    }
}

fn timed_out(path: &Path, file: &File, timeout: Duration) -> Error {
    let message = format!(
        "the lock `{}` was not had within {} s: {}",
        path.display(),
        timeout.as_secs_f64(),
        holder(Note::read(path), file.metadata().ok().and_then(|meta| pid_by_kernel(&meta)))
    );
    Error::new(Kind::LockTimeout, "lock-timeout", message)
        .with_hint("try again; if the holder hangs, end it: its lock ends with it, and no file need be removed")
}

/// Who holds the lock, in words: the holder's `note`, believed only as far as the kernel's word or the process table
/// bear it out, since a killed holder leaves its note behind.
fn holder(note: Option<Note>, by_kernel: Option<u32>) -> String {
    let note_fits = note.as_ref().is_some_and(|note| by_kernel.is_none_or(|pid| pid == note.pid));
    match (note, by_kernel) {
        (Some(note), _) if note_fits && is_there(note.pid) => {
            let for_ms = EpochMs::now().since(note.since).as_millis();
            format!("pid {}{} holds it for `{}` since {for_ms} ms", note.pid, command_of(note.pid), note.purpose)
        }
        (_, Some(pid)) => format!("pid {pid}{} holds it and has left no note", command_of(pid)),
        (Some(note), None) => format!(
            "its holder is not known; the note in it is of pid {} (`{}`), which is no longer there",
            note.pid, note.purpose
        ),
        (None, None) => "its holder has left no note".to_owned(),
    }
}

/// The pid that the kernel names as the holder of the flock on that file; `None` where there is no `/proc/locks`, or the
/// holder is of another pid namespace. Lines (proc_locks(5)): `1: FLOCK ADVISORY WRITE 4711 08:01:131 0 EOF`; those
/// of waiters have `->` as second word.
fn pid_by_kernel(meta: &Metadata) -> Option<u32> {
    // The kernel knows nothing of the processes of a simulated world.
    #[cfg(debug_assertions)]
    if super::world::here().is_some() {
        return None;
    }
    let bytes = files::read_bounded(Path::new("/proc/locks"), LOCKS_BYTES_MAX).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let (major, minor) = (rustix::fs::major(meta.dev()), rustix::fs::minor(meta.dev()));
    let wanted = format!("{major:02x}:{minor:02x}:{}", meta.ino());
    text.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let holds = words.get(1) == Some(&"FLOCK") && words.get(5) == Some(&wanted.as_str());
        words.get(4).filter(|_| holds)?.parse().ok().filter(|pid| *pid > 0)
    })
}

/// Whether a process of that pid exists; no permission to signal it means that it does.
fn is_there(pid: u32) -> bool {
    #[cfg(debug_assertions)]
    if let Some(world) = super::world::here() {
        return world.process(pid).is_ok_and(|found| found.is_some());
    }
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

/// The command line of a process as ` (…)`, or nothing where it cannot be seen.
fn command_of(pid: u32) -> String {
    #[cfg(debug_assertions)]
    if super::world::here().is_some() {
        return String::new();
    }
    let path = format!("/proc/{pid}/cmdline");
    let bytes = files::read_bounded(Path::new(&path), COMMAND_BYTES_MAX).unwrap_or_default();
    let line = String::from_utf8_lossy(&bytes).replace('\0', " ");
    if line.trim().is_empty() { String::new() } else { format!(" (`{}`)", line.trim().escape_debug()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(30);
    const LONG: Duration = Duration::from_secs(10);

    #[test]
    fn second_taker_is_told_who_holds_the_lock_and_for_what() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("engine/x.lock");
        let held = FileLock::acquire(&path, SHORT, "accept").unwrap();
        let error = FileLock::acquire(&path, SHORT, "stop").unwrap_err();
        assert_eq!((error.kind.exit_code(), error.code), (8, "lock-timeout"));
        for part in [path.display().to_string(), format!("pid {}", std::process::id()), "`accept`".into()] {
            assert!(error.message.contains(&part), "{part} in {}", error.message);
        }
        drop(held);
        FileLock::acquire(&path, SHORT, "stop").unwrap();
    }

    #[test]
    fn note_of_a_dead_holder_is_not_taken_for_the_holder() {
        let dead = || Some(Note { pid: 0x7fff_fff0, purpose: "accept".into(), since: EpochMs(0) });
        let me = std::process::id();
        let check = |note, by_kernel, expected: &str| {
            let words = holder(note, by_kernel);
            assert!(words.contains(expected), "{expected:?} in {words:?}");
        };
        check(dead(), None, "is no longer there");
        check(dead(), Some(me), &format!("pid {me}"));
        check(dead(), Some(me), "has left no note");
        check(None, None, "has left no note");
        check(Some(Note { pid: me, purpose: "stop".into(), since: EpochMs(0) }), None, "for `stop` since");
    }

    #[test]
    fn released_lock_leaves_no_note() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.lock");
        let lock = FileLock::acquire(&path, SHORT, "accept").unwrap();
        assert!(Note::read(&path).is_some());
        drop(lock);
        assert!(Note::read(&path).is_none());
    }

    #[test]
    fn lock_file_replaced_while_waited_for_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.lock");
        let old = FileLock::acquire(&path, SHORT, "accept").unwrap();
        let waiting = std::thread::spawn({
            let path = path.clone();
            move || FileLock::acquire(&path, LONG, "stop").unwrap()
        });
        // The old file goes while it is locked: whoever waited for it must end up with a lock on the new one.
        files::write_atomic(&path, b"", files::Durability::Cached).unwrap();
        drop(old);
        let new = waiting.join().unwrap();
        assert!(is_the_file_at(&new.file, &path).unwrap());
        assert!(FileLock::acquire(&path, SHORT, "third").is_err(), "the new file is locked");
    }

    #[test]
    fn lock_whose_file_is_removed_lets_a_second_one_be_had_and_counts_no_more() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.lock");
        let first = FileLock::acquire(&path, SHORT, "accept").unwrap();
        first.check().unwrap();
        files::remove(&path).unwrap();
        assert_eq!(first.check().unwrap_err().code, "lock-lost", "gone");
        let second = FileLock::acquire(&path, SHORT, "stop").unwrap();
        let error = first.check().unwrap_err();
        assert_eq!((error.kind.exit_code(), error.code), (7, "lock-lost"), "another's");
        second.check().unwrap();
    }

    #[test]
    fn lifeline_is_held_until_its_holder_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let check = |expected| assert_eq!(Lifeline::observe_is_held(&path).unwrap(), expected);
        check(None);
        let held = Lifeline::hold(&path).unwrap();
        check(Some(true));
        check(Some(true));
        drop(held);
        check(Some(false));
        check(Some(false));
    }

    #[test]
    fn descriptor_is_closed_on_exec() {
        let dir = tempfile::tempdir().unwrap();
        let lock = FileLock::acquire(&dir.path().join("x.lock"), SHORT, "accept").unwrap();
        assert!(rustix::io::fcntl_getfd(&lock.file).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
    }
}
