//! `seq` and `unjournaled` of the state file: events as text, which is neither taken apart nor put together again.

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::state::{Carried, CarriedEvent, Malformed};

/// Events as they stand in the file.
#[derive(Default)]
pub(super) struct CarriedEvents(Vec<CarriedEvent>);

impl<'de> Deserialize<'de> for CarriedEvents {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Events;
        impl<'de> Visitor<'de> for Events {
            type Value = CarriedEvents;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an array of events")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<CarriedEvents, A::Error> {
                let mut events = Vec::new();
                while let Some(raw) = seq.next_element::<&'de RawValue>()? {
                    let event = event(raw.get()).ok_or_else(|| serde::de::Error::custom("not as we write an event"))?;
                    events.push(event);
                }
                Ok(CarriedEvents(events))
            }
        }
        from.deserialize_seq(Events)
    }
}

/// The event that stands as `text`; `None` if it does not begin as we write one.
fn event(text: &str) -> Option<CarriedEvent> {
    let digits = text.strip_prefix("{\"seq\":")?.split(',').next()?;
    let is_ours = text.ends_with('}') && !text.contains('\n');
    digits.parse().ok().filter(|_| is_ours).map(|seq| CarriedEvent { seq, json: text.to_owned() })
}

/// What is carried, if the events are the last ones up to `seq`, without a gap.
pub(super) fn of(seq: u64, events: CarriedEvents) -> Result<Carried, &'static str> {
    let CarriedEvents(events) = events;
    let is_next = |pair: &[CarriedEvent]| pair[0].seq.checked_add(1) == Some(pair[1].seq);
    let is_whole = events.windows(2).all(is_next) && events.last().is_none_or(|last| last.seq == seq);
    if !is_whole {
        return Err("`unjournaled` is not the last events up to `seq`");
    }
    Ok(Carried { seq, events, ..Carried::default() })
}

/// The slow way, for a file that is not all right: the newest events that follow on each other, and what is none.
pub(super) fn by_entry(seq: Option<Value>, unjournaled: Option<Value>) -> (Carried, Vec<Malformed>) {
    let mut carried = Carried { seq: seq.as_ref().and_then(Value::as_u64).unwrap_or(0), ..Carried::default() };
    let mut malformed = Vec::new();
    if let Some(value) = seq.filter(|value| !value.is_u64() && !value.is_null()) {
        malformed.push(Malformed { pointer: "/seq".to_owned(), why: "not a whole number".to_owned(), value });
    }
    let entries = match unjournaled {
        Some(Value::Array(entries)) => entries,
        None | Some(Value::Null) => Vec::new(),
        Some(value) => {
            let (pointer, why) = ("/unjournaled".to_owned(), "not an array".to_owned());
            malformed.push(Malformed { pointer, why, value });
            Vec::new()
        }
    };
    for (at, value) in entries.into_iter().enumerate() {
        let event = event(&value.to_string());
        let is_next =
            |event: &CarriedEvent| carried.events.last().is_none_or(|last| last.seq.checked_add(1) == Some(event.seq));
        match event.filter(is_next) {
            Some(event) => carried.events.push(event),
            None => {
                let why = "no event, or not the one after that before it".to_owned();
                malformed.push(Malformed { pointer: format!("/unjournaled/{at}"), why, value });
            }
        }
    }
    carried.seq = carried.events.last().map_or(carried.seq, |last| last.seq.max(carried.seq));
    if carried.events.last().is_some_and(|last| last.seq != carried.seq) {
        // Older than what is missing: to be appended it would have to be the end.
        carried.events.clear();
    }
    (carried, malformed)
}
