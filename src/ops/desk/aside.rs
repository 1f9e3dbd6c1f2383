//! Where a decided sidecar goes, and how one is found again that a killed command was about to move.

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
use crate::runs::Place;
use crate::service::{Identity, Liveness};
use crate::sidecar::BYTES_MAX;

/// How the name of a sidecar that is being moved aside begins and ends; between stand, with dots between them, the pid, the start time,
/// the boot and the pid namespace (or [`NO_NAMESPACE`]) of whoever moves it, and the run that has decided it.
const HELD: (&str, &str) = (".managed-spawn.", ".deciding");
/// Stands for a namespace that nobody knows.
const NO_NAMESPACE: &str = "-";
/// A sidecar has such a name between two renames; who is so much slower, and cannot be seen from here, is gone.
const ELSEWHERE_MAX: Duration = Duration::from_secs(600);

/// What the name of a sidecar on its way says.
pub(super) struct HeldName<'a> {
    /// Who moves it.
    pub(super) maker: &'a Identity,
    /// The run that has decided it.
    pub(super) run_id: &'a str,
}

/// A sidecar that a command was moving when it died.
#[derive(Debug)]
pub(super) struct Abandoned {
    /// Where it stands.
    pub(super) path: PathBuf,
    /// The run that has decided it; `None` in names of before.
    pub(super) run_id: Option<String>,
}

/// The path of that place.
fn path_of(root: &Root, agent: &AgentName, place: Place) -> PathBuf {
    match place {
        Place::Accepted => root.sidecar_accepted(agent),
        Place::Rejected => root.sidecar_rejected(agent),
    }
}

/// Moves the decided sidecar to its place. An agent may have written another one meanwhile: that one stays where it is, to be
/// decided in its turn, and the place gets what was decided.
pub(super) fn move_aside(
    root: &Root,
    agent: &AgentName,
    name: &HeldName<'_>,
    (decided, place): (&[u8], Place),
) -> Result<()> {
    let (from, to) = (root.sidecar(agent), path_of(root, agent, place));
    let failed = |error: io::Error| Error::io(format!("cannot move `{}` to `{}`", from.display(), to.display()), error);
    let HeldName { maker, run_id } = name;
    let Identity { pid, start_ticks, boot_id, pid_namespace } = maker;
    let namespace = pid_namespace.map_or(NO_NAMESPACE.to_owned(), |namespace| namespace.to_string());
    let held = from.with_file_name(format!("{}{pid}.{start_ticks}.{boot_id}.{namespace}.{run_id}{}", HELD.0, HELD.1));
    match files::rename(&from, &held) {
        Ok(()) => reached(Step::AcceptHeld),
        // Somebody else moved it: what was decided is kept all the same.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return files::write_atomic(&to, decided, Durability::Cached).map_err(failed);
        }
        Err(error) => return Err(failed(error)),
    }
    if files::read_bounded(&held, BYTES_MAX).is_ok_and(|there| there == decided) {
        files::rename(&held, &to).map_err(failed)?;
        reached(Step::AcceptMoved);
        return Ok(());
    }
    files::write_atomic(&to, decided, Durability::Cached).map_err(failed)?;
    give_back(root, agent, &held)
}

/// Brings an abandoned sidecar to its place.
pub(super) fn finish(root: &Root, agent: &AgentName, held: &Path, place: Place) -> Result<()> {
    let to = path_of(root, agent, place);
    files::rename(held, &to)
        .map_err(|error| Error::io(format!("cannot move `{}` to `{}`", held.display(), to.display()), error))
}

/// Puts a sidecar back into its place, unless a newer one stands there already.
pub(super) fn give_back(root: &Root, agent: &AgentName, held: &Path) -> Result<()> {
    let from = root.sidecar(agent);
    let given = match files::link(held, &from) {
        // Somebody else has put it back, or a newer one stands there.
        Err(error) if matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound) => Ok(()),
        done => done,
    };
    given
        .and_then(|()| files::remove(held))
        .map_err(|error| Error::io(format!("cannot put `{}` back", from.display()), error))
}

/// The sidecars in the folder of `agent` that commands have left which died while they moved them aside.
pub(super) fn abandoned(root: &Root, agent: &AgentName) -> Result<Vec<Abandoned>> {
    let dir = root.sidecar(agent).with_file_name("");
    let failed = |error| Error::io(format!("cannot list `{}`", dir.display()), error);
    let entries = match std::fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(failed(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let is_gone = |(maker, _): &(Identity, _)| is_gone(maker, &entry.path());
        let parsed = entry.file_name().to_str().and_then(parse).filter(is_gone);
        found.extend(parsed.map(|(_, run_id)| Abandoned { path: entry.path(), run_id }));
    }
    Ok(found)
}

/// Whether there is one.
pub(in crate::ops) fn has_abandoned(root: &Root, agent: &AgentName) -> bool {
    abandoned(root, agent).is_ok_and(|found| !found.is_empty())
}

/// Whether `maker`, who moves the sidecar that stands at `path`, does so no more. One that cannot be judged may be at it; nothing tells
/// of one in another pid namespace, which has what it holds for a moment only.
fn is_gone(maker: &Identity, path: &Path) -> bool {
    match process::observe_liveness(maker) {
        Liveness::Dead => true,
        Liveness::Alive => false,
        Liveness::Unknown => process::is_elsewhere(maker) && held_for(path).is_some_and(|span| span > ELSEWHERE_MAX),
    }
}

/// Since when a sidecar has the name that it has, by the system's clock.
fn held_for(path: &Path) -> Option<Duration> {
    let renamed_at = EpochMs(std::fs::metadata(path).ok()?.ctime().checked_mul(1000)?);
    Some(EpochMs::now().since(renamed_at))
}

/// Who moves the sidecar of that name, and the run that has decided it; `None` if it is no such name.
fn parse(name: &str) -> Option<(Identity, Option<String>)> {
    let words: Vec<&str> = name.strip_prefix(HELD.0)?.strip_suffix(HELD.1)?.split('.').collect();
    // Names of before say neither boot nor run: then it is of this boot, for want of better knowledge.
    let here = || process::boot_id().ok();
    let (pid, start_ticks, boot_id, namespace, run_id) = match words.as_slice() {
        [pid, start_ticks] => (pid, start_ticks, here()?, NO_NAMESPACE, None),
        [pid, start_ticks, namespace] => (pid, start_ticks, here()?, *namespace, None),
        [pid, start_ticks, boot_id, namespace, run_id] => (pid, start_ticks, *boot_id, *namespace, Some(*run_id)),
        _ => return None,
    };
    let pid_namespace = if namespace == NO_NAMESPACE { None } else { Some(namespace.parse().ok()?) };
    let (pid, start_ticks) = (pid.parse().ok()?, start_ticks.parse().ok()?);
    let maker = Identity { pid, start_ticks, boot_id: boot_id.to_owned(), pid_namespace };
    Some((maker, run_id.map(str::to_owned)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_who_and_which_run_and_those_of_before_only_who() {
        let check = |name: &str, expected: Option<(u32, u64, Option<&str>)>| {
            let parsed = parse(name);
            let plain = parsed.as_ref().map(|(who, run)| (who.pid, who.start_ticks, run.as_deref()));
            assert_eq!(plain, expected, "{name}");
        };
        check(".managed-spawn.7.99.b-o-o-t.-.run-00ab.deciding", Some((7, 99, Some("run-00ab"))));
        let (maker, _) = parse(".managed-spawn.7.99.b-o-o-t.5.run-00ab.deciding").unwrap();
        assert_eq!((maker.boot_id.as_str(), maker.pid_namespace), ("b-o-o-t", Some(5)));
        check(".managed-spawn.7.99.5.deciding", Some((7, 99, None)));
        check(".managed-spawn.7.99.deciding", Some((7, 99, None)));
        for other in ["managed-spawn.json", ".managed-spawn.7.deciding", ".managed-spawn.x.9.deciding", ".tmp-x"] {
            check(other, None);
        }
    }
}
