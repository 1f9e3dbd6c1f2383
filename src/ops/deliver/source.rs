//! The journal as what is delivered from, and the telling of what delivery itself has to tell.

use crate::base::error::Result;
use crate::delivery::Source;
use crate::delivery::dead::Letter;
use crate::service::Event;

use super::super::context::Context;

/// The events of one root.
pub struct Events {
    context: Context,
}

/// By which it is seen that something may have come since.
pub(super) type Mark = [Option<(u64, i64, i64)>; 2];

impl Events {
    /// Those of the root of `context`.
    pub fn of(context: &Context) -> Self {
        Self { context: context.clone() }
    }

    /// How the files look that hold events.
    pub(super) fn mark(&self) -> Option<Mark> {
        let _ = &self.context;
        None
    }
}

impl Source for Events {
    fn last_seq(&self) -> Result<u64> {
        Ok(0)
    }

    fn after(&self, _seq: u64, _count_max: usize) -> Result<Vec<Event>> {
        Ok(Vec::new())
    }
}

/// Tells that `sink` has a dead letter; not if that is itself about a delivery.
pub(super) fn tell_dead(_context: &Context, _sink: &str, _letter: &Letter) -> Result<()> {
    Ok(())
}

/// Tells that `count` events were dropped.
pub(super) fn tell_dropped(_context: &Context, _sink: &str, _count: u64) -> Result<()> {
    Ok(())
}
