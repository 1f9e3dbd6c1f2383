//! What time and crashes have made due for one record: the table that `sweep`, `reconcile` and the recovery of what a killed
//! command left behind all go by. What becomes of the dead is [`super::dead`]'s.

use crate::base::clock::EpochMs;
use crate::base::span;
use crate::service::{ExitCause, ExitRecord, Progress, Record, Status};

use super::action::Decision;
pub use super::action::{Action, Cause, Change, Step};
use super::claim::Turn;
pub use super::facts::{Death, Facts, Life, Previous, Shim, words};
use super::fate::is_kept;
use super::transitions::{Input, last_input};
use super::{dead, restart};

/// The step for `record`. Total over turn × life × previous × ending × expired × status × shim.
pub fn step(record: &Record, facts: &Facts, now: EpochMs) -> Step {
    let Decision { action, why, change } = decide(record, facts, now);
    Step { name: record.name.clone(), action, why, change }
}

fn decide(record: &Record, facts: &Facts, now: EpochMs) -> Decision {
    if let Turn::Theirs { pid, verb } = &facts.turn {
        return Decision::of(Action::Keep, format!("`minions managed {verb}` (pid {pid}) is at it"));
    }
    if facts.life == Life::Unknown || facts.previous == Previous::Unknown {
        let why = "it cannot be told whether its process lives, and only proven death drops a record";
        return Decision::of(Action::Keep, why);
    }
    if let Some(over) = record.ttl_expires_at.filter(|at| *at <= now) {
        return Decision::of(Action::End(Cause::Expired), expired(over, now, &facts.life));
    }
    if record.status == Status::Stopping {
        return ending(record);
    }
    if facts.is_ending && is_going(record, facts) {
        return Decision::of(Action::End(Cause::Asked), "its end was begun, and it is not gone yet");
    }
    match (record.status, &facts.life) {
        (Status::Queued | Status::Starting, _) => starting(record, facts, now),
        (Status::Running | Status::Backoff | Status::Stopped, Life::Alive) => alive(record, now),
        (Status::Running, Life::Dead(death)) => dead::decide(record, facts, Some(death), now),
        (Status::Running, Life::NotStarted | Life::Unknown) => dead::decide(record, facts, None, now),
        (Status::Failed, Life::Alive) => Decision::of(Action::End(Cause::Dead), "it has failed, and is not gone yet"),
        (Status::Backoff | Status::Stopped | Status::Failed, Life::Dead(_) | Life::NotStarted | Life::Unknown) => {
            without_process(record, facts, now)
        }
        (Status::Stopping, _) => ending(record),
    }
}

/// Whether something of a service is there whose end was begun: itself, or at least its shim, which begins no other life then and
/// tells nobody that it leaves.
fn is_going(record: &Record, facts: &Facts) -> bool {
    match (&facts.life, record.status) {
        (Life::Alive, _) => true,
        (Life::Dead(_), Status::Queued | Status::Starting | Status::Running) => facts.shim == Shim::Same,
        (Life::Dead(_), Status::Backoff | Status::Stopping | Status::Stopped | Status::Failed) => false,
        (Life::NotStarted | Life::Unknown, _) => false,
    }
}

/// An end that was begun, by what it was begun for.
fn ending(record: &Record) -> Decision {
    let last = last_input(record);
    if last == Some(Input::Idle) {
        return Decision::of(Action::End(Cause::Idle), "nobody used it, and it is not gone yet");
    }
    if last == Some(Input::Unhealthy) {
        return Decision::of(Action::End(Cause::Unhealthy), "its probes failed, and it is not gone yet");
    }
    Decision::of(Action::End(Cause::Asked), "it was to be stopped, and is not gone yet")
}

/// A start that nobody settled: whoever was at it is gone.
fn starting(record: &Record, facts: &Facts, now: EpochMs) -> Decision {
    let verb = verb(record);
    match (&facts.life, facts.previous) {
        (Life::Alive, _) => {
            Decision::of(Action::Adopt, format!("it runs, though `{verb}` died before it could record that"))
        }
        (Life::Dead(death), _) if record.status == Status::Queued => {
            Decision::of(Action::End(Cause::Dead), format!("{}, and `{verb}` is gone", words(death)))
        }
        (Life::Dead(death), _) => {
            let decision = dead::decide(record, facts, Some(death), now);
            // Its shim will tell what follows, and goes by no record that somebody is at.
            let action = if decision.action == Action::Keep { Action::Adopt } else { decision.action };
            Decision { action, why: format!("{}, and `{verb}` is gone", decision.why), ..decision }
        }
        (Life::NotStarted | Life::Unknown, Previous::Alive | Previous::Unknown) => {
            Decision::of(Action::Restore, format!("`{verb}` died before it replaced the generation that runs"))
        }
        (Life::NotStarted | Life::Unknown, Previous::Gone | Previous::Ending) => half_done(record, verb),
    }
}

/// A start whose maker died between the end of the old generation and the start of the new one.
fn half_done(record: &Record, verb: &str) -> Decision {
    if record.status == Status::Queued {
        return Decision::of(Action::StartAgain(Input::Claimed), "it waits to be started again");
    }
    if verb == "accept" {
        // Its sidecar is still pending: the next accept starts it.
        return Decision::of(Action::End(Cause::Dead), "`accept` died before it started it");
    }
    let previous = record.previous.as_ref();
    let is_replacing = previous.is_some_and(|it| it.process.is_some() || it.legacy_pid.is_some());
    let when = if is_replacing { "after it had begun to end it" } else { "before it started it" };
    Decision::of(Action::StartAgain(Input::Claimed), format!("`{verb}` died {when}"))
}

/// Who has left a claim on it; a record of old that says nothing was accepted.
fn verb(record: &Record) -> &str {
    record.claim.as_ref().map_or("accept", |claim| claim.verb.as_str())
}

fn alive(record: &Record, now: EpochMs) -> Decision {
    if record.claim.is_some() || record.previous.is_some() {
        return Decision::of(Action::Adopt, format!("it runs, and `{}` died at its work on it", verb(record)));
    }
    if record.status != Status::Running {
        return Decision::of(Action::Adopt, format!("it runs, and is recorded as `{}`", record.status.word()));
    }
    Decision::of(Action::Keep, format!("it is alive, and has {}", left(record, now)))
}

/// What has no process and may have one again: `backoff`, `stopped`, `failed`.
fn without_process(record: &Record, facts: &Facts, now: EpochMs) -> Decision {
    if record.claim.is_some() || record.previous.is_some() {
        return Decision::of(Action::Free, format!("`{}` died at its work on it", verb(record)));
    }
    match (record.status, &facts.shim) {
        (Status::Backoff, _) => backoff(record, facts, now),
        (Status::Failed, _) if !is_kept(&record.spec.lifecycle) && restart::for_health(&record.spec).is_none() => {
            Decision::of(Action::End(Cause::Dead), failed(record))
        }
        (Status::Failed, _) => {
            Decision::of(Action::Keep, format!("{}; it stays, and has {}", failed(record), left(record, now)))
        }
        (Status::Queued | Status::Starting | Status::Running | Status::Stopping | Status::Stopped, _) => {
            let why = format!("it is started once somebody needs it, and has {}", left(record, now));
            Decision::of(Action::Keep, why)
        }
    }
}

/// Dead, with a start to come: by its shim while that lives, else by whoever looks when it is due.
fn backoff(record: &Record, facts: &Facts, now: EpochMs) -> Decision {
    let progress = &record.progress;
    match (&facts.shim, restart::for_health(&record.spec)) {
        (Shim::Moved { .. }, _) => Decision::of(Action::Follow, "its shim has started it again"),
        (Shim::Waiting { until }, _) if progress.next_at != Some(*until) => {
            Decision::of(Action::Follow, "its shim has started it again since, and waits once more")
        }
        (Shim::Same | Shim::Waiting { .. }, _) => {
            Decision::of(Action::Keep, format!("its shim starts it again {}", soon(progress, now)))
        }
        (Shim::Gone, None) => Decision::of(Action::End(Cause::Dead), "it is dead, and has no restart policy"),
        (Shim::Gone, Some(policy)) if restart::is_due(&policy, progress, now) => {
            let why = format!("its wait is over, after failure {} in a row", progress.failures_in_row);
            Decision::of(Action::StartAgain(Input::BackoffOver), why)
        }
        (Shim::Gone, Some(_)) => {
            Decision::of(Action::Keep, format!("it waits, and is to be started again {}", soon(progress, now)))
        }
    }
}

/// When the next start is, for people.
fn soon(progress: &Progress, now: EpochMs) -> String {
    let wait = progress.next_at.map_or_else(|| "now".into(), |at| format!("in {}", span::short(at.since(now))));
    format!("{wait}, after failure {} in a row", progress.failures_in_row)
}

/// How long it still may live, for people.
fn left(record: &Record, now: EpochMs) -> String {
    match record.ttl_expires_at {
        Some(at) => format!("{} left", span::short(at.since(now))),
        None => "no time to live".into(),
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
    use crate::base::ids::Generation;
    use crate::service::{Activation, Exit, Lifecycle, OnUnhealthy, RestartMode, RestartPolicy, Transition};

    use super::super::sample::{claimed, record};
    use super::*;

    const NOW: EpochMs = EpochMs(1_000_000);
    const PREVIOUS: [Previous; 4] = [Previous::Gone, Previous::Alive, Previous::Ending, Previous::Unknown];
    const LIVES: [Life; 4] = [Life::NotStarted, Life::Alive, Life::Dead(Death::Gone), Life::Unknown];
    /// Who has left a claim, if anybody.
    const VERBS: [Option<&str>; 3] = [None, Some("accept"), Some("restart")];
    /// What may stand behind a `stopping`.
    const LAST: [Option<Input>; 4] = [None, Some(Input::StopAsked), Some(Input::Idle), Some(Input::Unhealthy)];
    const KINDS: [Kind; 3] = [Kind::Plain, Kind::Policy, Kind::OnDemand];

    /// Why a record may have to stay though its service is dead.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Kind {
        Plain,
        Policy,
        OnDemand,
    }

    impl Kind {
        fn lifecycle(self) -> Lifecycle {
            let always = RestartPolicy { mode: RestartMode::Always, ..RestartPolicy::default() };
            match self {
                Self::Plain => Lifecycle::default(),
                Self::Policy => Lifecycle { restart: Some(always), ..Lifecycle::default() },
                Self::OnDemand => Lifecycle { activation: Activation::OnDemand, ..Lifecycle::default() },
            }
        }
    }

    fn shims() -> [Shim; 5] {
        let generation = Generation::new(NOW);
        let [next, other] = [EpochMs(NOW.0 + 500), EpochMs(NOW.0 + 9_000)];
        [
            Shim::Gone,
            Shim::Same,
            Shim::Moved { generation },
            Shim::Waiting { until: next },
            Shim::Waiting { until: other },
        ]
    }

    /// A record of a service that waits until half a second after `NOW`, should it wait at all.
    fn left(status: Status, verb: Option<&str>, kind: Kind, last: Option<Input>) -> Record {
        let mut record = Record { ttl_expires_at: Some(EpochMs(NOW.0 + 1)), ..record(status) };
        record.spec.lifecycle = kind.lifecycle();
        record.progress.next_at = Some(EpochMs(NOW.0 + 500));
        record.progress.failures_in_row = 1;
        record.progress.last_transition = last.map(|last| Transition {
            at: NOW,
            from: None,
            to: status,
            input: last.word().into(),
            why: String::new(),
        });
        verb.map_or(record.clone(), |verb| claimed(record, verb))
    }

    fn facts(life: Life, previous: Previous, shim: Shim) -> Facts {
        Facts { turn: Turn::Ours, life, previous, is_ending: false, shim, is_rebooted: false }
    }

    /// What becomes of the dead whose shim does not go on by itself.
    fn dead(kind: Kind, shim: &Shim) -> Action {
        match (kind, shim) {
            (_, Shim::Moved { .. } | Shim::Waiting { .. }) => Action::Follow,
            (Kind::Policy | Kind::OnDemand, Shim::Same) => Action::Keep,
            (Kind::Plain, Shim::Same | Shim::Gone) => Action::End(Cause::Dead),
            (Kind::Policy, Shim::Gone) => Action::Wait,
            (Kind::OnDemand, Shim::Gone) => Action::GiveUp,
        }
    }

    /// The table, as it is meant, for a record whose turn it is, whose time is not over, and of which enough is known.
    fn meant(record: &Record, facts: &Facts, kind: Kind, last: Option<Input>) -> Action {
        let verb = record.claim.as_ref().map(|claim| claim.verb.as_str());
        let is_claimed = verb.is_some();
        match (record.status, &facts.life, facts.previous) {
            (Status::Stopping, _, _) => Action::End(match last {
                Some(Input::Idle) => Cause::Idle,
                Some(Input::Unhealthy) => Cause::Unhealthy,
                _ => Cause::Asked,
            }),
            (_, Life::Alive, _) if facts.is_ending => Action::End(Cause::Asked),
            (Status::Queued | Status::Starting | Status::Running, Life::Dead(_), _)
                if facts.is_ending && facts.shim == Shim::Same =>
            {
                Action::End(Cause::Asked)
            }
            (Status::Failed, Life::Alive, _) => Action::End(Cause::Dead),
            (Status::Running, Life::Alive, _) if !is_claimed => Action::Keep,
            (_, Life::Alive, _) => Action::Adopt,
            (Status::Queued, Life::Dead(_), _) => Action::End(Cause::Dead),
            (Status::Starting, Life::Dead(_), _) if dead(kind, &facts.shim) == Action::Keep => Action::Adopt,
            (Status::Starting, Life::Dead(_), _) | (Status::Running, _, _) => dead(kind, &facts.shim),
            (Status::Starting | Status::Queued, _, Previous::Alive) => Action::Restore,
            (Status::Starting, _, _) if verb != Some("restart") => Action::End(Cause::Dead),
            (Status::Starting | Status::Queued, _, _) => Action::StartAgain(Input::Claimed),
            (Status::Backoff | Status::Stopped | Status::Failed, _, _) if is_claimed => Action::Free,
            (Status::Stopped, _, _) => Action::Keep,
            (Status::Failed, _, _) if kind == Kind::Plain => Action::End(Cause::Dead),
            (Status::Failed, _, _) => Action::Keep,
            (Status::Backoff, _, _) => match &facts.shim {
                Shim::Gone if kind != Kind::Policy => Action::End(Cause::Dead),
                Shim::Moved { .. } => Action::Follow,
                Shim::Waiting { until } if until.0 != NOW.0 + 500 => Action::Follow,
                Shim::Gone | Shim::Same | Shim::Waiting { .. } => Action::Keep,
            },
        }
    }

    /// Every cell but for turn and time, with the record that it is about.
    fn cells(check: impl Fn(&Record, &Facts, Kind, Option<Input>)) {
        for status in Status::ALL {
            for (kind, last) in KINDS.iter().flat_map(|kind| LAST.map(|last| (*kind, last))) {
                for verb in VERBS {
                    let record = left(status, verb, kind, last);
                    for (life, previous) in LIVES.iter().flat_map(|life| PREVIOUS.map(|previous| (life, previous))) {
                        for (shim, is_ending) in
                            shims().into_iter().flat_map(|shim| [(shim.clone(), false), (shim, true)])
                        {
                            let facts = Facts { is_ending, ..facts(life.clone(), previous, shim) };
                            check(&record, &facts, kind, last);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn every_cell_of_the_table_is_as_written() {
        cells(|record, facts, kind, last| {
            let is_unknown = facts.life == Life::Unknown || facts.previous == Previous::Unknown;
            let expected = if is_unknown { Action::Keep } else { meant(record, facts, kind, last) };
            let step = step(record, facts, NOW);
            assert_eq!(step.action, expected, "{record:#?} {facts:?}");
            assert!(!step.why.is_empty() && !step.why.ends_with('.'));
            let is_recorded = matches!(step.action, Action::Wait | Action::GiveUp | Action::Rest);
            assert_eq!(step.change.is_some(), is_recorded, "{step:?}");
        });
    }

    #[test]
    fn whose_time_is_over_is_ended_and_whose_turn_it_is_not_is_left_alone() {
        cells(|record, facts, _, _| {
            let is_unknown = facts.life == Life::Unknown || facts.previous == Previous::Unknown;
            let over = if is_unknown { Action::Keep } else { Action::End(Cause::Expired) };
            for now in [NOW.0 + 1, NOW.0 + 2] {
                assert_eq!(step(record, facts, EpochMs(now)).action, over, "{record:?} {facts:?}");
            }
            let theirs = Facts { turn: Turn::Theirs { pid: 7, verb: "stop".into() }, ..facts.clone() };
            assert_eq!(step(record, &theirs, EpochMs(NOW.0 + 1)).action, Action::Keep);
        });
    }

    #[test]
    fn every_move_that_is_decided_is_legal() {
        use super::super::transitions::next;
        cells(|record, facts, _, _| {
            let step = step(record, facts, NOW);
            let status = match &step.change {
                Some(change) => next(record.status, change.input).expect("what is recorded of the dead is legal"),
                None => record.status,
            };
            let input = match step.action {
                Action::Keep | Action::Follow | Action::Wait | Action::GiveUp | Action::Rest => return,
                Action::StartAgain(input) => input,
                Action::Adopt => Input::Adopted,
                Action::Restore => Input::Restored,
                Action::Free => Input::Freed,
                Action::End(Cause::Dead) => Input::Dropped,
                Action::End(Cause::Expired) => Input::TtlOver,
                Action::End(Cause::Asked) => Input::StopAsked,
                // It stands as `stopping` for that very reason.
                Action::End(Cause::Idle | Cause::Unhealthy) if status == Status::Stopping => return,
                Action::End(Cause::Idle) => Input::Idle,
                Action::End(Cause::Unhealthy) => Input::Unhealthy,
            };
            assert!(next(status, input).is_ok(), "{status:?} {input:?}");
        });
    }

    #[test]
    fn who_was_ended_for_its_health_waits_and_stays_without_a_policy_of_its_own() {
        let mut record = Record { ttl_expires_at: None, ..left(Status::Backoff, None, Kind::Plain, None) };
        record.spec.healthcheck.on_unhealthy = OnUnhealthy::Restart;
        let facts = facts(Life::NotStarted, Previous::Gone, Shim::Gone);
        assert_eq!(step(&record, &facts, EpochMs(NOW.0 + 499)).action, Action::Keep);
        assert_eq!(step(&record, &facts, EpochMs(NOW.0 + 500)).action, Action::StartAgain(Input::BackoffOver));
        record.status = Status::Failed;
        assert_eq!(step(&record, &facts, NOW).action, Action::Keep);
        record.spec.healthcheck.on_unhealthy = OnUnhealthy::Report;
        assert_eq!(step(&record, &facts, NOW).action, Action::End(Cause::Dead));
    }

    #[test]
    fn a_wait_that_is_over_ends_where_no_shim_ends_it() {
        let record = left(Status::Backoff, None, Kind::Policy, None);
        let record = Record { ttl_expires_at: None, ..record };
        for (shim, expected) in [
            (Shim::Gone, Action::StartAgain(Input::BackoffOver)),
            (Shim::Same, Action::Keep),
            (Shim::Waiting { until: EpochMs(NOW.0 + 500) }, Action::Keep),
        ] {
            let facts = facts(Life::NotStarted, Previous::Gone, shim);
            assert_eq!(step(&record, &facts, EpochMs(NOW.0 + 500)).action, expected);
            let early = step(&record, &facts, EpochMs(NOW.0 + 499));
            assert_eq!(early.action, Action::Keep);
            assert!(early.why.contains("after failure 1 in a row"), "{}", early.why);
        }
    }

    #[test]
    fn each_death_is_told_in_its_own_words() {
        let seen = |exit, cause| Death::Seen(ExitRecord { exit, cause, at: EpochMs(1) });
        let check = |death: Death, ends: i64, expected: &str| {
            let facts = facts(Life::Dead(death), Previous::Gone, Shim::Gone);
            let record = left(Status::Running, None, Kind::Plain, None);
            let record = Record { ttl_expires_at: Some(EpochMs(ends)), ..record };
            assert_eq!(step(&record, &facts, NOW).why, expected);
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
        let record = Record { ttl_expires_at: None, ..left(Status::Running, None, Kind::Plain, None) };
        let facts = facts(Life::Alive, Previous::Gone, Shim::Gone);
        assert_eq!(step(&record, &facts, EpochMs(i64::MAX)).action, Action::Keep);
    }
}
