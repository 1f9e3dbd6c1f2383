//! What an acceptance or a stop came to, for programs and for people.

use serde_json::{Value, json};

use crate::base::redact;
use crate::ops::accept::{AgentReport, FailureClass, Outcome, Report, SpecAction, SpecReport};

use crate::runs::spec_to_json;

use super::escape;
use super::wire::line;

/// The contract's JSON: for one agent its object, else `{"items": […]}`.
pub fn report_json(report: &Report, is_single: bool) -> String {
    let items: Vec<Value> = report.items.iter().map(agent_json).collect();
    match (is_single, items.first()) {
        (true, Some(only)) => line(only),
        (true, None) | (false, _) => line(&json!({ "items": items })),
    }
}

fn agent_json(report: &AgentReport) -> Value {
    json!({
        "agent": report.agent.as_str(),
        "exists": report.exists,
        "accepted": report.accepted,
        "outcome": report.outcome.word(),
        "failure_class": report.failure_class.map(FailureClass::word),
        "reason": report.reason.as_deref().map(redact::urls),
        "run_id": report.run_id,
        "specs": report.specs.iter().map(spec_json).collect::<Vec<_>>(),
    })
}

/// As in the run, but for what kind of failure it was: a report says that of the whole.
fn spec_json(spec: &SpecReport) -> Value {
    let mut value = spec_to_json(spec);
    if let Value::Object(spec) = &mut value {
        spec.shift_remove("failure");
    }
    value["error"] = json!(spec.error.as_deref().map(redact::urls));
    value
}

/// The same for people: a line per service, what failed with its log, a rejected sidecar with its excerpt.
pub fn report_text(report: &Report, is_dry_run: bool) -> String {
    if report.items.is_empty() {
        return "no agent has a pending sidecar\n".into();
    }
    report.items.iter().map(|item| agent_text(item, is_dry_run)).collect()
}

fn agent_text(report: &AgentReport, is_dry_run: bool) -> String {
    let agent = report.agent.as_str();
    let mut text = match (report.outcome, report.reason.as_deref()) {
        (Outcome::None, None) => return format!("{agent}: no sidecar, nothing to do\n"),
        (Outcome::None, Some(reason)) => {
            return format!("{agent}: left to another command: {}\n", escape::line(reason));
        }
        (Outcome::Rejected, reason) if report.excerpt.is_empty() => {
            let reason = redact::urls(&escape::line(reason.unwrap_or_default()));
            return format!("{agent}: {}: {reason}\n", outcome_word(report));
        }
        (Outcome::Rejected, reason) => {
            let verb = if is_dry_run { "would be rejected" } else { "rejected" };
            let reason = redact::urls(&escape::line(reason.unwrap_or_default()));
            return format!("{}\n\n{agent}: {verb}: {reason}\n", redact::urls(report.excerpt.trim_end()));
        }
        (outcome, _) if is_dry_run => format!("{agent}: plan, nothing is changed ({})\n", outcome.word()),
        (outcome, Some(reason)) if report.specs.is_empty() => {
            return format!("{agent}: {}: {}\n", outcome.word(), redact::urls(&escape::line(reason)));
        }
        (outcome, _) => format!("{agent}: {}\n", outcome.word()),
    };
    for spec in &report.specs {
        text.push_str(&spec_text(spec, is_dry_run));
    }
    text
}

/// How it ended, in a word; what was called off was not judged.
fn outcome_word(report: &AgentReport) -> &'static str {
    match report.failure_class {
        Some(FailureClass::Cancelled) => FailureClass::Cancelled.word(),
        Some(_) | None => report.outcome.word(),
    }
}

fn spec_text(spec: &SpecReport, is_dry_run: bool) -> String {
    let name = match spec.name == spec.declared_name {
        true => spec.name.clone(),
        false => format!("{} (declared as {})", spec.name, spec.declared_name),
    };
    let health = match spec.healthy {
        Some(true) => ", healthy",
        Some(false) => ", not healthy",
        None => "",
    };
    let pid = spec.pid.map(|pid| format!(", pid {pid}")).unwrap_or_default();
    if let Some(error) = &spec.error {
        let mut text = format!("  {name}: {}\n", redact::urls(&escape::line(error)));
        for logged in &spec.log_tail {
            text.push_str("    | ");
            text.push_str(&escape::line(logged));
            text.push('\n');
        }
        return text;
    }
    let deed = match (spec.action, is_dry_run) {
        (SpecAction::Spawned, true) => "would be spawned",
        (SpecAction::Replaced, true) => "would be replaced",
        (SpecAction::Unchanged, true) => "would stay unchanged",
        (SpecAction::Queued, true) => "would wait",
        (SpecAction::None, true) => "nothing would be done",
        (SpecAction::Queued, false) => return format!("  {name}: queued: {}\n", spec.why),
        (action, false) => action.word(),
    };
    if is_dry_run { format!("  {name}: {deed}: {}\n", spec.why) } else { format!("  {name}: {deed}{pid}{health}\n") }
}
