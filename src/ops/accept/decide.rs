//! Reading an agent's sidecar and judging it; where it goes once decided. Impure: reads, links and renames files.

use std::io;
use std::path::{Path, PathBuf};

use crate::base::error::{Error, Result};
use crate::base::files::{self, Durability};
use crate::lifecycle::accept::Wanted;
use crate::service::{Scope, Spec, spec_hash};
use crate::sidecar::{self, Expectations, Sidecar, System, Verdict};

use super::Acceptance;

/// One byte more than the verdict takes (1 MiB), so that it can tell that a file is too large.
const SIDECAR_BYTES_MAX: u64 = 1 << 20;

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
    match verdict.sidecar {
        Some(sidecar) => Ok(Decision::Valid { bytes, sidecar }),
        None => {
            let verdict = sidecar::decide_with_schema(&bytes, judge, &expectations, &system);
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

/// The specs with their scopes.
pub(super) fn scoped(acceptance: &Acceptance<'_>, specs: &[Spec]) -> Vec<Wanted> {
    let parents_max = acceptance.context.settings.git_worktree_max_parent_depth;
    let scope = |spec: &Spec| {
        let top = Some(Path::new(&spec.cwd)).filter(|cwd| !cwd.as_os_str().is_empty());
        let top = top.and_then(|cwd| sidecar::worktree_top(cwd, parents_max));
        let worktree = top.map(|top| top.to_string_lossy().into_owned());
        Scope { project: acceptance.owner.project.clone(), worktree }
    };
    specs.iter().map(|spec| Wanted { spec: spec.clone(), spec_hash: spec_hash(spec), scope: scope(spec) }).collect()
}

/// Moves the decided sidecar to `to`. An agent may have written another one meanwhile: that one stays in place, to be
/// decided in its turn, and `to` gets what was decided.
pub(super) fn move_aside(acceptance: &Acceptance<'_>, decided: &[u8], to: &Path) -> Result<()> {
    let from = acceptance.context.root.sidecar(acceptance.agent);
    let failed = |error: io::Error| Error::io(format!("cannot move `{}` to `{}`", from.display(), to.display()), error);
    let held = held_name(&from);
    match rename(&from, &held) {
        Ok(()) => {}
        // Somebody else moved it: what was decided is kept all the same.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return files::write_atomic(to, decided, Durability::Cached).map_err(failed);
        }
        Err(error) => return Err(failed(error)),
    }
    let is_what_was_decided = files::read_bounded(&held, SIDECAR_BYTES_MAX).is_ok_and(|there| there == decided);
    if is_what_was_decided {
        return rename(&held, to).map_err(failed);
    }
    files::write_atomic(to, decided, Durability::Cached).map_err(failed)?;
    give_back(&held, &from).map_err(failed)
}

/// A name beside the sidecar that only this process uses.
fn held_name(from: &Path) -> PathBuf {
    from.with_file_name(format!(".managed-spawn.{}.deciding", std::process::id()))
}

/// Puts a sidecar that came meanwhile back into its place, unless a newer one stands there already.
#[expect(clippy::disallowed_methods, reason = "removes a second name of a file that has its first one back")]
fn give_back(held: &Path, from: &Path) -> io::Result<()> {
    match std::fs::hard_link(held, from) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    std::fs::remove_file(held)
}

#[expect(
    clippy::disallowed_methods,
    reason = "moves a sidecar within its folder; what is lost by a power cut is decided again"
)]
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to)
}
