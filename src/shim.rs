//! The parent of one service: starts it, waits for it, ends its whole tree. Impure: lives with processes.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::process::{SHIM_ARG0, ShimStart};

/// Whether this process was started as a shim, and for which run folder.
pub fn invoked() -> Option<PathBuf> {
    let mut args = std::env::args_os();
    (args.next()? == SHIM_ARG0).then(|| args.next().map(PathBuf::from)).flatten()
}

/// The life of a shim.
pub fn main(_run_dir: &Path) -> ExitCode {
    use std::io::Write;
    let refused = crate::process::answer_line(&ShimStart::Refused("not built yet".into()));
    std::io::stdout().write_all(refused.as_bytes()).unwrap_or_default();
    ExitCode::FAILURE
}
