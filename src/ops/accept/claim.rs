//! Deciding what each spec needs and claiming it: the intent is in the state file before anything is spawned.

use crate::base::clock::EpochMs;
use crate::base::error::{Error, Result};
use crate::base::ids::Generation;
use crate::lifecycle::accept::{self, Action, Step, Wanted};
use crate::process::{self, SpawnedShim};
use crate::service::{Claim, Identity, Previous, Record, Status};
use crate::state::{Document, SetAside};

use super::super::{facts, recover};
use super::report::{AgentReport, FailureClass, SpecAction, SpecReport};
use super::{Acceptance, ports};

/// How often a plan is made anew because another command changed what it was made from.
const PLANS_MAX: u32 = 10;

/// What came of the attempt to claim.
pub(super) enum Claimed {
    /// These are ours to perform; one per spec.
    Ours(Vec<Item>),
    /// Nothing was claimed and nothing will be done.
    Refused(AgentReport),
}

/// One spec after the claim.
pub(super) enum Item {
    /// To be started.
    Start(Box<Start>),
    /// Decided already: it runs, or it cannot be started.
    Settled(SpecReport),
}

/// A start that is claimed.
pub(super) struct Start {
    /// The record as claimed: `starting`.
    pub(super) record: Record,
    /// The generation.
    pub(super) generation: Generation,
    /// The record that it replaces.
    pub(super) old: Option<Record>,
    /// Waits for its word.
    pub(super) shim: SpawnedShim,
    /// What is reported about it so far.
    pub(super) report: SpecReport,
}

/// Says what would be done.
pub(super) fn dry_run(acceptance: &Acceptance<'_>, wanted: &[Wanted]) -> Result<AgentReport> {
    let document = acceptance.context.store().read()?;
    let steps = plan(acceptance, wanted, &document);
    if let Some(refused) = refusal(acceptance, wanted, &steps, &document) {
        return Ok(refused);
    }
    let specs = wanted.iter().zip(&steps).map(|(want, step)| match program(acceptance, want) {
        Err(why) if matches!(step.action, Action::Spawn | Action::Replace | Action::Recover) => {
            not_startable(want, step, why)
        }
        Ok(_) | Err(_) => reported(want, step),
    });
    Ok(AgentReport::of_specs(acceptance.agent, &acceptance.run_id, specs.collect()))
}

/// Plans, and claims what the plan starts, in one change of the state. The shims are started meanwhile: they do nothing
/// before they have their word, so that their start costs no time of its own.
pub(super) fn claim(
    acceptance: &Acceptance<'_>,
    wanted: &[Wanted],
    set_aside: &mut Option<SetAside>,
) -> Result<Claimed> {
    let store = acceptance.context.store();
    let maker = process::own_identity().map_err(|error| Error::io("cannot look at this very process", error))?;
    for _ in 0..PLANS_MAX {
        let reading = store.read_or_recover("accept")?;
        *set_aside = reading.set_aside.or(set_aside.take());
        let document = reading.document;
        let steps = plan(acceptance, wanted, &document);
        if let Some(refused) = refusal(acceptance, wanted, &steps, &document) {
            return Ok(Claimed::Refused(refused));
        }
        if recover(acceptance, &steps)? {
            continue;
        }
        for step in &steps {
            log::info!("service `{}`: {:?}: {}", step.name, step.action, step.why);
        }
        let items = prepare(acceptance, wanted, &steps, &document, &maker)?;
        if items.iter().all(|item| matches!(item, Item::Settled(_))) {
            return Ok(Claimed::Ours(items));
        }
        let changed = store.change("accept", |fresh| insert(fresh, &items));
        match changed {
            Ok(changed) if changed.value => return Ok(Claimed::Ours(items)),
            Ok(_) => {
                log::info!("another command changed these services meanwhile: planning anew");
                dismiss(items);
            }
            Err(error) => {
                dismiss(items);
                return Err(error.into());
            }
        }
    }
    let why = "other commands changed these services again and again while this one decided; nothing was done";
    Ok(Claimed::Refused(refuse_all(acceptance, wanted, FailureClass::Claimed, why)))
}

/// Clears what commands that died have left at the records that this plan meets; says whether there was any.
fn recover(acceptance: &Acceptance<'_>, steps: &[Step]) -> Result<bool> {
    let abandoned: Vec<&Step> = steps.iter().filter(|step| step.action == Action::Recover).collect();
    for step in &abandoned {
        recover::clear(acceptance.context, &step.name, "accept")?;
    }
    Ok(!abandoned.is_empty())
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
    let taken = ports::observe_taken(wanted, steps, document)?;
    Some(refuse_all(acceptance, wanted, FailureClass::PortInUse, &taken))
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
    wanted: &[Wanted],
    steps: &[Step],
    document: &Document,
    maker: &Identity,
) -> Result<Vec<Item>> {
    let mut items = Vec::with_capacity(wanted.len());
    for (want, step) in wanted.iter().zip(steps) {
        items.push(match &step.action {
            Action::Unchanged | Action::Refuse(_) | Action::Recover => {
                let record = document.find(&step.name);
                Item::Settled(SpecReport {
                    pid: record.and_then(|record| record.pid),
                    healthy: record.map(|record| record.healthy),
                    log_path: record.map(|record| record.log_path.clone()).unwrap_or_default(),
                    ..reported(want, step)
                })
            }
            Action::Spawn | Action::Replace => match program(acceptance, want) {
                Ok(program) => {
                    let old = document.find(&step.name).cloned();
                    Item::Start(Box::new(start(acceptance, want, step, old, maker, program)?))
                }
                Err(why) => Item::Settled(not_startable(want, step, why)),
            },
        });
    }
    Ok(items)
}

fn program(acceptance: &Acceptance<'_>, want: &Wanted) -> std::result::Result<String, String> {
    let path = process::resolve_program(&want.spec.cmd, &want.spec.cwd, acceptance.context.path())?;
    Ok(path.to_string_lossy().into_owned())
}

fn start(
    acceptance: &Acceptance<'_>,
    want: &Wanted,
    step: &Step,
    old: Option<Record>,
    maker: &Identity,
    resolved_cmd: String,
) -> Result<Start> {
    let now = EpochMs::now();
    let generation = Generation::new(now);
    let root = &acceptance.context.root;
    let log_path = root.log(&step.name).to_string_lossy().into_owned();
    let record = Record {
        name: step.name.clone(),
        spec: want.spec.clone(),
        owner: acceptance.owner.clone(),
        worktree: want.scope.worktree.clone(),
        generation: Some(generation.clone()),
        spec_hash: want.spec_hash.clone(),
        status: Status::Starting,
        healthy: false,
        alive: false,
        pid: None,
        process: None,
        started_at: None,
        ttl_expires_at: Some(now.plus(std::time::Duration::from_secs(want.spec.ttl_minutes.saturating_mul(60)))),
        last_health_at: None,
        health_proof: None,
        log_path: log_path.clone(),
        run_id: Some(acceptance.run_id.clone()),
        resolved_cmd,
        passed_env: acceptance.context.passed_env(),
        claim: Some(Claim { maker: maker.clone(), verb: "accept".into(), at: now }),
        previous: old.as_ref().map(Previous::of),
        last_exit: None,
        unknown: old.as_ref().map(|old| old.unknown.clone()).unwrap_or_default(),
    };
    let shim = process::start_shim(&root.run_dir(&step.name, &generation))
        .map_err(|error| Error::io(format!("cannot start a shim for service `{}`", step.name), error))?;
    Ok(Start { record, generation, old, shim, report: SpecReport { log_path, ..reported(want, step) } })
}

fn reported(want: &Wanted, step: &Step) -> SpecReport {
    SpecReport {
        name: step.name.clone(),
        declared_name: want.spec.name.clone(),
        action: match step.action {
            Action::Spawn => SpecAction::Spawned,
            Action::Replace | Action::Recover => SpecAction::Replaced,
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

/// Puts the claims into the state, all or none: none if what the plan was made from is no longer so.
fn insert(fresh: &mut Document, items: &[Item]) -> bool {
    let starts = || items.iter().filter_map(|item| if let Item::Start(start) = item { Some(start) } else { None });
    let still_so = starts().all(|start| {
        let there = fresh.find(&start.record.name);
        match &start.old {
            Some(old) => there.is_some_and(|there| there.is_same_life(old)),
            None => {
                let is_namesake = |record: &Record| {
                    record.spec.name == start.record.spec.name && record.scope() == start.record.scope()
                };
                there.is_none() && !fresh.records.iter().any(is_namesake)
            }
        }
    });
    if still_so {
        for start in starts() {
            fresh.put(start.record.clone());
        }
    }
    still_so
}

fn dismiss(items: Vec<Item>) {
    for item in items {
        if let Item::Start(start) = item {
            // It has had no word, so it goes by itself even if waiting for it fails.
            drop(start.shim.dismiss());
        }
    }
}
