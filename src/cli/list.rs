//! `list`: the services there are.

use std::path::PathBuf;

use crate::base::clock::EpochMs;
use crate::journal::reader_name;
use crate::ops::attention;
use crate::ops::list::{self, Filter, JsonListing, Listing};
use crate::ops::trees::observe_memory;
use crate::service::{Liveness, Record, Status};
use crate::view;
use crate::view::record::{Listed, draw_list, notes};
use crate::view::wire;

use super::Door;
use super::exit::{End, Outcome};

/// List the services: what runs, how it is, how long it has left
///
/// MEMORY is that of the whole tree: what each process has alone, and the largest part that one of them may share (its
/// program, shared memory) once. A narrow terminal gets long names, projects and ports cut, then UPTIME, PID, MEMORY, PROJECT,
/// LEFT, PORTS, HEALTH and STATUS left out, in this order.
///
/// Below the table stands why those services do not run that do not.
///
/// With --reader: name, status and health, and `attention`: active (it is on its way somewhere, so that more will come), unread
/// (the reader has not marked its last event as read), or read.
///
/// Reading takes no lock. With --format json: {"items": […], "etag": "…"}; items are sorted by name.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: minions managed list --project shop --format json")]
pub(super) struct Args {
    /// Only services of this project
    #[arg(long, value_name = "P")]
    project: Option<String>,
    /// Only services that this agent declared
    #[arg(long, value_name = "A")]
    agent: Option<String>,
    /// Only services of this work item
    #[arg(long, value_name = "W")]
    work_item: Option<String>,
    /// Only services of the git worktree at this folder, links resolved
    #[arg(long, value_name = "DIR")]
    worktree: Option<PathBuf>,
    /// Only services with this status
    #[arg(long, value_name = "S", value_parser = clap::builder::PossibleValuesParser::new(Status::ALL.map(Status::word)))]
    status: Option<String>,
    /// Say only whether anything has changed since the list with this etag
    #[arg(long, value_name = "ETAG")]
    if_none_match: Option<String>,
    /// Say of each service whether this reader has seen its last event: see `events --reader`
    #[arg(long, value_name = "R")]
    reader: Option<String>,
}

/// Lists the services.
pub(super) fn run(args: Args, door: &Door) -> Outcome {
    let known = args.if_none_match;
    let filter = Filter {
        project: args.project,
        agent: args.agent,
        work_item: args.work_item,
        worktree: args.worktree,
        status: args.status.as_deref().and_then(Status::parse),
    };
    // HTTP clients quote an etag; who passes it on may leave the quotes.
    let is_known = |etag: &str| known.as_deref().is_some_and(|known| known.trim_matches('"') == etag);
    let reader = args.reader.as_deref().map(reader_name).transpose()?;
    let context = door.context()?;
    if let Some(reader) = reader {
        let listing = attention::run(&context, &filter, &reader)?;
        door.ui.data(match (door.ui.is_json(), is_known(&listing.etag)) {
            (true, true) => wire::not_modified(&listing.etag),
            (true, false) => wire::list(listing.to_json(), &listing.etag),
            (false, _) => view::attention::table(&listing, door.ui.table_style()),
        })?;
        return Ok(door.end(None, listing.set_aside.as_ref()));
    }
    if door.ui.is_json() {
        let JsonListing { json, etag, set_aside } = list::run_json(&context, &filter)?;
        door.ui.bytes(if is_known(&etag) { wire::not_modified(&etag) } else { wire::list(json, &etag) })?;
        return Ok(door.end(None, set_aside.as_ref()));
    }
    let listing = list::run(&context, &filter)?;
    if is_known(&listing.etag) {
        door.ui.note(&format!("nothing has changed since the list with etag {}", listing.etag));
    } else {
        show(&listing, &filter, door)?;
    }
    let end = door.end(None, listing.set_aside.as_ref());
    // The process ends here; to free thousands of records one by one first takes a tenth of the whole.
    std::mem::forget(listing);
    Ok(end)
}

fn show(listing: &Listing, filter: &Filter, door: &Door) -> Outcome {
    if listing.is_empty() {
        let hint = if filter.is_empty() {
            "an agent declares some in agents/AGENT/managed-spawn.json, then: minions managed accept AGENT"
        } else {
            "without a filter: minions managed list"
        };
        door.ui.note(&format!("no services\n  hint: {hint}"));
    } else {
        let notes = notes(listing.items(), EpochMs::now());
        let gap = if notes.is_empty() { "" } else { "\n" };
        door.ui.data(draw(listing.items(), door) + gap + &notes)?;
    }
    Ok(End::Done)
}

/// The table of `items`.
pub(super) fn draw<'a>(items: impl Iterator<Item = (&'a Record, Liveness)> + Clone, door: &Door) -> String {
    let memory = observe_memory(items.clone());
    let listed = items.zip(memory).map(|((record, liveness), memory_bytes)| Listed { record, liveness, memory_bytes });
    draw_list(listed, EpochMs::now(), door.ui.table_style())
}
