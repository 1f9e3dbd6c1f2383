//! What must hold: at every moment of the state file, and after an undisturbed `reconcile` of everything. What a process is, the
//! machine knows; nothing is believed that the program says of it.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use minions_managed::base::clock::EpochMs;
use minions_managed::base::ids::Generation;
use minions_managed::base::root::Root;
use minions_managed::lifecycle::invariants::{self, Facts, Maker, Seen};
use minions_managed::service::{Identity, Liveness, Record, Status};
use minions_managed::state::{Document, Store};

use crate::machine::{Kind, Machine};
use crate::promises::Promises;
use crate::sim::Sim;

/// The invariants that hold whatever anybody is in the middle of.
const ALWAYS: [&str; 4] = ["record-doubled", "generation-doubled", "record-contradicts", "ports-shared"];

pub(crate) fn root(sim: &Sim) -> Root {
    Root::at(sim.dir.join("root"))
}

fn read(sim: &Sim) -> Result<Document, String> {
    let root = root(sim);
    let read = Store::new(&root, Duration::ZERO).read();
    read.map_err(|error| format!("the state file cannot be read: {error}"))
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
    let mut recorded: BTreeSet<&Generation> = BTreeSet::new();
    for record in &document.records {
        complaints.extend(of_record(record, machine, &root));
        recorded.extend(&record.generation);
    }
    for proc in machine.living() {
        let what = match &proc.kind {
            Kind::Bystander | Kind::Command => continue,
            Kind::Shim(_) => {
                let run_dir = proc.inside.args.get(1).and_then(|dir| dir.rsplit('/').next());
                let generation = run_dir.and_then(Generation::parse);
                generation.filter(|generation| !recorded.contains(generation)).map(|_| "shim")
            }
            Kind::Service(_) => proc.inside.mark.as_ref().filter(|mark| !recorded.contains(mark)).map(|_| "service"),
            Kind::Descendant { .. } => {
                proc.inside.mark.as_ref().filter(|mark| !recorded.contains(mark)).map(|_| "descendant")
            }
        };
        complaints.extend(
            what.map(|what| format!("a {what} of `{}` lives (pid {}) and is in no record", proc.name, proc.pid)),
        );
    }
    let folders = run_folders(&root.run());
    let known: BTreeSet<String> = recorded.iter().map(ToString::to_string).collect();
    complaints.extend(folders.difference(&known).map(|folder| format!("the run folder of {folder} is left")));
    complaints
}

fn of_record(record: &Record, machine: &Machine, root: &Root) -> Vec<String> {
    let name = &record.name;
    let mut complaints = Vec::new();
    let mut say = |is_wrong: bool, words: &str| complaints.extend(is_wrong.then(|| format!("`{name}`: {words}")));
    say(record.claim.is_some(), "its claim is left");
    say(record.previous.is_some(), "what it replaces is left");
    say(record.status != Status::Running, &format!("it is `{}`", record.status.word()));
    let marks = |identity: &Identity| {
        let proc = machine.by_pid(identity.pid).and_then(|uid| machine.get(uid));
        proc.is_some_and(|proc| proc.inside.mark == record.generation)
    };
    let is_its_own = record.process.as_ref().is_some_and(|process| marks(&process.service));
    say(!is_its_own, "the recorded process is not of its generation");
    let has_orders = record.generation.as_ref().is_some_and(|own| root.run_dir(name, own).join("launch.json").exists());
    say(!has_orders, "its orders are gone");
    complaints
}

/// The names of the folders of all generations.
fn run_folders(run: &Path) -> BTreeSet<String> {
    let inside = |dir: &Path| std::fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
    inside(run)
        .flat_map(|name| inside(&name.path()))
        .map(|dir| dir.file_name().to_string_lossy().into_owned())
        .collect()
}
