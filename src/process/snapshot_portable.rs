//! The process table as the sysinfo crate shows it, for systems without /proc. Impure: asks the system.
//!
//! Weaker than `snapshot_linux`: start times are whole seconds and the boot is known by its time only.

#![cfg_attr(
    target_os = "linux",
    expect(dead_code, reason = "compiled everywhere so that it cannot rot; a test compares it")
)]

use std::io;

use sysinfo::{Pid, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System};

use super::snapshot_linux::Seen;

/// Looks at one process; `None` if there is none of that pid.
pub(super) fn see(pid: u32) -> io::Result<Option<Seen>> {
    let mut system = System::new().map_err(io::Error::other)?;
    let wanted = Pid::from_u32(pid);
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[wanted]), true, ProcessRefreshKind::nothing());
    Ok(system.process(wanted).map(seen))
}

/// Looks at every process that this user can see, in no order.
pub(super) fn see_all() -> io::Result<Vec<Seen>> {
    let mut system = System::new().map_err(io::Error::other)?;
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, ProcessRefreshKind::nothing().without_tasks());
    Ok(system.processes().values().map(seen).collect())
}

/// Names this boot by the second it began in.
pub(super) fn boot_id() -> io::Result<String> {
    let seconds = System::boot_time().map_err(io::Error::other)?;
    Ok(format!("boot-{seconds}"))
}

/// Wall-clock time of a start time, which here is in seconds already.
pub(super) fn started_at_ms(start_ticks: u64) -> io::Result<i64> {
    Ok(i64::try_from(start_ticks.saturating_mul(1000)).unwrap_or(i64::MAX))
}

fn seen(process: &sysinfo::Process) -> Seen {
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
        assert!(boot_id().expect("a boot time").starts_with("boot-"));
    }
}
