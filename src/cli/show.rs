//! `show`: one service whole.

use crate::base::clock::EpochMs;
use crate::ops::show::{self, Service};
use crate::view::{escape, record};

use super::Door;
use super::exit::Outcome;

/// Show everything that is known of one service, and the end of its log
///
/// With --format json: its record, as it stands in the state file, with secrets hidden.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: minions managed show web")]
pub(super) struct Args {
    /// The service's name
    #[arg(value_name = "NAME")]
    name: String,
}

/// Shows the service.
pub(super) fn run(args: &Args, door: &Door) -> Outcome {
    let service = show::run(&door.context()?, &args.name)?;
    door.ui.data(if door.ui.is_json() { format!("{}\n", service.json) } else { text(&service, door) })?;
    Ok(door.end(None, service.set_aside.as_ref()))
}

fn text(service: &Service, door: &Door) -> String {
    let seen = &service.seen;
    let mut text = record::draw_whole(&seen.record, seen.liveness, EpochMs::now(), door.ui.table_style());
    if !service.log_tail.is_empty() {
        text.push_str("\nend of the log:\n");
        for line in &service.log_tail {
            text.extend(["  ", &escape::line(line), "\n"]);
        }
    }
    text
}
