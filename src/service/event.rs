//! What happened to a service, or to the program itself: one line of the journal as a value (contract section 9).

use serde_json::{Map, Value};

use crate::base::clock::EpochMs;

/// Declares the types of events once: the value, its word, and when there is one.
macro_rules! types {
    ($($kind:ident $word:literal $when:literal)*) => {
        /// What kind of thing happened: a closed set.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum EventType { $(#[doc = $when] $kind),* }

        impl EventType {
            /// Every type, in the order of docs/events.md.
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];

            /// The word in files and output: dotted, lower-case.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$kind => $word),* }
            }

            /// When there is an event of this type, in one sentence.
            pub const fn when(self) -> &'static str {
                match self { $(Self::$kind => $when),* }
            }
        }
    };
}

types! {
    ServiceQueued "service.queued" "It waits to be started."
    ServiceStarting "service.starting" "A new generation is claimed, and about to be spawned."
    ServiceRunning "service.running" "Its process is there and recorded; nothing is said of its health."
    ServiceHealthy "service.healthy" "A probe passed, where the last one had not or there was none."
    ServiceUnhealthy "service.unhealthy" "A probe failed, where the last one had passed."
    ServiceExited "service.exited" "It ended by itself, or was found dead."
    ServiceBackoff "service.backoff" "It is dead, and its restart policy starts it again after a pause."
    ServiceRestarted "service.restarted" "Its shim has started it again: a new generation runs."
    ServiceReplaced "service.replaced" "Another spec takes its place: the old generation is ended, and a new one started."
    ServiceRenewed "service.renewed" "Its time to live ends at another moment than before."
    ServiceAdopted "service.adopted" "A generation that no record knew, or that a killed command had left, is in a record again."
    ServiceStopping "service.stopping" "It is being ended, or would not end and is tried again."
    ServiceStopped "service.stopped" "It was ended because somebody asked, or because nobody uses it."
    ServiceExpired "service.expired" "Its time to live was over, and it is ended."
    ServiceFailed "service.failed" "It could not be started, did not become healthy in time, or its restart policy gave up."
    ServiceDropped "service.dropped" "Its record is gone after it had ended before: nothing brings it back."
    SidecarAccepted "sidecar.accepted" "A sidecar was found valid, and its services were claimed."
    SidecarRejected "sidecar.rejected" "A sidecar was refused; nothing was started."
    SidecarCancelled "sidecar.cancelled" "A sidecar that waited was called off; nothing was started."
    StateSetAside "state.set-aside" "The state file, or a record in it, was unreadable and has been set aside."
    JournalRepaired "journal.repaired" "The journal's end was torn and has been cut to its last whole line."
    JournalLost "journal.lost" "Events that had a number are nowhere any more: a part of the journal was removed or cannot be written."
    DeliveryDropped "delivery.dropped" "So much waited for a sink that its oldest events were dropped."
    DeliveryDead "delivery.dead" "A sink refused an event too often; it is among the dead letters."
    Fatal "fatal" "A command panicked, or one that nobody watches failed."
}

impl EventType {
    /// The type of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.word() == word)
    }
}

/// One line of the journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its number: one more than that of the event before it, from 1.
    pub seq: u64,
    /// `evt-` and 24 hex digits, the same whenever and wherever it is told again: the idempotency key of deliveries.
    pub id: String,
    /// When it happened, as far as anyone saw it; not always in the order of `seq`.
    pub at: EpochMs,
    /// What kind of thing it is.
    pub kind: EventType,
    /// The record's name; empty if it is about no service.
    pub service: String,
    /// The service's project; empty when nobody said.
    pub project: String,
    /// The agent that declared it; empty when nobody said.
    pub agent: String,
    /// The life that it is about; empty if none.
    pub generation: String,
    /// The acceptance it came from; empty if none.
    pub run_id: String,
    /// More, by type: docs/events.md.
    pub data: Map<String, Value>,
}

/// Something to be told: an event that has no number yet. The swap of the state gives it one.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// When it happened.
    pub at: EpochMs,
    /// What kind of thing it is.
    pub kind: EventType,
    /// The record's name; empty if it is about no service.
    pub service: String,
    /// The service's project.
    pub project: String,
    /// The agent that declared it.
    pub agent: String,
    /// The life that it is about.
    pub generation: String,
    /// The acceptance it came from.
    pub run_id: String,
    /// More, by type.
    pub data: Map<String, Value>,
}

impl Draft {
    /// Something that is about no service.
    pub fn new(kind: EventType, at: EpochMs) -> Self {
        let (service, project, agent) = (String::new(), String::new(), String::new());
        Self { at, kind, service, project, agent, generation: String::new(), run_id: String::new(), data: Map::new() }
    }

    /// The same with one more entry in `data`.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.data.insert(key.to_owned(), value.into());
        self
    }

    /// The event that this becomes as number `seq`.
    pub fn numbered(self, seq: u64, id: String) -> Event {
        let Self { at, kind, service, project, agent, generation, run_id, data } = self;
        Event { seq, id, at, kind, service, project, agent, generation, run_id, data }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_a_dotted_word_of_its_own() {
        for kind in EventType::ALL {
            assert_eq!(EventType::parse(kind.word()), Some(*kind));
            let is_plain = |c: char| c.is_ascii_lowercase() || matches!(c, '.' | '-');
            assert!(kind.word().chars().all(is_plain), "{}", kind.word());
            assert!(kind.when().ends_with('.'), "{}", kind.word());
        }
        assert_eq!(EventType::parse("service"), None);
    }
}
