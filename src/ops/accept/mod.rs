//! `accept`: read, decide, claim, start, report. One file per step; what every start has in common is `ops/start`.
//!
//! A crash between any two steps leaves what recovery needs: the claim in the state file names its maker and the
//! generation; `launch.json` is there before the shim has its word, and the shim writes who it and its service are.

mod alert;
mod claim;
mod decide;
mod many;
mod needs;
mod report;
mod run_record;
mod turn;

pub use super::start::{OnProgress, Progress};
pub use crate::runs::{FailureClass, Outcome, SpecAction, SpecReport};
pub use report::{AgentReport, Report};

use std::path::PathBuf;

use crate::base::clock::EpochMs;
use crate::base::error::Result;
use crate::base::ids::{AgentName, new_run_id};
use crate::service::{Draft, EventType, Identity, Owner, Spec};
use crate::sidecar::Judge;
use crate::state::GroupCommit;

use super::context::Context;
use super::desk::{self, Desk, Held};
use super::facts;
use super::start::{self, By, OnFailure, Starter};
use claim::Item;

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
    /// What is said of a sidecar that another command decides at this moment.
    pub busy: Busy,
}

/// What is said of a sidecar that another command decides at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Busy {
    /// Who asked for this very agent is refused: a conflict (exit 7) that names the other.
    Refused,
    /// Who asked for all is told of the other, and that is no failure.
    PassedOver,
}

/// Accepts the sidecar of each of `agents`: side by side where they have nothing in common, else in their order. An error
/// that ends one of several is in its report and does not keep the others waiting; that of an only one is returned.
pub fn run(context: &Context, agents: &[AgentName], request: &Request, progress: OnProgress<'_>) -> Result<Report> {
    start::check_enabled(context)?;
    let judge = Judge::new(&context.settings)?;
    let writer = GroupCommit::new(context.store());
    let maker = facts::own_identity()?;
    let desk = Desk::new(context, maker.clone(), "accept");
    let common = Common { context, request, judge: &judge, writer: &writer, desk, maker, progress };
    let mut items = Vec::with_capacity(agents.len());
    for (agent, one) in many::accept_all(&common, agents) {
        items.push(match one {
            Err(error) if agents.len() > 1 => AgentReport::broken(agent, &error),
            one => one?,
        });
    }
    Ok(Report { items, set_aside: writer.set_aside() })
}

/// Every agent with a sidecar that is not decided, in the order of the queue.
pub fn pending(context: &Context) -> Result<Vec<AgentName>> {
    Ok(desk::pending(context)?.into_iter().map(|one| one.agent).collect())
}

/// What the acceptances of one command share.
struct Common<'a> {
    context: &'a Context,
    request: &'a Request,
    judge: &'a Judge,
    writer: &'a GroupCommit,
    desk: Desk<'a>,
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
    /// Its run was there before: blocked, or left by a command that died.
    is_again: bool,
}

impl<'a> Acceptance<'a> {
    fn new(common: &'a Common<'a>, agent: &'a AgentName) -> Self {
        let now = EpochMs::now();
        let Common { context, request, .. } = common;
        let owner =
            Owner { agent: agent.to_string(), work_item: request.work_item.clone(), project: request.project.clone() };
        Self { common, context, request, agent, owner, run_id: new_run_id(now), created_at: now, is_again: false }
    }

    /// Its run begins now.
    fn take_turn(&mut self, now: EpochMs) {
        (self.run_id, self.created_at) = (new_run_id(now), now);
    }

    /// An event of this acceptance.
    fn draft(&self, kind: EventType) -> Draft {
        let draft = Draft::new(kind, EpochMs::now());
        let (project, agent) = (self.owner.project.clone(), self.agent.to_string());
        Draft { project, agent, run_id: self.run_id.clone(), ..draft }
    }
}

/// From valid specs to what became of each.
fn start_all(acceptance: &Acceptance<'_>, held: &Held, specs: &[Spec]) -> Result<AgentReport> {
    let wanted = decide::scoped(acceptance, specs)?;
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
    let mut items = match claim::claim(acceptance, held, &starter, &wanted)? {
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
