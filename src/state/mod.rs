//! The record of everything that lives: one JSON file, read without a lock and written whole under it; and what the
//! shims left as evidence, from which the file can be rebuilt (contract section 5).
//!
//! Deliberately not here: what a change means (lifecycle/), whether a process lives (the caller says), and the journal: events are
//! carried for it (`carried`).

mod at_rest;
mod carried;
mod document;
mod error;
mod etag;
mod evidence;
mod group;
mod lives;
mod rebuild;
mod store;
mod wire;

pub use at_rest::{forget_at_rest, is_at_rest, lacking, read_at_rest};
pub use carried::{Carried, CarriedEvent, Change, Journal};
pub use document::{DEPTH_MAX, Document, Malformed, VERSION};
pub use error::Error;
pub use etag::{etag, etag_of_array, etag_shown};
pub use evidence::{
    Ended, Evidence, Known, Launch, Left, Next, Started, hold_lifeline, is_ending, is_lifeline_free, is_refused,
    mark_ending, observe_left, read_all, read_ended, read_exit, read_launch, read_one, read_service, read_shim,
    remove_shim, rewrite_launch, write_exit, write_launch, write_reserves, write_service, write_shim,
};
pub use group::GroupCommit;
pub use lives::{barred_life, newest_life, remove_lives};
pub use store::{AsideKind, Changed, Exclusive, Reading, STATE_BYTES_MAX, SetAside, Store};
pub use wire::{Glimpse, OwnText, RecordJson, record_from_json, record_to_json};
