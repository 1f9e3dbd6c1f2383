//! How a command ends. The numbers are `base::error::Kind`'s; here is what each means, for help and docs.

use crate::base::error::{Kind, Result};

/// How a command that did not fail ends: its data is on stdout already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// All was done.
    Done,
    /// What it reports is bad news of this kind.
    News(Kind),
}

/// What a command returns.
pub(crate) type Outcome = Result<End>;

impl End {
    /// The process's exit code.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::News(kind) => kind.exit_code(),
        }
    }
}

/// Every exit code but 0, in order, with its meaning (contract section 4).
pub(crate) const MEANINGS: [(Kind, &str); 9] = [
    (Kind::Unforeseen, "an unforeseen or I/O error"),
    (Kind::InvalidSidecar, "invalid sidecar (`invalid-managed-spawn`)"),
    (Kind::NotHealthy, "not healthy (`managed-spawn-healthcheck-failed`)"),
    (Kind::PartlyHealthy, "partly healthy"),
    (Kind::NotFound, "no such service, agent or file"),
    (
        Kind::Conflict,
        "conflict: port in use, generation changed, lease held, idempotency key reused with other content",
    ),
    (Kind::LockTimeout, "the lock was not had within `lockTimeoutSec`"),
    (Kind::StateSetAside, "the state file was unreadable and has been set aside"),
    (Kind::Usage, "usage: the command line was wrong"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_the_contracts_and_two_is_none_of_them() {
        let codes: Vec<u8> = MEANINGS.iter().map(|(kind, _)| kind.exit_code()).collect();
        assert_eq!(codes, [1, 3, 4, 5, 6, 7, 8, 9, 64]);
    }
}
