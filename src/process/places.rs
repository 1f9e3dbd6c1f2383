//! Where a process is and what it holds: working folder, program, open files, mark, memory. Impure: asks the system.
//!
//! Whatever we may not look into tells nothing: services run as the user who started them, so ours are not among it.

use std::io;
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
    #[cfg(debug_assertions)]
    if let Some(world) = crate::base::world::here() {
        return world.inside(pid).map(|inside| inside.cwd);
    }
    system::cwd(pid)
}

/// The program that `pid` runs; of one that was removed or replaced, the path that it had.
pub fn observe_program(pid: u32) -> Option<PathBuf> {
    #[cfg(debug_assertions)]
    if let Some(world) = crate::base::world::here() {
        return world
            .inside(pid)
            .and_then(|inside| inside.args.first().map(PathBuf::from))
            .filter(|path| path.is_absolute());
    }
    system::program(pid)
}

/// The files and folders that `pid` has open, at most [`OPEN_MAX`]; none where the system does not show them.
pub fn observe_open(pid: u32) -> Vec<PathBuf> {
    #[cfg(debug_assertions)]
    if crate::base::world::here().is_some() {
        return Vec::new();
    }
    system::open(pid)
}

/// The generation whose mark `pid` has carried since its exec. What cannot be seen has none; an error is want of open files
/// or memory, or a device that fails, which tells nothing.
pub fn observe_mark(pid: u32) -> io::Result<Option<Generation>> {
    #[cfg(debug_assertions)]
    if let Some(world) = crate::base::world::here() {
        return Ok(world.inside(pid).and_then(|inside| inside.mark));
    }
    system::mark(pid)
}

/// How much memory `pid` has.
pub fn observe_memory(pid: u32) -> Option<Memory> {
    #[cfg(debug_assertions)]
    if crate::base::world::here().is_some() {
        return None;
    }
    system::memory(pid)
}

/// So many descriptors of one process are looked at: the usual limit for a process is less.
pub const OPEN_MAX: usize = 65_536;

/// So often a process that is just becoming another program is looked at again.
const EXEC_LOOKS_MAX: usize = 50;
/// The time between two such looks.
const EXEC_PAUSE: std::time::Duration = std::time::Duration::from_millis(1);

#[cfg(linux_calls)]
mod system {
    use super::{EXEC_LOOKS_MAX, EXEC_PAUSE, Generation, Memory, OPEN_MAX, PathBuf, io};
    use crate::base::error::tells_nothing;
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

    pub(super) fn mark(pid: u32) -> io::Result<Option<Generation>> {
        let Some(bytes) = environment(pid)? else { return Ok(None) };
        let values = bytes.split(|byte| *byte == 0).filter_map(|one| one.strip_prefix(MINIONS_GENERATION.as_bytes()));
        let mut values = values.filter_map(|rest| std::str::from_utf8(rest.strip_prefix(b"=")?).ok());
        Ok(values.find_map(Generation::parse))
    }

    /// The environment of `pid` as it was at its exec (proc_pid_environ(5)). In the middle of an exec the new memory is there
    /// already and neither environment nor arguments are: what reads as none then is asked for again.
    fn environment(pid: u32) -> io::Result<Option<Vec<u8>>> {
        for _ in 0..EXEC_LOOKS_MAX {
            let bytes = match read_pseudo(format!("/proc/{pid}/environ")) {
                Ok(bytes) => bytes,
                Err(error) if tells_nothing(&error) => return Err(error),
                Err(_) => return Ok(None),
            };
            let has_arguments = || read_pseudo(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty());
            // A kernel thread has no program, and for ever neither.
            if !bytes.is_empty() || has_arguments() || program(pid).is_none() {
                return Ok(Some(bytes));
            }
            // The end of somebody else's exec can only be looked for.
            crate::base::clock::pause(EXEC_PAUSE);
        }
        Ok(None)
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
#[cfg(not(linux_calls))]
mod system {
    use super::{EXEC_LOOKS_MAX, EXEC_PAUSE, Generation, Memory, PathBuf, io};
    use crate::process::MINIONS_GENERATION;
    use crate::process::snapshot::{check_files, look};
    use sysinfo::{Process, ProcessRefreshKind, ProcessStatus, UpdateKind};

    fn ask<T>(pid: u32, what: ProcessRefreshKind, take: impl FnOnce(&Process) -> Option<T>) -> Option<T> {
        let is_there = |process: &&Process| !matches!(process.status(), ProcessStatus::Zombie | ProcessStatus::Dead);
        look(pid, what, |process| process.filter(is_there).and_then(take)).ok()?
    }

    pub(super) fn cwd(pid: u32) -> Option<PathBuf> {
        ask(pid, ProcessRefreshKind::nothing().with_cwd(UpdateKind::Always), |process| kept(process.cwd()?))
    }

    pub(super) fn program(pid: u32) -> Option<PathBuf> {
        ask(pid, ProcessRefreshKind::nothing().with_exe(UpdateKind::Always), |process| kept(process.exe()?))
    }

    /// The path without the note that a kernel puts behind that of what was removed.
    fn kept(path: &std::path::Path) -> Option<PathBuf> {
        let text = path.to_str().and_then(|text| text.strip_suffix(" (deleted)"));
        Some(text.map_or_else(|| path.to_owned(), PathBuf::from)).filter(|path| path.is_absolute())
    }

    pub(super) fn open(_pid: u32) -> Vec<PathBuf> {
        Vec::new()
    }

    /// No mark is only believed where there were files enough to read one.
    pub(super) fn mark(pid: u32) -> io::Result<Option<Generation>> {
        let mark = find_mark(pid);
        if mark.is_none() {
            check_files()?;
        }
        Ok(mark)
    }

    /// In the middle of an exec there is a program already and neither environment nor arguments: then it is asked again.
    fn find_mark(pid: u32) -> Option<Generation> {
        let always = UpdateKind::Always;
        let what = ProcessRefreshKind::nothing().with_environ(always).with_cmd(always).with_exe(always);
        for _ in 0..EXEC_LOOKS_MAX {
            let is_whole = |process: &Process| {
                !process.environ().is_empty() || !process.cmd().is_empty() || process.exe().is_none()
            };
            let looked = ask(pid, what, |process| Some(is_whole(process).then(|| mark_in(process))))?;
            if let Some(mark) = looked {
                return mark;
            }
            // The end of somebody else's exec can only be looked for.
            crate::base::clock::pause(EXEC_PAUSE);
        }
        None
    }

    fn mark_in(process: &Process) -> Option<Generation> {
        let variables = process.environ().iter().filter_map(|one| one.to_str()?.split_once('='));
        let mut values = variables.filter(|(key, _)| *key == MINIONS_GENERATION);
        values.find_map(|(_, value)| Generation::parse(value))
    }

    pub(super) fn memory(pid: u32) -> Option<Memory> {
        let what = ProcessRefreshKind::nothing().with_memory();
        ask(pid, what, |process| Some(Memory { resident: process.memory(), shared: 0 }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::weaker::weaker;

    #[test]
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
        while observe_mark(pid).unwrap().is_none() && crate::base::clock::monotonic() < deadline {
            std::thread::yield_now();
        }
        assert_eq!(observe_cwd(pid).as_deref(), Some(top.as_path()));
        assert!(observe_program(pid).is_some_and(|path| path.is_absolute()));
        let shows_open = || observe_open(pid).contains(&top.join("held"));
        assert_ne!(shows_open(), weaker("who lives in a folder"));
        assert_eq!(observe_mark(pid).unwrap(), Some(generation));
        let memory = observe_memory(pid).expect("it lives");
        assert!(memory.resident > 0 && memory.shared <= memory.resident, "{memory:?}");
        drop(dir);
        assert_eq!(observe_cwd(pid).as_deref(), Some(top.as_path()), "removed, and named all the same");
        assert_ne!(shows_open(), weaker("who lives in a folder"));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!((observe_cwd(pid), observe_memory(pid), observe_mark(pid).unwrap()), (None, None, None));
    }
}
