//! `explain`: why a service is or is not running.

use crate::{ops, view};

use super::Door;
use super::exit::Outcome;

/// Explain why a service is or is not running, and what comes next
///
/// Tells how it came to its status, how it last ended, what a sweep would do with it now, when it ends or starts by itself, its
/// restart policy with the figures filled in, and what it depends on. Changes nothing. With --format json: {"name", "why",
/// "due": {"action", "why"}, "status", "last_transition", "last_exit", "unhealthy_in_row", "failures_in_row", "restarts", "next_wait_s",
/// "starts_left", "next": [{"what", "at", "if_unused"}…], "depends_on": […], …}. Of a service that is gone the hint tells what became of it.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: minions managed explain web")]
pub(super) struct Args {
    /// The service's name
    #[arg(value_name = "NAME")]
    name: String,
}

/// Explains the service.
pub(super) fn run(args: &Args, door: &Door) -> Outcome {
    let explanation = ops::explain::run(&door.context()?, &args.name)?;
    door.ui.data(if door.ui.is_json() {
        view::explain::json(&explanation)
    } else {
        view::explain::draw(&explanation, door.ui.table_style())
    })?;
    Ok(door.end(None, explanation.set_aside.as_ref()))
}
