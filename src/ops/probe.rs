//! Probing recorded services side by side, and writing down what came of it. Who probes after the first health goes
//! through here: `healthcheck`, `reconcile`.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::base::clock::{EpochMs, monotonic, since};
use crate::base::error::Result;
use crate::base::ids::Generation;
use crate::health::{self, Attempt, Cut, PROBES_AT_ONCE_MAX, side_by_side};
use crate::lifecycle::claim::Turn;
use crate::lifecycle::health::{Finding, note};
use crate::lifecycle::sweep::{Life, words};
use crate::lifecycle::why;
use crate::process::{self, Held};
use crate::service::{Identity, Liveness, Proof, Record, Status};
use crate::state::{Document, SetAside};

use super::context::Context;
use super::probe_target::Probing;
use super::{facts, shown};

/// What one probe found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probed {
    /// The record's name.
    pub name: String,
    /// The generation that was probed; `None` of a legacy record.
    pub generation: Option<Generation>,
    /// The pid that was probed, which names a legacy record's life.
    pub pid: Option<u32>,
    /// Where its record stood.
    pub status: Status,
    /// Whether its process was there.
    pub liveness: Liveness,
    /// Whether it is healthy; `None` where that was not found out: then `error` says why.
    pub healthy: Option<bool>,
    /// Whose socket answered, if it is healthy.
    pub proof: Option<Proof>,
    /// Why it is not healthy, or not known to be: one sentence without a period.
    pub error: Option<String>,
    /// How long it took.
    pub took: Duration,
    /// When it was found out.
    pub at: EpochMs,
}

impl Probed {
    /// What it means for the record; `None`: nothing.
    fn finding(&self) -> Option<Finding> {
        match (self.healthy, self.liveness, self.proof) {
            (None, _, _) | (Some(true), _, None) => None,
            (Some(true), _, Some(proof)) => Some(Finding::Passed(proof)),
            (Some(false), Liveness::Dead, _) => Some(Finding::Dead),
            (Some(false), Liveness::Alive | Liveness::Unknown, _) => Some(Finding::Failed),
        }
    }

    /// Whether it is stopped until somebody needs it: it is not asked, and that it is not there is no failure.
    pub fn is_at_rest(&self) -> bool {
        self.status == Status::Stopped && self.liveness == Liveness::Dead
    }

    /// Whether it makes `record`, which was probed, healthy or unhealthy; one failure of several that it takes does not.
    pub fn flips(&self, record: &Record) -> bool {
        let mut after = record.clone();
        self.finding().is_some_and(|finding| note(&mut after, finding, self.at, Duration::ZERO))
            && after.healthy != record.healthy
    }

    /// Whether `record` is still about what was probed, and nobody else is at it.
    fn is_about(&self, record: &Record) -> bool {
        let is_same = record.generation == self.generation && record.pid == self.pid;
        // What was to be stopped meanwhile, and would not end, is not to be called healthy.
        let is_up = record.status == Status::Running || self.liveness == Liveness::Dead;
        is_same && is_up && facts::observe_turn(record) == Turn::Ours
    }
}

/// Probes `records` once each, side by side (at most 128 at a time), in their order. Who is dead is unhealthy without being
/// asked; who is being started or stopped, is stopped until somebody needs it, or cannot be seen, is not asked and not judged. With `within` it returns by then:
/// who could not be asked, or did not answer, in that time is not judged either. Changes nothing.
pub fn probe(context: &Context, records: &[Record], within: Option<Duration>) -> Vec<Probed> {
    let end = within.map(|within| monotonic() + within);
    let probing = Probing::new(context);
    side_by_side(records, PROBES_AT_ONCE_MAX, |record| {
        let began = monotonic();
        let (liveness, answer) = probe_one(context, &probing, record, end);
        let (healthy, proof, error) = match answer {
            Answer::Passed(proof) => (Some(true), Some(proof), None),
            Answer::Unhealthy(why) => (Some(false), None, Some(why)),
            Answer::Unknown(why) => (None, None, Some(why)),
        };
        // A command probe's output is quoted in it.
        let deny_patterns = &context.settings.env_key_deny_patterns;
        let error = error.map(|why| shown::secrets(record, deny_patterns).hide(&why));
        let (name, generation) = (record.name.clone(), record.generation.clone());
        let (took, at) = (since(began), EpochMs::now());
        let (pid, status) = (record.pid, record.status);
        Probed { name, generation, pid, status, liveness, healthy, proof, error, took, at }
    })
}

/// Writes what was found out into the records that are still about the same generations, in one change. Nothing is
/// written, and no lock taken, where nothing has changed (contract section 5).
pub fn record(context: &Context, verb: &str, found: &[Probed]) -> Result<Option<SetAside>> {
    record_within(context, verb, found, context.health_backoff())
}

/// The same, where a pass is no news within `backoff` after the last one.
pub fn record_within(context: &Context, verb: &str, found: &[Probed], backoff: Duration) -> Result<Option<SetAside>> {
    let by_name: HashMap<&str, &Probed> = found.iter().map(|one| (one.name.as_str(), one)).collect();
    let edit = |document: &mut Document| {
        let mut has_changed = false;
        for record in &mut document.records {
            let Some(one) = by_name.get(record.name.as_str()).filter(|one| one.is_about(record)) else { continue };
            has_changed |= one.finding().is_some_and(|finding| note(record, finding, one.at, backoff));
        }
        has_changed
    };
    let store = context.store();
    if store.read().is_ok_and(|mut document| !edit(&mut document)) {
        return Ok(None);
    }
    Ok(store.change(verb, edit)?.set_aside)
}

/// What came of one service.
enum Answer {
    Passed(Proof),
    Unhealthy(String),
    /// It could not be found out.
    Unknown(String),
}

fn probe_one(context: &Context, probing: &Probing<'_>, record: &Record, end: Option<Instant>) -> (Liveness, Answer) {
    let facts = facts::for_sweep(&context.root, record);
    let liveness = match &facts.life {
        Life::Alive => Liveness::Alive,
        Life::Dead(_) | Life::NotStarted => Liveness::Dead,
        Life::Unknown => Liveness::Unknown,
    };
    if let Turn::Theirs { pid, verb } = facts.turn {
        return (liveness, Answer::Unknown(format!("`minions managed {verb}` (pid {pid}) is at it")));
    }
    let answer = match (facts.life, record.status) {
        (Life::Unknown, _) => Answer::Unknown("it cannot be told whether its process lives".into()),
        (Life::Alive, Status::Running) => return ask(context, probing, record, end),
        (
            Life::Alive,
            Status::Queued | Status::Starting | Status::Backoff | Status::Stopping | Status::Stopped | Status::Failed,
        ) => Answer::Unknown(format!("it is recorded as `{}`, so that it was not asked", record.status.word())),
        (Life::Dead(_) | Life::NotStarted, Status::Stopped) => Answer::Unknown(brief(record)),
        (Life::Dead(death), Status::Running) => Answer::Unhealthy(words(&death)),
        (Life::NotStarted, Status::Running) => {
            Answer::Unhealthy("it is recorded as `running` and has no process".into())
        }
        (
            Life::Dead(_) | Life::NotStarted,
            Status::Queued | Status::Starting | Status::Backoff | Status::Stopping | Status::Failed,
        ) => Answer::Unhealthy(brief(record)),
    };
    (liveness, answer)
}

/// Why a service without a process has none, as `list` and `show` say it.
fn brief(record: &Record) -> String {
    why::brief(record, EpochMs::now()).unwrap_or_else(|| "it has no process".into())
}

/// Asks a service that was alive a moment ago.
fn ask(context: &Context, probing: &Probing<'_>, record: &Record, end: Option<Instant>) -> (Liveness, Answer) {
    let within = end.map(|end| end.saturating_duration_since(monotonic()));
    let not_in_time = || (Liveness::Alive, Answer::Unknown("it was not found out in the time given".into()));
    if within.is_some_and(|within| within.is_zero()) {
        return not_in_time();
    }
    let service = identity(record);
    // What cannot be held is asked all the same: a probe then ends by its own time limit.
    let held = service.as_ref().and_then(|service| process::hold(service).ok());
    let cut = Cut { within, exit: held.as_ref().and_then(Held::as_fd) };
    let check = &record.spec.healthcheck;
    let began = monotonic();
    let attempt =
        probing.with(record, service.as_ref(), |target| health::probe_once(check, target, &context.settings, cut));
    if facts::observe_service(record) == Liveness::Dead {
        return (Liveness::Dead, Answer::Unhealthy("its process ended while it was being probed".into()));
    }
    let answer = match attempt {
        Attempt::Passed(proof) => Answer::Passed(proof),
        // Its own time was not over: with more of it, it might have passed.
        Attempt::Failed(_) if within.is_some_and(|within| since(began) >= within) => return not_in_time(),
        // The service has not been asked: that we could not is no news of it.
        Attempt::Failed(why) if why.is_ours() => Answer::Unknown(why.to_string()),
        Attempt::Refused(why) | Attempt::Failed(why) => Answer::Unhealthy(why.to_string()),
        Attempt::Hopeless(why) => Answer::Unhealthy(format!("it can never be healthy: {why}")),
    };
    (Liveness::Alive, answer)
}

/// Who the service is; of a legacy record, who has its pid, which was just seen to be it.
fn identity(record: &Record) -> Option<Identity> {
    match &record.process {
        Some(process) => Some(process.service.clone()),
        None => process::observe_identity(record.pid?).ok().flatten(),
    }
}
