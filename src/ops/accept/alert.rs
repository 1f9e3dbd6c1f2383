//! Alerts in `notes/inbox/`: a rejected sidecar, a start that failed.

use crate::base::error::{Error, Result};
use crate::base::files::{self, Durability};
use crate::base::redact;
use crate::runs::{FailureClass, Outcome};
use crate::sidecar::{self, Verdict};
use crate::text::notes;

use super::super::desk::Text;
use super::report::AgentReport;
use super::{Acceptance, decide};

/// What is reported of a sidecar that is not valid.
pub(super) fn rejection(acceptance: &Acceptance<'_>, text: &Text, verdict: &Verdict) -> AgentReport {
    let path = acceptance.context.root.sidecar(acceptance.agent);
    let excerpt = sidecar::excerpt(&String::from_utf8_lossy(&text.bytes), &path.display().to_string(), verdict, false);
    AgentReport {
        exists: true,
        outcome: Outcome::Rejected,
        failure_class: Some(FailureClass::InvalidSidecar),
        reason: verdict.reason().map(str::to_owned),
        run_id: Some(acceptance.run_id.clone()),
        excerpt,
        ..AgentReport::none(acceptance.agent)
    }
}

/// Writes an alert about a rejected sidecar: what was written, each failure, and the smallest shape that would pass.
pub(super) fn rejected(acceptance: &Acceptance<'_>, verdict: &Verdict, report: &AgentReport) -> Result<()> {
    let failures: Vec<notes::Failure<'_>> = verdict
        .issues
        .iter()
        .map(|issue| notes::Failure { reason: &issue.reason, message: &issue.message, help: &issue.help })
        .collect();
    let alert = notes::rejection(&notes::Rejection {
        agent: acceptance.agent.as_str(),
        moved_to: &acceptance.context.root.sidecar_rejected(acceptance.agent).display().to_string(),
        failures: &failures,
        excerpt: &redact::urls(&report.excerpt),
        smallest: &sidecar::smallest_passing_shape(&acceptance.context.settings, &decide::expectations(acceptance)),
    });
    write(acceptance, "rejected", &alert)
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

/// Alerts are named so that they sort by time, and never replace that of another run; who takes a run up from a command that died
/// writes the same one again.
fn write(acceptance: &Acceptance<'_>, what: &str, text: &str) -> Result<()> {
    let dir = acceptance.context.root.inbox();
    let name =
        format!("managed-spawn-{}-{what}-{}-{}.md", acceptance.created_at.0, acceptance.agent, acceptance.run_id);
    let path = dir.join(name);
    files::create_dir(&dir)
        .and_then(|()| files::write_atomic(&path, text.as_bytes(), Durability::Cached))
        .map_err(|error| Error::io(format!("cannot write the alert `{}`", path.display()), error))
}
