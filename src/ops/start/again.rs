//! A new generation of services that have a record: the same declaration, program and passed environment. For whatever starts a
//! service a second time.

use crate::base::error::{Error, Kind, Result};
use crate::base::ids::Generation;
use crate::service::{Liveness, Record};
use crate::state::{Document, GroupCommit, SetAside};

use super::super::context::Context;
use super::super::{facts, find, recover};
use super::{
    By, Failure, FailureKind, OnFailure, OnProgress, PLANS_MAX, Start, Started, Starter, check_enabled, dismiss,
    insert, perform_and_settle, ready,
};

/// Which services to start anew, and how.
#[derive(Clone, Debug)]
pub struct Again<'a> {
    /// The records' names; one that stands twice is started once.
    pub names: &'a [String],
    /// The command's name, for the claims and the lock.
    pub verb: &'static str,
    /// On whose account. A start on a service's own leaves it to its restart policy if it fails.
    pub by: By,
    /// Wait for the first health pass.
    pub waits: bool,
    /// Nothing is done at all if one name is unknown or worked on by another command; else only that one is left out.
    pub is_all_or_none: bool,
    /// What was decided about: where a record is about something else by now, somebody was faster, and it is left as it is
    /// (`claimed`).
    pub only: Only<'a>,
}

/// What a start is about.
#[derive(Clone, Copy, Debug)]
pub enum Only<'a> {
    /// Whatever there is.
    Anything,
    /// These generations, one for each name.
    Generations(&'a [Option<Generation>]),
    /// This record of the only name, as long as nobody has worked on it.
    Life(&'a Record),
}

impl Only<'_> {
    fn is_about(self, at: usize, record: &Record) -> bool {
        match self {
            Self::Anything => true,
            Self::Generations(decided) => decided.get(at).is_some_and(|decided| *decided == record.generation),
            Self::Life(decided) => record.is_same_life(decided),
        }
    }
}

/// What came of all names.
#[derive(Debug)]
pub struct Report {
    /// One per name, in the order asked.
    pub items: Vec<Item>,
    /// Something unreadable in the state file was put aside.
    pub set_aside: Option<SetAside>,
}

/// What came of one name.
#[derive(Debug)]
pub struct Item {
    /// The record's name.
    pub name: String,
    /// The pid of what lives now: of the new generation, or of the one that was left as it is.
    pub pid: Option<u32>,
    /// The generation that the record is about now; `None` in a legacy record that was left as it is.
    pub generation: Option<Generation>,
    /// Whether it is healthy; `None` if nobody waited.
    pub healthy: Option<bool>,
    /// Why there is no new generation that is up.
    pub error: Option<Error>,
    /// Where its output goes.
    pub log_path: String,
    /// The last lines of that, of a new generation that failed.
    pub log_tail: Vec<String>,
}

/// One name on its way.
enum Slot {
    /// Claimed.
    Start(Box<Start>),
    /// Left as it is.
    Refused(Item),
}

/// Ends each service that `request` names and starts a new generation of it from its record, side by side. What is bound
/// to fail is refused before anything is ended. A new generation that does not come up is stopped, and its record stays,
/// as `failed`. Errors of the whole: `disabled` and `claimed` (exit 7), `no-such-service` (exit 6); those of single names
/// are in their items.
pub fn again(context: &Context, request: &Again<'_>, progress: OnProgress<'_>) -> Result<Report> {
    check_enabled(context)?;
    let writer = GroupCommit::new(context.store());
    let starter = Starter {
        context,
        writer: &writer,
        maker: facts::own_identity()?,
        verb: request.verb,
        by: request.by,
        waits: request.waits,
        on_failure: match request.by {
            By::Person | By::Need => OnFailure::Keep,
            By::Lifecycle(_) => OnFailure::Policy,
        },
        progress,
    };
    let mut names: Vec<&String> = Vec::with_capacity(request.names.len());
    for name in request.names {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    for _ in 0..PLANS_MAX {
        if let Some(slots) = claim(&starter, &names, request)? {
            return Ok(Report { items: perform(&starter, slots)?, set_aside: writer.set_aside() });
        }
        log::info!("another command changed these services meanwhile, or had left them: planning anew");
    }
    let message = "other commands changed these services again and again while this one decided";
    Err(Error::new(Kind::Conflict, "claimed", message).with_hint("nothing was done; try again"))
}

/// Claims what can be started, in one change of the state; `None` if all is to be looked at anew.
fn claim(starter: &Starter<'_>, names: &[&String], request: &Again<'_>) -> Result<Option<Vec<Slot>>> {
    let document = starter.writer.read_or_recover(starter.verb)?;
    let free = |(at, name): (usize, &&String)| {
        let record = find::find(&document, name)?;
        facts::check_turn(record)?;
        if request.only.is_about(at, record) { Ok(record) } else { Err(overtaken(record)) }
    };
    let mut found: Vec<Result<&Record>> = names.iter().enumerate().map(free).collect();
    if request.is_all_or_none
        && let Some(at) = found.iter().position(Result::is_err)
    {
        found.swap_remove(at)?;
    }
    if recover(starter, &mut found) {
        return Ok(None);
    }
    let mut slots = Vec::with_capacity(names.len());
    for (name, found) in names.iter().zip(found) {
        slots.push(match found.and_then(|old| prepare(starter, &document, old)) {
            Ok(start) => Slot::Start(Box::new(start)),
            Err(error) => Slot::Refused(refused(&document, name, error)),
        });
    }
    if slots.iter().all(|slot| matches!(slot, Slot::Refused(_))) {
        return Ok(Some(slots));
    }
    match starter.writer.change(starter.verb, |fresh| insert(fresh, slots.iter().filter_map(Slot::start))) {
        Ok(true) => Ok(Some(slots)),
        Ok(false) => {
            dismiss(slots.into_iter().filter_map(Slot::into_start));
            Ok(None)
        }
        Err(error) => {
            dismiss(slots.into_iter().filter_map(Slot::into_start));
            Err(error)
        }
    }
}

fn overtaken(record: &Record) -> Error {
    let message = format!("service `{}` was started by another command meanwhile", record.name);
    Error::new(Kind::Conflict, "claimed", message).with_hint("nothing was done; it is as that command left it")
}

/// Clears what commands that died have left at these records; says whether there was any. Where that fails, the record is
/// left as it is.
fn recover(starter: &Starter<'_>, found: &mut [Result<&Record>]) -> bool {
    let mut has_recovered = false;
    for slot in found {
        let Some(record) = slot.as_ref().ok().filter(|record| record.claim.is_some() || record.previous.is_some())
        else {
            continue;
        };
        match recover::clear(starter.context, &record.name, starter.verb) {
            Ok(()) => has_recovered = true,
            Err(error) => *slot = Err(error),
        }
    }
    has_recovered
}

fn prepare(starter: &Starter<'_>, document: &Document, old: &Record) -> Result<Start> {
    let record = ready::successor(starter.context, document, old)?;
    Start::prepare(starter, record, Some(old.clone()))
}

/// A name that is left as it is, with what there is of it.
fn refused(document: &Document, name: &str, error: Error) -> Item {
    let record = document.find(name);
    let lives = |record: &&Record| facts::observe_service(record) != Liveness::Dead;
    Item {
        name: name.to_owned(),
        pid: record.filter(lives).and_then(|record| record.pid),
        generation: record.and_then(|record| record.generation.clone()),
        healthy: record.map(|record| record.healthy),
        error: Some(error),
        log_path: record.map(|record| record.log_path.clone()).unwrap_or_default(),
        log_tail: Vec::new(),
    }
}

impl Slot {
    fn start(&self) -> Option<&Start> {
        match self {
            Self::Start(start) => Some(start),
            Self::Refused(_) => None,
        }
    }

    fn into_start(self) -> Option<Start> {
        match self {
            Self::Start(start) => Some(*start),
            Self::Refused(_) => None,
        }
    }
}

/// Performs what is claimed, and puts what came of it between what was refused.
fn perform(starter: &Starter<'_>, slots: Vec<Slot>) -> Result<Vec<Item>> {
    let mut starts = Vec::with_capacity(slots.len());
    // Beside each that is claimed, the generation that it is to replace.
    let mut items: Vec<(Item, Option<Option<Generation>>)> = Vec::with_capacity(slots.len());
    for slot in slots {
        items.push(match slot {
            Slot::Refused(item) => (item, None),
            Slot::Start(start) => {
                let item = claimed(&start.record);
                let old = start.record.previous.as_ref().and_then(|previous| previous.generation.clone());
                starts.push(*start);
                (item, Some(old))
            }
        });
    }
    let mut outcomes = perform_and_settle(starter, starts)?.into_iter();
    let finish = |(item, claimed): (Item, Option<Option<Generation>>)| match claimed {
        Some(old) => {
            let started = outcomes.next().unwrap_or_else(|| unreachable!("each start has an outcome"));
            let is_spared = started.failure.as_ref().is_some_and(Failure::is_old_spared);
            let generation = if is_spared { old } else { item.generation.clone() };
            ended(Item { generation, ..item }, started)
        }
        None => item,
    };
    Ok(items.into_iter().map(finish).collect())
}

fn claimed(record: &Record) -> Item {
    Item {
        name: record.name.clone(),
        pid: None,
        generation: record.generation.clone(),
        healthy: None,
        error: None,
        log_path: record.log_path.clone(),
        log_tail: Vec::new(),
    }
}

fn ended(item: Item, started: Started) -> Item {
    let Started { pid, healthy, failure } = started;
    let Some(failure) = failure else { return Item { pid, healthy, ..item } };
    let name = &item.name;
    let failed = || format!("its record stays, as `failed`, until the next sweep; more: minions managed logs {name}");
    let (kind, code, hint) = match failure.kind {
        FailureKind::OldLives => {
            (Kind::Unforeseen, "stop-survivors", "its record stays; the next stop or sweep tries again".to_owned())
        }
        FailureKind::Spared => (
            Kind::Unforeseen,
            "spawn-failed",
            "nothing was ended: what ran goes on, in the generation that it was".into(),
        ),
        FailureKind::Dependency => (
            Kind::NotHealthy,
            "dependency-failed",
            "nothing was ended: what ran goes on, in the generation that it was".into(),
        ),
        FailureKind::Spawn => (Kind::NotHealthy, "spawn-failed", failed()),
        FailureKind::Healthcheck => (Kind::NotHealthy, "managed-spawn-healthcheck-failed", failed()),
        FailureKind::Overtaken => (Kind::Conflict, "claimed", format!("how it is now: minions managed show {name}")),
    };
    let what = if failure.is_old_spared() { "is not started anew" } else { "is not up" };
    let error = Error::new(kind, code, format!("service `{name}` {what}: {}", failure.error)).with_hint(hint);
    Item { pid, healthy, error: Some(error), log_tail: failure.log_tail, ..item }
}
