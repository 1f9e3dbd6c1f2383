//! A control group (cgroups(7), version 2) for each service, where this user may make one. Impure: makes, reads and removes
//! folders of the kernel's.
//!
//! The service is born in it; to move a process into one would cost a start tens of milliseconds (docs/design/cgroups.md).
//! Nobody leaves it by forking, ending, changing session or clearing the environment. So it finds whoever has lost parent and
//! mark, kills at once whoever forks faster than anybody can look, and tells when none is left. Where there is none, or its
//! shim is an older one, processes are found by looking at all of them.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::clock::EpochMs;
use crate::base::files;
use crate::base::ids::Generation;

use super::spawn::lives_if_born_in;

/// In the run folder: a link to the group's folder. It is there before the group is, so that no group is without.
const LINK: &str = "cgroup";
/// How our groups' names begin; the generation follows.
const PREFIX: &str = "minions-";
/// A group is locked by its shim right after it was made; one that is not after so long has none.
const ABANDONED_MIN: Duration = Duration::from_secs(60);
/// Where systems mount the file system of version 2: alone, or beside version 1.
#[cfg(linux_calls)]
const MOUNTS: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
/// What statfs(2) says of that file system.
#[cfg(linux_calls)]
const CGROUP2_SUPER_MAGIC: u64 = 0x6367_7270;

/// The group of one shim's service, in all its lives.
#[derive(Debug)]
pub struct Cgroup {
    dir: PathBuf,
    /// It was killed: see [`Cgroup::is_for_births`].
    is_spent: Cell<bool>,
    /// The shim keeps its folder locked for as long as it lives, so that nobody takes an empty group for one that was left behind.
    lifeline: RefCell<Option<OwnedFd>>,
}

impl Cgroup {
    /// Makes the group of a shim whose first life is `generation`, in `run_dir`; `None` where that is not to be.
    pub fn make(run_dir: &Path, generation: &Generation) -> Option<Self> {
        #[cfg(debug_assertions)]
        if crate::base::world::here().is_some() {
            return None;
        }
        let dir = own_group()?.join(name(generation));
        let link = run_dir.join(LINK);
        rustix::fs::symlink(&dir, &link).ok()?;
        if rustix::fs::mkdir(&dir, rustix::fs::Mode::RWXU).is_err() {
            drop(files::remove(&link));
            return None;
        }
        let group = Self { lifeline: RefCell::new(lock(&dir)), ..Self::at(dir) };
        if !lives_if_born_in(&group.dir) {
            group.remove();
            drop(files::remove(&link));
            return None;
        }
        Some(group)
    }

    /// The group of the shim of `generation`, if it was made and is there still: named after its first life, it is that of all.
    pub fn find(run_dir: &Path, generation: &Generation) -> Option<Self> {
        let dir = std::fs::read_link(run_dir.join(LINK)).ok()?;
        // Whatever somebody else may have put there.
        let first = dir.file_name()?.to_str()?.strip_prefix(PREFIX).and_then(Generation::parse)?;
        (first.is_kin(generation) && is_group(&dir)).then(|| Self::at(dir))
    }

    fn at(dir: PathBuf) -> Self {
        Self { dir, is_spent: Cell::new(false), lifeline: RefCell::new(None) }
    }

    /// Removes the empty groups of this user, among those where this process would make its own, whose shims were killed and have
    /// left no run folder by which somebody else could find them. A group that is in use stays: the kernel removes only empty ones, and of those
    /// a living shim's is locked.
    pub fn remove_abandoned() {
        #[cfg(debug_assertions)]
        if crate::base::world::here().is_some() {
            return;
        }
        let inside = own_group().into_iter().filter_map(|above| std::fs::read_dir(above).ok()).flatten().flatten();
        let is_named = |dir: &Path| {
            let word = dir.file_name().and_then(|name| name.to_str()?.strip_prefix(PREFIX));
            word.is_some_and(|word| Generation::parse(word).is_some())
        };
        let dirs = inside.map(|entry| entry.path()).filter(|dir| is_named(dir) && is_abandoned(dir));
        dirs.for_each(|dir| Self::at(dir).remove());
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether a process may be born in it. Linux 6.18 kills at its birth whoever is born, by CLONE_INTO_CGROUP, in a group that was ever
    /// killed: one that was is made anew. `tests/services/restarts_steps.rs` has a service that needs it.
    pub fn is_for_births(&self) -> bool {
        if self.is_spent.get() {
            self.remove();
            let is_anew = rustix::fs::mkdir(&self.dir, rustix::fs::Mode::RWXU).is_ok() && lives_if_born_in(&self.dir);
            self.is_spent.set(!is_anew);
            *self.lifeline.borrow_mut() = lock(&self.dir);
        }
        !self.is_spent.get()
    }

    /// Kills everybody in it at once, also whoever is forking (Linux 5.14). Where it cannot, others find them.
    pub fn kill(&self) {
        self.is_spent.set(true);
        drop(files::write_pseudo(&self.dir.join("cgroup.kill"), b"1"));
    }

    /// The pids in it, without those of groups that somebody made inside.
    pub fn observe_members(&self) -> Vec<u32> {
        let text = files::read_pseudo(self.dir.join("cgroup.procs")).unwrap_or_default();
        String::from_utf8_lossy(&text).lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// Whether anybody lives in it or in a group inside. A zombie does not.
    pub fn observe_is_populated(&self) -> io::Result<bool> {
        match files::read_pseudo(self.dir.join("cgroup.events")) {
            Ok(text) => Ok(String::from_utf8_lossy(&text).lines().any(|line| line == "populated 1")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Removes it, which the kernel does only if nobody is in it.
    pub fn remove(&self) {
        // What a service made inside goes first; deeper ones are not ours to know.
        for inner in std::fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            let _ = rustix::fs::rmdir(inner.path());
        }
        let _ = rustix::fs::rmdir(&self.dir);
    }
}

/// Locks the folder, and never waits for it; `None`: somebody else has.
fn lock(dir: &Path) -> Option<OwnedFd> {
    use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
    let folder = open(dir, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    flock(&folder, FlockOperation::NonBlockingLockExclusive).ok().map(|()| folder)
}

fn is_abandoned(dir: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(seen) = std::fs::symlink_metadata(dir) else { return false };
    let age = EpochMs::now().since(EpochMs(seen.mtime().saturating_mul(1000)));
    age > ABANDONED_MIN && seen.uid() == rustix::process::geteuid().as_raw() && lock(dir).is_some()
}

fn name(generation: &Generation) -> String {
    format!("{PREFIX}{}", generation.as_str())
}

/// The folder of the group that this process is in, if we may make others there. One in a service's group makes its own beside that.
#[cfg(linux_calls)]
fn own_group() -> Option<PathBuf> {
    let text = files::read_pseudo("/proc/self/cgroup").ok()?;
    let text = String::from_utf8_lossy(&text);
    let own = Path::new(text.lines().find_map(|line| line.strip_prefix("0::/"))?);
    // A path out of its own namespace leads nowhere.
    let is_plain = |part: std::path::Component<'_>| matches!(part, std::path::Component::Normal(_));
    let is_service = |part: &Path| part.to_str().is_some_and(|part| part.starts_with(PREFIX));
    if !own.components().all(is_plain) {
        return None;
    }
    let outer = own.components().take_while(|part| !is_service(part.as_ref()));
    let mount = MOUNTS.into_iter().map(Path::new).find(|mount| is_group(mount))?;
    let dir = mount.join(outer.collect::<PathBuf>());
    rustix::fs::access(&dir, rustix::fs::Access::WRITE_OK).ok().map(|()| dir)
}

#[cfg(not(linux_calls))]
fn own_group() -> Option<PathBuf> {
    None
}

#[cfg(linux_calls)]
fn is_group(dir: &Path) -> bool {
    rustix::fs::statfs(dir).is_ok_and(|found| u64::try_from(found.f_type) == Ok(CGROUP2_SUPER_MAGIC))
}

#[cfg(not(linux_calls))]
fn is_group(_dir: &Path) -> bool {
    false
}
