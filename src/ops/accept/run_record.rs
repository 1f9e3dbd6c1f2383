//! The record of one acceptance, `managed-runs/<run-id>.json`. Its states, events and retention are a room of their own
//! to come; here it is written once, when the acceptance has ended.

use serde_json::json;
use sha1::{Digest, Sha1};

use crate::base::clock::EpochMs;
use crate::base::error::{Error, Result};
use crate::base::files::{self, Durability};

use super::Acceptance;
use super::report::{AgentReport, Outcome};

/// Writes down how the acceptance ended.
pub(super) fn write(acceptance: &Acceptance<'_>, bytes: &[u8], report: &AgentReport) -> Result<()> {
    let status = match report.outcome {
        Outcome::None | Outcome::Accepted | Outcome::Unchanged => "completed",
        Outcome::Rejected | Outcome::Partial | Outcome::Failed => "failed",
    };
    let specs: Vec<_> = report
        .specs
        .iter()
        .map(|spec| json!({"name": spec.name, "declared_name": spec.declared_name, "action": spec.action.word(), "error": spec.error}))
        .collect();
    let record = json!({
        "id": acceptance.run_id,
        "status": status,
        "failure_kind": report.failure_class.map(super::report::FailureClass::word),
        "failure_message": report.reason,
        "agent": acceptance.agent.as_str(),
        "project": acceptance.owner.project,
        "work_item": acceptance.owner.work_item,
        "idempotency_key": acceptance.request.idempotency_key,
        "payload_hash": hex(&Sha1::digest(bytes)),
        "created_at": acceptance.created_at.0,
        "updated_at": EpochMs::now().0,
        "specs": specs,
    });
    let dir = acceptance.context.root.runs();
    let path = dir.join(format!("{}.json", acceptance.run_id));
    let text = format!("{record}\n");
    files::create_dir(&dir)
        .and_then(|()| files::write_atomic(&path, text.as_bytes(), Durability::Cached))
        .map_err(|error| Error::io(format!("cannot write the run record `{}`", path.display()), error))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
