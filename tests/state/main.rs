//! The state file: read without a lock, written whole under it, never lost.

mod changes;
mod samples;
mod wire;
