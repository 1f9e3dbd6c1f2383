//! The record of one acceptance, `managed-runs/<run-id>.json`, and the answer to whoever repeats one under its
//! idempotency key. Impure: lists the folder of runs. Its other states, events and retention are a room to come; here
//! it is written once, when the acceptance has ended.

use serde_json::{Value, json};
use sha1::{Digest, Sha1};

use crate::base::clock::EpochMs;
use crate::base::error::{Error, Kind, Result};
use crate::base::files::{self, Durability};
use crate::base::hex::hex;

use super::Acceptance;
use super::report::{AgentReport, FailureClass, Outcome, SpecAction, SpecReport};

/// A run record holds one report: far below this, unless it is none of ours.
const RUN_BYTES_MAX: u64 = 4 << 20;

/// Writes down how the acceptance ended. One that left its sidecar pending is `blocked` and may be repeated.
pub(super) fn write(acceptance: &Acceptance<'_>, bytes: &[u8], report: &AgentReport) -> Result<()> {
    let status = match report.outcome {
        _ if !report.is_decided() => "blocked",
        Outcome::None | Outcome::Accepted | Outcome::Unchanged => "completed",
        Outcome::Rejected | Outcome::Partial | Outcome::Failed => "failed",
    };
    let record = json!({
        "id": acceptance.run_id,
        "status": status,
        "outcome": report.outcome.word(),
        "failure_kind": report.failure_class.map(FailureClass::word),
        "failure_message": report.reason,
        "agent": acceptance.agent.as_str(),
        "project": acceptance.owner.project,
        "work_item": acceptance.owner.work_item,
        "idempotency_key": acceptance.request.idempotency_key,
        "payload_hash": payload_hash(acceptance, bytes),
        "created_at": acceptance.created_at.0,
        "updated_at": EpochMs::now().0,
        "specs": report.specs.iter().map(spec_json).collect::<Vec<_>>(),
    });
    let dir = acceptance.context.root.runs();
    let path = dir.join(format!("{}.json", acceptance.run_id));
    let text = format!("{record}\n");
    files::create_dir(&dir)
        .and_then(|()| files::write_atomic(&path, text.as_bytes(), Durability::Cached))
        .map_err(|error| Error::io(format!("cannot write the run record `{}`", path.display()), error))
}

/// What an earlier acceptance under the same idempotency key came to; `None` if there is no key or no such run. Errors:
/// the key was used for other content (`idempotency-key-reused`, exit 7).
pub(super) fn earlier(acceptance: &Acceptance<'_>, bytes: &[u8]) -> Result<Option<AgentReport>> {
    let Some(key) = &acceptance.request.idempotency_key else { return Ok(None) };
    let hash = payload_hash(acceptance, bytes);
    for run in decided_runs(acceptance)?.iter().filter(|run| run["idempotency_key"] == json!(key)) {
        if run["payload_hash"] != json!(hash) {
            let id = run["id"].as_str().unwrap_or_default();
            let message = format!("the idempotency key `{}` was used for other content, in {id}", key.escape_debug());
            return Err(Error::new(Kind::Conflict, "idempotency-key-reused", message)
                .with_hint("nothing was done; use another key for another sidecar, project or agent"));
        }
        if let Some(report) = report_of(acceptance, run) {
            return Ok(Some(report));
        }
    }
    Ok(None)
}

/// Every run that has ended for good. What cannot be read is none of ours.
fn decided_runs(acceptance: &Acceptance<'_>) -> Result<Vec<Value>> {
    let dir = acceptance.context.root.runs();
    let entries = match std::fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io(format!("cannot list the runs in `{}`", dir.display()), error)),
    };
    let read = |path: std::path::PathBuf| -> Option<Value> {
        serde_json::from_slice(&files::read_bounded(&path, RUN_BYTES_MAX).ok()?).ok()
    };
    let runs = entries.filter_map(|entry| read(entry.ok()?.path()));
    Ok(runs.filter(|run| matches!(run["status"].as_str(), Some("completed" | "failed"))).collect())
}

/// SHA-1 over everything that decides what an acceptance means: agent, project, work item, and the sidecar's bytes.
fn payload_hash(acceptance: &Acceptance<'_>, bytes: &[u8]) -> String {
    let mut hash = Sha1::new();
    for part in [acceptance.agent.as_str(), &acceptance.request.project, &acceptance.request.work_item] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.update(bytes);
    hex(&hash.finalize())
}

fn spec_json(spec: &SpecReport) -> Value {
    json!({
        "name": spec.name,
        "declared_name": spec.declared_name,
        "action": spec.action.word(),
        "why": spec.why,
        "pid": spec.pid,
        "healthy": spec.healthy,
        "error": spec.error,
        "log_path": spec.log_path,
        "log_tail": spec.log_tail,
        "failure": spec.failure.map(FailureClass::word),
    })
}

fn report_of(acceptance: &Acceptance<'_>, run: &Value) -> Option<AgentReport> {
    let specs = run["specs"].as_array()?.iter().map(spec_of).collect::<Option<Vec<_>>>()?;
    let outcome = Outcome::parse(run["outcome"].as_str()?)?;
    Some(AgentReport {
        exists: true,
        accepted: outcome != Outcome::Rejected,
        outcome,
        failure_class: run["failure_kind"].as_str().and_then(FailureClass::parse),
        reason: run["failure_message"].as_str().map(str::to_owned),
        run_id: Some(run["id"].as_str()?.to_owned()),
        specs,
        ..AgentReport::none(acceptance.agent)
    })
}

fn spec_of(spec: &Value) -> Option<SpecReport> {
    let text = |key: &str| spec[key].as_str().map(str::to_owned);
    Some(SpecReport {
        name: text("name")?,
        declared_name: text("declared_name")?,
        action: SpecAction::parse(spec["action"].as_str()?)?,
        why: text("why")?,
        pid: spec["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()),
        healthy: spec["healthy"].as_bool(),
        error: text("error"),
        log_path: text("log_path")?,
        log_tail: spec["log_tail"].as_array()?.iter().filter_map(|line| line.as_str().map(str::to_owned)).collect(),
        failure: spec["failure"].as_str().and_then(FailureClass::parse),
    })
}
