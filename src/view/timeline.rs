//! The last hours as a picture, and as data.

use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr as _;

use crate::base::span;
use crate::journal::{Row, Standing};
use crate::ops::timeline::Report;

use super::table::{Paint, Style};
use super::wire::line;

/// As wide as a picture is where no terminal says otherwise.
const WIDTH: usize = 80;
/// Narrowest picture of a service.
const CELLS_MIN: usize = 10;
/// Widest name; a longer one is cut.
const NAME_MAX: usize = 24;

/// `{"from", "to", "items": [{"service", "project", "spans": [{"from", "to", "standing"}]}]}`, times in epoch milliseconds.
pub fn report_json(report: &Report) -> String {
    let items: Vec<Value> = report.rows.iter().map(row_json).collect();
    line(&json!({ "from": report.from.0, "to": report.to.0, "items": items }))
}

fn row_json(row: &Row) -> Value {
    let spans =
        row.spans.iter().map(|span| json!({ "from": span.from.0, "to": span.to.0, "standing": span.standing.word() }));
    // It came out of JSON as it stands.
    let project: Value = serde_json::from_str(&format!("\"{}\"", row.project_escaped)).unwrap_or_default();
    json!({ "service": row.service, "project": project, "spans": spans.collect::<Vec<_>>() })
}

/// The sign of a standing and its colour; the sign alone says it.
const fn sign(standing: Standing) -> (&'static str, Paint) {
    match standing {
        Standing::Healthy => ("█", Paint::Good),
        Standing::Up => ("▒", Paint::Plain),
        Standing::Backoff => ("!", Paint::Doubtful),
        Standing::Down => ("·", Paint::Plain),
    }
}

/// A line for each service, a line of time below, and what the signs mean.
pub fn report_text(report: &Report, style: Style) -> String {
    let longest = report.rows.iter().map(|row| row.service.width()).max().unwrap_or(0).min(NAME_MAX);
    let cells = style.width.unwrap_or(WIDTH).saturating_sub(longest + 2).max(CELLS_MIN);
    let mut text = String::new();
    for row in &report.rows {
        let name: String = row.service.chars().take(longest).collect();
        text.extend([format!("{name:longest$}  "), picture(&row.cells(cells), style.color), "\n".to_owned()]);
    }
    text.extend([" ".repeat(longest + 2), axis(report, cells), "\n".to_owned()]);
    let legend: Vec<String> =
        Standing::ALL.iter().map(|standing| format!("{} {}", sign(*standing).0, standing.word())).collect();
    text.extend([" ".repeat(longest + 2), legend.join("  "), "\n".to_owned()]);
    text
}

/// The cells, those of one colour painted together.
fn picture(cells: &[Standing], color: bool) -> String {
    let runs = cells.chunk_by(|a, b| a == b);
    runs.map(|run| {
        let (sign, paint) = sign(run[0]);
        paint.on(&sign.repeat(run.len()), color)
    })
    .collect()
}

/// `8h ago … now`, as wide as the cells.
fn axis(report: &Report, cells: usize) -> String {
    let start = format!("{} ago", span::short(report.to.since(report.from)));
    let room = cells.saturating_sub(start.len());
    format!("{start}{:>room$}", "now")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::EpochMs;
    use crate::journal::{Line, Timeline};
    use crate::service::{Draft, EventType, event_to_text};

    fn report() -> Report {
        let (from, to) = (EpochMs(0), EpochMs(8 * 3_600_000));
        let mut timeline = Timeline::new(from, to);
        let events = [
            ("web", 0, EventType::ServiceHealthy),
            ("web", 4, EventType::ServiceBackoff),
            ("web", 5, EventType::ServiceHealthy),
            ("db", 2, EventType::ServiceRunning),
            ("db", 6, EventType::ServiceStopped),
        ];
        for (seq, (service, hour, kind)) in (1..).zip(events) {
            let at = EpochMs(hour * 3_600_000);
            let draft = Draft { service: service.into(), project: "a\"b".into(), ..Draft::new(kind, at) };
            timeline.take(&Line::of_json(&event_to_text(&draft.numbered(seq, "evt-1".into()))).unwrap());
        }
        Report { from, to, rows: timeline.rows() }
    }

    #[test]
    fn a_picture_is_as_wide_as_the_terminal_and_explains_itself() {
        let text = report_text(&report(), Style { width: Some(21), color: false });
        let expected = "db   ····▒▒▒▒▒▒▒▒····\n\
                        web  ████████!!██████\n     \
                             8h ago       now\n     \
                             █ healthy  ▒ up  ! backoff  · down\n";
        assert_eq!(text, expected);
        assert!(report_text(&report(), Style { width: Some(21), color: true }).contains("\x1b[33m!!\x1b[0m"));
    }

    #[test]
    fn data_has_the_spans() {
        let value: Value = serde_json::from_str(&report_json(&report())).unwrap();
        assert_eq!(value["items"][0]["project"], "a\"b");
        let spans = &value["items"][1]["spans"];
        assert_eq!(spans.as_array().unwrap().len(), 3);
        assert_eq!(spans[1], json!({"from": 14_400_000, "to": 18_000_000, "standing": "backoff"}));
    }
}
