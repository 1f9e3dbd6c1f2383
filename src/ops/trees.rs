//! Which processes belong to which service, seen at one moment. Impure: looks at the process table.

use std::collections::{HashMap, HashSet};
use std::io;

use crate::base::ids::Generation;
use crate::process::{self, Memory, Table};
use crate::service::{Identity, Liveness, Process, Record};

use super::facts;

/// Memory of the whole tree of each service, in bytes; `None` for what is not alive or cannot be seen. Looks at the process
/// table once, which takes longer than all the rest of a list.
pub fn observe_memory<'a>(items: impl Iterator<Item = (&'a Record, Liveness)>) -> Vec<Option<u64>> {
    let trees = Trees::observe().ok();
    let memory = |(record, liveness)| match liveness {
        Liveness::Alive => trees.as_ref()?.memory(record),
        Liveness::Dead | Liveness::Unknown => None,
    };
    items.map(memory).collect()
}

/// The process table, and the generations whose marks processes carry.
#[derive(Debug)]
pub struct Trees {
    table: Table,
    living: HashMap<u32, Identity>,
    /// Empty unless it was asked for: to read every environment takes as long as all the rest.
    marked: HashMap<Generation, Vec<u32>>,
}

impl Trees {
    /// Looks at the process table: enough to find the trees of living shims.
    pub fn observe() -> io::Result<Self> {
        let table = Table::observe()?;
        let living = table.all().iter().map(|identity| (identity.pid, identity.clone())).collect();
        Ok(Self { table, living, marked: HashMap::new() })
    }

    /// Looks at every process's mark too, which also finds what is left of services whose shims are gone.
    pub fn observe_with_marks() -> io::Result<Self> {
        let mut trees = Self::observe()?;
        for pid in trees.living.keys() {
            if let Some(generation) = process::observe_mark(*pid)? {
                trees.marked.entry(generation).or_default().push(*pid);
            }
        }
        Ok(trees)
    }

    /// Every living process of `record`'s generation and of the one that it replaces, without their shims; sorted.
    pub fn members(&self, record: &Record) -> Vec<u32> {
        let mut members = HashSet::new();
        self.add_generation(record.generation.as_ref(), record.process.as_ref(), &mut members);
        if let Some(previous) = &record.previous {
            self.add_generation(previous.generation.as_ref(), previous.process.as_ref(), &mut members);
        }
        let legacy = record.pid.filter(|_| record.generation.is_none());
        if let Some(pid) = legacy.filter(|_| facts::observe_service(record) == Liveness::Alive) {
            self.add_family(pid, &mut members);
        }
        let shims = [record.process.as_ref(), record.previous.as_ref().and_then(|previous| previous.process.as_ref())];
        for process in shims.into_iter().flatten() {
            if self.living.get(&process.shim.pid).is_some_and(|living| living.is_same_as(&process.shim)) {
                members.remove(&process.shim.pid);
            }
            self.remove_follower(process, &mut members);
        }
        let mut members: Vec<u32> = members.into_iter().collect();
        members.sort_unstable();
        members
    }

    /// The generations that living processes carry the mark of, with those processes.
    pub fn marked(&self) -> impl Iterator<Item = (&Generation, &[u32])> {
        self.marked.iter().map(|(generation, pids)| (generation, pids.as_slice()))
    }

    /// Every living process.
    pub fn pids(&self) -> impl Iterator<Item = u32> {
        self.table.all().iter().map(|identity| identity.pid)
    }

    /// `pid` and every process above it.
    pub fn lineage(&self, pid: u32) -> Vec<u32> {
        self.pids()
            .filter(|above| *above == pid || self.table.descendants(*above).iter().any(|it| it.pid == pid))
            .collect()
    }

    /// Memory of `record`'s tree in bytes; `None` if none of it lives or nothing can be seen. What the processes may have in
    /// common (program files, shared memory) counts once, by the largest: a server of ten workers has its program once.
    pub fn memory(&self, record: &Record) -> Option<u64> {
        let memories: Vec<Memory> = self.members(record).into_iter().filter_map(process::observe_memory).collect();
        let shared = memories.iter().map(|memory| memory.shared).max()?;
        let own = memories.iter().map(|memory| memory.resident - memory.shared);
        Some(own.fold(shared, u64::saturating_add))
    }

    /// A shim has one child, its service, but for a moment after it has started that again.
    fn remove_follower(&self, process: &Process, members: &mut HashSet<u32>) {
        let children = self.table.children(process.shim.pid).iter().map(|child| child.pid);
        let others = children.filter(|pid| *pid != process.service.pid && members.contains(pid)).collect::<Vec<_>>();
        for follower in others.into_iter().filter(|pid| process::observe_is_follower(*pid)) {
            let its_own = self.table.descendants(follower);
            members.retain(|pid| *pid != follower && its_own.iter().all(|below| below.pid != *pid));
        }
    }

    fn add_generation(&self, generation: Option<&Generation>, process: Option<&Process>, members: &mut HashSet<u32>) {
        for identity in process.into_iter().flat_map(|process| [&process.shim, &process.service]) {
            if self.living.get(&identity.pid).is_some_and(|living| living.is_same_as(identity)) {
                self.add_family(identity.pid, members);
            }
        }
        // Its shim may have given it another life since the record was written.
        let Some(generation) = generation else { return };
        let newer = || self.marked.iter().find(|(mark, _)| generation.is_kin(mark)).map(|(_, pids)| pids);
        for pid in self.marked.get(generation).or_else(newer).into_iter().flatten() {
            self.add_family(*pid, members);
        }
    }

    fn add_family(&self, pid: u32, members: &mut HashSet<u32>) {
        if members.insert(pid) {
            members.extend(self.table.descendants(pid).into_iter().map(|member| member.pid));
        }
    }
}
