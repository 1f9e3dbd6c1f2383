//! Runs, for programs and for people.

use serde_json::{Value, json};

use crate::base::clock::EpochMs;
use crate::base::redact;
use crate::base::span;
use crate::ops::runs::Shown;
use crate::runs::{Run, RunStatus, SpecReport, run_to_json};

use super::escape;
use super::table::{Cell, Column, Paint, Style, draw, draw_pairs};
use super::wire::line;

/// What stands where there is nothing to say.
const NONE: &str = "-";

/// `{"items": [RUN…]}`.
pub fn list_json(runs: &[Run]) -> String {
    line(&json!({ "items": runs.iter().map(hidden).collect::<Vec<_>>() }))
}

/// The run as an object, with `events` beside what its file has.
pub fn show_json(shown: &Shown) -> String {
    let text = hidden(&shown.run).to_string();
    // Each event is compact JSON already.
    format!("{},\"events\":[{}]}}\n", text.strip_suffix('}').unwrap_or(&text), shown.events.join(","))
}

fn hidden(run: &Run) -> Value {
    let mut value = run_to_json(run);
    redact::json_urls(&mut value);
    value
}

/// A line per run.
pub fn table(runs: &[Run], now: EpochMs, style: Style) -> String {
    let columns = [
        Column::new("RUN").whole(),
        Column::new("STATUS").whole(),
        Column::new("OUTCOME").whole().left_out(3),
        Column::new("AGENT").cut_to(10),
        Column::new("PROJECT").cut_to(8).left_out(2),
        Column::new("BEGAN").whole().left_out(1),
        Column::new("WHY").left_out(4),
    ];
    let rows: Vec<[Cell; 7]> = runs.iter().map(|run| row(run, now)).collect();
    draw(columns, &rows, style)
}

fn row(run: &Run, now: EpochMs) -> [Cell; 7] {
    let text = |text: &str| Cell::plain(if text.is_empty() { NONE.into() } else { escape::line(text) });
    [
        Cell::plain(run.id.clone()),
        status(run.status),
        Cell::plain(run.outcome.map_or(NONE, |outcome| outcome.word())),
        text(&run.agent),
        text(&run.project),
        Cell::plain(format!("{} ago", span::short(now.since(run.created_at)))),
        text(&redact::urls(run.failure_message.as_deref().unwrap_or_default())),
    ]
}

/// A status, painted.
pub(super) fn status(status: RunStatus) -> Cell {
    let paint = match status {
        RunStatus::Completed => Paint::Good,
        RunStatus::Failed => Paint::Bad,
        RunStatus::Blocked => Paint::Doubtful,
        RunStatus::Pending | RunStatus::Claimed | RunStatus::Cancelled => Paint::Plain,
    };
    Cell { text: status.word().to_owned(), paint }
}

/// Everything of one run, and what happened in it.
pub fn show(shown: &Shown, style: Style) -> String {
    let Shown { run, events } = shown;
    let text = |text: &str| Cell::plain(if text.is_empty() { NONE.into() } else { escape::line(text) });
    let moment = |at: EpochMs| Cell::plain(span::utc(at.0));
    let mut rows = vec![
        ("run", Cell::plain(run.id.clone())),
        ("status", status(run.status)),
        ("outcome", Cell::plain(run.outcome.map_or(NONE, |outcome| outcome.word()))),
        ("why", text(&redact::urls(run.failure_message.as_deref().unwrap_or_default()))),
        ("agent", text(&run.agent)),
        ("project", text(&run.project)),
        ("work item", text(&run.work_item)),
        ("began", moment(run.created_at)),
        ("last moved", moment(run.updated_at)),
    ];
    rows.extend(run.idempotency_key.as_ref().map(|key| ("idempotency key", text(key))));
    let mut drawn = draw_pairs(&rows, style);
    if !run.specs.is_empty() {
        drawn.push_str("\nservices:\n");
        drawn.extend(run.specs.iter().map(spec));
    }
    if !events.is_empty() {
        drawn.push_str("\nevents:\n");
        drawn.push_str(&super::events::lines(events, style.color));
    }
    drawn
}

fn spec(spec: &SpecReport) -> String {
    let name = escape::line(&spec.name);
    let pid = spec.pid.map(|pid| format!(", pid {pid}")).unwrap_or_default();
    match &spec.error {
        Some(error) => format!("  {name}: {}\n", redact::urls(&escape::line(error))),
        None => format!("  {name}: {}{pid}\n", spec.action.word()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::json::Plain;

    fn run() -> Run {
        let json = json!({
            "id": "run-0000000000010000000000ab", "status": "failed", "outcome": "failed", "failure_kind": "spawn-failed",
            "failure_message": "no program\u{1b}[1m http://u:p@h/", "agent": "ripley", "project": "", "work_item": "W-1",
            "idempotency_key": "k", "payload_hash": "aa", "created_at": 0, "updated_at": 1000, "specs": [], "later": {},
        });
        crate::runs::run_from_json(json.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn a_run_is_a_row_that_says_what_became_of_it() {
        let text = table(&[run()], EpochMs(60_000), Style::default());
        let expected = "RUN                           STATUS  OUTCOME  AGENT   PROJECT  BEGAN   WHY\n\
                        run-0000000000010000000000ab  failed  failed   ripley  -        1m ago  ";
        assert!(text.starts_with(expected), "{text}");
        assert!(text.contains("no program\\u{1b}[1m") && !text.contains("u:p@"), "{text}");
    }

    #[test]
    fn the_whole_of_a_run_has_its_events_as_they_are_and_is_one_document() {
        let shown = Shown { run: run(), events: vec![r#"{"seq":1}"#.into(), r#"{"seq":2}"#.into()] };
        let text = show_json(&shown);
        let Plain(value) = serde_json::from_str(&text).unwrap();
        assert_eq!((&value["later"], value["events"][1]["seq"].as_u64()), (&json!({}), Some(2)), "{text}");
        assert!(!text.contains("u:p@"), "{text}");
    }
}
