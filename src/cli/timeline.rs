//! `timeline`: a picture of the last hours.

use std::time::Duration;

use crate::ops::timeline::{self, Request};
use crate::view;

use super::Door;
use super::exit::{End, Outcome};

/// Draw how each service stood over the last hours: healthy, up, waiting for its restart, or down
///
/// A line for each service, a column for each equal part of the time, and how it stands now; what is short shows all the same, for
/// a column shows the worst that was in it. Where the locale is no UTF-8 one it is drawn in ASCII. It is drawn from the journal, as far back as that goes. With --format json: {"from", "to", "items":
/// [{"service", "project", "spans": [{"from", "to", "standing"}]}]}; standing is healthy, up, backoff or down.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: minions managed timeline --hours 2")]
pub(super) struct Args {
    /// Only this service
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// How far back, in hours; fractions allowed
    #[arg(long, value_name = "H", default_value_t = 8.0, value_parser = hours)]
    hours: f64,
}

/// A number of hours from a second to a year.
fn hours(text: &str) -> Result<f64, String> {
    let hours: f64 = text.parse().map_err(|_| "a number of hours is asked for".to_owned())?;
    if (0.000_277..=8784.0).contains(&hours) { Ok(hours) } else { Err("from a second to a year".to_owned()) }
}

/// Draws it.
pub(super) fn run(args: Args, door: &Door) -> Outcome {
    let request = Request { service: args.name, span: Duration::from_secs_f64(args.hours * 3600.0) };
    let report = timeline::run(&door.context()?, &request)?;
    if door.ui.is_json() {
        door.ui.data(view::timeline::report_json(&report))?;
    } else if report.rows.is_empty() {
        door.ui.note("no service was up in that time");
    } else {
        door.ui.data(view::timeline::report_text(&report, door.ui.table_style(), door.ui.signs()))?;
    }
    Ok(End::Done)
}
