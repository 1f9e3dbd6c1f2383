//! Runs: one record per acceptance, `engine/managed-runs/<run-id>.json`, and the leases by which one command at a time decides an
//! agent's sidecar, `engine/managed-queue.json`. How a run moves is the table of `lifecycle::runs`.
//!
//! Deliberately not here: sidecars, and what is done with them. Who takes a lease and what for is `ops::desk`.

pub mod docs;
mod leases;
mod payload;
mod run;
mod store;
mod wire;
mod words;

pub use crate::lifecycle::runs::{Illegal, RunInput, RunStatus};
pub use leases::{Entry, Leases};
pub use payload::{Payload, text_hash};
pub use run::{Mark, Place, Run, SpecReport};
pub use store::{Listing, Malformed, RunStore, no_such_run};
pub use wire::{run_from_json, run_to_json, spec_to_json};
pub use words::{FailureClass, Outcome, SpecAction};
