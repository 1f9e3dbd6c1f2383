//! Events, for programs and for people.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::base::clock::EpochMs;
use crate::base::json::Plain;
use crate::base::span;
use crate::ops::events::Found;
use crate::service::{Event, EventType, event_from_json};

use super::escape;
use super::table::{Cell, Column, Paint, Style, draw};

/// `{"items": [EVENT…], "next": SEQ}`; each event is compact JSON already.
pub fn page_json(found: &Found) -> String {
    format!("{{\"items\":[{}],\"next\":{}}}\n", found.items.join(","), found.next)
}

/// An event on each line.
pub fn lines_json(items: &[String]) -> String {
    items.iter().fold(String::new(), |text, item| text + item + "\n")
}

/// A table, the oldest event first.
pub fn table(items: &[String], style: Style) -> String {
    let rows: Vec<[Cell; 5]> = items.iter().map(|item| row(item)).collect();
    let columns = [
        Column::new("SEQ").whole(),
        Column::new("TIME").whole().left_out(2),
        Column::new("TYPE").whole(),
        Column::new("SERVICE").cut_to(12).left_out(3),
        Column::new("DETAILS").left_out(1),
    ];
    draw(columns, &rows, style)
}

/// The same without headings or columns, for who follows.
pub fn lines(items: &[String], color: bool) -> String {
    let mut text = String::new();
    for item in items {
        let [seq, time, kind, service, details] = row(item);
        let kind = kind.paint.on(&kind.text, color);
        // Writing to a string cannot fail.
        writeln!(text, "{} {} {kind} {} {}", seq.text, time.text, service.text, details.text).unwrap_or_default();
    }
    text
}

fn row(item: &str) -> [Cell; 5] {
    let value = serde_json::from_str::<Plain>(item).map_or(Value::Null, |plain| plain.0);
    match event_from_json(value) {
        Ok(event) => {
            let service = if event.service.is_empty() { "-" } else { &event.service };
            [
                Cell::plain(event.seq.to_string()),
                Cell::plain(span::utc(event.at.0).trim_end_matches(" UTC")),
                Cell { text: event.kind.word().to_owned(), paint: paint(event.kind) },
                Cell::plain(escape::line(service)),
                Cell::plain(details(&event)),
            ]
        }
        // Of a newer version, whose types are unknown here.
        Err(_) => {
            let shown = escape::line(item).into_owned();
            [Cell::plain("-"), Cell::plain("-"), Cell::plain("-"), Cell::plain("-"), Cell::plain(shown)]
        }
    }
}

/// What there is to say beyond type and name, in a few words; what matters most comes first, for the end may be cut.
fn details(event: &Event) -> String {
    let mut words = Vec::new();
    let is_dead = event.kind == EventType::DeliveryDead;
    if is_dead {
        words.push(refused(&event.data));
    }
    for (key, value) in event.data.iter().filter(|_| !is_dead) {
        match (key.as_str(), value) {
            (_, Value::Null) => {}
            // `why` says it in words, and which life there was before is for programs.
            ("input" | "previous", _) => {}
            (_, Value::String(text)) if text.is_empty() => {}
            ("exit", exit) => {
                let ended = ended(exit);
                let is_said = event.data.get("why").and_then(Value::as_str).is_some_and(|why| why.contains(&ended));
                words.extend((!is_said).then_some(ended));
            }
            ("next_at", Value::Number(at)) => {
                let wait = EpochMs(at.as_i64().unwrap_or(0)).since(event.at);
                words.push(format!("again in {}", span::precise(wait)));
            }
            ("why" | "message", Value::String(why)) => words.push(escape::line(why).into_owned()),
            // What the type says already.
            ("to", Value::String(_)) => {}
            ("from", Value::Number(_)) => {}
            ("to", Value::Number(end)) => words.push(format!("until {}", span::utc(end.as_i64().unwrap_or(0)))),
            (key, Value::String(text)) => words.push(format!("{} {}", escape::line(key), escape::line(text))),
            (key, Value::Number(number)) => words.push(format!("{} {number}", escape::line(key))),
            (_, Value::Bool(_) | Value::Array(_) | Value::Object(_)) => {}
        }
    }
    // Of a start, its pid is also the reason.
    words.dedup();
    // A service's name says whose it is; a sidecar has no other name.
    if event.service.is_empty() && !event.agent.is_empty() {
        words.insert(0, format!("agent {}", escape::line(&event.agent)));
    }
    if !event.project.is_empty() {
        words.push(format!("project {}", escape::line(&event.project)));
    }
    words.join(", ")
}

/// `sink hook refused event 7 (service.healthy of web) 12 times: it answered 500`.
fn refused(data: &Map<String, Value>) -> String {
    let text = |key: &str| escape::line(data.get(key).and_then(Value::as_str).unwrap_or_default());
    let number = |key: &str| data.get(key).and_then(Value::as_u64).unwrap_or_default();
    let service = text("event_service");
    let of = if service.is_empty() { String::new() } else { format!(" of {service}") };
    let (sink, kind, error) = (text("sink"), text("event_type"), text("error"));
    format!("sink {sink} refused event {} ({kind}{of}) {} times: {error}", number("event_seq"), number("failures"))
}

fn ended(exit: &Value) -> String {
    match (&exit["code"], &exit["signal"]) {
        (Value::Number(code), _) => format!("exit code {code}"),
        (_, Value::Number(signal)) => format!("signal {signal}"),
        (_, _) => "nobody saw how it ended".to_owned(),
    }
}

const fn paint(kind: EventType) -> Paint {
    match kind {
        EventType::ServiceHealthy => Paint::Good,
        EventType::ServiceUnhealthy
        | EventType::ServiceBackoff
        | EventType::ServiceExited
        | EventType::JournalRepaired => Paint::Doubtful,
        EventType::ServiceFailed
        | EventType::SidecarRejected
        | EventType::StateSetAside
        | EventType::JournalLost
        | EventType::DeliveryDropped
        | EventType::DeliveryDead
        | EventType::Fatal => Paint::Bad,
        EventType::ServiceQueued
        | EventType::ServiceStarting
        | EventType::ServiceRunning
        | EventType::ServiceRestarted
        | EventType::ServiceReplaced
        | EventType::ServiceRenewed
        | EventType::ServiceAdopted
        | EventType::ServiceStopping
        | EventType::ServiceStopped
        | EventType::ServiceExpired
        | EventType::ServiceDropped
        | EventType::SidecarAccepted
        | EventType::SidecarCancelled => Paint::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::{Draft, event_to_text};
    use serde_json::json;

    fn item(seq: u64, kind: EventType, data: Value) -> String {
        let mut draft = Draft { service: "web".into(), ..Draft::new(kind, EpochMs(1_800_000_000_000)) };
        draft.data = data.as_object().unwrap().clone();
        event_to_text(&draft.numbered(seq, "evt-1".into()))
    }

    #[test]
    fn an_event_is_a_row_that_says_what_matters() {
        let exit = json!({"exit": {"code": 3, "signal": null}, "from": "running"});
        let items = [
            item(7, EventType::ServiceExited, exit),
            item(8, EventType::ServiceBackoff, json!({"next_at": 1_800_000_005_000_i64, "why": "a\u{1b}[31m"})),
        ];
        let text = table(&items, Style::default());
        let dead = json!({"sink": "hook", "event": "evt-9", "event_seq": 9, "event_type": "service.healthy",
            "event_service": "api", "failures": 12, "error": "it answered 500"});
        let dead = details(&event_from_json(item(9, EventType::DeliveryDead, dead).parse().unwrap()).unwrap());
        assert_eq!(dead, "sink hook refused event 9 (service.healthy of api) 12 times: it answered 500");
        let said = json!({"exit": {"code": null, "signal": 15}, "why": "signal 15 ended it"});
        let said =
            Draft { data: said.as_object().unwrap().clone(), ..Draft::new(EventType::ServiceExited, EpochMs(1)) };
        assert_eq!(details(&said.numbered(1, "evt-1".into())), "signal 15 ended it");
        let of_agent = Draft { agent: "kay".into(), ..Draft::new(EventType::SidecarAccepted, EpochMs(1)) };
        assert_eq!(details(&of_agent.numbered(1, "evt-1".into())), "agent kay");
        let expected = "SEQ  TIME                 TYPE             SERVICE  DETAILS\n\
                        7    2027-01-15 08:00:00  service.exited   web      exit code 3, from running\n\
                        8    2027-01-15 08:00:00  service.backoff  web      again in 5s, a\\u{1b}[31m\n";
        assert_eq!(text, expected);
        assert_eq!(lines(&items[..1], false), "7 2027-01-15 08:00:00 service.exited web exit code 3, from running\n");
    }

    #[test]
    fn a_page_is_the_events_as_they_are() {
        let found = Found { items: vec!["{}".into(), "{}".into()], next: 9, ..Found::default() };
        assert_eq!(page_json(&found), "{\"items\":[{},{}],\"next\":9}\n");
        assert_eq!(lines_json(&found.items), "{}\n{}\n");
    }
}
