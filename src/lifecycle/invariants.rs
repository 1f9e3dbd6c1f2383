//! What must hold of the records beside what is seen of their processes, whatever was killed before (contract section 11).
//! `doctor` says what does not, and tests ask it after everything that they do.
//!
//! Nothing here is about a moment in which a command is at work: what a living command has claimed is its own.

use std::collections::HashMap;
use std::time::Duration;

use crate::base::clock::EpochMs;
use crate::base::ids::Generation;
use crate::base::span;
use crate::service::{Liveness, Record, Status};

/// A start or a stop that takes longer hangs: the longest healthcheck waits an hour (contract section 3).
pub const CLAIM_LONG: Duration = Duration::from_secs(2 * 3600);
/// A service may outlive its time to live by this and the grace of its stop, while its shim lives (contract section 11).
const OVERDUE_MIN: Duration = Duration::from_secs(1);

/// One record, and what was seen of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// As the state has it.
    pub record: Record,
    /// Its service.
    pub service: Liveness,
    /// Its shim; `None` for a legacy record, which has none.
    pub shim: Option<Liveness>,
    /// Its pid is now another process's.
    pub is_pid_foreign: bool,
    /// Who is at it.
    pub maker: Maker,
}

/// Who is at a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Maker {
    /// It has no claim.
    Nobody,
    /// A command that is proven gone.
    Dead,
    /// A command that may live, since then.
    At(EpochMs),
}

/// Everything that was seen at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// One per record.
    pub seen: Vec<Seen>,
    /// Names under which services live that stand in no record.
    pub unrecorded: Vec<String>,
    /// Time between SIGTERM and SIGKILL.
    pub grace: Duration,
}

/// One thing that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// Which; stable.
    pub code: &'static str,
    /// The record's name.
    pub service: String,
    /// In one sentence, without a period.
    pub sentence: String,
}

impl Seen {
    /// Whether its process should be there.
    pub fn should_live(&self) -> bool {
        match self.record.status {
            Status::Running | Status::Stopping => self.maker == Maker::Nobody,
            Status::Queued | Status::Starting | Status::Backoff | Status::Stopped | Status::Failed => false,
        }
    }

    /// Whether it should be there and is.
    pub fn lives(&self) -> bool {
        self.should_live() && self.service == Liveness::Alive
    }

    /// Left in the middle of a start or a stop. A stop that failed has no claim and may still have something to end.
    fn is_abandoned(&self) -> bool {
        let is_halfway = match self.record.status {
            Status::Stopping => false,
            Status::Starting => true,
            Status::Queued | Status::Running | Status::Backoff | Status::Stopped | Status::Failed => {
                self.record.previous.is_some()
            }
        };
        self.maker == Maker::Dead || self.maker == Maker::Nobody && is_halfway
    }

    /// What a settled record says of its process, if that contradicts itself.
    fn contradiction(&self) -> Option<&'static str> {
        let Record { generation, status, process, pid, alive, started_at, .. } = &self.record;
        // What is dead and should live is said to be dead, and no more.
        let is_said = self.should_live() && self.service == Liveness::Dead;
        if self.maker != Maker::Nobody || generation.is_none() || is_said {
            return None;
        }
        let is_pid_its_own = process.as_ref().map(|process| process.service.pid) == *pid;
        match status {
            Status::Running if process.is_none() || started_at.is_none() => {
                Some("runs, and it does not say as which process")
            }
            Status::Running if !alive => Some("runs and is not alive at once"),
            Status::Queued | Status::Backoff | Status::Stopped | Status::Failed if process.is_some() || *alive => {
                Some("has a process, and should have none")
            }
            Status::Queued
            | Status::Starting
            | Status::Running
            | Status::Backoff
            | Status::Stopping
            | Status::Stopped
            | Status::Failed
                if !is_pid_its_own =>
            {
                Some("has a pid that is not its process's")
            }
            Status::Queued
            | Status::Starting
            | Status::Running
            | Status::Backoff
            | Status::Stopping
            | Status::Stopped
            | Status::Failed => None,
        }
    }

    /// How long it has outlived its time, beyond what is allowed.
    fn overdue(&self, grace: Duration, now: EpochMs) -> Option<Duration> {
        let late = now.since(self.record.ttl_expires_at?);
        let is_kept = self.lives() && self.shim == Some(Liveness::Alive);
        (is_kept && late > grace.saturating_add(OVERDUE_MIN)).then_some(late)
    }
}

/// Everything that does not hold: of each record by itself in their order, then of them together.
pub fn complaints(facts: &Facts, now: EpochMs) -> Vec<Complaint> {
    let mut complaints: Vec<Complaint> = facts.seen.iter().flat_map(|seen| of_one(seen, facts.grace, now)).collect();
    complaints.extend(of_names(&facts.seen));
    complaints.extend(of_generations(&facts.seen));
    complaints.extend(of_ports(&facts.seen));
    complaints.extend(facts.unrecorded.iter().map(|name| {
        complaint("service-unrecorded", name, format!("a service of the name `{name}` lives and stands in no record"))
    }));
    complaints
}

fn complaint(code: &'static str, service: &str, sentence: String) -> Complaint {
    Complaint { code, service: service.to_owned(), sentence }
}

fn of_one(seen: &Seen, grace: Duration, now: EpochMs) -> Vec<Complaint> {
    let name = &seen.record.name;
    let is_dead = seen.should_live() && seen.service == Liveness::Dead;
    let claimed_long = match seen.maker {
        Maker::At(at) if now.since(at) > CLAIM_LONG => Some(now.since(at)),
        Maker::At(_) | Maker::Dead | Maker::Nobody => None,
    };
    let told = |code, sentence: Option<String>| sentence.map(|sentence| complaint(code, name, sentence));
    let said = |holds: bool, words: &str| holds.then(|| format!("service `{name}` {words}"));
    [
        told("record-abandoned", said(seen.is_abandoned(), "was left in the middle of a start or a stop")),
        told("record-dead", said(is_dead && !seen.is_pid_foreign, "is recorded and dead")),
        told("record-pid-foreign", said(is_dead && seen.is_pid_foreign, "is dead, and another process has its pid")),
        told("record-unknown", said(seen.service == Liveness::Unknown, "may be alive or not: it cannot be told")),
        told("record-stop-failed", said(seen.record.status == Status::Stopping && seen.lives(), "would not end")),
        told("record-without-shim", said(seen.lives() && seen.shim == Some(Liveness::Dead), "lives without a shim")),
        told(
            "record-claimed-long",
            claimed_long.map(|long| format!("a command has been at service `{name}` for {}", span::short(long))),
        ),
        told("record-contradicts", seen.contradiction().map(|words| format!("the record of service `{name}` {words}"))),
        told(
            "record-overdue",
            seen.overdue(grace, now)
                .map(|late| format!("service `{name}` lives, and its time was over {} ago", span::short(late))),
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// No two records are of one name, or of one declared name in one scope.
fn of_names(seen: &[Seen]) -> Vec<Complaint> {
    let mut names: HashMap<&str, usize> = HashMap::new();
    let mut declared: HashMap<(&str, &str, Option<&str>), &str> = HashMap::new();
    let mut complaints = Vec::new();
    for Seen { record, .. } in seen {
        let name = record.name.as_str();
        let times = names.entry(name).or_insert(0);
        *times += 1;
        if *times == 2 {
            complaints.push(complaint("record-doubled", name, format!("two records have the name `{name}`")));
        }
        let scoped = (record.spec.name.as_str(), record.owner.project.as_str(), record.worktree.as_deref());
        match declared.insert(scoped, name) {
            Some(other) if other != name => {
                let sentence =
                    format!("`{other}` and `{name}` are the same service: `{}`, declared in one place", scoped.0);
                complaints.push(complaint("record-doubled", name, sentence));
            }
            Some(_) | None => {}
        }
    }
    complaints
}

/// No generation is in two records, nor the one that another replaces.
fn of_generations(seen: &[Seen]) -> Vec<Complaint> {
    let mut owners: HashMap<&Generation, &str> = HashMap::new();
    let mut complaints = Vec::new();
    for Seen { record, .. } in seen {
        let previous = record.previous.as_ref().and_then(|previous| previous.generation.as_ref());
        for generation in record.generation.iter().chain(previous) {
            if let Some(other) = owners.insert(generation, &record.name) {
                let sentence = format!("generation {generation} is in the records of `{other}` and `{}`", record.name);
                complaints.push(complaint("generation-doubled", &record.name, sentence));
            }
        }
    }
    complaints
}

/// No two services that live have declared one port.
fn of_ports(seen: &[Seen]) -> Vec<Complaint> {
    let mut holders: HashMap<u16, &str> = HashMap::new();
    let mut complaints = Vec::new();
    for Seen { record, .. } in seen.iter().filter(|seen| seen.lives()) {
        for port in &record.spec.ports {
            match holders.insert(*port, &record.name) {
                Some(other) if other != record.name => {
                    let sentence =
                        format!("services `{other}` and `{}` both live and declare port {port}", record.name);
                    complaints.push(complaint("ports-shared", &record.name, sentence));
                }
                Some(_) | None => {}
            }
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use crate::service::{Identity, Previous, Process};

    const NOW: EpochMs = EpochMs(1_800_000_000_000);

    /// A service that runs and of which everything is true.
    fn running(name: &str) -> Seen {
        let identity = |pid| Identity { pid, start_ticks: 1, boot_id: "b".into(), pid_namespace: None };
        let record = sample::record(Status::Running);
        let record = Record {
            name: name.into(),
            spec: crate::service::Spec { name: name.into(), ..record.spec },
            generation: Some(Generation::new(NOW)),
            alive: true,
            pid: Some(7),
            process: Some(Process { service: identity(7), shim: identity(6) }),
            started_at: Some(NOW),
            ..record
        };
        Seen {
            record,
            service: Liveness::Alive,
            shim: Some(Liveness::Alive),
            is_pid_foreign: false,
            maker: Maker::Nobody,
        }
    }

    fn changed(change: impl FnOnce(&mut Seen)) -> Seen {
        let mut seen = running("web");
        change(&mut seen);
        seen
    }

    fn check(seen: Vec<Seen>, expected: &[&str]) {
        let facts = Facts { seen, grace: Duration::from_secs(5), ..Facts::default() };
        let found = complaints(&facts, NOW);
        let codes: Vec<&str> = found.iter().map(|complaint| complaint.code).collect();
        assert_eq!(codes, expected, "{found:#?}");
        for Complaint { service, sentence, .. } in &found {
            assert!(sentence.contains(&format!("`{service}`")) && !sentence.ends_with('.'), "{sentence}");
        }
    }

    fn ago(millis: i64) -> EpochMs {
        EpochMs(NOW.0 - millis)
    }

    #[test]
    fn of_a_service_that_runs_as_recorded_there_is_no_complaint() {
        check(vec![running("web"), running("api")], &[]);
        check(vec![changed(|seen| seen.shim = Some(Liveness::Unknown))], &[]);
    }

    #[test]
    fn what_a_living_command_is_at_is_its_own() {
        for status in Status::ALL {
            let seen = |maker| changed(|seen| (seen.record.status, seen.maker) = (status, maker));
            check(vec![Seen { service: Liveness::Dead, ..seen(Maker::At(NOW)) }], &[]);
            let long = i64::try_from(CLAIM_LONG.as_millis()).expect("short") + 1;
            check(vec![seen(Maker::At(ago(long)))], &["record-claimed-long"]);
            check(vec![seen(Maker::Dead)], &["record-abandoned"]);
        }
    }

    #[test]
    fn what_is_left_halfway_is_abandoned_but_for_a_stop_that_failed() {
        let previous = Previous::of(&running("web").record);
        check(vec![changed(|seen| seen.record.previous = Some(previous.clone()))], &["record-abandoned"]);
        check(vec![changed(|seen| seen.record.status = Status::Starting)], &["record-abandoned"]);
        let failed = changed(|seen| {
            (seen.record.status, seen.record.previous) = (Status::Stopping, Some(previous));
        });
        check(vec![failed], &["record-stop-failed"]);
    }

    #[test]
    fn a_record_that_contradicts_itself_is_found() {
        let contradicts = &["record-contradicts"];
        check(vec![changed(|seen| seen.record.process = None)], contradicts);
        check(vec![changed(|seen| seen.record.started_at = None)], contradicts);
        check(vec![changed(|seen| seen.record.alive = false)], contradicts);
        check(vec![changed(|seen| seen.record.pid = Some(8))], contradicts);
        for status in [Status::Queued, Status::Backoff, Status::Stopped, Status::Failed] {
            check(vec![changed(|seen| seen.record.status = status)], contradicts);
        }
        let rebuilt = changed(|seen| (seen.record.process, seen.service) = (None, Liveness::Dead));
        check(vec![rebuilt], &["record-dead"]);
        let legacy = changed(|seen| {
            (seen.record.generation, seen.record.process, seen.shim) = (None, None, None);
        });
        check(vec![legacy], &[]);
    }

    #[test]
    fn a_service_is_overdue_a_second_after_its_grace_while_its_shim_lives() {
        let ended = |millis| changed(|seen| seen.record.ttl_expires_at = Some(ago(millis)));
        check(vec![ended(6000)], &[]);
        check(vec![ended(6001)], &["record-overdue"]);
        check(vec![Seen { shim: Some(Liveness::Dead), ..ended(6001) }], &["record-without-shim"]);
    }

    #[test]
    fn nothing_is_there_twice() {
        let web = running("web");
        let other = running("web");
        check(vec![web.clone(), other], &["record-doubled"]);
        let mut same = running("web-2");
        same.record.spec.name = "web".into();
        check(vec![web.clone(), same], &["record-doubled"]);
        let mut heir = running("api");
        heir.record.generation = web.record.generation.clone();
        check(vec![web.clone(), heir], &["generation-doubled"]);
        let ported = |name: &str| {
            let mut seen = running(name);
            seen.record.spec.ports = vec![3000];
            seen
        };
        check(vec![ported("web"), ported("api")], &["ports-shared"]);
        check(vec![ported("web"), Seen { service: Liveness::Dead, ..ported("api") }], &["record-dead"]);
    }

    #[test]
    fn what_stands_in_no_record_is_told() {
        let facts = Facts { unrecorded: vec!["web".into()], ..Facts::default() };
        assert_eq!(complaints(&facts, NOW)[0].code, "service-unrecorded");
    }
}
