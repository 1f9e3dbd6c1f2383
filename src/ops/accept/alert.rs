//! Alerts in `notes/inbox/`: a rejected sidecar, a start that failed.

use crate::base::clock::EpochMs;
use crate::base::error::{Error, Result};
use crate::base::files::{self, Durability};
use crate::base::redact;
use crate::base::steps::{Step, reached};
use crate::service::EventType;
use crate::sidecar;
use crate::text::notes;

use super::decide::{self, Rejection};
use super::report::AgentReport;
use super::{Acceptance, aside, run_record};
use super::{FailureClass, Outcome};

/// Moves a rejected sidecar aside, with an alert that shows what was written, each failure, and the smallest shape that
/// would pass.
pub(super) fn reject(acceptance: &Acceptance<'_>, rejection: &Rejection) -> Result<AgentReport> {
    let verdict = &rejection.verdict;
    let path = acceptance.context.root.sidecar(acceptance.agent);
    let text = String::from_utf8_lossy(&rejection.bytes);
    let excerpt = sidecar::excerpt(&text, &path.display().to_string(), verdict, false);
    let report = AgentReport {
        exists: true,
        outcome: Outcome::Rejected,
        failure_class: Some(FailureClass::InvalidSidecar),
        reason: verdict.reason().map(str::to_owned),
        run_id: Some(acceptance.run_id.clone()),
        excerpt,
        ..AgentReport::none(acceptance.agent)
    };
    if acceptance.request.is_dry_run {
        return Ok(report);
    }
    let moved_to = acceptance.context.root.sidecar_rejected(acceptance.agent);
    let failures: Vec<notes::Failure<'_>> = verdict
        .issues
        .iter()
        .map(|issue| notes::Failure { reason: &issue.reason, message: &issue.message, help: &issue.help })
        .collect();
    let alert = notes::rejection(&notes::Rejection {
        agent: acceptance.agent.as_str(),
        moved_to: &moved_to.display().to_string(),
        failures: &failures,
        excerpt: &redact::urls(&report.excerpt),
        smallest: &sidecar::smallest_passing_shape(&acceptance.context.settings, &decide::expectations(acceptance)),
    });
    write(acceptance, "rejected", &alert)?;
    reached(Step::AcceptAlerted);
    run_record::write(acceptance, &rejection.bytes, &report)?;
    reached(Step::AcceptNoted);
    tell(acceptance, &report);
    aside::move_aside(acceptance, &rejection.bytes, &moved_to)?;
    Ok(report)
}

/// The event of a rejection: no record tells of it. Where it cannot be written, the alert and the run still tell.
fn tell(acceptance: &Acceptance<'_>, report: &AgentReport) {
    let draft = acceptance
        .draft(EventType::SidecarRejected)
        .with("reason", redact::urls(report.reason.as_deref().unwrap_or("")));
    if let Err(error) = acceptance.common.writer.change("accept", |document| document.tell(draft)) {
        log::warn!("no event tells of the rejected sidecar: {}", error.chain());
    }
}

/// Writes an alert about the services that did not come up, if there are any.
pub(super) fn failed_starts(acceptance: &Acceptance<'_>, report: &AgentReport) -> Result<()> {
    let starts: Vec<notes::FailedStart<'_>> = report
        .specs
        .iter()
        .filter_map(|spec| Some((spec, spec.error.as_deref()?)))
        .map(|(spec, error)| notes::FailedStart {
            name: &spec.name,
            error,
            log_path: &spec.log_path,
            log_tail: &spec.log_tail,
        })
        .collect();
    if starts.is_empty() {
        return Ok(());
    }
    write(acceptance, "failed", &notes::failed_starts(acceptance.agent.as_str(), &starts))
}

/// Alerts are named so that they sort by time and never replace one another.
fn write(acceptance: &Acceptance<'_>, what: &str, text: &str) -> Result<()> {
    let dir = acceptance.context.root.inbox();
    let name = format!("managed-spawn-{}-{what}-{}-{}.md", EpochMs::now().0, acceptance.agent, acceptance.run_id);
    let path = dir.join(name);
    files::create_dir(&dir)
        .and_then(|()| files::write_atomic(&path, text.as_bytes(), Durability::Cached))
        .map_err(|error| Error::io(format!("cannot write the alert `{}`", path.display()), error))
}
