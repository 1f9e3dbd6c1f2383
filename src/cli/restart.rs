//! `restart`: ends services and starts them anew.

use crate::{ops, view};

use super::Door;
use super::exit::Outcome;

/// End services with their whole process trees, and start each anew from its record
///
/// The same program runs with the same arguments and the same passed environment as at first, wherever this is called
/// from, with its full time to live. What cannot be started is left running. Ends with 0 if every service is healthy, 4 if
/// none is, 5 if some are, 6 if there is no such service, 7 if a port is in use or another command is at it.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: minions managed restart web api")]
pub(super) struct Args {
    /// Services to restart, by name
    #[arg(value_name = "NAME", required = true)]
    pub(super) names: Vec<String>,
    /// Return once started, without waiting for health
    #[arg(long)]
    pub(super) no_wait: bool,
}

/// Restarts the services.
pub(super) fn run(args: &Args, door: &Door) -> Outcome {
    let context = door.context()?;
    let lines = door.ui.progress();
    let progress = |progress| lines.say(&super::accept::words(&progress));
    let report = ops::restart::run(&context, &args.names, !args.no_wait, &progress)?;
    let text =
        if door.ui.is_json() { view::restart::report_json(&report) } else { view::restart::report_text(&report) };
    door.ui.data(text)?;
    for error in report.items.iter().filter_map(|item| item.error.as_ref()) {
        door.ui.failure(error);
    }
    Ok(door.end(ops::restart::kind(&report), report.set_aside.as_ref()))
}
