//! What a sweep came to, for programs and for people.

use serde_json::{Map, Value, json};

use crate::base::error::Error;
use crate::ops::sweep::{Done, Orphan, Report, Rotated, Rotation, Stats};

use super::escape;
use super::table::{Cell, Paint, Style, draw};
use super::wire::line;

/// The contract's figures, `dry_run`, and `steps`: `{"name", "action", "why", "pid", "done", "error"}` for each record or
/// lost generation for which something was due; in a dry run for every one.
pub fn report_json(report: &Report) -> String {
    line(&object(report))
}

/// The same as an object.
pub fn object(report: &Report) -> Map<String, Value> {
    let mut object = stats_json(report.stats());
    object.insert("dry_run".into(), json!(report.is_dry_run));
    object.insert("steps".into(), steps(report).map(|step| step.json(report.is_dry_run)).collect());
    object
}

/// The figures of contract section 4.
pub fn stats_json(stats: Stats) -> Map<String, Value> {
    let Stats { scanned, ttl_expired, dead_dropped, killed_pids, rotated_logs, .. } = stats;
    let Stats { malformed, restarted, idle_stopped, adopted, orphans_stopped, .. } = stats;
    let figures = [
        ("scanned", scanned),
        ("ttl_expired", ttl_expired),
        ("dead_dropped", dead_dropped),
        ("killed_pids", killed_pids),
        ("rotated_logs", rotated_logs),
        ("malformed", malformed),
        ("restarted", restarted),
        ("idle_stopped", idle_stopped),
        ("adopted", adopted),
        ("orphans_stopped", orphans_stopped),
    ];
    figures.into_iter().map(|(key, count)| (key.to_owned(), json!(count))).collect()
}

/// A line per step with its reason, then the figures that are not zero in one line.
pub fn report_text(report: &Report, style: Style) -> String {
    let rows: Vec<[Cell; 3]> = steps(report).map(|step| step.row(report.is_dry_run)).collect();
    let mut text = if rows.is_empty() { String::new() } else { draw(["NAME", "STEP", "WHY"], &rows, style) };
    text.extend(report.logs.iter().filter_map(|log| {
        let words = match log.outcome.as_ref().map(Result::as_ref) {
            None => "would be rotated",
            Some(Ok(Rotation::Truncated { .. })) => {
                "is rotated by truncating it: what was written in that moment may be lost"
            }
            Some(Ok(Rotation::Collapsed { .. } | Rotation::NotDue | Rotation::Busy)) => "is rotated",
            Some(Err(_)) => return None,
        };
        Some(format!("the log of {} {words}\n", log.name))
    }));
    text.push_str(&summary(report));
    text
}

/// A line for each step that was due and is done, and for each log: `web: expire: its time to live is over since 3s`.
pub fn done_lines(report: &Report) -> String {
    let done = steps(report).filter(|step| !step.is_overtaken && step.error.is_none());
    let steps = done.map(|step| format!("{}: {}: {}\n", step.name, step.action, escape::line(step.why)));
    let is_rotated = |log: &&Rotated| !matches!(log.outcome, Some(Err(_)));
    let logs = report.logs.iter().filter(is_rotated).map(|log| format!("{}: its log is rotated\n", log.name));
    steps.chain(logs).collect()
}

fn summary(report: &Report) -> String {
    let figures = stats_json(report.stats());
    let counts: Vec<String> = (figures.iter().filter(|(key, count)| *key != "scanned" && **count != json!(0)))
        .map(|(key, count)| format!("{count} {}", key.replace('_', " ")))
        .collect();
    let counts = if counts.is_empty() { "nothing is due".to_owned() } else { counts.join(", ") };
    let services = if figures["scanned"] == json!(1) { "service" } else { "services" };
    let note = if report.is_dry_run { " (nothing was changed)" } else { "" };
    format!("{} {services} looked at: {counts}{note}\n", figures["scanned"])
}

/// A step of either kind, as it is shown.
struct Shown<'a> {
    name: &'a str,
    action: &'static str,
    why: &'a str,
    pid: Option<u32>,
    is_overtaken: bool,
    error: Option<&'a Error>,
}

/// What is shown of a report: in a dry run everything, else what was due.
fn steps(report: &Report) -> impl Iterator<Item = Shown<'_>> {
    let records = report.records.iter().map(Shown::of_record);
    let orphans = report.orphans.iter().map(Shown::of_orphan);
    records.chain(orphans).filter(|step| report.is_dry_run || step.action != "keep")
}

impl<'a> Shown<'a> {
    fn of_record(done: &'a Done) -> Self {
        Self {
            name: &done.step.name,
            action: done.step.action.word(),
            why: &done.step.why,
            pid: done.pid,
            is_overtaken: done.is_overtaken,
            error: done.error.as_ref(),
        }
    }

    fn of_orphan(orphan: &'a Orphan) -> Self {
        Self {
            name: &orphan.name,
            action: orphan.action.word(),
            why: &orphan.why,
            pid: orphan.pid,
            is_overtaken: orphan.is_overtaken,
            error: orphan.error.as_ref(),
        }
    }

    fn json(&self, is_dry_run: bool) -> Value {
        json!({
            "name": self.name,
            "action": self.action,
            "why": self.why,
            "pid": self.pid,
            "done": !is_dry_run && !self.is_overtaken && self.error.is_none(),
            "error": self.error.map(Error::chain),
        })
    }

    fn row(&self, is_dry_run: bool) -> [Cell; 3] {
        let (sign, paint) = match (self.error, self.is_overtaken) {
            (Some(_), _) => (" (failed)", Paint::Bad),
            (None, true) => (" (overtaken)", Paint::Doubtful),
            (None, false) => ("", if self.action == "keep" { Paint::Plain } else { Paint::Doubtful }),
        };
        let action = if is_dry_run && self.action == "keep" { "nothing" } else { self.action };
        let why = escape::line(self.why).into_owned();
        [Cell::plain(self.name), Cell { text: format!("{action}{sign}"), paint }, Cell::plain(why)]
    }
}
