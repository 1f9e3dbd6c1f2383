//! Files, read within a bound and written whole. Impure: the one place that opens files by raw calls.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use super::world::{FileAct, touch};

/// Folders are for their owner alone (contract section 1).
const DIR_MODE: u32 = 0o700;
/// Files are for their owner alone (contract section 1).
const FILE_MODE: u32 = 0o600;

/// How the names of temporary files begin.
const TEMPORARY: &str = ".tmp-";

/// Whether a write must survive a power cut, or only the death of the writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The file and its folder are synced before the call returns.
    Synced,
    /// The page cache is enough: what it tells of ends with the boot anyway.
    Cached,
}

/// Makes `dir` and its parents, each with mode 0700; one that is there already is left as it is. Where something else stands
/// in its place the error is `NotADirectory`.
pub fn create_dir(dir: &Path) -> io::Result<()> {
    touch(FileAct::Make, dir)?;
    match DirBuilder::new().recursive(true).mode(DIR_MODE).create(dir) {
        // Also where something is there and could not be looked at: that is then the error.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && !std::fs::metadata(dir)?.is_dir() => {
            Err(io::Error::from_raw_os_error(rustix::io::Errno::NOTDIR.raw_os_error()))
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        done => done,
    }
}

/// Reads at most `bytes_max` bytes of a regular file. A longer file gives `Ok` with `bytes_max + 1` bytes, so that
/// the caller can tell. Folders, pipes and devices are errors.
pub fn read_bounded(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let file = open_read(path)?;
    let length = file.metadata()?.len();
    let mut bytes = Vec::with_capacity(usize::try_from(length.min(bytes_max)).unwrap_or(0) + 1);
    file.take(bytes_max + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Opens a regular file for reading. Folders, pipes and devices are errors: a FIFO in the way must never make us wait.
#[expect(clippy::disallowed_methods, reason = "the one place that opens files for reading")]
pub fn open_read(path: &Path) -> io::Result<File> {
    touch(FileAct::Open, path)?;
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = OpenOptions::new().read(true).custom_flags(nonblocking).open(path)?;
    check_regular(&file)?;
    Ok(file)
}

fn check_regular(file: &File) -> io::Result<()> {
    let kind = file.metadata()?.file_type();
    if kind.is_dir() {
        return Err(io::Error::from_raw_os_error(rustix::io::Errno::ISDIR.raw_os_error()));
    }
    if kind.is_file() { Ok(()) } else { Err(io::Error::other("it is not a regular file")) }
}

/// The most that is read of a kernel file: far more than any we ask for.
const PSEUDO_BYTES_MAX: u64 = 4 << 20;

/// Reads a kernel file (`/proc/…`), whose size is not known beforehand.
#[expect(clippy::disallowed_methods, reason = "the one place that reads kernel files whole")]
pub fn read_pseudo(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(PSEUDO_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Writes a kernel file that takes a word.
#[expect(clippy::disallowed_methods, reason = "the one place that writes kernel files")]
pub fn write_pseudo(path: &Path, bytes: &[u8]) -> io::Result<()> {
    OpenOptions::new().write(true).open(path)?.write_all(bytes)
}

/// Replaces `path` with `bytes`, whole or not at all: a temporary file beside it, then a rename. On any failure the
/// old file is as it was and the temporary one is gone.
pub fn write_atomic(path: &Path, bytes: &[u8], durability: Durability) -> io::Result<()> {
    let dir = path.parent().ok_or_else(|| io::Error::other("a file's path has a folder"))?;
    touch(FileAct::Make, path)?;
    let mut temporary = temporary_in(dir)?;
    touch(FileAct::Write, path)?;
    temporary.as_file_mut().write_all(bytes)?;
    if durability == Durability::Synced {
        touch(FileAct::Sync, path)?;
        temporary.as_file().sync_all()?;
    }
    touch(FileAct::Rename, path)?;
    temporary.persist(path).map_err(|failed| failed.error)?;
    if durability == Durability::Synced {
        sync_dir(dir)?;
    }
    Ok(())
}

/// Whether a file can be made and filled in `dir`: tried with a temporary one, which is gone afterwards.
pub fn try_write(dir: &Path) -> io::Result<()> {
    let mut temporary = temporary_in(dir)?;
    // File systems that make room only when it is needed refuse at the first byte, or at the sync.
    temporary.as_file_mut().write_all(b"1")?;
    temporary.as_file().sync_all()
}

/// A new file of ours in `dir`, which goes when it is dropped. Errors are the system's own: a message names the file that
/// is meant, not this one.
#[expect(clippy::disallowed_methods, reason = "the one place that makes temporary files")]
fn temporary_in(dir: &Path) -> io::Result<tempfile::NamedTempFile> {
    let open = |path: &Path| OpenOptions::new().read(true).write(true).create_new(true).mode(FILE_MODE).open(path);
    tempfile::Builder::new().prefix(TEMPORARY).make_in(dir, open)
}

/// Fills `reserve`, a file that was made for this while there was room, with `bytes`, and gives it the name `path`. Where blocks
/// are overwritten in place that needs no new one, so that it works on a full disk. What stood at `path` is the reserve from then
/// on, where the system can swap names: so it works again and again.
#[expect(clippy::disallowed_methods, reason = "the one place that renames files")]
pub fn write_into(reserve: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = open_in_place(reserve)?;
    touch(FileAct::Rename, path)?;
    file.write_all(bytes)?;
    file.set_len(bytes.len() as u64)?;
    if swap(reserve, path).is_ok() {
        return Ok(());
    }
    std::fs::rename(reserve, path)
}

/// Swaps the names of two files.
#[cfg(linux_calls)]
fn swap(one: &Path, other: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?)
}

/// Swaps the names of two files, which not every system can.
#[cfg(not(linux_calls))]
fn swap(_one: &Path, _other: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// A file in `dir` that has no name, to try things on.
pub fn scratch(dir: &Path) -> io::Result<File> {
    tempfile::tempfile_in(dir)
}

/// Gives the folder `from` the name `to`, which must not be taken.
#[expect(clippy::disallowed_methods, reason = "the one place that renames folders")]
pub fn rename_dir(from: &Path, to: &Path) -> io::Result<()> {
    touch(FileAct::Rename, to)?;
    std::fs::rename(from, to)
}

/// Gives the file `from` the name `to`, whose old file goes. Nothing is synced: for what may as well be done again after a power cut.
#[expect(clippy::disallowed_methods, reason = "the one place that renames files")]
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    touch(FileAct::Rename, to)?;
    std::fs::rename(from, to)
}

/// Gives the file `from` a second name `to`, which must not be taken (`AlreadyExists`).
pub fn link(from: &Path, to: &Path) -> io::Result<()> {
    touch(FileAct::Make, to)?;
    std::fs::hard_link(from, to)
}

/// Gives the content of `from` a second name `to`, which must not exist (`AlreadyExists`): a hard link, or a copy where the
/// file system has none. `from` stays as it is.
#[expect(clippy::disallowed_methods, reason = "the one place that copies files")]
pub fn keep_as(from: &Path, to: &Path) -> io::Result<()> {
    touch(FileAct::Make, to)?;
    match std::fs::hard_link(from, to) {
        Err(error) if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported) => {
            let mut source = File::open(from)?;
            let mut copy = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(to)?;
            io::copy(&mut source, &mut copy)
                .and_then(|_| copy.sync_all())
                .inspect_err(|_| drop(std::fs::remove_file(to)))
        }
        done => done,
    }
}

/// Removes a file; one that is not there is as good as removed.
#[expect(clippy::disallowed_methods, reason = "the one place that removes single files")]
pub fn remove(path: &Path) -> io::Result<()> {
    touch(FileAct::Remove, path)?;
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Removes temporary files of ours in `dir` that killed writers left behind: those untouched for `age_min`. Returns how
/// many. One that goes while we look, or cannot be removed, is left to the next time.
#[expect(clippy::disallowed_methods, reason = "the one place that removes temporary files")]
pub fn remove_stale_temporaries(dir: &Path, age_min: Duration) -> io::Result<usize> {
    let mut removed = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let is_ours = entry.file_name().as_encoded_bytes().starts_with(TEMPORARY.as_bytes());
        let age = || entry.metadata().ok()?.modified().ok()?.elapsed().ok();
        if is_ours && age().is_some_and(|age| age >= age_min) && std::fs::remove_file(entry.path()).is_ok() {
            removed += 1;
        }
    }
    Ok(removed)
}

/// Makes renames and removals in `dir` survive a power cut.
#[expect(clippy::disallowed_methods, reason = "a folder is opened to be synced")]
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    touch(FileAct::Sync, dir)?;
    File::open(dir)?.sync_all()
}

/// Opens `path` for appending, making it with mode 0600 if need be; what is there stays.
#[expect(clippy::disallowed_methods, reason = "the one place that opens files for appending")]
pub fn open_append(path: &Path) -> io::Result<File> {
    touch(FileAct::Make, path)?;
    OpenOptions::new().append(true).create(true).mode(FILE_MODE).open(path)
}

/// The same for a path that another program or a person may have named: what is there must be a regular file, and can be read too.
#[expect(clippy::disallowed_methods, reason = "the one place that opens files for appending")]
pub fn open_append_regular(path: &Path) -> io::Result<File> {
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    let mut options = OpenOptions::new();
    let options = options.read(true).append(true).create(true).mode(FILE_MODE).custom_flags(nonblocking);
    let file = options.open(path)?;
    check_regular(&file)?;
    Ok(file)
}

/// Opens a regular file that is there for reading and writing in place.
#[expect(clippy::disallowed_methods, reason = "the one place that opens files for changes in place")]
pub fn open_in_place(path: &Path) -> io::Result<File> {
    touch(FileAct::Open, path)?;
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = OpenOptions::new().read(true).write(true).custom_flags(nonblocking).open(path)?;
    check_regular(&file)?;
    Ok(file)
}

/// Opens `path` for writing from its start, making it with mode 0600 if need be; what was there is gone. For files that
/// only one process writes, and nobody reads until they are renamed.
#[expect(clippy::disallowed_methods, reason = "the one place that makes files")]
pub fn create_over(path: &Path) -> io::Result<File> {
    touch(FileAct::Make, path)?;
    OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(FILE_MODE).open(path)
}

/// Renames `from`, which its maker has synced, over `to` in the same folder, and syncs the folder.
#[expect(clippy::disallowed_methods, reason = "the one place that renames files")]
pub fn rename_synced(from: &Path, to: &Path) -> io::Result<()> {
    touch(FileAct::Rename, to)?;
    std::fs::rename(from, to)?;
    to.parent().map_or(Ok(()), sync_dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_name_never_replaces_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        write_atomic(&from, b"a", Durability::Cached).unwrap();
        keep_as(&from, &to).unwrap();
        write_atomic(&from, b"b", Durability::Cached).unwrap();
        assert_eq!(keep_as(&from, &to).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(read_bounded(&to, 9).unwrap(), b"a");
        assert_eq!(read_bounded(&from, 9).unwrap(), b"b");
    }

    #[test]
    fn removal_of_what_is_not_there_is_no_error() {
        let dir = tempfile::tempdir().unwrap();
        remove(&dir.path().join("nothing")).unwrap();
        assert!(remove(dir.path()).is_err(), "a folder is no file");
    }
}
