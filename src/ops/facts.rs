//! What use cases ask about a record before they decide.

use crate::base::clock::EpochMs;
use crate::base::error::{Error, Kind, Result};
use crate::base::root::Root;
use crate::lifecycle::{accept, claim, stop};
use crate::process;
use crate::service::{Identity, Liveness, Record, Status};
use crate::state;

use super::ending::Target;

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
    claim::turn(record, |claim| process::observe_liveness(&claim.maker))
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
    let process = target.process.as_ref();
    stop::Facts {
        shim: process.map_or(Liveness::Dead, |process| process::observe_liveness(&process.shim)),
        service: observe_process(process.map(|process| &process.service), target.legacy_pid, target.started_at),
        is_clean: observe_is_clean(root, target),
    }
}

/// Whether nothing of the generation can be left: its shim took its `shim.json` with it, which it does when it is alone
/// (`shim`), or it lived in another boot.
fn observe_is_clean(root: &Root, target: &Target) -> bool {
    let (Some(generation), Some(process)) = (&target.generation, &target.process) else { return false };
    if process::boot_id().is_ok_and(|boot| boot != process.shim.boot_id) {
        return true;
    }
    let run_dir = root.run_dir(&target.name, generation);
    matches!((state::read_shim(&run_dir), state::read_service(&run_dir)), (Ok(None), Ok(Some(_))))
}
