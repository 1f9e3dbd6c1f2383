//! `accept`: read, decide, claim, start, report. One file per step; what every start has in common is `ops/start`.
//!
//! A crash between any two steps leaves what recovery needs: the claim in the state file names its maker and the
//! generation; `launch.json` is there before the shim has its word, and the shim writes who it and its service are.

mod alert;
mod aside;
mod claim;
mod decide;
mod many;
mod needs;
mod report;
mod run_record;

pub use super::start::{OnProgress, Progress};
pub use crate::runs::{FailureClass, Outcome, SpecAction, SpecReport};
pub use report::{AgentReport, Report};

use std::path::PathBuf;

use crate::base::clock::EpochMs;
use crate::base::error::Result;
use crate::base::ids::{AgentName, new_run_id};
use crate::base::steps::{Step, reached};
use crate::service::{Draft, EventType, Identity, Owner, Spec};
use crate::sidecar::Judge;
use crate::state::GroupCommit;

use super::context::Context;
use super::start::{self, By, OnFailure, Starter};
use super::validate::{agents, has_sidecar};
use claim::Item;
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

/// Accepts the sidecar of each of `agents`: side by side where they have nothing in common, else in their order. An error
/// that ends one of several is in its report and does not keep the others waiting; that of an only one is returned.
pub fn run(context: &Context, agents: &[AgentName], request: &Request, progress: OnProgress<'_>) -> Result<Report> {
    start::check_enabled(context)?;
    let judge = Judge::new(&context.settings)?;
    let writer = GroupCommit::new(context.store());
    let common = Common { context, request, judge: &judge, writer: &writer, maker: start::maker()?, progress };
    let mut items = Vec::with_capacity(agents.len());
    for (agent, one) in many::accept_all(&common, agents) {
        items.push(match one {
            Err(error) if agents.len() > 1 => AgentReport::broken(agent, &error),
            one => one?,
        });
    }
    Ok(Report { items, set_aside: writer.set_aside() })
}

/// Every agent with a pending sidecar, by name; also those whose sidecar a killed command was about to move aside.
pub fn pending(context: &Context) -> Result<Vec<AgentName>> {
    let is_pending =
        |agent: &AgentName| has_sidecar(&context.root, agent) || aside::has_abandoned(&context.root, agent);
    agents(&context.root, is_pending)
}

/// What the acceptances of one command share.
struct Common<'a> {
    context: &'a Context,
    request: &'a Request,
    judge: &'a Judge,
    writer: &'a GroupCommit,
    maker: Identity,
    progress: OnProgress<'a>,
}

/// One acceptance on its way.
struct Acceptance<'a> {
    common: &'a Common<'a>,
    context: &'a Context,
    request: &'a Request,
    agent: &'a AgentName,
    owner: Owner,
    run_id: String,
    created_at: EpochMs,
}

impl<'a> Acceptance<'a> {
    fn new(common: &'a Common<'a>, agent: &'a AgentName) -> Self {
        let now = EpochMs::now();
        let Common { context, request, .. } = common;
        let owner =
            Owner { agent: agent.to_string(), work_item: request.work_item.clone(), project: request.project.clone() };
        Self { common, context, request, agent, owner, run_id: new_run_id(now), created_at: now }
    }

    /// An event of this acceptance.
    fn draft(&self, kind: EventType) -> Draft {
        let draft = Draft::new(kind, EpochMs::now());
        let (project, agent) = (self.owner.project.clone(), self.agent.to_string());
        Draft { project, agent, run_id: self.run_id.clone(), ..draft }
    }
}

/// From the decision on one sidecar to what became of it.
fn accept_one(mut acceptance: Acceptance<'_>, decision: Decision) -> Result<AgentReport> {
    if let Some(report) = repeated(&acceptance, &decision)? {
        return Ok(report);
    }
    let (bytes, sidecar) = match decision {
        Decision::None => return Ok(AgentReport::none(acceptance.agent)),
        Decision::Missing => return Ok(AgentReport::missing(acceptance.agent)),
        Decision::Rejected(rejection) => return alert::reject(&acceptance, &rejection),
        Decision::Valid { bytes, sidecar } => (bytes, sidecar),
    };
    if acceptance.owner.work_item.is_empty() {
        acceptance.owner.work_item = sidecar.wi_id;
    }
    let report = start_all(&acceptance, &sidecar.specs)?;
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
        aside::move_aside(acceptance, bytes, &to)?;
    }
    Ok(report)
}

/// From valid specs to what became of each.
fn start_all(acceptance: &Acceptance<'_>, specs: &[Spec]) -> Result<AgentReport> {
    let wanted = decide::scoped(acceptance, specs)?;
    if acceptance.request.is_dry_run {
        return claim::dry_run(acceptance, &wanted);
    }
    let starter = Starter {
        context: acceptance.context,
        writer: acceptance.common.writer,
        maker: acceptance.common.maker.clone(),
        verb: "accept",
        by: By::Person,
        waits: acceptance.request.waits,
        on_failure: OnFailure::Forget,
        progress: acceptance.common.progress,
    };
    let mut items = match claim::claim(acceptance, &starter, &wanted)? {
        claim::Claimed::Ours(items) => items,
        claim::Claimed::Refused(report) => return Ok(report),
    };
    needs::settle(specs, &mut items);
    let mut starts = Vec::with_capacity(items.len());
    let mut specs = Vec::with_capacity(items.len());
    let mut started_specs = Vec::with_capacity(items.len());
    for (at, item) in items.into_iter().enumerate() {
        specs.push(match item {
            Item::Start(start, report) => {
                starts.push(*start);
                started_specs.push(at);
                report
            }
            Item::Declare(_, report) | Item::Settled(report) => report,
        });
    }
    let outcomes = start::perform_and_settle(&starter, starts)?;
    for (at, outcome) in started_specs.into_iter().zip(outcomes) {
        report::add(&mut specs[at], outcome);
    }
    Ok(AgentReport::of_specs(acceptance.agent, &acceptance.run_id, specs))
}

/// The sidecar moves aside, the run is written down, and who failed is told.
fn conclude(acceptance: &Acceptance<'_>, bytes: &[u8], report: &AgentReport) -> Result<()> {
    if acceptance.request.is_dry_run {
        return Ok(());
    }
    run_record::write(acceptance, bytes, report)?;
    reached(Step::AcceptNoted);
    if report.is_decided() {
        alert::failed_starts(acceptance, report)?;
        reached(Step::AcceptAlerted);
        aside::move_aside(acceptance, bytes, &acceptance.context.root.sidecar_accepted(acceptance.agent))?;
    }
    Ok(())
}
