//! The journal as what is delivered from, and the telling of what delivery itself has to tell.

use crate::base::clock::EpochMs;
use crate::base::error::{Error, Result};
use crate::base::json::Plain;
use crate::delivery::Source;
use crate::delivery::dead::Letter;
use crate::delivery::waiting::is_of_delivery;
use crate::journal::Filter;
use crate::service::{Draft, Event, EventType, event_from_json};
use crate::state::Document;

use super::super::context::Context;
use super::super::events::{self, Found, Request, Start};
use super::super::news::Sight;
use super::VERB;

/// The events of one root.
pub struct Events {
    context: Context,
}

/// By which it is seen that something may have come since.
pub(super) type Mark = [Sight; 2];

impl Events {
    /// Those of the root of `context`.
    pub fn of(context: &Context) -> Self {
        Self { context: context.clone() }
    }

    /// How the files look that hold events.
    pub(super) fn mark(&self) -> Mark {
        [self.context.root.events(), self.context.root.state()].map(|path| Sight::of(&path))
    }

    fn find(&self, start: Start, limit: usize) -> Result<Found> {
        events::run(&self.context, &Request { start, limit, filter: Filter::default() })
    }
}

impl Source for Events {
    fn last_seq(&self) -> Result<u64> {
        self.find(Start::Last, 1).map(|found| found.next)
    }

    fn after(&self, seq: u64, count_max: usize) -> Result<Vec<Event>> {
        let mut seq = seq;
        loop {
            let found = self.find(Start::After(seq), count_max)?;
            // What makes no sense, or is of a type that a later version knows, is passed over; the journal tells what it lost.
            let events: Vec<Event> = found.items.iter().filter_map(|text| read(text)).collect();
            if !events.is_empty() || !found.is_limited {
                return Ok(events);
            }
            seq = found.next;
        }
    }
}

fn read(text: &str) -> Option<Event> {
    let Plain(value) = serde_json::from_str(text).ok()?;
    event_from_json(value).inspect_err(|why| log::info!("an event is not delivered: {why}")).ok()
}

/// Tells that `sink` has a dead letter; not if that is itself about a delivery.
pub(super) fn tell_dead(context: &Context, sink: &str, letter: &Letter) {
    if is_of_delivery(letter.event.kind) {
        return;
    }
    let draft = Draft::new(EventType::DeliveryDead, EpochMs::now())
        .with("sink", sink)
        .with("event", letter.event.id.as_str())
        .with("event_seq", letter.event.seq)
        .with("event_type", letter.event.kind.word())
        .with("event_service", letter.event.service.as_str())
        .with("failures", letter.failures)
        .with("error", letter.error.as_str());
    tell(context, draft);
}

/// Tells that `count` events were dropped.
pub(super) fn tell_dropped(context: &Context, sink: &str, count: u64) {
    tell(context, Draft::new(EventType::DeliveryDropped, EpochMs::now()).with("sink", sink).with("count", count));
}

/// Deliveries do not wait for the telling of their trouble: what cannot be told is said.
fn tell(context: &Context, draft: Draft) {
    let told = context.store().change(VERB, |document: &mut Document| document.tell(draft)).map_err(Error::from);
    if let Err(error) = told {
        log::error!("this is in no event: {}", error.chain());
    }
}
