//! The process table: the system's, by whichever of the two backends is there, or that of a simulated world.

use std::io;

#[cfg(linux_calls)]
use super::snapshot_linux as system;
#[cfg(not(linux_calls))]
use super::snapshot_portable as system;

pub(super) use super::snapshot_linux::Seen;
pub(super) use system::of_another_boot;
#[cfg(not(linux_calls))]
pub(super) use system::{check_files, look};

/// Looks at one process; `None` if there is none of that pid.
pub(super) fn see(pid: u32) -> io::Result<Option<Seen>> {
    #[cfg(debug_assertions)]
    if let Some(world) = crate::base::world::here() {
        return world.process(pid).map(|found| found.map(seen));
    }
    system::see(pid)
}

/// Looks at every process that this user can see, in no order.
pub(super) fn see_all() -> io::Result<Vec<Seen>> {
    #[cfg(debug_assertions)]
    if let Some(world) = crate::base::world::here() {
        return Ok(world.processes()?.into_iter().map(seen).collect());
    }
    system::see_all()
}

/// The id of this boot.
pub(super) fn boot_id() -> io::Result<&'static str> {
    static BOOT: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    #[cfg(debug_assertions)]
    if let Some(world) = crate::base::world::here() {
        return Ok(world.boot_id());
    }
    if let Some(known) = BOOT.get() {
        return Ok(known);
    }
    let read = system::boot_id()?;
    Ok(BOOT.get_or_init(|| read))
}

/// Wall-clock time of a start time in clock ticks.
pub(super) fn started_at_ms(start_ticks: u64) -> io::Result<i64> {
    #[cfg(debug_assertions)]
    if let Some(world) = crate::base::world::here() {
        const TICK_MS: u64 = 10;
        let ago = u64::try_from(world.uptime().as_millis()).unwrap_or(u64::MAX).saturating_sub(start_ticks * TICK_MS);
        return Ok(world.now_ms().saturating_sub_unsigned(ago));
    }
    system::started_at_ms(start_ticks)
}

#[cfg(debug_assertions)]
fn seen(process: crate::base::world::Process) -> Seen {
    let crate::base::world::Process { pid, parent: ppid, is_zombie, start_ticks } = process;
    Seen { pid, ppid, is_zombie, start_ticks }
}
