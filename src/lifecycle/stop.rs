//! What a stop does to one record.

use crate::service::{Liveness, Record};

use super::claim::Turn;

/// How to end a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Ask its shim, which ends the tree and knows when none is left.
    AskShim,
    /// The shim is gone: end whatever carries the generation's mark.
    EndMarked,
    /// A legacy record: only the process itself is known.
    EndLegacy,
    /// It was never spawned, or everything is proven gone: forget it.
    Forget,
    /// It cannot be told who lives: touch nothing.
    Refuse,
}

/// What was observed about a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Its shim.
    pub shim: Liveness,
    /// The service itself.
    pub service: Liveness,
    /// The shim went by itself, which it does only once none of its descendants is left; or the boot they lived in is over.
    pub is_clean: bool,
    /// Whether another command is at it.
    pub turn: Turn,
}

/// Chooses the way for `record`.
pub fn way(record: &Record, facts: &Facts) -> Way {
    let is_legacy = record.generation.is_none();
    match (is_legacy, facts.shim, facts.service) {
        (true, _, Liveness::Alive) => Way::EndLegacy,
        (true, _, Liveness::Dead) => Way::Forget,
        (true | false, _, Liveness::Unknown) => Way::Refuse,
        (false, Liveness::Alive, Liveness::Alive | Liveness::Dead) => Way::AskShim,
        (false, Liveness::Dead, Liveness::Dead) if facts.is_clean => Way::Forget,
        // A service may be dead and its descendants alive, when the shim was killed.
        (false, Liveness::Dead, Liveness::Alive | Liveness::Dead) => Way::EndMarked,
        (false, Liveness::Unknown, Liveness::Alive | Liveness::Dead) => Way::Refuse,
    }
}
