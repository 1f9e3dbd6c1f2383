//! The process table as the sysinfo crate shows it, for systems without /proc. Impure: asks the system.
//!
//! Weaker than `snapshot_linux`: start times are whole seconds and the boot is known by its time only. The crate takes what it
//! cannot open for what is not there, so that files to spare are asked for before absence is believed.

#![cfg_attr(linux_calls, expect(dead_code, reason = "compiled everywhere so that it cannot rot; a test compares it"))]

use std::io;

use sysinfo::{Pid, Process, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System};

use crate::service::{Identity, Liveness};

use super::look::absence;
use super::snapshot_linux::Seen;

/// Before the second in which a boot began.
const BOOT_PREFIX: &str = "boot-";

/// As many files as the crate may have open at once: the list of processes, one of its folders, a file in that, and one to spare.
const FILES_AT_ONCE: usize = 4;

/// Looks at one process; `None` if there is none of that pid. Errors: `EMFILE` where it cannot be told for want of open files.
pub(super) fn see(pid: u32) -> io::Result<Option<Seen>> {
    look(pid, ProcessRefreshKind::nothing(), |process| process.map(seen))
}

/// Takes from one process what of it was asked for; `None` if there is none of that pid. Errors: see [`see`].
pub(super) fn look<T>(
    pid: u32,
    what: ProcessRefreshKind,
    take: impl FnOnce(Option<&Process>) -> Option<T>,
) -> io::Result<Option<T>> {
    let mut system = System::new().map_err(io::Error::other)?;
    let wanted = Pid::from_u32(pid);
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[wanted]), true, what.without_tasks());
    let process = system.process(wanted);
    if process.is_none() {
        check_files()?;
    }
    Ok(take(process))
}

/// Fails where there are not files enough to look at a process.
pub(super) fn check_files() -> io::Result<()> {
    use rustix::fs::{Mode, OFlags};
    let null = || rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
    let held: Result<Vec<std::os::fd::OwnedFd>, _> = (0..FILES_AT_ONCE).map(|_| null()).collect();
    Ok(held.map(drop)?)
}

/// Looks at every process that this user can see, in no order.
pub(super) fn see_all() -> io::Result<Vec<Seen>> {
    check_files()?;
    let mut system = System::new().map_err(io::Error::other)?;
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, ProcessRefreshKind::nothing().without_tasks());
    Ok(system.processes().values().map(seen).collect())
}

/// Names this boot by the second it began in.
pub(super) fn boot_id() -> io::Result<String> {
    let seconds = System::boot_time().map_err(io::Error::other)?;
    Ok(format!("{BOOT_PREFIX}{seconds}"))
}

/// What can be said of the process of `identity`, recorded under another boot time than that of `boot_id`. Whoever sets the
/// clock moves the boot time: some systems then move start times with it, others do not. A pid that starts in the very
/// second of the record is the same process; one that is as long after its boot may be it.
pub(super) fn of_another_boot(identity: &Identity, boot_id: &str) -> Liveness {
    let (Some(then), Some(now)) = (boot_seconds(&identity.boot_id), boot_seconds(boot_id)) else {
        return Liveness::Dead;
    };
    match see(identity.pid) {
        Ok(Some(seen)) => under_boots(identity.start_ticks, then, seen, now),
        Ok(None) => absence(identity.pid),
        Err(_) => Liveness::Unknown,
    }
}

fn under_boots(start: u64, boot: u64, seen: Seen, boot_now: u64) -> Liveness {
    let is_as_long_after_boot = || start.wrapping_sub(boot) == seen.start_ticks.wrapping_sub(boot_now);
    match seen {
        Seen { is_zombie: true, .. } => Liveness::Dead,
        Seen { start_ticks, .. } if start_ticks == start => Liveness::Alive,
        Seen { .. } if is_as_long_after_boot() => Liveness::Unknown,
        Seen { .. } => Liveness::Dead,
    }
}

fn boot_seconds(boot_id: &str) -> Option<u64> {
    boot_id.strip_prefix(BOOT_PREFIX)?.parse().ok()
}

/// Wall-clock time of a start time, which here is in seconds already.
pub(super) fn started_at_ms(start_ticks: u64) -> io::Result<i64> {
    Ok(i64::try_from(start_ticks.saturating_mul(1000)).unwrap_or(i64::MAX))
}

fn seen(process: &Process) -> Seen {
    Seen {
        pid: process.pid().as_u32(),
        ppid: process.parent().map_or(0, Pid::as_u32),
        is_zombie: matches!(process.status(), ProcessStatus::Zombie | ProcessStatus::Dead),
        start_ticks: process.start_time(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_portable_listing_contains_ourselves_with_our_parent() {
        let me = std::process::id();
        let all = see_all().expect("a listing");
        let found = all.iter().find(|seen| seen.pid == me).expect("our own pid");
        assert_eq!(found.ppid, std::os::unix::process::parent_id());
        assert_eq!(see(me).expect("a look").map(|seen| seen.start_ticks), Some(found.start_ticks));
        assert!(boot_seconds(&boot_id().expect("a boot time")).is_some());
    }

    #[test]
    fn a_clock_that_was_set_is_no_proof_of_death_and_a_boot_is() {
        let check = |start_ticks, is_zombie, boot_now, expected| {
            let seen = Seen { pid: 7, ppid: 1, is_zombie, start_ticks };
            assert_eq!(under_boots(1500, 1000, seen, boot_now), expected, "{start_ticks} {boot_now}");
        };
        // Start times stay when the clock is set, or move with it.
        check(1500, false, 1060, Liveness::Alive);
        check(1560, false, 1060, Liveness::Unknown);
        check(1440, false, 940, Liveness::Unknown);
        check(1560, true, 1060, Liveness::Dead);
        // A boot, and another process of that pid.
        check(5500, false, 4000, Liveness::Dead);
        let me = crate::process::own_identity().expect("our identity");
        assert_eq!(of_another_boot(&Identity { boot_id: "a-uuid".into(), ..me }, "boot-1000"), Liveness::Dead);
    }
}
