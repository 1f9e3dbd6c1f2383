//! Which processes hold a socket, and what a process is to people. Impure: reads `/proc/PID`.

use std::collections::HashMap;
use std::io;

use crate::base::shared_look::SharedLook;

/// Sockets by their inode, each with the pids that hold it, in order.
type Holders = HashMap<u64, Vec<u32>>;

/// Which of the sockets `inodes` are held by which of `pids`: inode to pids, in the order of `pids`. A process that is
/// gone or that we may not look into holds nothing as far as we know.
pub fn observe_holders(inodes: &[u64], pids: &[u32]) -> Holders {
    #[cfg(debug_assertions)]
    if let Some(world) = crate::base::world::here() {
        return holders_in(&*world, inodes, |pid| pids.contains(&pid));
    }
    let mut holders = Holders::new();
    for &pid in pids {
        held_by(pid, |inode| {
            if inodes.contains(&inode) {
                add(&mut holders, inode, pid);
            }
        });
    }
    holders
}

/// The same, but looks into every process, in the order of pids. Some 20 µs a process, so this is for when the likely ones
/// do not hold them; who asks at the same time shares a look.
pub fn observe_all_holders(inodes: &[u64]) -> io::Result<Holders> {
    static ALL: SharedLook<io::Result<Holders>> = SharedLook::new();
    #[cfg(debug_assertions)]
    if let Some(world) = crate::base::world::here() {
        return Ok(holders_in(&*world, inodes, |_| true));
    }
    match &*ALL.observe(observe_every_holder) {
        Ok(all) => Ok(inodes.iter().filter_map(|inode| Some((*inode, all.get(inode)?.clone()))).collect()),
        Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
    }
}

/// The same in a simulated world.
#[cfg(debug_assertions)]
fn holders_in(world: &dyn crate::base::world::World, inodes: &[u64], is_asked: impl Fn(u32) -> bool) -> Holders {
    let listeners = world.listeners().into_iter().filter(|one| inodes.contains(&one.inode));
    let held = listeners.map(|one| (one.inode, one.pids.into_iter().filter(|pid| is_asked(*pid)).collect::<Vec<_>>()));
    held.filter(|(_, pids)| !pids.is_empty()).collect()
}

#[cfg(linux_calls)]
fn observe_every_holder() -> io::Result<Holders> {
    let mut pids: Vec<u32> =
        std::fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    let mut holders = Holders::new();
    for pid in pids {
        held_by(pid, |inode| add(&mut holders, inode, pid));
    }
    Ok(holders)
}

#[cfg(not(linux_calls))]
fn observe_every_holder() -> io::Result<Holders> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Notes that `pid` holds `inode`, by however many descriptors.
fn add(holders: &mut Holders, inode: u64, pid: u32) {
    let known = holders.entry(inode).or_default();
    if known.last() != Some(&pid) {
        known.push(pid);
    }
}

/// How many descendants are looked for at most: a service of more is found by the process table.
const OFFSPRING_MAX: usize = 256;

/// Descendants of `pid` as the kernel links them (`/proc/PID/task/TID/children`, proc_pid_task(5)): some 20 µs for each,
/// however many other processes there are. Some may be missing: orphans are their reaper's, the file may skip a child when
/// another ends at that moment, and a kernel may be built without it. Whoever needs all takes the process table.
pub fn observe_offspring(pid: u32) -> Vec<u32> {
    #[cfg(debug_assertions)]
    if crate::base::world::here().is_some() {
        return offspring_by_table(pid);
    }
    offspring(pid)
}

#[cfg(linux_calls)]
fn offspring(pid: u32) -> Vec<u32> {
    let mut found = Vec::new();
    let mut parents = vec![pid];
    while let Some(parent) = parents.pop() {
        let tasks = std::fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten();
        for task in tasks.filter_map(Result::ok) {
            let children = crate::base::files::read_pseudo(task.path().join("children")).unwrap_or_default();
            let children = String::from_utf8_lossy(&children).into_owned();
            for child in children.split_ascii_whitespace().filter_map(|word| word.parse().ok()) {
                if found.len() < OFFSPRING_MAX {
                    found.push(child);
                    parents.push(child);
                }
            }
        }
    }
    found
}

/// Elsewhere there is no other list of them.
#[cfg(not(linux_calls))]
fn offspring(pid: u32) -> Vec<u32> {
    offspring_by_table(pid)
}

/// Descendants of `pid` by the process table.
#[cfg(any(not(linux_calls), debug_assertions))]
fn offspring_by_table(pid: u32) -> Vec<u32> {
    let table = super::table::Table::observe();
    let found = table.map(|table| table.descendants(pid)).unwrap_or_default();
    found.into_iter().map(|identity| identity.pid).take(OFFSPRING_MAX).collect()
}

/// Calls `found` for each descriptor of `pid` that is a socket.
#[cfg(linux_calls)]
fn held_by(pid: u32, mut found: impl FnMut(u64)) {
    use rustix::fs::{CWD, Mode, OFlags, RawDir, openat, readlinkat_raw};
    use std::mem::MaybeUninit;

    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(dir) = openat(CWD, format!("/proc/{pid}/fd"), flags, Mode::empty()) else { return };
    let mut entries = [MaybeUninit::<u8>::uninit(); 4096];
    let mut entries = RawDir::new(&dir, &mut entries);
    while let Some(Ok(entry)) = entries.next() {
        // `socket:[12345]`; what does not fit is no socket.
        let mut link = [MaybeUninit::<u8>::uninit(); 40];
        let Ok((link, _)) = readlinkat_raw(&dir, entry.file_name(), &mut link) else { continue };
        if let Some(inode) = socket_inode(link) {
            found(inode);
        }
    }
}

/// Elsewhere who holds a socket is not shown.
#[cfg(not(linux_calls))]
fn held_by(_pid: u32, _found: impl FnMut(u64)) {}

/// The number in `socket:[12345]` (proc_pid_fd(5)).
#[cfg(linux_calls)]
fn socket_inode(link: &[u8]) -> Option<u64> {
    let digits = link.strip_prefix(b"socket:[")?.strip_suffix(b"]")?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// What people know a process by. Other people's text, as the system has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Portrait {
    /// Its command line, blanks between the arguments; its name in brackets if it has none. `None`: not to be seen.
    pub command: Option<String>,
    /// Its working folder; `None`: not to be seen.
    pub folder: Option<String>,
}

/// Looks at what `pid` runs, and where.
pub fn observe_portrait(pid: u32) -> Portrait {
    #[cfg(debug_assertions)]
    if let Some(world) = crate::base::world::here() {
        let portrait = world.inside(pid).map(|inside| Portrait {
            command: Some(inside.args.join(" ")),
            folder: Some(inside.cwd.to_string_lossy().into_owned()),
        });
        return portrait.unwrap_or_default();
    }
    portrait(pid)
}

#[cfg(linux_calls)]
fn portrait(pid: u32) -> Portrait {
    let line = read(pid, "cmdline").filter(|line| !line.is_empty());
    let command = line
        .map(|line| line.strip_suffix('\0').unwrap_or(&line).replace('\0', " "))
        .or_else(|| read(pid, "comm").map(|name| format!("[{}]", name.trim_end())));
    let folder = std::fs::read_link(format!("/proc/{pid}/cwd")).ok();
    Portrait { command, folder: folder.map(|path| path.to_string_lossy().into_owned()) }
}

#[cfg(not(linux_calls))]
fn portrait(pid: u32) -> Portrait {
    use sysinfo::{ProcessRefreshKind, UpdateKind};
    let what = ProcessRefreshKind::nothing().with_cmd(UpdateKind::Always).with_cwd(UpdateKind::Always);
    let portrait = |process: &sysinfo::Process| {
        let words: Vec<_> = process.cmd().iter().map(|word| word.to_string_lossy()).collect();
        let name = || format!("[{}]", process.name().to_string_lossy());
        Portrait {
            command: Some(if words.is_empty() { name() } else { words.join(" ") }),
            folder: process.cwd().map(|path| path.to_string_lossy().into_owned()),
        }
    };
    let looked = super::snapshot::look(pid, what, |process| process.map(portrait));
    looked.ok().flatten().unwrap_or_default()
}

#[cfg(linux_calls)]
fn read(pid: u32, what: &str) -> Option<String> {
    let bytes = crate::base::files::read_pseudo(format!("/proc/{pid}/{what}")).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::weaker::weaker;
    use crate::process::observe_listeners;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a real listener to be found")]
    fn the_holder_of_a_socket_is_found_near_and_far() {
        let ours = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener");
        let port = ours.local_addr().expect("an address").port();
        if weaker("who listens on a port") {
            let refused = |error: io::Error| error.kind() == io::ErrorKind::Unsupported;
            assert!(observe_listeners(&[port]).is_err_and(refused) && observe_all_holders(&[1]).is_err_and(refused));
            return;
        }
        let inode = observe_listeners(&[port]).expect("a list")[0].inode;
        let me = std::process::id();
        assert_eq!(observe_holders(&[inode], &[1 << 30, me]).get(&inode), Some(&vec![me]));
        assert!(observe_holders(&[inode + 1_000_000_000], &[me]).is_empty());
        let all = observe_all_holders(&[inode, inode + 1_000_000_000]).expect("a listing");
        assert!(all.len() == 1 && all[&inode].contains(&me), "{all:?}");
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a real child and grandchild to be found")]
    fn children_and_grandchildren_are_offspring_and_nobody_else() {
        use std::io::{BufRead as _, BufReader};
        let mut child = std::process::Command::new("sh")
            // A shell gives a background command the null device as stdin, unless it is told another.
            .args(["-c", "exec 3<&0; cat <&3 & echo $!; wait"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("a shell");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        let grandchild: u32 = line.trim().parse().expect("a pid");
        assert_eq!(observe_offspring(child.id()), [grandchild]);
        let ours = observe_offspring(std::process::id());
        assert!(ours.contains(&child.id()) && ours.contains(&grandchild), "{ours:?}");
        assert_eq!(observe_offspring(1 << 30), [0_u32; 0]);
        drop(child.stdin.take());
        child.wait().expect("our own child");
    }

    #[test]
    fn a_process_is_known_by_what_it_runs_and_where() {
        let me = observe_portrait(std::process::id());
        let folder = std::fs::canonicalize(".").expect("a folder");
        assert_eq!(me.folder.as_deref(), folder.to_str());
        assert!(me.command.is_some_and(|command| command.contains("minions_managed")));
        assert_eq!(observe_portrait(1 << 30), Portrait::default());
    }

    #[test]
    #[cfg(linux_calls)]
    fn only_links_to_sockets_name_one() {
        let check = |link: &str, expected| assert_eq!(socket_inode(link.as_bytes()), expected, "{link}");
        check("socket:[12345]", Some(12345));
        for other in ["pipe:[1]", "/tmp/socket:[1]", "socket:[1", "socket:[]", "socket:[-1]", "", "anon_inode:[pidfd]"]
        {
            check(other, None);
        }
    }
}
