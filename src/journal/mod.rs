//! The journal: what happened, a line each, in segments that are only ever appended to (contract section 9).
//!
//! The swap of the state gives events their numbers and carries them until the journal has them (`state/`); here is how they are
//! derived from a difference of records (`diff`), how lines look (`line`), how they are appended (`log`) and read (`scan`),
//! how far a reader has come (`cursor`), and what they say of the last hours (`timeline`). docs/design/journal.md has the why.

mod crc;
mod cursor;
mod diff;
pub mod docs;
mod filter;
mod line;
mod log;
mod scan;
mod segments;
mod timeline;

pub use cursor::{Cursor, ReaderName, reader_name};
pub use diff::{Difference, drafts};
pub use filter::Filter;
pub use line::Line;
pub use log::{Bounds, End, Log};
pub use scan::Scanned;
pub use timeline::{Row, Span, Standing, Timeline};
