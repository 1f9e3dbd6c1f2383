//! What programs get from the journal and from deliveries. Pure.

use serde_json::{Value, json};

use crate::config::SINK_KINDS;
use crate::journal::{Standing, docs};

use super::super::outbox::ENDS;
use super::shapes::{
    boolean, count, count_or_null, items, list, object, one_of, text, text_or_null, time, time_or_null,
};

/// An event as it is shown: a line of the journal without its checksum.
pub(super) fn event() -> Value {
    let mut event = docs::schema();
    if let Some(event) = event.as_object_mut() {
        ["$schema", "title"].iter().for_each(|key| drop(event.shift_remove(*key)));
    }
    if let Some(properties) = event["properties"].as_object_mut() {
        properties.shift_remove("crc");
    }
    event["description"] = "An event as the journal has it: docs/events.md.".into();
    event
}

pub(super) fn events() -> Value {
    object([
        ("items", list(&event())),
        ("next", count("Everything up to the event of this number has been looked at: go on with --after.")),
    ])
}

pub(super) fn timeline() -> Value {
    let span = object([
        ("from", time("Its beginning")),
        ("to", time("Its end")),
        ("standing", one_of(&Standing::ALL.map(Standing::word), "How the service stood.")),
    ]);
    let row = object([
        ("service", text("The service's name.")),
        ("project", text("The project of its last event; empty when nobody said.")),
        ("spans", list(&span)),
    ]);
    object([
        ("from", time("The beginning of the time that is looked at")),
        ("to", time("Its end")),
        ("items", list(&row)),
    ])
}

pub(super) fn outbox_status() -> Value {
    items(&object([
        ("name", text("The sink's name.")),
        ("type", one_of(&SINK_KINDS, "What takes the events.")),
        ("target", text("Where it leads, without secrets.")),
        ("waiting", count("Events that wait, dead letters that are tried once more among them.")),
        ("oldest_at", time_or_null("When the first of them happened")),
        ("failures", count("How often the first of them was refused.")),
        ("next_at", time_or_null("When it is tried again, by whoever waits for that")),
        ("retrying", count("Dead letters that are tried once more.")),
        ("dead_letters", count("Events that were refused too often.")),
        ("busy", boolean("Whether somebody delivers to it now.")),
        ("acked", count("The number of the last event that is done with.")),
        ("delivered", count("Events that it has taken, ever.")),
        ("dead", count("Events that became dead letters, ever.")),
        ("dropped", count("Events that were dropped since too many waited, ever.")),
        ("dead_dropped", count("Dead letters that were dropped since there were too many, ever.")),
        ("last_error", text_or_null("Why it last refused an event.")),
        ("last_error_at", time_or_null("When that was")),
        ("last_delivered_at", time_or_null("When it last took an event")),
    ]))
}

pub(super) fn outbox_drain() -> Value {
    items(&object([
        ("sink", text("The sink's name.")),
        ("delivered", count("Events that it took.")),
        ("dead", count("Events that became dead letters.")),
        ("dropped", count("Events that were dropped since too many waited.")),
        ("end", one_of(&ENDS, "How it ended: idle if nothing waits any more.")),
        ("error", text_or_null("Why it ended before nothing waited any more.")),
        ("failures", count_or_null("How often the first event that waits was refused.")),
        ("wait_ms", count_or_null("How long whoever waits goes on waiting, in milliseconds.")),
        ("set_aside", text_or_null("Where a position that could not be read was put.")),
    ]))
}

pub(super) fn outbox_retry() -> Value {
    items(&object([
        ("sink", text("The sink's name.")),
        ("count", count("Dead letters of it that are tried once more.")),
    ]))
}

pub(super) fn dead_letters() -> Value {
    items(&object([
        ("sink", text("The sink's name.")),
        ("event", event()),
        ("failures", count("How often the sink refused it.")),
        ("error", text("Why, the last time.")),
        ("at", time("When, the last time")),
    ]))
}

/// CloudEvents 1.0, JSON format. `subject` is missing where the event is about no service.
pub(super) fn cloudevent() -> Value {
    let mut message = object([
        ("specversion", json!({"const": "1.0"})),
        ("id", text("The event's id, the same however often it is sent.")),
        ("source", json!({"type": "string", "format": "uri", "description": "The root that the event is of."})),
        ("type", text("The event's type.")),
        ("time", json!({"type": "string", "format": "date-time", "description": "When it happened."})),
        (
            "sequence",
            json!({"type": "string", "pattern": "^[0-9]{20}$", "description": "The event's number; sorts as text."}),
        ),
        ("datacontenttype", json!({"const": "application/json"})),
        ("data", event()),
    ]);
    message["properties"]["subject"] = json!({"type": "string", "minLength": 1, "description": "The service's name."});
    message
}
