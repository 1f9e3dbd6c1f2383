//! `logs`: what a service wrote.

use super::exit::Outcome;
use super::{Door, accept};

/// Print the end of a service's log, and follow it if asked
///
/// On a terminal, escapes other than colours are taken out; elsewhere the log goes through as it is.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: minions managed logs web -n 100 -f")]
pub(super) struct Args {
    /// The service's name
    #[arg(value_name = "NAME")]
    name: String,
    /// How many of the last lines to print
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50)]
    lines: usize,
    /// Go on printing what the service writes, until interrupted
    #[arg(short, long)]
    follow: bool,
    /// The log before the last rotation
    #[arg(long, conflicts_with = "follow")]
    previous: bool,
}

/// Prints the log.
pub(super) fn run(args: &Args, _door: &Door) -> Outcome {
    let Args { name: _, lines: _, follow: _, previous: _ } = args;
    Err(accept::not_built_yet("logs"))
}
