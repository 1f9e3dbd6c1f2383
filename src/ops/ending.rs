//! Ending one generation: the whole tree, with proof that none is left. Used by every verb that ends something. Its shim may
//! have given the service another life since the record was written: what is ended is the shim, at whichever life it is.
//! Impure: bars run folders.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::clock::EpochMs;
use crate::base::error::{Error, Kind, Result};
use crate::base::ids::Generation;
use crate::base::root::Root;
use crate::base::steps::{Step, reached};
use crate::lifecycle::stop::{self, Way};
use crate::process::{self, Cgroup, Manners, Remains, Signal, SignalError, StopOutcome};
use crate::service::{ExitRecord, Identity, Process, Record, StopSignal};
use crate::state::{self, Started};

use super::facts;

/// How long beyond the grace a shim may take to kill its tree and write down the exit.
const SHIM_MARGIN: Duration = Duration::from_secs(5);

/// So often a run folder is looked for that its shim renames meanwhile: each further time needs another life of its service.
const MOVES_MAX: usize = 10;

/// One generation to be ended, all that is known of it.
#[derive(Clone, Debug)]
pub struct Target {
    /// The name of its record.
    pub name: String,
    /// Which: the newest life by its shim; `None`: a legacy record's.
    pub generation: Option<Generation>,
    /// Its processes, if it is known that it was spawned.
    pub process: Option<Process>,
    /// A legacy record's process.
    pub legacy_pid: Option<u32>,
    /// When it was spawned; tells a legacy record's process from a stranger.
    pub started_at: Option<EpochMs>,
    /// The system refuses to tell what its shim wrote down, so that nobody knows whether it was spawned.
    pub is_hidden: bool,
}

impl Target {
    /// The generation that `record` is about. Where the record does not tell its processes (its start was never
    /// settled), the shim's files may.
    pub fn of(root: &Root, record: &Record) -> Self {
        let target = Self {
            name: record.name.clone(),
            generation: record.generation.clone(),
            process: record.process.clone(),
            legacy_pid: record.pid.filter(|_| record.generation.is_none()),
            started_at: record.started_at,
            is_hidden: false,
        };
        target.with_evidence(root)
    }

    /// A generation of which only the shim's files tell.
    pub fn of_generation(root: &Root, name: &str, generation: &Generation) -> Self {
        let (name, generation) = (name.to_owned(), Some(generation.clone()));
        let (process, legacy_pid, started_at, is_hidden) = (None, None, None, false);
        Self { name, generation, process, legacy_pid, started_at, is_hidden }.with_evidence(root)
    }

    /// Where its shim's files are.
    pub fn run_dir(&self, root: &Root) -> Option<PathBuf> {
        self.generation.as_ref().map(|generation| root.run_dir(&self.name, generation))
    }

    /// The generation that `record`'s was to replace, if a command died between the two.
    pub fn previous(root: &Root, record: &Record) -> Option<Self> {
        let previous = record.previous.as_ref()?;
        let target = Self {
            name: record.name.clone(),
            generation: previous.generation.clone(),
            process: previous.process.clone(),
            legacy_pid: previous.legacy_pid,
            started_at: previous.started_at,
            is_hidden: false,
        };
        Some(target.with_evidence(root))
    }

    fn with_evidence(mut self, root: &Root) -> Self {
        let Some(known) = &self.generation else { return self };
        let newest = state::newest_life(root, &self.name, known).unwrap_or_else(|| known.clone());
        if self.process.is_some() && newest == *known {
            return self;
        }
        let run_dir = root.run_dir(&self.name, &newest);
        self.generation = Some(newest);
        match read_started(&run_dir) {
            Some((process, at)) => (self.process, self.started_at) = (Some(process), Some(at)),
            // Its shim is the same in all its lives.
            None => self.is_hidden = self.process.is_none() && state::is_refused(&run_dir),
        }
        self
    }
}

/// The processes that the shim of a generation wrote down, and when the service was spawned. A shim that is gone took its own
/// file with it: its service stands for both then, which is as dead.
pub fn read_started(run_dir: &Path) -> Option<(Process, EpochMs)> {
    let started = state::read_service(run_dir).ok().flatten()?;
    let shim = read_shim_or(run_dir, &started);
    Some((Process { service: started.service, shim }, started.at))
}

/// The shim of a run folder, or, where it is gone with its file, its service.
pub(super) fn read_shim_or(run_dir: &Path, started: &Started) -> Identity {
    state::read_shim(run_dir).ok().flatten().unwrap_or_else(|| started.service.clone())
}

/// Ends the generation that `record` is about. See [`end_target`].
pub fn end(root: &Root, record: &Record, grace: Duration) -> Result<Option<ExitRecord>> {
    end_target(root, &Target::of(root, record), grace)
}

/// Ends `target`: by its shim, or without it if that is gone; as it was told at its start, else with `grace`. On success no process of it is left; the exit is what the
/// shim wrote, `None` if nobody saw it. Errors: `stop-unproven` when it cannot be told who lives (nothing was signalled),
/// `stop-survivors` when something would not die.
pub fn end_target(root: &Root, target: &Target, grace: Duration) -> Result<Option<ExitRecord>> {
    let manners = manners(root, target, grace);
    let target = barred(root, target);
    let (name, known_generation) = (target.name.clone(), target.generation.clone());
    let way = stop::way(target.generation.is_none(), &facts::for_stop(root, &target));
    log::info!("service `{}` is ended: {way:?}", target.name);
    if way == Way::AskShim {
        begin(root, &target);
    }
    let known = target.process.as_ref();
    match way {
        Way::Forget => {}
        Way::AskShim => {
            ask_shim(&target.name, known, manners.grace)?;
            // The shim went because it was alone, unless it was killed meanwhile: then this finds who is left, in which life ever.
            let target = target.with_evidence(root);
            let known = target.process.as_ref();
            if stop::way(false, &facts::for_stop(root, &target)) != Way::Forget {
                end_marked(root, &target, known.map(|process| &process.service), manners)?;
            }
        }
        Way::EndMarked => end_marked(root, &target, known.map(|process| &process.service), manners)?,
        Way::EndLegacy => {
            let pid = target.legacy_pid.unwrap_or_default();
            let identity = process::observe_identity(pid).map_err(|error| unproven(&target.name, error))?;
            end_marked(root, &target, identity.as_ref(), manners)?;
        }
        Way::Refuse => {
            let is_elsewhere = known.is_some_and(|process| process::is_elsewhere(&process.service));
            return Err(if is_elsewhere { elsewhere(&target.name) } else { unseen(&target.name) });
        }
    }
    Ok(known_generation.and_then(|generation| read_exit(root, &name, &generation)))
}

/// Ends the generation of `record` and the one that it was to replace, if a command died between the two, whose files go.
/// Returns how the first ended.
pub fn end_both(root: &Root, record: &Record, grace: Duration) -> Result<Option<ExitRecord>> {
    let exit = end(root, record, grace)?;
    end_previous(root, record, grace)?;
    Ok(exit)
}

/// Ends the generation that `record`'s was to replace, if there is one, and removes its files.
pub fn end_previous(root: &Root, record: &Record, grace: Duration) -> Result<()> {
    let Some(older) = Target::previous(root, record) else { return Ok(()) };
    end_target(root, &older, grace)?;
    older.generation.iter().for_each(|generation| forget(root, &older.name, generation));
    Ok(())
}

/// What the shim of a generation wrote about its end, or about that of the newest life which it has started since.
pub fn read_exit(root: &Root, name: &str, generation: &Generation) -> Option<ExitRecord> {
    let newest = state::newest_life(root, name, generation)?;
    state::read_exit(&root.run_dir(name, &newest)).ok().flatten()
}

/// How the life `generation` ended, or, if its shim has started another one since that has ended too, how that did.
pub fn read_exit_since(root: &Root, name: &str, generation: &Generation) -> Option<ExitRecord> {
    let newest = state::newest_life(root, name, generation)?;
    let ended = state::read_ended(&root.run_dir(name, &newest)).ok().flatten()?;
    (ended.generation >= *generation).then_some(ended.exit)
}

/// Removes what the shim of an ended generation left behind, of all its lives. What cannot be removed is found by the next sweep.
pub fn forget(root: &Root, name: &str, generation: &Generation) {
    group(root, name, generation).iter().for_each(Cgroup::remove);
    state::remove_lives(root, name, generation);
}

/// The control group of a generation's shim, if it has one still.
fn group(root: &Root, name: &str, generation: &Generation) -> Option<Cgroup> {
    let newest = state::newest_life(root, name, generation).map(|life| root.run_dir(name, &life));
    let dirs = [newest, state::barred_life(root, name, generation)];
    dirs.into_iter().flatten().find_map(|dir| Cgroup::find(&dir, generation))
}

/// Marks that the end of `target` has begun, before anything is signalled: whoever recovers what this command leaves must not
/// take a service for one that goes on. On a full disk there is no mark; the service is ended all the same.
fn begin(root: &Root, target: &Target) {
    for _ in 0..MOVES_MAX {
        let newest = target.generation.as_ref().and_then(|known| state::newest_life(root, &target.name, known));
        let Some(newest) = newest else { break };
        let dir = root.run_dir(&target.name, &newest);
        // Where the folder has moved on meanwhile, the mark belongs into that of the life that has begun.
        if state::mark_ending(&dir).is_ok() || dir.is_dir() {
            break;
        }
    }
    reached(Step::EndBegun);
}

/// Whether somebody has begun to end `target`.
pub fn is_begun(root: &Root, target: &Target) -> bool {
    target.run_dir(root).is_some_and(|dir| state::is_ending(&dir))
}

/// Makes sure that a generation of which no service is known gets none any more: its shim may have had its word from a
/// command that is dead by now and be just about to start the service. A shim that finds its folder gone cannot write down
/// whom it started, and ends it at once; nor does it start another life. If it was faster, its file tells.
#[expect(clippy::disallowed_methods, reason = "bars the run folder of a generation that nobody is to start any more")]
fn barred(root: &Root, target: &Target) -> Target {
    let mut target = target.clone();
    let Some(known) = target.generation.clone().filter(|_| target.process.is_none() && !target.is_hidden) else {
        return target;
    };
    for _ in 0..MOVES_MAX {
        // There is none yet, or somebody else has done it.
        let Some(newest) = state::newest_life(root, &target.name, &known) else { break };
        let aside = root.run_dir_barred(&target.name, &newest);
        if std::fs::rename(root.run_dir(&target.name, &newest), &aside).is_ok() {
            break;
        }
    }
    let Some(aside) = state::barred_life(root, &target.name, &known) else { return target };
    target.process = read_started(&aside).map(|(process, _)| process);
    target.is_hidden = target.process.is_none() && state::is_refused(&aside);
    target
}

/// Asks the shim to end its tree and waits until it has gone.
fn ask_shim(name: &str, known: Option<&Process>, grace: Duration) -> Result<()> {
    let Some(process) = known else { return Ok(()) };
    let shim = match process::hold(&process.shim) {
        Ok(shim) => shim,
        Err(SignalError::Gone) => return Ok(()),
        Err(why @ (SignalError::Unproven | SignalError::Refused(_))) => return Err(unproven(name, why)),
    };
    // A shim that somebody has stopped takes its SIGTERM only once it goes on.
    match shim.send(Signal::TERM).and_then(|()| shim.send(Signal::CONT)) {
        Ok(()) | Err(SignalError::Gone) => {}
        Err(why @ (SignalError::Unproven | SignalError::Refused(_))) => return Err(unproven(name, why)),
    }
    reached(Step::EndAsked);
    if shim.wait_end(grace.saturating_add(SHIM_MARGIN)).map_err(|error| unproven(name, error))? {
        return Ok(());
    }
    Err(survivors(name, &format!("its shim (pid {}) is still at it", process.shim.pid)))
}

/// How the generation is asked to end: as its shim was told when it was started, by whoever does it. Without orders, as any
/// service that declares nothing, with `grace`.
fn manners(root: &Root, target: &Target, grace: Duration) -> Manners {
    let dir = target.generation.as_ref().map(|generation| root.run_dir(&target.name, generation));
    let orders = dir.and_then(|dir| state::read_launch(&dir).ok().flatten());
    orders.map_or(Manners { signal: StopSignal::default(), grace }, |launch| Manners {
        signal: launch.stop_signal,
        grace: Duration::from_millis(launch.grace_ms),
    })
}

fn end_marked(root: &Root, target: &Target, known: Option<&Identity>, manners: Manners) -> Result<()> {
    let generation = target.generation.as_ref();
    let group = generation.and_then(|generation| group(root, &target.name, generation));
    // The pid of one in another pid namespace names nobody here; its mark does, where it can be seen.
    let known = known.filter(|known| !process::is_elsewhere(known));
    let stopped = process::stop_marked(Remains { generation, known, group: group.as_ref() }, manners);
    match stopped.map_err(|error| unproven(&target.name, error))? {
        StopOutcome::Ended(_) => Ok(()),
        StopOutcome::Survivors(left) => {
            let pids: Vec<String> = left.iter().map(|identity| identity.pid.to_string()).collect();
            Err(survivors(&target.name, &format!("these processes would not end: {}", pids.join(", "))))
        }
    }
}

fn unproven(name: &str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    let message = format!("cannot tell which processes of service `{name}` are alive, so none was signalled");
    Error { source: Some(source.into()), ..Error::new(Kind::Unforeseen, "stop-unproven", message) }
        .with_hint("its record stays; run as the user who started it, with open files to spare (`ulimit -n`)")
}

fn unseen(name: &str) -> Error {
    unproven(name, std::io::Error::other("the process cannot be seen, so it cannot be proven to be ours"))
}

fn elsewhere(name: &str) -> Error {
    let message =
        format!("service `{name}` runs in another pid namespace (a container's), so none of it was signalled");
    Error::new(Kind::Unforeseen, "stop-elsewhere", message)
        .with_hint("its record stays; call this there, or end that container and then sweep")
}

fn survivors(name: &str, why: &str) -> Error {
    Error::new(Kind::Unforeseen, "stop-survivors", format!("service `{name}` is not ended: {why}"))
        .with_hint("its record stays; the next stop or sweep tries again")
}
