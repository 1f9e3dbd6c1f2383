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
/// Narrowest picture of a service, before names are cut for it.
const CELLS_MIN: usize = 10;
/// Widest name; a longer one is cut.
const NAME_MAX: usize = 24;
/// Narrowest that names are cut to.
const NAME_MIN: usize = 6;
/// Blanks between a name, its picture, and the word behind it.
const GAP: usize = 2;
/// Narrowest picture that has a word behind it.
const TOLD_CELLS_MIN: usize = 20;

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

/// What a picture is drawn with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signs {
    /// Blocks, which every font of a terminal has that shows UTF-8.
    Blocks,
    /// ASCII, for who shows nothing else.
    Ascii,
}

impl Signs {
    /// The sign of a standing; it says it without its colour.
    const fn of(self, standing: Standing) -> &'static str {
        match (self, standing) {
            (Self::Blocks, Standing::Healthy) => "█",
            (Self::Blocks, Standing::Up) => "▒",
            (Self::Blocks, Standing::Down) => "·",
            (Self::Ascii, Standing::Healthy) => "#",
            (Self::Ascii, Standing::Up) => "+",
            (Self::Ascii, Standing::Down) => ".",
            (Self::Blocks | Self::Ascii, Standing::Backoff) => "!",
        }
    }

    /// What stands for the rest of a name.
    const fn cut(self) -> char {
        match self {
            Self::Blocks => '…',
            Self::Ascii => '~',
        }
    }
}

const fn paint(standing: Standing) -> Paint {
    match standing {
        Standing::Healthy => Paint::Good,
        Standing::Backoff => Paint::Doubtful,
        Standing::Up | Standing::Down => Paint::Plain,
    }
}

/// A line for each service with how it stands now, a line of time below, and what the signs mean. No line is wider than the style's width, as far as names
/// of six letters and one sign fit into that.
pub fn report_text(report: &Report, style: Style, signs: Signs) -> String {
    let width = style.width.unwrap_or(WIDTH);
    let room = width.saturating_sub(GAP + CELLS_MIN).max(NAME_MIN);
    // Names are ASCII, and one column for each letter.
    let longest = report.rows.iter().map(|row| row.service.width()).max().unwrap_or(0).min(NAME_MAX).min(room);
    let indent = longest + GAP;
    let word = GAP + Standing::ALL.iter().map(|standing| standing.word().len()).max().unwrap_or(0);
    let is_told = indent + TOLD_CELLS_MIN + word <= width;
    let cells = width.saturating_sub(indent + if is_told { word } else { 0 }).max(1);
    let mut text = String::new();
    for row in &report.rows {
        let name = shortened(&row.service, longest, signs);
        text.extend([format!("{name:indent$}"), picture(&row.cells(cells), style.color, signs)]);
        if is_told {
            let standing = row.standing();
            text.extend([" ".repeat(GAP), paint(standing).on(standing.word(), style.color)]);
        }
        text.push('\n');
    }
    text.extend([" ".repeat(indent), axis(report, cells), "\n".to_owned()]);
    text.extend([legend(indent, width, signs), "\n".to_owned()]);
    text
}

fn shortened(name: &str, longest: usize, signs: Signs) -> String {
    if name.width() <= longest {
        return name.to_owned();
    }
    name.chars().take(longest.saturating_sub(1)).chain([signs.cut()]).collect()
}

/// The cells, those of one colour painted together.
fn picture(cells: &[Standing], color: bool, signs: Signs) -> String {
    let runs = cells.chunk_by(|a, b| a == b);
    runs.map(|run| paint(run[0]).on(&signs.of(run[0]).repeat(run.len()), color)).collect()
}

/// `8h ago … now`, as wide as the cells; of what does not fit, the end.
fn axis(report: &Report, cells: usize) -> String {
    let (start, end) = (format!("{} ago", span::short(report.to.since(report.from))), "now");
    if start.len() + 1 + end.len() > cells {
        return format!("{end:>cells$}").chars().take(cells).collect();
    }
    let room = cells - start.len();
    format!("{start}{end:>room$}")
}

/// What the signs mean: below the picture, or where that is too narrow from the edge, on as many lines as it takes.
fn legend(indent: usize, width: usize, signs: Signs) -> String {
    let entries = Standing::ALL.map(|standing| format!("{} {}", signs.of(standing), standing.word()));
    let whole = entries.join("  ");
    if indent + whole.width() <= width {
        return " ".repeat(indent) + &whole;
    }
    let mut lines: Vec<String> = Vec::new();
    for entry in entries {
        match lines.last_mut().filter(|line| line.width() + 2 + entry.width() <= width) {
            Some(line) => line.extend(["  ", &entry]),
            None => lines.push(entry),
        }
    }
    lines.join("\n")
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
        let draw = |columns: usize, color, signs| report_text(&report(), Style { width: Some(columns), color }, signs);
        let expected = "db   ····▒▒▒▒▒▒▒▒····\n\
                        web  ████████!!██████\n     \
                             8h ago       now\n\
                        █ healthy  ▒ up\n\
                        ! backoff  · down\n";
        assert_eq!(draw(21, false, Signs::Blocks), expected);
        let expected = "db   ....++++++++....\n\
                        web  ########!!######\n     \
                             8h ago       now\n\
                        # healthy  + up\n\
                        ! backoff  . down\n";
        assert_eq!(draw(21, false, Signs::Ascii), expected);
        assert!(draw(21, true, Signs::Blocks).contains("\x1b[33m!!\x1b[0m"));
        let expected = "db   ············▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒············  down\n\
                        web  ████████████████████████!!!!!!██████████████████  healthy\n     \
                             8h ago                                       now\n     \
                             █ healthy  ▒ up  ! backoff  · down\n";
        assert_eq!(draw(62, false, Signs::Blocks), expected);
    }

    #[test]
    fn whatever_the_width_no_line_is_wider_and_long_names_are_cut() {
        let mut report = report();
        report.rows[0].service = "a-service-with-a-name-of-forty-letters-x".to_owned();
        for columns in NAME_MIN + GAP + 1..200 {
            for signs in [Signs::Blocks, Signs::Ascii] {
                let text = report_text(&report, Style { width: Some(columns), color: false }, signs);
                let is_wide = |line: &str| line.width() > columns.max("! backoff".len());
                assert!(!text.lines().any(is_wide), "{columns}: {text}");
                assert_eq!(text.is_ascii(), signs == Signs::Ascii, "{text}");
                assert!(text.contains(signs.cut()), "{columns}: {text}");
            }
        }
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
