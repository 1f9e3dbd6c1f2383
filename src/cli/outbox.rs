//! `outbox`: events on their way to the sinks of the settings.

use clap::Subcommand;

use crate::base::clock::EpochMs;
use crate::base::error::Kind;
use crate::ops::deliver::{self, End as Ended};
use crate::ops::outbox;
use crate::view::outbox as view;

use super::Door;
use super::exit::{End, Outcome};

/// Events on their way to others: how it stands, what was refused, another try
///
/// Sinks are declared in config.json (docs/delivery.md). `run` delivers by itself; without it, `outbox drain` does, from cron for
/// example. To each sink events go in order, at least once, each under an id that stays.
#[derive(clap::Args, Debug)]
#[command(arg_required_else_help = true, after_help = "Example: minions managed outbox status")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Show for each sink what waits, what failed and when the next try is
    ///
    /// With --format json: {"items": [{"name", "type", "target", "waiting", "oldest_at", "failures", "next_at", "retrying",
    /// "dead_letters", "busy", "acked", "delivered", "dead", "dropped", "dead_dropped", "last_error", "last_error_at",
    /// "last_delivered_at"}]}.
    #[command(after_help = "Example: minions managed outbox status --format json")]
    Status(Sinks),
    /// Deliver now what waits, until all is done or a sink refuses
    ///
    /// Sinks are served side by side, and waits that another deliverer is in are not heeded; a sink that another one is at is
    /// left to it. Ends with 0 if nothing is left waiting, with 7 if only other deliverers kept it from that, else with 1.
    /// With --format json: {"items": [{"sink", "delivered", "dead", "dropped", "end", "error", "failures", "wait_ms", "set_aside"}]};
    /// "end" is one of idle, refused, unready, busy, failed.
    #[command(after_help = "Example: minions managed outbox drain")]
    Drain(Sinks),
    /// Try dead letters once more, before what waits
    ///
    /// They are delivered by `run` or by the next `outbox drain`. With --format json: {"items": [{"sink", "count"}]}.
    #[command(after_help = "Example: minions managed outbox retry\n         minions managed outbox drain")]
    Retry(Retry),
    /// List the events that a sink has refused too often
    ///
    /// With --format json: {"items": [{"sink", "event", "failures", "error", "at"}]}.
    #[command(after_help = "Example: minions managed outbox dead-letters --format json")]
    DeadLetters(Sinks),
}

/// Which sinks are meant.
#[derive(clap::Args, Debug)]
struct Sinks {
    /// Only these sinks
    #[arg(value_name = "SINK")]
    sinks: Vec<String>,
}

/// Which letters are meant.
#[derive(clap::Args, Debug)]
struct Retry {
    /// Only of these sinks
    #[arg(value_name = "SINK")]
    sinks: Vec<String>,
    /// Only the letter about this event; may be given several times
    #[arg(long, value_name = "EVENT")]
    id: Vec<String>,
}

impl Args {
    /// Whether cron starts it.
    pub(super) fn is_unwatched(&self) -> bool {
        matches!(self.command, Command::Drain(_))
    }
}

/// Does what is asked for.
pub(super) fn run(args: &Args, door: &Door) -> Outcome {
    match &args.command {
        Command::Status(sinks) => status(sinks, door),
        Command::Drain(sinks) => drain(sinks, door),
        Command::Retry(asked) => retry(asked, door),
        Command::DeadLetters(sinks) => dead_letters(sinks, door),
    }
}

fn status(args: &Sinks, door: &Door) -> Outcome {
    let standings = outbox::status(&door.context()?, &args.sinks)?;
    if door.ui.is_json() {
        door.ui.data(view::status_json(&standings))?;
    } else if standings.is_empty() {
        no_sinks(door);
    } else {
        door.ui.data(view::status_text(&standings, EpochMs::now(), door.ui.table_style()))?;
    }
    Ok(End::Done)
}

fn drain(args: &Sinks, door: &Door) -> Outcome {
    let reports = deliver::drain(&door.context()?, &args.sinks)?;
    if door.ui.is_json() {
        door.ui.data(view::drained_json(&reports))?;
    } else if reports.is_empty() {
        no_sinks(door);
    } else {
        door.ui.data(view::drained_text(&reports))?;
    }
    let kinds = reports.iter().map(|report| match &report.end {
        Ended::Idle | Ended::Asked => None,
        Ended::Busy(_) => Some(Kind::Conflict),
        Ended::Refused { .. } | Ended::Unready { .. } => Some(Kind::Unforeseen),
        Ended::Failed(error) => Some(error.kind),
    });
    let kinds: Vec<Kind> = kinds.flatten().collect();
    // That another one is at it is the least of what can be said.
    let worst = kinds.iter().find(|kind| **kind != Kind::Conflict).or(kinds.first());
    Ok(worst.map_or(End::Done, |kind| End::News(*kind)))
}

fn retry(args: &Retry, door: &Door) -> Outcome {
    let retried = outbox::retry(&door.context()?, &args.sinks, &args.id)?;
    if door.ui.is_json() {
        door.ui.data(view::retried_json(&retried))?;
    } else if retried.is_empty() {
        door.ui.note("no dead letters");
    } else {
        door.ui.data(view::retried_text(&retried))?;
    }
    Ok(End::Done)
}

fn dead_letters(args: &Sinks, door: &Door) -> Outcome {
    let all = outbox::dead_letters(&door.context()?, &args.sinks)?;
    if door.ui.is_json() {
        door.ui.data(view::dead_letters_json(&all))?;
    } else if all.iter().all(|dead| dead.letters.is_empty()) {
        door.ui.note("no dead letters");
    } else {
        door.ui.data(view::dead_letters_text(&all, door.ui.table_style()))?;
    }
    Ok(End::Done)
}

fn no_sinks(door: &Door) {
    door.ui.note(
        "no sinks\n  hint: they are declared in config.json under engine.managedSpawn.outbox, see docs/delivery.md",
    );
}
