//! What the state file carries for the journal: the number of the last event, and the events that the journal may not have or
//! may still lose (docs/design/journal.md). What they mean is not looked at here.

use crate::base::clock::EpochMs;
use crate::base::error::{Error, Result};
use crate::base::ids::new_event_id;
use crate::service::{Draft, Event, EventType, ExitRecord, Record, event_to_text};

/// So many events are carried before the journal is synced and they are let go: few, since every reader of the state reads
/// them too, and enough that one acceptance in ten pays for the sync.
const KEPT_MAX: usize = 32;
/// Bytes of events that are carried before that.
const KEPT_BYTES_MAX: usize = 64 << 10;
/// Bytes of events that are carried where the journal cannot be written at all. Beyond that the oldest are dropped, and said
/// to be: a journal that stays unwritable must not eat the state file.
const UNWRITABLE_BYTES_MAX: usize = 4 << 20;
/// The code of the `fatal` event of a journal that takes nothing for so long that events pile up.
const UNWRITABLE: &str = "journal-unwritable";
/// The longest event. One that is longer loses its `data`, which alone can be long.
const EVENT_BYTES_MAX: usize = 32 << 10;

/// The journal, as the store sees it: `journal/` behind a seam, since the two rooms do not know each other.
pub trait Journal: std::fmt::Debug + Send + Sync {
    /// The events that a change of the records means, in their order.
    fn derive(&self, change: &Change<'_>) -> Vec<Draft>;
    /// Finds the journal's end and cuts off what is torn: the number of its last event, and the bytes that were cut.
    fn look(&self) -> Result<(u64, u64)>;
    /// Appends events, each its compact JSON.
    fn append(&self, events: &[CarriedEvent]) -> Result<()>;
    /// Makes sure that the journal keeps `events`, its last ones, over a power cut.
    fn keep(&self, events: &[CarriedEvent]) -> Result<()>;
}

/// The records before and after a change, and what was learnt of those that went.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// Before.
    pub before: &'a [Record],
    /// After.
    pub after: &'a [Record],
    /// How those ended that were removed, by name.
    pub exits: &'a [(String, ExitRecord)],
    /// The time of the change.
    pub now: EpochMs,
}

/// An event with its number, as its compact JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CarriedEvent {
    /// Its number.
    pub seq: u64,
    /// `service::event_to_text` of it; as it stands in the file.
    pub json: String,
}

impl CarriedEvent {
    fn new(mut event: Event) -> Self {
        let mut json = event_to_text(&event);
        if json.len() > EVENT_BYTES_MAX {
            event.data.clear();
            event.data.insert("cut_bytes".to_owned(), json.len().into());
            json = event_to_text(&event);
        }
        Self { seq: event.seq, json }
    }

    fn is_of(&self, kind: EventType) -> bool {
        self.json.contains(&format!(r#","type":"{}","#, kind.word()))
    }
}

/// What the document carries.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Carried {
    /// The number of the last event; 0: there was none yet.
    pub seq: u64,
    /// The newest events, oldest first, without a gap.
    pub events: Vec<CarriedEvent>,
    /// What is to be told by the next write beside the difference of the records. Never in the file.
    pub drafts: Vec<Draft>,
    /// How services ended whose records the edit under way removes. Never in the file.
    pub exits: Vec<(String, ExitRecord)>,
}

impl Carried {
    /// Before a write: numbers what the change means and what is to be told, and lets go of what the journal is sure to keep.
    /// Returns how many of the newest events the journal lacks. A journal that cannot be read or written is said, and costs
    /// nothing else.
    pub(super) fn number(&mut self, journal: &dyn Journal, before: &[Record], after: &[Record]) -> usize {
        let now = EpochMs::now();
        let exits = std::mem::take(&mut self.exits);
        let mut drafts = std::mem::take(&mut self.drafts);
        drafts.extend(journal.derive(&Change { before, after, exits: &exits, now }));
        if drafts.is_empty() && self.events.is_empty() {
            return 0;
        }
        match journal.look() {
            Ok((mut last, cut_bytes)) => {
                drafts.extend(self.repaired(last, cut_bytes, now));
                // A state file that was lost or put back must not give a number twice.
                self.seq = self.seq.max(last);
                if self.is_full(drafts.len()) {
                    let failed;
                    (last, failed) = self.let_go(journal, last);
                    drafts.extend(failed.and_then(|error| self.unwritable(&error, now)));
                }
                self.push_all(drafts, now);
                self.events.iter().filter(|event| event.seq > last).count()
            }
            Err(error) => {
                log::warn!("{}", error.chain());
                let is_lasting = self.is_full(drafts.len());
                drafts.extend(self.unwritable(&error, now).filter(|_| is_lasting));
                self.push_all(drafts, now);
                0
            }
        }
    }

    /// After the write: the journal gets what it lacks.
    pub(super) fn append(&self, journal: &dyn Journal, lacking: usize) {
        let from = self.events.len().saturating_sub(lacking);
        if let Err(error) = journal.append(&self.events[from..]) {
            let hint = error.hint.as_deref().map(|hint| format!("; {hint}")).unwrap_or_default();
            log::warn!("{}{hint}", error.chain());
        }
    }

    /// What is to be told of the journal itself.
    fn repaired(&self, last: u64, cut_bytes: u64, now: EpochMs) -> Vec<Draft> {
        let mut drafts = Vec::new();
        if cut_bytes > 0 {
            let cut = Draft::new(EventType::JournalRepaired, now).with("cut_bytes", cut_bytes).with("last_seq", last);
            drafts.push(cut);
        }
        let first = self.events.first().map_or(self.seq + 1, |event| event.seq);
        let is_said = self.events.iter().any(|event| event.is_of(EventType::JournalLost));
        if last + 1 < first && !is_said {
            drafts.push(lost(last + 1, first - 1, "they are in no segment of the journal", now));
        }
        drafts
    }

    fn is_full(&self, more: usize) -> bool {
        !self.events.is_empty() && (self.events.len() + more > KEPT_MAX || self.bytes() > KEPT_BYTES_MAX)
    }

    fn bytes(&self) -> usize {
        self.events.iter().map(|event| event.json.len()).sum()
    }

    /// What is to be told of a journal that keeps nothing; once, for as long as that lasts.
    fn unwritable(&self, error: &Error, now: EpochMs) -> Option<Draft> {
        let is_said = |event: &CarriedEvent| event.is_of(EventType::Fatal) && event.json.contains(UNWRITABLE);
        let draft = Draft::new(EventType::Fatal, now).with("command", "journal").with("code", UNWRITABLE);
        (!self.events.iter().any(is_said)).then(|| draft.with("message", error.chain()))
    }

    /// Lets go of every event, if the journal has them for good. Returns the number of the last one that it has now, and why it has
    /// them not.
    fn let_go(&mut self, journal: &dyn Journal, last: u64) -> (u64, Option<Error>) {
        let had = self.events.partition_point(|event| event.seq <= last);
        let appended = journal.append(&self.events[had..]);
        let last = if appended.is_ok() { self.seq } else { last };
        match appended.and_then(|()| journal.keep(&self.events)) {
            Ok(()) => {
                self.events.clear();
                (last, None)
            }
            Err(error) => {
                log::warn!("{}", error.chain());
                (last, Some(error))
            }
        }
    }

    fn push_all(&mut self, mut drafts: Vec<Draft>, now: EpochMs) {
        if self.bytes() > UNWRITABLE_BYTES_MAX {
            let half = self.events.len() / 2;
            let dropped: Vec<CarriedEvent> = self.events.drain(..half).collect();
            if let (Some(first), Some(last)) = (dropped.first(), dropped.last()) {
                drafts.push(lost(first.seq, last.seq, "the journal could not be written for too long", now));
            }
        }
        for draft in drafts {
            self.seq = self.seq.saturating_add(1);
            self.events.push(CarriedEvent::new(draft.numbered(self.seq, new_event_id(now))));
        }
    }
}

fn lost(from: u64, to: u64, why: &str, now: EpochMs) -> Draft {
    Draft::new(EventType::JournalLost, now).with("from_seq", from).with("to_seq", to).with("why", why)
}
