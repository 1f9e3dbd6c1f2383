//! Whether a file has changed, by a look at its metadata: no lock and no parsing. And the wait for a change of the state by that. Impure:
//! looks at files.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::base::clock::{monotonic, pause};
use crate::base::root::Root;

/// The first pause between two looks; each next one is half as long again.
const PAUSE_MIN: Duration = Duration::from_millis(1);
/// The longest. Some hundred who wait, for the length of a start, then cost a few thousand looks a second.
const PAUSE_MAX: Duration = Duration::from_millis(50);

/// A file as it was at one moment: which it was, its size, and its time of change. Another sight, other content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ops) struct Sight(Option<(u64, u64, i64, i64)>);

impl Sight {
    /// Of the file at `path`, which need not be there.
    pub(in crate::ops) fn of(path: &Path) -> Self {
        let seen = std::fs::metadata(path).ok();
        Self(seen.map(|seen| (seen.ino(), seen.len(), seen.mtime(), seen.mtime_nsec())))
    }
}

/// The state file, to be looked at.
#[derive(Debug)]
pub(in crate::ops) struct News {
    path: PathBuf,
}

impl News {
    pub(in crate::ops) fn of(root: &Root) -> Self {
        Self { path: root.state() }
    }

    /// To be taken before the state is read, so that no change goes unseen.
    pub(in crate::ops) fn sight(&self) -> Sight {
        Sight::of(&self.path)
    }

    /// Waits until the state is another than at `then`, or until `end`.
    pub(in crate::ops) fn wait(&self, then: Sight, end: Instant) {
        let mut span = PAUSE_MIN;
        while self.sight() == then {
            let left = end.saturating_duration_since(monotonic());
            if left.is_zero() {
                return;
            }
            pause(span.min(left));
            span = (span * 3 / 2).min(PAUSE_MAX);
        }
    }
}
