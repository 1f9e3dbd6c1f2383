//! The run of an acceptance: how it begins, what it ends with, and the answer to whoever repeats one under its idempotency key.

use crate::base::error::{Error, Kind, Result};
use crate::base::redact;
use crate::runs::{FailureClass, Outcome, Payload, Place, Run, RunInput, RunStatus, SpecReport};

use super::super::desk::Text;
use super::Acceptance;
use super::report::AgentReport;

/// The run as it begins: claimed.
pub(super) fn begun(acceptance: &Acceptance<'_>, text: &Text, payload_hash: String) -> Run {
    Run {
        id: acceptance.run_id.clone(),
        status: RunStatus::Claimed,
        outcome: None,
        failure_kind: None,
        failure_message: None,
        agent: acceptance.agent.to_string(),
        project: acceptance.owner.project.clone(),
        work_item: acceptance.owner.work_item.clone(),
        idempotency_key: acceptance.request.idempotency_key.clone(),
        payload_hash,
        sidecar: Some(text.mark.clone()),
        created_at: acceptance.created_at,
        updated_at: acceptance.created_at,
        specs: Vec::new(),
        unknown: serde_json::Map::new(),
    }
}

/// How `report` moves its run.
pub(super) fn input_of(report: &AgentReport) -> RunInput {
    match report.outcome {
        _ if !report.is_decided() => RunInput::Blocked,
        Outcome::None | Outcome::Accepted | Outcome::Unchanged => RunInput::Completed,
        Outcome::Rejected | Outcome::Partial | Outcome::Failed => RunInput::Failed,
    }
}

/// Writes what `report` says into its run.
pub(super) fn tell(run: &mut Run, report: &AgentReport) {
    // What waits for the next try has no outcome yet.
    run.outcome = Some(report.outcome).filter(|_| report.is_decided());
    run.failure_kind = report.failure_class;
    run.failure_message = report.reason.as_deref().map(redact::urls);
    run.specs = report.specs.iter().map(plain).collect();
}

/// The same without secrets of URLs.
fn plain(spec: &SpecReport) -> SpecReport {
    SpecReport { error: spec.error.as_deref().map(redact::urls), ..spec.clone() }
}

/// What an earlier acceptance under the same idempotency key came to, and where its sidecar goes; `None` if there is no key or no
/// such run. Errors: the key was used for other content (`idempotency-key-reused`, exit 7).
pub(super) fn earlier(acceptance: &Acceptance<'_>, bytes: &[u8]) -> Result<Option<(AgentReport, Place)>> {
    let Some(key) = &acceptance.request.idempotency_key else { return Ok(None) };
    let hash = payload(acceptance, bytes).hash();
    // What ended undecided has used up no key.
    let is_decided = |run: &Run| run.status.is_ended() && run.failure_kind != Some(FailureClass::Cancelled);
    let of_key = |run: &Run| run.idempotency_key.as_ref() == Some(key) && is_decided(run);
    for run in acceptance.common.desk.runs.list()?.runs.into_iter().filter(of_key) {
        if run.payload_hash != hash {
            let message =
                format!("the idempotency key `{}` was used for other content, in {}", key.escape_debug(), run.id);
            return Err(Error::new(Kind::Conflict, "idempotency-key-reused", message)
                .with_hint("nothing was done; use another key for another sidecar, project or agent"));
        }
        let place = run.place();
        if let Some(answer) = AgentReport::of_run(acceptance.agent, run).zip(place) {
            return Ok(Some(answer));
        }
    }
    Ok(None)
}

/// All that decides what the acceptance of `bytes` means.
pub(super) fn payload<'a>(acceptance: &'a Acceptance<'_>, bytes: &'a [u8]) -> Payload<'a> {
    let request = acceptance.request;
    Payload { agent: acceptance.agent.as_str(), project: &request.project, work_item: &request.work_item, bytes }
}
