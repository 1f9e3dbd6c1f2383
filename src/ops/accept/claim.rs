//! Deciding what each spec needs and claiming it: the intent is in the state file before anything is spawned.

use std::time::Duration;

use crate::base::clock::EpochMs;
use crate::base::error::Result;
use crate::health::ports::wanted_ports;
use crate::lifecycle::accept::{self, Action, Step, Wanted};
use crate::lifecycle::transitions::Input;
use crate::process;
use crate::service::{EventType, Progress, Record, Status};
use crate::state::Document;

use super::super::desk::Held;
use super::super::moved::moved;
use super::super::start::{self, PLANS_MAX, Start, Starter};
use super::super::stop::{self, Choice};
use super::super::{facts, follow, recover};
use super::Acceptance;
use super::report::AgentReport;
use super::{FailureClass, SpecAction, SpecReport};

/// What came of the attempt to claim.
pub(super) enum Claimed {
    /// These are ours to perform; one per spec.
    Ours(Vec<Item>),
    /// Nothing was claimed and nothing will be done.
    Refused(AgentReport),
}

/// One spec after the claim.
pub(super) enum Item {
    /// To be started; what is reported about it so far.
    Start(Box<Start>, SpecReport),
    /// To be recorded, without a start.
    Declare(Box<Declared>, SpecReport),
    /// Decided already: it runs, or it cannot be started.
    Settled(SpecReport),
}

/// A service that waits until somebody needs it.
pub(super) struct Declared {
    /// Its record, `stopped`.
    record: Record,
    /// The one that it takes the place of, which never had a process.
    old: Option<Record>,
}

/// Says what would be done.
pub(super) fn dry_run(acceptance: &Acceptance<'_>, wanted: &[Wanted]) -> Result<AgentReport> {
    let document = acceptance.context.store().read()?;
    let steps = plan(acceptance, wanted, &document);
    if let Some(refused) = refusal(acceptance, wanted, &steps, &document) {
        return Ok(refused);
    }
    let specs = wanted.iter().zip(&steps).map(|(want, step)| match program(acceptance, want) {
        Err(why) if matches!(step.action, Action::Declare | Action::Spawn | Action::Replace | Action::Recover) => {
            not_startable(want, step, why)
        }
        Ok(_) | Err(_) => reported(want, step),
    });
    Ok(AgentReport::of_specs(acceptance.agent, &acceptance.run_id, specs.collect()))
}

/// Plans, and claims what the plan starts, in one change of the state.
pub(super) fn claim(
    acceptance: &Acceptance<'_>,
    held: &Held,
    starter: &Starter<'_>,
    wanted: &[Wanted],
) -> Result<Claimed> {
    let writer = starter.writer;
    let is_news = !acceptance.has_told(EventType::SidecarAccepted);
    for _ in 0..PLANS_MAX {
        let document = writer.read_or_recover(starter.verb)?;
        let newer = follow::caught_up(acceptance.context, &document, starter.verb, false)?;
        let document = newer.unwrap_or(document);
        let steps = plan(acceptance, wanted, &document);
        if let Some(refused) = refusal(acceptance, wanted, &steps, &document) {
            return Ok(Claimed::Refused(refused));
        }
        if recover(acceptance, &steps)? || clear(acceptance, &steps, &document)? {
            continue;
        }
        acceptance.common.desk.check(held)?;
        for step in &steps {
            log::info!("service `{}`: {:?}: {}", step.name, step.action, step.why);
        }
        let items = prepare(acceptance, starter, wanted, &steps, &document)?;
        if items.iter().all(|item| matches!(item, Item::Settled(_))) {
            return Ok(Claimed::Ours(items));
        }
        let changed = writer.change(starter.verb, |fresh| {
            let is_ours = insert(fresh, &items);
            if is_ours && is_news {
                fresh.tell(acceptance.draft(EventType::SidecarAccepted));
            }
            is_ours
        });
        match changed {
            Ok(true) => return Ok(Claimed::Ours(items)),
            Ok(false) => {
                log::info!("another command changed these services meanwhile: planning anew");
                dismiss(items);
            }
            Err(error) => {
                dismiss(items);
                return Err(error);
            }
        }
    }
    let why = "other commands changed these services again and again while this one decided; nothing was done";
    Ok(Claimed::Refused(refuse_all(acceptance, wanted, FailureClass::Claimed, why)))
}

impl Item {
    fn start(&self) -> Option<&Start> {
        match self {
            Self::Start(start, _) => Some(start),
            Self::Declare(..) | Self::Settled(_) => None,
        }
    }

    fn declared(&self) -> Option<&Declared> {
        match self {
            Self::Declare(declared, _) => Some(declared),
            Self::Start(..) | Self::Settled(_) => None,
        }
    }
}

/// Puts the claims and what is only declared into the state, all or none.
fn insert(fresh: &mut Document, items: &[Item]) -> bool {
    let declared = || items.iter().filter_map(Item::declared);
    let is_so = declared().all(|one| start::is_still_so(fresh, &one.record, one.old.as_ref()))
        && start::insert(fresh, items.iter().filter_map(Item::start));
    if is_so {
        declared().for_each(|one| fresh.put(one.record.clone()));
    }
    is_so
}

fn dismiss(items: Vec<Item>) {
    start::dismiss(items.into_iter().filter_map(|item| match item {
        Item::Start(start, _) => Some(*start),
        Item::Declare(..) | Item::Settled(_) => None,
    }));
}

/// Clears what commands that died have left at the records that this plan meets; says whether there was any.
fn recover(acceptance: &Acceptance<'_>, steps: &[Step]) -> Result<bool> {
    let abandoned: Vec<&Step> = steps.iter().filter(|step| step.action == Action::Recover).collect();
    for step in &abandoned {
        recover::clear(acceptance.context, &step.name, "accept")?;
    }
    Ok(!abandoned.is_empty())
}

/// Ends what is left of services that are to be declared anew and wait from then on; says whether there was any. Their
/// sidecar is pending until then, so that whoever dies here loses nothing.
fn clear(acceptance: &Acceptance<'_>, steps: &[Step], document: &Document) -> Result<bool> {
    let declared = steps.iter().filter(|step| step.action == Action::Declare);
    let had_process = |record: &&Record| record.generation.is_some() || record.pid.is_some();
    let left = declared.filter_map(|step| document.find(&step.name)).filter(had_process);
    let lives: Vec<_> = left.map(|record| (record.name.clone(), record.generation.clone())).collect();
    if lives.is_empty() {
        return Ok(false);
    }
    let report = stop::end_chosen(acceptance.context, "accept", Choice::Lives(&lives), |_| Ok(()))?;
    report.items.into_iter().find_map(|item| item.error).map_or(Ok(true), Err)
}

fn plan(acceptance: &Acceptance<'_>, wanted: &[Wanted], document: &Document) -> Vec<Step> {
    let length_max = usize::try_from(acceptance.context.settings.max_name_length).unwrap_or(usize::MAX);
    accept::plan(wanted, &document.records, length_max, facts::for_accept)
}

/// Why nothing at all can be done now: another command is at one of the services, or a port is taken.
fn refusal(acceptance: &Acceptance<'_>, wanted: &[Wanted], steps: &[Step], document: &Document) -> Option<AgentReport> {
    let refused = wanted.iter().zip(steps).find(|(_, step)| matches!(step.action, Action::Refuse(_)));
    if let Some((want, step)) = refused {
        let why = format!("service `{}` is left as it is: {}", want.spec.name, step.why);
        return Some(refuse_all(acceptance, wanted, FailureClass::Claimed, &why));
    }
    let taken = observe_taken(wanted, steps, document)?;
    Some(refuse_all(acceptance, wanted, FailureClass::PortInUse, &taken))
}

/// The first port of a service to be started that somebody else listens on.
fn observe_taken(wanted: &[Wanted], steps: &[Step], document: &Document) -> Option<String> {
    let mut ports = Vec::new();
    let mut replaced = Vec::new();
    for (want, step) in wanted.iter().zip(steps) {
        match step.action {
            Action::Spawn | Action::Replace | Action::Recover => {
                ports.extend(wanted_ports(&want.spec));
                replaced.extend(document.find(&step.name));
            }
            Action::Declare | Action::Unchanged | Action::Refuse(_) => {}
        }
    }
    start::observe_taken(&ports, &replaced, document)
}

fn refuse_all(acceptance: &Acceptance<'_>, wanted: &[Wanted], class: FailureClass, why: &str) -> AgentReport {
    let specs = wanted.iter().map(|want| SpecReport {
        name: want.spec.name.clone(),
        declared_name: want.spec.name.clone(),
        action: SpecAction::None,
        why: why.to_owned(),
        pid: None,
        healthy: None,
        error: Some(why.to_owned()),
        log_path: String::new(),
        log_tail: Vec::new(),
        failure: Some(class),
    });
    let report = AgentReport::of_specs(acceptance.agent, &acceptance.run_id, specs.collect());
    AgentReport { accepted: false, ..report }
}

fn prepare(
    acceptance: &Acceptance<'_>,
    starter: &Starter<'_>,
    wanted: &[Wanted],
    steps: &[Step],
    document: &Document,
) -> Result<Vec<Item>> {
    let mut items = Vec::with_capacity(wanted.len());
    for (want, step) in wanted.iter().zip(steps) {
        items.push(match &step.action {
            Action::Unchanged | Action::Refuse(_) | Action::Recover => {
                let record = document.find(&step.name);
                let is_up = |record: &&Record| record.status != Status::Stopped;
                Item::Settled(SpecReport {
                    pid: record.and_then(|record| record.pid),
                    healthy: record.filter(is_up).map(|record| record.healthy),
                    log_path: record.map(|record| record.log_path.clone()).unwrap_or_default(),
                    ..reported(want, step)
                })
            }
            Action::Declare => match program(acceptance, want) {
                Ok(program) => {
                    let old = document.find(&step.name).cloned();
                    let record = record(acceptance, want, old.as_ref(), (&step.name, program));
                    let report = SpecReport { log_path: record.log_path.clone(), ..reported(want, step) };
                    Item::Declare(Box::new(Declared { record: waiting(record, &step.why)?, old }), report)
                }
                Err(why) => Item::Settled(not_startable(want, step, why)),
            },
            Action::Spawn | Action::Replace => match program(acceptance, want) {
                Ok(program) => {
                    let old = document.find(&step.name).cloned();
                    let record = record(acceptance, want, old.as_ref(), (&step.name, program));
                    let mut report = SpecReport { log_path: record.log_path.clone(), ..reported(want, step) };
                    if old.as_ref().is_some_and(|old| old.status == Status::Stopped) {
                        // There was nothing to be replaced.
                        report.action = SpecAction::Spawned;
                    }
                    Item::Start(Box::new(Start::prepare(starter, record, old)?), report)
                }
                Err(why) => Item::Settled(not_startable(want, step, why)),
            },
        });
    }
    Ok(items)
}

/// A record that waits, from now on for its whole time to live.
fn waiting(mut record: Record, why: &str) -> Result<Record> {
    let now = EpochMs::now();
    let to_live = Duration::from_secs(record.spec.ttl_minutes.saturating_mul(60));
    record.ttl_expires_at = Some(now.plus(to_live));
    moved(&mut record, Input::Declared, now, why)?;
    Ok(record)
}

fn program(acceptance: &Acceptance<'_>, want: &Wanted) -> std::result::Result<String, String> {
    let path = process::resolve_program(&want.spec.cmd, &want.spec.cwd, acceptance.context.path())?;
    Ok(path.to_string_lossy().into_owned())
}

/// The record of what is to be started, before it has a generation.
fn record(
    acceptance: &Acceptance<'_>,
    want: &Wanted,
    old: Option<&Record>,
    (name, resolved_cmd): (&str, String),
) -> Record {
    Record {
        name: name.to_owned(),
        spec: want.spec.clone(),
        owner: acceptance.owner.clone(),
        worktree: want.scope.worktree.clone(),
        generation: None,
        spec_hash: want.spec_hash.clone(),
        status: Status::Queued,
        healthy: false,
        alive: false,
        pid: None,
        process: None,
        started_at: None,
        ttl_expires_at: None,
        last_health_at: None,
        health_proof: None,
        log_path: acceptance.context.root.log(name).to_string_lossy().into_owned(),
        run_id: Some(acceptance.run_id.clone()),
        resolved_cmd,
        passed_env: acceptance.context.passed_env(),
        claim: None,
        previous: None,
        last_exit: None,
        progress: Progress::default(),
        unknown: old.map(|old| old.unknown.clone()).unwrap_or_default(),
    }
}

fn reported(want: &Wanted, step: &Step) -> SpecReport {
    SpecReport {
        name: step.name.clone(),
        declared_name: want.spec.name.clone(),
        action: match step.action {
            Action::Spawn => SpecAction::Spawned,
            Action::Replace | Action::Recover => SpecAction::Replaced,
            Action::Declare => SpecAction::Queued,
            Action::Unchanged => SpecAction::Unchanged,
            Action::Refuse(_) => SpecAction::None,
        },
        why: step.why.clone(),
        pid: None,
        healthy: None,
        error: None,
        log_path: String::new(),
        log_tail: Vec::new(),
        failure: None,
    }
}

fn not_startable(want: &Wanted, step: &Step, why: String) -> SpecReport {
    let report = SpecReport { action: SpecAction::None, ..reported(want, step) };
    SpecReport { error: Some(why), failure: Some(FailureClass::Spawn), ..report }
}
