//! One acceptance, from the lease of its agent to what became of the sidecar. What was judged before the lease was had is looked at
//! once more under it, so that nobody decides what another has decided meanwhile.

use crate::base::clock::EpochMs;
use crate::base::error::Result;
use crate::base::steps::{Step, reached};
use crate::lifecycle::lease::decision_span;
use crate::runs::{Place, Run, RunInput};
use crate::service::EventType;
use crate::sidecar::Sidecar;

use super::super::desk::{self, Ask, Desk, Held, Left, Taken, Text};
use super::decide::{self, Draft, Judged};
use super::report::AgentReport;
use super::{Acceptance, alert, claim, run_record, start_all};

/// Decides the sidecar of one agent. `draft` is what it came to when it was looked at without the lease.
pub(super) fn accept_one(mut acceptance: Acceptance<'_>, draft: Option<Draft>) -> Result<AgentReport> {
    if acceptance.request.is_dry_run {
        return dry_run(acceptance, draft);
    }
    if draft.is_none() && !desk::has_abandoned(&acceptance.context.root, acceptance.agent) {
        return Ok(AgentReport::absent(&acceptance));
    }
    // It may have waited for others since it was judged.
    acceptance.take_turn(EpochMs::now());
    let desk = &acceptance.common.desk;
    let mut held = match desk.take(&ask(&acceptance, draft.as_ref()))? {
        Taken::Ours(held) => held,
        Taken::Theirs(entry) => return Ok(AgentReport::of_another(&acceptance, &entry)),
    };
    reached(Step::QueueLeased);
    decide_held(&mut acceptance, draft, &mut held).inspect_err(|error| desk.give_up(&held, error))
}

/// Says what would be decided. Nobody's lease is in the way of that.
fn dry_run(mut acceptance: Acceptance<'_>, draft: Option<Draft>) -> Result<AgentReport> {
    let Some(Draft { text, judged }) = draft else { return Ok(AgentReport::absent(&acceptance)) };
    if let Some((report, _)) = run_record::earlier(&acceptance, &text.bytes)? {
        return Ok(report);
    }
    match judged {
        Judged::Rejected(verdict) => Ok(alert::rejection(&acceptance, &text, &verdict)),
        Judged::Valid(sidecar) => {
            own(&mut acceptance, &sidecar);
            claim::dry_run(&acceptance, &decide::scoped(&acceptance, &sidecar.specs)?)
        }
    }
}

fn ask<'a>(acceptance: &'a Acceptance<'_>, draft: Option<&Draft>) -> Ask<'a> {
    let span = match draft.map(|draft| &draft.judged) {
        Some(Judged::Valid(sidecar)) => decision_span(sidecar.specs.iter().map(|spec| spec.healthcheck.timeout())),
        Some(Judged::Rejected(_)) | None => decision_span([]),
    };
    let key = acceptance.request.idempotency_key.as_deref();
    Ask { agent: acceptance.agent, run_id: &acceptance.run_id, key, span }
}

/// With the lease: first what somebody else has left there, then the sidecar as it stands now.
fn decide_held(acceptance: &mut Acceptance<'_>, draft: Option<Draft>, held: &mut Held) -> Result<AgentReport> {
    let common = acceptance.common;
    let desk = &common.desk;
    let Left { finished, open } = desk.settle_left(held)?;
    let Some(text) = desk.read(held)? else {
        // Somebody has decided it meanwhile, or the agent wants it no more.
        desk.close(held, open.as_ref(), RunInput::Withdrawn)?;
        let finished = finished.and_then(|run| AgentReport::of_run(acceptance.agent, run));
        return Ok(finished.unwrap_or_else(|| AgentReport::absent(acceptance)));
    };
    let Draft { text, judged } = match draft.filter(|draft| draft.text == text) {
        Some(draft) => draft,
        None => decide::judge(acceptance, text)?,
    };
    if let Some((report, place)) = run_record::earlier(acceptance, &text.bytes)? {
        desk.move_aside(held, &text.bytes, place)?;
        desk.close(held, open.as_ref(), RunInput::Replaced)?;
        return Ok(report);
    }
    if let Judged::Valid(sidecar) = &judged {
        own(acceptance, sidecar);
    }
    begin(acceptance, desk, held, (open, &text))?;
    reached(Step::QueueClaimed);
    match judged {
        Judged::Rejected(verdict) => {
            let report = alert::rejection(acceptance, &text, &verdict);
            alert::rejected(acceptance, &verdict, &report)?;
            conclude(acceptance, held, &text, &report)?;
            Ok(report)
        }
        Judged::Valid(sidecar) => {
            let report = start_all(acceptance, held, &sidecar.specs)?;
            if report.is_decided() {
                alert::failed_starts(acceptance, &report)?;
            }
            conclude(acceptance, held, &text, &report)?;
            Ok(report)
        }
    }
}

/// The sidecar says for which work item it is, if nobody else does.
fn own(acceptance: &mut Acceptance<'_>, sidecar: &Sidecar) {
    if acceptance.owner.work_item.is_empty() {
        acceptance.owner.work_item.clone_from(&sidecar.wi_id);
    }
}

/// The run is written down as claimed: the one that was found there, if it is about the same payload, else a new one.
fn begin(
    acceptance: &mut Acceptance<'_>,
    desk: &Desk<'_>,
    held: &mut Held,
    (open, text): (Option<Run>, &Text),
) -> Result<()> {
    let payload_hash = run_record::payload(acceptance, &text.bytes).hash();
    let Some(open) = open.as_ref().filter(|open| open.payload_hash == payload_hash) else {
        return desk.begin(held, open.as_ref(), &run_record::begun(acceptance, text, payload_hash));
    };
    (acceptance.run_id, acceptance.created_at) = (open.id.clone(), open.created_at);
    acceptance.is_again = true;
    desk.take_up(held, open, |run| {
        (run.outcome, run.failure_kind, run.failure_message) = (None, None, None);
        run.specs.clear();
        run.sidecar = Some(text.mark.clone());
        run.work_item.clone_from(&acceptance.owner.work_item);
        run.idempotency_key.clone_from(&acceptance.request.idempotency_key);
    })
}

/// The run ends as `report` says, its sidecar moves aside, and the lease is given back; or the run waits blocked for the next try.
fn conclude(acceptance: &Acceptance<'_>, held: &Held, text: &Text, report: &AgentReport) -> Result<()> {
    let desk = &acceptance.common.desk;
    let input = run_record::input_of(report);
    if input == RunInput::Blocked {
        desk.block(held, input, |run| run_record::tell(run, report))?;
        reached(Step::AcceptNoted);
        return Ok(());
    }
    reached(Step::AcceptAlerted);
    let run = desk.end(held, input, |run| run_record::tell(run, report))?;
    reached(Step::AcceptNoted);
    if let Some(draft) = desk::told_of(&run)
        && let Err(error) = acceptance.common.writer.change("accept", |document| document.tell(draft))
    {
        // The alert and the run still tell.
        log::warn!("no event tells of the rejected sidecar: {}", error.chain());
    }
    desk.move_aside(held, &text.bytes, run.place().unwrap_or(Place::Accepted))?;
    desk.release(held);
    Ok(())
}

impl Acceptance<'_> {
    /// Whether an event of that kind of this run is there already: it was taken up from a command that died, or was blocked.
    pub(super) fn has_told(&self, kind: EventType) -> bool {
        self.is_again && self.common.desk.has_told(&self.run_id, kind)
    }
}
