//! `updated`: something that services were built from has changed.

use crate::{ops, view};

use super::Door;
use super::exit::Outcome;

/// Say that something which services were built from has changed
///
/// Those that declare `restart.on_update` are started anew once nobody has used them for a minute, by the next sweep or the loop.
/// The others go on as they are. Meant for hooks: after a merge, a build, an installation of packages. With --format json:
/// {"items": [{"name", "fate", "at"}]}; fate one of restarts, not-up, unwatched.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: minions managed updated --project shop")]
pub(super) struct Args {
    /// Only services of this project
    #[arg(long, value_name = "P")]
    project: Option<String>,
}

/// Marks them.
pub(super) fn run(args: &Args, door: &Door) -> Outcome {
    let report = ops::updated::run(&door.context()?, args.project.as_deref())?;
    door.ui.data(if door.ui.is_json() {
        view::updated::json(&report)
    } else {
        view::updated::text(&report, door.ui.table_style())
    })?;
    Ok(door.end(None, report.set_aside.as_ref()))
}
