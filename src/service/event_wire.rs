//! The JSON of an event: one compact object, as it stands in the journal, in the state file, and in output. A change here is a
//! change of contract (section 9).

use serde_json::{Map, Value, json};

use crate::base::clock::EpochMs;

use super::event::{Event, EventType};

/// The event as a JSON object, its keys in the order of the contract:
/// `{"seq", "id", "at", "type", "service", "project", "agent", "generation", "run_id", "data"}`. Strings are empty where there
/// is nothing to say; `at` is in epoch milliseconds.
pub fn event_to_json(event: &Event) -> Map<String, Value> {
    let Event { seq, id, at, kind, service, project, agent, generation, run_id, data } = event;
    let entries = [
        ("seq", json!(seq)),
        ("id", json!(id)),
        ("at", json!(at.0)),
        ("type", json!(kind.word())),
        ("service", json!(service)),
        ("project", json!(project)),
        ("agent", json!(agent)),
        ("generation", json!(generation)),
        ("run_id", json!(run_id)),
        ("data", Value::Object(data.clone())),
    ];
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// The same as compact text without a line break.
pub fn event_to_text(event: &Event) -> String {
    Value::Object(event_to_json(event)).to_string()
}

/// Reads an event. Unknown keys are left out. The error says which key is wrong and how; a type that this version does not
/// know is one.
pub fn event_from_json(value: Value) -> Result<Event, String> {
    let Value::Object(mut map) = value else { return Err("it is not an object".to_owned()) };
    let seq = map.get("seq").and_then(Value::as_u64).ok_or("`seq` is not a whole number")?;
    let at = map.get("at").and_then(Value::as_i64).ok_or("`at` is not a whole number")?;
    let word = text(&mut map, "type")?;
    let kind = EventType::parse(&word).ok_or_else(|| format!("`type`: `{}` is no such word", word.escape_debug()))?;
    let Some(Value::Object(data)) = map.shift_remove("data") else {
        return Err("`data` is not an object".to_owned());
    };
    Ok(Event {
        seq,
        id: text(&mut map, "id")?,
        at: EpochMs(at),
        kind,
        service: text(&mut map, "service")?,
        project: text(&mut map, "project")?,
        agent: text(&mut map, "agent")?,
        generation: text(&mut map, "generation")?,
        run_id: text(&mut map, "run_id")?,
        data,
    })
}

fn text(map: &mut Map<String, Value>, key: &str) -> Result<String, String> {
    match map.shift_remove(key) {
        Some(Value::String(text)) => Ok(text),
        Some(_) | None => Err(format!("`{key}` is not a string")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::Draft;

    #[test]
    fn an_event_is_read_back_as_it_was_written_and_says_what_is_wrong() {
        let draft = Draft {
            service: "web".into(),
            project: "shop".into(),
            ..Draft::new(EventType::ServiceRunning, EpochMs(1_800_000_000_000)).with("from", "starting")
        };
        let event = draft.numbered(7, "evt-1".into());
        let text = event_to_text(&event);
        let expected = concat!(
            r#"{"seq":7,"id":"evt-1","at":1800000000000,"type":"service.running","service":"web","project":"shop","#,
            r#""agent":"","generation":"","run_id":"","data":{"from":"starting"}}"#
        );
        assert_eq!(text, expected);
        let read = |text: &str| event_from_json(serde_json::from_str(text).unwrap());
        assert_eq!(read(&text), Ok(event));
        let check = |from: &str, to: &str, part: &str| {
            let why = read(&text.replace(from, to)).expect_err(to);
            assert!(why.contains(part), "{why}");
        };
        check("\"seq\":7", "\"seq\":-7", "`seq`");
        check("service.running", "service.flying", "`service.flying`");
        check("\"web\"", "3", "`service`");
        check("\"data\":{\"from\":\"starting\"}", "\"data\":[]", "`data`");
    }
}
