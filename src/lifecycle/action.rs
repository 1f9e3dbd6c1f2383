//! What can be due for a record: the steps that a sweep plans and `ops` performs.

use crate::service::{ExitRecord, Progress};

use super::transitions::Input;

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Nothing.
    Keep,
    /// End whatever is left of its generation, with proof; the cause says what becomes of the record.
    End(Cause),
    /// The generation lives though the command that started or renewed it is gone: record it as running.
    Adopt,
    /// A command died before it ended the generation that it was to replace: that one goes on.
    Restore,
    /// Its shim has gone on by itself: bring the record to what that wrote down.
    Follow,
    /// Start it again, by that input: its restart policy says so, or a command died after it had ended it.
    StartAgain(Input),
    /// It is dead, and its restart policy starts it again later: record that.
    Wait,
    /// It is dead, and its restart policy has no start left for it: record that.
    GiveUp,
    /// It is dead until somebody needs it: record that.
    Rest,
    /// A command that died has left a claim and no process, and another is about to work on it: take the claim away.
    Free,
}

impl Action {
    /// Why the service is ended, if it is.
    pub const fn cause(self) -> Option<Cause> {
        match self {
            Self::End(cause) => Some(cause),
            Self::Keep
            | Self::Adopt
            | Self::Restore
            | Self::Follow
            | Self::StartAgain(_)
            | Self::Wait
            | Self::GiveUp
            | Self::Rest
            | Self::Free => None,
        }
    }

    /// The word in output.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::End(Cause::Dead) => "drop",
            Self::End(Cause::Expired) => "expire",
            Self::End(Cause::Asked) => "stop",
            Self::End(Cause::Idle) => "idle-stop",
            Self::End(Cause::Unhealthy) => "end-unhealthy",
            Self::Adopt => "adopt",
            Self::Restore => "restore",
            Self::Follow => "follow",
            Self::StartAgain(_) => "start-again",
            Self::Wait => "wait",
            Self::GiveUp => "give-up",
            Self::Rest => "rest",
            Self::Free => "free",
        }
    }
}

/// Why a generation is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Its service is dead, and nothing brings it back: the record goes.
    Dead,
    /// Its time to live is over: the record goes.
    Expired,
    /// Somebody asked for its stop, which was not finished: the record goes.
    Asked,
    /// Nobody has used it for long: the record stays, as `stopped`.
    Idle,
    /// Its probes failed: its restart policy says what becomes of it.
    Unhealthy,
}

/// What a record is to be from now on, beside its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What moves it.
    pub input: Input,
    /// Its history.
    pub progress: Progress,
    /// How it ended, if anybody saw it.
    pub exit: Option<ExitRecord>,
}

/// One step of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The record's name.
    pub name: String,
    /// What to do.
    pub action: Action,
    /// Why, in a few words for people.
    pub why: String,
    /// What is to be recorded of a service that is dead and stays, before anything is started.
    pub change: Option<Change>,
}

/// What is decided, before it has a name.
pub(super) struct Decision {
    pub(super) action: Action,
    pub(super) why: String,
    pub(super) change: Option<Change>,
}

impl Decision {
    /// Without a change of the record's history.
    pub(super) fn of(action: Action, why: impl Into<String>) -> Self {
        Self { action, why: why.into(), change: None }
    }
}
