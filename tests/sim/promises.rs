//! What a story has reason to expect: services that nobody had anything to do with go on, those that their policy always starts again
//! keep their records whatever is killed, no sidecar is lost, and each is decided once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use minions_managed::runs::{Leases, Listing, Run, RunStatus, RunStore, text_hash};
use minions_managed::service::{Record, RestartMode};

use crate::check;
use crate::faults::Faults;
use crate::machine::Machine;
use crate::model::Model;
use crate::role::Role;
use crate::script::{Act, Whom};
use crate::sim::Sim;

/// A service with less time to live than this is nobody's promise.
const TIME_LEFT_MIN_MS: i64 = 20 * 60 * 1000;
/// After so long anything may be over.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// After so long the time to live may be.
const LONG_WAIT_MAX: Duration = Duration::from_secs(300);

/// What is expected.
#[derive(Debug, Default)]
pub(crate) struct Promises {
    /// Services that ran when peace was made, and would for ever.
    steady: BTreeSet<String>,
    /// Services that are started again whatever becomes of them, and have time left for that.
    kept: BTreeSet<String>,
    /// Of each agent, what it has written last.
    sidecars: BTreeMap<String, String>,
    /// Every text that was written, with how often.
    texts: BTreeMap<String, usize>,
    /// Of each agent, the names in it.
    declared: BTreeMap<String, Vec<String>>,
    /// Sidecars written so far.
    pub(crate) written: u64,
}

impl Promises {
    /// After `act` some services may end, or be others.
    pub(crate) fn hear(&mut self, act: &Act) {
        self.hear_of_kept(act);
        match act {
            Act::Declare { agent, specs, .. } => {
                let names: Vec<String> = specs.iter().filter_map(|spec| spec.first().cloned()).collect();
                self.steady.retain(|name| !names.contains(name));
                self.declared.insert(agent.clone(), names);
            }
            Act::Run(words) | Act::Begin(words) => match words.first().map(String::as_str) {
                Some("stop" | "renew") => drop(words.iter().map(|name| self.steady.remove(name)).count()),
                Some("release" | "remove-project") => self.steady.clear(),
                Some(_) | None => {}
            },
            Act::Kill(Whom::Service(name) | Whom::Shim(name)) | Act::Reuse(name) => drop(self.steady.remove(name)),
            Act::Die(death) => match &death.who {
                Role::Shim(name) => drop(self.steady.remove(name)),
                Role::Command | Role::Follower(_) => {}
            },
            Act::Wait(span) if *span < WAIT_MAX => {}
            // A full disk costs no service.
            Act::Fault(Faults::None | Faults::DiskFull | Faults::ReadOnly) => {}
            Act::Wait(_) | Act::Fault(_) | Act::Clock(_) | Act::Reboot | Act::Tear(_) | Act::Sidecar { .. } => {
                self.steady.clear();
            }
            Act::Connect(_) | Act::Disconnect(_) | Act::AskLoops | Act::Freeze(_) | Act::Thaw(_) => {}
            Act::Kill(Whom::Commands)
            | Act::Steps(_)
            | Act::Until(_)
            | Act::Join
            | Act::Processes
            | Act::State
            | Act::Peace => {}
        }
    }

    /// The same for those that are started again.
    fn hear_of_kept(&mut self, act: &Act) {
        match act {
            Act::Declare { specs, .. } => {
                let names: Vec<&String> = specs.iter().filter_map(|spec| spec.first()).collect();
                self.kept.retain(|name| !names.contains(&name));
            }
            Act::Run(words) | Act::Begin(words) => match words.first().map(String::as_str) {
                Some("stop" | "renew") => self.kept.retain(|name| !words.contains(name)),
                Some("release" | "remove-project") => self.kept.clear(),
                Some(_) | None => {}
            },
            Act::Wait(span) if *span > LONG_WAIT_MAX => self.kept.clear(),
            Act::Clock(_) | Act::Tear(_) | Act::Sidecar { .. } => self.kept.clear(),
            Act::Wait(_)
            | Act::Reboot
            | Act::Fault(_)
            | Act::Connect(_)
            | Act::Disconnect(_)
            | Act::AskLoops
            | Act::Freeze(_)
            | Act::Thaw(_)
            | Act::Kill(_)
            | Act::Reuse(_)
            | Act::Die(_)
            | Act::Steps(_)
            | Act::Until(_)
            | Act::Join
            | Act::Processes
            | Act::State
            | Act::Peace => {}
        }
    }

    /// `agent` has written `text`, which nobody has before.
    pub(crate) fn hear_sidecar(&mut self, agent: &str, text: &str) {
        self.written += 1;
        self.sidecars.insert(agent.to_owned(), text.to_owned());
        *self.texts.entry(text_hash(text.as_bytes())).or_default() += 1;
    }

    /// What was expected and is not so, now that there is peace; and what is to be expected from here on.
    pub(crate) fn judge(&mut self, sim: &Sim, records: &[Record]) -> Vec<String> {
        let is_there = |name: &String| records.iter().any(|record| record.name == *name);
        let lost = self.steady.union(&self.kept).filter(|name| !is_there(name));
        let mut complaints: Vec<String> = lost.map(|name| format!("`{name}` ran, and is lost")).collect();
        complaints.extend(self.sidecars.iter().filter_map(|(agent, text)| of_sidecar(sim, agent, text)));
        complaints.extend(self.of_runs(sim));
        let inner = sim.lock();
        // Whoever decides what is pending may replace them by something else.
        let is_decided = |agent: &String| !check::root(sim).agents().join(agent).join("managed-spawn.json").exists();
        let is_nobodys =
            |name: &String| self.declared.iter().all(|(agent, names)| is_decided(agent) || !names.contains(name));
        let is_steady = |record: &&Record| is_nobodys(&record.name) && is_steady(record, &inner.machine);
        self.steady = records.iter().filter(is_steady).map(|record| record.name.clone()).collect();
        let is_kept = |record: &&Record| is_nobodys(&record.name) && is_kept(record, &inner.machine);
        self.kept = records.iter().filter(is_kept).map(|record| record.name.clone()).collect();
        complaints
    }
}

impl Promises {
    /// What is wrong with the runs, once nobody is at any: each sidecar was decided once, or waits and was decided by nobody.
    fn of_runs(&self, sim: &Sim) -> Vec<String> {
        let root = check::root(sim);
        let runs = match RunStore::new(&root).list() {
            Ok(Listing { runs, malformed }) if malformed.is_empty() => runs,
            other => return vec![format!("the runs cannot be read: {other:?}")],
        };
        let times = |hash: &str| {
            let is_of = |run: &&Run| run.sidecar.as_ref().is_some_and(|mark| mark.text_hash == hash);
            runs.iter().filter(is_of).filter(|run| run.place().is_some()).count()
        };
        let doubled = self.texts.iter().filter(|(hash, written)| times(hash) > **written);
        let mut complaints: Vec<String> =
            doubled.map(|(hash, _)| format!("the sidecar {hash} was decided {} times", times(hash))).collect();
        for (agent, text) in &self.sidecars {
            let (hash, dir) = (text_hash(text.as_bytes()), root.agents().join(agent));
            let stands = |name: &str| std::fs::read_to_string(dir.join(name)).is_ok_and(|found| found == *text);
            let is_pending = stands("managed-spawn.json");
            if self.texts.get(&hash) == Some(&1) && is_pending == (times(&hash) == 1) {
                let words = if is_pending { "pending, and decided" } else { "aside, and decided by no run" };
                complaints.push(format!("the sidecar of `{agent}` is {words}"));
            }
        }
        let claimed = runs.iter().filter(|run| run.status == RunStatus::Claimed);
        complaints.extend(claimed.map(|run| format!("{} is claimed, and nobody is at it", run.id)));
        let entries = Leases::new(&root, Duration::ZERO).read().unwrap_or_default();
        let left = entries.iter().filter(|entry| entry.lease.is_some());
        complaints.extend(left.map(|entry| format!("the lease at the sidecar of `{}` is left", entry.agent)));
        complaints
    }
}

/// Whether `record` stays whatever is killed: its service comes up each time, and is to be started again each time.
fn is_kept(record: &Record, machine: &Machine) -> bool {
    let is_always = record.spec.lifecycle.restart.as_ref().is_some_and(|policy| policy.mode == RestartMode::Always);
    is_always && has_time(record, machine) && Model::parse(&record.spec.args).comes_up()
}

fn has_time(record: &Record, machine: &Machine) -> bool {
    record.ttl_expires_at.is_some_and(|at| at.0 - machine.wall_ms > TIME_LEFT_MIN_MS)
}

fn is_steady(record: &Record, machine: &Machine) -> bool {
    let model = record.generation.as_ref().and_then(|generation| machine.model_of(generation));
    has_time(record, machine) && model.is_some_and(|model| model.is_steady())
}

/// Wherever it stands by now.
fn of_sidecar(sim: &Sim, agent: &str, text: &str) -> Option<String> {
    let dir = check::root(sim).agents().join(agent);
    let mut files = std::fs::read_dir(&dir).into_iter().flatten().filter_map(Result::ok);
    let is_there = files.any(|file| std::fs::read_to_string(file.path()).is_ok_and(|found| found == text));
    (!is_there).then(|| format!("the sidecar of `{agent}` is lost"))
}
