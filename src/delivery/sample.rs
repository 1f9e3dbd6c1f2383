//! Events for this room's tests.

use serde_json::Map;

use crate::base::clock::EpochMs;
use crate::service::{Event, EventType};

use super::Source;

/// Number `seq`, about `service`, at that many milliseconds of 2026.
pub(super) fn event(seq: u64, service: &str) -> Event {
    Event {
        seq,
        id: format!("evt-{seq}"),
        at: EpochMs(1_767_225_600_000 + i64::try_from(seq).expect("a small number")),
        kind: EventType::ServiceHealthy,
        service: service.to_owned(),
        project: "shop".into(),
        agent: "ripley".into(),
        generation: String::new(),
        run_id: String::new(),
        data: Map::new(),
    }
}

/// Events in memory.
pub(super) struct Memory(pub(super) Vec<Event>);

impl Source for Memory {
    fn last_seq(&self) -> crate::base::error::Result<u64> {
        Ok(self.0.last().map_or(0, |event| event.seq))
    }

    fn after(&self, seq: u64, count_max: usize) -> crate::base::error::Result<Vec<Event>> {
        Ok(self.0.iter().filter(|event| event.seq > seq).take(count_max).cloned().collect())
    }
}
