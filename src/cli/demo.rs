//! `demo`: a guided tour.

use super::exit::Outcome;
use super::{Door, accept};

/// See it work: a guided tour with a real service in a temporary root
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: minions managed demo")]
pub(super) struct Args {}

/// Gives the tour.
pub(super) fn run(args: &Args, _door: &Door) -> Outcome {
    let Args {} = args;
    Err(accept::not_built_yet("demo"))
}
