//! What use cases ask about a record before they decide.

use crate::base::clock::EpochMs;
use crate::base::error::{Error, Kind, Result};
use crate::base::root::Root;
use crate::lifecycle::sweep::{Death, Life, Previous, Shim};
use crate::lifecycle::{accept, claim, stop, sweep};
use crate::process;
use crate::service::{Identity, Liveness, Record, Status};
use crate::state;

use super::chain;
use super::elsewhere;
use super::ending::{self, Target};

/// Who this very process is: the maker of its claims, the holder of its leases.
pub fn own_identity() -> Result<Identity> {
    process::own_identity().map_err(|error| Error::io("cannot look at this very process", error))
}

/// Whether the service of `record` lives. One that was never spawned does not.
pub fn observe_service(record: &Record) -> Liveness {
    let legacy_pid = record.pid.filter(|_| record.generation.is_none());
    observe_process(record.process.as_ref().map(|process| &process.service), legacy_pid, record.started_at)
}

/// The same from the parts of a record: its process, or the pid of one without a generation.
pub fn observe_process(service: Option<&Identity>, legacy_pid: Option<u32>, started_at: Option<EpochMs>) -> Liveness {
    match (service, legacy_pid) {
        (Some(service), _) => process::observe_liveness(service),
        (None, Some(pid)) => process::observe_legacy_liveness(pid, started_at),
        (None, None) => Liveness::Dead,
    }
}

/// Whether the shim of `record` lives. Legacy records have none.
pub fn observe_shim(record: &Record) -> Liveness {
    record.process.as_ref().map_or(Liveness::Dead, |process| process::observe_liveness(&process.shim))
}

/// Whether another command is at `record`.
pub fn observe_turn(record: &Record) -> claim::Turn {
    claim::turn(record, |claim| elsewhere::observe_maker(record, claim, EpochMs::now()))
}

/// Nobody may work on `record` while another command is at it: `claimed` (exit 7).
pub fn check_turn(record: &Record) -> Result<()> {
    match observe_turn(record) {
        claim::Turn::Ours => Ok(()),
        claim::Turn::Theirs { pid, verb } => {
            let message =
                format!("service `{}` is being worked on by `minions managed {verb}` (pid {pid})", record.name);
            Err(Error::new(Kind::Conflict, "claimed", message)
                .with_hint("nothing was done; wait for that command to end and try again"))
        }
    }
}

/// What `accept` asks about a record that a spec meets.
pub fn for_accept(record: &Record) -> accept::Facts {
    // A record without a process is in the middle of a start, or was left there: its turn decides.
    let liveness = match record.status {
        Status::Queued | Status::Starting if record.process.is_none() => Liveness::Dead,
        Status::Queued
        | Status::Starting
        | Status::Running
        | Status::Backoff
        | Status::Stopping
        | Status::Stopped
        | Status::Failed => observe_service(record),
    };
    accept::Facts { liveness, turn: observe_turn(record) }
}

/// What ending a generation asks about it.
pub fn for_stop(root: &Root, target: &Target) -> stop::Facts {
    let observe_shim = |shim: &Identity| elsewhere::observe(root, &target.name, target.generation.as_ref(), shim);
    stop::Facts {
        shim: target.process.as_ref().map_or(Liveness::Dead, |process| observe_shim(&process.shim)),
        service: observe_target(root, target),
        is_clean: observe_is_clean(root, target),
    }
}

/// What `sweep` and the recovery of what a command left ask about a record.
pub fn for_sweep(root: &Root, record: &Record) -> sweep::Facts {
    let previous = match Target::previous(root, record) {
        None => Previous::Gone,
        Some(older) => match observe_target(root, &older) {
            Liveness::Dead => Previous::Gone,
            Liveness::Alive if ending::is_begun(root, &older) => Previous::Ending,
            Liveness::Alive => Previous::Alive,
            Liveness::Unknown => Previous::Unknown,
        },
    };
    let (life, shim) = match observe_service(record) {
        // Most records are of services that live, and then nothing else need be asked.
        Liveness::Alive => (Life::Alive, Shim::Gone),
        Liveness::Dead | Liveness::Unknown => {
            // Its shim first: what it says of an end it has written down by then.
            let shim = chain::observe_shim(root, record);
            (observe_life(root, &Target::of(root, record)), shim)
        }
    };
    // Of what is healthy or was, only a stop or a sweep begins the end, and they write that down first.
    let is_seen = matches!(life, Life::Alive | Life::Dead(_));
    let is_ending = is_seen && record.last_health_at.is_none() && ending::is_begun(root, &Target::of(root, record));
    let is_rebooted = observe_is_rebooted(record);
    sweep::Facts { turn: observe_turn(record), life, previous, is_ending, shim, is_rebooted }
}

/// Whether the machine was booted anew since the processes of `record` were written down.
fn observe_is_rebooted(record: &Record) -> bool {
    let process = record.process.as_ref();
    process.is_some_and(|process| process::boot_id().is_ok_and(|boot| boot != process.shim.boot_id))
}

/// What has become of a generation. One whose processes nobody wrote down was not started.
pub fn observe_life(root: &Root, target: &Target) -> Life {
    if target.process.is_none() && target.legacy_pid.is_none() && !target.is_hidden {
        return Life::NotStarted;
    }
    match observe_target(root, target) {
        Liveness::Alive => Life::Alive,
        Liveness::Unknown => Life::Unknown,
        Liveness::Dead => Life::Dead(observe_death(root, target)),
    }
}

/// The same for one that is dead: how that is known. The pid of what is dead may be anybody's.
fn observe_death(root: &Root, target: &Target) -> Death {
    let exit = target.generation.as_ref().and_then(|generation| ending::read_exit(root, &target.name, generation));
    if let Some(exit) = exit {
        return Death::Seen(exit);
    }
    let service = target.process.as_ref().map(|process| &process.service);
    if let (Some(service), Ok(boot)) = (service, process::boot_id())
        && boot != service.boot_id
    {
        return Death::Rebooted;
    }
    if service.is_some_and(process::is_elsewhere) {
        return Death::Gone;
    }
    match service.map(|service| service.pid).or(target.legacy_pid) {
        Some(pid) if matches!(process::observe_identity(pid), Ok(Some(_))) => Death::Foreign { pid },
        Some(_) | None => Death::Gone,
    }
}

fn observe_target(root: &Root, target: &Target) -> Liveness {
    if target.is_hidden {
        return Liveness::Unknown;
    }
    match &target.process {
        Some(process) => elsewhere::observe(root, &target.name, target.generation.as_ref(), &process.service),
        None => observe_process(None, target.legacy_pid, target.started_at),
    }
}

/// Whether nothing of the generation can be left: its shim took its `shim.json` with it, which it does when it is alone
/// (`shim`), or it lived in another boot.
fn observe_is_clean(root: &Root, target: &Target) -> bool {
    let (Some(run_dir), Some(process)) = (target.run_dir(root), &target.process) else { return false };
    if process::boot_id().is_ok_and(|boot| boot != process.shim.boot_id) {
        return true;
    }
    matches!((state::read_shim(&run_dir), state::read_service(&run_dir)), (Ok(None), Ok(Some(_))))
}
