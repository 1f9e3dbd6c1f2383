//! What the shim of a record has done since it was written: the life that it is at, and how the record is to be for that. The
//! follower and the sweep write it down; who only reads shows it. docs/design/restarts.md says why this is enough.

use std::time::Duration;

use crate::base::clock::{EpochMs, pause};
use crate::base::ids::Generation;
use crate::base::root::Root;
use crate::lifecycle::facts::{Death, Shim, words};
use crate::lifecycle::transitions::{Illegal, Input, apply};
use crate::service::{ExitRecord, Identity, Liveness, Process, Progress, Record, Status};
use crate::state::{self, Ended, Next, Started};

use super::elsewhere;
use super::ending::read_shim_or;
use super::facts;

/// Between two looks whether a shim has judged the end of its service.
const JUDGED_PAUSE: Duration = Duration::from_millis(2);
/// A shim that does not in so many has been stopped itself.
const JUDGED_LOOKS_MAX: usize = 50;

/// What the files of a shim tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The newest life.
    pub generation: Generation,
    /// Where it stands.
    pub stand: Stand,
    /// How the last life ended that did.
    pub last_exit: Option<ExitRecord>,
    /// The history of failures and starts; `None` if no life has ended.
    pub progress: Option<Progress>,
}

/// Where the newest life stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stand {
    /// Its service was started, and nobody has seen it end.
    Up {
        /// Who it is.
        process: Process,
        /// Since when.
        at: EpochMs,
    },
    /// The next one begins then.
    Waits {
        /// When.
        until: EpochMs,
        /// Why the last one could not be begun.
        refusal: Option<String>,
    },
    /// None is to come: it was started again too often.
    GaveUp {
        /// Why, in one sentence.
        why: String,
    },
    /// It is over, or none has begun.
    Over,
}

/// What the shim of `generation` tells. `None`: it has left no folder.
pub fn observe(root: &Root, name: &str, generation: &Generation) -> Option<Told> {
    let generation = state::newest_life(root, name, generation)?;
    let dir = root.run_dir(name, &generation);
    // An end is read before a begin, so that an old end is never taken for that of the newest life.
    let ended = state::read_ended(&dir).ok().flatten();
    let started = state::read_service(&dir).ok().flatten();
    // The process of a life before is gone, since its shim is at another one, even if its end could not be written down.
    let begun = started.as_ref().filter(|started| started.generation == generation);
    let process = |started: &Started| Process { service: started.service.clone(), shim: read_shim_or(&dir, started) };
    let (last_exit, progress) = (ended.as_ref().map(|it| it.exit), ended.as_ref().map(|it| it.progress.clone()));
    let is_over = |ended: &&Ended| started.as_ref().is_none_or(|started| started.generation <= ended.generation);
    let stand = match (begun, ended.as_ref().filter(is_over)) {
        (Some(started), None) => Stand::Up { process: process(started), at: started.at },
        (_, Some(Ended { next: Next::Again { at }, refusal, .. })) => {
            Stand::Waits { until: *at, refusal: refusal.clone() }
        }
        (_, Some(Ended { next: Next::GaveUp { why }, .. })) => Stand::GaveUp { why: why.clone() },
        (_, Some(Ended { next: Next::Over, .. })) | (None, None) => Stand::Over,
    };
    Some(Told { generation, stand, last_exit, progress })
}

/// What the shim of `record`, whose service is dead, is about.
pub fn observe_shim(root: &Root, record: &Record) -> Shim {
    let Some(own) = &record.generation else { return Shim::Gone };
    let lives = |identity: &Identity| elsewhere::observe(root, &record.name, Some(own), identity) != Liveness::Dead;
    let Some(told) = observe_judged(root, record, own, lives) else {
        // Its folder was taken from it. It begins no other life, but it may still end what is left of this one.
        let is_there = record.process.as_ref().is_some_and(|process| lives(&process.shim));
        return if is_there { Shim::Same } else { Shim::Gone };
    };
    match state::read_shim(&root.run_dir(&record.name, &told.generation)) {
        Ok(shim) if !shim.as_ref().is_some_and(lives) => return Shim::Gone,
        // What cannot be read may be that of a living one.
        Ok(_) | Err(_) => {}
    }
    match told.stand {
        Stand::Waits { until, refusal: _ } => Shim::Waiting { until },
        Stand::Up { process, at: _ } if told.generation != *own && lives(&process.service) => {
            Shim::Moved { generation: told.generation }
        }
        // Nothing follows, and nobody will tell the record: the shim only ends what is left, which whoever ends the rest asks it to.
        Stand::Over if told.last_exit.is_some() => Shim::Gone,
        Stand::Up { .. } | Stand::GaveUp { .. } | Stand::Over => Shim::Same,
    }
}

/// The same as [`observe`]. A service may be dead for a moment before its shim has written down how it ended and what follows, and
/// whoever looks then would learn neither: so that is waited for.
fn observe_judged(root: &Root, record: &Record, own: &Generation, lives: impl Fn(&Identity) -> bool) -> Option<Told> {
    let mut told = observe(root, &record.name, own)?;
    for _ in 0..JUDGED_LOOKS_MAX {
        let Stand::Up { process, at: _ } = &told.stand else { break };
        if lives(&process.service) || !lives(&process.shim) {
            break;
        }
        pause(JUDGED_PAUSE);
        told = observe(root, &record.name, own)?;
    }
    Some(told)
}

/// Whether the shim of `record` may have done something since it was written, as far as the record tells: nobody is at it, a
/// restart policy is in force, and its service is not there.
pub fn may_lag(record: &Record) -> bool {
    let is_settled = record.claim.is_none() && record.previous.is_none();
    let is_kept_up = match record.status {
        Status::Running | Status::Backoff => true,
        Status::Queued | Status::Starting | Status::Stopping | Status::Stopped | Status::Failed => false,
    };
    is_settled
        && is_kept_up
        && record.spec.lifecycle.restart.is_some()
        && facts::observe_service(record) != Liveness::Alive
}

/// The record as its shim's files tell it now; `None` if it says that already, or they tell nothing.
pub fn observe_newer(root: &Root, record: &Record, now: EpochMs) -> Option<Record> {
    if !may_lag(record) {
        return None;
    }
    let told = observe(root, &record.name, record.generation.as_ref()?)?;
    brought_up(record, &told, now)
}

/// `record` as `told` says; `None` if it says that already, or what is told is another's to judge (a sweep's).
pub fn brought_up(record: &Record, told: &Told, now: EpochMs) -> Option<Record> {
    let mut newer = record.clone();
    newer.generation = Some(told.generation.clone());
    newer.last_exit = told.last_exit.or(record.last_exit);
    if let Some(progress) = &told.progress {
        let Progress { failures_in_row, recent_starts, restarts, .. } = progress.clone();
        newer.progress = Progress { failures_in_row, recent_starts, restarts, ..newer.progress };
    }
    let is_moved = match &told.stand {
        Stand::Up { process, at } => {
            if record.generation.as_ref() == Some(&told.generation) && record.process.as_ref() == Some(process) {
                return None;
            }
            (newer.process, newer.pid) = (Some(process.clone()), Some(process.service.pid));
            newer.started_at = Some(*at);
            (newer.last_health_at, newer.health_proof) = (None, None);
            newer.progress.unhealthy_in_row = 0;
            apply(&mut newer, Input::Restarted, now, restarted(told.last_exit))
        }
        Stand::Waits { until, refusal } => {
            let is_said = record.status == Status::Backoff && record.generation.as_ref() == Some(&told.generation);
            if is_said && record.progress.next_at == Some(*until) {
                return None;
            }
            let moved = waits(&mut newer, told, refusal.as_deref(), now);
            newer.progress.next_at = Some(*until);
            moved
        }
        Stand::GaveUp { why } => {
            without_process(&mut newer);
            apply(&mut newer, Input::GaveUp, now, why.clone())
        }
        Stand::Over => return None,
    };
    newer.healthy = false;
    newer.alive = newer.process.is_some();
    is_moved.is_ok().then_some(newer)
}

fn waits(newer: &mut Record, told: &Told, refusal: Option<&str>, now: EpochMs) -> Result<(), Illegal> {
    without_process(newer);
    match (refusal, told.last_exit) {
        (Some(why), _) => apply(newer, Input::StartAgainFailed, now, why),
        (None, Some(exit)) => apply(newer, Input::Exited(exit.exit.into()), now, ended(Some(exit))),
        (None, None) => Ok(()),
    }
}

fn without_process(record: &mut Record) {
    (record.process, record.pid) = (None, None);
}

fn restarted(exit: Option<ExitRecord>) -> String {
    format!("{}, and its shim has started it again", ended(exit))
}

fn ended(exit: Option<ExitRecord>) -> String {
    words(&exit.map_or(Death::Gone, Death::Seen))
}
