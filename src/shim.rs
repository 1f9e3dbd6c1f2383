//! The parent of one service. (to come)
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Whether this process was started as a shim, and for which run folder.
pub fn invoked() -> Option<PathBuf> {
    None
}

/// The life of a shim.
pub fn main(_run_dir: &Path) -> ExitCode {
    ExitCode::SUCCESS
}
