//! The words of a run and of the report of an acceptance: closed sets, stable in files and output (contract sections 4 and 9).

/// How one acceptance ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There was no sidecar, or another command decides it.
    None,
    /// Every service is up.
    Accepted,
    /// Every service was up already, as declared.
    Unchanged,
    /// The sidecar is not valid, or somebody called it off.
    Rejected,
    /// Some services are up.
    Partial,
    /// None is.
    Failed,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 6] =
        [Self::None, Self::Accepted, Self::Unchanged, Self::Rejected, Self::Partial, Self::Failed];

    /// The value of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.word() == word)
    }

    /// The word in output.
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Accepted => "accepted",
            Self::Unchanged => "unchanged",
            Self::Rejected => "rejected",
            Self::Partial => "partial",
            Self::Failed => "failed",
        }
    }
}

/// Why an acceptance did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureClass {
    /// The sidecar is not valid.
    InvalidSidecar,
    /// A first health pass did not come.
    Healthcheck,
    /// A service could not be started.
    Spawn,
    /// A declared port has a listener already.
    PortInUse,
    /// Another command is at one of the services, or at the sidecar.
    Claimed,
    /// What it waits for is not up.
    Dependency,
    /// Somebody called it off, or it was replaced or withdrawn before it was decided.
    Cancelled,
    /// Something that has nothing to do with the sidecar: a full disk, a folder that cannot be read.
    Infra,
}

impl FailureClass {
    /// Every class.
    pub const ALL: [Self; 8] = [
        Self::InvalidSidecar,
        Self::Healthcheck,
        Self::Spawn,
        Self::PortInUse,
        Self::Claimed,
        Self::Dependency,
        Self::Cancelled,
        Self::Infra,
    ];

    /// The value of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.word() == word)
    }

    /// The word in output.
    pub const fn word(self) -> &'static str {
        match self {
            Self::InvalidSidecar => "invalid-managed-spawn",
            Self::Healthcheck => "managed-spawn-healthcheck-failed",
            Self::Spawn => "spawn-failed",
            Self::PortInUse => "port-in-use",
            Self::Claimed => "claimed",
            Self::Dependency => "dependency-failed",
            Self::Cancelled => "cancelled",
            Self::Infra => "infra-failed",
        }
    }

    /// What it means, for people.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::InvalidSidecar => "the sidecar is not valid",
            Self::Healthcheck => "a service's first health did not come",
            Self::Spawn => "a service could not be started",
            Self::PortInUse => "a declared port has a listener already",
            Self::Claimed => "another command was at one of the services",
            Self::Dependency => "what a service waits for is not up",
            Self::Cancelled => "somebody called it off, or its sidecar was replaced or removed before it was decided",
            Self::Infra => "something that has nothing to do with the sidecar: a full disk, a file that cannot be read",
        }
    }

    /// Whether an acceptance that failed so leaves its sidecar pending: the same command may succeed once the port is free, the
    /// other command has ended, or the disk has room.
    pub const fn is_passing(self) -> bool {
        match self {
            Self::PortInUse | Self::Claimed | Self::Infra => true,
            Self::InvalidSidecar | Self::Healthcheck | Self::Spawn | Self::Dependency | Self::Cancelled => false,
        }
    }
}

/// What was done for one spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpecAction {
    /// A new service was started.
    Spawned,
    /// An older generation was ended and a new one started.
    Replaced,
    /// It ran already.
    Unchanged,
    /// It is declared and waits.
    Queued,
    /// Nothing.
    None,
}

impl SpecAction {
    /// Every action.
    pub const ALL: [Self; 5] = [Self::Spawned, Self::Replaced, Self::Unchanged, Self::Queued, Self::None];

    /// The value of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.word() == word)
    }

    /// The word in output.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Spawned => "spawned",
            Self::Replaced => "replaced",
            Self::Unchanged => "unchanged",
            Self::Queued => "queued",
            Self::None => "none",
        }
    }
}
