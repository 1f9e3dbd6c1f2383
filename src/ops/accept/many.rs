//! Many agents' sidecars: side by side where they have nothing in common, else in their order, so that each finds what the
//! one before it left. What they write at the same time is written, and synced, together (`state::GroupCommit`).

use std::sync::Mutex;

use crate::base::error::Result;
use crate::base::ids::AgentName;
use crate::health::ports::wanted_ports;
use crate::health::side_by_side_with_stack;
use crate::lifecycle::apart::apart;
use crate::process;
use crate::service::Record;

use super::super::start::STACK_BYTES;
use super::decide::{self, Draft, Judged};
use super::report::AgentReport;
use super::turn::accept_one;
use super::{Acceptance, Common};

/// What two acceptances may have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    /// The same agent, asked for twice.
    Agent(String),
    /// A declared name: the same service, or one that gets another name because this one is taken.
    Name(String),
    /// A port that one of them takes, or gives up.
    Port(u16),
    /// Whoever comes second under an idempotency key gets the answer of the first.
    Idempotency,
}

/// Accepts all, and returns what came of each in their order.
pub(super) fn accept_all<'a>(
    common: &'a Common<'a>,
    agents: &'a [AgentName],
) -> Vec<(&'a AgentName, Result<AgentReport>)> {
    if let [only] = agents {
        return vec![(only, accept_now(common, only))];
    }
    let drafts = side_by_side_with_stack(agents, process::processors(), STACK_BYTES, |agent| {
        let acceptance = Acceptance::new(common, agent);
        // What cannot be judged now is judged, and its error told, when its turn comes.
        let draft = decide::draft(&acceptance).ok()?;
        Some((acceptance, draft))
    });
    // A state that cannot be read is said when the first of them meets it.
    let records = common.context.store().read().unwrap_or_default().records;
    let needs: Vec<Vec<Key>> = agents
        .iter()
        .zip(&drafts)
        .map(|(agent, draft)| needs(common, agent, draft.as_ref().and_then(|(_, draft)| draft.as_ref()), &records))
        .collect();
    let groups = apart(&needs);
    let drafts: Vec<_> = drafts.into_iter().map(Mutex::new).collect();
    let accept = |at: usize, is_first: bool| {
        // Whoever comes after another is decided anew: what was before it may have changed what it finds.
        let draft = drafts[at].lock().ok().and_then(|mut draft| draft.take()).filter(|_| is_first);
        match draft {
            Some((acceptance, draft)) => accept_one(acceptance, draft),
            None => accept_now(common, &agents[at]),
        }
    };
    let in_order =
        |group: &Vec<usize>| -> Vec<_> { group.iter().map(|&at| (at, accept(at, at == group[0]))).collect() };
    // Their services start side by side, on few processors: more at once would only make each start slower, down to healthchecks
    // that give up.
    let at_once = usize::try_from(common.context.settings.queue_side_by_side_max).unwrap_or(usize::MAX);
    let mut reports: Vec<_> =
        side_by_side_with_stack(&groups, at_once, STACK_BYTES, in_order).into_iter().flatten().collect();
    reports.sort_by_key(|(at, _)| *at);
    reports.into_iter().map(|(at, report)| (&agents[at], report)).collect()
}

fn accept_now(common: &Common<'_>, agent: &AgentName) -> Result<AgentReport> {
    let acceptance = Acceptance::new(common, agent);
    let draft = decide::draft(&acceptance)?;
    accept_one(acceptance, draft)
}

/// What an acceptance may have in common with others: `records` are those that it may meet and replace.
fn needs(common: &Common<'_>, agent: &AgentName, draft: Option<&Draft>, records: &[Record]) -> Vec<Key> {
    let mut keys = vec![Key::Agent(agent.to_string())];
    keys.extend(common.request.idempotency_key.as_ref().map(|_| Key::Idempotency));
    let Some(Judged::Valid(sidecar)) = draft.map(|draft| &draft.judged) else { return keys };
    for spec in &sidecar.specs {
        keys.push(Key::Name(spec.name.clone()));
        let met = records.iter().filter(|record| record.spec.name == spec.name).map(|record| &record.spec);
        keys.extend(std::iter::once(spec).chain(met).flat_map(wanted_ports).map(Key::Port));
    }
    keys
}
