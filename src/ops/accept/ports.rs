//! Ports that somebody else listens on already, before anything is spawned.

use std::collections::HashSet;

use crate::health::ports::{PortInUse, observe_ports_in_use, wanted_ports};
use crate::lifecycle::accept::{Action, Step, Wanted};
use crate::state::Document;

use super::super::families::Families;

/// The first port of a service to be started that has a listener, as the contract words it: `port-in-use (PORT: WHO)`.
/// A generation that is to be replaced is ended first, so that its own listeners do not count.
pub(super) fn observe_taken(wanted: &[Wanted], steps: &[Step], document: &Document) -> Option<String> {
    let mut ports = Vec::new();
    let mut replaced = Vec::new();
    for (want, step) in wanted.iter().zip(steps) {
        match step.action {
            Action::Spawn | Action::Replace | Action::Recover => {
                ports.extend(wanted_ports(&want.spec));
                replaced.extend(document.find(&step.name));
            }
            Action::Unchanged | Action::Refuse(_) => {}
        }
    }
    let taken = observe_ports_in_use(&ports);
    if taken.is_empty() {
        return None;
    }
    let families = Families::observe(document);
    let leaving: HashSet<u32> = replaced.iter().flat_map(|record| families.pids(record)).collect();
    let first = taken.iter().find(|port| port.holder.as_ref().is_none_or(|holder| !leaving.contains(&holder.pid)))?;
    Some(format!("port-in-use ({}: {})", first.port, who(first, &families)))
}

fn who(taken: &PortInUse, families: &Families<'_>) -> String {
    let stranger = taken.who();
    let owner = taken.holder.as_ref().and_then(|holder| families.owner(holder.pid));
    match owner {
        None => stranger,
        Some(record) => {
            let project = match record.owner.project.as_str() {
                "" => String::new(),
                project => format!(", project {}", project.escape_debug()),
            };
            let worktree = record.worktree.as_deref().map(|top| format!(", worktree {top}")).unwrap_or_default();
            format!("{stranger}; service `{}`{project}{worktree}", record.name)
        }
    }
}
