//! What an update means for services, for programs and for people.

use serde_json::{Value, json};

use crate::base::span;
use crate::ops::updated::{Fate, Item, Report};

use super::table::{Cell, Paint, Style, draw};
use super::wire::line;

/// `{"items": [{"name", "fate", "at"}]}`; `at` in epoch milliseconds, null for whom it means nothing.
pub fn json(report: &Report) -> String {
    line(&json!({ "items": report.items.iter().map(item_json).collect::<Vec<_>>() }))
}

/// The words of [`Fate`] in output.
pub(super) const FATES: [&str; 3] = ["restarts", "not-up", "unwatched"];

fn item_json(item: &Item) -> Value {
    let (fate, at) = match item.fate {
        Fate::Restarts(at) => ("restarts", Some(at.0)),
        Fate::NotUp => ("not-up", None),
        Fate::Unwatched => ("unwatched", None),
    };
    json!({ "name": item.name, "fate": fate, "at": at })
}

/// A row for each service.
pub fn text(report: &Report, style: Style) -> String {
    if report.items.is_empty() {
        return "no services\n".to_owned();
    }
    let rows: Vec<[Cell; 2]> = report.items.iter().map(|item| row(item, report)).collect();
    draw(["NAME", "WHAT COMES OF IT"], &rows, style)
}

fn row(item: &Item, report: &Report) -> [Cell; 2] {
    let (text, paint) = match item.fate {
        Fate::Restarts(at) if at <= report.at => ("is started anew by the next sweep".to_owned(), Paint::Doubtful),
        Fate::Restarts(at) => {
            let span = span::short(at.since(report.at));
            (format!("is started anew if nobody uses it for another {span}"), Paint::Doubtful)
        }
        Fate::NotUp => ("starts with what is new when it is started next".to_owned(), Paint::Plain),
        Fate::Unwatched => ("goes on as it is: it does not declare `restart.on_update`".to_owned(), Paint::Plain),
    };
    [Cell::plain(item.name.as_str()), Cell { text, paint }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::EpochMs;

    #[test]
    fn each_fate_is_told_in_words_and_in_json() {
        let items = [
            ("a", Fate::Restarts(EpochMs(1_000)), "is started anew by the next sweep"),
            ("b", Fate::Restarts(EpochMs(61_000)), "is started anew if nobody uses it for another 1m"),
            ("c", Fate::NotUp, "starts with what is new when it is started next"),
            ("d", Fate::Unwatched, "goes on as it is: it does not declare `restart.on_update`"),
        ];
        let report = Report {
            at: EpochMs(1_000),
            items: items.iter().map(|(name, fate, _)| Item { name: (*name).into(), fate: *fate }).collect(),
            set_aside: None,
        };
        let drawn = text(&report, Style::default());
        for (line, (name, _, words)) in drawn.lines().skip(1).zip(items) {
            assert_eq!(line, format!("{name:<4}  {words}"));
        }
        assert_eq!(
            json(&report),
            "{\"items\":[{\"name\":\"a\",\"fate\":\"restarts\",\"at\":1000},{\"name\":\"b\",\"fate\":\"restarts\",\"at\":61000},\
             {\"name\":\"c\",\"fate\":\"not-up\",\"at\":null},{\"name\":\"d\",\"fate\":\"unwatched\",\"at\":null}]}\n"
        );
    }
}
