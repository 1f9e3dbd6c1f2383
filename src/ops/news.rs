//! Waiting for a change of the state: a look at the file's metadata now and then, no lock and no parsing.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::base::clock::{monotonic, pause};
use crate::base::root::Root;

/// The first pause between two looks; each next one is half as long again.
const PAUSE_MIN: Duration = Duration::from_millis(1);
/// The longest. Some hundred who wait, for the length of a start, then cost a few thousand looks a second.
const PAUSE_MAX: Duration = Duration::from_millis(50);

/// The state file as it was at one moment: by these it is told from any that was written since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ops) struct Sight(Option<(u64, i64, i64)>);

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
        let seen = std::fs::metadata(&self.path).ok();
        Sight(seen.map(|seen| (seen.ino(), seen.mtime(), seen.mtime_nsec())))
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
