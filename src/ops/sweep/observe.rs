//! Looking at every record, many of them side by side, and deciding.

use crate::base::clock::EpochMs;
use crate::base::parts::map_parts;
use crate::base::root::Root;
use crate::lifecycle::sweep::{self, Life};
use crate::process;
use crate::service::Record;

use super::super::facts;
use super::Due;

/// Fewer records than this are looked at by one thread: to start a second takes as long as it saves.
const THREADED_MIN: usize = 256;
/// Most threads that look at processes side by side.
const THREADS_MAX: usize = 8;

/// One step per record, in their order.
pub(in crate::ops) fn observe<'a>(root: &Root, records: &'a [Record], now: EpochMs) -> Vec<Due<'a>> {
    let look = |part: &'a [Record]| -> Vec<Due<'a>> { part.iter().map(|record| due(root, record, now)).collect() };
    if records.len() < THREADED_MIN {
        return look(records);
    }
    let threads = process::processors().clamp(1, THREADS_MAX);
    let parts = records.chunks(records.len().div_ceil(threads)).collect();
    map_parts(parts, look).into_iter().flatten().collect()
}

fn due<'a>(root: &Root, record: &'a Record, now: EpochMs) -> Due<'a> {
    let facts = facts::for_sweep(root, record);
    let step = sweep::step(record, &facts, now);
    Due { record, step, was_alive: facts.life == Life::Alive }
}
