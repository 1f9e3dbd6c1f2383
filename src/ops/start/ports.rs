//! Ports that somebody else listens on already, before anything is ended or spawned.

use std::collections::HashSet;

use crate::health::ports::{PortInUse, observe_ports_in_use, wanted_ports};
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
    let first = taken.iter().find(|taken| match &taken.holder {
        Some(holder) => !pids.contains(&holder.pid),
        None => !leaving.iter().any(|record| is_likely(record, taken)),
    })?;
    Some(format!("port-in-use ({}: {})", first.port, who(first, &families, document)))
}

/// Whether `record` is taken for the holder of a port of which the system tells no more than that it is in use: it lives, and
/// the port is one of its own.
fn is_likely(record: &Record, taken: &PortInUse) -> bool {
    let is_there = || facts::observe_service(record) == Liveness::Alive || !marked(record).is_empty();
    taken.address.is_none() && wanted_ports(&record.spec).contains(&taken.port) && is_there()
}

/// The processes of `record`'s generation, also those that have lost their shim and are known by their mark alone.
fn family(record: &Record, families: &Families<'_>) -> Vec<u32> {
    let mut pids = families.pids(record);
    if facts::observe_shim(record) != Liveness::Alive {
        pids.extend(marked(record));
    }
    pids
}

fn marked(record: &Record) -> Vec<u32> {
    let found = record.generation.as_ref().and_then(|generation| process::observe_marked(generation).ok());
    found.unwrap_or_default().into_iter().map(|identity| identity.pid).collect()
}

fn who(taken: &PortInUse, families: &Families<'_>, document: &Document) -> String {
    let stranger = taken.who();
    let owner = taken.holder.as_ref().and_then(|holder| families.owner(holder.pid));
    let likely = || document.records.iter().find(|record| is_likely(record, taken));
    match owner.map(|record| (record, "")).or_else(|| likely().map(|record| (record, "most likely "))) {
        None => stranger,
        Some((record, how)) => {
            let project = match record.owner.project.as_str() {
                "" => String::new(),
                project => format!(", project {}", project.escape_debug()),
            };
            let worktree = record.worktree.as_deref().map(|top| format!(", worktree {top}")).unwrap_or_default();
            format!("{stranger}; {how}service `{}`{project}{worktree}", record.name)
        }
    }
}
