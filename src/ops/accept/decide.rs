//! Reading an agent's sidecar and judging it.

use std::path::Path;

use crate::base::error::Result;
use crate::lifecycle::accept::Wanted;
use crate::service::{Scope, Spec, spec_hash};
use crate::sidecar::{self, Expectations, Sidecar, System, Verdict};

use super::super::desk::Text;
use super::Acceptance;

/// What an agent's sidecar comes to.
pub(super) struct Draft {
    /// The file as it was read.
    pub(super) text: Text,
    /// What is thought of it.
    pub(super) judged: Judged,
}

/// What is thought of a sidecar.
pub(super) enum Judged {
    /// It is not valid: everything that is wrong with it.
    Rejected(Verdict),
    /// It is, and says this.
    Valid(Sidecar),
}

/// Reads and judges the sidecar as it stands, whoever may be at it; `None`: there is none.
pub(super) fn draft(acceptance: &Acceptance<'_>) -> Result<Option<Draft>> {
    let text = Text::read(&acceptance.context.root.sidecar(acceptance.agent))?;
    text.map(|text| judge(acceptance, text)).transpose()
}

/// Judges a sidecar. A good one is judged by the rules alone; a bad one by the schema too.
pub(super) fn judge(acceptance: &Acceptance<'_>, text: Text) -> Result<Draft> {
    let judge = acceptance.common.judge;
    let expectations = expectations(acceptance);
    let system = System::new(Some(acceptance.context.path().as_ref()));
    let verdict = sidecar::decide(&text.bytes, judge, &expectations, &system);
    system.check()?;
    let judged = match verdict.sidecar {
        Some(sidecar) => Judged::Valid(sidecar),
        None => {
            let verdict = sidecar::decide_with_schema(&text.bytes, judge, &expectations, &system);
            system.check()?;
            Judged::Rejected(verdict)
        }
    };
    Ok(Draft { text, judged })
}

/// What the sidecar must agree with beside the rules.
pub(super) fn expectations<'a>(acceptance: &'a Acceptance<'_>) -> Expectations<'a> {
    Expectations {
        agent: Some(acceptance.agent.as_str()),
        work_item: Some(acceptance.request.work_item.as_str()).filter(|item| !item.is_empty()),
        dispatch_root: acceptance.request.dispatch_root.as_deref(),
    }
}

/// The specs with their scopes. Errors: `io` where a worktree cannot be looked for: a service must not pass for another's.
pub(super) fn scoped(acceptance: &Acceptance<'_>, specs: &[Spec]) -> Result<Vec<Wanted>> {
    let parents_max = acceptance.context.settings.git_worktree_max_parent_depth;
    let scope = |spec: &Spec| -> Result<Scope> {
        let top = Some(Path::new(&spec.cwd)).filter(|cwd| !cwd.as_os_str().is_empty());
        let top = top.map(|cwd| sidecar::worktree_top(cwd, parents_max)).transpose()?.flatten();
        let worktree = top.map(|top| top.to_string_lossy().into_owned());
        Ok(Scope { project: acceptance.owner.project.clone(), worktree })
    };
    let wanted = |spec: &Spec| Ok(Wanted { spec: spec.clone(), spec_hash: spec_hash(spec), scope: scope(spec)? });
    specs.iter().map(wanted).collect()
}
