//! `queue`: the sidecars that wait.

use clap::Subcommand;

use crate::base::clock::EpochMs;
use crate::base::ids::AgentName;
use crate::ops::queue;
use crate::view::queue as view;

use super::Door;
use super::exit::{End, Outcome};

/// List the sidecars that are not yet decided, in the order in which they are taken
///
/// By the sidecar's priority, higher first, then by age. `run` and `accept --all` take them in this order. A lane is a project: a
/// sidecar is in that of its run, once somebody has tried it. With --format json: {"items": [{"agent", "project", "priority",
/// "waiting_since", "status", "run_id", "why"}], "by_state": {STATUS: N}, "by_lane": {PROJECT: N}}; "status" is one of pending,
/// claimed, blocked.
#[derive(clap::Args, Debug)]
#[command(args_conflicts_with_subcommands = true, after_help = "Example: minions managed queue")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Only those of this project
    #[arg(long, value_name = "P")]
    project: Option<String>,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Call off a sidecar that waits
    ///
    /// It moves to managed-spawn.rejected.json, and its run ends as cancelled. Ends with 6 if nothing of the agent waits, with 7 while
    /// somebody decides it. With --format json: {"agent", "run_id", "status", "reason"}.
    #[command(after_help = "Example: minions managed queue cancel ripley --reason 'not needed any more'")]
    Cancel(Cancel),
}

#[derive(clap::Args, Debug)]
struct Cancel {
    /// Whose sidecar
    #[arg(value_name = "AGENT")]
    agent: String,
    /// Why, for its run and its event
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Lists the queue, or calls one off.
pub(super) fn run(args: Args, door: &Door) -> Outcome {
    if let Some(Command::Cancel(asked)) = &args.command {
        return cancel(asked, door);
    }
    let found = queue::list(&door.context()?, args.project.as_deref())?;
    if door.ui.is_json() {
        door.ui.data(view::list_json(&found))?;
    } else if found.items.is_empty() {
        door.ui.note("no sidecar waits");
    } else {
        door.ui.data(view::table(&found, EpochMs::now(), door.ui.table_style()))?;
    }
    Ok(End::Done)
}

fn cancel(asked: &Cancel, door: &Door) -> Outcome {
    let agent = AgentName::parse(&asked.agent)?;
    let run = queue::cancel(&door.context()?, &agent, asked.reason.as_deref())?;
    door.ui.data(if door.ui.is_json() { view::cancelled_json(&run) } else { view::cancelled_text(&run) })?;
    Ok(End::Done)
}
