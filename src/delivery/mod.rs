//! Telling others what happened: events go to the sinks of the settings, to each in order, at least once, and each under an id
//! that stays (contract section 9, docs/delivery.md).
//!
//! The journal is the queue. What is kept here per sink is how far it has come (`position`), what it refused for good (`dead`),
//! and how what waits is chosen (`waiting`); when to try again is `schedule`, what is sent is `cloudevent`, to whom is `sinks`.
//! Deliberately not here: the journal itself, which is behind [`Source`], and the pass over a sink, which is `ops::deliver`.

pub mod cloudevent;
pub mod dead;
pub mod position;
#[cfg(test)]
mod sample;
pub mod schedule;
pub mod sinks;
pub mod waiting;
mod wire;

use crate::base::error::Result;
use crate::service::Event;

/// Where events are read from.
pub trait Source {
    /// The number of the last event that there is; 0 if there is none.
    fn last_seq(&self) -> Result<u64>;

    /// Events after number `seq`, in order, at most `count_max`; empty only if there are none.
    fn after(&self, seq: u64, count_max: usize) -> Result<Vec<Event>>;
}
