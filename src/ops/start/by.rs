//! On whose account a service is started: what a new generation has of the history of the old one.

use std::time::Duration;

use crate::base::clock::EpochMs;
use crate::lifecycle::restart::forgiven;
use crate::lifecycle::transitions::{Input, next};
use crate::service::{Progress, Record, Status};

/// On whose account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// A person's, or a new declaration's: a full time to live, and a clean count of failures.
    Person,
    /// Somebody's who needs it (`ensure`): its time to live goes on, its count is clean.
    Need,
    /// Its own lifecycle's, by this input: its time to live and its history go on.
    Lifecycle(Input),
}

impl By {
    /// What moves the record to `starting` from where it stands. Who needs one that is recorded as running finds it dead, and starts
    /// it as any command does.
    pub(super) fn input(self, from: Status) -> Input {
        match self {
            Self::Person => Input::Claimed,
            Self::Need if next(from, Input::Ensure) == Ok(Status::Starting) => Input::Ensure,
            Self::Need => Input::Claimed,
            Self::Lifecycle(input) => input,
        }
    }

    /// Whether the health of what others depend on is waited for, though nobody waits for the whole. What time makes due is
    /// started in its order, but a sweep must not last as long as services take to be healthy.
    pub(super) const fn waits_for_needs(self) -> bool {
        match self {
            Self::Person | Self::Need => true,
            Self::Lifecycle(_) => false,
        }
    }

    /// When the new generation has to end.
    pub(super) fn ttl_expires_at(self, record: &Record, now: EpochMs) -> EpochMs {
        let full = now.plus(Duration::from_secs(record.spec.ttl_minutes.saturating_mul(60)));
        match self {
            Self::Person => full,
            // Only a legacy record has none.
            Self::Need | Self::Lifecycle(_) => record.ttl_expires_at.unwrap_or(full),
        }
    }

    /// The history that the new generation begins with.
    pub(super) fn progress(self, record: &Record) -> Progress {
        let progress = &record.progress;
        match self {
            Self::Person | Self::Need => forgiven(progress),
            // A start after a failure was counted when it was decided.
            Self::Lifecycle(input) => Progress {
                restarts: progress.restarts.saturating_add(u64::from(is_by_time(input))),
                unhealthy_in_row: 0,
                updated_at: None,
                ..progress.clone()
            },
        }
    }

    /// Why, for the record.
    pub(super) fn why(self, verb: &str) -> String {
        match self {
            Self::Person | Self::Need => format!("`minions managed {verb}` starts it"),
            Self::Lifecycle(input) => format!("{} (`minions managed {verb}`)", input.meaning()),
        }
    }
}

/// Whether it is a start that no failure asked for.
fn is_by_time(input: Input) -> bool {
    matches!(input, Input::DailyDue | Input::Updated)
}
