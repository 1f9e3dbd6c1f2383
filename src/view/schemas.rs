//! The JSON Schemas (draft 2020-12) of what programs get from the journal, from deliveries and from the queue: the outputs of `events`,
//! `timeline`, `outbox`, `runs` and `queue` with `--format json`, and the message that a sink gets. One table; schemas/ is written from it. Pure.

use serde_json::{Map, Value, json};

use crate::config::SINK_KINDS;
use crate::journal::{Standing, docs};
use crate::runs::{FailureClass, Outcome, RunStatus, SpecAction};

use super::outbox::ENDS;

/// A JSON document that programs read, and its schema.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// The word of `minions managed schema`; `schemas/WORD.schema.json` has the text.
    pub word: &'static str,
    /// What prints it, or what it is.
    pub title: &'static str,
    schema: fn() -> Value,
}

/// Every such document.
pub const OUTPUTS: [Output; 10] = [
    Output { word: "events", title: "minions managed events --format json", schema: events },
    Output { word: "timeline", title: "minions managed timeline --format json", schema: timeline },
    Output { word: "outbox-status", title: "minions managed outbox status --format json", schema: outbox_status },
    Output { word: "outbox-drain", title: "minions managed outbox drain --format json", schema: outbox_drain },
    Output { word: "outbox-retry", title: "minions managed outbox retry --format json", schema: outbox_retry },
    Output { word: "dead-letters", title: "minions managed outbox dead-letters --format json", schema: dead_letters },
    Output { word: "runs", title: "minions managed runs --format json", schema: runs },
    Output { word: "run", title: "minions managed runs show ID --format json", schema: run_shown },
    Output { word: "queue", title: "minions managed queue --format json", schema: queue },
    Output { word: "cloudevent", title: "What a sink gets of an event", schema: cloudevent },
];

impl Output {
    /// The schema.
    pub fn schema(&self) -> Value {
        let mut schema = json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "title": self.title});
        if let (Some(whole), Value::Object(more)) = (schema.as_object_mut(), (self.schema)()) {
            whole.extend(more);
        }
        schema
    }
}

/// An object that has all of `keys`.
fn object<const N: usize>(keys: [(&str, Value); N]) -> Value {
    let required: Vec<&str> = keys.iter().map(|(key, _)| *key).collect();
    let properties: Map<String, Value> = keys.iter().map(|(key, schema)| ((*key).to_owned(), schema.clone())).collect();
    json!({"type": "object", "required": required, "properties": properties})
}

/// `{"items": […]}` and nothing else.
fn items(item: &Value) -> Value {
    object([("items", list(item))])
}

fn list(item: &Value) -> Value {
    json!({"type": "array", "items": item})
}

fn text(description: &str) -> Value {
    json!({"type": "string", "description": description})
}

fn text_or_null(description: &str) -> Value {
    json!({"type": ["string", "null"], "description": description})
}

/// A whole number, not below 0.
fn count(description: &str) -> Value {
    json!({"type": "integer", "minimum": 0, "description": description})
}

fn count_or_null(description: &str) -> Value {
    json!({"type": ["integer", "null"], "minimum": 0, "description": description})
}

fn time(description: &str) -> Value {
    json!({"type": "integer", "description": format!("{description}, in milliseconds since 1970-01-01 UTC.")})
}

fn time_or_null(description: &str) -> Value {
    json!({"type": ["integer", "null"], "description": format!("{description}, in milliseconds since 1970-01-01 UTC.")})
}

fn one_of(words: &[&str], description: &str) -> Value {
    json!({"enum": words, "description": description})
}

fn one_of_or_null(words: &[&str], description: &str) -> Value {
    let words: Vec<Value> = words.iter().map(|word| Value::from(*word)).chain([Value::Null]).collect();
    json!({"enum": words, "description": description})
}

/// An event as it is shown: a line of the journal without its checksum.
fn event() -> Value {
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

fn events() -> Value {
    object([
        ("items", list(&event())),
        ("next", count("Everything up to the event of this number has been looked at: go on with --after.")),
    ])
}

fn timeline() -> Value {
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

fn outbox_status() -> Value {
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
        ("busy", json!({"type": "boolean", "description": "Whether somebody delivers to it now."})),
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

fn outbox_drain() -> Value {
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

fn outbox_retry() -> Value {
    items(&object([
        ("sink", text("The sink's name.")),
        ("count", count("Dead letters of it that are tried once more.")),
    ]))
}

fn dead_letters() -> Value {
    items(&object([
        ("sink", text("The sink's name.")),
        ("event", event()),
        ("failures", count("How often the sink refused it.")),
        ("error", text("Why, the last time.")),
        ("at", time("When, the last time")),
    ]))
}

fn runs() -> Value {
    items(&run())
}

/// A run; its file may have keys of a later version beside these.
fn run() -> Value {
    let spec = object([
        ("name", text("The record's name.")),
        ("declared_name", text("The name in the sidecar.")),
        ("action", one_of(&SpecAction::ALL.map(SpecAction::word), "What was done.")),
        ("why", text("Why that was done.")),
        ("pid", count_or_null("The service's pid, if it was up in the end.")),
        (
            "healthy",
            json!({"type": ["boolean", "null"], "description": "Whether its first probe passed; null if nobody waited."}),
        ),
        ("error", text_or_null("What went wrong.")),
        ("log_path", text("Where its output goes; empty if it was never to be started.")),
        ("log_tail", list(&text("One of the last lines of that, when it failed."))),
        ("failure", one_of_or_null(&FailureClass::ALL.map(FailureClass::word), "What kind of failure that was.")),
    ]);
    object([
        (
            "id",
            json!({"type": "string", "pattern": "^run-[0-9a-f]{24}$", "description": "Ids sort by the time of their making."}),
        ),
        ("status", one_of(&RunStatus::ALL.map(RunStatus::word), "Where it stands: docs/runs.md.")),
        ("outcome", one_of_or_null(&Outcome::ALL.map(Outcome::word), "What became of its sidecar.")),
        ("failure_kind", one_of_or_null(&FailureClass::ALL.map(FailureClass::word), "Why not well.")),
        ("failure_message", text_or_null("The same in words, without secrets.")),
        ("agent", text("Whose sidecar.")),
        ("project", text("The project of its services; empty when nobody said.")),
        ("work_item", text("The work item; empty when nobody said.")),
        ("idempotency_key", text_or_null("The key under which it was asked for.")),
        ("payload_hash", text("SHA-1 over agent, project, work item and the sidecar's bytes.")),
        ("text_hash", text_or_null("SHA-1 of the sidecar's bytes.")),
        (
            "written_at",
            json!({"type": ["integer", "null"], "description": "When the sidecar was written, in milliseconds since 1970-01-01 UTC."}),
        ),
        ("created_at", time("When it was first taken up")),
        ("updated_at", time("When it moved last")),
        ("specs", list(&spec)),
    ])
}

fn run_shown() -> Value {
    let mut shown = run();
    shown["properties"]["events"] = list(&event());
    if let Some(required) = shown["required"].as_array_mut() {
        required.push("events".into());
    }
    shown
}

fn queue() -> Value {
    let states = [RunStatus::Pending, RunStatus::Claimed, RunStatus::Blocked].map(RunStatus::word);
    let item = object([
        ("agent", text("Whose sidecar waits.")),
        ("project", text("Its lane: the project of its run; empty while nobody has tried it.")),
        (
            "priority",
            json!({"type": "integer", "minimum": -1000, "maximum": 1000, "description": "Higher ones are taken first."}),
        ),
        ("waiting_since", time("When the sidecar was written")),
        ("status", one_of(&states, "Where it stands.")),
        ("run_id", text_or_null("Its run, once somebody has tried it.")),
        ("why", text_or_null("Why it is blocked, or who decides it.")),
    ]);
    let counts = |of: &str| json!({"type": "object", "additionalProperties": count(&format!("Sidecars {of}."))});
    object([("items", list(&item)), ("by_state", counts("that stand so")), ("by_lane", counts("of that project"))])
}

/// CloudEvents 1.0, JSON format. `subject` is missing where the event is about no service.
fn cloudevent() -> Value {
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
