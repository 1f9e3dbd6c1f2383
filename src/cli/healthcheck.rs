//! `healthcheck`: probes services now.

use crate::ops::healthcheck::{self, Request};
use crate::view;

use super::Door;
use super::exit::Outcome;

/// Probe services now, side by side, and record the result
///
/// Without names: every service. Ends with 0 if all are healthy, 4 if none is, 5 if some are. A service that is stopped until
/// somebody needs it is not asked, and counts only if it is named. With --format json: {"items": [{"name", "status", "healthy",
/// "alive", "proof", "error", "took_ms"}]}; healthy is null where it could not be found out, and of one that is stopped.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: minions managed healthcheck web api")]
pub(super) struct Args {
    /// Services to probe, by name
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Only services of this project
    #[arg(long, value_name = "P")]
    project: Option<String>,
}

/// Probes the services.
pub(super) fn run(args: Args, door: &Door) -> Outcome {
    let request = Request { names: args.names, project: args.project };
    let report = healthcheck::run(&door.context()?, &request)?;
    if door.ui.is_json() {
        door.ui.data(view::probed::report_json(&report.items))?;
    } else if !report.items.is_empty() {
        door.ui.data(view::probed::report_text(&report.items, door.ui.table_style()))?;
    }
    for item in report.items.iter().filter(|item| report.is_named && item.is_at_rest()) {
        door.ui.note(&format!("`{0}` is stopped\n  hint: start it: minions managed ensure {0}", item.name));
    }
    for done in &report.restarted {
        match &done.error {
            None => door.ui.note(&format!("`{}` is ended to be started anew: {}", done.step.name, done.step.why)),
            Some(error) => door.ui.failure(error),
        }
    }
    if report.items.is_empty() {
        door.ui.note("no services, so that nobody was probed\n  hint: every service: minions managed list");
    }
    if let Some(error) = &report.unrecorded {
        door.ui.failure(error);
    }
    let kind = report.unrecorded.as_ref().map(|error| error.kind).or(report.kind());
    Ok(door.end(kind, report.set_aside.as_ref()))
}
