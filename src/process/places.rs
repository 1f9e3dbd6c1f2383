//! Where a process is and what it holds: working folder, program, open files, mark, memory. Impure: asks the system.
//!
//! Whatever we may not look into tells nothing: services run as the user who started them, so ours are not among it.

use std::path::PathBuf;

use crate::base::ids::Generation;

/// Memory of one process in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// All of it that is in main memory.
    pub resident: u64,
    /// The part of that which other processes may have too: files and shared memory.
    pub shared: u64,
}

/// The working folder of `pid`, links resolved; of one that was removed, the path that it had.
pub fn observe_cwd(pid: u32) -> Option<PathBuf> {
    system::cwd(pid)
}

/// The program that `pid` runs; of one that was removed or replaced, the path that it had.
pub fn observe_program(pid: u32) -> Option<PathBuf> {
    system::program(pid)
}

/// The files and folders that `pid` has open, at most [`OPEN_MAX`]; none where the system does not show them.
pub fn observe_open(pid: u32) -> Vec<PathBuf> {
    system::open(pid)
}

/// The generation whose mark `pid` has carried since its exec.
pub fn observe_mark(pid: u32) -> Option<Generation> {
    system::mark(pid)
}

/// How much memory `pid` has.
pub fn observe_memory(pid: u32) -> Option<Memory> {
    system::memory(pid)
}

/// So many descriptors of one process are looked at: the usual limit for a process is less.
pub const OPEN_MAX: usize = 65_536;

#[cfg(target_os = "linux")]
mod system {
    use super::{Generation, Memory, OPEN_MAX, PathBuf};
    use crate::base::files::read_pseudo;
    use crate::process::MINIONS_GENERATION;

    pub(super) fn cwd(pid: u32) -> Option<PathBuf> {
        link(&format!("/proc/{pid}/cwd"))
    }

    pub(super) fn program(pid: u32) -> Option<PathBuf> {
        link(&format!("/proc/{pid}/exe"))
    }

    pub(super) fn open(pid: u32) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().take(OPEN_MAX);
        entries.filter_map(|entry| link(entry.ok()?.path().to_str()?)).collect()
    }

    pub(super) fn mark(pid: u32) -> Option<Generation> {
        let bytes = environment(pid)?;
        let values = bytes.split(|byte| *byte == 0).filter_map(|one| one.strip_prefix(MINIONS_GENERATION.as_bytes()));
        let mut values = values.filter_map(|rest| std::str::from_utf8(rest.strip_prefix(b"=")?).ok());
        values.find_map(Generation::parse)
    }

    /// So often a process that is just becoming another program is looked at again, a millisecond apart.
    const EXEC_LOOKS_MAX: usize = 50;

    /// The environment of `pid` as it was at its exec (proc_pid_environ(5)). In the middle of an exec the new memory is there
    /// already and neither environment nor arguments are: what reads as none then is asked for again.
    #[expect(
        clippy::disallowed_methods,
        reason = "the end of somebody else's exec can only be looked for, within a bound"
    )]
    fn environment(pid: u32) -> Option<Vec<u8>> {
        for _ in 0..EXEC_LOOKS_MAX {
            let bytes = read_pseudo(format!("/proc/{pid}/environ")).ok()?;
            let has_arguments = || read_pseudo(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty());
            // A kernel thread has no program, and for ever neither.
            if !bytes.is_empty() || has_arguments() || program(pid).is_none() {
                return Some(bytes);
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        None
    }

    /// The second and third number of proc_pid_statm(5), in pages.
    pub(super) fn memory(pid: u32) -> Option<Memory> {
        let text = String::from_utf8(read_pseudo(format!("/proc/{pid}/statm")).ok()?).ok()?;
        let page = u64::try_from(rustix::param::page_size()).ok()?;
        let mut numbers = text.split_ascii_whitespace().skip(1).map_while(|word| word.parse::<u64>().ok());
        let resident = numbers.next()?.saturating_mul(page);
        Some(Memory { resident, shared: numbers.next()?.saturating_mul(page).min(resident) })
    }

    /// Where a link of proc_pid_cwd(5) leads. The kernel puts a note behind the path of what was removed.
    fn link(path: &str) -> Option<PathBuf> {
        let target = std::fs::read_link(path).ok()?;
        let kept = target.to_str().and_then(|text| text.strip_suffix(" (deleted)")).map(PathBuf::from);
        // `pipe:[1]`, `socket:[2]`: nothing that has a place.
        Some(kept.unwrap_or(target)).filter(|path| path.is_absolute())
    }
}

/// By the sysinfo crate, which knows neither open files nor what of the memory is shared.
#[cfg(not(target_os = "linux"))]
mod system {
    use super::{Generation, Memory, PathBuf};
    use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};

    fn look<T>(pid: u32, what: ProcessRefreshKind, take: impl FnOnce(&sysinfo::Process) -> Option<T>) -> Option<T> {
        let mut system = System::new().ok()?;
        let wanted = Pid::from_u32(pid);
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[wanted]), true, what);
        take(system.process(wanted)?)
    }

    pub(super) fn cwd(pid: u32) -> Option<PathBuf> {
        let what = ProcessRefreshKind::nothing().with_cwd(UpdateKind::Always);
        look(pid, what, |process| Some(process.cwd()?.to_owned()))
    }

    pub(super) fn program(pid: u32) -> Option<PathBuf> {
        let what = ProcessRefreshKind::nothing().with_exe(UpdateKind::Always);
        look(pid, what, |process| Some(process.exe()?.to_owned()))
    }

    pub(super) fn open(_pid: u32) -> Vec<PathBuf> {
        Vec::new()
    }

    pub(super) fn mark(pid: u32) -> Option<Generation> {
        let what = ProcessRefreshKind::nothing().with_environ(UpdateKind::Always);
        look(pid, what, |process| {
            let mut variables = process.environ().iter().filter_map(|one| one.to_str()?.split_once('='));
            let mark = variables.find(|(key, _)| *key == crate::process::MINIONS_GENERATION)?;
            Generation::parse(mark.1)
        })
    }

    pub(super) fn memory(pid: u32) -> Option<Memory> {
        let what = ProcessRefreshKind::nothing().with_memory();
        look(pid, what, |process| Some(Memory { resident: process.memory(), shared: 0 }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(not(target_os = "linux"), ignore = "open files are not shown there")]
    #[expect(clippy::disallowed_methods, reason = "a real process to be looked at")]
    fn a_process_is_where_it_is_and_holds_what_it_holds() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().canonicalize().unwrap();
        let generation = Generation::new(crate::base::clock::EpochMs(7));
        let mut child = std::process::Command::new("sleep")
            .arg("1000")
            .current_dir(&top)
            .env(crate::process::MINIONS_GENERATION, generation.as_str())
            .stdin(std::fs::File::create(top.join("held")).unwrap())
            .spawn()
            .unwrap();
        let pid = child.id();
        // A process is told of its start a moment before its environment is in place (execve(2) closes descriptors first).
        let deadline = crate::base::clock::monotonic() + std::time::Duration::from_secs(20);
        while observe_mark(pid).is_none() && crate::base::clock::monotonic() < deadline {
            std::thread::yield_now();
        }
        assert_eq!(observe_cwd(pid).as_deref(), Some(top.as_path()));
        assert!(observe_program(pid).is_some_and(|path| path.is_absolute()));
        assert!(observe_open(pid).contains(&top.join("held")));
        assert_eq!(observe_mark(pid), Some(generation));
        let memory = observe_memory(pid).expect("it lives");
        assert!(memory.resident > 0 && memory.shared <= memory.resident, "{memory:?}");
        drop(dir);
        assert_eq!(observe_cwd(pid).as_deref(), Some(top.as_path()), "removed, and named all the same");
        assert!(observe_open(pid).contains(&top.join("held")));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!((observe_cwd(pid), observe_memory(pid), observe_mark(pid)), (None, None, None));
    }
}
