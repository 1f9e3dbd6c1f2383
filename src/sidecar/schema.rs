//! The JSON Schema of a sidecar, under the settings in force, and what it says of a document's structure. It is
//! compiled only where it is asked for: rules alone are enough for a verdict.

use serde_json::{Value, json};

use super::codes::Code;
use super::notes::Notes;
use super::source::Node;
use crate::config::Settings;

/// The committed schema, with the limits of the default settings.
const TEXT: &str = include_str!("../../schemas/managed-spawn.schema.json");

/// So many failures of the schema are compared with the issues; more only a file made for it has.
const ERRORS_MAX: usize = 1000;

/// Where limits stand in the schema that settings move: the pointer, and the setting.
type Limit = (&'static str, fn(&Settings) -> u64);
const LIMITS: &[Limit] = &[
    ("/properties/specs/maxItems", |settings| settings.max_specs_per_file),
    ("/$defs/spec/properties/name/maxLength", |settings| settings.max_name_length),
    ("/$defs/spec/properties/args/maxItems", |settings| settings.max_args_count),
    ("/$defs/command/properties/args/maxItems", |settings| settings.max_args_count),
    ("/$defs/spec/properties/env/maxProperties", |settings| settings.max_env_vars),
    ("/$defs/spec/properties/ttl_minutes/anyOf/0/maximum", |settings| settings.max_ttl_minutes),
    ("/$defs/spec/properties/ttl_minutes/default", |settings| settings.default_ttl_minutes),
];

/// The schema (draft 2020-12) under `settings`.
pub fn schema(settings: &Settings) -> Value {
    let mut schema: Value = serde_json::from_str(TEXT).expect("the committed schema parses; a test reads it");
    for (pointer, limit) in LIMITS {
        let place = schema.pointer_mut(pointer).expect("the committed schema has this limit; a test looks");
        *place = json!(limit(settings));
    }
    schema
}

/// The schema under `settings`, ready to judge.
pub(super) fn compiled(settings: &Settings) -> jsonschema::Validator {
    jsonschema::draft202012::new(&schema(settings)).expect("the committed schema compiles; a test does")
}

/// Notes what the schema says of `document` where no rule has spoken at, under or above the place.
pub(super) fn judge(notes: &mut Notes, document: Node<'_>, validator: &jsonschema::Validator) {
    // JSON numbers have no bound; a double does. The largest fails the same checks as what lies beyond it.
    let (value, _) = document.value(&json!(f64::MAX));
    for error in validator.iter_errors(&value).take(ERRORS_MAX) {
        let place = error.instance_path().as_str().to_owned();
        if notes.issues.iter().any(|issue| is_within(&issue.pointer, &place) || is_within(&place, &issue.pointer)) {
            continue;
        }
        let message = format!("the schema refuses `{place}`: {}", error.masked());
        let help = "see `minions managed schema sidecar`";
        notes.fail_text(document.span().start..document.span().start + 1, Code::SchemaViolation, message, help);
    }
}

/// Whether the JSON Pointer `inner` is `outer` or leads further.
fn is_within(inner: &str, outer: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_schema_is_that_of_the_default_settings() {
        let committed: Value = serde_json::from_str(TEXT).unwrap();
        assert_eq!(schema(&Settings::default()), committed);
        assert!(jsonschema::meta::is_valid(&committed));
        assert!(jsonschema::draft202012::new(&committed).is_ok());
    }

    #[test]
    fn settings_move_the_schemas_limits() {
        let settings = Settings { max_specs_per_file: 9, ..Settings::default() };
        assert_eq!(schema(&settings).pointer("/properties/specs/maxItems"), Some(&json!(9)));
    }
}
