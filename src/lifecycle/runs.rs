//! The life of a run, one acceptance of one sidecar: where it stands × what happens → where it stands then. Nothing else moves a run.
//!
//! `row` is the whole of it: a row per input, a column per status. docs/runs.md shows and draws it, written from here.

use std::fmt;

/// Where a run stands (contract section 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RunStatus {
    /// Nobody has taken it up.
    Pending,
    /// Somebody decides it.
    Claimed,
    /// It has ended well.
    Completed,
    /// It has ended, and not well.
    Failed,
    /// It could not be decided: its sidecar waits on, and the next try takes the same run up.
    Blocked,
    /// It has ended undecided, or somebody has called it off.
    Cancelled,
}

impl RunStatus {
    /// Every status.
    pub const ALL: [Self; 6] =
        [Self::Pending, Self::Claimed, Self::Completed, Self::Failed, Self::Blocked, Self::Cancelled];

    /// The word in files and output.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Claimed => "claimed",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Blocked => "blocked",
            Self::Cancelled => "cancelled",
        }
    }

    /// What it means, for people.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Pending => "a sidecar waits, and nobody has taken it up; no file tells of it yet",
            Self::Claimed => "a command decides it",
            Self::Completed => "every service is up as declared",
            Self::Failed => "the sidecar was rejected, or some of its services did not come up",
            Self::Blocked => {
                "it could not be decided now: the sidecar waits on, and the next try takes this run up again"
            }
            Self::Cancelled => "somebody called it off, or its sidecar was replaced or removed before it was decided",
        }
    }

    /// The status of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.word() == word)
    }

    /// Whether nothing moves it any more.
    pub const fn is_ended(self) -> bool {
        match self {
            Self::Pending | Self::Claimed | Self::Blocked => false,
            Self::Completed | Self::Failed | Self::Cancelled => true,
        }
    }
}

/// Something that happens to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RunInput {
    /// A command has the lease of its agent and decides it.
    Claimed,
    /// Another command decides it: whoever was at it is dead, or its lease is over.
    TakenOver,
    /// Every service is up.
    Completed,
    /// The sidecar was rejected, or a service did not come up.
    Failed,
    /// A port in use, another command at a service, a full disk: it can't be decided now.
    Blocked,
    /// Whoever was at it is dead, and nobody has taken it up.
    Abandoned,
    /// Somebody calls it off.
    Cancelled,
    /// Another sidecar stands in its sidecar's place, or another project asks for it.
    Replaced,
    /// Its sidecar is gone.
    Withdrawn,
}

impl RunInput {
    /// Every input.
    pub const ALL: [Self; 9] = [
        Self::Claimed,
        Self::TakenOver,
        Self::Completed,
        Self::Failed,
        Self::Blocked,
        Self::Abandoned,
        Self::Cancelled,
        Self::Replaced,
        Self::Withdrawn,
    ];

    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::TakenOver => "taken-over",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Blocked => "blocked",
            Self::Abandoned => "abandoned",
            Self::Cancelled => "cancelled",
            Self::Replaced => "replaced",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// What has happened, for people.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Claimed => "a command has the lease of its agent and decides it",
            Self::TakenOver => "another command decides it: whoever was at it is dead, or that lease is over",
            Self::Completed => "every service is up as declared",
            Self::Failed => "the sidecar was rejected, or a service did not come up",
            Self::Blocked => "a port in use, another command at a service, a full disk: it can't be decided now",
            Self::Abandoned => "whoever was at it is dead, and a sweep found that",
            Self::Cancelled => "`queue cancel`",
            Self::Replaced => "another sidecar stands in its place, or it is accepted for another project or work item",
            Self::Withdrawn => "its sidecar is gone",
        }
    }
}

/// A cell of the table. `None`: the move is illegal.
type Cell = Option<RunStatus>;

/// Where an input leads from each status, in the order of [`RunStatus::ALL`].
#[rustfmt::skip]
const fn row(input: RunInput) -> [Cell; 6] {
    const CLAIMED: Cell = Some(RunStatus::Claimed);
    const DONE: Cell = Some(RunStatus::Completed);
    const FAILED: Cell = Some(RunStatus::Failed);
    const BLOCKED: Cell = Some(RunStatus::Blocked);
    const OFF: Cell = Some(RunStatus::Cancelled);
    const NO: Cell = None;
    match input {
        //                        pending  claimed  completed failed  blocked  cancelled
        RunInput::Claimed     => [CLAIMED, NO,      NO,       NO,     CLAIMED, NO],
        RunInput::TakenOver   => [NO,      CLAIMED, NO,       NO,     NO,      NO],
        RunInput::Completed   => [NO,      DONE,    NO,       NO,     NO,      NO],
        RunInput::Failed      => [NO,      FAILED,  NO,       NO,     NO,      NO],
        RunInput::Blocked     => [NO,      BLOCKED, NO,       NO,     NO,      NO],
        RunInput::Abandoned   => [NO,      BLOCKED, NO,       NO,     NO,      NO],
        RunInput::Cancelled   => [OFF,     OFF,     NO,       NO,     OFF,     NO],
        RunInput::Replaced    => [OFF,     OFF,     NO,       NO,     OFF,     NO],
        RunInput::Withdrawn   => [OFF,     OFF,     NO,       NO,     OFF,     NO],
    }
}

/// Where `input` leads from `status`.
pub const fn next(status: RunStatus, input: RunInput) -> Result<RunStatus, Illegal> {
    let [pending, claimed, completed, failed, blocked, cancelled] = row(input);
    let cell = match status {
        RunStatus::Pending => pending,
        RunStatus::Claimed => claimed,
        RunStatus::Completed => completed,
        RunStatus::Failed => failed,
        RunStatus::Blocked => blocked,
        RunStatus::Cancelled => cancelled,
    };
    match cell {
        Some(to) => Ok(to),
        None => Err(Illegal { status, input }),
    }
}

/// A move that the table has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Illegal {
    /// Where the run stands.
    pub status: RunStatus,
    /// What was to move it.
    pub input: RunInput,
}

impl fmt::Display for Illegal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a run that is `{}` cannot be {}", self.status.word(), self.input.word())
    }
}

impl std::error::Error for Illegal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_moves_a_run_that_has_ended() {
        for status in RunStatus::ALL.into_iter().filter(|status| status.is_ended()) {
            for input in RunInput::ALL {
                assert_eq!(next(status, input), Err(Illegal { status, input }));
            }
        }
    }

    #[test]
    fn every_other_run_can_be_called_off_and_every_status_but_the_first_can_be_reached() {
        for status in RunStatus::ALL.into_iter().filter(|status| !status.is_ended()) {
            assert_eq!(next(status, RunInput::Cancelled), Ok(RunStatus::Cancelled));
        }
        let mut reached = vec![RunStatus::Pending];
        while let Some(to) = reached
            .iter()
            .flat_map(|from| RunInput::ALL.map(|input| next(*from, input)))
            .flatten()
            .find(|to| !reached.contains(to))
        {
            reached.push(to);
        }
        reached.sort_unstable();
        assert_eq!(reached, RunStatus::ALL);
    }

    #[test]
    fn only_who_has_claimed_it_decides_a_run() {
        for status in RunStatus::ALL {
            for input in [RunInput::Completed, RunInput::Failed, RunInput::Blocked, RunInput::TakenOver] {
                assert_eq!(next(status, input).is_ok(), status == RunStatus::Claimed, "{status:?} {input:?}");
            }
        }
    }

    #[test]
    fn words_are_their_own() {
        for status in RunStatus::ALL {
            assert_eq!(RunStatus::parse(status.word()), Some(status));
        }
        assert_eq!(RunStatus::parse("running"), None);
        let illegal = next(RunStatus::Failed, RunInput::Claimed).unwrap_err();
        assert_eq!(illegal.to_string(), "a run that is `failed` cannot be claimed");
    }
}
