//! Files, read within a bound and written whole. Impure: the one place that opens files by raw calls.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Folders are for their owner alone (contract section 1).
const DIR_MODE: u32 = 0o700;
/// Files are for their owner alone (contract section 1).
const FILE_MODE: u32 = 0o600;

/// Whether a write must survive a power cut, or only the death of the writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The file and its folder are synced before the call returns.
    Synced,
    /// The page cache is enough: what it tells of ends with the boot anyway.
    Cached,
}

/// Makes `dir` and its parents, each with mode 0700; one that is there already is left as it is.
pub fn create_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(DIR_MODE).create(dir)
}

/// Reads at most `bytes_max` bytes of a regular file. A longer file gives `Ok` with `bytes_max + 1` bytes, so that
/// the caller can tell. Folders, pipes and devices are errors: a FIFO in the way must never make us wait.
#[expect(clippy::disallowed_methods, reason = "the one place that opens files for reading")]
pub fn read_bounded(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = OpenOptions::new().read(true).custom_flags(nonblocking).open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::other(format!("`{}` is not a regular file", path.display())));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(meta.len().min(bytes_max)).unwrap_or(0) + 1);
    file.take(bytes_max + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
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

/// Replaces `path` with `bytes`, whole or not at all: a temporary file beside it, then a rename. On any failure the
/// old file is as it was and the temporary one is gone.
pub fn write_atomic(path: &Path, bytes: &[u8], durability: Durability) -> io::Result<()> {
    let dir = path.parent().ok_or_else(|| io::Error::other("a file's path has a folder"))?;
    let mut temporary = tempfile::Builder::new().prefix(".tmp-").permissions(mode(FILE_MODE)).tempfile_in(dir)?;
    temporary.write_all(bytes)?;
    if durability == Durability::Synced {
        temporary.as_file().sync_all()?;
    }
    temporary.persist(path).map_err(|failed| failed.error)?;
    if durability == Durability::Synced {
        sync_dir(dir)?;
    }
    Ok(())
}

/// Makes renames and removals in `dir` survive a power cut.
#[expect(clippy::disallowed_methods, reason = "a folder is opened to be synced")]
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Opens a file for reading, for those who read parts of it.
#[expect(clippy::disallowed_methods, reason = "the one place that opens files for reading in parts")]
pub fn open_read(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Opens `path` for appending, making it with mode 0600 if need be; what is there stays.
#[expect(clippy::disallowed_methods, reason = "the one place that opens files for appending")]
pub fn open_append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(FILE_MODE).open(path)
}

fn mode(bits: u32) -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(bits)
}
