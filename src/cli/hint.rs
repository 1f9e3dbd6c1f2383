//! `hint`: how to declare services, told to an agent.

use std::path::PathBuf;

use crate::base::ids::AgentName;
use crate::ops::hint::{self, Request};
use crate::view::wire;

use super::Door;
use super::exit::{End, Outcome};

/// Tell an agent how to declare services
///
/// The text is for a prompt, made of the settings in force: the file to write, an example that passes `validate`, every limit,
/// what to try first, and what happens then. Run it where the agent works: the example's folder is the git worktree of the
/// current one. With --format json: {"text", "path", "example", "ttl_minutes"}, example null where no service can be declared.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: minions managed hint --agent ripley --work-item W-42")]
pub(super) struct Args {
    /// The agent that is told
    #[arg(long, value_name = "A")]
    agent: String,
    /// The work item that it is at
    #[arg(long, value_name = "W")]
    work_item: String,
    /// Time to live in the example, in minutes, at most maxTtlMinutes [default: defaultTtlMinutes]
    #[arg(long, value_name = "M", value_parser = clap::value_parser!(u64).range(1..))]
    ttl: Option<u64>,
    /// A folder in the git worktree that the agent works in [default: the current one]
    #[arg(long, value_name = "DIR")]
    worktree: Option<PathBuf>,
}

/// Tells it.
pub(super) fn run(args: Args, door: &Door) -> Outcome {
    let request = Request {
        agent: AgentName::parse(&args.agent)?,
        work_item: args.work_item,
        ttl_minutes: args.ttl,
        worktree: args.worktree,
        names_root: door.root.is_some(),
    };
    let hint = hint::run(&door.context()?, &request)?;
    door.ui.data(if door.ui.is_json() { wire::hint(&hint) } else { hint.text })?;
    Ok(End::Done)
}
