//! The follower: a short-lived command that brings the record up to what the shim's files tell, so that the shim need not know
//! how to. At most one at a time. It is a child of the shim and no part of its service.

use std::path::Path;

use crate::base::steps::{Step, reached};
use crate::process;

/// The follower of one shim.
#[derive(Debug, Default)]
pub(super) struct Follower {
    /// The one that runs.
    pid: Option<u32>,
    /// More has happened since it was started.
    is_wanted: bool,
}

impl Follower {
    /// Something has happened of which the record should know: a follower is started, at once or when the one that runs has ended.
    pub(super) fn want(&mut self, run_dir: &Path) {
        if self.pid.is_some() {
            self.is_wanted = true;
            return;
        }
        self.is_wanted = false;
        // Without one, whoever looks next brings the record up.
        self.pid = process::start_follower(run_dir).ok();
        reached(Step::ShimFollowed);
    }

    /// The same by a shim that leaves, and can't wait for the one that runs. Two at once do no harm: they read under the lock.
    pub(super) fn want_last(&mut self, run_dir: &Path) {
        self.pid = None;
        self.want(run_dir);
    }

    /// A child has ended and was reaped; says whether it was the follower.
    pub(super) fn note_end(&mut self, pid: u32) -> bool {
        let is_it = self.pid == Some(pid);
        if is_it {
            self.pid = None;
        }
        is_it
    }

    /// Starts another one if more has happened while one ran that has ended.
    pub(super) fn catch_up(&mut self, run_dir: &Path) {
        if self.pid.is_none() && self.is_wanted {
            self.want(run_dir);
        }
    }

    /// The one that runs.
    pub(super) fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// Whether the shim has no other child. Where that cannot be told, it may have.
    pub(super) fn is_only_child(&self) -> bool {
        self.pid.is_some_and(|pid| process::observe_children().is_ok_and(|children| children == [pid]))
    }
}
