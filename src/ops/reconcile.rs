//! `reconcile`: what a crash or a boot left untrue is put right by a sweep, then every survivor is asked once.

use std::time::Duration;

use crate::base::clock::EpochMs;
use crate::base::error::{Error, Kind, Result};
use crate::base::span;
use crate::base::steps::{Step, reached};
use crate::lifecycle::health::is_fresh;
use crate::service::{Record, Status};
use crate::state::SetAside;

use super::context::Context;
use super::probe::{self, Probed};
use super::sweep;

/// The name of this verb at the lock.
const VERB: &str = "reconcile";

/// What came of it.
#[derive(Debug)]
pub struct Report {
    /// What the sweep found due and did.
    pub sweep: sweep::Report,
    /// One per survivor that was to be probed, by name; `healthy` is `None` for who was not had in time.
    pub probed: Vec<Probed>,
    /// Survivors that needed no probe, by name.
    pub not_probed: Vec<NotProbed>,
    /// Why what the probes found out could not be written down.
    pub unrecorded: Option<Error>,
    /// Something unreadable in the state file was put aside.
    pub set_aside: Option<SetAside>,
}

/// A survivor that was not probed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotProbed {
    /// The record's name.
    pub name: String,
    /// Why: `healthy 3s ago`.
    pub why: String,
}

impl Report {
    /// The news that it is: what could not be done. That somebody is not healthy is none.
    pub fn kind(&self) -> Option<Kind> {
        self.sweep.kind().or(self.unrecorded.as_ref().map(|error| error.kind))
    }
}

/// Sweeps, then probes who is recorded as running, side by side, for at most `within` (bootReconcileMaxMs if not given):
/// however many probes hang, they hold it up no longer. A sweep that has to end something takes as long as that takes.
pub fn run(context: &Context, within: Option<Duration>) -> Result<Report> {
    let request = sweep::Request { is_dry_run: false, is_thorough: true };
    let sweep = sweep::run(context, request)?;
    reached(Step::ReconcileSwept);
    let reading = context.store().read_or_recover(VERB)?;
    let now = EpochMs::now();
    let backoff = context.health_backoff();
    let mut running: Vec<Record> = reading.document.records;
    running.retain(|record| record.status == Status::Running);
    running.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let (fresh, due): (Vec<Record>, Vec<Record>) =
        running.into_iter().partition(|record| is_fresh(record, now, backoff));
    let within = within.unwrap_or(Duration::from_millis(context.settings.boot_reconcile_max_ms));
    let probed = probe::probe(context, &due, Some(within));
    reached(Step::ReconcileProbed);
    let (set_aside, unrecorded) = match probe::record(context, VERB, &probed) {
        Ok(set_aside) => (set_aside, None),
        Err(error) => (None, Some(error)),
    };
    let not_probed = fresh.into_iter().map(|record| NotProbed::fresh(record, now)).collect();
    let set_aside = sweep.set_aside.clone().or(reading.set_aside).or(set_aside);
    Ok(Report { sweep, probed, not_probed, unrecorded, set_aside })
}

impl NotProbed {
    fn fresh(record: Record, now: EpochMs) -> Self {
        let ago = record.last_health_at.map(|at| now.since(at)).unwrap_or_default();
        Self { name: record.name, why: format!("healthy {} ago", span::short(ago)) }
    }
}
