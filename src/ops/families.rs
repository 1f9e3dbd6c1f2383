//! Which managed service a pid belongs to. Impure: looks at the process table.

use std::collections::{HashMap, HashSet};

use crate::process::{self, Table};
use crate::service::Record;
use crate::state::Document;

/// The trees of all managed services.
pub(crate) struct Families<'a> {
    members: Vec<(&'a Record, HashSet<u32>)>,
}

impl<'a> Families<'a> {
    /// Looks at the process table once. Without one only the services' own pids are known.
    pub(crate) fn observe(document: &'a Document) -> Self {
        let table = Table::observe().ok();
        let family = |record: &'a Record| {
            // Pids that count in another pid namespace are strangers' here.
            let is_elsewhere = record.process.as_ref().is_some_and(|process| process::is_elsewhere(&process.service));
            let pids = record.process.iter().filter(|_| !is_elsewhere).flat_map(|process| {
                let below = table.as_ref().map(|table| table.descendants(process.shim.pid)).unwrap_or_default();
                below.into_iter().map(|member| member.pid).chain([process.service.pid])
            });
            (record, pids.chain(record.pid.filter(|_| !is_elsewhere)).collect())
        };
        Self { members: document.records.iter().map(family).collect() }
    }

    /// The record in whose tree `pid` is.
    pub(crate) fn owner(&self, pid: u32) -> Option<&'a Record> {
        self.members.iter().find(|(_, pids)| pids.contains(&pid)).map(|(record, _)| *record)
    }

    /// The name of the record that each process of any belongs to: of the first in the file, where trees overlap.
    pub(crate) fn owners(&self) -> HashMap<u32, String> {
        let of = |(record, pids): &(&'a Record, HashSet<u32>)| {
            pids.iter().map(|pid| (*pid, record.name.clone())).collect::<Vec<_>>()
        };
        self.members.iter().rev().flat_map(of).collect()
    }

    /// The pids of `record`'s tree.
    pub(crate) fn pids(&self, record: &Record) -> Vec<u32> {
        let found = self.members.iter().find(|(member, _)| member.name == record.name);
        found.map(|(_, pids)| pids.iter().copied().collect()).unwrap_or_default()
    }
}
