//! `release`: nothing of ours lives in a folder any more.

use std::path::PathBuf;

use crate::base::error::Kind;
use crate::{ops, view};

use super::Door;
use super::exit::Outcome;

/// Stop what lives in or below a folder, and exit 0 only once nothing of ours is left there
///
/// To be run before a folder is removed: `minions managed release DIR && git worktree remove DIR`. Each service that `holders`
/// tells is stopped whole; then records and processes are looked at again. What would not end keeps its record (exit 1).
/// Processes of others are told and not touched. The folder may be gone already. With --format json: {"items": […],
/// "released": true, "others": [{"pid", "command"}]}, the items as of `stop`.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: minions managed release /repos/shop")]
pub(super) struct Args {
    /// The folder; links are resolved
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

/// Releases the folder.
pub(super) fn run(args: &Args, door: &Door) -> Outcome {
    let mut report = ops::release::run(&door.context()?, &args.dir)?;
    door.ui.data(if door.ui.is_json() { view::release::json(&report) } else { view::release::text(&report) })?;
    let failed = door.failures(&mut report.items);
    for note in view::release::notes(&report) {
        door.ui.note(&note);
    }
    let news = failed.or(Some(Kind::Unforeseen).filter(|_| !report.is_released));
    Ok(door.end(news, report.set_aside.as_ref()))
}
