//! The state machine of a record: where it stands × what happens → where it stands then. Nothing else moves a record.
//!
//! `row` is the whole of it: a row per input, a column per status. docs/lifecycle.md shows and draws it, written from here.

use std::fmt;

use crate::base::clock::EpochMs;
use crate::service::{Exit, Record, Status, Transition};

/// Something that happens to a service, or that somebody decides about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// It is accepted, and is to be started once somebody needs it.
    Declared,
    /// A command starts it, anew if it runs.
    Claimed,
    /// Somebody needs it.
    Ensure,
    /// The wait that its restart policy asks for is over.
    BackoffOver,
    /// Its daily restart is due.
    DailyDue,
    /// Something that it was built from has changed, and the restart for that is due.
    Updated,
    /// Its process is there.
    Spawned,
    /// It could not be started.
    SpawnFailed,
    /// A start by its restart policy, with nobody waiting for it, did not come to a process.
    StartAgainFailed,
    /// Its first probe passed.
    FirstHealthy,
    /// Its first health did not come, and it was ended for that.
    FirstHealthFailed,
    /// It ended by itself, and its restart policy starts it again.
    Exited(Ended),
    /// It was found dead with nobody left to start it again, and its restart policy does.
    DeadAtSweep,
    /// The machine was booted anew, and its restart policy starts it again.
    OtherBoot,
    /// Its shim has started it again.
    Restarted,
    /// Its restart policy has no start left for it.
    GaveUp,
    /// It ended with success, and comes back once somebody needs it.
    Finished,
    /// Too many probes in a row failed: it is ended, and its restart policy starts it again.
    Unhealthy,
    /// Nobody has used it for long: it is ended until somebody needs it.
    Idle,
    /// Somebody stops it for good.
    StopAsked,
    /// Its time to live is over.
    TtlOver,
    /// It is dead, and nothing brings it back: what is left of it goes.
    Dropped,
    /// Nothing of it is left, and its declaration stays.
    Stopped,
    /// Something of it would not end.
    WouldNotEnd,
    /// It runs, though the command that was at it is gone.
    Adopted,
    /// The generation that was to be replaced goes on.
    Restored,
    /// The command that was at it is gone, and has left no process.
    Freed,
}

/// How a process ended, as far as the table asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ended {
    /// With an exit code.
    Code,
    /// By a signal.
    Signal,
    /// Nobody saw it.
    Unknown,
}

/// A cell of the table. `None`: the move is illegal.
type Cell = Option<Status>;

/// Where an input leads from each status, in the order of [`Status::ALL`].
#[rustfmt::skip]
const fn row(input: Input) -> [Cell; 7] {
    const QUEUED: Cell = Some(Status::Queued);
    const STARTS: Cell = Some(Status::Starting);
    const RUNS: Cell = Some(Status::Running);
    const WAITS: Cell = Some(Status::Backoff);
    const ENDS: Cell = Some(Status::Stopping);
    const STOPPED: Cell = Some(Status::Stopped);
    const FAILED: Cell = Some(Status::Failed);
    const NO: Cell = None;
    match input {
        //                               queued   starting running  backoff  stopping stopped  failed
        Input::Declared             => [STOPPED, NO,      NO,      STOPPED, NO,      STOPPED, STOPPED],
        Input::Claimed              => [STARTS,  STARTS,  STARTS,  STARTS,  STARTS,  STARTS,  STARTS ],
        Input::Ensure               => [STARTS,  STARTS,  RUNS,    STARTS,  NO,      STARTS,  STARTS ],
        Input::BackoffOver          => [NO,      NO,      NO,      STARTS,  NO,      NO,      NO     ],
        Input::DailyDue             => [NO,      NO,      STARTS,  NO,      NO,      NO,      NO     ],
        Input::Updated              => [NO,      NO,      STARTS,  NO,      NO,      NO,      NO     ],
        Input::Spawned              => [NO,      RUNS,    NO,      NO,      NO,      NO,      NO     ],
        Input::SpawnFailed          => [NO,      FAILED,  NO,      NO,      NO,      NO,      NO     ],
        Input::StartAgainFailed     => [NO,      WAITS,   WAITS,   WAITS,    NO,      NO,      NO     ],
        Input::FirstHealthy         => [NO,      NO,      RUNS,    NO,      NO,      NO,      NO     ],
        Input::FirstHealthFailed    => [NO,      NO,      FAILED,  NO,      NO,      NO,      NO     ],
        Input::Exited(Ended::Code
            | Ended::Signal
            | Ended::Unknown)       => [NO,      WAITS,   WAITS,   WAITS,   WAITS,   NO,      NO     ],
        Input::DeadAtSweep          => [NO,      WAITS,   WAITS,   WAITS,   NO,      NO,      NO     ],
        Input::OtherBoot            => [NO,      WAITS,   WAITS,   WAITS,   NO,      NO,      NO     ],
        Input::Restarted            => [NO,      RUNS,    RUNS,    RUNS,    NO,      NO,      NO     ],
        Input::GaveUp               => [NO,      FAILED,  FAILED,  FAILED,  FAILED,  NO,      NO     ],
        Input::Finished             => [NO,      STOPPED, STOPPED, STOPPED, NO,      NO,      NO     ],
        Input::Unhealthy            => [NO,      NO,      ENDS,    NO,      NO,      NO,      NO     ],
        Input::Idle                 => [NO,      NO,      ENDS,    NO,      NO,      NO,      NO     ],
        Input::StopAsked            => [ENDS,    ENDS,    ENDS,    ENDS,    ENDS,    ENDS,    ENDS   ],
        Input::TtlOver              => [ENDS,    ENDS,    ENDS,    ENDS,    ENDS,    ENDS,    ENDS   ],
        Input::Dropped              => [ENDS,    ENDS,    ENDS,    ENDS,    ENDS,    ENDS,    ENDS   ],
        Input::Stopped              => [NO,      NO,      NO,      NO,      STOPPED, NO,      NO     ],
        Input::WouldNotEnd          => [NO,      ENDS,    ENDS,    NO,      ENDS,    NO,      NO     ],
        Input::Adopted              => [RUNS,    RUNS,    RUNS,    RUNS,    NO,      RUNS,    NO     ],
        Input::Restored             => [RUNS,    RUNS,    NO,      NO,      NO,      NO,      NO     ],
        Input::Freed                => [QUEUED,  QUEUED,  NO,      WAITS,   NO,      STOPPED, FAILED ],
    }
}

/// Where `input` leads from `status`.
pub const fn next(status: Status, input: Input) -> Result<Status, Illegal> {
    let [queued, starting, running, backoff, stopping, stopped, failed] = row(input);
    let cell = match status {
        Status::Queued => queued,
        Status::Starting => starting,
        Status::Running => running,
        Status::Backoff => backoff,
        Status::Stopping => stopping,
        Status::Stopped => stopped,
        Status::Failed => failed,
    };
    match cell {
        Some(next) => Ok(next),
        None => Err(Illegal { status, input }),
    }
}

/// Moves `record` by `input` and writes down when, from where, by what and why. What belongs to the status that it leaves, the
/// moment of the next start, goes with it. An illegal move leaves the record as it is.
pub fn apply(record: &mut Record, input: Input, now: EpochMs, why: impl Into<String>) -> Result<(), Illegal> {
    let to = next(record.status, input)?;
    let from = Some(record.status);
    let (input, why) = (input.word().to_owned(), why.into());
    record.progress.last_transition = Some(Transition { at: now, from, to, input, why });
    if to != Status::Backoff {
        record.progress.next_at = None;
    }
    record.status = to;
    Ok(())
}

/// What last moved `record`, if that was written down.
pub fn last_input(record: &Record) -> Option<Input> {
    record.progress.last_transition.as_ref().and_then(|last| Input::parse(&last.input))
}

/// A move that the table does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Illegal {
    /// Where the record stands.
    pub status: Status,
    /// What was to happen to it.
    pub input: Input,
}

impl fmt::Display for Illegal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nothing leads from `{}` by `{}`", self.status.word(), self.input.word())
    }
}

impl std::error::Error for Illegal {}

impl Ended {
    /// Every way.
    pub const ALL: [Self; 3] = [Self::Code, Self::Signal, Self::Unknown];
}

impl From<Exit> for Ended {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Code(_) => Self::Code,
            Exit::Signal(_) => Self::Signal,
            Exit::Unknown => Self::Unknown,
        }
    }
}

impl Input {
    /// Every input, in the order of the table.
    pub const ALL: [Self; 29] = [
        Self::Declared,
        Self::Claimed,
        Self::Ensure,
        Self::BackoffOver,
        Self::DailyDue,
        Self::Updated,
        Self::Spawned,
        Self::SpawnFailed,
        Self::StartAgainFailed,
        Self::FirstHealthy,
        Self::FirstHealthFailed,
        Self::Exited(Ended::Code),
        Self::Exited(Ended::Signal),
        Self::Exited(Ended::Unknown),
        Self::DeadAtSweep,
        Self::OtherBoot,
        Self::Restarted,
        Self::GaveUp,
        Self::Finished,
        Self::Unhealthy,
        Self::Idle,
        Self::StopAsked,
        Self::TtlOver,
        Self::Dropped,
        Self::Stopped,
        Self::WouldNotEnd,
        Self::Adopted,
        Self::Restored,
        Self::Freed,
    ];

    /// The word in files and output.
    pub const fn word(self) -> &'static str {
        self.told().0
    }

    /// The input of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|input| input.word() == word)
    }

    /// What it means, for people.
    pub const fn meaning(self) -> &'static str {
        self.told().1
    }

    /// Its word and what it means.
    const fn told(self) -> (&'static str, &'static str) {
        match self {
            Self::Declared => ("declared", "it is accepted, to be started once somebody needs it (on-demand)"),
            Self::Claimed => ("claimed", "a command starts it, anew if it runs: `accept`, `restart`, a sweep"),
            Self::Ensure => ("ensure", "somebody needs it"),
            Self::BackoffOver => ("backoff-over", "the wait that its restart policy asks for is over"),
            Self::DailyDue => ("daily-due", "its daily restart is due"),
            Self::Updated => ("updated", "what it was built from has changed, and the restart for that is due"),
            Self::Spawned => ("spawned", "its process is there"),
            Self::SpawnFailed => ("spawn-failed", "it could not be started"),
            Self::StartAgainFailed => (
                "start-again-failed",
                "a start by its restart policy did not come to a process; the policy waits again",
            ),
            Self::FirstHealthy => ("first-healthy", "its first probe passed"),
            Self::FirstHealthFailed => {
                ("first-health-failed", "its first health did not come, and it was ended for that")
            }
            Self::Exited(Ended::Code) => ("exited-code", "it exited, and its restart policy starts it again"),
            Self::Exited(Ended::Signal) => {
                ("exited-signal", "a signal ended it, and its restart policy starts it again")
            }
            Self::Exited(Ended::Unknown) => {
                ("exited-unknown", "it ended, nobody saw how, and its restart policy starts it again")
            }
            Self::DeadAtSweep => {
                ("dead-at-sweep", "it was found dead without a shim, and its restart policy starts it again")
            }
            Self::OtherBoot => ("other-boot", "the machine was booted anew, and its restart policy starts it again"),
            Self::Restarted => ("restarted", "its shim has started it again"),
            Self::GaveUp => ("gave-up", "its restart policy has no start left for it"),
            Self::Finished => ("finished", "it ended with success, and comes back once somebody needs it"),
            Self::Unhealthy => {
                ("unhealthy", "too many probes in a row failed: it is ended, and its restart policy starts it again")
            }
            Self::Idle => ("idle", "nobody has used it for `idle_stop_s`: it is ended until somebody needs it"),
            Self::StopAsked => ("stop-asked", "somebody stops it for good; its record goes with it"),
            Self::TtlOver => ("ttl-over", "its time to live is over; its record goes with it"),
            Self::Dropped => {
                ("dropped", "it is dead and nothing brings it back; its record goes with what is left of it")
            }
            Self::Stopped => ("stopped", "nothing of it is left, and its declaration stays"),
            Self::WouldNotEnd => ("would-not-end", "something of it would not end; the next sweep tries again"),
            Self::Adopted => ("adopted", "it runs, though the command that was at it is gone"),
            Self::Restored => ("restored", "the generation that was to be replaced goes on"),
            Self::Freed => ("freed", "the command that was at it is gone, and has left no process"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::record;
    use super::*;

    /// Every legal move, told from where it starts; the table tells it from what happens.
    const MOVES: [(&str, &[(&str, &str)]); 7] = [
        (
            "queued",
            &[
                ("starting", "claimed ensure"),
                ("running", "adopted restored"),
                ("stopped", "declared"),
                ("queued", "freed"),
                ("stopping", "stop-asked ttl-over dropped"),
            ],
        ),
        (
            "starting",
            &[
                ("starting", "claimed ensure"),
                ("running", "spawned restarted adopted restored"),
                ("backoff", "start-again-failed exited-code exited-signal exited-unknown dead-at-sweep other-boot"),
                ("failed", "spawn-failed gave-up"),
                ("stopped", "finished"),
                ("queued", "freed"),
                ("stopping", "would-not-end stop-asked ttl-over dropped"),
            ],
        ),
        (
            "running",
            &[
                ("running", "first-healthy ensure restarted adopted"),
                ("starting", "claimed daily-due updated"),
                ("backoff", "start-again-failed exited-code exited-signal exited-unknown dead-at-sweep other-boot"),
                ("failed", "first-health-failed gave-up"),
                ("stopped", "finished"),
                ("stopping", "unhealthy idle would-not-end stop-asked ttl-over dropped"),
            ],
        ),
        (
            "backoff",
            &[
                ("starting", "backoff-over ensure claimed"),
                ("running", "restarted adopted"),
                (
                    "backoff",
                    "start-again-failed exited-code exited-signal exited-unknown dead-at-sweep other-boot freed",
                ),
                ("failed", "gave-up"),
                ("stopped", "finished declared"),
                ("stopping", "stop-asked ttl-over dropped"),
            ],
        ),
        (
            "stopping",
            &[
                ("stopping", "stop-asked ttl-over dropped would-not-end"),
                ("stopped", "stopped"),
                ("backoff", "exited-code exited-signal exited-unknown"),
                ("failed", "gave-up"),
                ("starting", "claimed"),
            ],
        ),
        (
            "stopped",
            &[
                ("starting", "ensure claimed"),
                ("running", "adopted"),
                ("stopped", "declared freed"),
                ("stopping", "stop-asked ttl-over dropped"),
            ],
        ),
        (
            "failed",
            &[
                ("starting", "ensure claimed"),
                ("stopped", "declared"),
                ("failed", "freed"),
                ("stopping", "stop-asked ttl-over dropped"),
            ],
        ),
    ];

    fn meant(status: Status, input: Input) -> Option<Status> {
        let (_, moves) = MOVES.iter().find(|(from, _)| *from == status.word()).expect("each status has its moves");
        let mut found = moves.iter().filter(|(_, inputs)| inputs.split(' ').any(|word| word == input.word()));
        let to = found.next().map(|(to, _)| Status::parse(to).expect("a status"));
        assert!(found.next().is_none(), "{status:?} {input:?} is meant twice");
        to
    }

    #[test]
    fn every_cell_of_the_table_is_as_written() {
        for status in Status::ALL {
            for input in Input::ALL {
                assert_eq!(next(status, input).ok(), meant(status, input), "{status:?} {input:?}");
            }
        }
        let words = MOVES.iter().flat_map(|(_, moves)| moves.iter()).flat_map(|(_, inputs)| inputs.split(' '));
        for word in words {
            assert!(Input::parse(word).is_some(), "{word}");
        }
    }

    #[test]
    fn a_move_is_written_down_and_an_illegal_one_changes_nothing() {
        for status in Status::ALL {
            for input in Input::ALL {
                let mut before = record(status);
                before.progress.next_at = Some(EpochMs(7));
                let mut after = before.clone();
                match apply(&mut after, input, EpochMs(5), "so") {
                    Err(illegal) => {
                        assert_eq!((illegal.status, illegal.input), (status, input));
                        assert_eq!(after, before);
                    }
                    Ok(()) => {
                        let last = after.progress.last_transition.clone().expect("it is written down");
                        assert_eq!((last.from, Ok(last.to)), (Some(status), next(status, input)));
                        assert_eq!((last.at, last.why.as_str(), last_input(&after)), (EpochMs(5), "so", Some(input)));
                        assert_eq!(after.progress.next_at.is_some(), after.status == Status::Backoff, "{last:?}");
                        let Record { status, progress, .. } = after.clone();
                        assert_eq!(after, Record { status, progress, ..before }, "nothing else is touched");
                    }
                }
            }
        }
    }

    #[test]
    fn an_illegal_move_names_both() {
        let illegal = next(Status::Failed, Input::Idle).expect_err("what has failed is not stopped for idleness");
        assert_eq!(illegal, Illegal { status: Status::Failed, input: Input::Idle });
        assert_eq!(illegal.to_string(), "nothing leads from `failed` by `idle`");
    }

    #[test]
    fn a_stop_and_the_end_of_the_time_to_live_are_possible_from_everywhere() {
        for status in Status::ALL {
            for input in [Input::StopAsked, Input::TtlOver, Input::Dropped] {
                assert_eq!(next(status, input), Ok(Status::Stopping), "{status:?} {input:?}");
            }
        }
    }

    #[test]
    fn every_input_is_there_once_with_a_word_of_its_own() {
        for (at, input) in Input::ALL.into_iter().enumerate() {
            assert_eq!(Input::parse(input.word()), Some(input));
            assert_eq!(Input::ALL.into_iter().position(|other| other == input), Some(at));
            assert!(Status::ALL.into_iter().any(|status| next(status, input).is_ok()), "{input:?} leads nowhere");
            assert!(!input.meaning().ends_with('.') && !input.meaning().is_empty(), "{input:?}");
        }
        assert_eq!(Input::parse("killed"), None);
        let exits = [Exit::Code(0), Exit::Signal(9), Exit::Unknown].map(Ended::from);
        assert_eq!(exits, Ended::ALL);
    }
}
