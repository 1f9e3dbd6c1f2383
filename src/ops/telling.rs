//! The journal behind the store's seam: the rooms `state` and `journal` meet here alone.

use crate::base::error::Result;
use crate::journal::{self, Difference, End, Log};
use crate::service::Draft;
use crate::state::{CarriedEvent, Change, Journal};

/// Tells the journal what the state's writes mean.
#[derive(Debug)]
pub(super) struct Teller {
    log: Log,
}

impl Teller {
    /// Tells `log`.
    pub(super) fn new(log: Log) -> Self {
        Self { log }
    }
}

impl Journal for Teller {
    fn derive(&self, change: &Change<'_>) -> Vec<Draft> {
        let Change { before, after, exits, now } = *change;
        journal::drafts(&Difference { before, after, exits, now })
    }

    fn look(&self) -> Result<(u64, u64)> {
        let End { last, cut_bytes } = self.log.look()?;
        Ok((last, cut_bytes))
    }

    fn append(&self, events: &[CarriedEvent]) -> Result<()> {
        self.log.append(events.iter().map(|event| event.json.as_str()))
    }

    fn keep(&self, events: &[CarriedEvent]) -> Result<()> {
        let Some(first) = events.first() else { return Ok(()) };
        let texts: Vec<&str> = events.iter().map(|event| event.json.as_str()).collect();
        self.log.keep(first.seq, &texts)
    }
}
