//! `ensure`: a service is up and healthy.

use crate::{ops, view};

use super::Door;
use super::exit::Outcome;

/// Start a service if it is not up, and wait until it is healthy
///
/// What it depends on comes first. One that is up and healthy is answered for at once, and marked as in use; many who ask at
/// the same time start it once, and all are told. It keeps its time to live. Prints where it is reached. Ends with 0 if it is
/// healthy, 4 if it did not become so, 6 if there is no such service, 7 if a port is in use or its time to live is over. With
/// --format json: {"name", "action", "healthy", "pid", "generation", "base_url", "ports", "health_proof", "log_path",
/// "dependencies"}; action one of none, started, awaited.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: curl \"$(minions managed ensure web --format json | sed 's/.*\"base_url\":\"\\([^\"]*\\).*/\\1/')\""
)]
pub(super) struct Args {
    /// The service's name
    #[arg(value_name = "NAME")]
    name: String,
}

/// Brings it up.
pub(super) fn run(args: &Args, door: &Door) -> Outcome {
    let lines = door.ui.progress();
    let progress = |progress| lines.say(&super::accept::words(&progress));
    let ensured = ops::ensure::run(&door.context()?, &args.name, &progress)?;
    door.ui.data(if door.ui.is_json() { view::ensure::json(&ensured) } else { view::ensure::text(&ensured) })?;
    Ok(door.end(None, ensured.set_aside.as_ref()))
}
