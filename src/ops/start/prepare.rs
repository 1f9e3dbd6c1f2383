//! A start that is prepared: the record as it will be claimed, and a shim that waits for its word; and the claim itself.

use std::sync::Arc;

use crate::base::clock::EpochMs;
use crate::base::error::{Error, Result};
use crate::base::ids::Generation;
use crate::base::steps::{Step, reached};
use crate::process::{self, SpawnedShim};
use crate::service::{Claim, Previous, Record};
use crate::state::Document;

use super::super::moved::moved;
use super::{Outside, Starter};

/// A new generation before its claim, and after it.
pub(crate) struct Start {
    /// The record as claimed: `starting`.
    pub(crate) record: Record,
    /// The generation.
    pub(super) generation: Generation,
    /// The record that it replaces.
    pub(super) old: Option<Record>,
    /// Waits for its word.
    pub(super) shim: SpawnedShim,
    /// The declared name of something that it waits for and that is known not to be up: it is not to be performed.
    pub(crate) blocked_by: Option<String>,
    /// What it waits for and is not started with it.
    pub(crate) awaits: Vec<Arc<Outside>>,
}

impl Start {
    /// Prepares a new generation of what `record` declares, in place of `old`. The shim is started before the claim is
    /// written: it does nothing before it has its word, so that its start costs no time of its own.
    pub(crate) fn prepare(starter: &Starter<'_>, record: Record, old: Option<Record>) -> Result<Self> {
        let now = EpochMs::now();
        let generation = Generation::new(now);
        let by = starter.by;
        let mut record = Record {
            generation: Some(generation.clone()),
            status: old.as_ref().map_or(record.status, |old| old.status),
            healthy: false,
            alive: false,
            pid: None,
            process: None,
            started_at: None,
            ttl_expires_at: Some(by.ttl_expires_at(&record, now)),
            last_health_at: None,
            health_proof: None,
            claim: Some(Claim { maker: starter.maker.clone(), verb: starter.verb.to_owned(), at: now }),
            previous: old.as_ref().map(Previous::of),
            last_exit: None,
            progress: by.progress(&record),
            ..record
        };
        let input = by.input(record.status);
        moved(&mut record, input, now, by.why(starter.verb))?;
        if let (None, Some(first)) = (&old, &mut record.progress.last_transition) {
            first.from = None;
        }
        let run_dir = starter.context.root.run_dir(&record.name, &generation);
        let shim = process::start_shim(&run_dir)
            .map_err(|error| Error::io(format!("cannot start a shim for service `{}`", record.name), error))?;
        reached(Step::StartPrepared);
        Ok(Self { record, generation, old, shim, blocked_by: None, awaits: Vec::new() })
    }
}

/// Puts the claims into the state, all or none: none if what they were prepared from is no longer so.
pub(crate) fn insert<'a>(fresh: &mut Document, starts: impl Iterator<Item = &'a Start> + Clone) -> bool {
    let still_so = starts.clone().all(|start| is_still_so(fresh, &start.record, start.old.as_ref()));
    if still_so {
        for start in starts {
            fresh.put(start.record.clone());
        }
    }
    still_so
}

/// Whether `record` can still take the place that it was made for: that of `old`, or of none.
pub(crate) fn is_still_so(fresh: &Document, record: &Record, old: Option<&Record>) -> bool {
    let there = fresh.find(&record.name);
    match old {
        Some(old) => there.is_some_and(|there| there.is_same_life(old)),
        None => {
            let is_namesake = |other: &Record| other.spec.name == record.spec.name && other.scope() == record.scope();
            there.is_none() && !fresh.records.iter().any(is_namesake)
        }
    }
}

/// Sends the shims away that will have no word.
pub(crate) fn dismiss(starts: impl IntoIterator<Item = Start>) {
    for start in starts {
        // It has had no word, so it goes by itself even if waiting for it fails.
        drop(start.shim.dismiss());
    }
}
