//! `accept`: read, decide, claim, perform, settle, report. One file per step.
//!
//! A crash between any two steps leaves what recovery needs: the claim in the state file names its maker and the
//! generation; `launch.json` is there before the shim has its word, and the shim writes who it and its service are.

mod alert;
mod claim;
mod decide;
mod first_health;
mod perform;
mod ports;
mod report;
mod run_record;
mod settle;
mod tail;

pub(super) use perform::environment;
pub use report::{AgentReport, FailureClass, Outcome, Report, SpecAction, SpecReport};

use std::path::PathBuf;

use crate::base::clock::EpochMs;
use crate::base::error::{Error, Kind, Result};
use crate::base::ids::{AgentName, new_run_id};
use crate::service::{Owner, Spec};
use crate::state::SetAside;

use super::context::Context;
use super::validate::agents_with_sidecar;
use decide::Decision;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// The project that the services belong to; empty: none.
    pub project: String,
    /// The work item of the agents; empty: not said.
    pub work_item: String,
    /// Working folders must lie in here.
    pub dispatch_root: Option<PathBuf>,
    /// Names this acceptance for callers that may repeat it.
    pub idempotency_key: Option<String>,
    /// A missing sidecar is a rejection.
    pub is_required: bool,
    /// Wait for the first health pass.
    pub waits: bool,
    /// Decide and tell, and change nothing.
    pub is_dry_run: bool,
}

/// Something that happened, for a progress line. Doors render it.
#[derive(Clone, Debug)]
pub enum Progress {
    /// The service was spawned.
    Started {
        /// The record's name.
        name: String,
        /// The service's pid.
        pid: u32,
    },
    /// It is decided how the start ended.
    Done {
        /// The record's name.
        name: String,
        /// `healthy after 12 ms`, or why not.
        words: String,
        /// Whether it is up.
        is_up: bool,
    },
}

/// Receives progress from several threads.
pub type OnProgress<'a> = &'a (dyn Fn(Progress) + Sync);

/// Accepts the sidecar of each of `agents`, one after the other. An error that ends one of several is in its report and
/// does not keep the others waiting; that of an only one is returned.
pub fn run(context: &Context, agents: &[AgentName], request: &Request, progress: OnProgress<'_>) -> Result<Report> {
    if !context.settings.enabled {
        let message = "services are switched off by `enabled: false` under engine.managedSpawn in config.json";
        return Err(Error::new(Kind::Conflict, "disabled", message).with_hint("nothing was read or started"));
    }
    let mut report = Report::default();
    for agent in agents {
        let one = match accept_one(context, agent, request, progress, &mut report.set_aside) {
            Err(error) if agents.len() > 1 => AgentReport::broken(agent, &error),
            one => one?,
        };
        report.items.push(one);
    }
    Ok(report)
}

/// Every agent with a pending sidecar, by name.
pub fn pending(context: &Context) -> Result<Vec<AgentName>> {
    agents_with_sidecar(&context.root)
}

/// One acceptance on its way.
struct Acceptance<'a> {
    context: &'a Context,
    request: &'a Request,
    agent: &'a AgentName,
    owner: Owner,
    run_id: String,
    created_at: EpochMs,
    progress: OnProgress<'a>,
}

fn accept_one(
    context: &Context,
    agent: &AgentName,
    request: &Request,
    progress: OnProgress<'_>,
    set_aside: &mut Option<SetAside>,
) -> Result<AgentReport> {
    let now = EpochMs::now();
    let owner =
        Owner { agent: agent.to_string(), work_item: request.work_item.clone(), project: request.project.clone() };
    let acceptance = Acceptance { context, request, agent, owner, run_id: new_run_id(now), created_at: now, progress };
    let decision = decide::decide(&acceptance)?;
    if let Some(report) = repeated(&acceptance, &decision)? {
        return Ok(report);
    }
    let (bytes, sidecar) = match decision {
        Decision::None => return Ok(AgentReport::none(agent)),
        Decision::Missing => return Ok(AgentReport::missing(agent)),
        Decision::Rejected(rejection) => return alert::reject(&acceptance, &rejection),
        Decision::Valid { bytes, sidecar } => (bytes, sidecar),
    };
    let mut acceptance = acceptance;
    if acceptance.owner.work_item.is_empty() {
        acceptance.owner.work_item = sidecar.wi_id;
    }
    let report = start_all(&acceptance, &sidecar.specs, set_aside)?;
    conclude(&acceptance, &bytes, &report)?;
    Ok(report)
}

/// The answer to an acceptance that has been had under the same idempotency key; its sidecar moves aside once more.
fn repeated(acceptance: &Acceptance<'_>, decision: &Decision) -> Result<Option<AgentReport>> {
    let (bytes, to) = match decision {
        Decision::None | Decision::Missing => return Ok(None),
        Decision::Rejected(rejection) => (&rejection.bytes, acceptance.context.root.sidecar_rejected(acceptance.agent)),
        Decision::Valid { bytes, sidecar: _ } => (bytes, acceptance.context.root.sidecar_accepted(acceptance.agent)),
    };
    let report = run_record::earlier(acceptance, bytes)?;
    if report.is_some() && !acceptance.request.is_dry_run {
        decide::move_aside(acceptance, bytes, &to)?;
    }
    Ok(report)
}

/// From valid specs to what became of each.
fn start_all(acceptance: &Acceptance<'_>, specs: &[Spec], set_aside: &mut Option<SetAside>) -> Result<AgentReport> {
    let wanted = decide::scoped(acceptance, specs);
    if acceptance.request.is_dry_run {
        return claim::dry_run(acceptance, &wanted);
    }
    let claimed = match claim::claim(acceptance, &wanted, set_aside)? {
        claim::Claimed::Ours(claimed) => claimed,
        claim::Claimed::Refused(report) => return Ok(report),
    };
    settle::perform_and_settle(acceptance, claimed)
}

/// The sidecar moves aside, the run is written down, and who failed is told.
fn conclude(acceptance: &Acceptance<'_>, bytes: &[u8], report: &AgentReport) -> Result<()> {
    if acceptance.request.is_dry_run {
        return Ok(());
    }
    run_record::write(acceptance, bytes, report)?;
    if report.is_decided() {
        alert::failed_starts(acceptance, report)?;
        decide::move_aside(acceptance, bytes, &acceptance.context.root.sidecar_accepted(acceptance.agent))?;
    }
    Ok(())
}
