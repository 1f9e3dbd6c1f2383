//! Ports that somebody else listens on already, before anything is ended or spawned.

use std::collections::HashSet;

use crate::health::ports::{PortInUse, observe_ports_in_use};
use crate::process;
use crate::service::{Liveness, Record};
use crate::state::Document;

use super::super::facts;
use super::super::families::Families;

/// The first of `ports` that has a listener, as the contract words it: `port-in-use (PORT: WHO)`. The generations of
/// `leaving` are ended first, so that their own listeners do not count.
pub(crate) fn observe_taken(ports: &[u16], leaving: &[&Record], document: &Document) -> Option<String> {
    let taken = observe_ports_in_use(ports);
    if taken.is_empty() {
        return None;
    }
    let families = Families::observe(document);
    let pids: HashSet<u32> = leaving.iter().flat_map(|record| family(record, &families)).collect();
    let first = taken.iter().find(|port| port.holder.as_ref().is_none_or(|holder| !pids.contains(&holder.pid)))?;
    Some(format!("port-in-use ({}: {})", first.port, who(first, &families)))
}

/// The processes of `record`'s generation, also those that have lost their shim and are known by their mark alone.
fn family(record: &Record, families: &Families<'_>) -> Vec<u32> {
    let mut pids = families.pids(record);
    if let Some(generation) = &record.generation
        && facts::observe_shim(record) != Liveness::Alive
    {
        let marked = process::observe_marked(generation).unwrap_or_default();
        pids.extend(marked.into_iter().map(|identity| identity.pid));
    }
    pids
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
