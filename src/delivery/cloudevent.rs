//! An event as its receivers get it: CloudEvents 1.0 in JSON, <https://cloudevents.io>. What is secret by its shape is hidden
//! here, so that no sink can forget it.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::base::redact;
use crate::base::span;
use crate::service::{Event, event_to_json};

/// The media type of one event (CloudEvents JSON format, section 3).
pub const MEDIA_TYPE: &str = "application/cloudevents+json";

/// An event, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The same however often it is sent.
    pub id: String,
    /// One line of JSON, without its end.
    pub text: String,
}

/// `event` as `source` tells it. An example, in one line in fact:
///
/// ```json
/// {"specversion": "1.0", "id": "evt-…", "source": "file:///home/ann/.minions", "type": "service.healthy",
///  "time": "2026-01-01T00:00:00.000Z", "subject": "web", "sequence": "00000000000000000042",
///  "datacontenttype": "application/json", "data": {"seq": 42, "id": "evt-…", …, "data": {}}}
/// ```
///
/// `data` is the journal's line; `subject` is missing where the event is about no service, since an empty one is not allowed.
pub fn message(event: &Event, source: &str) -> Message {
    let mut value = json!({
        "specversion": "1.0",
        "id": event.id,
        "source": source,
        "type": event.kind.word(),
        "time": time(event),
        "subject": event.service,
        // The extension `sequence`: sorts as text.
        "sequence": format!("{:020}", event.seq),
        "datacontenttype": "application/json",
        "data": event_to_json(event),
    });
    if let Some(object) = value.as_object_mut().filter(|_| event.service.is_empty()) {
        object.shift_remove("subject");
    }
    redact::json_urls(&mut value);
    Message { id: event.id.clone(), text: value.to_string() }
}

/// RFC 3339 with milliseconds.
fn time(event: &Event) -> String {
    let text = span::utc(event.at.0);
    let (date, clock) = text.trim_end_matches(" UTC").split_once(' ').unwrap_or((&text, ""));
    format!("{date}T{clock}.{:03}Z", event.at.0.rem_euclid(1000))
}

/// What events of the root at `dir` name as their source: a `file` address, so that receivers of several roots can tell them
/// apart.
pub fn source(dir: &Path) -> String {
    let mut source = String::from("file://");
    for byte in dir.as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(byte) {
            source.push(char::from(*byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(source, "%{byte:02X}");
        }
    }
    source
}

/// The JSON value of `text`, for whoever reads what was sent.
pub fn parse(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use super::super::sample::event;
    use super::*;

    #[test]
    fn an_event_has_what_the_standard_demands_and_no_secret() {
        let mut sample = event(42, "web");
        sample.data.insert("error".into(), json!("GET http://u:hunter2@h/?token=hunter2 with Bearer hunter2"));
        let message = message(&sample, &source(Path::new("/home/ann b/.minions")));
        assert!(!message.text.contains("hunter2") && !message.text.contains('\n'), "{}", message.text);
        let value = parse(&message.text).unwrap();
        for (key, expected) in [
            ("specversion", "1.0"),
            ("id", "evt-42"),
            ("source", "file:///home/ann%20b/.minions"),
            ("type", "service.healthy"),
            ("time", "2026-01-01T00:00:00.042Z"),
            ("subject", "web"),
            ("sequence", "00000000000000000042"),
            ("datacontenttype", "application/json"),
        ] {
            assert_eq!(value[key], expected, "{key}");
        }
        assert_eq!(value["data"]["seq"], 42);
        assert_eq!(value["data"]["data"]["error"], "GET http://[redacted]@h/?token=[redacted] with Bearer [redacted]");
    }

    #[test]
    fn what_is_about_no_service_has_no_subject() {
        let value = parse(&message(&event(1, ""), "x").text).unwrap();
        assert!(value.get("subject").is_none(), "{value}");
    }
}
