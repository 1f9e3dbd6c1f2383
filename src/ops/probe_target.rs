//! What a probe must know of a recorded service beside its healthcheck: its environment, its tree, and which other service
//! a pid belongs to. One place for the first health of a start and for every later probe.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::base::shared_look::SharedLook;
use crate::health::Target;
use crate::process::{self, Table};
use crate::service::{Identity, Record};
use crate::state::Document;

use super::context::Context;
use super::families::Families;
use super::start::environment;

/// What the probes of one command share.
pub(super) struct Probing<'a> {
    context: &'a Context,
    /// The state, read once, and only if somebody asks: when a service's own process does not hold the socket.
    document: OnceLock<Document>,
    /// The process table; `None` where it cannot be had.
    table: SharedLook<Option<Table>>,
    /// Which service each process of any belongs to.
    owners: SharedLook<HashMap<u32, String>>,
}

impl<'a> Probing<'a> {
    /// Of one command.
    pub(super) fn new(context: &'a Context) -> Self {
        Self { context, document: OnceLock::new(), table: SharedLook::new(), owners: SharedLook::new() }
    }

    /// Calls `probe` with what it must know of `record`, whose process is `service`, if it is known.
    pub(super) fn with<T>(
        &self,
        record: &Record,
        service: Option<&Identity>,
        probe: impl FnOnce(&Target<'_>) -> T,
    ) -> T {
        let env = environment(record);
        // Whoever descends from the shim, or, without one, from the service itself.
        // Who is in another pid namespace has a pid that is a stranger's here: then nothing is proven.
        let service = service.filter(|service| !process::is_elsewhere(service));
        let shim = record.process.as_ref().map(|process| &process.shim).filter(|shim| !process::is_elsewhere(shim));
        let top = shim.or(service).map(|top| top.pid);
        let tree = || {
            let table = self.table.observe(|| Table::observe().ok());
            let below = top.and_then(|top| Some(table.as_ref().as_ref()?.descendants(top)));
            below.unwrap_or_default().into_iter().map(|member| member.pid).collect()
        };
        let other = |pid: u32| self.other_service(&record.name, pid);
        probe(&Target {
            cwd: &record.spec.cwd,
            env: &env,
            search_path: self.search_path(record),
            service,
            tree: &tree,
            other: &other,
        })
    }

    /// The PATH on which a probe's program is looked up: that of the supervisor when the service was declared, as far as
    /// it was kept, so that whatever is called from cron probes as the first start did.
    fn search_path<'b>(&'b self, record: &'b Record) -> &'b str {
        let kept = record.passed_env.iter().find(|(key, _)| key == "PATH");
        kept.map_or(self.context.path(), |(_, path)| path)
    }

    /// The managed service, other than `name`, that `pid` belongs to.
    fn other_service(&self, name: &str, pid: u32) -> Option<String> {
        let owners = self.owners.observe(|| {
            let document = self.document.get_or_init(|| self.context.store().read().unwrap_or_default());
            Families::observe(document).owners()
        });
        owners.get(&pid).filter(|owner| *owner != name).cloned()
    }
}
