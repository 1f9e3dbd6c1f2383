//! What can go wrong with the state file.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::base::error::{Error as Failure, Kind};

use super::document::VERSION;

/// Why the state could not be read or written.
#[derive(Debug)]
pub enum Error {
    /// The system refused; the file is as it was.
    Io {
        /// What was being done to which path, `cannot read …`.
        doing: String,
        /// The system's reason.
        source: io::Error,
    },
    /// The file is no state file. It has not been touched: the next change sets it aside.
    Unreadable {
        /// The state file.
        path: PathBuf,
        /// What is wrong with it, and where.
        why: String,
    },
    /// The file was written by a newer version: reading may do, writing would lose what it means.
    Newer {
        /// The state file.
        path: PathBuf,
        /// Its version.
        found: u64,
        /// Why even reading failed, if it did.
        why: Option<String>,
    },
    /// What was to be written breaks a promise of the file; nothing has been written.
    Refused {
        /// Which promise.
        why: String,
    },
    /// The lock was not had.
    Lock(Failure),
}

impl Error {
    /// `doing` failed because of `source`.
    pub(super) fn io(doing: impl Into<String>, source: io::Error) -> Self {
        Self::Io { doing: doing.into(), source }
    }

    /// Whether the system refused, so that nothing is known of what stands there; else it makes no sense.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.raw_os_error().is_some())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { doing, source: _ } => f.write_str(doing),
            Self::Unreadable { path, why } => write!(f, "the state file `{}` is unreadable: {why}", path.display()),
            Self::Newer { path, found, why } => {
                write!(
                    f,
                    "the state file `{}` is of version {found}, and this program knows {VERSION}",
                    path.display()
                )?;
                why.as_ref().map_or(Ok(()), |why| write!(f, ": {why}"))
            }
            Self::Refused { why } => write!(f, "the state was not written: {why}"),
            Self::Lock(failure) => failure.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { doing: _, source } => Some(source),
            Self::Lock(failure) => failure.source(),
            Self::Unreadable { .. } | Self::Newer { .. } | Self::Refused { .. } => None,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::Io { doing, source } => Self::io(doing, source),
            Error::Unreadable { .. } => Self::new(Kind::StateSetAside, "state-unreadable", message)
                .with_hint("`minions managed reconcile` sets it aside and rebuilds it from what the shims know"),
            Error::Newer { .. } => Self::new(Kind::Unforeseen, "state-newer", message)
                .with_hint("use the newer `minions`; the file has not been touched"),
            Error::Refused { .. } => Self::new(Kind::Unforeseen, "state-refused", message),
            Error::Lock(failure) => failure,
        }
    }
}
