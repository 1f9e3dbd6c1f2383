//! Where a decided sidecar goes, and how one is found again that a killed command was about to move. Impure: reads, links and
//! renames files.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::clock::EpochMs;
use crate::base::error::{Error, Result};
use crate::base::files::{self, Durability};
use crate::base::ids::AgentName;
use crate::base::root::Root;
use crate::base::steps::{Step, reached};
use crate::process;
use crate::service::{Identity, Liveness};

use super::Acceptance;
use super::decide::SIDECAR_BYTES_MAX;

/// How the name of a sidecar that is being moved aside begins and ends; between stand the pid and the start time of whoever
/// moves it, and the pid namespace that the pid counts in.
const HELD: (&str, &str) = (".managed-spawn.", ".deciding");
/// A sidecar has such a name between two renames; who is so much slower is gone.
const ELSEWHERE_MAX: Duration = Duration::from_secs(600);

/// Moves the decided sidecar to `to`. An agent may have written another one meanwhile: that one stays in place, to be
/// decided in its turn, and `to` gets what was decided.
pub(super) fn move_aside(acceptance: &Acceptance<'_>, decided: &[u8], to: &Path) -> Result<()> {
    let from = acceptance.context.root.sidecar(acceptance.agent);
    let failed = |error: io::Error| Error::io(format!("cannot move `{}` to `{}`", from.display(), to.display()), error);
    let held = held_name(&from, &acceptance.common.maker);
    match rename(&from, &held) {
        Ok(()) => reached(Step::AcceptHeld),
        // Somebody else moved it: what was decided is kept all the same.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return files::write_atomic(to, decided, Durability::Cached).map_err(failed);
        }
        Err(error) => return Err(failed(error)),
    }
    let is_what_was_decided = files::read_bounded(&held, SIDECAR_BYTES_MAX).is_ok_and(|there| there == decided);
    if is_what_was_decided {
        rename(&held, to).map_err(failed)?;
        reached(Step::AcceptMoved);
        return Ok(());
    }
    files::write_atomic(to, decided, Durability::Cached).map_err(failed)?;
    give_back(&held, &from).map_err(failed)
}

/// A name beside the sidecar that only `maker` uses.
fn held_name(from: &Path, maker: &Identity) -> PathBuf {
    let namespace = maker.pid_namespace.map(|namespace| format!(".{namespace}")).unwrap_or_default();
    from.with_file_name(format!("{}{}.{}{namespace}{}", HELD.0, maker.pid, maker.start_ticks, HELD.1))
}

/// Whether `path` is one that a process used which is gone. One that cannot be judged counts as alive; nothing tells of one in
/// another pid namespace, which has what it holds for a moment only.
fn is_abandoned(path: &Path) -> bool {
    let Some(maker) = path.file_name().and_then(|name| name.to_str()).and_then(maker_of) else { return false };
    match process::observe_liveness(&maker) {
        Liveness::Dead => true,
        Liveness::Alive => false,
        Liveness::Unknown => process::is_elsewhere(&maker) && held_for(path).is_some_and(|span| span > ELSEWHERE_MAX),
    }
}

/// Since when a sidecar has the name that it has, by the system's clock.
fn held_for(path: &Path) -> Option<Duration> {
    let renamed_at = EpochMs(std::fs::metadata(path).ok()?.ctime().checked_mul(1000)?);
    Some(EpochMs::now().since(renamed_at))
}

/// Who uses that name.
fn maker_of(name: &str) -> Option<Identity> {
    name.strip_prefix(HELD.0).and_then(|name| name.strip_suffix(HELD.1)).and_then(|maker| {
        let mut parts = maker.split('.');
        let (pid, start_ticks) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let pid_namespace = match parts.next() {
            Some(namespace) => Some(namespace.parse().ok()?),
            None => None,
        };
        let boot_id = process::boot_id().ok()?.to_owned();
        Some(Identity { pid, start_ticks, boot_id, pid_namespace })
    })
}

/// The sidecars in the folder of `agent` that commands have left which died while they moved them aside.
fn abandoned(root: &Root, agent: &AgentName) -> io::Result<Vec<PathBuf>> {
    let dir = root.sidecar(agent).with_file_name("");
    let entries = match std::fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if is_abandoned(&entry.path()) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// Whether there is one.
pub(super) fn has_abandoned(root: &Root, agent: &AgentName) -> bool {
    abandoned(root, agent).is_ok_and(|found| !found.is_empty())
}

/// Puts a sidecar that a command held when it died back into its place, to be decided once more: what it started is there as
/// declared, so that this changes nothing but the sidecar's place.
pub(super) fn take_back(root: &Root, agent: &AgentName) -> Result<()> {
    let from = root.sidecar(agent);
    let failed = |error: io::Error| Error::io(format!("cannot put `{}` back", from.display()), error);
    for held in abandoned(root, agent).map_err(failed)? {
        log::warn!("`{}` was left by a command that is gone: it is put back", held.display());
        give_back(&held, &from).map_err(failed)?;
    }
    Ok(())
}

/// Puts a sidecar that came meanwhile back into its place, unless a newer one stands there already.
fn give_back(held: &Path, from: &Path) -> io::Result<()> {
    match std::fs::hard_link(held, from) {
        Ok(()) => {}
        // Somebody else has put it back, or a newer one stands there.
        Err(error) if matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound) => {}
        Err(error) => return Err(error),
    }
    files::remove(held)
}

#[expect(
    clippy::disallowed_methods,
    reason = "moves a sidecar within its folder; what is lost by a power cut is decided again"
)]
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to)
}
