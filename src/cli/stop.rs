//! `stop`: ends services and forgets them.

use super::exit::Outcome;
use super::{Door, accept};

/// End services with their whole process trees, and remove their records
///
/// Each gets SIGTERM, the grace period, then SIGKILL; the command returns once none of their processes is left.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: minions managed stop web api")]
pub(super) struct Args {
    /// Services to stop, by name
    #[arg(value_name = "NAME", required = true)]
    pub(super) names: Vec<String>,
}

/// Stops the services.
pub(super) fn run(args: &Args, _door: &Door) -> Outcome {
    let Args { names: _ } = args;
    Err(accept::not_built_yet("stop"))
}
