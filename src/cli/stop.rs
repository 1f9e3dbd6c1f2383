//! `stop`: ends services and forgets them.

use crate::{ops, view};

use super::Door;
use super::exit::Outcome;

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
pub(super) fn run(args: &Args, door: &Door) -> Outcome {
    let context = door.context()?;
    let mut report = ops::stop::run(&context, &args.names)?;
    let text = if door.ui.is_json() { view::stop::report_json(&report) } else { view::stop::report_text(&report) };
    door.ui.data(text)?;
    let failed = door.failures(&mut report.items);
    Ok(door.end(failed, report.set_aside.as_ref()))
}
