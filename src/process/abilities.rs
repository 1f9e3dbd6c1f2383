//! What this system lets us do, as far as services depend on it: for `doctor`. Impure: asks the system.

use std::io;
use std::time::Duration;

use crate::base::clock::{monotonic, pause};

use super::look::{boot_id, own_identity};
use super::snapshot;

/// Between two looks at the process table.
const PAUSE: Duration = Duration::from_millis(20);

/// What was tried, each with the system's reason where it failed.
#[derive(Debug)]
pub struct Abilities {
    /// The id of this boot, without which no process can be told from one of another boot.
    pub boot_id: io::Result<()>,
    /// To see this very process in the process table.
    pub process_table: io::Result<()>,
    /// A descriptor for a process, by which signals never reach another that has its pid later. Linux 5.3.
    pub pidfd: io::Result<()>,
    /// To become the parent of orphans (PR_SET_CHILD_SUBREAPER), by which no child of a service is lost. Linux 3.4.
    pub subreaper: io::Result<()>,
    /// How `/proc` hides other users' processes: the word of its mount option `hidepid`; `None` if it hides none.
    pub hidepid: Option<String>,
}

/// Tries what services depend on. Nothing is changed by it.
pub fn observe_abilities() -> Abilities {
    Abilities {
        boot_id: boot_id().map(drop),
        process_table: own_identity().map(drop),
        pidfd: pidfd(),
        subreaper: subreaper(),
        hidepid: hidepid(),
    }
}

/// How many processes have ended without being reaped within `patience` by the first process of this container or system. Where
/// there is none, the answer comes at once.
pub fn observe_unreaped(patience: Duration) -> usize {
    let deadline = monotonic() + patience;
    let mut left = unreaped();
    while !left.is_empty() && monotonic() < deadline {
        // Nobody is told of another's reaping.
        pause(PAUSE);
        let now = unreaped();
        left.retain(|pid| now.contains(pid));
    }
    left.len()
}

fn unreaped() -> Vec<u32> {
    let all = snapshot::see_all().unwrap_or_default();
    all.into_iter().filter(|seen| seen.is_zombie && seen.ppid == 1).map(|seen| seen.pid).collect()
}

#[cfg(linux_calls)]
fn pidfd() -> io::Result<()> {
    let opened = rustix::process::pidfd_open(rustix::process::getpid(), rustix::process::PidfdFlags::empty());
    Ok(opened.map(drop)?)
}

#[cfg(not(linux_calls))]
fn pidfd() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(linux_calls)]
fn subreaper() -> io::Result<()> {
    Ok(rustix::process::child_subreaper().map(drop)?)
}

#[cfg(not(linux_calls))]
fn subreaper() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The option of the mount of /proc (proc(5)); `hidepid=0` and `off` hide nothing.
fn hidepid() -> Option<String> {
    let mounts = crate::base::files::read_pseudo("/proc/self/mounts").ok()?;
    hidepid_in(&String::from_utf8_lossy(&mounts))
}

/// Lines (fstab(5)): `proc /proc proc rw,relatime,hidepid=2 0 0`. The last mount is the one that is seen.
fn hidepid_in(mounts: &str) -> Option<String> {
    let mut options = mounts.lines().rev().filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_proc = words.get(1) == Some(&"/proc") && words.get(2) == Some(&"proc");
        words.get(3).copied().filter(|_| is_proc)
    });
    let word = options.next()?.split(',').find_map(|option| option.strip_prefix("hidepid="))?;
    (!matches!(word, "0" | "off")).then(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::weaker::weaker;

    #[test]
    fn the_last_mount_of_proc_tells_what_it_hides() {
        let check = |mounts: &str, expected: Option<&str>| assert_eq!(hidepid_in(mounts).as_deref(), expected);
        check("proc /proc proc rw,relatime 0 0\n", None);
        check("proc /proc proc rw,hidepid=invisible 0 0\n", Some("invisible"));
        check("proc /proc proc rw,hidepid=2 0 0\nproc /proc proc rw 0 0\n", None);
        check("proc /proc proc rw,hidepid=0 0 0\n", None);
        check("tmpfs /proc tmpfs rw,hidepid=2 0 0\n", None);
    }

    #[test]
    fn here_everything_that_is_tested_on_is_there() {
        let Abilities { boot_id, process_table, subreaper, .. } = observe_abilities();
        for tried in [boot_id, process_table] {
            tried.expect("this system has it");
        }
        assert_eq!(subreaper.is_err(), weaker("orphans of a service"));
    }
}
