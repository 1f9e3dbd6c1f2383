//! `remove-project`: all of a project.

use crate::{ops, view};

use super::Door;
use super::exit::Outcome;

/// Stop and remove every service of a project, and its logs
///
/// A log goes once its service is proven gone; what would not end keeps its record and its log. With --format json: as
/// `stop`.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: minions managed remove-project shop")]
pub(super) struct Args {
    /// The project
    #[arg(value_name = "P")]
    project: String,
}

/// Removes the project's services.
pub(super) fn run(args: &Args, door: &Door) -> Outcome {
    let mut report = ops::remove_project::run(&door.context()?, &args.project)?;
    let text = if door.ui.is_json() { view::stop::report_json(&report) } else { view::stop::removed_text(&report) };
    door.ui.data(text)?;
    let failed = door.failures(&mut report.items);
    Ok(door.end(failed, report.set_aside.as_ref()))
}
