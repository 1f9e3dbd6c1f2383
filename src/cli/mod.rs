//! The door for people and scripts. (to come)
use std::process::ExitCode;

/// Parses, executes, renders.
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
