//! `queue`: the sidecars that are not yet decided, in the order in which they are taken; one of them called off; and what commands
//! that died have left at their leases.

use std::collections::BTreeMap;

use serde_json::Map;

use crate::base::clock::EpochMs;
use crate::base::error::{Error, Kind, Result};
use crate::base::ids::{AgentName, new_run_id};
use crate::base::redact;
use crate::base::steps::{Step, reached};
use crate::lifecycle::lease::{Claimable, decision_span};
use crate::runs::{Entry, FailureClass, Outcome, Payload, Place, Run, RunInput, RunStatus};

use super::context::Context;
use super::desk::{self, Ask, Desk, Held, Left, Pending, Taken, Text};
use super::facts;
use super::validate::has_sidecar;

/// Longest reason that is kept, in characters.
const REASON_CHARS_MAX: usize = 500;

/// A sidecar that is not yet decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Whose it is, since when it waits, and how it is to be preferred.
    pub pending: Pending,
    /// Where it stands: pending, claimed, blocked.
    pub status: RunStatus,
    /// Its lane, the project of its run; empty while nobody has tried it, or said one.
    pub project: String,
    /// Its run, once there is one.
    pub run_id: Option<String>,
    /// Why it is blocked, or who decides it.
    pub why: Option<String>,
}

/// The queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// Who is taken first stands first.
    pub items: Vec<Item>,
    /// How many stand so, by the word of their status.
    pub by_state: BTreeMap<&'static str, usize>,
    /// How many are in each lane, by project.
    pub by_lane: BTreeMap<String, usize>,
}

/// The queue, or the lane of `project`. Takes no lock.
pub fn list(context: &Context, project: Option<&str>) -> Result<Queue> {
    let desk = desk_of(context, "queue")?;
    // Before the sidecars: whoever is decided meanwhile is left out, and not shown as untried.
    let entries = desk.entries()?;
    let now = EpochMs::now();
    let mut queue = Queue::default();
    for status in [RunStatus::Pending, RunStatus::Claimed, RunStatus::Blocked] {
        queue.by_state.insert(status.word(), 0);
    }
    for pending in desk::pending(context)? {
        let entry = entries.iter().find(|entry| entry.agent == pending.agent.as_str());
        let item = item(&desk, pending, entry, now);
        if project.is_none_or(|project| project == item.project) {
            *queue.by_state.entry(item.status.word()).or_default() += 1;
            *queue.by_lane.entry(item.project.clone()).or_default() += 1;
            queue.items.push(item);
        }
    }
    Ok(queue)
}

fn item(desk: &Desk<'_>, pending: Pending, entry: Option<&Entry>, now: EpochMs) -> Item {
    let Some(entry) = entry else {
        return Item { pending, status: RunStatus::Pending, project: String::new(), run_id: None, why: None };
    };
    // Its file may be gone, not yet there, or unreadable.
    let run = desk.runs.find(&entry.run_id).ok().flatten();
    let status = match desk.judge(entry, now) {
        Claimable::Theirs | Claimable::Ours => RunStatus::Claimed,
        // Whoever comes next takes it up.
        Claimable::Free | Claimable::Abandoned | Claimable::Over => RunStatus::Blocked,
    };
    let why = match (status, entry.lease.is_some()) {
        (RunStatus::Claimed, _) => Some(desk::words(entry, now)),
        (_, true) => Some(format!("{}, and is dead or late", desk::words(entry, now))),
        (_, false) => run.as_ref().and_then(|run| run.failure_message.clone()),
    };
    let project = run.map(|run| run.project).unwrap_or_default();
    Item { pending, status, project, run_id: Some(entry.run_id.clone()), why }
}

fn desk_of<'a>(context: &'a Context, verb: &'static str) -> Result<Desk<'a>> {
    let me = facts::own_identity()?;
    Ok(Desk::new(context, me, verb))
}

/// Calls off the sidecar of `agent`: it moves to where rejected ones go, and its run ends as cancelled, which is returned. Errors:
/// `nothing-pending` (exit 6); `sidecar-claimed` (exit 7) while somebody decides it.
pub fn cancel(context: &Context, agent: &AgentName, reason: Option<&str>) -> Result<Run> {
    let desk = desk_of(context, "queue")?;
    let run_id = new_run_id(EpochMs::now());
    let path = context.root.sidecar(agent);
    if Text::read(&path)?.is_none() && !desk::has_abandoned(&context.root, agent) {
        return Err(nothing(agent));
    }
    let mut held = match desk.take(&Ask { agent, run_id: &run_id, key: None, span: decision_span([]) })? {
        Taken::Ours(held) => held,
        Taken::Theirs(entry) => return Err(claimed(&entry)),
    };
    reached(Step::QueueLeased);
    cancel_held(&desk, &mut held, &run_id, reason).inspect_err(|error| desk.give_up(&held, error))
}

fn cancel_held(desk: &Desk<'_>, held: &mut Held, run_id: &str, reason: Option<&str>) -> Result<Run> {
    let Left { finished: _, open } = desk.settle_left(held)?;
    let Some(text) = desk.read(held)? else {
        desk.close(held, open.as_ref(), RunInput::Withdrawn)?;
        return Err(nothing(&held.agent));
    };
    let is_this = |open: &Run| open.sidecar.as_ref() == Some(&text.mark);
    if !open.as_ref().is_some_and(is_this) {
        let run = untried(&held.agent, run_id, &text);
        desk.begin(held, open.as_ref(), &run)?;
    }
    reached(Step::QueueClaimed);
    let words: String = reason.unwrap_or("called off").chars().take(REASON_CHARS_MAX).collect();
    let run = desk.end(held, RunInput::Cancelled, |run| {
        run.outcome = Some(Outcome::Rejected);
        run.failure_kind = Some(FailureClass::Cancelled);
        run.failure_message = Some(redact::urls(&words));
    })?;
    reached(Step::AcceptNoted);
    desk.tell(&run)?;
    desk.move_aside(held, &text.bytes, Place::Rejected)?;
    desk.release(held);
    Ok(run)
}

/// A run for a sidecar that nobody has tried: it begins only to be called off.
fn untried(agent: &AgentName, run_id: &str, text: &Text) -> Run {
    let now = EpochMs::now();
    let payload = Payload { agent: agent.as_str(), project: "", work_item: "", bytes: &text.bytes };
    Run {
        id: run_id.to_owned(),
        status: RunStatus::Claimed,
        outcome: None,
        failure_kind: None,
        failure_message: None,
        agent: agent.to_string(),
        project: String::new(),
        work_item: String::new(),
        idempotency_key: None,
        payload_hash: payload.hash(),
        sidecar: Some(text.mark.clone()),
        created_at: now,
        updated_at: now,
        specs: Vec::new(),
        unknown: Map::new(),
    }
}

fn nothing(agent: &AgentName) -> Error {
    Error::new(Kind::NotFound, "nothing-pending", format!("agent `{agent}` has no sidecar that waits"))
        .with_hint("what waits: minions managed queue; what was decided: minions managed runs")
}

fn claimed(entry: &Entry) -> Error {
    Error::new(Kind::Conflict, "sidecar-claimed", desk::words(entry, EpochMs::now()))
        .with_hint("let it come to its end, then stop what it has started; or end that command, and try again")
}

/// The agents whose leases commands have that died.
pub(super) fn abandoned(context: &Context) -> Result<Vec<String>> {
    let desk = desk_of(context, "queue")?;
    let now = EpochMs::now();
    let entries = desk.entries()?.into_iter().filter(|entry| desk.judge(entry, now) == Claimable::Abandoned);
    Ok(entries.map(|entry| entry.agent).collect())
}

/// Puts right what commands that died have left at their leases: decided sidecars come to their places, and what was not decided
/// waits for the next try. Each that cannot be put right is returned with the reason; the others are.
pub(super) fn settle(context: &Context, verb: &'static str) -> Result<Vec<Error>> {
    let desk = desk_of(context, verb)?;
    let now = EpochMs::now();
    let mut failures = Vec::new();
    for entry in desk.entries()? {
        let Ok(agent) = AgentName::parse(&entry.agent) else { continue };
        let is_gone = || !has_sidecar(&context.root, &agent);
        let is_left = match desk.judge(&entry, now) {
            Claimable::Abandoned => true,
            // Its agent wants it no more.
            Claimable::Free => is_gone(),
            Claimable::Ours | Claimable::Over | Claimable::Theirs => false,
        };
        if is_left {
            failures.extend(settle_one(&desk, &agent, &entry).err());
        }
    }
    Ok(failures)
}

fn settle_one(desk: &Desk<'_>, agent: &AgentName, entry: &Entry) -> Result<()> {
    let ask = Ask { agent, run_id: &entry.run_id, key: None, span: decision_span([]) };
    let Taken::Ours(held) = desk.take(&ask)? else { return Ok(()) };
    reached(Step::QueueLeased);
    let settled = || -> Result<()> {
        let open = desk.settle_left(&held)?.open;
        match (desk.read(&held)?, open) {
            (None, open) => desk.close(&held, open.as_ref(), RunInput::Withdrawn),
            (Some(_), Some(open)) if open.status == RunStatus::Claimed => {
                desk.block(&held, RunInput::Abandoned, |run| {
                    run.failure_kind = Some(FailureClass::Infra);
                    run.failure_message = Some("the command that decided it is gone".to_owned());
                })
            }
            (Some(_), Some(_)) => desk.let_wait(&held),
            (Some(_), None) => {
                desk.release(&held);
                Ok(())
            }
        }
    };
    settled().inspect_err(|error| desk.give_up(&held, error))
}
