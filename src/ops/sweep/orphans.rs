//! Generations that left files behind and stand in no record: a state file that was removed, a command that was killed at
//! the wrong moment, folders that nobody could remove.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use crate::base::clock::EpochMs;
use crate::base::error::{Error, Result};
use crate::base::ids::Generation;
use crate::base::root::Root;
use crate::base::steps::{Step, reached};
use crate::health::side_by_side;
use crate::lifecycle::orphan::{self, Action, Facts};
use crate::lifecycle::sweep::{Life, Shim};
use crate::process;
use crate::service::{Identity, Liveness, Process, Record, Status, is_kebab_case};
use crate::state::{self, Document, Known};

use super::super::chain;
use super::super::context::Context;
use super::super::ending::{self, Target};
use super::super::facts;
use super::report::Orphan;

/// How many are ended side by side; each waits, so that threads are all it costs.
const AT_ONCE_MAX: usize = 32;

/// One that was found, with what is due for it.
#[derive(Debug)]
pub(super) struct Found {
    target: Target,
    generation: Generation,
    /// Its record, as far as its files tell.
    record: Option<Record>,
    life: Life,
    action: Action,
    why: String,
}

/// Everything in the run folder that `document` does not speak of, and the names of which only a copy of a record is left; with
/// `is_thorough` also what takes a look at every folder and every process.
pub(super) fn observe(
    root: &Root,
    document: &Document,
    now: EpochMs,
    is_thorough: bool,
) -> Result<(Vec<Found>, Vec<String>)> {
    let known = known(document);
    let of_one = |record: &Record| {
        let is_one = !is_thorough && record.generation.is_some() && record.previous.is_none();
        if is_one { Known::One } else { Known::Other }
    };
    let names: HashMap<&str, Known> =
        document.records.iter().map(|record| (record.name.as_str(), of_one(record))).collect();
    let state::Left { generations: left, at_rest } =
        state::observe_left(root, |name| names.get(name).copied().unwrap_or(Known::None))?;
    let is_unknown = |generation: &Generation| !known.contains(generation.kin());
    let lost = if is_thorough { observe_shims(root)? } else { Vec::new() };
    let lost = lost.into_iter().filter(|found| {
        is_unknown(&found.generation) && !left.iter().any(|(_, generation)| generation.is_kin(&found.generation))
    });
    let lost: Vec<Found> = lost.collect();
    let unknown = left.into_iter().filter(|(_, generation)| is_unknown(generation));
    let found = unknown.map(|(name, generation)| look(root, document, name, generation, now)).chain(lost).collect();
    Ok((found, at_rest))
}

/// Every living shim of this root, as one whose folder is gone.
fn observe_shims(root: &Root) -> Result<Vec<Found>> {
    let shims = process::observe_shims(&root.run())
        .map_err(|error| Error::io("cannot look for shims in the process table", error))?;
    let found = |(shim, run_dir): (Identity, PathBuf)| {
        let name = run_dir.parent()?.to_str().filter(|name| is_kebab_case(name))?.to_owned();
        let generation = Generation::parse(run_dir.file_name()?.to_str()?)?;
        let mut target = Target::of_generation(root, &name, &generation);
        // Who its service is nobody knows any more; the shim ends its whole tree.
        target.process = Some(Process { service: shim.clone(), shim });
        let facts = Facts { life: &Life::Alive, shim: Liveness::Alive, obstacle: Some("its run folder is gone") };
        let (action, why) = orphan::decide(facts);
        Some(Found { target, generation, record: None, life: Life::Alive, action, why })
    };
    Ok(shims.into_iter().filter_map(found).collect())
}

/// What the generations that records are about, and every other life by their shims, are known by. It is never used twice, so that
/// the name does not matter.
fn known(document: &Document) -> HashSet<&str> {
    let current = document.records.iter().filter_map(|record| record.generation.as_ref());
    let previous = document.records.iter().filter_map(|record| record.previous.as_ref()?.generation.as_ref());
    current.chain(previous).map(Generation::kin).collect()
}

fn look(root: &Root, document: &Document, name: String, generation: Generation, now: EpochMs) -> Found {
    let generation = state::newest_life(root, &name, &generation).unwrap_or(generation);
    let run_dir = root.run_dir(&name, &generation);
    let record = state::read_one(&run_dir).and_then(|evidence| evidence.to_record(process::observe_liveness));
    let shim = state::read_shim(&run_dir).ok().flatten();
    let target = Target::of_generation(root, &name, &generation);
    // Orders that the system refuses to show are no orders that cannot be understood: for want of them nobody is ended.
    let is_hidden = record.is_none() && state::is_refused(&run_dir);
    let life = if is_hidden { Life::Unknown } else { facts::observe_life(root, &target) };
    let (life, record) = match record.as_ref().and_then(|record| waiting(root, record, &life, now)) {
        // What its shim is to start again is no less there than what runs.
        Some(waiting) => (Life::Alive, Some(waiting)),
        None => (life, record),
    };
    let obstacle = obstacle(document, record.as_ref(), now);
    let shim = shim.map_or(Liveness::Dead, |shim| process::observe_liveness(&shim));
    let (action, why) = orphan::decide(Facts { life: &life, shim, obstacle });
    Found { target, generation, record, life, action, why }
}

/// The record of a service that is dead and whose shim waits to start it again.
fn waiting(root: &Root, record: &Record, life: &Life, now: EpochMs) -> Option<Record> {
    let is_dead = matches!(life, Life::Dead(_));
    let waits = is_dead && matches!(chain::observe_shim(root, record), Shim::Waiting { .. });
    waits.then(|| chain::observe_newer(root, record, now)).flatten()
}

/// Why one that runs, or waits for its next start, cannot have its record back.
fn obstacle(document: &Document, record: Option<&Record>, now: EpochMs) -> Option<&'static str> {
    let is_whole = |record: &&Record| record.process.is_some() || record.status == Status::Backoff;
    let Some(record) = record.filter(is_whole) else {
        return Some("its orders cannot be read");
    };
    in_the_way(document, record, now)
}

/// Why `record` cannot be had back, whatever lives of it.
pub(super) fn in_the_way(document: &Document, record: &Record, now: EpochMs) -> Option<&'static str> {
    if record.ttl_expires_at.is_some_and(|at| at <= now) {
        return Some("its time to live is over");
    }
    document.has_namesake(record).then_some("another generation has its name")
}

/// Does what is due; what came of each, in their order.
pub(super) fn perform(context: &Context, found: Vec<Found>) -> Result<Vec<Orphan>> {
    if found.iter().all(|one| one.action == Action::Keep) {
        return Ok(found.into_iter().map(Found::planned).collect());
    }
    let adopted = adopt(context, &found)?;
    reached(Step::OrphanAdopted);
    let fresh = context.store().read()?;
    let known = known(&fresh);
    let ended = side_by_side(&found, AT_ONCE_MAX, |one| match one.action {
        Action::Keep | Action::Adopt => Ok(true),
        // A command may have claimed it since it was looked at.
        Action::Stop | Action::Forget if known.contains(one.generation.kin()) => Ok(false),
        Action::Stop | Action::Forget => end(context, one).map(|()| true),
    });
    let tell = |(at, (one, ended)): (usize, (Found, Result<bool>))| {
        let is_overtaken = matches!(ended, Ok(false)) || one.action == Action::Adopt && !adopted.contains(&at);
        Orphan { is_overtaken, error: ended.err(), ..one.planned() }
    };
    Ok(found.into_iter().zip(ended).enumerate().map(tell).collect())
}

/// Gives each that is to be adopted its record, unless something else has its name by now; which of them got it.
fn adopt(context: &Context, found: &[Found]) -> Result<Vec<usize>> {
    let wanted: Vec<(usize, &Record)> = (found.iter().enumerate())
        .filter(|(_, one)| one.action == Action::Adopt)
        .filter_map(|(at, one)| Some((at, one.record.as_ref()?)))
        .collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let changed = context.store().change(super::VERB, |document| {
        let mut adopted = Vec::new();
        for (at, record) in wanted {
            if obstacle(document, Some(record), EpochMs::now()).is_none() {
                document.put(record.clone());
                adopted.push(at);
            }
        }
        adopted
    })?;
    Ok(changed.value)
}

fn end(context: &Context, one: &Found) -> Result<()> {
    ending::end_target(&context.root, &one.target, context.stop_grace())?;
    reached(Step::OrphanEnded);
    ending::forget(&context.root, &one.target.name, &one.generation);
    Ok(())
}

impl Found {
    /// The name of the record that it is to have back.
    pub(super) fn adopts(&self) -> Option<&str> {
        (self.action == Action::Adopt).then_some(self.target.name.as_str())
    }

    /// Nothing has been done for it yet.
    pub(super) fn planned(self) -> Orphan {
        Orphan {
            pid: self.target.process.as_ref().map(|process| process.service.pid),
            name: self.target.name,
            generation: self.generation.to_string(),
            action: self.action,
            why: self.why,
            was_alive: self.life == Life::Alive,
            is_overtaken: false,
            error: None,
        }
    }
}
