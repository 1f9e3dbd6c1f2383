//! Why a service is or is not running, and what comes next: for `explain`, `show` and `list`.

use std::time::Duration;

use crate::base::clock::EpochMs;
use crate::base::span;
use crate::service::{ExitRecord, Record, RestartMode, Status};

use super::facts::{Death, Life, words};
use super::transitions::{Input, last_input};
use super::{due, restart};

/// Something that comes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coming {
    /// What, for people.
    pub what: &'static str,
    /// When.
    pub at: EpochMs,
    /// Only if nobody uses the service until then.
    pub is_if_unused: bool,
}

/// A restart policy with the figures of now filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    /// How long it would wait if it failed now; jitter makes that shorter.
    pub next_wait: Duration,
    /// How many automatic starts are left in the window of now.
    pub starts_left: u32,
}

/// Why `record` does not run, in one sentence; `None`: it is recorded as running.
pub fn brief(record: &Record, now: EpochMs) -> Option<String> {
    let is_over = record.ttl_expires_at.is_some_and(|at| at <= now);
    let state = match record.status {
        Status::Running => return None,
        Status::Queued | Status::Backoff | Status::Stopped | Status::Failed if is_over => {
            return Some("its time to live is over, and the next sweep removes its record".to_owned());
        }
        Status::Queued => "it waits to be started".to_owned(),
        Status::Starting => "it is being started".to_owned(),
        Status::Backoff => match record.progress.next_at {
            Some(at) if at > now => format!("it is started again in {}", span::short(at.since(now))),
            Some(_) | None => "it is due to be started again".to_owned(),
        },
        Status::Stopping => "it is being ended".to_owned(),
        Status::Stopped => "it is started once somebody needs it".to_owned(),
        Status::Failed if last_input(record) == Some(Input::GaveUp) => match record.last_exit {
            // The reason is what its policy says; the end is what it was asked about.
            Some(exit) if !is_told(record, &exit) => {
                let exit = words(&Death::Seen(exit));
                return Some(format!("it was given up: {exit}; {}{}", last_why(record), ago(record, now)));
            }
            Some(_) | None => "it was given up".to_owned(),
        },
        Status::Failed => "it has failed".to_owned(),
    };
    let because = because(record, &state, now);
    Some(state + &because)
}

fn last_why(record: &Record) -> &str {
    record.progress.last_transition.as_ref().map_or("", |last| last.why.as_str())
}

/// Whether the last change of status tells of that end already.
fn is_told(record: &Record, exit: &ExitRecord) -> bool {
    last_why(record).contains(&words(&Death::Seen(*exit)))
}

fn ago(record: &Record, now: EpochMs) -> String {
    let last = record.progress.last_transition.as_ref();
    last.map_or_else(String::new, |last| format!(", {} ago", span::short(now.since(last.at))))
}

/// The same of any record, by what was seen of it.
pub fn why(record: &Record, life: &Life, now: EpochMs) -> String {
    let said = match (brief(record, now), life) {
        (Some(brief), _) => return brief,
        (None, Life::Alive) if record.ttl_expires_at.is_some_and(|at| at <= now) => {
            return "it runs, though its time to live is over: nobody has ended it yet".to_owned();
        }
        (None, Life::Alive) => "it runs".to_owned(),
        (None, Life::Dead(death)) => return format!("it is dead, and nobody has acted on that yet: {}", words(death)),
        (None, Life::NotStarted) => "it is recorded as running and has no process".to_owned(),
        (None, Life::Unknown) => "it is recorded as running, and cannot be seen".to_owned(),
    };
    let because = because(record, &said, now);
    said + &because
}

/// What has made it so, where that is not what was said already, and how long ago.
fn because(record: &Record, said: &str, now: EpochMs) -> String {
    let Some(last) = &record.progress.last_transition else { return String::new() };
    let ago = span::short(now.since(last.at));
    if last.why == said { format!(", since {ago}") } else { format!(": {}, {ago} ago", last.why) }
}

/// What comes by itself, the next first; what would come after the end of its time to live does not. `backoff`: every how long health
/// and use are written down.
pub fn coming(record: &Record, backoff: Duration) -> Vec<Coming> {
    let again = record.progress.next_at.filter(|_| record.status == Status::Backoff);
    let again = again.map(|at| Coming { what: "start again", at, is_if_unused: false });
    let idle = due::last_use(record).and_then(|last| due::next_due(record, last, backoff));
    let idle = idle.map(|(due, at)| Coming { what: due.words(), at, is_if_unused: true });
    let end = record.ttl_expires_at.map(|at| Coming { what: "end of its time to live", at, is_if_unused: false });
    let mut coming: Vec<Coming> = [again, idle].into_iter().flatten().collect();
    coming.retain(|one| record.ttl_expires_at.is_none_or(|end| one.at < end));
    coming.extend(end);
    coming.sort_by_key(|one| one.at);
    coming
}

/// The figures of `record`'s restart policy at `now`; `None`: nothing starts it again.
pub fn figures(record: &Record, now: EpochMs) -> Option<Figures> {
    let policy = record.spec.lifecycle.restart.as_ref().filter(|policy| policy.mode != RestartMode::Never)?;
    let up = record.started_at.filter(|_| record.status == Status::Running);
    let is_reset = up.is_some_and(|start| now.since(start) >= policy.reset_after());
    let failures_before = if is_reset { 0 } else { record.progress.failures_in_row };
    let next_wait = restart::wait(policy, failures_before);
    Some(Figures { next_wait, starts_left: restart::starts_left(policy, &record.progress, now) })
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::super::transitions::apply;
    use super::*;
    use crate::service::{Exit, ExitCause, RestartPolicy};

    const NOW: EpochMs = EpochMs(1_800_000_000_000);

    #[test]
    fn every_status_but_running_says_why() {
        let expected = [
            (Status::Queued, Some("it waits to be started")),
            (Status::Starting, Some("it is being started")),
            (Status::Running, None),
            (Status::Backoff, Some("it is due to be started again")),
            (Status::Stopping, Some("it is being ended")),
            (Status::Stopped, Some("it is started once somebody needs it")),
            (Status::Failed, Some("it has failed")),
        ];
        for (status, expected) in expected {
            assert_eq!(brief(&sample::record(status), NOW).as_deref(), expected);
        }
    }

    #[test]
    fn the_last_change_of_status_is_the_reason() {
        let mut record = sample::record(Status::Running);
        assert_eq!(why(&record, &Life::Alive, NOW), "it runs");
        assert_eq!(
            why(&record, &Life::Dead(Death::Rebooted), NOW),
            "it is dead, and nobody has acted on that yet: the machine was booted anew since it was started"
        );
        record.progress.next_at = Some(EpochMs(NOW.0 + 5_000));
        apply(&mut record, Input::DeadAtSweep, NOW, "signal 9 ended it").expect("legal");
        let later = EpochMs(NOW.0 + 2_000);
        assert_eq!(brief(&record, later).as_deref(), Some("it is started again in 3s: signal 9 ended it, 2s ago"));
        assert_eq!(why(&record, &Life::NotStarted, later), "it is started again in 3s: signal 9 ended it, 2s ago");
    }

    #[test]
    fn what_is_over_waits_for_nothing_and_nothing_is_said_twice() {
        let mut stopped = sample::record(Status::Queued);
        apply(&mut stopped, Input::Declared, NOW, "it is started once somebody needs it").expect("legal");
        let later = EpochMs(NOW.0 + 2_000);
        assert_eq!(brief(&stopped, later).as_deref(), Some("it is started once somebody needs it, since 2s"));
        for (status, is_over) in Status::ALL.into_iter().map(|status| {
            let waits = matches!(status, Status::Queued | Status::Backoff | Status::Stopped | Status::Failed);
            (status, waits)
        }) {
            let record = Record { ttl_expires_at: Some(NOW), ..sample::record(status) };
            let said = brief(&record, NOW).unwrap_or_default();
            assert_eq!(said == "its time to live is over, and the next sweep removes its record", is_over, "{said}");
        }
    }

    #[test]
    fn who_is_given_up_or_overdue_is_told_so() {
        let later = EpochMs(NOW.0 + 2_000);
        let mut record = sample::record(Status::Running);
        record.last_exit = Some(ExitRecord { exit: Exit::Code(3), cause: ExitCause::Own, at: NOW });
        apply(&mut record, Input::GaveUp, NOW, "it has no start left").expect("legal");
        let expected = "it was given up: it exited with code 3; it has no start left, 2s ago";
        assert_eq!(brief(&record, later).as_deref(), Some(expected));
        let mut record = sample::record(Status::Running);
        record.last_exit = Some(ExitRecord { exit: Exit::Code(3), cause: ExitCause::Own, at: NOW });
        apply(&mut record, Input::GaveUp, NOW, "it exited with code 3; it has no start left").expect("legal");
        assert_eq!(brief(&record, later).as_deref(), Some(expected), "as a sweep words it");

        let record = Record { ttl_expires_at: Some(NOW), ..sample::record(Status::Running) };
        assert_eq!(
            why(&record, &Life::Alive, NOW),
            "it runs, though its time to live is over: nobody has ended it yet"
        );
    }

    #[test]
    fn what_comes_is_told_the_next_first() {
        let backoff = Duration::from_secs(30);
        let mut record = sample::record(Status::Backoff);
        record.ttl_expires_at = Some(EpochMs(NOW.0 + 9));
        record.progress.next_at = Some(EpochMs(NOW.0 + 5));
        let whats = |record: &Record| coming(record, backoff).iter().map(|one| one.what).collect::<Vec<_>>();
        assert_eq!(whats(&record), ["start again", "end of its time to live"]);
        record.ttl_expires_at = Some(NOW);
        assert_eq!(whats(&record), ["end of its time to live"], "it does not come to the start");
        let mut idle = sample::record(Status::Running);
        (idle.started_at, idle.spec.lifecycle.idle_stop_s) = (Some(NOW), Some(60.0));
        assert_eq!(whats(&idle), ["idle stop"]);
    }

    #[test]
    fn the_figures_are_those_of_the_next_failure() {
        let mut record = sample::record(Status::Running);
        assert_eq!(figures(&record, NOW), None);
        record.spec.lifecycle.restart = Some(RestartPolicy::default());
        assert_eq!(figures(&record, NOW), None, "never");
        record.spec.lifecycle.restart = Some(RestartPolicy { mode: RestartMode::Always, ..RestartPolicy::default() });
        (record.progress.failures_in_row, record.progress.recent_starts) = (2, vec![NOW, NOW]);
        record.started_at = Some(EpochMs(NOW.0 - 599_999));
        let of = |seconds, starts_left| Some(Figures { next_wait: Duration::from_secs(seconds), starts_left });
        assert_eq!(figures(&record, NOW), of(4, 8));
        assert_eq!(figures(&record, EpochMs(NOW.0 + 1)), of(1, 8), "it was up for long enough");
        record.status = Status::Failed;
        assert_eq!(figures(&record, EpochMs(NOW.0 + 1)), of(4, 8));
    }
}
