//! The state file: read without a lock, written whole under it, never lost.
#![expect(clippy::disallowed_methods, reason = "tests make bad files and start processes, which the program may not")]
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "helpers fail as tests do, and skip loudly")]

mod changes;
mod evidence;
mod faults;
mod fixtures;
mod group;
mod passed_on;
mod processes;
mod samples;
mod wire;
