//! `list`: the services there are.

use std::path::PathBuf;

use super::exit::Outcome;
use super::{Door, accept};

/// List the services: what runs, how it is, how long it has left
///
/// Reading takes no lock. With --format json: {"items": […], "etag": "…"}.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: minions managed list --project shop --format json")]
pub(super) struct Args {
    /// Only services of this project
    #[arg(long, value_name = "P")]
    project: Option<String>,
    /// Only services that this agent declared
    #[arg(long, value_name = "A")]
    agent: Option<String>,
    /// Only services of this work item
    #[arg(long, value_name = "W")]
    work_item: Option<String>,
    /// Only services of the git worktree at this folder, links resolved
    #[arg(long, value_name = "DIR")]
    worktree: Option<PathBuf>,
    /// Only services that stand so
    #[arg(long, value_name = "S", value_parser = ["queued", "starting", "running", "backoff", "stopping", "stopped", "failed"])]
    status: Option<String>,
    /// Say only whether anything changed since the list with this etag
    #[arg(long, value_name = "ETAG")]
    if_none_match: Option<String>,
}

/// Lists the services.
pub(super) fn run(args: &Args, _door: &Door) -> Outcome {
    let Args { project: _, agent: _, work_item: _, worktree: _, status: _, if_none_match: _ } = args;
    Err(accept::not_built_yet("list"))
}
