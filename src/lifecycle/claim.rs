//! Whose turn it is: what the claim on a record means for a command that wants to work on it.

use crate::service::{Claim, Liveness, Record};

/// Whether a command may work on a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nobody is at it, or whoever was is proven dead: its work is taken over.
    Ours,
    /// Another command is at it.
    Theirs {
        /// That command's process.
        pid: u32,
        /// What it does: `accept`, `stop` …
        verb: String,
    },
}

/// Judges the claim on `record`, given the liveness of its maker. A maker that cannot be judged counts as alive: two
/// commands at one service do more harm than one that has to be called again.
pub fn turn(record: &Record, maker: impl Fn(&Claim) -> Liveness) -> Turn {
    let Some(claim) = &record.claim else { return Turn::Ours };
    match maker(claim) {
        Liveness::Dead => Turn::Ours,
        Liveness::Alive | Liveness::Unknown => Turn::Theirs { pid: claim.maker.pid, verb: claim.verb.clone() },
    }
}
