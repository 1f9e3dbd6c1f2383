//! A run as a value.

use serde_json::{Map, Value};

use crate::base::clock::EpochMs;
use crate::lifecycle::runs::{Illegal, RunInput, RunStatus, next};

use super::words::{FailureClass, Outcome, SpecAction};

/// How the id of a run begins; 24 hex digits follow.
const ID_PREFIX: &str = "run-";
/// So many of them.
const ID_DIGITS: usize = 24;

/// One acceptance of one sidecar.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// `run-` and 24 hex digits, which sort by time.
    pub id: String,
    /// Where it stands.
    pub status: RunStatus,
    /// What became of its sidecar; `None` while nobody has decided it, and of a run that ended undecided.
    pub outcome: Option<Outcome>,
    /// Why not well.
    pub failure_kind: Option<FailureClass>,
    /// The same in words, without secrets.
    pub failure_message: Option<String>,
    /// Whose sidecar.
    pub agent: String,
    /// The project that its services belong to; empty when nobody said.
    pub project: String,
    /// The work item; empty when nobody said.
    pub work_item: String,
    /// The key under which it was asked for.
    pub idempotency_key: Option<String>,
    /// SHA-1 over all that decides what it means, see [`Payload`](super::Payload).
    pub payload_hash: String,
    /// Which file it decides; `None` in runs of before that was written down.
    pub sidecar: Option<Mark>,
    /// When it was first taken up.
    pub created_at: EpochMs,
    /// When it moved last.
    pub updated_at: EpochMs,
    /// One per spec, once that is known.
    pub specs: Vec<SpecReport>,
    /// Keys that this version does not know, kept as they are.
    pub unknown: Map<String, Value>,
}

/// By what a sidecar is known again: the same text that was written anew is another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// SHA-1 of its bytes, in hex digits.
    pub text_hash: String,
    /// When the file was last changed, by its file system.
    pub written_at: EpochMs,
}

/// What became of one spec.
#[derive(Clone, Debug, PartialEq)]
pub struct SpecReport {
    /// The record's name.
    pub name: String,
    /// The name in the sidecar.
    pub declared_name: String,
    /// What was done; for a dry run what would be.
    pub action: SpecAction,
    /// Why that was done.
    pub why: String,
    /// The service's pid, while it is up.
    pub pid: Option<u32>,
    /// Whether its first probe passed; `None` if nobody waited.
    pub healthy: Option<bool>,
    /// What went wrong, in one sentence.
    pub error: Option<String>,
    /// Where its output goes; empty if it was never to be started.
    pub log_path: String,
    /// The last lines of that, when it failed.
    pub log_tail: Vec<String>,
    /// What kind of failure it was.
    pub failure: Option<FailureClass>,
}

/// Where a decided sidecar goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// `managed-spawn.accepted.json`.
    Accepted,
    /// `managed-spawn.rejected.json`.
    Rejected,
}

impl Run {
    /// Moves it by the table and says so in `updated_at`. Errors: the move is illegal; then nothing has changed.
    pub fn advance(&mut self, input: RunInput, now: EpochMs) -> Result<(), Illegal> {
        self.status = next(self.status, input)?;
        self.updated_at = now;
        Ok(())
    }

    /// Where its sidecar goes; `None` unless it has ended with a decision.
    pub fn place(&self) -> Option<Place> {
        match self.outcome.filter(|_| self.status.is_ended())? {
            Outcome::Rejected => Some(Place::Rejected),
            Outcome::None | Outcome::Accepted | Outcome::Unchanged | Outcome::Partial | Outcome::Failed => {
                Some(Place::Accepted)
            }
        }
    }

    /// Where the file of that `mark` goes, if this run has decided it.
    pub fn place_of(&self, mark: &Mark) -> Option<Place> {
        self.place().filter(|_| self.sidecar.as_ref() == Some(mark))
    }
}

/// Whether `text` is an id that [`new_run_id`](crate::base::ids::new_run_id) makes, so that it may be part of a path.
pub(super) fn is_id(text: &str) -> bool {
    let digits = text.strip_prefix(ID_PREFIX).unwrap_or_default();
    digits.len() == ID_DIGITS && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
pub(super) mod sample {
    use super::*;

    /// A run that was just claimed.
    pub(in crate::runs) fn run(number: u64) -> Run {
        let at = EpochMs(1_800_000_000_000 + i64::try_from(number).expect("small"));
        Run {
            id: format!("run-{:012x}{:012x}", at.0, 1),
            status: RunStatus::Claimed,
            outcome: None,
            failure_kind: None,
            failure_message: None,
            agent: "ripley".into(),
            project: "shop".into(),
            work_item: String::new(),
            idempotency_key: None,
            payload_hash: "aa".into(),
            sidecar: Some(Mark { text_hash: "bb".into(), written_at: at }),
            created_at: at,
            updated_at: at,
            specs: Vec::new(),
            unknown: Map::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_file_that_it_has_decided_goes_where_a_run_says() {
        let mut run = sample::run(1);
        let mark = run.sidecar.clone().unwrap();
        run.outcome = Some(Outcome::Failed);
        assert_eq!(run.place_of(&mark), None, "it has not ended");
        run.advance(RunInput::Failed, EpochMs(9)).unwrap();
        assert_eq!((run.place_of(&mark), run.updated_at), (Some(Place::Accepted), EpochMs(9)));
        run.outcome = Some(Outcome::Rejected);
        assert_eq!(run.place_of(&mark), Some(Place::Rejected));
        let anew = Mark { written_at: EpochMs(1), ..mark.clone() };
        assert_eq!(run.place_of(&anew), None, "the same text, written anew");
        assert!(run.advance(RunInput::Claimed, EpochMs(10)).is_err());
        run.outcome = None;
        assert_eq!(run.place_of(&mark), None, "it was replaced before it was decided");
    }

    #[test]
    fn ids_are_safe_in_paths() {
        assert!(is_id(&crate::base::ids::new_run_id(EpochMs(7))));
        for bad in ["", "run-", "run-../../../../../../../etc", "run-00000000000000000000000G", "x"] {
            assert!(!is_id(bad), "{bad}");
        }
    }
}
