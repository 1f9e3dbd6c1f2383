//! Rotating the logs that have grown too large.

use crate::base::error::Error;
use crate::base::root::Root;
use crate::logs::{self, Rotation};
use crate::service::Record;

use super::Due;
use super::report::Rotated;

/// Rotates the log of each record that is longer than `bytes_max` bytes. Only logs in the root's own folder: a state file
/// must not make us cut any other file.
pub(super) fn rotate(root: &Root, due: &[Due<'_>], bytes_max: u64) -> Vec<Rotated> {
    let one = |record: &Record| {
        let log = root.log(&record.name);
        let outcome = logs::rotate_if_due(&log, &root.log_previous(&record.name), bytes_max);
        match outcome {
            Ok(Rotation::NotDue | Rotation::Busy) => None,
            Ok(rotation) => Some(Ok(rotation)),
            Err(error) => Some(Err(Error::io(format!("cannot rotate the log `{}`", log.display()), error))),
        }
        .map(|outcome| Rotated { name: record.name.clone(), outcome: Some(outcome) })
    };
    due.iter().filter_map(|due| one(due.record)).collect()
}

/// The logs that are due.
pub(super) fn observe(root: &Root, due: &[Due<'_>], bytes_max: u64) -> Vec<Rotated> {
    let is_due = |record: &Record| {
        let length = root.log(&record.name).metadata().map_or(0, |seen| seen.len());
        (length > bytes_max).then(|| Rotated { name: record.name.clone(), outcome: None })
    };
    due.iter().filter_map(|due| is_due(due.record)).collect()
}
