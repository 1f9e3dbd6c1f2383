//! The records beside what is seen of their processes: what does not fit together, and which command mends it.

use std::time::Duration;

use crate::base::clock::EpochMs;
use crate::base::error::Result;
use crate::base::span;
use crate::lifecycle::claim::Turn;
use crate::lifecycle::orphan::Action;
use crate::ops::context::Context;
use crate::ops::{facts, sweep};
use crate::process;
use crate::service::{Liveness, Record, Status};
use crate::state::Document;

use super::finding::{Area, Finding, counted, listed};

/// A start or a stop that takes longer hangs: the longest healthcheck waits an hour (contract section 3).
const CLAIM_LONG: Duration = Duration::from_secs(2 * 3600);
/// A probe that passed longer ago says little of now.
const HEALTH_OLD: Duration = Duration::from_secs(24 * 3600);

/// One record, and what was seen of it.
pub(super) struct Seen {
    name: String,
    status: Status,
    service: Liveness,
    /// `None` for a legacy record, which has no shim.
    shim: Option<Liveness>,
    /// Its pid is now another process's.
    is_pid_foreign: bool,
    claim: Maker,
    /// Whether a replaced generation is still to be ended.
    has_previous: bool,
    is_healthy: bool,
    last_health_at: Option<EpochMs>,
}

/// Who is at a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Maker {
    Nobody,
    Dead,
    At(EpochMs),
}

/// Everything that was seen of records and of services without one.
pub(super) struct Facts {
    seen: Vec<Seen>,
    /// Names under which services live that stand in no record; or why that cannot be told.
    unrecorded: Result<Vec<String>>,
}

pub(super) fn observe(context: &Context, document: &Document) -> Facts {
    Facts { seen: document.records.iter().map(see).collect(), unrecorded: observe_unrecorded(context) }
}

/// Looks as `reconcile` does, and changes nothing. A command that starts a service writes the record first, so that a service
/// which came up between reading the records and looking is in the record at the second look.
fn observe_unrecorded(context: &Context) -> Result<Vec<String>> {
    let look = || -> Result<Vec<(String, String)>> {
        let report = sweep::run(context, sweep::Request { is_dry_run: true, is_thorough: true })?;
        let live = report.orphans.into_iter().filter(|orphan| match orphan.action {
            Action::Adopt | Action::Stop => true,
            Action::Keep | Action::Forget => false,
        });
        Ok(live.map(|orphan| (orphan.name, orphan.generation)).collect())
    };
    let first = look()?;
    let second = if first.is_empty() { Vec::new() } else { look()? };
    Ok(first.into_iter().filter(|found| second.contains(found)).map(|(name, _)| name).collect())
}

fn see(record: &Record) -> Seen {
    let service = facts::observe_service(record);
    // Proven dead, and yet there is a process of that pid: it is somebody else.
    let is_pid_taken = |pid: u32| process::observe_identity(pid).is_ok_and(|found| found.is_some());
    Seen {
        name: record.name.clone(),
        status: record.status,
        service,
        shim: record.process.as_ref().map(|_| facts::observe_shim(record)),
        is_pid_foreign: service == Liveness::Dead && record.pid.is_some_and(is_pid_taken),
        claim: match (&record.claim, facts::observe_turn(record)) {
            (None, _) => Maker::Nobody,
            (Some(_), Turn::Ours) => Maker::Dead,
            (Some(claim), Turn::Theirs { .. }) => Maker::At(claim.at),
        },
        has_previous: record.previous.is_some(),
        is_healthy: record.healthy,
        last_health_at: record.last_health_at,
    }
}

impl Seen {
    /// Left in the middle of a start or a stop.
    fn is_abandoned(&self) -> bool {
        self.claim == Maker::Dead || (self.claim == Maker::Nobody && self.has_previous)
    }

    /// Whether its process should be there.
    fn should_live(&self) -> bool {
        match self.status {
            Status::Running | Status::Stopping => self.claim == Maker::Nobody,
            Status::Queued | Status::Starting | Status::Backoff | Status::Stopped | Status::Failed => false,
        }
    }

    fn lives(&self) -> bool {
        self.should_live() && self.service == Liveness::Alive
    }
}

/// What may be wrong with a record.
struct Fault {
    applies: fn(&Seen, EpochMs) -> bool,
    finding: fn(usize, &str) -> Finding,
}

const FAULTS: [Fault; 9] = [
    Fault {
        applies: |seen, _| seen.is_abandoned(),
        finding: |count, names| {
            let what = format!(
                "{} left in the middle of a start or stop by a command that was killed: {names}",
                counted(count, "service was", "services were")
            );
            Area::Records.warning("record-abandoned", what).with_hint("minions managed reconcile")
        },
    },
    Fault {
        applies: |seen, _| seen.should_live() && seen.service == Liveness::Dead && !seen.is_pid_foreign,
        finding: |count, names| {
            let what = format!("{} dead: {names}", counted(count, "recorded service is", "recorded services are"));
            Area::Records.warning("record-dead", what).with_hint("minions managed sweep")
        },
    },
    Fault {
        applies: |seen, _| seen.should_live() && seen.is_pid_foreign,
        finding: |count, names| {
            let what = format!(
                "{} dead, and another process has the pid, which is never signalled: {names}",
                counted(count, "recorded service is", "recorded services are")
            );
            Area::Records.warning("record-pid-foreign", what).with_hint("minions managed sweep")
        },
    },
    Fault {
        applies: |seen, _| seen.service == Liveness::Unknown,
        finding: |count, names| {
            let what =
                format!("it cannot be told whether {} alive: {names}", counted(count, "service is", "services are"));
            Area::Records
                .warning("record-unknown", what)
                .with_hint("run as the user who started it, where /proc shows that user's processes")
        },
    },
    Fault {
        applies: |seen, _| seen.status == Status::Stopping && seen.claim == Maker::Nobody && seen.lives(),
        finding: |count, names| {
            let what = format!("{} would not end: {names}", counted(count, "service", "services"));
            Area::Records
                .warning("record-stop-failed", what)
                .with_hint("minions managed stop NAME tries again and says why")
        },
    },
    Fault {
        applies: |seen, _| seen.lives() && seen.shim == Some(Liveness::Dead),
        finding: |count, names| {
            let what = format!(
                "{} without a shim, which nobody ends when the time to live is over: {names}",
                counted(count, "service lives", "services live")
            );
            Area::Records.warning("record-without-shim", what).with_hint("minions managed restart NAME")
        },
    },
    Fault {
        applies: |seen, now| matches!(seen.claim, Maker::At(at) if now.since(at) > CLAIM_LONG),
        finding: |count, names| {
            let what = format!(
                "a command has been at {} for more than {}: {names}",
                counted(count, "service", "services"),
                span::short(CLAIM_LONG)
            );
            Area::Records
                .warning("record-claimed-long", what)
                .with_hint("minions managed show NAME says which command; if it hangs, end it, then reconcile")
        },
    },
    Fault {
        applies: |seen, _| seen.lives() && seen.status == Status::Running && !seen.is_healthy,
        finding: |count, names| {
            let what = format!(
                "{} at the last probe: {names}",
                counted(count, "running service was not healthy", "running services were not healthy")
            );
            Area::Records.warning("record-unhealthy", what).with_hint("minions managed logs NAME")
        },
    },
    Fault {
        applies: |seen, now| {
            let is_old = |at: EpochMs| now.since(at) > HEALTH_OLD;
            seen.lives() && seen.is_healthy && seen.last_health_at.is_none_or(is_old)
        },
        finding: |count, names| {
            let what = format!(
                "{} probed for more than {}: {names}",
                counted(count, "running service has not been", "running services have not been"),
                span::short(HEALTH_OLD)
            );
            Area::Records.note("record-health-old", what).with_hint("minions managed healthcheck")
        },
    },
];

/// `facts`: `None` if the state file cannot be read.
pub(super) fn judge(facts: Option<&Facts>, now: EpochMs) -> Vec<Finding> {
    let Some(Facts { seen, unrecorded }) = facts else {
        return vec![
            Area::Records.note("records-unread", "no record could be looked at, for the state file cannot be read"),
        ];
    };
    let mut findings = Vec::new();
    for Fault { applies, finding } in &FAULTS {
        let names: Vec<&str> = seen.iter().filter(|one| applies(one, now)).map(|one| one.name.as_str()).collect();
        if !names.is_empty() {
            findings.push(finding(names.len(), &listed(&names)));
        }
    }
    findings.extend(of_unrecorded(unrecorded));
    if findings.is_empty() {
        let alive = seen.iter().filter(|one| one.lives()).count();
        let what = format!("every record is as its processes are: {} alive", counted(alive, "service", "services"));
        findings.push(Area::Records.ok("records-true", what));
    }
    findings
}

fn of_unrecorded(unrecorded: &Result<Vec<String>>) -> Option<Finding> {
    let finding = match unrecorded {
        Ok(names) if names.is_empty() => return None,
        Ok(names) => {
            let what = format!(
                "{} in no record: {}",
                counted(names.len(), "service lives that stands", "services live that stand"),
                listed(names)
            );
            Area::Records.warning("service-unrecorded", what)
        }
        Err(error) => {
            let what = format!("it cannot be told whether services live that stand in no record: {}", error.chain());
            Area::Records.warning("unrecorded-unknown", what)
        }
    };
    Some(finding.with_hint("minions managed reconcile"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::error::{Error, Kind};

    const NOW: EpochMs = EpochMs(1_800_000_000_000);

    fn healthy() -> Seen {
        Seen {
            name: "web".into(),
            status: Status::Running,
            service: Liveness::Alive,
            shim: Some(Liveness::Alive),
            is_pid_foreign: false,
            claim: Maker::Nobody,
            has_previous: false,
            is_healthy: true,
            last_health_at: Some(NOW),
        }
    }

    fn facts(seen: Vec<Seen>) -> Facts {
        Facts { seen, unrecorded: Ok(Vec::new()) }
    }

    fn check(seen: Seen, expected: &[&str]) {
        let codes: Vec<&str> = judge(Some(&facts(vec![seen])), NOW).iter().map(|finding| finding.code).collect();
        assert_eq!(codes, expected);
    }

    fn ago(span: Duration) -> EpochMs {
        EpochMs(NOW.0 - i64::try_from(span.as_millis()).expect("short") - 1)
    }

    #[test]
    fn a_record_is_judged_by_what_is_seen_of_it() {
        check(healthy(), &["records-true"]);
        check(Seen { service: Liveness::Dead, shim: Some(Liveness::Dead), ..healthy() }, &["record-dead"]);
        check(Seen { service: Liveness::Dead, is_pid_foreign: true, ..healthy() }, &["record-pid-foreign"]);
        check(Seen { service: Liveness::Unknown, ..healthy() }, &["record-unknown"]);
        check(Seen { shim: Some(Liveness::Dead), ..healthy() }, &["record-without-shim"]);
        check(Seen { shim: Some(Liveness::Unknown), ..healthy() }, &["records-true"]);
        check(Seen { shim: None, ..healthy() }, &["records-true"]);
        check(Seen { is_healthy: false, ..healthy() }, &["record-unhealthy"]);
        check(Seen { last_health_at: Some(ago(HEALTH_OLD)), ..healthy() }, &["record-health-old"]);
        check(Seen { last_health_at: None, ..healthy() }, &["record-health-old"]);
    }

    #[test]
    fn what_a_command_is_at_is_judged_by_whether_that_command_lives() {
        for status in Status::ALL {
            check(Seen { status, claim: Maker::Dead, ..healthy() }, &["record-abandoned"]);
            check(Seen { status, claim: Maker::At(NOW), service: Liveness::Dead, ..healthy() }, &["records-true"]);
            check(Seen { status, claim: Maker::At(ago(CLAIM_LONG)), ..healthy() }, &["record-claimed-long"]);
        }
        check(Seen { has_previous: true, ..healthy() }, &["record-abandoned"]);
        check(Seen { status: Status::Stopping, ..healthy() }, &["record-stop-failed"]);
        check(Seen { status: Status::Stopping, service: Liveness::Dead, ..healthy() }, &["record-dead"]);
        for status in [Status::Backoff, Status::Stopped, Status::Failed, Status::Queued] {
            check(Seen { status, service: Liveness::Dead, ..healthy() }, &["records-true"]);
        }
    }

    #[test]
    fn records_with_the_same_fault_are_one_finding() {
        let dead = |name: &str| Seen { name: name.into(), service: Liveness::Dead, ..healthy() };
        let findings = judge(Some(&facts(vec![dead("a"), healthy(), dead("b")])), NOW);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].message, "2 recorded services are dead: `a`, `b`");
        assert_eq!(judge(None, NOW)[0].code, "records-unread");
    }

    #[test]
    fn services_without_a_record_are_said() {
        let check = |unrecorded: Result<Vec<String>>, expected: &str| {
            assert_eq!(judge(Some(&Facts { unrecorded, ..facts(vec![healthy()]) }), NOW)[0].code, expected);
        };
        check(Ok(Vec::new()), "records-true");
        check(Ok(vec!["web".into()]), "service-unrecorded");
        check(Err(Error::new(Kind::Unforeseen, "io", "no")), "unrecorded-unknown");
    }
}
