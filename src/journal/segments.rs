//! The files of the journal: the one that is written, and those before it, named by their first event.

use std::io;
use std::path::PathBuf;

use crate::base::root::Root;

/// A closed segment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Segment {
    /// The number of its first event.
    pub(super) first: u64,
    /// The file.
    pub(super) path: PathBuf,
}

/// The closed segments, oldest first. No folder means none.
pub(super) fn closed(root: &Root) -> io::Result<Vec<Segment>> {
    let entries = match std::fs::read_dir(root.engine()) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut segments = Vec::new();
    for entry in entries {
        let entry = entry?;
        let first = entry.file_name().to_str().and_then(Root::events_segment_first);
        segments.extend(first.map(|first| Segment { first, path: entry.path() }));
    }
    segments.sort_unstable();
    Ok(segments)
}
