//! `show`: one service whole.

use super::exit::Outcome;
use super::{Door, accept};

/// Show everything that is known of one service, and the end of its log
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: minions managed show web")]
pub(super) struct Args {
    /// The service's name
    #[arg(value_name = "NAME")]
    name: String,
}

/// Shows the service.
pub(super) fn run(args: &Args, _door: &Door) -> Outcome {
    let Args { name: _ } = args;
    Err(accept::not_built_yet("show"))
}
