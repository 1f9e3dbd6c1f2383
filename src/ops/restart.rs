//! `restart`: ends the whole tree of each service and starts a new generation from its record.

use crate::base::error::{Kind, Result};

use super::context::Context;
use super::start::{Again, By, OnProgress, Only, Report, again};

/// Restarts `names`, side by side, and waits for the first health of each if `waits`. Nothing is done at all if one of
/// them is unknown (exit 6) or worked on by another command (exit 7).
pub fn run(context: &Context, names: &[String], waits: bool, progress: OnProgress<'_>) -> Result<Report> {
    again(
        context,
        &Again { names, verb: "restart", by: By::Person, waits, is_all_or_none: true, only: Only::Anything },
        progress,
    )
}

/// How a command that reports this ends; `None`: well. What was left as it is outweighs what did not come up.
pub fn kind(report: &Report) -> Option<Kind> {
    let kinds: Vec<Kind> = report.items.iter().filter_map(|item| item.error.as_ref()).map(|error| error.kind).collect();
    let is_unhealthy = |kind: &&Kind| **kind == Kind::NotHealthy;
    let refusal = kinds.iter().filter(|kind| !is_unhealthy(kind)).max_by_key(|kind| kind.exit_code());
    match (refusal, kinds.len()) {
        (Some(kind), _) => Some(*kind),
        (None, 0) => None,
        (None, some) if some == report.items.len() => Some(Kind::NotHealthy),
        (None, _) => Some(Kind::PartlyHealthy),
    }
}
