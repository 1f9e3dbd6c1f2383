//! `touch`: somebody uses a service.

use crate::{ops, view};

use super::Door;
use super::exit::Outcome;

/// Mark a service as in use
///
/// A service with `idle_stop_s` is stopped once it has not been used for so long, and restarts for an update or the day wait
/// until it is idle. Use is this, `ensure`, and any connection to one of its ports. What is not up is not started: that is
/// `ensure`. With --format json: {"name", "status", "last_used_at", "next", "next_at"}.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: minions managed touch web")]
pub(super) struct Args {
    /// The service's name
    #[arg(value_name = "NAME")]
    name: String,
}

/// Marks it.
pub(super) fn run(args: &Args, door: &Door) -> Outcome {
    let touched = ops::touch::run(&door.context()?, &args.name)?;
    door.ui.data(if door.ui.is_json() { view::touch::json(&touched) } else { view::touch::text(&touched) })?;
    Ok(door.end(None, touched.set_aside.as_ref()))
}
