//! What a sweep found due and did, as data.

use crate::base::error::{Error, Kind};
use crate::base::ids::Generation;
use crate::lifecycle::orphan;
use crate::lifecycle::sweep::{Action, Cause, Step};
use crate::lifecycle::transitions::Input;
use crate::logs::Rotation;
use crate::service::ExitRecord;
use crate::state::{AsideKind, Reading, SetAside};

use super::{Due, Request};

/// What came of everything.
#[derive(Debug)]
pub struct Report {
    /// Nothing was changed.
    pub is_dry_run: bool,
    /// One per record, in the order of the state file.
    pub records: Vec<Done>,
    /// One per generation that left files behind and stands in no record.
    pub orphans: Vec<Orphan>,
    /// One per log that was due.
    pub logs: Vec<Rotated>,
    /// Entries of the state file that are no records.
    pub malformed: usize,
    /// Something unreadable in the state file was put aside.
    pub set_aside: Option<SetAside>,
}

/// A record, what was due for it, and what came of that.
#[derive(Debug)]
pub struct Done {
    /// What was due, and why.
    pub step: Step,
    /// Its pid.
    pub pid: Option<u32>,
    /// The generation that its record was about when it was looked at.
    pub generation: Option<Generation>,
    /// Its service lived when it was looked at.
    pub was_alive: bool,
    /// By what it is started again, if it is.
    pub starts: Option<Input>,
    /// How it ended, if it was ended and anybody saw how.
    pub exit: Option<ExitRecord>,
    /// Another command was at it meanwhile: nothing was done.
    pub is_overtaken: bool,
    /// Why it could not be done.
    pub error: Option<Error>,
}

/// A generation that stands in no record.
#[derive(Debug)]
pub struct Orphan {
    /// The name that its files stand under.
    pub name: String,
    /// Which.
    pub generation: String,
    /// What was due.
    pub action: orphan::Action,
    /// Why.
    pub why: String,
    /// Its service's pid, if that is known.
    pub pid: Option<u32>,
    /// Its service lived when it was looked at.
    pub was_alive: bool,
    /// A command was at it meanwhile: nothing was done.
    pub is_overtaken: bool,
    /// Why it could not be done.
    pub error: Option<Error>,
}

/// What became of one log that was due.
#[derive(Debug)]
pub struct Rotated {
    /// The record's name.
    pub name: String,
    /// How it was rotated, or why not; `None` in a dry run.
    pub outcome: Option<Result<Rotation, Error>>,
}

/// The figures of contract section 4. In a dry run: what would have been done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Records looked at.
    pub scanned: usize,
    /// Records whose time to live was over.
    pub ttl_expired: usize,
    /// Records of services that were dead, or whose stop was left half done.
    pub dead_dropped: usize,
    /// Services that lived and were ended.
    pub killed_pids: usize,
    /// Logs that were rotated.
    pub rotated_logs: usize,
    /// Entries of the state file that are no records.
    pub malformed: usize,
    /// Services that were started again.
    pub restarted: usize,
    /// Services that were stopped because nobody used them.
    pub idle_stopped: usize,
    /// Services that lived and were recorded again.
    pub adopted: usize,
    /// Generations without a record that were ended.
    pub orphans_stopped: usize,
}

impl Report {
    /// Of a sweep that begins.
    pub(super) fn new(request: Request, reading: &Reading) -> Self {
        let malformed = match reading.set_aside.as_ref().map(|aside| aside.what) {
            Some(AsideKind::Entries(count)) => count,
            Some(AsideKind::File { .. }) => 1,
            None => reading.document.malformed.len(),
        };
        Self {
            is_dry_run: request.is_dry_run,
            records: Vec::new(),
            orphans: Vec::new(),
            logs: Vec::new(),
            malformed,
            set_aside: reading.set_aside.clone(),
        }
    }

    /// The figures.
    pub fn stats(&self) -> Stats {
        let mut stats = Stats { scanned: self.records.len(), malformed: self.malformed, ..Stats::default() };
        for done in self.records.iter().filter(|done| done.is_done()) {
            let is_end = matches!(done.step.action, Action::End(_));
            stats.killed_pids += usize::from(is_end && done.was_alive);
            match done.step.action {
                Action::End(Cause::Expired) => stats.ttl_expired += 1,
                Action::End(Cause::Dead | Cause::Asked) => stats.dead_dropped += 1,
                Action::End(Cause::Idle) => stats.idle_stopped += 1,
                Action::End(Cause::Unhealthy) => stats.restarted += usize::from(done.starts.is_some()),
                Action::Adopt | Action::Restore => stats.adopted += 1,
                Action::StartAgain(_) => stats.restarted += 1,
                Action::Keep | Action::Follow | Action::Wait | Action::GiveUp | Action::Rest | Action::Free => {}
            }
        }
        for orphan in self.orphans.iter().filter(|orphan| !orphan.is_overtaken && orphan.error.is_none()) {
            match orphan.action {
                orphan::Action::Adopt => stats.adopted += 1,
                orphan::Action::Stop => {
                    stats.orphans_stopped += 1;
                    stats.killed_pids += usize::from(orphan.was_alive);
                }
                orphan::Action::Keep | orphan::Action::Forget => {}
            }
        }
        stats.rotated_logs = self.logs.iter().filter(|log| !matches!(log.outcome, Some(Err(_)))).count();
        stats
    }

    /// Everything that failed.
    pub fn errors(&self) -> impl Iterator<Item = &Error> {
        let records = self.records.iter().filter_map(|done| done.error.as_ref());
        let orphans = self.orphans.iter().filter_map(|orphan| orphan.error.as_ref());
        let logs = self.logs.iter().filter_map(|log| log.outcome.as_ref()?.as_ref().err());
        records.chain(orphans).chain(logs)
    }

    /// What the command ends with, if something failed.
    pub fn kind(&self) -> Option<Kind> {
        self.errors().map(|error| error.kind).max_by_key(|kind| kind.exit_code())
    }
}

impl Done {
    /// One that nothing has been done for yet.
    pub(super) fn planned(due: Due<'_>) -> Self {
        Self {
            pid: due.record.pid,
            generation: due.record.generation.clone(),
            step: due.step,
            was_alive: due.was_alive,
            starts: None,
            exit: None,
            is_overtaken: false,
            error: None,
        }
    }

    /// Whether what was due is done, or would be.
    pub fn is_done(&self) -> bool {
        !self.is_overtaken && self.error.is_none()
    }
}
