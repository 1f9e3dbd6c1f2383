//! An agent's sidecar as it was read. Impure: looks when the file was written.

use std::fs::Metadata;
use std::io::{self, Read as _};
use std::path::Path;
use std::time::UNIX_EPOCH;

use crate::base::clock::EpochMs;
use crate::base::error::{Error, Result};
use crate::base::files;
use crate::runs::{Mark, text_hash};
use crate::sidecar::BYTES_MAX;

/// A sidecar's text, and by what it is known again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::ops) struct Text {
    /// The file as it was read, at most one byte more than a verdict takes, so that it can tell that the file is too large.
    pub(in crate::ops) bytes: Vec<u8>,
    /// Which file it was.
    pub(in crate::ops) mark: Mark,
}

impl Text {
    /// Reads the file at `path`; `None` if there is none.
    pub(in crate::ops) fn read(path: &Path) -> Result<Option<Self>> {
        match read(path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io(format!("cannot read the sidecar `{}`", path.display()), error)),
        }
    }
}

fn read(path: &Path) -> io::Result<Text> {
    let file = files::open_read(path)?;
    let written_at = written_at(&file.metadata()?);
    let mut bytes = Vec::new();
    file.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    let text_hash = text_hash(&bytes);
    Ok(Text { bytes, mark: Mark { text_hash, written_at } })
}

/// When the file was last written, in milliseconds; 0 where the system does not know.
pub(super) fn written_at(meta: &Metadata) -> EpochMs {
    let since = meta.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    EpochMs(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
