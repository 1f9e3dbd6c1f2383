//! What a process with a thread is, and its planned death.

use minions_managed::base::steps::Step;

/// As what a process was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// `minions managed …`.
    Command,
    /// The shim of the service of that name.
    Shim(String),
    /// A follower of that service's shim.
    Follower(String),
}

impl Role {
    /// In messages.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Command => "a command".to_owned(),
            Self::Shim(name) => format!("the shim of {name}"),
            Self::Follower(name) => format!("a follower of {name}"),
        }
    }
}

/// Somebody's death, planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Death {
    pub(crate) who: Role,
    pub(crate) at: At,
}

/// When.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// At the step of that number, from 1, of all who are it from now on.
    Number(u64),
    /// When it reaches this named step.
    Named(Step),
}

impl Death {
    /// `role` makes a step: whether it dies of that.
    pub(crate) fn meets(&mut self, role: &Role, named: Option<Step>) -> bool {
        match &mut self.at {
            _ if self.who != *role => false,
            At::Named(step) => named == Some(*step),
            At::Number(left) => {
                *left = left.saturating_sub(1);
                *left == 0
            }
        }
    }
}
