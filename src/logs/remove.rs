//! Removal of a log with all that rotations keep beside it.

use std::io;
use std::path::Path;
use std::time::Duration;

use crate::base::files;
use crate::base::lock::FileLock;

use super::rotate::suffixed;

/// How long a rotation that is under way is waited for: it copies at most the log once.
const TURN_LIMIT: Duration = Duration::from_secs(10);

/// Removes the log at `log` and the one before its last rotation, at `previous`. What is not there is as good as removed.
/// Nothing may write to it any more. Errors: a rotation that does not end, or a file that cannot be removed.
pub fn remove(log: &Path, previous: &Path) -> io::Result<()> {
    let part = suffixed(previous, ".part");
    let lock = suffixed(log, ".lock");
    let all = [log, previous, &part, &lock];
    if !all.iter().any(|path| path.symlink_metadata().is_ok()) {
        return Ok(());
    }
    // A rotation would put back what we take away.
    let turn = FileLock::acquire(&lock, TURN_LIMIT, "remove").map_err(|error| io::Error::other(error.chain()))?;
    for path in all {
        files::remove(path)?;
    }
    drop(turn);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::files::{Durability, write_atomic};

    #[test]
    fn nothing_of_a_log_is_left_and_others_stay() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for name in ["web.log", "web.log.1", "web.log.1.part", "web.log.lock", "web-2.log", "api.log"] {
            write_atomic(&path(name), b"x", Durability::Cached).unwrap();
        }
        remove(&path("web.log"), &path("web.log.1")).unwrap();
        remove(&path("none.log"), &path("none.log.1")).unwrap();
        remove(&path("no/such/folder.log"), &path("no/such/folder.log.1")).unwrap();
        let mut left: Vec<_> = dir.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["api.log", "web-2.log"]);
    }
}
