//! The logs of services: rotation that loses no line, and readers that survive it. A service keeps its append-mode
//! descriptor for ever, so its log is made small in place; how, and why no reader is misled, stands in
//! docs/design/log-rotation.md.
//!
//! Not here: which log is whose (`ops::logs`), and how lines are shown (`view`).

mod collapse;
mod follow;
mod lines;
mod mark;
mod previous;
mod reader;
mod remove;
mod rotate;

pub use collapse::can_collapse;
pub use follow::Follower;
pub use lines::{end, last_lines, lines_after};
pub use reader::previous_of;
pub use remove::remove;
pub use rotate::{Rotation, rotate_if_due};
