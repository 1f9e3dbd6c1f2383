//! Who a process is and whether it is still there. Impure: asks the system.

use std::io;

use crate::base::clock::EpochMs;
use crate::base::ids::own_pid;
use crate::service::{Identity, Liveness};

use super::{namespace, snapshot};

/// Contract section 5: a legacy record's process may have started up to this long after its `started_at`.
const LEGACY_SLACK_MS: i64 = 2000;

/// The id of this boot; read once.
pub fn boot_id() -> io::Result<&'static str> {
    snapshot::boot_id()
}

/// The identity of the process that has `pid` now; `None` if there is none, or only a zombie.
pub fn observe_identity(pid: u32) -> io::Result<Option<Identity>> {
    let boot_id = boot_id()?.to_owned();
    let seen = snapshot::see(pid)?.filter(|seen| !seen.is_zombie);
    let pid_namespace = namespace::own()?;
    Ok(seen.map(|seen| Identity { pid, start_ticks: seen.start_ticks, boot_id, pid_namespace }))
}

/// The identity of a child of this process that has not been reaped, so that its pid is its own even as a zombie.
pub fn observe_child_identity(pid: u32) -> io::Result<Identity> {
    let boot_id = boot_id()?.to_owned();
    let seen = snapshot::see(pid)?.ok_or_else(|| io::Error::other("the child is not in the process table"))?;
    Ok(Identity { pid, start_ticks: seen.start_ticks, boot_id, pid_namespace: namespace::own()? })
}

/// The identity of this very process.
pub fn own_identity() -> io::Result<Identity> {
    observe_identity(own_pid())?.ok_or_else(|| io::Error::other("this process is not in the process table"))
}

/// Whether the very process that `identity` names is still there.
pub fn observe_liveness(identity: &Identity) -> Liveness {
    match boot_id() {
        Ok(boot) if boot != identity.boot_id => return snapshot::of_another_boot(identity, boot),
        Ok(_) => {}
        Err(_) => return Liveness::Unknown,
    }
    // Under its pid is somebody else here, or nobody, and neither tells anything of it.
    if !matches!(namespace::counts_here(identity), Ok(true)) {
        return Liveness::Unknown;
    }
    match snapshot::see(identity.pid) {
        Ok(Some(seen)) if seen.start_ticks != identity.start_ticks || seen.is_zombie => Liveness::Dead,
        Ok(Some(_)) => Liveness::Alive,
        Ok(None) => absence(identity.pid),
        Err(_) => Liveness::Unknown,
    }
}

/// Whether a legacy record's process is there: its pid exists and was started no later than `started_at` plus two
/// seconds (contract section 5).
pub fn observe_legacy_liveness(pid: u32, started_at: Option<EpochMs>) -> Liveness {
    let seen = match snapshot::see(pid) {
        Ok(Some(seen)) if seen.is_zombie => return Liveness::Dead,
        Ok(Some(seen)) => seen,
        Ok(None) => return absence(pid),
        Err(_) => return Liveness::Unknown,
    };
    let Some(recorded) = started_at else { return Liveness::Unknown };
    match snapshot::started_at_ms(seen.start_ticks) {
        Ok(actual) if actual <= recorded.0.saturating_add(LEGACY_SLACK_MS) => Liveness::Alive,
        Ok(_) => Liveness::Dead,
        Err(_) => Liveness::Unknown,
    }
}

/// A pid that a listing does not show may be hidden from us (hidepid=2): only the kernel's word that there is no such
/// process proves death.
pub(super) fn absence(pid: u32) -> Liveness {
    #[cfg(debug_assertions)]
    if crate::base::world::here().is_some() {
        return Liveness::Dead;
    }
    let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) else { return Liveness::Dead };
    match rustix::process::test_kill_process(pid) {
        Err(rustix::io::Errno::SRCH) => Liveness::Dead,
        // It answers: a zombie's entry, or one that came in between, or one that we may not see.
        Ok(()) | Err(_) => Liveness::Unknown,
    }
}

/// How many processors this process may use, at least one. The standard library also asks control groups for their
/// quota, in ten calls; who only wants to work side by side need not know it.
#[cfg(linux_calls)]
pub fn processors() -> usize {
    let allowed = rustix::thread::sched_getaffinity(None).map_or(1, |set| set.count());
    usize::try_from(allowed).unwrap_or(1).max(1)
}

/// How many processors this process may use, at least one.
#[cfg(not(linux_calls))]
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_start_or_another_boot_is_another_process() {
        let me = own_identity().expect("our identity");
        let check = |identity: Identity, expected| assert_eq!(observe_liveness(&identity), expected, "{identity:?}");
        check(me.clone(), Liveness::Alive);
        check(Identity { start_ticks: me.start_ticks + 1, ..me.clone() }, Liveness::Dead);
        check(Identity { boot_id: "another".into(), ..me.clone() }, Liveness::Dead);
        check(Identity { pid_namespace: None, ..me.clone() }, Liveness::Alive);
        if let Some(here) = me.pid_namespace {
            let elsewhere = Identity { pid_namespace: Some(here + 1), ..me.clone() };
            check(elsewhere.clone(), Liveness::Unknown);
            check(Identity { start_ticks: me.start_ticks + 1, ..elsewhere.clone() }, Liveness::Unknown);
            check(Identity { boot_id: "another".into(), ..elsewhere }, Liveness::Dead);
        }
        // Above every pid_max (proc(5)).
        check(Identity { pid: 1 << 30, ..me }, Liveness::Dead);
    }

    #[test]
    fn a_legacy_pid_counts_only_if_it_started_by_then() {
        let me = std::process::id();
        let check = |at, expected| assert_eq!(observe_legacy_liveness(me, at), expected, "{at:?}");
        check(Some(EpochMs::now()), Liveness::Alive);
        check(Some(EpochMs(1_000_000_000_000)), Liveness::Dead);
        check(None, Liveness::Unknown);
    }
}
