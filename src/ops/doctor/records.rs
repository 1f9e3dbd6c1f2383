//! The records beside what is seen of their processes: what does not fit together, and which command mends it.

use std::time::Duration;

use crate::base::clock::EpochMs;
use crate::base::error::{Error, Result};
use crate::base::span;
use crate::lifecycle::claim::Turn;
use crate::lifecycle::invariants::{self, CLAIM_LONG, Complaint, Maker, Seen};
use crate::lifecycle::orphan::Action;
use crate::ops::context::Context;
use crate::ops::{chain, facts, sweep};
use crate::process;
use crate::service::{Liveness, Record, Status};
use crate::state::Document;

use super::finding::{Area, Finding, counted, listed};

/// A probe that passed longer ago says little of now.
const HEALTH_OLD: Duration = Duration::from_secs(24 * 3600);

/// Everything that was seen of records and of services without one.
pub(super) struct Facts {
    facts: invariants::Facts,
    /// Why it cannot be told which services live that stand in no record.
    unrecorded_unknown: Option<Error>,
}

pub(super) fn observe(context: &Context, document: &Document) -> Facts {
    let (unrecorded, unrecorded_unknown) = match observe_unrecorded(context) {
        Ok(names) => (names, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    let now = EpochMs::now();
    // Its shim may have started it again since the record was written: the next command that sweeps says so, and that is no fault.
    let newest = |record: &Record| chain::observe_newer(&context.root, record, now).unwrap_or_else(|| record.clone());
    let seen = document.records.iter().map(|record| see(&newest(record))).collect();
    Facts { facts: invariants::Facts { seen, unrecorded, grace: context.stop_grace() }, unrecorded_unknown }
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
        service,
        shim: record.process.as_ref().map(|_| facts::observe_shim(record)),
        is_pid_foreign: service == Liveness::Dead && record.pid.is_some_and(is_pid_taken),
        maker: match (&record.claim, facts::observe_turn(record)) {
            (None, _) => Maker::Nobody,
            (Some(_), Turn::Ours) => Maker::Dead,
            (Some(claim), Turn::Theirs { .. }) => Maker::At(claim.at),
        },
        record: record.clone(),
    }
}

/// What is no fault of the records, and yet worth a look: how its service was at the last probe.
fn health(seen: &Seen, now: EpochMs) -> Option<&'static str> {
    let record = &seen.record;
    let is_old = |at: EpochMs| now.since(at) > HEALTH_OLD;
    if !seen.lives() {
        None
    } else if record.healthy {
        record.last_health_at.is_none_or(is_old).then_some("record-health-old")
    } else {
        (record.status == Status::Running).then_some("record-unhealthy")
    }
}

/// How one kind of complaint is told, whatever number of services it is about.
struct Fault {
    code: &'static str,
    finding: fn(usize, &str) -> Finding,
}

const FAULTS: [Fault; 10] = [
    Fault {
        code: "record-abandoned",
        finding: |count, names| {
            let what = format!(
                "{} left in the middle of a start or stop by a command that was killed: {names}",
                counted(count, "service was", "services were")
            );
            Area::Records.warning("record-abandoned", what).with_hint("minions managed reconcile")
        },
    },
    Fault {
        code: "record-dead",
        finding: |count, names| {
            let what = format!("{} dead: {names}", counted(count, "recorded service is", "recorded services are"));
            Area::Records.warning("record-dead", what).with_hint("minions managed sweep")
        },
    },
    Fault {
        code: "record-pid-foreign",
        finding: |count, names| {
            let what = format!(
                "{} dead, and another process has the pid, which is never signalled: {names}",
                counted(count, "recorded service is", "recorded services are")
            );
            Area::Records.warning("record-pid-foreign", what).with_hint("minions managed sweep")
        },
    },
    Fault {
        code: "record-unknown",
        finding: |count, names| {
            let what =
                format!("it cannot be told whether {} alive: {names}", counted(count, "service is", "services are"));
            Area::Records
                .warning("record-unknown", what)
                .with_hint("run as the user who started it, where /proc shows that user's processes")
        },
    },
    Fault {
        code: "record-stop-failed",
        finding: |count, names| {
            let what = format!("{} would not end: {names}", counted(count, "service", "services"));
            Area::Records
                .warning("record-stop-failed", what)
                .with_hint("minions managed stop NAME tries again and says why")
        },
    },
    Fault {
        code: "record-without-shim",
        finding: |count, names| {
            let what = format!(
                "{} without a shim, which nobody ends when the time to live is over: {names}",
                counted(count, "service lives", "services live")
            );
            Area::Records.warning("record-without-shim", what).with_hint("minions managed restart NAME")
        },
    },
    Fault {
        code: "record-claimed-long",
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
        code: "record-unhealthy",
        finding: |count, names| {
            let what = format!(
                "{} at the last probe: {names}",
                counted(count, "running service was not healthy", "running services were not healthy")
            );
            Area::Records.warning("record-unhealthy", what).with_hint("minions managed logs NAME")
        },
    },
    Fault {
        code: "record-health-old",
        finding: |count, names| {
            let what = format!(
                "{} probed for more than {}: {names}",
                counted(count, "running service has not been", "running services have not been"),
                span::short(HEALTH_OLD)
            );
            Area::Records.note("record-health-old", what).with_hint("minions managed healthcheck")
        },
    },
    Fault {
        code: "service-unrecorded",
        finding: |count, names| {
            let what = format!(
                "{} in no record: {names}",
                counted(count, "service lives that stands", "services live that stand")
            );
            Area::Records.warning("service-unrecorded", what).with_hint("minions managed reconcile")
        },
    },
];

/// `facts`: `None` if the state file cannot be read.
pub(super) fn judge(facts: Option<&Facts>, now: EpochMs) -> Vec<Finding> {
    let Some(Facts { facts, unrecorded_unknown }) = facts else {
        return vec![
            Area::Records.note("records-unread", "no record could be looked at, for the state file cannot be read"),
        ];
    };
    let complaints = invariants::complaints(facts, now);
    let of_health = facts.seen.iter().filter_map(|seen| Some((health(seen, now)?, seen.record.name.as_str())));
    let told: Vec<(&str, &str)> =
        complaints.iter().map(|one| (one.code, one.service.as_str())).chain(of_health).collect();
    let mut findings = Vec::new();
    for Fault { code, finding } in &FAULTS {
        let names: Vec<&str> = told.iter().filter(|one| one.0 == *code).map(|one| one.1).collect();
        if !names.is_empty() {
            findings.push(finding(names.len(), &listed(&names)));
        }
    }
    findings.extend(of_others(&complaints));
    findings.extend(unrecorded_unknown.as_ref().map(|error| {
        let what = format!("it cannot be told whether services live that stand in no record: {}", error.chain());
        Area::Records.warning("unrecorded-unknown", what).with_hint("minions managed reconcile")
    }));
    if findings.is_empty() {
        let alive = facts.seen.iter().filter(|one| one.lives()).count();
        let what = format!("every record is as its processes are: {} alive", counted(alive, "service", "services"));
        findings.push(Area::Records.ok("records-true", what));
    }
    findings
}

/// Complaints that each need a sentence of their own, and no kill or crash can bring about: the first of each kind is told.
fn of_others(complaints: &[Complaint]) -> Vec<Finding> {
    let hints = [
        ("record-contradicts", "minions managed restart NAME"),
        ("record-overdue", "minions managed sweep"),
        ("record-doubled", "minions managed stop NAME of the one that is not wanted"),
        ("generation-doubled", "minions managed stop NAME of the one that is not wanted"),
        ("ports-shared", "give one of them another port, or stop it"),
    ];
    let tell = |(code, hint): &(&'static str, &str)| {
        let of_code: Vec<&Complaint> = complaints.iter().filter(|one| one.code == *code).collect();
        let sentence = &of_code.first()?.sentence;
        let what = match of_code.len() - 1 {
            0 => sentence.clone(),
            more => format!("{sentence}, and {more} more of that kind"),
        };
        Some(Area::Records.warning(code, what).with_hint(*hint))
    };
    hints.iter().filter_map(tell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::error::Kind;
    use crate::base::ids::Generation;
    use crate::lifecycle::sample;
    use crate::service::{Identity, Previous, Process};

    const NOW: EpochMs = EpochMs(1_800_000_000_000);

    fn healthy() -> Seen {
        let identity = |pid| Identity { pid, start_ticks: 1, boot_id: "b".into(), pid_namespace: None };
        let record = Record {
            generation: Some(Generation::new(NOW)),
            alive: true,
            healthy: true,
            pid: Some(7),
            process: Some(Process { service: identity(7), shim: identity(6) }),
            started_at: Some(NOW),
            last_health_at: Some(NOW),
            ..sample::record(Status::Running)
        };
        Seen {
            record,
            service: Liveness::Alive,
            shim: Some(Liveness::Alive),
            is_pid_foreign: false,
            maker: Maker::Nobody,
        }
    }

    fn with(change: impl FnOnce(&mut Record)) -> Seen {
        let mut seen = healthy();
        change(&mut seen.record);
        seen
    }

    /// As a record is that has no process.
    fn without_process(status: Status) -> Seen {
        let seen = with(|record| {
            (record.status, record.process, record.pid, record.alive) = (status, None, None, false);
        });
        Seen { service: Liveness::Dead, shim: None, ..seen }
    }

    fn facts(seen: Vec<Seen>) -> Facts {
        Facts { facts: invariants::Facts { seen, ..Default::default() }, unrecorded_unknown: None }
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
        check(with(|record| record.healthy = false), &["record-unhealthy"]);
        check(with(|record| record.last_health_at = Some(ago(HEALTH_OLD))), &["record-health-old"]);
        check(with(|record| record.last_health_at = None), &["record-health-old"]);
    }

    #[test]
    fn what_a_command_is_at_is_judged_by_whether_that_command_lives() {
        for status in Status::ALL {
            let claimed = |maker| Seen { maker, ..with(|record| record.status = status) };
            check(claimed(Maker::Dead), &["record-abandoned"]);
            check(Seen { service: Liveness::Dead, ..claimed(Maker::At(NOW)) }, &["records-true"]);
            check(claimed(Maker::At(ago(CLAIM_LONG))), &["record-claimed-long"]);
        }
        let older = Previous { generation: None, process: None, legacy_pid: None, started_at: None };
        check(with(|record| record.previous = Some(older)), &["record-abandoned"]);
        let stopping = || with(|record| record.status = Status::Stopping);
        check(stopping(), &["record-stop-failed"]);
        check(Seen { service: Liveness::Dead, ..stopping() }, &["record-dead"]);
        for status in [Status::Backoff, Status::Stopped, Status::Failed, Status::Queued] {
            check(without_process(status), &["records-true"]);
        }
    }

    #[test]
    fn records_with_the_same_fault_are_one_finding() {
        let named = |name: &str| with(|record| (record.name, record.spec.name) = (name.into(), name.into()));
        let dead = |name: &str| Seen { service: Liveness::Dead, ..named(name) };
        let findings = judge(Some(&facts(vec![dead("a"), named("c"), dead("b")])), NOW);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].message, "2 recorded services are dead: `a`, `b`");
        assert_eq!(judge(None, NOW)[0].code, "records-unread");
    }

    #[test]
    fn services_without_a_record_are_said() {
        let check = |names: &[&str], unknown: Option<Error>, expected: &str| {
            let mut facts = facts(vec![healthy()]);
            facts.facts.unrecorded = names.iter().map(|name| (*name).to_owned()).collect();
            facts.unrecorded_unknown = unknown;
            assert_eq!(judge(Some(&facts), NOW)[0].code, expected);
        };
        check(&[], None, "records-true");
        check(&["web"], None, "service-unrecorded");
        check(&[], Some(Error::new(Kind::Unforeseen, "io", "no")), "unrecorded-unknown");
    }

    #[test]
    fn what_no_crash_brings_about_is_told_once_for_each_kind() {
        let twice = || with(|record| record.pid = Some(8));
        let findings = judge(Some(&facts(vec![twice(), twice(), twice()])), NOW);
        let told: Vec<(&str, bool)> =
            findings.iter().map(|finding| (finding.code, finding.message.contains("and 2 more"))).collect();
        assert_eq!(told, [("record-contradicts", true), ("record-doubled", false)]);
    }
}
