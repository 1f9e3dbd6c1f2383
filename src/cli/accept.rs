//! `accept`: decides sidecars and starts what they declare.

use std::path::PathBuf;

use crate::base::error::{Error, Kind, Result};
use crate::base::ids::AgentName;
use crate::ops::accept::{AgentReport, Busy, Progress, Request};
use crate::{ops, view};

use super::Door;
use super::exit::Outcome;

/// Decide agents' sidecars: start the services, wait for their first health, record them
///
/// A service is started once all that it depends on is healthy, and not at all if one of these is not. One that is activated
/// on demand is recorded as `stopped` and waits. A sidecar that is decided moves to managed-spawn.accepted.json or .rejected.json. Ends with 0 if every service is
/// healthy, 3 if a sidecar is invalid, 4 if none of its services became healthy, 5 if some did, 7 if a port is in use or another
/// command decides the sidecar at this moment; with --all that one is left to it. Every acceptance is a run: see `runs`.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: minions managed accept ripley --project shop --work-item W-42")]
pub(super) struct Args {
    /// Agents whose sidecars to decide
    #[arg(value_name = "AGENT", required_unless_present = "all", conflicts_with = "all")]
    pub(super) agents: Vec<String>,
    /// Decide every agent's sidecar under the root
    #[arg(long)]
    pub(super) all: bool,
    /// Project that the services belong to
    #[arg(long, value_name = "P")]
    pub(super) project: Option<String>,
    /// Work item that the sidecar must be for, if it names one
    #[arg(long, value_name = "W")]
    pub(super) work_item: Option<String>,
    /// Folder in which every working folder must lie
    #[arg(long, value_name = "DIR")]
    pub(super) dispatch_root: Option<PathBuf>,
    /// Key under which the same sidecar is accepted only once
    #[arg(long, value_name = "KEY")]
    pub(super) idempotency_key: Option<String>,
    /// Fail if there is no sidecar
    #[arg(long)]
    pub(super) require: bool,
    /// Return once started, without waiting for health: only what others depend on is waited for
    #[arg(long)]
    pub(super) no_wait: bool,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// Decides the agents' sidecars.
pub(super) fn run(args: &Args, door: &Door) -> Outcome {
    let named: Vec<AgentName> = args.agents.iter().map(|name| AgentName::parse(name)).collect::<Result<_>>()?;
    let context = door.context()?;
    let agents = if args.all { ops::accept::pending(&context)? } else { named };
    let request = request(args)?;
    let lines = door.ui.progress();
    let report = ops::accept::run(&context, &agents, &request, &|progress| lines.say(&words(&progress)))?;
    let is_single = !args.all && agents.len() == 1;
    let text = if door.ui.is_json() {
        view::accept::report_json(&report, is_single)
    } else {
        view::accept::report_text(&report, args.dry_run)
    };
    door.ui.data(text)?;
    // Of several ends the worst is told: the largest figure among those of the contract that are about services.
    let kind = report.items.iter().filter_map(AgentReport::kind).max_by_key(|kind| kind.exit_code());
    Ok(door.end(kind, report.set_aside.as_ref()))
}

fn request(args: &Args) -> Result<Request> {
    if args.idempotency_key.as_ref().is_some_and(String::is_empty) {
        return Err(
            Error::new(Kind::Usage, "usage", "the idempotency key is empty").with_hint("leave it out, or say one")
        );
    }
    Ok(Request {
        project: args.project.clone().unwrap_or_default(),
        work_item: args.work_item.clone().unwrap_or_default(),
        dispatch_root: args.dispatch_root.clone(),
        idempotency_key: args.idempotency_key.clone(),
        is_required: args.require,
        waits: !args.no_wait,
        is_dry_run: args.dry_run,
        busy: if args.all { Busy::PassedOver } else { Busy::Refused },
    })
}

/// A line of progress.
pub(super) fn words(progress: &Progress) -> String {
    match progress {
        Progress::Started { name, pid } => format!("{name}: started, pid {pid}"),
        Progress::Done { name, words, is_up: true } => format!("{name}: {words}"),
        Progress::Done { name, words, is_up: false } => format!("{name}: failed: {words}"),
    }
}
