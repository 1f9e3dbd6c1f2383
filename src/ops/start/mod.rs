//! Starting a new generation, for every verb that does: prepare, claim, perform, settle, wait for the first health. One
//! file per step.
//!
//! The verb says what the new record is and what becomes of it if the start fails (`OnFailure`); the steps, their order
//! and what each leaves for recovery are the same for all: docs/design/claims.md. [`again()`] is the whole way for records
//! that exist.

mod again;
mod by;
pub(in crate::ops) mod first_health;
mod outside;
mod perform;
mod ports;
mod prepare;
mod ready;
mod settle;
mod tail;
mod turns;

pub use again::{Again, Item, Only, Report, again};
pub use by::By;
pub(super) use outside::Outside;
pub(super) use perform::environment;
pub(super) use ports::observe_taken;
pub(super) use prepare::{Start, dismiss, insert, is_still_so};
pub(super) use settle::perform_and_settle;

use crate::base::error::{Error, Kind, Result};
use crate::service::Identity;
use crate::state::GroupCommit;

use super::context::Context;

/// How often a plan is made anew because another command changed what it was made from.
pub(super) const PLANS_MAX: u32 = 10;

/// For a thread that reads the state, which may be nested 160 levels deep (`state::DEPTH_MAX`).
pub(super) const STACK_BYTES: usize = 2 << 20;

/// Something that happened, for a progress line. Doors render it.
#[derive(Clone, Debug)]
pub enum Progress {
    /// The service was spawned.
    Started {
        /// The record's name.
        name: String,
        /// The service's pid.
        pid: u32,
    },
    /// It is decided how the start ended.
    Done {
        /// The record's name.
        name: String,
        /// `healthy after 12 ms`, or why not.
        words: String,
        /// Whether it is up.
        is_up: bool,
    },
}

/// Receives progress from several threads.
pub type OnProgress<'a> = &'a (dyn Fn(Progress) + Sync);

/// What becomes of the record of a start that failed, once nothing of it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnFailure {
    /// It is removed: its declaration is the caller's to repeat.
    Forget,
    /// It stays, as `failed`, with its exit: the declaration is nowhere else.
    Keep,
    /// It stays, and its restart policy says what becomes of it: nobody waits for this start.
    Policy,
}

/// Who starts, and how.
pub(super) struct Starter<'a> {
    /// The surroundings.
    pub(super) context: &'a Context,
    /// Writes the claims and what came of them.
    pub(super) writer: &'a GroupCommit,
    /// This very process, which the claims name.
    pub(super) maker: Identity,
    /// The command's name, which the claims and the lock name.
    pub(super) verb: &'static str,
    /// On whose account.
    pub(super) by: By,
    /// Whether to wait for the first health pass.
    pub(super) waits: bool,
    /// What becomes of the record of a failed start.
    pub(super) on_failure: OnFailure,
    /// Is told how it goes.
    pub(super) progress: OnProgress<'a>,
}

/// Nothing is started where services are switched off.
pub(super) fn check_enabled(context: &Context) -> Result<()> {
    if context.settings.enabled {
        return Ok(());
    }
    let message = "services are switched off by `enabled: false` under engine.managedSpawn in config.json";
    Err(Error::new(Kind::Conflict, "disabled", message).with_hint("nothing was read or started"))
}

/// What came of one start that was claimed.
#[derive(Debug)]
pub(super) struct Started {
    /// The service's pid, while it is up.
    pub(super) pid: Option<u32>,
    /// Whether its first probe passed; `None` if nobody waited.
    pub(super) healthy: Option<bool>,
    /// Why it is not up.
    pub(super) failure: Option<Failure>,
}

/// Why a start did not come to a service that is up.
#[derive(Debug)]
pub(super) struct Failure {
    /// Of what kind it is.
    pub(super) kind: FailureKind,
    /// In one sentence.
    pub(super) error: String,
    /// The last lines of the log of that generation.
    pub(super) log_tail: Vec<String>,
}

impl Failure {
    /// Whether what was to be replaced goes on as it was.
    fn is_old_spared(&self) -> bool {
        matches!(self.kind, FailureKind::Spared | FailureKind::Dependency)
    }
}

/// At which step a start failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FailureKind {
    /// What it waits for is not up, so nothing was started, and what was to be replaced goes on.
    Dependency,
    /// The generation to be replaced would not end, so nothing was started.
    OldLives,
    /// Its orders could not be written, so that the generation to be replaced was left as it is.
    Spared,
    /// It could not be started.
    Spawn,
    /// The first health pass did not come.
    Healthcheck,
    /// Another command took the record over meanwhile.
    Overtaken,
}
