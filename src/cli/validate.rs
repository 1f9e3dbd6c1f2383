//! `validate`: judges sidecars and changes nothing.

use super::exit::Outcome;
use super::{Door, accept};

/// Judge sidecars: every failure, with its place and what would make it pass
///
/// Ends with 0 if all are valid, with 3 if one is not. Nothing is changed.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: minions managed validate ripley\n         \
                        cat sidecar.json | minions managed validate - --format json")]
pub(super) struct Args {
    /// A file, `-` for stdin, or an agent's name; none: every agent's sidecar under the root
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
}

/// Judges the targets.
pub(super) fn run(args: &Args, door: &Door) -> Outcome {
    door.ui.detail(&format!("targets: {}", args.targets.join(" ")));
    Err(accept::not_built_yet("validate"))
}
