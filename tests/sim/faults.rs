//! What the system refuses, as long as it does.

use std::io;
use std::path::Path;

use minions_managed::base::world::FileAct;
use rustix::io::Errno;

/// What is the matter with the disk and with this user's limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Faults {
    /// Nothing.
    #[default]
    None,
    /// No block and no inode is left.
    DiskFull,
    /// Nothing can be written.
    ReadOnly,
    /// No file can be opened, and no process seen.
    FilesUp,
    /// No process can be started.
    ProcessesUp,
    /// The disk does not write what it is given.
    Broken,
}

impl Faults {
    pub(crate) const ALL: [Self; 6] =
        [Self::None, Self::DiskFull, Self::ReadOnly, Self::FilesUp, Self::ProcessesUp, Self::Broken];

    /// Its word in scripts.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::DiskFull => "disk-full",
            Self::ReadOnly => "read-only",
            Self::FilesUp => "files-up",
            Self::ProcessesUp => "processes-up",
            Self::Broken => "disk-broken",
        }
    }

    /// What comes of `act` on `path`.
    pub(crate) fn touch(self, act: FileAct, path: &Path) -> io::Result<()> {
        let errno = match (self, act) {
            (Self::None | Self::ProcessesUp, _) => return Ok(()),
            (Self::DiskFull, FileAct::Make) if !path.exists() => Errno::NOSPC,
            (Self::DiskFull, FileAct::Write) => Errno::NOSPC,
            (Self::DiskFull, _) => return Ok(()),
            // A folder that is there need not be made.
            (Self::ReadOnly, FileAct::Make) if path.is_dir() => return Ok(()),
            (Self::ReadOnly, FileAct::Open | FileAct::Sync) => return Ok(()),
            (Self::ReadOnly, _) => Errno::ROFS,
            (Self::FilesUp, FileAct::Make) if path.is_dir() => return Ok(()),
            (Self::FilesUp, FileAct::Open | FileAct::Make | FileAct::Lock) => Errno::MFILE,
            (Self::FilesUp, _) => return Ok(()),
            (Self::Broken, FileAct::Write | FileAct::Sync) => Errno::IO,
            (Self::Broken, _) => return Ok(()),
        };
        Err(errno.into())
    }

    /// Why no process can be looked at or started, if so.
    pub(crate) fn of_processes(self, is_start: bool) -> io::Result<()> {
        match self {
            Self::FilesUp => Err(Errno::MFILE.into()),
            Self::ProcessesUp if is_start => Err(Errno::AGAIN.into()),
            Self::None | Self::DiskFull | Self::ReadOnly | Self::ProcessesUp | Self::Broken => Ok(()),
        }
    }
}
