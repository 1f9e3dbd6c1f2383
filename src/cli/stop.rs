//! `stop`: ends services and forgets them.

use crate::{ops, view};

use super::Door;
use super::exit::Outcome;

/// End services with their whole process trees, and remove their records
///
/// Each gets its stop signal (SIGTERM if it declares no other), the grace period, then SIGKILL; the command returns once none of
/// their processes is left. Of several, those that depend on others end first. Who depends on one that is stopped and is not
/// named too goes on, and is told.
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
    for note in view::stop::notes(&report) {
        door.ui.note(&note);
    }
    let failed = door.failures(&mut report.items);
    Ok(door.end(failed, report.set_aside.as_ref()))
}
