//! What programs get of acceptances: their reports, their runs, and the queue. Pure.

use serde_json::{Value, json};

use crate::runs::{FailureClass, Outcome, RunStatus, SpecAction};

use super::journal::event;
use super::shapes::{
    add, boolean, boolean_or_null, count, count_or_null, either, items, list, object, one_of, one_of_or_null, text,
    text_or_null, time, time_or_null,
};

/// One agent's report, or a list of them.
pub(super) fn accept() -> Value {
    let report = object([
        ("agent", text("Whose sidecar.")),
        ("exists", boolean("Whether there was one.")),
        ("accepted", boolean("Whether it was judged valid and acted on.")),
        ("outcome", one_of(&Outcome::ALL.map(Outcome::word), "How it ended.")),
        ("failure_class", one_of_or_null(&FailureClass::ALL.map(FailureClass::word), "Why not well.")),
        ("reason", text_or_null("The same in words, without secrets.")),
        ("run_id", text_or_null("The run; null when there was nothing to decide.")),
        ("specs", list(&spec())),
    ]);
    either(&[report.clone(), items(&report)], "The report of the one agent that was named, else a list of reports.")
}

/// What became of a service of a sidecar.
fn spec() -> Value {
    object([
        ("name", text("The record's name.")),
        ("declared_name", text("The name in the sidecar.")),
        ("action", one_of(&SpecAction::ALL.map(SpecAction::word), "What was done.")),
        ("why", text("Why that was done.")),
        ("pid", count_or_null("The service's pid, if it was up in the end.")),
        ("healthy", boolean_or_null("Whether its first probe passed; null if nobody waited.")),
        ("error", text_or_null("What went wrong.")),
        ("log_path", text("Where its output goes; empty if it was never to be started.")),
        ("log_tail", list(&text("One of the last lines of that, when it failed."))),
    ])
}

pub(super) fn runs() -> Value {
    items(&run())
}

/// A run; its file may have keys of a later version beside these.
fn run() -> Value {
    let mut spec = spec();
    add(
        &mut spec,
        "failure",
        one_of_or_null(&FailureClass::ALL.map(FailureClass::word), "What kind of failure that was."),
    );
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
        ("written_at", time_or_null("When the sidecar was written")),
        ("created_at", time("When it was first taken up")),
        ("updated_at", time("When it moved last")),
        ("specs", list(&spec)),
    ])
}

pub(super) fn run_shown() -> Value {
    let mut shown = run();
    add(&mut shown, "events", list(&event()));
    shown
}

pub(super) fn queue() -> Value {
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

pub(super) fn queue_cancel() -> Value {
    object([
        ("agent", text("Whose sidecar it was.")),
        ("run_id", text("The run by which it was called off.")),
        ("status", one_of(&[RunStatus::Cancelled.word()], "Where the run stands.")),
        ("reason", text_or_null("Why it was called off.")),
    ])
}
