//! The pid namespace (pid_namespaces(7)) that this process is in, so that pids which others wrote down in theirs are not looked for
//! here. Impure: asks the system.

use std::io;

use crate::service::Identity;

/// The inode number of this process's own pid namespace; read once. `None` where the system has no such thing. It is an error
/// if the process table that we see is another namespace's (`unshare --pid` without a /proc of its own): what stands in it
/// under our pids is somebody else.
pub(super) fn own() -> io::Result<Option<u64>> {
    static OWN: std::sync::OnceLock<Option<u64>> = std::sync::OnceLock::new();
    #[cfg(debug_assertions)]
    if crate::base::world::here().is_some() {
        return Ok(None);
    }
    if let Some(known) = OWN.get() {
        return Ok(*known);
    }
    let read = read()?;
    Ok(*OWN.get_or_init(|| read))
}

/// Whether the pid of `identity` is known to count in another namespace than ours: here it is another process, or none.
pub fn is_elsewhere(identity: &Identity) -> bool {
    let its_own = identity.pid_namespace;
    its_own.is_some_and(|its_own| matches!(own(), Ok(Some(here)) if here != its_own))
}

/// Whether the pid of `identity` counts here, as far as can be told. An error: it cannot be.
pub(super) fn counts_here(identity: &Identity) -> io::Result<bool> {
    let Some(its_own) = identity.pid_namespace else { return Ok(true) };
    Ok(own()?.is_none_or(|here| here == its_own))
}

#[cfg(linux_calls)]
fn read() -> io::Result<Option<u64>> {
    let me = rustix::fs::readlink("/proc/self", Vec::new())?;
    if me.to_str().ok().and_then(|me| me.parse().ok()) != Some(crate::base::ids::own_pid()) {
        return Err(io::Error::other("/proc is that of another pid namespace, so it tells nothing of our processes"));
    }
    match rustix::fs::stat("/proc/self/ns/pid") {
        Ok(seen) => Ok(Some(seen.st_ino)),
        Err(rustix::io::Errno::NOENT) => Ok(None),
        Err(other) => Err(other.into()),
    }
}

#[cfg(not(linux_calls))]
fn read() -> io::Result<Option<u64>> {
    Ok(None)
}
