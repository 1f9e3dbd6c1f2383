//! What must hold: at every moment of the state file, and after an undisturbed `reconcile` of everything. What a process is, the
//! machine knows; nothing is believed that the program says of it.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use minions_managed::base::clock::EpochMs;
use minions_managed::base::ids::Generation;
use minions_managed::base::root::Root;
use minions_managed::lifecycle::invariants::{self, Facts, Maker, Seen};
use minions_managed::lifecycle::restart;
use minions_managed::service::{Activation, Identity, Liveness, Record, RestartMode, Status};
use minions_managed::state::{self, Document, Store};

use crate::machine::Machine;
use crate::proc::{Kind, Proc};
use crate::promises::Promises;
use crate::sim::Sim;

/// The invariants that hold whatever anybody is in the middle of.
const ALWAYS: [&str; 4] = ["record-doubled", "generation-doubled", "record-contradicts", "ports-shared"];

/// So much time passes at most between the look of an undisturbed `reconcile` and ours.
const UNSEEN_MS: i64 = 12_000;

pub(crate) fn root(sim: &Sim) -> Root {
    Root::at(sim.dir.join("root"))
}

fn read(sim: &Sim) -> Result<Document, String> {
    let root = root(sim);
    let read = Store::new(&root, Duration::ZERO).read();
    read.map_err(|error| format!("the state file cannot be read: {error}"))
}

/// What the state file says of each service, a line each.
pub(crate) fn shown(sim: &Sim) -> String {
    let line = |record: &Record| {
        let pid = record.pid.map_or_else(|| "no process".to_owned(), |pid| format!("pid {pid}"));
        let health = if record.healthy { ", healthy" } else { "" };
        format!("{}: {}, {pid}{health}\n", record.name, record.status.word())
    };
    read(sim).map_or_else(|why| why + "\n", |document| document.records.iter().map(line).collect())
}

/// What is wrong with the state file as it stands, by what must hold always.
pub(crate) fn of_state(sim: &Sim) -> Vec<String> {
    match read(sim) {
        Ok(document) => {
            let inner = sim.lock();
            let told = told(&document, &inner.machine);
            told.into_iter()
                .filter(|(code, _)| ALWAYS.contains(code))
                .map(|(code, words)| format!("{code}: {words}"))
                .collect()
        }
        Err(why) => vec![why],
    }
}

/// What the program's own invariants say of `document` on `machine`.
fn told(document: &Document, machine: &Machine) -> Vec<(&'static str, String)> {
    let seen = document.records.iter().map(|record| see(record, machine)).collect();
    let facts = Facts { seen, unrecorded: Vec::new(), grace: Duration::from_secs(5) };
    let complaints = invariants::complaints(&facts, EpochMs(machine.wall_ms));
    complaints.into_iter().map(|complaint| (complaint.code, complaint.sentence)).collect()
}

fn liveness(identity: &Identity, machine: &Machine) -> Liveness {
    let uid = machine.by_pid(identity.pid).filter(|_| identity.boot_id == machine.boot_id());
    let seen = uid.and_then(|uid| machine.seen(uid));
    let is_it = seen.is_some_and(|seen| seen.start_ticks == identity.start_ticks && !seen.is_zombie);
    if is_it { Liveness::Alive } else { Liveness::Dead }
}

fn see(record: &Record, machine: &Machine) -> Seen {
    let service = record.process.as_ref().map_or(Liveness::Dead, |process| liveness(&process.service, machine));
    Seen {
        service,
        shim: record.process.as_ref().map(|process| liveness(&process.shim, machine)),
        is_pid_foreign: service == Liveness::Dead && record.pid.is_some_and(|pid| machine.by_pid(pid).is_some()),
        maker: match &record.claim {
            None => Maker::Nobody,
            Some(claim) if liveness(&claim.maker, machine) == Liveness::Alive => Maker::At(claim.at),
            Some(_) => Maker::Dead,
        },
        record: record.clone(),
    }
}

/// What is not true after a `reconcile` that nobody disturbed.
pub(crate) fn of_peace(sim: &Sim, promises: &mut Promises) -> Vec<String> {
    let document = match read(sim) {
        Ok(document) => document,
        Err(why) => return vec![why],
    };
    let broken = promises.judge(sim, &document.records);
    let root = root(sim);
    let inner = sim.lock();
    let machine = &inner.machine;
    let mut complaints: Vec<String> = machine.complaints.iter().cloned().chain(broken).collect();
    complaints.extend(told(&document, machine).into_iter().map(|(code, words)| format!("{code}: {words}")));
    let recorded: BTreeSet<&Generation> = document.records.iter().flat_map(|record| &record.generation).collect();
    complaints.extend(document.records.iter().flat_map(|record| of_record(record, machine, &root)));
    complaints.extend(machine.living().filter_map(|proc| of_proc(proc, &recorded)));
    let folders = run_folders(&root.run());
    let known: BTreeSet<String> = recorded.iter().map(ToString::to_string).collect();
    complaints.extend(folders.difference(&known).map(|folder| format!("the run folder of {folder} is left")));
    complaints
}

/// What is wrong with a process that lives, where those generations are recorded. A shim lives for all lives that it gives.
fn of_proc(proc: &Proc, recorded: &BTreeSet<&Generation>) -> Option<String> {
    let is_recorded = match &proc.kind {
        Kind::Bystander | Kind::Command(_) => true,
        Kind::Shim(_) | Kind::Follower => {
            let run_dir = proc.inside.args.get(1).and_then(|dir| dir.rsplit('/').next());
            let generation = run_dir.and_then(Generation::parse);
            generation.is_none_or(|own| recorded.iter().any(|life| life.is_kin(&own)))
        }
        Kind::Service(_) | Kind::Descendant { .. } => {
            proc.inside.mark.as_ref().is_none_or(|mark| recorded.contains(mark))
        }
    };
    (!is_recorded).then(|| format!("{} lives and is in no record", proc.words()))
}

/// What is wrong with a record that nobody is at: it runs as it says, or it says why it does not.
fn of_record(record: &Record, machine: &Machine, root: &Root) -> Vec<String> {
    let name = &record.name;
    let mut complaints = Vec::new();
    let mut say = |is_wrong: bool, words: &str| complaints.extend(is_wrong.then(|| format!("`{name}`: {words}")));
    say(record.claim.is_some(), "its claim is left");
    say(record.previous.is_some(), "what it replaces is left");
    let (lifecycle, progress) = (&record.spec.lifecycle, &record.progress);
    let is_on_demand = lifecycle.activation == Activation::OnDemand;
    let is_started_again = restart::for_health(&record.spec).is_some();
    let is_shim = |identity: &Identity| {
        machine.by_pid(identity.pid).and_then(|uid| machine.get(uid)).is_some_and(|proc| proc.as_shim().is_some())
    };
    let dir = record.generation.as_ref().map(|own| root.run_dir(name, own));
    let has_shim = || {
        let shim = dir.as_ref().and_then(|dir| state::read_shim(dir).ok().flatten());
        shim.is_some_and(|shim| liveness(&shim, machine) == Liveness::Alive && is_shim(&shim))
    };
    match record.status {
        Status::Running => {
            let marks = |identity: &Identity| {
                let proc = machine.by_pid(identity.pid).and_then(|uid| machine.get(uid));
                proc.is_some_and(|proc| proc.inside.mark == record.generation)
            };
            let is_its_own = record.process.as_ref().is_some_and(|process| marks(&process.service));
            say(!is_its_own, "the recorded process is not of its generation");
            say(!dir.as_ref().is_some_and(|dir| dir.join("launch.json").exists()), "its orders are gone");
        }
        Status::Backoff => {
            say(!is_started_again, "it waits to be started again without a restart policy");
            // What has become due since `reconcile` looked is the next one's.
            let is_to_come = progress.next_at.is_some_and(|at| at.0 > machine.wall_ms - UNSEEN_MS);
            say(!has_shim() && !is_to_come, "nobody starts it again, though it is due");
        }
        Status::Failed => say(!is_started_again && !is_on_demand, "it has failed, and is kept for nothing"),
        Status::Stopped => {
            say(!is_on_demand && lifecycle.idle_stop_s.is_none(), "it is stopped, and nobody will ever start it");
        }
        Status::Queued | Status::Starting | Status::Stopping => say(true, &format!("it is `{}`", record.status.word())),
    }
    let is_said =
        progress.last_transition.as_ref().is_some_and(|last| !last.why.is_empty() && last.to == record.status);
    say(
        record.status != Status::Running && !is_said,
        &format!("it is `{}`, and does not say why", record.status.word()),
    );
    complaints
}

/// Whether nobody who is recorded as running has ended since `began` without a shim that would start it again: the next sweep finds
/// them.
pub(crate) fn is_quiet(sim: &Sim, began: Duration) -> bool {
    let Ok(document) = read(sim) else { return true };
    let inner = sim.lock();
    let machine = &inner.machine;
    document.records.iter().filter(|record| record.status == Status::Running).all(|record| {
        let has_time = record.ttl_expires_at.is_none_or(|at| at.0 > machine.wall_ms);
        let is_always = record.spec.lifecycle.restart.as_ref().is_some_and(|it| it.mode == RestartMode::Always);
        let is_dead = see(record, machine).service == Liveness::Dead;
        (is_always && has_time) || !is_dead || machine.deaths.get(&record.name).is_none_or(|at| *at < began)
    })
}

/// The names of the folders of all generations.
fn run_folders(run: &Path) -> BTreeSet<String> {
    let inside = |dir: &Path| std::fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
    inside(run)
        .flat_map(|name| inside(&name.path()))
        // Beside them may be a copy of a record.
        .filter(|dir| dir.path().is_dir())
        .map(|dir| dir.file_name().to_string_lossy().into_owned())
        .collect()
}
