//! `reconcile`: after a boot or a crash.

use std::time::Duration;

use crate::{ops, view};

use super::Door;
use super::exit::Outcome;

/// Put right what a boot or a crash left untrue: sweep, then probe each survivor once
///
/// Probes run side by side, and those that hang hold it up no longer than the time limit: who was not had in time is told
/// as such, and nothing is recorded of it. Who was healthy less than `healthBackoffSec` ago is not probed. That a service is
/// not healthy is told and recorded, and is no failure of this command. With --format json: {"stats": what `sweep` prints,
/// "probed": [{"name", "status", "healthy", "alive", "proof", "error", "took_ms"}], "not_probed": [{"name", "why"}]}.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: minions managed reconcile --max-ms 1000")]
pub(super) struct Args {
    /// Longest time for all probes together, in milliseconds, instead of `bootReconcileMaxMs`
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=600_000))]
    max_ms: Option<u64>,
}

/// Reconciles.
pub(super) fn run(args: &Args, door: &Door) -> Outcome {
    let report = ops::reconcile::run(&door.context()?, args.max_ms.map(Duration::from_millis))?;
    let text = if door.ui.is_json() {
        view::reconcile::report_json(&report)
    } else {
        view::reconcile::report_text(&report, door.ui.table_style())
    };
    door.ui.data(text)?;
    for error in report.sweep.errors().chain(&report.unrecorded) {
        door.ui.failure(error);
    }
    Ok(door.end(report.kind(), report.set_aside.as_ref()))
}
