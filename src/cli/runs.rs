//! `runs`: what became of acceptances.

use clap::Subcommand;

use crate::base::clock::EpochMs;
use crate::ops::runs::{self, Filter};
use crate::runs::RunStatus;
use crate::view::runs as view;

use super::Door;
use super::exit::{End, Outcome};

/// List the runs: one for each acceptance of a sidecar, and what came of it
///
/// The newest first. docs/runs.md tells what each status means and how long runs are kept (runsMax). With --format json:
/// {"items": [{"id", "status", "outcome", "failure_kind", "failure_message", "agent", "project", "work_item",
/// "idempotency_key", "payload_hash", "text_hash", "written_at", "created_at", "updated_at", "specs"}]}.
#[derive(clap::Args, Debug)]
#[command(args_conflicts_with_subcommands = true, after_help = "Example: minions managed runs --agent ripley")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Only runs of this agent
    #[arg(long, value_name = "A")]
    agent: Option<String>,
    /// Only runs with this status
    #[arg(long, value_name = "S", value_parser = clap::builder::PossibleValuesParser::new(RunStatus::ALL.map(RunStatus::word)))]
    status: Option<String>,
    /// Only runs of this project
    #[arg(long, value_name = "P")]
    project: Option<String>,
    /// Most runs to show
    #[arg(short = 'n', long, value_name = "N")]
    limit: Option<usize>,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Show one run with its services and its events
    ///
    /// With --format json: the run's object, and in it "events".
    #[command(
        after_help = "Example: minions managed runs show $(minions managed runs -n 1 | tail -n 1 | cut -d ' ' -f 1)"
    )]
    Show(Show),
}

#[derive(clap::Args, Debug)]
struct Show {
    /// The run's id, or as much of its beginning as no other has
    #[arg(value_name = "ID")]
    id: String,
}

/// Lists the runs, or shows one.
pub(super) fn run(args: Args, door: &Door) -> Outcome {
    if let Some(Command::Show(Show { id })) = &args.command {
        return show(id, door);
    }
    let status = args.status.as_deref().and_then(RunStatus::parse);
    let filter = Filter { agent: args.agent, status, project: args.project, limit: args.limit };
    let found = runs::list(&door.context()?, &filter)?;
    for malformed in &found.malformed {
        door.ui.note(&runs::words(malformed));
    }
    if door.ui.is_json() {
        door.ui.data(view::list_json(&found.runs))?;
    } else if found.runs.is_empty() {
        door.ui.note("no runs");
    } else {
        door.ui.data(view::table(&found.runs, EpochMs::now(), door.ui.table_style()))?;
    }
    Ok(End::Done)
}

fn show(id: &str, door: &Door) -> Outcome {
    let shown = runs::show(&door.context()?, id)?;
    door.ui.data(if door.ui.is_json() {
        view::show_json(&shown)
    } else {
        view::show(&shown, door.ui.table_style())
    })?;
    Ok(End::Done)
}
