//! The named steps of the commands and of the shim: after each of them a death leaves something that another command has to
//! finish or take back (docs/design/claims.md). Here they only have names. In ordinary builds nothing happens at a step; in
//! debug builds, which the tests run, a process can be made to die or to wait at one. Impure: opens a pipe to wait.

/// Declares the steps once: the value, and its word for tests and docs.
macro_rules! steps {
    ($($(#[$doc:meta])* $step:ident = $word:literal,)*) => {
        /// A moment between two things that must both happen.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Step {
            $($(#[$doc])* $step,)*
        }

        #[cfg(debug_assertions)]
        impl Step {
            /// Every step.
            pub const ALL: &'static [Self] = &[$(Self::$step,)*];

            /// Its word.
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$step => $word,)*
                }
            }
        }
    };
}

steps! {
    /// The lock is had and the state is read.
    StateLocked = "state.locked",
    /// The shims are there and have no word.
    StartPrepared = "start.prepared",
    /// The state says `starting`, whose it is, and what it replaces.
    StartClaimed = "start.claimed",
    /// `launch.json` is there.
    StartOrdered = "start.ordered",
    /// Nothing of the replaced generation lives, and its files are gone.
    StartOldEnded = "start.old-ended",
    /// The shim has its word, and has not been heard.
    StartTold = "start.told",
    /// The shim has said whom it started.
    StartStarted = "start.started",
    /// The state says that it runs.
    StartSettled = "start.settled",
    /// What did not come up is ended, and the state still has it.
    StartUndone = "start.undone",
    /// The lease at a sidecar is had, and no run tells of it.
    QueueLeased = "queue.leased",
    /// The run says that it is claimed, and nothing is done.
    QueueClaimed = "queue.claimed",
    /// The lease is given back.
    QueueReleased = "queue.released",
    /// Whoever is to be alerted is, and the run has not ended.
    AcceptAlerted = "accept.alerted",
    /// The run has ended, and the sidecar is still pending.
    AcceptNoted = "accept.noted",
    /// The sidecar has left its place.
    AcceptHeld = "accept.held",
    /// The sidecar is aside.
    AcceptMoved = "accept.moved",
    /// The state says `stopping`, and whose it is.
    StopClaimed = "stop.claimed",
    /// Nothing of it lives, and the state still has it.
    StopEnded = "stop.ended",
    /// The state has it no more, and its files are there.
    StopSettled = "stop.settled",
    /// A generation is marked as ending, and nothing is signalled.
    EndBegun = "end.begun",
    /// Its shim is asked.
    EndAsked = "end.asked",
    /// Its log is gone, and the state still has it.
    LogsRemoved = "logs.removed",
    /// A folder was looked at for services.
    ReleaseLooked = "release.looked",
    /// The state has the new end, and the shim has not.
    RenewClaimed = "renew.claimed",
    /// The orders have the new end, and the shim was not told.
    RenewOrdered = "renew.ordered",
    /// The shim was told.
    RenewArmed = "renew.armed",
    /// Logs are rotated, and no record is touched.
    SweepRotated = "sweep.rotated",
    /// What must be so before records change is done.
    SweepPrepared = "sweep.prepared",
    /// The state says what becomes of each record.
    SweepClaimed = "sweep.claimed",
    /// What was to end has ended, and the state still has it.
    SweepEnded = "sweep.ended",
    /// The state is settled, and the files of what ended are there.
    SweepSettled = "sweep.settled",
    /// Records are done; what is to be started again is not.
    SweepRecordsDone = "sweep.records-done",
    /// Generations without a record have theirs back, and the others live.
    OrphanAdopted = "orphan.adopted",
    /// One without a record is ended, and its files are there.
    OrphanEnded = "orphan.ended",
    /// Swept, and nobody is probed.
    ReconcileSwept = "reconcile.swept",
    /// Probed, and nothing is written down.
    ReconcileProbed = "reconcile.probed",
    /// The head of the log is copied, and not yet the previous log.
    RotationCopied = "rotation.copied",
    /// The head is the previous log, and still in the log too.
    RotationPublished = "rotation.published",
    /// The log is marked as about to be cut.
    RotationMarked = "rotation.marked",
    /// The log is cut, and its mark says otherwise.
    RotationCut = "rotation.cut",
    /// A sink has taken an event, and no file tells of it.
    DeliverySent = "delivery.sent",
    /// A dead letter is written, and the event still waits.
    DeliveryDead = "delivery.dead",
    /// Dead letters are to be tried once more, and are still among the dead ones.
    DeliveryRetried = "delivery.retried",
    /// The state has the events, and the journal has not.
    JournalCarried = "journal.carried",
    /// The journal has the events, unsynced.
    JournalAppended = "journal.appended",
    /// The journal is synced, and the state has all its events still.
    JournalKept = "journal.kept",
    /// A segment is closed, and there is no new one.
    JournalRotated = "journal.rotated",
    /// The shim is born and has no word.
    ShimBorn = "shim.born",
    /// It has its word.
    ShimHeard = "shim.heard",
    /// `shim.json` is there.
    ShimNoted = "shim.noted",
    /// The service runs, and no file tells of it.
    ShimForked = "shim.forked",
    /// `service.json` is there, and the maker has no answer.
    ShimWritten = "shim.written",
    /// The maker has its answer.
    ShimAnswered = "shim.answered",
    /// The service has ended, and no file tells of it.
    ShimReaped = "shim.reaped",
    /// `exit.json` is there.
    ShimExitWritten = "shim.exit-written",
    /// None of its tree is left, and `shim.json` is gone.
    ShimAlone = "shim.alone",
    /// Its run folder has the name of the next life, which is not begun.
    ShimMoved = "shim.moved",
    /// A follower is started.
    ShimFollowed = "shim.followed",
    /// A follower is there, and has not looked.
    FollowBorn = "follow.born",
    /// The record is as its shim's files tell, and the service's first health is not known.
    FollowNoted = "follow.noted",
    /// The first health is known, and not in the record.
    FollowProbed = "follow.probed",
}

/// Says that `step` has been reached.
#[cfg(not(debug_assertions))]
#[inline]
pub fn reached(_step: Step) {}

#[cfg(debug_assertions)]
pub use armed::{arm, reached, wait_at};

/// What tests make of steps; there is nothing of it in ordinary builds.
#[cfg(debug_assertions)]
mod armed {
    use std::path::Path;
    use std::sync::OnceLock;

    use super::Step;

    type Act = Box<dyn Fn(Step) + Send + Sync>;

    static ACT: OnceLock<Act> = OnceLock::new();

    /// From here on `act` is called at every step of this process. The first call counts.
    pub fn arm(act: Act) {
        drop(ACT.set(act));
    }

    /// Says that `step` has been reached.
    pub fn reached(step: Step) {
        if let Some(world) = crate::base::world::here() {
            return world.reached(step);
        }
        if let Some(act) = ACT.get() {
            act(step);
        }
    }

    /// Waits until somebody has opened the pipe at `path` for writing and closed it again.
    #[expect(clippy::disallowed_methods, reason = "a pipe that is waited for, in tests only")]
    pub fn wait_at(path: &Path) {
        let waited = std::fs::OpenOptions::new().read(true).open(path);
        drop(waited.and_then(|mut pipe| std::io::copy(&mut pipe, &mut std::io::sink())));
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn every_step_has_a_word_of_its_own() {
            let words: std::collections::BTreeSet<&str> = Step::ALL.iter().map(|step| step.word()).collect();
            assert_eq!(words.len(), Step::ALL.len());
        }
    }
}
