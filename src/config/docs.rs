//! What the table of settings says, for people (docs/configuration.md) and for editors (schemas/config.schema.json). A
//! test compares both with the committed files.

use serde_json::{Map, Value, json};

use super::Settings;
use super::sinks_docs;
use super::table::{Field, KEY_PATH, ROWS, Row, WORDS_MAX};

/// The text of docs/configuration.md.
pub fn markdown() -> String {
    let mut text = String::from(
        "# Settings\n\n\
         Written from `src/config/table.rs` by `tests/generated.rs`; change it there.\n\n\
         Settings stand in `config.json` under the root, under the key path `engine.managedSpawn`; the file's other keys \
         are other programs'. A missing file or key means the default. An unknown key, a wrong type or a value out of \
         range is an error that names every such key (exit 1, `config-invalid`), and nothing is done.\n\n\
         ```json\n{ \"engine\": { \"managedSpawn\": { \"maxTtlMinutes\": 480, \"envPolicy\": \"denylist\" } } }\n```\n\n\
         `minions managed config` shows every setting in force and where it comes from; `minions managed schema config` \
         prints the JSON Schema.\n",
    );
    let defaults = Settings::default();
    for row in ROWS {
        let default = row.value(&defaults);
        let shown = match &default {
            Value::Array(words) => words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
                default.to_string()
            }
        };
        text.push_str(&format_row(row, &shown));
    }
    text
}

fn format_row(row: &Row, default: &str) -> String {
    let more = if matches!(row.field, Field::Outbox) { sinks_docs::markdown() } else { String::new() };
    format!("\n## `{}`\n\n{}\n\nValue: {}. Default: `{default}`\n{more}", row.key, row.doc, row.asked())
}

/// The JSON Schema of `config.json`: our keys in full, other programs' keys free.
pub fn schema() -> Value {
    let defaults = Settings::default();
    let rows: Map<String, Value> =
        ROWS.iter().map(|row| (row.key.to_owned(), property(row, row.value(&defaults)))).collect();
    let ours = json!({
        "type": ["object", "null"],
        "description": "The settings of `minions managed`.",
        "additionalProperties": false,
        "properties": rows,
    });
    let [outer, inner] = KEY_PATH;
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "config.json",
        "description": "Settings under the root; ours are under engine.managedSpawn, other keys are other programs'.",
        "type": "object",
        "properties": { outer: { "type": ["object", "null"], "properties": { inner: ours } } },
    })
}

fn property(row: &Row, default: Value) -> Value {
    let mut property = match &row.field {
        Field::Flag(_) => json!({ "type": "boolean" }),
        Field::Count { min, max, .. } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Field::Number { min, max, .. } => json!({ "type": "number", "minimum": min, "maximum": max }),
        Field::Words(_) => {
            json!({ "type": "array", "maxItems": WORDS_MAX, "items": { "type": "string", "minLength": 1 } })
        }
        Field::Patterns(_) => json!({
            "type": "array", "maxItems": WORDS_MAX, "items": { "type": "string", "minLength": 1, "format": "regex" }
        }),
        Field::Choice(choice) => json!({ "enum": choice.words }),
        Field::Outbox => sinks_docs::schema(),
    };
    property["description"] = Value::from(row.doc);
    property["default"] = default;
    property
}
