//! `doctor`: looks for the usual causes of trouble.

use crate::base::error::Kind;
use crate::base::root::Root;
use crate::ops::doctor::{self, Surroundings};
use crate::view;

use super::exit::{End, Outcome};
use super::{Door, environment};

/// Look for the usual causes of trouble: root, lock, state, settings, PATH, space, clock
///
/// Nothing is repaired and nothing is moved; each finding says what to do. Ends with 1 if something does not work, with 0
/// where there are only warnings and notes. With --format json: {"findings": [{"area", "code", "severity", "message",
/// "where", "hint"}], "ok": bool}; severity is ok, note, warning or error.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: minions managed doctor")]
pub(super) struct Args {}

/// Checks everything.
pub(super) fn run(args: &Args, door: &Door) -> Outcome {
    let Args {} = args;
    let (root, origin) = Root::locate_with_origin(door.root.as_deref())?;
    let program = std::env::current_exe().ok();
    let report = doctor::run(&Surroundings { root, origin, env: environment(), program });
    door.ui.data(if door.ui.is_json() {
        view::doctor::report_json(&report)
    } else {
        view::doctor::report_text(&report, door.ui.table_style().color)
    })?;
    Ok(if report.is_ok() { End::Done } else { End::News(Kind::Unforeseen) })
}
