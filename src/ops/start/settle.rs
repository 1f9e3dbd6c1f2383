//! Performing what was claimed, side by side, and settling it: what came of each start goes into the state, if the claim
//! still stands; else the start is undone. Impure: waits for a file of the shim.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::base::clock::{EpochMs, monotonic, pause};
use crate::base::error::Result;
use crate::base::parts::has_threads;
use crate::base::steps::{Step, reached};
use crate::health::side_by_side_with_stack;
use crate::lifecycle::dead;
use crate::lifecycle::transitions::{self, Input};
use crate::service::{Exit, ExitRecord, Liveness, Process, Proof, Record, Status};
use crate::state::Document;

use super::super::{ending, facts, shown};
use super::first_health::{self, FirstHealth};
use super::perform::{self, Performed};
use super::turns::{self, Turns};
use super::{Failure, FailureKind, OnFailure, Progress, STACK_BYTES, Start, Started, Starter, tail};

/// How long the first settling waits for services that are healthy at once: one durable write then tells both that they
/// run and that they are healthy. Whoever is killed within it leaves what recovery finds (`service.json`).
const SETTLE_WINDOW: Duration = Duration::from_millis(40);
/// How many starts are performed at once: as many as a few processors bring up in about a second. The others' old
/// generations run on meanwhile.
const STARTS_AT_ONCE_MAX: usize = 32;
/// How long a shim may take to write down the exit of a service that has ended.
const EXIT_RECORD_LIMIT: Duration = Duration::from_secs(2);

/// A change of one record, to be written.
enum Change {
    /// It runs.
    Running { process: Process, at: EpochMs },
    /// A probe passed.
    Healthy { proof: Proof, at: EpochMs },
    /// Nothing of it lives: what happened, why, and how it ended, if it ever ran and anybody saw it.
    Gone { input: Input, why: String, exit: Option<ExitRecord> },
    /// Nothing was started, and what it was to replace goes on as it was.
    Spared { old: Box<Record> },
    /// What it was to replace lives on, or what was started would not end; why.
    Stuck { why: String },
}

/// What a worker tells: which start, and what to write.
enum Told {
    Change(usize, Change),
    /// The worker is done.
    Done(usize, Started),
}

/// Hears what workers tell.
type Tell<'a> = &'a (dyn Fn(Told) + Sync);

/// Performs the starts side by side and settles as they go. Returns what came of each, in their order.
pub(crate) fn perform_and_settle(starter: &Starter<'_>, starts: Vec<Start>) -> Result<Vec<Started>> {
    if !starts.is_empty() {
        reached(Step::StartClaimed);
    }
    let records: Vec<Record> = starts.iter().map(|start| start.record.clone()).collect();
    let settling = Settling::new(starter, &records);
    let (tell, told) = mpsc::channel();
    let turns = &Turns::new(&records);
    let mut starts: Vec<Option<Start>> = starts.into_iter().map(Some).collect();
    let starts: Vec<(usize, Mutex<Option<Start>>)> =
        turns.order().into_iter().map(|at| (at, Mutex::new(starts[at].take()))).collect();
    let starts = starts.as_slice();
    let perform_all = |tell: Tell<'_>| {
        side_by_side_with_stack(starts, STARTS_AT_ONCE_MAX, STACK_BYTES, |(at, start)| {
            // Each is taken once, by the one thread that works on it.
            let start = start.lock().ok().and_then(|mut start| start.take());
            start.map(|start| work(starter, turns, *at, start, tell))
        });
    };
    // The receiver outlives every worker; a failure to tell cannot happen.
    let through = |tell: Sender<Told>| move |told| drop(tell.send(told));
    let (mut outcomes, lost) = if has_threads() {
        std::thread::scope(|scope| {
            let (perform_all, spare) = (&perform_all, tell.clone());
            let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
            match thread.spawn_scoped(scope, move || perform_all(&through(tell))) {
                Ok(_) => drop(spare),
                // At the limit of processes: first all the work, then what it told.
                Err(_) => perform_all(&through(spare)),
            }
            settling.run(&told)
        })
    } else {
        settling.run_alone(&perform_all)
    }?;
    for at in lost {
        outcomes[at] = Some(overtaken(&records[at].name, outcomes[at].take()));
    }
    Ok(outcomes.into_iter().flatten().collect())
}

/// Another command took the record over meanwhile (a stop, say): it has the last word.
fn overtaken(name: &str, seen: Option<Started>) -> Started {
    let error = format!("service `{name}` was stopped or replaced by another command meanwhile");
    let log_tail = seen.and_then(|started| started.failure).map(|failure| failure.log_tail);
    failed(FailureKind::Overtaken, error, log_tail.unwrap_or_default())
}

/// One start, from its performance to its first health.
fn work(starter: &Starter<'_>, turns: &Turns<'_>, at: usize, start: Start, tell: Tell<'_>) {
    let turn = turns.take(at);
    let change = |change| tell(Told::Change(at, change));
    let claimed = start.record.clone();
    let forget = || claimed.generation.iter().for_each(|own| ending::forget(&starter.context.root, &claimed.name, own));
    let waited = start.blocked_by.clone().map_or_else(|| turns.wait(at), Err);
    let waited = waited.and_then(|()| turns::wait_outside(starter, &start.awaits));
    let performed = match waited {
        Ok(()) => perform::perform(starter, start),
        Err(needed) => perform::refrain(start, needed),
    };
    let started = match performed {
        Performed::Started { process, at: moment, log_from } => {
            let running = with_process(&claimed, &process, moment);
            log::info!("service `{}` runs: pid {}, shim {}", running.name, process.service.pid, process.shim.pid);
            change(Change::Running { process: process.clone(), at: moment });
            (starter.progress)(Progress::Started { name: running.name.clone(), pid: process.service.pid });
            if starter.waits || (starter.by.waits_for_needs() && turns.is_awaited(at)) {
                await_health(starter, &running, &process, log_from, &change)
            } else {
                up(&process, None)
            }
        }
        Performed::Refused(why) => {
            forget();
            change(Change::Gone { input: Input::SpawnFailed, why: why.clone(), exit: None });
            failed(FailureKind::Spawn, why, Vec::new())
        }
        Performed::NewLives(error) => {
            change(Change::Stuck { why: error.chain() });
            failed(FailureKind::Spawn, error.chain(), Vec::new())
        }
        Performed::Blocked { old, needed } => {
            let pid = old.as_ref().filter(|old| facts::observe_service(old) == Liveness::Alive).and_then(|old| old.pid);
            let input = Input::SpawnFailed;
            let gone =
                || Change::Gone { input, why: format!("`{needed}`, which it depends on, is not up"), exit: None };
            change(old.map_or_else(gone, |old| Change::Spared { old }));
            Started { pid, ..failed(FailureKind::Dependency, format!("dependency-failed ({needed})"), Vec::new()) }
        }
        Performed::Spared { old, why } => {
            forget();
            let is_alive = facts::observe_service(&old) == Liveness::Alive;
            let pid = old.pid.filter(|_| is_alive);
            change(Change::Spared { old });
            Started { pid, ..failed(FailureKind::Spared, why.chain(), Vec::new()) }
        }
        Performed::OldLives(error) => {
            forget();
            change(Change::Stuck { why: error.chain() });
            failed(FailureKind::OldLives, error.chain(), Vec::new())
        }
    };
    turn.ends(started.failure.is_none());
    tell(Told::Done(at, started));
}

/// The record of a generation that runs, wherever it stands.
fn with_process(claimed: &Record, process: &Process, at: EpochMs) -> Record {
    Record {
        alive: true,
        pid: Some(process.service.pid),
        process: Some(process.clone()),
        started_at: Some(at),
        claim: None,
        previous: None,
        ..claimed.clone()
    }
}

/// The record of a generation of which nothing lives, wherever it stands.
fn without_process(there: &Record, exit: Option<ExitRecord>) -> Record {
    Record {
        healthy: false,
        alive: false,
        pid: None,
        process: None,
        claim: None,
        previous: None,
        last_exit: exit,
        ..there.clone()
    }
}

fn await_health(
    starter: &Starter<'_>,
    running: &Record,
    process: &Process,
    log_from: u64,
    change: &dyn Fn(Change),
) -> Started {
    let name = running.name.clone();
    let say = |words: String, is_up| (starter.progress)(Progress::Done { name: name.clone(), words, is_up });
    let why = match first_health::wait(starter.context, running, process) {
        FirstHealth::Passed { after, proof } => {
            change(Change::Healthy { proof, at: EpochMs::now() });
            say(format!("healthy after {} ms", after.as_millis()), true);
            return up(process, Some(true));
        }
        FirstHealth::Exited => None,
        FirstHealth::Failed(why) => Some(why),
    };
    let seen = why.is_none().then(|| await_exit_record(starter, running, process)).flatten();
    let log_tail = tail::tail(running.log_path.as_ref(), log_from);
    let why = why.unwrap_or_else(|| format!("it exited before it was healthy ({})", exit_words(seen)));
    // From here on both are quoted: in the report, the run, the alert, the journal.
    let secrets = shown::secrets(running, &starter.context.settings.env_key_deny_patterns);
    let (why, log_tail) = (secrets.hide(&why), log_tail.iter().map(|line| secrets.hide(line)).collect());
    let (fate, extra) = match perform::undo(starter, running) {
        Ok(exit) => {
            let (input, why) = (Input::FirstHealthFailed, why.clone());
            (Change::Gone { input, why, exit: seen.or(exit) }, String::new())
        }
        Err(error) => (Change::Stuck { why: why.clone() }, format!("; moreover {}", error.chain())),
    };
    change(fate);
    say(why.clone(), false);
    failed(FailureKind::Healthcheck, why + &extra, log_tail)
}

/// What the shim wrote about the end of a service that is known to have ended: it writes at once, and then it may have a
/// tree to end.
fn await_exit_record(starter: &Starter<'_>, running: &Record, process: &Process) -> Option<ExitRecord> {
    const LOOK_EVERY: Duration = Duration::from_millis(1);
    let read = || ending::read_exit_since(&starter.context.root, &running.name, running.generation.as_ref()?);
    let give_up = monotonic() + EXIT_RECORD_LIMIT;
    loop {
        let seen = read();
        let shim_is_gone = crate::process::observe_liveness(&process.shim) == Liveness::Dead;
        if seen.is_some() {
            return seen;
        }
        if shim_is_gone || monotonic() >= give_up {
            // It may have written between the look and its end.
            return read();
        }
        // A file of another process can only be looked for.
        pause(LOOK_EVERY);
    }
}

/// How a service ended, for people.
fn exit_words(exit: Option<ExitRecord>) -> String {
    match exit.map(|record| record.exit) {
        Some(Exit::Code(code)) => format!("exit code {code}"),
        Some(Exit::Signal(signal)) => format!("ended by signal {signal}"),
        Some(Exit::Unknown) | None => "exit code unknown".to_owned(),
    }
}

fn up(process: &Process, healthy: Option<bool>) -> Started {
    Started { pid: Some(process.service.pid), healthy, failure: None }
}

fn failed(kind: FailureKind, error: String, log_tail: Vec<String>) -> Started {
    Started { pid: None, healthy: Some(false), failure: Some(Failure { kind, error, log_tail }) }
}

/// What the workers have told, and what of it is not written yet.
struct Settling<'a> {
    starter: &'a Starter<'a>,
    records: &'a [Record],
    outcomes: Vec<Option<Started>>,
    waiting: Vec<(usize, Change)>,
    /// The starts whose claims no longer stood.
    lost: Vec<usize>,
    window_ends: Option<Instant>,
}

/// What came of each start, as far as its worker told, and the starts whose claims no longer stood.
type Settled = (Vec<Option<Started>>, Vec<usize>);

impl<'a> Settling<'a> {
    fn new(starter: &'a Starter<'a>, records: &'a [Record]) -> Self {
        let outcomes = records.iter().map(|_| None).collect();
        Self { starter, records, outcomes, waiting: Vec::new(), lost: Vec::new(), window_ends: None }
    }

    /// Writes what the workers tell: first once the window is over or all are done, then at each piece of news.
    fn run(mut self, told: &Receiver<Told>) -> Result<Settled> {
        let mut is_disconnected = false;
        while !is_disconnected || !self.waiting.is_empty() {
            let is_done = is_disconnected || self.outcomes.iter().all(Option::is_some);
            let is_over = self.window_ends.is_some_and(|end| monotonic() >= end);
            if !self.waiting.is_empty() && (is_done || is_over) {
                self.write()?;
                continue;
            }
            let window_ends = self.window_ends.filter(|_| !self.waiting.is_empty());
            let limit = window_ends.map(|end| end.saturating_duration_since(monotonic()));
            match limit.map_or_else(|| told.recv().map_err(RecvTimeoutError::from), |limit| told.recv_timeout(limit)) {
                Ok(told) => self.hear(told),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => is_disconnected = true,
            }
        }
        Ok((self.outcomes, self.lost))
    }

    /// The same on one thread: each piece of news is written when it is told.
    fn run_alone(self, perform_all: &dyn Fn(Tell<'_>)) -> Result<Settled> {
        let both = Mutex::new((self, Ok(())));
        perform_all(&|told| {
            let mut both = both.lock().unwrap_or_else(PoisonError::into_inner);
            let (settling, written) = &mut *both;
            settling.hear(told);
            if written.is_ok() && !settling.waiting.is_empty() {
                *written = settling.write();
            }
        });
        let (settling, written) = both.into_inner().unwrap_or_else(PoisonError::into_inner);
        written.map(|()| (settling.outcomes, settling.lost))
    }

    fn hear(&mut self, told: Told) {
        match told {
            Told::Change(at, change) => {
                self.window_ends.get_or_insert_with(|| monotonic() + SETTLE_WINDOW);
                self.waiting.push((at, change));
            }
            Told::Done(at, started) => self.outcomes[at] = Some(started),
        }
    }

    fn write(&mut self) -> Result<()> {
        write(self.starter, std::mem::take(&mut self.waiting), self.records, &mut self.lost)
    }
}

/// One change of the state for all that is waiting. A start whose record another command has taken over is undone. If the
/// state cannot be written at all, nothing is: a full disk must not cost a running service.
fn write(
    starter: &Starter<'_>,
    changes: Vec<(usize, Change)>,
    records: &[Record],
    lost: &mut Vec<usize>,
) -> Result<()> {
    let now = EpochMs::now();
    let changed = starter.writer.change(starter.verb, |document| {
        let mut overtaken = Vec::new();
        for (at, change) in &changes {
            if !apply(document, &records[*at], change, (starter.on_failure, now)) {
                overtaken.push(*at);
            }
        }
        overtaken
    });
    let undo = |at: usize| {
        let process = changes.iter().find_map(|(other, change)| match change {
            Change::Running { process, at: moment } if *other == at => {
                Some(with_process(&records[at], process, *moment))
            }
            Change::Running { .. }
            | Change::Healthy { .. }
            | Change::Gone { .. }
            | Change::Spared { .. }
            | Change::Stuck { .. } => None,
        });
        process.map_or(Ok(None), |record| perform::undo(starter, &record))
    };
    match changed {
        Ok(overtaken) => {
            reached(Step::StartSettled);
            for at in overtaken {
                undo(at)?;
                lost.push(at);
            }
            Ok(())
        }
        // The claim in the file names this process, and the shims' files name the services: nothing is lost, and the
        // services live on. The next reconcile settles what could not be written here.
        Err(error) => Err(error),
    }
}

/// Applies `change` if the record is still about the generation that was claimed; says whether it was.
fn apply(document: &mut Document, claimed: &Record, change: &Change, how: (OnFailure, EpochMs)) -> bool {
    let (on_failure, now) = how;
    let is_up = matches!(change, Change::Running { .. } | Change::Healthy { .. });
    // That nothing of it is left is true whoever has taken the record; where it was to stay, that somebody has taken it is
    // the news.
    let is_news = is_up || on_failure != OnFailure::Forget;
    // Its shim may have given it another life meanwhile.
    let is_ours = |there: &&mut Record| there.is_kin(claimed.generation.as_ref());
    let Some(there) = document.find_mut(&claimed.name).filter(is_ours) else {
        return !is_news;
    };
    if there.status == Status::Stopping && is_news {
        return false;
    }
    let moved = match change {
        Change::Running { process, at } => {
            let mut settled = with_process(there, process, *at);
            let moved = transitions::apply(&mut settled, Input::Spawned, now, format!("pid {}", process.service.pid));
            moved.map(|()| *there = settled)
        }
        // It is no news of a later life, which has a follower of its own.
        Change::Healthy { .. } if there.generation != claimed.generation => Ok(()),
        Change::Healthy { proof, at } => {
            let moved = transitions::apply(there, Input::FirstHealthy, now, "its first probe passed");
            if moved.is_ok() {
                (there.healthy, there.last_health_at, there.health_proof) = (true, Some(*at), Some(*proof));
            }
            moved
        }
        Change::Gone { input, why, exit } => match on_failure {
            OnFailure::Forget => {
                drop(document.remove_ended(&claimed.name, *exit));
                Ok(())
            }
            OnFailure::Keep | OnFailure::Policy => {
                let mut gone = without_process(there, *exit);
                let moved = match on_failure {
                    OnFailure::Policy => dead::start_failed(&mut gone, *input, now, why),
                    OnFailure::Keep | OnFailure::Forget => transitions::apply(&mut gone, *input, now, why.as_str()),
                };
                moved.map(|()| *there = gone)
            }
        },
        Change::Spared { old } => {
            // Nothing has happened to it.
            *there = Record::clone(old);
            Ok(())
        }
        Change::Stuck { why } => {
            there.claim = None;
            transitions::apply(there, Input::WouldNotEnd, now, why.as_str())
        }
    };
    // Whoever has moved it meanwhile has taken it over.
    moved.is_ok()
}
