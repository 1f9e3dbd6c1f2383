//! The sidecars that wait for a decision, in the order in which they are taken. Impure: reads them and looks when they were written.

use crate::base::clock::EpochMs;
use crate::base::error::Result;
use crate::base::files;
use crate::base::ids::AgentName;
use crate::base::root::Root;
use crate::lifecycle::queue::{Waiting, order};
use crate::sidecar;

use super::super::context::Context;
use super::super::validate::{agents, has_sidecar};
use super::aside;
use super::text::written_at;

/// One that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Whose it is.
    pub agent: AgentName,
    /// As its sidecar asks, from -1000 to 1000; 0 where it does not say, or cannot be read.
    pub priority: i16,
    /// When the file was written.
    pub since: EpochMs,
}

impl Pending {
    fn place(&self) -> Waiting<'_> {
        Waiting { priority: self.priority, since: self.since, agent: self.agent.as_str() }
    }
}

/// Every sidecar that is not decided, also one that a killed command was about to move aside; who is taken first stands first.
pub fn pending(context: &Context) -> Result<Vec<Pending>> {
    let root = &context.root;
    let is_pending = |agent: &AgentName| has_sidecar(root, agent) || aside::has_abandoned(root, agent);
    let mut found: Vec<Pending> = agents(root, is_pending)?.into_iter().map(|agent| observe(root, agent)).collect();
    found.sort_by(|a, b| order(&a.place(), &b.place()));
    Ok(found)
}

fn observe(root: &Root, agent: AgentName) -> Pending {
    let path = root.sidecar(&agent);
    let path = match path.symlink_metadata() {
        Ok(_) => path,
        Err(_) => aside::abandoned(root, &agent).ok().and_then(|mut found| found.pop()).map_or(path, |held| held.path),
    };
    let since = path.symlink_metadata().map(|meta| written_at(&meta)).unwrap_or(EpochMs(0));
    let bytes = files::read_bounded(&path, sidecar::BYTES_MAX).unwrap_or_default();
    Pending { priority: sidecar::priority(&bytes), since, agent }
}
