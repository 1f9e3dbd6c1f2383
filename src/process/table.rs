//! Who descends from whom, and who carries a generation's mark. Impure: asks the system.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use crate::base::ids::{Generation, own_pid};
use crate::service::Identity;

use super::look::boot_id;
use super::places::observe_mark;
use super::snapshot::Seen;
use super::spawn::{FOLLOWER_ARG0, SHIM_ARG0};
use super::{namespace, snapshot};

/// The process table at one moment.
#[derive(Debug)]
pub struct Table {
    children: HashMap<u32, Vec<Identity>>,
    identities: Vec<Identity>,
}

impl Table {
    /// Looks at every process. A listing that does not contain this very process tells nothing and is an error.
    pub fn observe() -> io::Result<Self> {
        let (boot_id, pid_namespace) = (boot_id()?, namespace::own()?);
        let me = own_pid();
        let mut table = Self { children: HashMap::new(), identities: Vec::new() };
        let mut has_me = false;
        for seen in snapshot::see_all()? {
            has_me |= seen.pid == me;
            if seen.is_zombie {
                continue;
            }
            let Seen { pid, start_ticks, .. } = seen;
            let identity = Identity { pid, start_ticks, boot_id: boot_id.to_owned(), pid_namespace };
            table.children.entry(seen.ppid).or_default().push(identity.clone());
            table.identities.push(identity);
        }
        if has_me {
            return Ok(table);
        }
        Err(io::Error::other("the process listing does not contain this very process, so it proves nothing"))
    }

    /// Every living descendant of `pid`, not `pid` itself. Zombies are not among them; children of a zombie belong
    /// to its reaper already.
    pub fn descendants(&self, pid: u32) -> Vec<Identity> {
        let mut found = Vec::new();
        let mut known = HashSet::from([pid]);
        let mut parents = vec![pid];
        while let Some(parent) = parents.pop() {
            for child in self.children.get(&parent).into_iter().flatten() {
                if known.insert(child.pid) {
                    parents.push(child.pid);
                    found.push(child.clone());
                }
            }
        }
        found
    }

    /// The living children of `pid`.
    pub fn children(&self, pid: u32) -> &[Identity] {
        self.children.get(&pid).map_or(&[], Vec::as_slice)
    }

    /// Every living process.
    pub fn all(&self) -> &[Identity] {
        &self.identities
    }
}

/// Every living process that carries the mark of `generation`, or of its kin, in its environment, with all of its descendants: what is left of
/// a generation whose shim is gone. A process that cleared its environment and lost its parent is not found; the shim,
/// while it lives, knows those too. For want of open files it is an error: nobody is left out for that.
pub fn observe_marked(generation: &Generation) -> io::Result<Vec<Identity>> {
    let table = Table::observe()?;
    let mut found = Vec::new();
    let mut known = HashSet::from([own_pid()]);
    for identity in table.all() {
        if known.contains(&identity.pid) || !observe_mark(identity.pid)?.is_some_and(|mark| mark.is_kin(generation)) {
            continue;
        }
        let family = std::iter::once(identity.clone()).chain(table.descendants(identity.pid));
        found.extend(family.filter(|member| known.insert(member.pid)));
    }
    Ok(found)
}

/// The living processes of `generation` that have left the tree of their shim, which asks for them. Linux makes orphans
/// children of the shim, so that there are none.
#[cfg(linux_calls)]
pub fn observe_strays(_generation: &Generation) -> io::Result<Vec<Identity>> {
    Ok(Vec::new())
}

/// The living processes of `generation` that have left the tree of their shim, which asks for them: elsewhere orphans are
/// children of the first process, and only their mark tells whose they are. That there is none is only said after a second
/// look: one that was forked during a look by one that ended during it stands in neither's place.
#[cfg(not(linux_calls))]
pub fn observe_strays(generation: &Generation) -> io::Result<Vec<Identity>> {
    let look = || {
        let kin = Table::observe()?.descendants(own_pid());
        let marked = observe_marked(generation)?;
        Ok::<Vec<Identity>, io::Error>(marked.into_iter().filter(|identity| !kin.contains(identity)).collect())
    };
    let strays = look()?;
    if strays.is_empty() { look() } else { Ok(strays) }
}

/// Every living shim with a living service that was started for a folder below `run`, with that folder as seen from `run`.
/// Found by its command line, which nobody but its own user can have given it. One that waits for its word has no service.
pub fn observe_shims(run: &Path) -> io::Result<Vec<(Identity, PathBuf)>> {
    let run_dir = |identity: &Identity| run_dir_of(identity.pid, SHIM_ARG0)?.strip_prefix(run).ok().map(Path::to_owned);
    let table = Table::observe()?;
    let shims = table.all().iter().filter_map(|identity| Some((identity.clone(), run_dir(identity)?)));
    let shims = shims.filter(|(shim, _)| sees_the_same(shim.pid, run));
    Ok(shims.filter(|(shim, _)| !table.descendants(shim.pid).is_empty()).collect())
}

/// Whether the process sees at `path`, or what is left of that, the very folder that we see. One in a container may have a root of its own at
/// the same path. Who cannot be asked does not count.
#[cfg(linux_calls)]
fn sees_the_same(pid: u32, path: &Path) -> bool {
    #[cfg(debug_assertions)]
    if crate::base::world::here().is_some() {
        return true;
    }
    let Some((there, ours)) = path.ancestors().find_map(|path| Some((path, rustix::fs::stat(path).ok()?))) else {
        return false;
    };
    let inside = PathBuf::from(format!("/proc/{pid}/root")).join(there.strip_prefix("/").unwrap_or(there));
    rustix::fs::stat(inside).is_ok_and(|theirs| (theirs.st_dev, theirs.st_ino) == (ours.st_dev, ours.st_ino))
}

#[cfg(not(linux_calls))]
fn sees_the_same(_pid: u32, _path: &Path) -> bool {
    true
}

/// Whether `pid` is a follower: a child of a shim, and no part of its service.
pub fn observe_is_follower(pid: u32) -> bool {
    run_dir_of(pid, FOLLOWER_ARG0).is_some()
}

/// The run folder that `pid` was started for under the name `arg0`; `None` if it is no such process.
fn run_dir_of(pid: u32, arg0: &str) -> Option<PathBuf> {
    #[cfg(debug_assertions)]
    if let Some(world) = crate::base::world::here() {
        return match world.inside(pid)?.args.as_slice() {
            [name, dir] if name == arg0 => Some(PathBuf::from(dir)),
            _ => None,
        };
    }
    run_dir_by_system(pid, arg0)
}

#[cfg(linux_calls)]
fn run_dir_by_system(pid: u32, arg0: &str) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    let line = crate::base::files::read_pseudo(format!("/proc/{pid}/cmdline")).ok()?;
    let dir = line.strip_prefix(arg0.as_bytes())?.strip_prefix(b"\0")?.strip_suffix(b"\0")?;
    Some(PathBuf::from(std::ffi::OsStr::from_bytes(dir)))
}

#[cfg(not(linux_calls))]
fn run_dir_by_system(pid: u32, arg0: &str) -> Option<PathBuf> {
    let what = sysinfo::ProcessRefreshKind::nothing().with_cmd(sysinfo::UpdateKind::Always);
    let looked = snapshot::look(pid, what, |process| match process?.cmd() {
        [name, dir] if name == arg0 => Some(PathBuf::from(dir)),
        _ => None,
    });
    looked.ok().flatten()
}
