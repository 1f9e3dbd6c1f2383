//! The verdict as JSON, as `validate` prints it (contract section 4).

use serde_json::{Value, json};

use super::{Issue, Verdict};
use crate::base::redact::{self, DenyPatterns};
use crate::service::spec_json;

/// `{"file", "agent", "valid", "reason", "failure_class", "is_workdir_rejection", "issues", "warnings", "specs"}`:
/// `agent` null where the file is no agent's, `reason` and `failure_class` null if valid, `specs` null if not. `deny`
/// says which env values are hidden.
pub fn verdict_json(file: &str, agent: Option<&str>, verdict: &Verdict, deny: &DenyPatterns) -> Value {
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
fn hide(mut spec: Value, deny: &DenyPatterns) -> Value {
    if let Some(env) = spec.get_mut("env") {
        redact::json_env(env, deny);
    }
    redact::json_urls(&mut spec);
    spec
}
