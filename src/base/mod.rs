//! What every room stands on: the root and its paths, time, errors, files, the lock.
//!
//! Nothing here knows what a service is.

pub mod clock;
pub mod error;
pub mod excerpt;
pub mod files;
pub mod hex;
pub mod ids;
pub mod json;
pub mod kept_lines;
pub mod lock;
pub mod nearest;
pub mod parts;
pub mod redact;
pub mod root;
pub mod shared_look;
pub mod span;
pub mod steps;
#[cfg(test)]
#[path = "../../tests/common/weaker.rs"]
pub(crate) mod weaker;
pub mod world;
