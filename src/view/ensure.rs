//! A service that is up, for programs and for people.

use serde_json::{Map, Value, json};

use crate::base::redact;
use crate::ops::ensure::{Ensured, Up, base_url};
use crate::service::Proof;

use super::escape;
use super::record::ports;
use super::wire::line;

/// `{"name", "action", "healthy", "pid", "generation", "base_url", "ports", "health_proof", "log_path", "dependencies"}`;
/// `base_url` is null for what names none, `dependencies` are the same objects without that last key.
pub fn json(ensured: &Ensured) -> String {
    let mut object = object(&ensured.up);
    object.insert("dependencies".into(), ensured.dependencies.iter().map(object_of).collect());
    line(&object)
}

fn object_of(up: &Up) -> Value {
    Value::Object(object(up))
}

fn object(up: &Up) -> Map<String, Value> {
    let Up { record, action } = up;
    let fields = [
        ("name", json!(record.name)),
        ("action", json!(action.word())),
        ("healthy", json!(record.healthy)),
        ("pid", json!(record.pid)),
        ("generation", json!(record.generation.as_ref().map(ToString::to_string))),
        ("base_url", json!(base_url(record).as_deref().map(redact::urls))),
        ("ports", json!(record.spec.ports)),
        ("health_proof", json!(record.health_proof.map(Proof::word))),
        ("log_path", json!(record.log_path)),
    ];
    fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// A line for each, the service itself last: `web: healthy at http://localhost:3001 (pid 4711, port 3001)`.
pub fn text(ensured: &Ensured) -> String {
    ensured.dependencies.iter().chain([&ensured.up]).map(one).collect()
}

fn one(up: &Up) -> String {
    let record = &up.record;
    let at = base_url(record).map(|url| format!(" at {}", redact::urls(&escape::line(&url)))).unwrap_or_default();
    let pid = record.pid.map(|pid| format!("pid {pid}"));
    let ports = match record.spec.ports.len() {
        0 => None,
        1 => Some(format!("port {}", ports(record))),
        _ => Some(format!("ports {}", ports(record))),
    };
    let facts: Vec<String> = pid.into_iter().chain(ports).collect();
    let facts = if facts.is_empty() { String::new() } else { format!(" ({})", facts.join(", ")) };
    format!("{}: healthy{at}{facts}\n", record.name)
}
