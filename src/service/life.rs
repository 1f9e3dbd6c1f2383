//! The life of one generation: where it stands, how it ended.

use crate::base::clock::EpochMs;

/// Where a record stands in its life (contract section 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Decided, waiting for its turn.
    Queued,
    /// Claimed: about to be spawned, or spawned and not yet settled.
    Starting,
    /// Spawned and recorded.
    Running,
    /// Ended, waiting for its next start.
    Backoff,
    /// Being stopped, or a stop that failed and will be tried again.
    Stopping,
    /// Wanted, but not up.
    Stopped,
    /// Given up.
    Failed,
}

impl Status {
    /// Every status, in the order of the contract.
    pub const ALL: [Self; 7] =
        [Self::Queued, Self::Starting, Self::Running, Self::Backoff, Self::Stopping, Self::Stopped, Self::Failed];

    /// The word in files and output.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Backoff => "backoff",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }

    /// The status of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.word() == word)
    }
}

/// How a process ended, as far as anyone saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exit {
    /// It returned this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
    /// Nobody saw it: the shim was killed. Never a guess.
    Unknown,
}

/// Why a generation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExitCause {
    /// By itself.
    Own,
    /// Somebody asked us to stop it.
    Asked,
    /// Its time to live was over.
    Expired,
}

impl ExitCause {
    /// Every cause.
    pub const ALL: [Self; 3] = [Self::Own, Self::Asked, Self::Expired];

    /// The word in files and output.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Asked => "asked",
            Self::Expired => "expired",
        }
    }

    /// The cause of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.word() == word)
    }
}

/// What the shim wrote when its service ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExitRecord {
    /// How.
    pub exit: Exit,
    /// Why.
    pub cause: ExitCause,
    /// When.
    pub at: EpochMs,
}

/// What is proven about whose socket answered a health probe (contract section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Proof {
    /// The listener is in the service's own tree.
    Tree,
    /// Nobody can say; it is not provably someone else's.
    Unverified,
}

impl Proof {
    /// Every value.
    pub const ALL: [Self; 2] = [Self::Tree, Self::Unverified];

    /// The word in files and output.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Tree => "tree",
            Self::Unverified => "unverified",
        }
    }

    /// The value of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|proof| proof.word() == word)
    }
}
