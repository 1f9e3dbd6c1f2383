//! Records for people: the table of `list`, and how single facts about a record are put.

use crate::base::clock::EpochMs;
use crate::base::redact;
use crate::base::span;
use crate::ops::explain::brief;
use crate::service::{Liveness, Record, Status};

use super::amount;
use super::escape;
use super::table::{Cell, Column, Paint, Style, draw};

/// Columns of the list. Where they do not fit, long names, projects and ports are cut, then columns are left out in the order
/// UPTIME, PID, MEMORY, PROJECT, LEFT, PORTS, HEALTH, STATUS; the name stays.
const COLUMNS: [Column; 9] = [
    Column::new("NAME").cut_to(12),
    Column::new("PROJECT").cut_to(8).left_out(4),
    Column::new("STATUS").whole().left_out(8),
    Column::new("HEALTH").whole().left_out(7),
    Column::new("PID").whole().left_out(2),
    Column::new("PORTS").left_out(6),
    Column::new("UPTIME").whole().left_out(1),
    Column::new("LEFT").whole().left_out(5),
    Column::new("MEMORY").whole().left_out(3),
];

/// Of so many services that do not run it is told why.
const NOTES_MAX: usize = 10;

/// What stands where there is nothing to say.
pub(super) const NONE: &str = "-";

/// A record to be listed, and what was just seen of it.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'a> {
    /// The record.
    pub record: &'a Record,
    /// Whether its process is there.
    pub liveness: Liveness,
    /// Memory of its whole tree in bytes; `None`: not to be seen.
    pub memory_bytes: Option<u64>,
}

/// Draws a row for each.
pub fn draw_list<'a>(listed: impl Iterator<Item = Listed<'a>>, now: EpochMs, style: Style) -> String {
    let rows: Vec<[Cell; 9]> = listed.map(|listed| row(&listed, now)).collect();
    draw(COLUMNS, &rows, style)
}

/// A line for each of `records`, beside it what was seen of its process, that does not run, with why; empty where all run.
pub fn notes<'a>(records: impl Iterator<Item = (&'a Record, Liveness)> + Clone, now: EpochMs) -> String {
    let all = records.filter_map(|(record, liveness)| Some((record, why_down(record, liveness, now)?)));
    let lines: String =
        all.clone().take(NOTES_MAX).map(|(record, why)| format!("{}: {}\n", record.name, text(&why).text)).collect();
    match all.skip(NOTES_MAX).count() {
        0 => lines,
        more => format!("{lines}and {more} more: minions managed explain NAME\n"),
    }
}

fn row(listed: &Listed<'_>, now: EpochMs) -> [Cell; 9] {
    let Listed { record, liveness, memory_bytes } = *listed;
    [
        text(&record.name),
        text(&record.owner.project),
        status(record, liveness),
        health(record, liveness),
        Cell::plain(record.pid.map_or_else(|| NONE.to_owned(), |pid| pid.to_string())),
        text(&ports(record)),
        Cell::plain(uptime(record, liveness, now)),
        Cell::plain(left(record, now)),
        Cell::plain(memory_bytes.map_or_else(|| NONE.to_owned(), amount::short)),
    ]
}

/// Other people's text, safe to show: nothing that commands a terminal, no user info in URLs.
pub(super) fn text(text: &str) -> Cell {
    if text.is_empty() {
        return Cell::plain(NONE);
    }
    Cell::plain(escape::line(&redact::urls(text)))
}

/// Where it stands, with a word for a process that is not what the status says.
pub(super) fn status(record: &Record, liveness: Liveness) -> Cell {
    let word = record.status.word();
    let expects_process = match record.status {
        Status::Running | Status::Stopping => true,
        Status::Starting => record.pid.is_some(),
        Status::Queued | Status::Backoff | Status::Stopped | Status::Failed => false,
    };
    let (text, paint) = match (expects_process, liveness, record.status) {
        (true, Liveness::Dead, _) => (format!("{word}, dead"), Paint::Bad),
        (true, Liveness::Unknown, _) => (format!("{word}, unseen"), Paint::Doubtful),
        (_, _, Status::Running) => (word.to_owned(), Paint::Good),
        (_, _, Status::Failed) => (word.to_owned(), Paint::Bad),
        (_, _, Status::Queued | Status::Starting | Status::Backoff | Status::Stopping | Status::Stopped) => {
            (word.to_owned(), Paint::Doubtful)
        }
    };
    Cell { text, paint }
}

pub(super) fn health(record: &Record, liveness: Liveness) -> Cell {
    match (liveness, record.healthy) {
        (Liveness::Dead, _) => Cell::plain(NONE),
        (Liveness::Alive | Liveness::Unknown, true) => Cell { text: "healthy".to_owned(), paint: Paint::Good },
        (Liveness::Alive | Liveness::Unknown, false) => Cell { text: "unhealthy".to_owned(), paint: Paint::Bad },
    }
}

/// Why it does not run, in one sentence; `None`: it does, as far as can be told.
pub(super) fn why_down(record: &Record, liveness: Liveness, now: EpochMs) -> Option<String> {
    let unnoticed = || {
        let is_dead = record.status == Status::Running && liveness == Liveness::Dead;
        is_dead.then(|| "it is dead, and nobody has acted on that yet".to_owned())
    };
    brief(record, now).or_else(unnoticed)
}

/// `health`, with the probes that have failed in a row: they may be too few yet to change it.
pub(super) fn counted(record: &Record, health: Cell) -> Cell {
    match (record.progress.unhealthy_in_row, record.spec.healthcheck.failure_threshold.max(1)) {
        (0, _) => health,
        (failed, limit) if record.healthy => Cell {
            text: format!("{}, {failed} of {limit} failures in a row that make it unhealthy", health.text),
            ..health
        },
        (failed, _) => Cell { text: format!("{}, after {failed} failures in a row", health.text), ..health },
    }
}

fn uptime(record: &Record, liveness: Liveness, now: EpochMs) -> String {
    match record.started_at {
        Some(start) if liveness != Liveness::Dead => ago(start, now),
        Some(_) | None => NONE.to_owned(),
    }
}

pub(super) fn left(record: &Record, now: EpochMs) -> String {
    match record.ttl_expires_at {
        Some(end) if end <= now => "expired".to_owned(),
        Some(end) => span::short(end.since(now)),
        None => NONE.to_owned(),
    }
}

pub(super) fn ago(at: EpochMs, now: EpochMs) -> String {
    span::short(now.since(at))
}

pub(super) fn ports(record: &Record) -> String {
    record.spec.ports.iter().map(u16::to_string).collect::<Vec<_>>().join(",")
}
