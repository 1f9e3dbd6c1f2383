//! What waits for a sink, chosen from the events after its position. Pure but for the reading of them.

use std::collections::{HashMap, VecDeque};

use crate::base::error::Result;
use crate::config::Sink;
use crate::service::{Event, EventType};

use super::Source;
use super::schedule::WAITING_MAX;

/// So many events are read at once.
const READ_COUNT: usize = 512;

/// What waits for one sink, in order.
#[derive(Debug, Default, PartialEq)]
pub struct Waiting {
    /// The events to send.
    pub events: VecDeque<Event>,
    /// Every event up to this number was looked at.
    pub seen: u64,
    /// How many were dropped because too many waited, the oldest first.
    pub dropped: u64,
    /// How many have a newer one of the same service behind them, and the sink wants only that.
    pub coalesced: u64,
}

impl Waiting {
    /// What `sink` takes of the events after number `acked`: all of it.
    pub fn gather(source: &impl Source, sink: &Sink, acked: u64) -> Result<Self> {
        Self::gather_until(source, sink, acked, usize::MAX)
    }

    /// The first of it, where nothing has to be known of the rest: it cannot be so much that something must be dropped, and no
    /// newer event takes the place of an older one.
    pub fn first(source: &impl Source, sink: &Sink, acked: u64) -> Result<Self> {
        let is_few = source.last_seq()?.saturating_sub(acked) <= WAITING_MAX as u64;
        let count = if is_few && !sink.coalesce { READ_COUNT } else { usize::MAX };
        Self::gather_until(source, sink, acked, count)
    }

    fn gather_until(source: &impl Source, sink: &Sink, acked: u64, count: usize) -> Result<Self> {
        let mut waiting = Self { seen: acked, ..Self::default() };
        while waiting.events.len() < count {
            let events = source.after(waiting.seen, READ_COUNT)?;
            let Some(last) = events.last() else { break };
            waiting.seen = last.seq;
            waiting.events.extend(events.into_iter().filter(|event| takes(sink, event)));
            // What is kept in between has a bound too.
            if waiting.events.len() > 2 * WAITING_MAX {
                waiting.settle(sink);
            }
        }
        waiting.settle(sink);
        Ok(waiting)
    }

    /// Number of the last event that is done with before the first that waits.
    pub fn before_first(&self) -> u64 {
        self.events.front().map_or(self.seen, |first| first.seq - 1)
    }

    fn settle(&mut self, sink: &Sink) {
        if sink.coalesce {
            self.coalesce();
        }
        while self.events.len() > WAITING_MAX {
            self.events.pop_front();
            self.dropped += 1;
        }
    }

    /// Leaves only the newest event of each service; those about none stay.
    fn coalesce(&mut self) {
        let newest: HashMap<String, u64> = self.events.iter().map(|event| (event.service.clone(), event.seq)).collect();
        let before = self.events.len();
        self.events.retain(|event| event.service.is_empty() || newest.get(&event.service) == Some(&event.seq));
        self.coalesced += (before - self.events.len()) as u64;
    }
}

/// Whether `sink` takes `event`. What is told of a sink's own trouble is not sent to it: it would have to wait behind it.
pub fn takes(sink: &Sink, event: &Event) -> bool {
    let is_about_it = is_of_delivery(event.kind)
        && event.data.get("sink").and_then(serde_json::Value::as_str) == Some(sink.name.as_str());
    !is_about_it && sink.takes(event.kind.word())
}

/// Whether an event tells of a delivery. Of the death of such a one no further event is made, or two dead sinks would tell each
/// other of it for ever.
pub fn is_of_delivery(kind: EventType) -> bool {
    matches!(kind, EventType::DeliveryDead | EventType::DeliveryDropped)
}

#[cfg(test)]
mod tests {
    use super::super::sample::{Memory, event};
    use super::*;
    use crate::config::Target;

    fn sink(types: &[&str], coalesce: bool) -> Sink {
        Sink {
            name: "log".into(),
            target: Target::File { path: "x".into() },
            types: types.iter().map(|&one| one.to_owned()).collect(),
            coalesce,
            timeout_sec: 1.0,
        }
    }

    fn numbers(waiting: &Waiting) -> Vec<u64> {
        waiting.events.iter().map(|event| event.seq).collect()
    }

    #[test]
    fn a_sink_gets_what_it_takes_after_its_position_in_order() {
        let mut events: Vec<Event> = (1..=1200).map(|seq| event(seq, "web")).collect();
        events[9].kind = EventType::Fatal;
        let waiting = Waiting::gather(&Memory(events.clone()), &sink(&[], false), 3).unwrap();
        assert_eq!(numbers(&waiting), (4..=1200).collect::<Vec<_>>());
        let waiting = Waiting::gather(&Memory(events.clone()), &sink(&["fatal"], false), 3).unwrap();
        assert_eq!((numbers(&waiting), waiting.seen, waiting.before_first()), (vec![10], 1200, 9));
        let waiting = Waiting::gather(&Memory(events), &sink(&["fatal"], false), 10).unwrap();
        assert_eq!((waiting.events.len(), waiting.before_first()), (0, 1200), "what is not taken is passed over");
    }

    #[test]
    fn of_more_than_five_thousand_the_oldest_are_dropped_and_counted() {
        for (count, dropped) in [(5000, 0), (5001, 1), (23_456, 18_456)] {
            let events = Memory((1..=count).map(|seq| event(seq, "web")).collect());
            let waiting = Waiting::gather(&events, &sink(&[], false), 0).unwrap();
            assert_eq!((waiting.dropped, waiting.before_first()), (dropped, dropped), "{count}");
            assert_eq!(waiting.events.len() as u64, count - dropped);
        }
    }

    #[test]
    fn coalescing_leaves_the_newest_of_each_service_and_what_is_about_none() {
        let services = ["a", "b", "", "a", "c", "", "b", "a"];
        let events = (1..).zip(services).map(|(seq, service)| event(seq, service)).collect();
        let waiting = Waiting::gather(&Memory(events), &sink(&[], true), 0).unwrap();
        assert_eq!((numbers(&waiting), waiting.coalesced), (vec![3, 5, 6, 7, 8], 3));
        let many = Memory((1..=20_000).map(|seq| event(seq, "web")).collect());
        let waiting = Waiting::gather(&many, &sink(&[], true), 0).unwrap();
        assert_eq!((numbers(&waiting), waiting.coalesced, waiting.dropped), (vec![20_000], 19_999, 0));
    }

    #[test]
    fn a_sink_is_not_told_of_its_own_trouble() {
        let mut dead = event(1, "");
        dead.kind = EventType::DeliveryDead;
        for (name, expected) in [("log", false), ("other", true)] {
            dead.data.insert("sink".into(), name.into());
            assert_eq!(takes(&sink(&[], false), &dead), expected, "{name}");
        }
    }
}
