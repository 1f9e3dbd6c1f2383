//! What time and crashes have made due for one record: the table that `sweep`, `reconcile` and the recovery of what a killed
//! command left behind all go by.

use crate::base::clock::EpochMs;
use crate::base::span;
use crate::service::{ExitCause, ExitRecord, Record, Status};

use super::claim::Turn;
pub use super::facts::{Death, Facts, Life, Previous, Shim, words};

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Nothing.
    Keep,
    /// End whatever is left of its generation, with proof, then remove the record.
    End(Cause),
    /// The generation lives though the command that started or renewed it is gone: record it as running.
    Adopt,
    /// A command died before it ended the generation that it was to replace: that one goes on.
    Restore,
    /// A command died after it had ended a service that was to run on: start it again.
    StartAgain,
    /// The same where another command is about to start it, or something else in its place: it is recorded as waiting for
    /// that, without a process.
    Free,
}

impl Action {
    /// The word in output.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::End(Cause::Dead) => "drop",
            Self::End(Cause::Expired) => "expire",
            Self::End(Cause::Asked) => "stop",
            Self::Adopt => "adopt",
            Self::Restore => "restore",
            Self::StartAgain => "start-again",
            Self::Free => "free",
        }
    }
}

/// Why a record goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Its service is dead.
    Dead,
    /// Its time to live is over.
    Expired,
    /// Somebody asked for its stop, which was not finished.
    Asked,
}

/// One step of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The record's name.
    pub name: String,
    /// What to do.
    pub action: Action,
    /// Why, in a few words for people.
    pub why: String,
}

/// The step for `record`. Total over turn × life × previous × ending × expired × status.
pub fn step(record: &Record, facts: &Facts, now: EpochMs) -> Step {
    let (action, why) = decide(record, facts, now);
    Step { name: record.name.clone(), action, why }
}

fn decide(record: &Record, facts: &Facts, now: EpochMs) -> (Action, String) {
    if let Turn::Theirs { pid, verb } = &facts.turn {
        return (Action::Keep, format!("`minions managed {verb}` (pid {pid}) is at it"));
    }
    if facts.life == Life::Unknown || facts.previous == Previous::Unknown {
        return (
            Action::Keep,
            "it cannot be told whether its process lives, and only proven death drops a record".into(),
        );
    }
    if let Some(over) = record.ttl_expires_at.filter(|at| *at <= now) {
        return (Action::End(Cause::Expired), expired(over, now, &facts.life));
    }
    if facts.is_ending && facts.life == Life::Alive {
        return (Action::End(Cause::Asked), "its end was begun, and it is not gone yet".into());
    }
    match record.status {
        Status::Stopping => (Action::End(Cause::Asked), "it was to be stopped, and is not gone yet".into()),
        Status::Queued | Status::Starting => decide_starting(record, facts),
        Status::Running | Status::Backoff | Status::Stopped => decide_running(record, facts, now),
        Status::Failed => match &facts.life {
            Life::Alive => (Action::End(Cause::Dead), "it has failed, and is not gone yet".into()),
            Life::Dead(_) | Life::NotStarted | Life::Unknown => (Action::End(Cause::Dead), failed(record)),
        },
    }
}

/// A start that nobody settled: whoever was at it is gone.
fn decide_starting(record: &Record, facts: &Facts) -> (Action, String) {
    let verb = record.claim.as_ref().map_or("accept", |claim| claim.verb.as_str());
    match (&facts.life, facts.previous) {
        (Life::Alive, _) => (Action::Adopt, format!("it runs, though `{verb}` died before it could record that")),
        (Life::Dead(death), _) => (Action::End(Cause::Dead), format!("{}, and `{verb}` is gone", words(death))),
        (Life::NotStarted | Life::Unknown, Previous::Alive | Previous::Unknown) => {
            (Action::Restore, format!("`{verb}` died before it replaced the generation that runs"))
        }
        (Life::NotStarted | Life::Unknown, Previous::Gone | Previous::Ending) => decide_half_done(record.status, verb),
    }
}

/// A start whose maker died between the end of the old generation and the start of the new one.
fn decide_half_done(status: Status, verb: &str) -> (Action, String) {
    if status == Status::Queued {
        return (Action::StartAgain, "it waits to be started again".into());
    }
    if verb == "accept" {
        // Its sidecar is still pending: the next accept starts it.
        return (Action::End(Cause::Dead), "`accept` died before it started it".into());
    }
    (Action::StartAgain, format!("`{verb}` died after it had begun to end it"))
}

fn decide_running(record: &Record, facts: &Facts, now: EpochMs) -> (Action, String) {
    match &facts.life {
        Life::Alive if record.claim.is_some() || record.previous.is_some() => {
            let verb = record.claim.as_ref().map_or("accept", |claim| claim.verb.as_str());
            (Action::Adopt, format!("it runs, and `{verb}` died at its work on it"))
        }
        Life::Alive => (Action::Keep, alive(record, now)),
        Life::Dead(death) => (Action::End(Cause::Dead), words(death)),
        Life::NotStarted | Life::Unknown => (Action::End(Cause::Dead), "it has no process".into()),
    }
}

fn alive(record: &Record, now: EpochMs) -> String {
    match record.ttl_expires_at {
        Some(at) => format!("it is alive, and has {} left", span::short(at.since(now))),
        None => "it is alive, and has no time to live".into(),
    }
}

fn expired(over: EpochMs, now: EpochMs, life: &Life) -> String {
    let since = span::short(now.since(over));
    match life {
        Life::Alive => format!("its time to live is over since {since}"),
        Life::Dead(Death::Seen(ExitRecord { cause: ExitCause::Expired, .. })) => {
            format!("its time to live is over since {since}, and its shim has ended it")
        }
        Life::Dead(death) => format!("its time to live is over since {since}, and {}", words(death)),
        Life::NotStarted | Life::Unknown => format!("its time to live is over since {since}, and it has no process"),
    }
}

fn failed(record: &Record) -> String {
    match &record.last_exit {
        Some(exit) => format!("it has failed: {}", words(&Death::Seen(*exit))),
        None => "it has failed".into(),
    }
}

#[cfg(test)]
mod tests {
    use crate::service::Exit;

    use super::super::sample::{claimed, record};
    use super::*;

    const NOW: EpochMs = EpochMs(1_000_000);
    const PREVIOUS: [Previous; 4] = [Previous::Gone, Previous::Alive, Previous::Ending, Previous::Unknown];
    const LIVES: [Life; 4] = [Life::NotStarted, Life::Alive, Life::Dead(Death::Gone), Life::Unknown];
    /// Who has left a claim, if anybody.
    const VERBS: [Option<&str>; 3] = [None, Some("accept"), Some("restart")];

    fn left(status: Status, verb: Option<&str>, ttl_expires_at: i64) -> Record {
        let record = Record { ttl_expires_at: Some(EpochMs(ttl_expires_at)), ..record(status) };
        verb.map_or(record.clone(), |verb| claimed(record, verb))
    }

    /// The table, as it is meant, for a record whose turn it is and whose time is not over.
    fn meant(status: Status, life: &Life, previous: Previous, verb: Option<&str>) -> Action {
        if *life == Life::Unknown || previous == Previous::Unknown {
            return Action::Keep;
        }
        let is_wanted_by_its_sidecar = verb != Some("restart");
        match (status, life, previous) {
            (Status::Stopping, _, _) => Action::End(Cause::Asked),
            (Status::Failed, _, _) => Action::End(Cause::Dead),
            (Status::Starting | Status::Queued, Life::Alive, _) => Action::Adopt,
            (Status::Starting | Status::Queued, Life::NotStarted, Previous::Alive) => Action::Restore,
            (Status::Starting, Life::NotStarted, _) if !is_wanted_by_its_sidecar => Action::StartAgain,
            (Status::Queued, Life::NotStarted, _) => Action::StartAgain,
            (_, Life::Alive, _) if verb.is_some() => Action::Adopt,
            (_, Life::Alive, _) => Action::Keep,
            (_, _, _) => Action::End(Cause::Dead),
        }
    }

    #[test]
    fn every_cell_of_the_table_is_as_written() {
        for status in Status::ALL {
            for life in &LIVES {
                for previous in PREVIOUS {
                    for (verb, is_ending) in VERBS.iter().flat_map(|verb| [(*verb, false), (*verb, true)]) {
                        let check = |turn: Turn, ends: i64, expected: Action| {
                            let facts = Facts {
                                turn,
                                life: life.clone(),
                                previous,
                                is_ending,
                                shim: Shim::Gone,
                                is_rebooted: false,
                            };
                            let step = step(&left(status, verb, ends), &facts, NOW);
                            assert_eq!(step.action, expected, "{status:?} {life:?} {previous:?} {verb:?} {ends}");
                            assert!(!step.why.is_empty());
                        };
                        let is_begun = is_ending && *life == Life::Alive && previous != Previous::Unknown;
                        let meant = meant(status, life, previous, verb);
                        let expected = if is_begun { Action::End(Cause::Asked) } else { meant };
                        check(Turn::Theirs { pid: 7, verb: "stop".into() }, NOW.0 - 1, Action::Keep);
                        check(Turn::Ours, NOW.0 + 1, expected);
                        let is_unknown = *life == Life::Unknown || previous == Previous::Unknown;
                        let over = if is_unknown { Action::Keep } else { Action::End(Cause::Expired) };
                        check(Turn::Ours, NOW.0, over);
                        check(Turn::Ours, NOW.0 - 1, over);
                    }
                }
            }
        }
    }

    #[test]
    fn each_death_is_told_in_its_own_words() {
        let seen = |exit, cause| Death::Seen(ExitRecord { exit, cause, at: EpochMs(1) });
        let check = |death: Death, ends: i64, expected: &str| {
            let facts = Facts {
                turn: Turn::Ours,
                life: Life::Dead(death),
                previous: Previous::Gone,
                is_ending: false,
                shim: Shim::Gone,
                is_rebooted: false,
            };
            assert_eq!(step(&left(Status::Running, None, ends), &facts, NOW).why, expected);
        };
        let later = NOW.0 + 1;
        check(seen(Exit::Code(3), ExitCause::Own), later, "it exited with code 3");
        check(seen(Exit::Signal(9), ExitCause::Own), later, "signal 9 ended it");
        check(seen(Exit::Unknown, ExitCause::Own), later, "its process is gone, and nobody saw how it ended");
        check(Death::Gone, later, "its process is gone, and nobody saw how it ended");
        check(Death::Rebooted, later, "the machine was booted anew since it was started");
        check(Death::Foreign { pid: 7 }, later, "its process is gone: pid 7 is another process now");
        let expired = seen(Exit::Signal(15), ExitCause::Expired);
        check(expired, NOW.0 - 5000, "its time to live is over since 5s, and its shim has ended it");
        check(
            Death::Rebooted,
            NOW.0,
            "its time to live is over since 0s, and the machine was booted anew since it was started",
        );
    }

    #[test]
    fn a_record_without_an_end_never_expires() {
        let record = Record { ttl_expires_at: None, ..record(Status::Running) };
        let facts = Facts {
            turn: Turn::Ours,
            life: Life::Alive,
            previous: Previous::Gone,
            is_ending: false,
            shim: Shim::Gone,
            is_rebooted: false,
        };
        assert_eq!(step(&record, &facts, EpochMs(i64::MAX)).action, Action::Keep);
    }
}
