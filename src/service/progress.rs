//! What has become of a service so far, over all its generations: the memory by which it is started anew or given up.

use crate::base::clock::EpochMs;

use super::Status;

/// What is kept of a service beyond its present generation. Nothing has happened yet: the default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Failures since it last was healthy for long enough.
    pub failures_in_row: u32,
    /// When it was started automatically, oldest first: within the policy's window, at most one more than it allows.
    pub recent_starts: Vec<EpochMs>,
    /// Automatic starts in all.
    pub restarts: u64,
    /// When it is started next; only while `backoff`.
    pub next_at: Option<EpochMs>,
    /// Probes that failed since one last passed.
    pub unhealthy_in_row: u32,
    /// When it was last used, as far as anyone wrote it down.
    pub last_used_at: Option<EpochMs>,
    /// When something it was built from changed; `None` once it has been started after that.
    pub updated_at: Option<EpochMs>,
    /// How it came to its status.
    pub last_transition: Option<Transition>,
}

/// One change of a record's status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// When.
    pub at: EpochMs,
    /// From where; `None`: the record is new.
    pub from: Option<Status>,
    /// To where.
    pub to: Status,
    /// The word of what happened.
    pub input: String,
    /// Why, in one sentence.
    pub why: String,
}
