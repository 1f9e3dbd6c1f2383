//! `touch`: somebody uses a service. It is written down, so that the service is neither stopped for want of use nor started
//! anew for an update or the day before it has gone unused for as long as that takes.

use crate::base::clock::EpochMs;
use crate::base::error::Result;
use crate::lifecycle::due::{Due, next_due};
use crate::service::{Record, Status};
use crate::state::SetAside;

use super::context::Context;
use super::find;

/// The name of this verb at the lock.
const VERB: &str = "touch";

/// What came of it.
#[derive(Debug)]
pub struct Touched {
    /// The record's name.
    pub name: String,
    /// Where it stands: what is not up is not started by this.
    pub status: Status,
    /// When it was used.
    pub at: EpochMs,
    /// What comes next, and when, if nobody uses it from now on.
    pub next: Option<(Due, EpochMs)>,
    /// Something unreadable in the state file was put aside.
    pub set_aside: Option<SetAside>,
}

/// Marks the service `name` as used now. Another command may be at it: nothing else is changed. Error: `no-such-service`
/// (exit 6).
pub fn run(context: &Context, name: &str) -> Result<Touched> {
    let at = EpochMs::now();
    let changed = context.store().change(VERB, |document| -> Result<Record> {
        let Some(record) = document.find_mut(name) else { return Err(find::no_such_service(document, name)) };
        record.progress.last_used_at = Some(at);
        Ok(record.clone())
    })?;
    let record = changed.value?;
    let next = next_due(&record, at, context.health_backoff());
    Ok(Touched { name: record.name, status: record.status, at, next, set_aside: changed.set_aside })
}
