//! Reading an agent's sidecar and judging it. Where it goes once decided is [`aside`](super::aside).

use std::io;
use std::path::Path;

use crate::base::error::{Error, Result};
use crate::base::files;
use crate::lifecycle::accept::Wanted;
use crate::service::{Scope, Spec, spec_hash};
use crate::sidecar::{self, Expectations, Sidecar, System, Verdict};

use super::{Acceptance, aside};

/// One byte more than the verdict takes (1 MiB), so that it can tell that a file is too large.
pub(super) const SIDECAR_BYTES_MAX: u64 = 1 << 20;

/// What an agent's sidecar comes to.
pub(super) enum Decision {
    /// There is none.
    None,
    /// There is none, and one is required.
    Missing,
    /// It is not valid.
    Rejected(Rejection),
    /// It is.
    Valid {
        /// The file as it was read.
        bytes: Vec<u8>,
        /// What it says.
        sidecar: Sidecar,
    },
}

/// A sidecar that is not valid.
pub(super) struct Rejection {
    /// The file as it was read.
    pub(super) bytes: Vec<u8>,
    /// Everything that is wrong with it.
    pub(super) verdict: Verdict,
}

/// Reads and judges the sidecar. A good one is judged by the rules alone; a bad one by the schema too.
pub(super) fn decide(acceptance: &Acceptance<'_>) -> Result<Decision> {
    let context = acceptance.context;
    if !acceptance.request.is_dry_run {
        aside::take_back(&context.root, acceptance.agent)?;
    }
    let path = context.root.sidecar(acceptance.agent);
    let bytes = match files::read_bounded(&path, SIDECAR_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(if acceptance.request.is_required { Decision::Missing } else { Decision::None });
        }
        Err(error) => return Err(Error::io(format!("cannot read the sidecar `{}`", path.display()), error)),
    };
    let judge = acceptance.common.judge;
    let expectations = expectations(acceptance);
    let system = System::new(Some(context.path().as_ref()));
    let verdict = sidecar::decide(&bytes, judge, &expectations, &system);
    system.check()?;
    match verdict.sidecar {
        Some(sidecar) => Ok(Decision::Valid { bytes, sidecar }),
        None => {
            let verdict = sidecar::decide_with_schema(&bytes, judge, &expectations, &system);
            system.check()?;
            Ok(Decision::Rejected(Rejection { bytes, verdict }))
        }
    }
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
