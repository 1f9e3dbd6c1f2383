//! `holders`: who lives in a folder.

use std::path::PathBuf;

use crate::{ops, view};

use super::Door;
use super::exit::Outcome;

/// Tell which services live in or below a folder, and why
///
/// By their working folder or git worktree as recorded, and by their processes: the working folder, the program and the open
/// files of each. The folder may be gone already. With --format json: {"items": [{"name", "project", "pid", "why"}],
/// "others": [{"pid", "command"}]}, the others being processes in the folder that are not ours.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: minions managed holders /repos/shop")]
pub(super) struct Args {
    /// The folder; links are resolved
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

/// Tells the holders.
pub(super) fn run(args: &Args, door: &Door) -> Outcome {
    let report = ops::holders::run(&door.context()?, &args.dir)?;
    if door.ui.is_json() {
        door.ui.data(view::holders::json(&report))?;
    } else {
        door.ui.data(view::holders::table(&report, door.ui.table_style()))?;
    }
    for note in view::holders::notes(&report) {
        door.ui.note(&note);
    }
    Ok(door.end(None, report.set_aside.as_ref()))
}
