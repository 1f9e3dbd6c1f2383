//! `sweep`: does what time and crashes have made due.

use crate::ops::sweep::Request;
use crate::{ops, view};

use super::Door;
use super::exit::Outcome;

/// Do what is due: drop the dead, end the expired, take back what a killed command left, rotate logs
///
/// Meant for cron or a timer, once a minute; it may run at any time, also beside other commands. Only proven death drops a
/// record, and only processes that are proven ours are signalled.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: minions managed sweep --dry-run")]
pub(super) struct Args {
    /// Say what is due for each service and why, also why nothing is, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// Sweeps.
pub(super) fn run(args: &Args, door: &Door) -> Outcome {
    let report = ops::sweep::run(&door.context()?, Request { is_dry_run: args.dry_run, is_thorough: false })?;
    let text = if door.ui.is_json() {
        view::sweep::report_json(&report)
    } else {
        view::sweep::report_text(&report, door.ui.table_style())
    };
    door.ui.data(text)?;
    for error in report.errors() {
        door.ui.failure(error);
    }
    Ok(door.end(report.kind(), report.set_aside.as_ref()))
}
