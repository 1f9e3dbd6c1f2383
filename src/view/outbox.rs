//! How deliveries stand and what became of them, for programs and for people.

use serde_json::{Value, json};

use crate::base::clock::EpochMs;
use crate::base::redact;
use crate::base::span;
use crate::ops::deliver::{End, SinkReport};
use crate::ops::outbox::{DeadLetters, Retried, Standing};
use crate::service::event_to_json;

use super::escape;
use super::table::{Cell, Column, Paint, Style, draw};
use super::wire::line;

/// `{"items": [{"name", "type", "target", "waiting", …}]}`; times are epoch milliseconds or null.
pub fn status_json(standings: &[Standing]) -> String {
    let items: Vec<Value> = standings.iter().map(standing_json).collect();
    line(&json!({ "items": items }))
}

fn standing_json(standing: &Standing) -> Value {
    let at = |at: Option<EpochMs>| at.map(|at| at.0);
    let position = &standing.position;
    json!({
        "name": standing.name,
        "type": standing.kind,
        "target": standing.target,
        "waiting": standing.waiting,
        "oldest_at": at(standing.oldest_at),
        "failures": standing.failures,
        "next_at": at(position.next_at.filter(|_| standing.waiting > 0)),
        "retrying": standing.retrying,
        "dead_letters": standing.dead_letters,
        "busy": standing.is_busy,
        "acked": position.acked,
        "delivered": position.delivered,
        "dead": position.dead,
        "dropped": position.dropped,
        "dead_dropped": position.dead_dropped,
        "last_error": position.last_error.as_deref().map(redact::urls),
        "last_error_at": at(position.last_error_at),
        "last_delivered_at": at(position.last_delivered_at),
    })
}

/// A line per sink, and below it the last error of each that has events waiting behind one.
pub fn status_text(standings: &[Standing], now: EpochMs, style: Style) -> String {
    let columns = [
        Column::new("SINK"),
        Column::new("TYPE").whole(),
        Column::new("TARGET").left_out(1),
        Column::new("WAITING").whole(),
        Column::new("OLDEST").whole().left_out(2),
        Column::new("FAILURES").whole(),
        Column::new("NEXT TRY").whole().left_out(3),
        Column::new("DELIVERED").whole().left_out(4),
        Column::new("DROPPED").whole(),
        Column::new("DEAD LETTERS").whole(),
    ];
    let rows: Vec<[Cell; 10]> = standings.iter().map(|standing| row(standing, now)).collect();
    let mut text = draw(columns, &rows, style);
    for standing in standings.iter().filter(|standing| standing.failures > 0) {
        if let Some(error) = &standing.position.last_error {
            text.extend(["\n", &standing.name, ": ", &escape::line(&redact::urls(error)), "\n"]);
        }
    }
    text
}

fn row(standing: &Standing, now: EpochMs) -> [Cell; 10] {
    let painted = |count: u64, paint: Paint| Cell {
        text: count.to_string(),
        paint: if count == 0 { Paint::Plain } else { paint },
    };
    let position = &standing.position;
    let oldest = standing.oldest_at.map_or("-".to_owned(), |at| span::short(now.since(at)));
    let next = match (standing.failures > 0, position.next_at) {
        (true, Some(at)) if at > now => format!("in {}", span::short(at.since(now))),
        (true, _) => "now".to_owned(),
        (false, _) => "-".to_owned(),
    };
    [
        Cell::plain(standing.name.clone()),
        Cell::plain(standing.kind),
        Cell::plain(escape::line(&standing.target)),
        Cell::plain(standing.waiting.to_string()),
        Cell::plain(oldest),
        painted(standing.failures.into(), Paint::Doubtful),
        Cell::plain(next),
        Cell::plain(position.delivered.to_string()),
        painted(position.dropped, Paint::Bad),
        painted(standing.dead_letters as u64, Paint::Bad),
    ]
}

/// `{"items": [{"sink", "delivered", "dead", "dropped", "end", "error", "failures", "wait_ms", "set_aside"}]}`; `end` is one of
/// idle refused unready busy asked failed.
pub fn drained_json(reports: &[SinkReport]) -> String {
    let items: Vec<Value> = reports.iter().map(drained_one).collect();
    line(&json!({ "items": items }))
}

fn drained_one(report: &SinkReport) -> Value {
    let (failures, wait_ms) = match &report.end {
        End::Refused { failures, wait, .. } => (Some(failures), Some(wait.as_millis())),
        End::Idle | End::Unready { .. } | End::Busy(_) | End::Asked | End::Failed(_) => (None, None),
    };
    json!({
        "sink": report.name,
        "delivered": report.delivered,
        "dead": report.dead,
        "dropped": report.dropped,
        "end": word(&report.end),
        "error": why(&report.end),
        "failures": failures,
        "wait_ms": wait_ms.and_then(|ms| u64::try_from(ms).ok()),
        "set_aside": report.set_aside.as_ref().map(|path| path.display().to_string()),
    })
}

/// The words of [`End`] in what `drain` prints, which nobody asks to end.
pub(super) const ENDS: [&str; 5] = ["idle", "refused", "unready", "busy", "failed"];

const fn word(end: &End) -> &'static str {
    match end {
        End::Idle => "idle",
        End::Refused { .. } => "refused",
        End::Unready { .. } => "unready",
        End::Busy(_) => "busy",
        End::Asked => "asked",
        End::Failed(_) => "failed",
    }
}

/// Why a pass ended before all was done; `None` if all was.
fn why(end: &End) -> Option<String> {
    let why = match end {
        End::Idle | End::Asked => return None,
        End::Refused { why, .. } | End::Unready { why } | End::Busy(why) => why.clone(),
        End::Failed(error) => error.chain(),
    };
    Some(redact::urls(&why))
}

/// A line per sink: `hook: 12 delivered, 1 dead letter; refused (3 times): it answered 500`.
pub fn drained_text(reports: &[SinkReport]) -> String {
    reports.iter().map(|report| format!("{}\n", report_line(report))).collect()
}

/// One such line, without its end.
pub fn report_line(report: &SinkReport) -> String {
    let mut parts = vec![format!("{} delivered", report.delivered)];
    for (count, one, many) in
        [(report.dead, "dead letter more", "dead letters more"), (report.dropped, "dropped", "dropped")]
    {
        if count > 0 {
            parts.push(format!("{count} {}", if count == 1 { one } else { many }));
        }
    }
    let end = match (&report.end, why(&report.end)) {
        (End::Refused { failures, wait, .. }, Some(why)) => {
            let times = if *failures == 1 { "once".to_owned() } else { format!("{failures} times") };
            format!("; refused {times}: {}; next try in {}", escape::line(&why), span::precise(*wait))
        }
        (end, Some(why)) => format!("; {}: {}", word(end), escape::line(&why)),
        (_, None) => String::new(),
    };
    format!("{}: {}{end}", report.name, parts.join(", "))
}

/// `{"items": [{"sink", "event", "failures", "error", "at"}]}`, an object per letter.
pub fn dead_letters_json(all: &[DeadLetters]) -> String {
    let letters = all.iter().flat_map(|dead| dead.letters.iter().map(|letter| (&dead.sink, letter)));
    let item = |(sink, letter): (&String, &crate::delivery::dead::Letter)| {
        let mut item = json!({
            "sink": sink, "event": Value::Object(event_to_json(&letter.event)), "failures": letter.failures,
            "error": letter.error, "at": letter.at.0,
        });
        redact::json_urls(&mut item);
        item
    };
    line(&json!({ "items": letters.map(item).collect::<Vec<_>>() }))
}

/// A line per letter.
pub fn dead_letters_text(all: &[DeadLetters], style: Style) -> String {
    let rows: Vec<[Cell; 7]> = all
        .iter()
        .flat_map(|dead| dead.letters.iter().map(|letter| (&dead.sink, letter)))
        .map(|(sink, letter)| {
            [
                Cell::plain(sink.clone()),
                Cell::plain(escape::line(&letter.event.id)),
                Cell::plain(letter.event.kind.word()),
                Cell::plain(if letter.event.service.is_empty() {
                    "-".into()
                } else {
                    escape::line(&letter.event.service)
                }),
                Cell::plain(span::utc(letter.event.at.0)),
                Cell::plain(letter.failures.to_string()),
                Cell::plain(escape::line(&redact::urls(&letter.error))),
            ]
        })
        .collect();
    draw(["SINK", "EVENT", "TYPE", "SERVICE", "AT", "FAILURES", "ERROR"], &rows, style)
}

/// `{"items": [{"sink", "count"}]}`.
pub fn retried_json(all: &[Retried]) -> String {
    let items: Vec<Value> = all.iter().map(|one| json!({ "sink": one.sink, "count": one.count })).collect();
    line(&json!({ "items": items }))
}

/// A line per sink.
pub fn retried_text(all: &[Retried]) -> String {
    let line = |one: &Retried| {
        let letters = if one.count == 1 { "1 dead letter is" } else { &format!("{} dead letters are", one.count) };
        format!("{}: {letters} tried once more\n", one.sink)
    };
    all.iter().map(line).collect()
}
