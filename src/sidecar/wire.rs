//! The verdict as JSON, as `validate` prints it (contract section 4).

use serde_json::{Value, json};

use super::{Issue, Verdict};
use crate::base::redact;
use crate::service::spec_json;

/// `{"file", "agent", "valid", "reason", "failure_class", "is_workdir_rejection", "issues", "warnings", "specs"}`:
/// `agent` null where the file is no agent's, `reason` and `failure_class` null if valid, `specs` null if not. `deny`
/// says which env values are hidden.
pub fn verdict_json(file: &str, agent: Option<&str>, verdict: &Verdict, deny: &regex::RegexSet) -> Value {
    let specs = verdict.sidecar.as_ref().map(|sidecar| {
        let hidden = |spec| hide(spec_json(spec), deny);
        sidecar.specs.iter().map(hidden).collect::<Vec<_>>()
    });
    json!({
        "file": file,
        "agent": agent,
        "valid": verdict.is_valid(),
        "reason": verdict.reason(),
        "failure_class": verdict.failure_class(),
        "is_workdir_rejection": verdict.is_workdir_rejection(),
        "issues": verdict.issues.iter().map(issue_json).collect::<Vec<_>>(),
        "warnings": verdict.warnings.iter().map(issue_json).collect::<Vec<_>>(),
        "specs": specs,
    })
}

fn issue_json(issue: &Issue) -> Value {
    json!({
        "code": issue.code.text(),
        "reason": issue.reason,
        "message": issue.message,
        "pointer": issue.pointer,
        "line": issue.line,
        "column": issue.column,
        "help": issue.help,
    })
}

/// Hides secrets of a spec's JSON: env values by key, user info in every text.
fn hide(mut spec: Value, deny: &regex::RegexSet) -> Value {
    if let Some(Value::Object(env)) = spec.get_mut("env") {
        for (key, value) in env.iter_mut() {
            let shown = value.as_str().map(|text| redact::env_value(deny, key, text));
            *value = json!(shown);
        }
    }
    hide_urls(&mut spec);
    spec
}

fn hide_urls(value: &mut Value) {
    match value {
        Value::String(text) if text.contains("://") => *text = redact::urls(text),
        Value::Array(items) => items.iter_mut().for_each(hide_urls),
        Value::Object(map) => map.values_mut().for_each(hide_urls),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
