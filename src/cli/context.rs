//! `context`: what is live, told to an agent.

use std::path::PathBuf;

use crate::ops::live::{self, Request};
use crate::view::wire;

use super::Door;
use super::exit::Outcome;

/// Tell an agent which services of its project are live and healthy
///
/// The text is for a prompt: what agents wrote stands in it as data. It has at most promptContextMaxBytes: everything of every
/// service, else name, base_url and ports, else the first of them and how many more there are. Nothing is printed if there is
/// none. With --format json: {"text", "included", "omitted", "form"}, form one of full, compact, cut, empty.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: minions managed context --project shop --worktree /repos/shop")]
pub(super) struct Args {
    /// The agent's project
    #[arg(long, value_name = "P")]
    project: String,
    /// Only services of the git worktree at this folder, links resolved
    #[arg(long, value_name = "DIR")]
    worktree: Option<PathBuf>,
}

/// Tells it.
pub(super) fn run(args: Args, door: &Door) -> Outcome {
    let request = Request { project: args.project, worktree: args.worktree, names_root: door.root.is_some() };
    let report = live::run(&door.context()?, &request)?;
    door.ui.data(if door.ui.is_json() { wire::words(&report.words) } else { report.words.text })?;
    Ok(door.end(None, report.set_aside.as_ref()))
}
