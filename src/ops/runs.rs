//! `runs`: what became of acceptances, and one of them with its events; and how many of them are kept.

use std::collections::HashSet;

use crate::base::error::{Error, Kind, Result};
use crate::runs::{Leases, Listing, Malformed, Run, RunStatus, RunStore, no_such_run};

use super::context::Context;
use super::events;

/// Which runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this agent.
    pub agent: Option<String>,
    /// That stand so.
    pub status: Option<RunStatus>,
    /// Of this project.
    pub project: Option<String>,
    /// At most so many, the newest.
    pub limit: Option<usize>,
}

/// The runs that match, the newest first, and the files that should be runs and are none.
pub fn list(context: &Context, filter: &Filter) -> Result<Listing> {
    let Filter { agent, status, project, limit } = filter;
    let is = |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|wanted| wanted == value);
    let is_match = |run: &Run| {
        is(agent, &run.agent) && is(project, &run.project) && status.is_none_or(|wanted| wanted == run.status)
    };
    let Listing { mut runs, malformed } = RunStore::new(&context.root).list()?;
    runs.retain(is_match);
    runs.truncate(limit.unwrap_or(usize::MAX));
    Ok(Listing { runs, malformed })
}

/// One run.
#[derive(Debug)]
pub struct Shown {
    /// It.
    pub run: Run,
    /// Its events that the journal still has, each as its compact JSON, oldest first.
    pub events: Vec<String>,
}

/// The run of that id, or whose id is the only one that begins so. Errors: `no-such-run` (exit 6); `run-ambiguous` (exit 64) names
/// some of those that begin so; `run-unreadable`.
pub fn show(context: &Context, id: &str) -> Result<Shown> {
    let store = RunStore::new(&context.root);
    let mut ids = store.ids()?;
    ids.retain(|known| !id.is_empty() && known.starts_with(id));
    let run = match ids.as_slice() {
        [] => None,
        [only] => store.find(only)?,
        [first, second, ..] => {
            let message = format!("{} runs begin with `{}`: {first}, {second} …", ids.len(), id.escape_debug());
            return Err(Error::new(Kind::Usage, "run-ambiguous", message).with_hint("give more of the id"));
        }
    };
    let run = run.ok_or_else(|| no_such_run(id))?;
    let events = events::of_run(context, &run.id)?.items;
    Ok(Shown { run, events })
}

/// Removes the runs that are too many; how many went. Those stay that have not ended, that a service's record names, or that
/// somebody is at.
pub(super) fn prune(context: &Context) -> Result<usize> {
    let store = RunStore::new(&context.root);
    let runs_max = usize::try_from(context.settings.runs_max).unwrap_or(usize::MAX);
    if store.ids()?.len() <= runs_max {
        return Ok(0);
    }
    let leases = Leases::new(&context.root, context.lock_timeout()).read()?;
    let records = context.store().read()?.records;
    let of_leases = leases.iter().map(|entry| entry.run_id.as_str());
    let of_records = records.iter().filter_map(|record| record.run_id.as_deref());
    let kept: HashSet<&str> = of_leases.chain(of_records).collect();
    store.prune(runs_max, |id| kept.contains(id))
}

/// Why a run's file is none, in words for a note.
pub fn words(malformed: &Malformed) -> String {
    malformed.to_error().message
}
