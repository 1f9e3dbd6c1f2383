//! How far a reader has come: `engine/managed-cursors/<reader>.json`, `{"version":1,"seq":42,"at":1800000000000}`.

use std::io;

use serde_json::{Value, json};

use crate::base::clock::EpochMs;
use crate::base::error::{Error, Result};
use crate::base::files::{self, Durability};
use crate::base::ids::AgentName;
use crate::base::root::Root;

/// A cursor is one line.
const BYTES_MAX: u64 = 4 << 10;

/// Who reads: a name like an agent's.
pub type ReaderName = AgentName;

/// Takes a reader's name; anything else is `reader-name-invalid` (exit 64).
pub fn reader_name(text: &str) -> Result<ReaderName> {
    ReaderName::parse(text).map_err(|error| {
        let shown: String = text.chars().take(140).collect();
        let message = format!("`{}` is no reader's name", shown.escape_debug());
        Error { code: "reader-name-invalid", message, ..error }
    })
}

/// A reader's place in the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// The number of the last event that the reader has read; 0: none yet.
    pub seq: u64,
}

impl Cursor {
    /// Where `reader` is; at the beginning if nobody of that name has marked anything. One that makes no sense is an error,
    /// and is left as it is.
    pub fn read(root: &Root, reader: &ReaderName) -> Result<Self> {
        let path = root.cursor(reader);
        let failed = |error: io::Error| {
            Error::io(format!("cannot read the cursor `{}`", path.display()), error)
                .with_hint("remove the file, and the reader begins with the oldest event")
        };
        let bytes = match files::read_bounded(&path, BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(failed(error)),
        };
        let value: Value = serde_json::from_slice(&bytes).map_err(|error| failed(io::Error::other(error)))?;
        let seq = value.get("seq").and_then(Value::as_u64);
        seq.map(|seq| Self { seq }).ok_or_else(|| failed(io::Error::other("`seq` is no number")))
    }

    /// Marks that `reader` has read up to here. It survives a power cut.
    pub fn write(self, root: &Root, reader: &ReaderName) -> Result<()> {
        let path = root.cursor(reader);
        let text = format!("{}\n", json!({"version": 1, "seq": self.seq, "at": EpochMs::now().0}));
        path.parent()
            .map_or(Ok(()), files::create_dir)
            .and_then(|()| files::write_atomic(&path, text.as_bytes(), Durability::Synced))
            .map_err(|error| Error::io(format!("cannot write the cursor `{}`", path.display()), error))
    }
}
