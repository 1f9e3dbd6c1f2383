//! The lock of the state file: whether it can be had, and if not, who has it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::base::lock::{self, Sight};
use crate::base::root::Root;
use crate::config::Settings;

use super::finding::{Area, Finding};

/// Holders keep it for milliseconds; who has it longer than this hangs, or is kept from going on.
const PATIENCE: Duration = Duration::from_secs(1);

pub(super) struct Facts {
    path: PathBuf,
    sight: io::Result<Sight>,
    /// How long commands wait for it, in seconds.
    timeout_sec: f64,
}

pub(super) fn observe(root: &Root, settings: &Settings) -> Facts {
    let path = root.lock();
    Facts { sight: lock::observe(&path, PATIENCE), path, timeout_sec: settings.lock_timeout_sec }
}

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let Facts { path, sight, timeout_sec } = facts;
    let finding = match sight {
        Ok(Sight::Missing) => Area::Lock.ok("lock-missing", "there is no lock yet: nothing has been recorded here"),
        Ok(Sight::Free { note: None }) => Area::Lock.ok("lock-free", "the lock can be had"),
        Ok(Sight::Free { note: Some(who) }) => Area::Lock.ok(
            "lock-free",
            format!(
                "the lock can be had; {who} was killed while holding it, which does no harm: its lock ended with it"
            ),
        ),
        Ok(Sight::Held { holder }) => Area::Lock
            .error(
                "lock-held",
                format!(
                    "the lock was not had within {} s, and commands give up after {timeout_sec} s: {holder}",
                    PATIENCE.as_secs()
                ),
            )
            .with_hint("if the holder hangs, end it: its lock ends with it, and no file need be removed"),
        Err(error) => Area::Lock
            .error("lock-unreadable", format!("the lock cannot be looked at: {error}"))
            .with_hint("it must be a regular file of the user who runs this; if it is none, move it out of the way"),
    };
    vec![finding.at(path)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_lock_that_cannot_be_had_is_an_error() {
        let check = |sight: io::Result<Sight>, code: &str, part: &str| {
            let [finding] = &judge(&Facts { path: "/l".into(), sight, timeout_sec: 10.0 })[..] else {
                panic!("one finding");
            };
            assert!(finding.code == code && finding.message.contains(part), "{finding:?}");
        };
        check(Ok(Sight::Missing), "lock-missing", "no lock yet");
        check(Ok(Sight::Free { note: None }), "lock-free", "can be had");
        check(Ok(Sight::Free { note: Some("pid 7 (`stop`)".into()) }), "lock-free", "pid 7 (`stop`) was killed");
        check(Ok(Sight::Held { holder: "pid 7 holds it".into() }), "lock-held", "give up after 10 s: pid 7 holds it");
        check(Err(io::ErrorKind::PermissionDenied.into()), "lock-unreadable", "permission denied");
    }
}
