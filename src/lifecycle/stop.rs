//! What a stop does to one record.

use crate::service::Liveness;

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
}

/// Chooses the way. Total over legacy × shim × service × clean.
pub fn way(is_legacy: bool, facts: &Facts) -> Way {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_of_the_table_is_as_written() {
        const ALL: [Liveness; 3] = [Liveness::Alive, Liveness::Dead, Liveness::Unknown];
        for is_clean in [false, true] {
            for shim in ALL {
                for service in ALL {
                    let facts = Facts { shim, service, is_clean };
                    let legacy = match service {
                        Liveness::Alive => Way::EndLegacy,
                        Liveness::Dead => Way::Forget,
                        Liveness::Unknown => Way::Refuse,
                    };
                    assert_eq!(way(true, &facts), legacy, "legacy {facts:?}");
                    let ours = match (service, shim, is_clean) {
                        (Liveness::Unknown, _, _) | (_, Liveness::Unknown, _) => Way::Refuse,
                        (_, Liveness::Alive, _) => Way::AskShim,
                        (Liveness::Dead, Liveness::Dead, true) => Way::Forget,
                        (Liveness::Alive | Liveness::Dead, Liveness::Dead, _) => Way::EndMarked,
                    };
                    assert_eq!(way(false, &facts), ours, "{facts:?}");
                }
            }
        }
    }
}
