//! `events`: what happened.

use std::time::Duration;

use crate::base::error::{Error, Kind};
use crate::base::nearest::nearest;
use crate::journal::{Filter, reader_name};
use crate::ops::events::{self, Follower, Found, Request, Start};
use crate::service::EventType;
use crate::view;

use super::Door;
use super::exit::{End, Outcome};

/// How often the journal is looked at for news: twice a second at most.
const PAUSE: Duration = Duration::from_millis(500);
/// Events that are shown where nobody says how many: a screenful for people.
const LAST: usize = 50;
/// Events that are shown after a number where nobody says how many.
const PAGE: usize = 1000;

/// Show what happened: every change of every service, in order, each with its number
///
/// Without --after and --reader: the last 50 events that match. After a number or where a reader is: the oldest 1000 that follow.
/// The journal keeps what its settings say (journalSegmentsMax); what is missing in the middle is said. docs/events.md has every
/// type. With --format json: {"items": [EVENT…], "next": SEQ}; go on with --after SEQ. With --follow it is an event on each line.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: minions managed events --service web -f")]
pub(super) struct Args {
    /// Only events after the one of this number
    #[arg(long, value_name = "SEQ")]
    after: Option<u64>,
    /// Most events to show
    #[arg(short = 'n', long, value_name = "N")]
    limit: Option<usize>,
    /// Only events of this service
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Only events of services of this project
    #[arg(long, value_name = "P")]
    project: Option<String>,
    /// Only events of this type, or of all types that begin with this word: service.failed, or service
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Go on showing what happens, until interrupted
    #[arg(short, long, conflicts_with = "mark_read")]
    follow: bool,
    /// Go on where this reader is
    #[arg(long, value_name = "R", conflicts_with = "after")]
    reader: Option<String>,
    /// Mark what is shown as read by the reader, and what the filters left out before it
    #[arg(long, requires = "reader")]
    mark_read: bool,
}

/// Shows the events.
pub(super) fn run(args: Args, door: &Door) -> Outcome {
    let reader = args.reader.as_deref().map(reader_name).transpose()?;
    if let Some(kind) = args.kind.as_deref() {
        check_kind(kind)?;
    }
    let context = door.context()?;
    let filter = Filter::new(args.service, args.project.as_deref(), args.kind);
    let start = match (args.after, &reader) {
        (Some(after), _) => Start::After(after),
        (None, Some(reader)) => events::reader_start(&context, reader)?,
        (None, None) => Start::Last,
    };
    let limit = args.limit.unwrap_or(if start == Start::Last { LAST } else { PAGE });
    let found = events::run(&context, &Request { start, limit, filter: filter.clone() })?;
    if args.follow {
        return follow(&mut Follower::new(&context, filter, found.next), &found, door);
    }
    say_missing(&found, door);
    if door.ui.is_json() {
        door.ui.data(view::events::page_json(&found))?;
    } else if found.items.is_empty() {
        door.ui.note("no events");
    } else {
        door.ui.data(view::events::table(&found.items, door.ui.table_style()))?;
    }
    // What nobody has taken from us nobody has read.
    if let Some(reader) = reader.filter(|_| args.mark_read && door.ui.is_heard()) {
        events::mark_read(&context.root, &reader, found.next)?;
    }
    Ok(End::Done)
}

fn check_kind(kind: &str) -> Result<(), Error> {
    let is_known = |known: &&EventType| {
        known.word().strip_prefix(kind).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    if EventType::ALL.iter().any(|known| is_known(&known)) {
        return Ok(());
    }
    let families = EventType::ALL.iter().map(|known| known.word().split('.').next().unwrap_or_default());
    let hint = match nearest(kind, EventType::ALL.iter().map(|known| known.word()).chain(families)) {
        Some(near) => format!("nearest: `{near}`"),
        None => "docs/events.md has them: service.healthy, service.exited, fatal …".to_owned(),
    };
    let message = format!("`{}` is no type of event", kind.escape_debug());
    Err(Error::new(Kind::Usage, "usage", message).with_hint(hint))
}

/// First what there is, then what comes.
fn follow(follower: &mut Follower<'_>, first: &Found, door: &Door) -> Outcome {
    show_lines(first, door)?;
    while door.ui.wait_for_reader(PAUSE) {
        loop {
            let news = follower.news()?;
            show_lines(&news, door)?;
            if !news.is_limited {
                break;
            }
        }
    }
    Ok(End::Done)
}

fn show_lines(found: &Found, door: &Door) -> Outcome {
    say_missing(found, door);
    if !found.items.is_empty() {
        door.ui.data(if door.ui.is_json() {
            view::events::lines_json(&found.items)
        } else {
            view::events::lines(&found.items, door.ui.table_style().color)
        })?;
    }
    Ok(End::Done)
}

/// What cannot be shown is said.
fn say_missing(found: &Found, door: &Door) {
    for gap in &found.gaps {
        let (from, to) = (gap.start(), gap.end());
        door.ui.note(&format!("events {from} to {to} are in no segment of the journal any more"));
    }
    if found.bad_lines > 0 {
        door.ui.note(&format!("{} lines of the journal make no sense: minions managed doctor", found.bad_lines));
    }
}
