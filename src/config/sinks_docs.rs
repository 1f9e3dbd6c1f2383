//! What the table of the sinks' keys says, for editors (the schema) and for people (docs/configuration.md).

use serde_json::{Map, Value, json};

use super::sinks::{ENTRIES_MAX, KEYS, KINDS, Key, SINKS_MAX, TEXT_BYTES_MAX, TIMEOUT_SEC, TIMEOUT_SEC_RANGE};

/// The JSON Schema of the setting: a form for each kind of sink.
pub(super) fn schema() -> Value {
    let form = |kind: &str| {
        let keys = || KEYS.iter().filter(|key| key.kinds.contains(&kind));
        let properties: Map<String, Value> = keys().map(|key| (key.name.to_owned(), property(key, kind))).collect();
        let required: Vec<&str> = keys().filter(|key| key.is_required).map(|key| key.name).collect();
        json!({ "type": "object", "additionalProperties": false, "required": required, "properties": properties })
    };
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "sinks": { "type": "array", "maxItems": SINKS_MAX, "items": { "oneOf": KINDS.map(form) } },
        },
    })
}

fn property(key: &Key, kind: &str) -> Value {
    let texts = |length_min: usize| {
        let text = json!({ "type": "string", "minLength": length_min, "pattern": "^[^\\u0000]*$" });
        json!({ "type": "array", "maxItems": ENTRIES_MAX, "items": text })
    };
    let (min, max) = TIMEOUT_SEC_RANGE;
    let mut property = match key.name {
        "name" => json!({ "type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$" }),
        "type" => json!({ "const": kind }),
        "url" | "proxy" => json!({
            "type": "string",
            "maxLength": TEXT_BYTES_MAX,
            "pattern": "^http://[^/?#@:\"<>\\\\^`{|}\\s][^/?#@\"<>\\\\^`{|}\\s]*([/?#][^\"<>\\\\^`{|}\\s]*)?$",
        }),
        "headers" => json!({
            "type": "object",
            "maxProperties": ENTRIES_MAX,
            "propertyNames": { "pattern": "^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$" },
            "additionalProperties": { "oneOf": [
                { "type": "string", "maxLength": TEXT_BYTES_MAX, "pattern": "^[ -~]*$" },
                {
                    "type": "object", "additionalProperties": false, "required": ["env"],
                    "properties": { "env": { "type": "string", "minLength": 1, "maxLength": TEXT_BYTES_MAX } },
                },
            ] },
        }),
        "followRedirects" | "coalesce" => json!({ "type": "boolean", "default": false }),
        "args" => texts(0),
        "types" => texts(1),
        "timeoutSec" => json!({ "type": "number", "minimum": min, "maximum": max, "default": TIMEOUT_SEC }),
        _ => json!({ "type": "string", "minLength": 1, "maxLength": TEXT_BYTES_MAX, "pattern": "^[^\\u0000]*$" }),
    };
    property["description"] = Value::from(key.doc);
    property
}

/// The keys of a sink as a table for docs/configuration.md.
pub(super) fn markdown() -> String {
    let mut text = String::from("\n| key of a sink | of | value | what |\n|---|---|---|---|\n");
    for key in &KEYS {
        let kinds = if key.kinds.len() == KINDS.len() { "every sink".to_owned() } else { key.kinds.join(", ") };
        let kinds = if key.is_required { format!("{kinds}; required") } else { kinds };
        text.extend(["| `", key.name, "` | ", &kinds, " | ", key.asked, " | ", key.doc, " |\n"]);
    }
    text
}
