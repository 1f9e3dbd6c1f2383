//! The words from which the schemas are put together. Pure.

use serde_json::{Map, Value, json};

/// An object that has all of `keys`.
pub(super) fn object<const N: usize>(keys: [(&str, Value); N]) -> Value {
    let required: Vec<&str> = keys.iter().map(|(key, _)| *key).collect();
    let properties: Map<String, Value> = keys.iter().map(|(key, schema)| ((*key).to_owned(), schema.clone())).collect();
    json!({"type": "object", "required": required, "properties": properties})
}

/// `{"items": […]}` and nothing else.
pub(super) fn items(item: &Value) -> Value {
    object([("items", list(item))])
}

pub(super) fn list(item: &Value) -> Value {
    json!({"type": "array", "items": item})
}

pub(super) fn text(description: &str) -> Value {
    json!({"type": "string", "description": description})
}

pub(super) fn text_or_null(description: &str) -> Value {
    json!({"type": ["string", "null"], "description": description})
}

/// A whole number, not below 0.
pub(super) fn count(description: &str) -> Value {
    json!({"type": "integer", "minimum": 0, "description": description})
}

pub(super) fn count_or_null(description: &str) -> Value {
    json!({"type": ["integer", "null"], "minimum": 0, "description": description})
}

pub(super) fn time(description: &str) -> Value {
    json!({"type": "integer", "description": format!("{description}, in milliseconds since 1970-01-01 UTC.")})
}

pub(super) fn time_or_null(description: &str) -> Value {
    json!({"type": ["integer", "null"], "description": format!("{description}, in milliseconds since 1970-01-01 UTC.")})
}

pub(super) fn one_of(words: &[&str], description: &str) -> Value {
    json!({"enum": words, "description": description})
}

pub(super) fn one_of_or_null(words: &[&str], description: &str) -> Value {
    let words: Vec<Value> = words.iter().map(|word| Value::from(*word)).chain([Value::Null]).collect();
    json!({"enum": words, "description": description})
}

pub(super) fn boolean(description: &str) -> Value {
    json!({"type": "boolean", "description": description})
}

pub(super) fn boolean_or_null(description: &str) -> Value {
    json!({"type": ["boolean", "null"], "description": description})
}

/// Whichever of `shapes`, and only one of them.
pub(super) fn either(shapes: &[Value], description: &str) -> Value {
    json!({"description": description, "oneOf": shapes})
}

/// Adds a key to those that an object has.
pub(super) fn add(object: &mut Value, key: &str, schema: Value) {
    object["properties"][key] = schema;
    if let Some(required) = object["required"].as_array_mut() {
        required.push(key.into());
    }
}

/// `object`, or null.
pub(super) fn or_null(mut object: Value) -> Value {
    object["type"] = json!(["object", "null"]);
    object
}
