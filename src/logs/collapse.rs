//! Taking the head off a file in place: what the file system can, and whether it can. Impure: cuts files.

#[cfg(linux_calls)]
use std::fs::File;
use std::io;
use std::path::Path;

use crate::base::files;

/// Whether logs in `dir` are rotated without copying what is written meanwhile: tried on a file without a name.
pub fn can_collapse(dir: &Path) -> io::Result<bool> {
    unit(&files::scratch(dir)?).map(|unit| unit.is_some())
}

/// Whether the first `cut` bytes of `file` are a hole, as they are between [`punch`] and [`collapse`].
#[cfg(linux_calls)]
pub(super) fn has_hole(file: &File, cut: u64) -> io::Result<bool> {
    match rustix::fs::seek(file, rustix::fs::SeekFrom::Data(0)) {
        Ok(first) => Ok(first >= cut),
        // No data at all: a hole to the end.
        Err(rustix::io::Errno::NXIO) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Gives the blocks of the first `cut` bytes back; they read as zeros from then on, and the length stays.
#[cfg(linux_calls)]
pub(super) fn punch(file: &File, cut: u64) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    Ok(fallocate(file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, 0, cut)?)
}

/// Takes the first `cut` bytes away: what stood at `cut` stands at 0. Nothing that is appended meanwhile is lost.
#[cfg(linux_calls)]
pub(super) fn collapse(file: &File, cut: u64) -> io::Result<()> {
    Ok(rustix::fs::fallocate(file, rustix::fs::FallocateFlags::COLLAPSE_RANGE, 0, cut)?)
}

/// What a cut must be a multiple of, on the file system of `scratch`, an empty file that is left empty; `None` if it
/// cannot collapse files, or does not tell where their holes are. It is tried, not looked up: file systems over others
/// (overlayfs) have the name of the one and the abilities of the other.
#[cfg(linux_calls)]
pub(super) fn unit(scratch: &File) -> io::Result<Option<u64>> {
    // ext4 with bigalloc takes clusters only, of 64 KiB if not told otherwise, 1 MiB at most in practice.
    for unit in [rustix::fs::fstatvfs(scratch)?.f_bsize, 64 << 10, 1 << 20] {
        scratch.set_len(2 * unit)?;
        let does = has_hole(scratch, 2 * unit)? && collapse(scratch, unit).is_ok() && scratch.metadata()?.len() == unit;
        scratch.set_len(0)?;
        if does {
            return Ok(Some(unit));
        }
    }
    Ok(None)
}

#[cfg(not(linux_calls))]
mod elsewhere {
    //! No such call: [`unit`] says so, and nobody asks for the rest.

    use std::fs::File;
    use std::io;

    pub(in crate::logs) fn has_hole(_: &File, _: u64) -> io::Result<bool> {
        Ok(false)
    }

    pub(in crate::logs) fn punch(_: &File, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(in crate::logs) fn collapse(_: &File, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(in crate::logs) fn unit(_: &File) -> io::Result<Option<u64>> {
        Ok(None)
    }
}

#[cfg(not(linux_calls))]
pub(super) use elsewhere::{collapse, has_hole, punch, unit};
