//! `logs`: what a service wrote.

use std::time::Duration;

use crate::base::error::{Error, Kind};
use crate::ops::logs::{Follower, Place, Which, locate};
use crate::view::escape::Filter;
use crate::view::wire;

use super::Door;
use super::exit::Outcome;

/// How often a followed log is looked at: a person does not notice less.
const PAUSE: Duration = Duration::from_millis(100);

/// Print the end of a service's log, and follow it if asked
///
/// On a terminal, escapes other than colours are taken out; elsewhere the log goes through as it is. Lines from before the
/// last rotation come first if the log has fewer than asked for. Following goes on over rotations, each line once, and
/// when the service ends, until interrupted or until nobody reads. A service that was stopped may have left its log: it is
/// found by its name. With --format json: {"name", "log_path", "lines": […]}.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: minions managed logs web -n 100 -f")]
pub(super) struct Args {
    /// The service's name
    #[arg(value_name = "NAME")]
    name: String,
    /// How many of the last lines to print
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50)]
    lines: usize,
    /// Go on printing what the service writes, until interrupted
    #[arg(short, long)]
    follow: bool,
    /// Only the log from before the last rotation
    #[arg(long, conflicts_with = "follow")]
    previous: bool,
}

/// Prints the log.
pub(super) fn run(args: &Args, door: &Door) -> Outcome {
    let which = if args.previous { Which::Previous } else { Which::Current };
    let place = locate(&door.context()?, &args.name, which)?;
    if !place.is_recorded {
        door.ui.note(&format!("there is no service `{}` now; this is the log that it left", args.name));
    }
    let mut follower = Follower::new(&place.path, args.lines)?;
    if !follower.is_there() {
        door.ui.note(&format!("`{}` has written nothing yet", args.name));
    }
    if door.ui.is_json() {
        return document(args, &place, follower, door);
    }
    let mut filter = Filter::default();
    let is_terminal = door.ui.is_terminal();
    loop {
        let bytes = follower.next_bytes()?;
        let lost = follower.take_lost();
        if lost > 0 {
            door.ui.note(&format!("{lost} bytes were rotated away before they could be read"));
        }
        if !bytes.is_empty() {
            door.ui.bytes(if is_terminal { filter.feed(&bytes) } else { bytes })?;
        } else if args.follow && door.ui.wait_for_reader(PAUSE) {
            follower.look_again()?;
        } else {
            return Ok(door.end(None, place.set_aside.as_ref()));
        }
    }
}

/// The lines as one JSON document.
fn document(args: &Args, place: &Place, mut follower: Follower, door: &Door) -> Outcome {
    if args.follow {
        return Err(Error::new(Kind::Usage, "usage", "a log that is followed has no end, so it is no JSON document")
            .with_hint("leave out --follow, or --format json"));
    }
    let mut bytes = Vec::new();
    loop {
        let more = follower.next_bytes()?;
        if more.is_empty() {
            break;
        }
        bytes.extend(more);
    }
    let text = String::from_utf8_lossy(&bytes);
    door.ui.data(wire::log(&args.name, &place.path.display().to_string(), text.lines()))?;
    Ok(door.end(None, place.set_aside.as_ref()))
}
