//! Performing what was claimed, side by side, and settling it: what came of each start goes into the state, if the claim
//! still stands; else the start is undone. Impure: waits for a file of the shim.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use crate::base::clock::{EpochMs, monotonic};
use crate::base::error::Result;
use crate::service::{Exit, ExitRecord, Process, Proof, Record, Status};
use crate::state::Document;

use super::super::ending;
use super::claim::{Item, Start};
use super::first_health::{self, FirstHealth};
use super::perform::{self, Performed, Started};
use super::report::{AgentReport, FailureClass, SpecAction, SpecReport};
use super::{Acceptance, Progress, tail};

/// How long the first settling waits for services that are healthy at once: one durable write then tells both that they
/// run and that they are healthy. Whoever is killed within it leaves what recovery finds (`service.json`).
const SETTLE_WINDOW: Duration = Duration::from_millis(40);
/// How long a shim may take to write down the exit of a service that has ended.
const EXIT_RECORD_LIMIT: Duration = Duration::from_secs(2);

/// A change of one record, to be written.
enum Change {
    /// It runs.
    Running { process: Process, at: EpochMs },
    /// A probe passed.
    Healthy { proof: Proof, at: EpochMs },
    /// Nothing of it lives.
    Gone,
    /// What it was to replace lives on, or what was started would not end.
    Stuck,
}

/// What a worker tells: which item, and what to write.
enum Told {
    Change(usize, Change),
    /// The worker is done.
    Done(usize, Box<SpecReport>),
}

/// Performs every start on a thread of its own (at most maxSpecsPerFile of them) and settles as they go.
pub(super) fn perform_and_settle(acceptance: &Acceptance<'_>, items: Vec<Item>) -> Result<AgentReport> {
    let mut reports: Vec<Option<SpecReport>> = Vec::with_capacity(items.len());
    let mut records: Vec<Option<Record>> = Vec::with_capacity(items.len());
    let (tell, told) = mpsc::channel();
    let settled = std::thread::scope(|scope| {
        for (at, item) in items.into_iter().enumerate() {
            match item {
                Item::Settled(report) => {
                    reports.push(Some(report));
                    records.push(None);
                }
                Item::Start(start) => {
                    reports.push(None);
                    records.push(Some(start.record.clone()));
                    let tell = tell.clone();
                    scope.spawn(move || work(acceptance, at, *start, &tell));
                }
            }
        }
        drop(tell);
        settle_as_told(acceptance, &told, &records, &mut reports)
    });
    let lost = settled?;
    let mut specs: Vec<SpecReport> = reports.into_iter().flatten().collect();
    for spec in specs.iter_mut().filter(|spec| lost.contains(&spec.name)) {
        *spec = superseded(spec);
    }
    Ok(AgentReport::of_specs(acceptance.agent, &acceptance.run_id, specs))
}

/// Another command took the record over meanwhile (a stop, say): it has the last word.
fn superseded(spec: &SpecReport) -> SpecReport {
    SpecReport {
        action: SpecAction::None,
        pid: None,
        healthy: Some(false),
        error: Some(format!("service `{}` was stopped or replaced by another command meanwhile", spec.name)),
        failure: Some(FailureClass::Claimed),
        ..spec.clone()
    }
}

/// One start, from its performance to its first health.
fn work(acceptance: &Acceptance<'_>, at: usize, start: Start, tell: &Sender<Told>) {
    // The receiver outlives every worker; a failure to tell cannot happen.
    let change = |change| drop(tell.send(Told::Change(at, change)));
    let (started, performed) = perform::perform(acceptance, start);
    let report = match performed {
        Performed::Started { process, at: moment, log_from } => {
            let running = running(&started.record, &process, moment);
            log::info!("service `{}` runs: pid {}, shim {}", running.name, process.service.pid, process.shim.pid);
            change(Change::Running { process: process.clone(), at: moment });
            (acceptance.progress)(Progress::Started { name: running.name.clone(), pid: process.service.pid });
            if acceptance.request.waits {
                await_health(acceptance, &started, &running, &process, log_from, &change)
            } else {
                SpecReport { pid: Some(process.service.pid), ..started.report }
            }
        }
        Performed::Refused(why) => {
            ending::forget(&acceptance.context.root, &started.record.name, &started.generation);
            change(Change::Gone);
            failed(started.report, FailureClass::Spawn, why, Vec::new())
        }
        Performed::OldLives(error) => {
            change(Change::Stuck);
            failed(started.report, FailureClass::Spawn, error.chain(), Vec::new())
        }
    };
    drop(tell.send(Told::Done(at, Box::new(report))));
}

fn running(claimed: &Record, process: &Process, at: EpochMs) -> Record {
    Record {
        status: Status::Running,
        alive: true,
        pid: Some(process.service.pid),
        process: Some(process.clone()),
        started_at: Some(at),
        claim: None,
        previous: None,
        ..claimed.clone()
    }
}

fn await_health(
    acceptance: &Acceptance<'_>,
    started: &Started,
    running: &Record,
    process: &Process,
    log_from: u64,
    change: &dyn Fn(Change),
) -> SpecReport {
    let name = running.name.clone();
    let say = |words: String, is_up| (acceptance.progress)(Progress::Done { name: name.clone(), words, is_up });
    let why = match first_health::wait(acceptance, running, process) {
        FirstHealth::Passed { after, proof } => {
            change(Change::Healthy { proof, at: EpochMs::now() });
            say(format!("healthy after {} ms", after.as_millis()), true);
            return SpecReport { pid: Some(process.service.pid), healthy: Some(true), ..started.report.clone() };
        }
        FirstHealth::Exited => None,
        FirstHealth::Failed(why) => Some(why),
    };
    let seen = why.is_none().then(|| await_exit_record(acceptance, started, process)).flatten();
    let log_tail = tail::tail(running.log_path.as_ref(), log_from);
    let undone = perform::undo(acceptance, running);
    let (fate, extra) = match undone {
        Ok(_) => (Change::Gone, String::new()),
        Err(error) => (Change::Stuck, format!("; moreover {}", error.chain())),
    };
    let why = why.unwrap_or_else(|| format!("it exited before it was healthy ({})", exit_words(seen)));
    change(fate);
    say(why.clone(), false);
    failed(started.report.clone(), FailureClass::Healthcheck, why + &extra, log_tail)
}

/// What the shim wrote about the end of a service that is known to have ended: it writes at once, and then it may have a
/// tree to end.
#[expect(clippy::disallowed_methods, reason = "a file of another process can only be looked for, within a bound")]
fn await_exit_record(acceptance: &Acceptance<'_>, started: &Started, process: &Process) -> Option<ExitRecord> {
    const LOOK_EVERY: Duration = Duration::from_millis(1);
    let root = &acceptance.context.root;
    let give_up = monotonic() + EXIT_RECORD_LIMIT;
    loop {
        let seen = ending::read_exit(root, &started.record.name, &started.generation);
        let shim_is_gone = crate::process::hold(&process.shim).is_err();
        if seen.is_some() {
            return seen;
        }
        if shim_is_gone || monotonic() >= give_up {
            // It may have written between the look and its end.
            return ending::read_exit(root, &started.record.name, &started.generation);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// How a service ended, for people.
pub(super) fn exit_words(exit: Option<ExitRecord>) -> String {
    match exit.map(|record| record.exit) {
        Some(Exit::Code(code)) => format!("exit code {code}"),
        Some(Exit::Signal(signal)) => format!("ended by signal {signal}"),
        Some(Exit::Unknown) | None => "exit code unknown".to_owned(),
    }
}

fn failed(report: SpecReport, class: FailureClass, why: String, log_tail: Vec<String>) -> SpecReport {
    SpecReport {
        action: SpecAction::None,
        healthy: Some(false),
        error: Some(why),
        failure: Some(class),
        log_tail,
        ..report
    }
}

/// Writes what the workers tell: first once the window is over or all are done, then at each piece of news. Returns the
/// names whose claims no longer stood.
fn settle_as_told(
    acceptance: &Acceptance<'_>,
    told: &Receiver<Told>,
    records: &[Option<Record>],
    reports: &mut [Option<SpecReport>],
) -> Result<Vec<String>> {
    let mut waiting: Vec<(usize, Change)> = Vec::new();
    let mut lost = Vec::new();
    let mut window_ends: Option<Instant> = None;
    let mut is_disconnected = false;
    while !is_disconnected || !waiting.is_empty() {
        let is_done = is_disconnected || reports.iter().all(Option::is_some);
        let is_due = !waiting.is_empty() && (is_done || window_ends.is_some_and(|end| monotonic() >= end));
        if is_due {
            write(acceptance, std::mem::take(&mut waiting), records, &mut lost)?;
            continue;
        }
        let limit = window_ends.filter(|_| !waiting.is_empty()).map(|end| end.saturating_duration_since(monotonic()));
        match limit.map_or_else(|| told.recv().map_err(RecvTimeoutError::from), |limit| told.recv_timeout(limit)) {
            Ok(Told::Change(at, change)) => {
                window_ends.get_or_insert_with(|| monotonic() + SETTLE_WINDOW);
                waiting.push((at, change));
            }
            Ok(Told::Done(at, report)) => reports[at] = Some(*report),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => is_disconnected = true,
        }
    }
    Ok(lost)
}

/// One change of the state for all that is waiting. A start whose record another command has taken over is undone. If the
/// state cannot be written at all, nothing is: a full disk must not cost a running service.
fn write(
    acceptance: &Acceptance<'_>,
    changes: Vec<(usize, Change)>,
    records: &[Option<Record>],
    lost: &mut Vec<String>,
) -> Result<()> {
    let of = |at: usize| records[at].as_ref().expect("only starts tell of changes, and each has its record");
    let changed = acceptance.context.store().change("accept", |document| {
        let mut overtaken = Vec::new();
        for (at, change) in &changes {
            if !apply(document, of(*at), change) {
                overtaken.push(*at);
            }
        }
        overtaken
    });
    let undo = |at: usize| {
        let process = changes.iter().find_map(|(other, change)| match change {
            Change::Running { process, at: moment } if *other == at => Some(running(of(at), process, *moment)),
            Change::Running { .. } | Change::Healthy { .. } | Change::Gone | Change::Stuck => None,
        });
        process.map_or(Ok(None), |record| perform::undo(acceptance, &record))
    };
    match changed {
        Ok(changed) => {
            for at in changed.value {
                undo(at)?;
                lost.push(of(at).name.clone());
            }
            Ok(())
        }
        // The claim in the file names this process, and the shims' files name the services: nothing is lost, and the
        // services live on. The next reconcile settles what could not be written here.
        Err(error) => Err(error.into()),
    }
}

/// Applies `change` if the record is still about the generation that was claimed; says whether it was.
fn apply(document: &mut Document, claimed: &Record, change: &Change) -> bool {
    let Some(there) = document.find_mut(&claimed.name).filter(|there| there.generation == claimed.generation) else {
        // That nothing of it is left is true whoever has taken the record.
        return matches!(change, Change::Gone | Change::Stuck);
    };
    match change {
        Change::Running { .. } | Change::Healthy { .. } if there.status == Status::Stopping => return false,
        Change::Running { process, at } => {
            let settled = running(there, process, *at);
            *there = settled;
        }
        Change::Healthy { proof, at } => {
            there.healthy = true;
            there.last_health_at = Some(*at);
            there.health_proof = Some(*proof);
        }
        Change::Gone => {
            document.remove(&claimed.name);
        }
        Change::Stuck => {
            there.status = Status::Stopping;
            there.claim = None;
        }
    }
    true
}
