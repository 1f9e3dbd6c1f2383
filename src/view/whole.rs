//! `show` for people: everything that is known of one service, how it does, and what can be done with it.

use crate::base::clock::EpochMs;
use crate::base::span;
use crate::ops::show::{Service, Tree};
use crate::service::{Exit, ExitCause, ExitRecord, Liveness, Probe, Proof, Record, Status};

use super::record::{NONE, ago, counted, health, left, ports, status, text, why_down};
use super::table::{Cell, Style, draw_pairs};
use super::{amount, escape, policy};

/// So many pids of a tree are named.
const PIDS_MAX: usize = 12;

type Lines = Vec<(&'static str, Cell)>;

/// Draws `service`; `tree` are its living processes, if they could be seen.
pub fn draw(service: &Service, tree: Option<&Tree>, now: EpochMs, style: Style) -> String {
    let groups =
        [how_it_does(service, tree, now), whose_it_is(service), what_it_runs(service), where_it_is_kept(service, now)];
    let lines: Lines = groups
        .into_iter()
        .reduce(|mut all, group| {
            all.push(("", Cell::default()));
            all.extend(group);
            all
        })
        .unwrap_or_default();
    let mut text = draw_pairs(&lines, style);
    if !service.log_tail.is_empty() {
        text.push_str("\nend of the log:\n");
        for line in &service.log_tail {
            text.extend(["  ", &escape::line(line), "\n"]);
        }
    }
    // A record's name is kebab-case: it needs no quotes.
    let name = &service.seen.record.name;
    let start = match service.seen.record.status {
        Status::Stopped => ("ensure", "", "its start"),
        Status::Queued | Status::Starting | Status::Running | Status::Backoff | Status::Stopping | Status::Failed => {
            ("restart", "", "a new start")
        }
    };
    let commands = [
        ("explain", "", "why, and what comes"),
        ("logs", " -f", "its log as it grows"),
        start,
        ("stop", "", "its end"),
    ];
    let width = "minions managed restart ".len() + name.len();
    text.push_str("\nwhat next:\n");
    text.extend(commands.map(|(verb, more, what)| {
        let command = format!("minions managed {verb} {name}{more}");
        format!("  {command:width$}  {what}\n")
    }));
    text
}

fn how_it_does(service: &Service, tree: Option<&Tree>, now: EpochMs) -> Lines {
    let (record, liveness) = (&service.seen.record, service.seen.liveness);
    let mut lines = vec![
        ("name", text(&record.name)),
        ("status", status(record, liveness)),
        ("health", proven(record, liveness)),
        ("last healthy", moment(record.last_health_at, now)),
        ("pid", pid(record)),
        ("processes", Cell::plain(tree.map_or_else(|| "not to be seen".to_owned(), processes))),
        ("memory", Cell::plain(tree.and_then(|tree| tree.memory_bytes).map_or_else(|| NONE.to_owned(), amount::short))),
        ("started", moment(record.started_at, now)),
        ("lives until", lives_until(record, now)),
    ];
    lines.extend(why_down(record, liveness, now).map(|why| ("why", text(&why))));
    lines.extend(service.exit.map(|exit| ("ended", Cell::plain(ended(exit)))));
    lines.extend(service.work.as_ref().map(|work| {
        let since = span::short(now.since(work.since));
        let words = if work.is_under_way {
            format!("`minions managed {}` (pid {}) is at it, for {since}", work.verb, work.pid)
        } else {
            format!(
                "`minions managed {}` died in the middle of it, {since} ago; the next command takes over",
                work.verb
            )
        };
        ("claim", text(&words))
    }));
    lines
}

fn whose_it_is(service: &Service) -> Lines {
    let record = &service.seen.record;
    vec![
        ("project", text(&record.owner.project)),
        ("agent", text(&record.owner.agent)),
        ("work item", text(&record.owner.work_item)),
        ("worktree", text(record.worktree.as_deref().unwrap_or_default())),
        ("declared as", text(&record.spec.name)),
        ("run", text(record.run_id.as_deref().unwrap_or_default())),
    ]
}

fn what_it_runs(service: &Service) -> Lines {
    let record = &service.seen.record;
    let mut lines = vec![
        ("command", text(&words(&record.spec.cmd, &record.spec.args))),
        ("program", text(&record.resolved_cmd)),
        ("folder", text(&record.spec.cwd)),
        ("ports", text(&ports(record))),
        ("healthcheck", text(&healthcheck(record))),
    ];
    lines.extend(policy::lines(&record.spec).into_iter().map(|(label, words)| (label, text(&words))));
    lines.extend(service.env.iter().map(|(key, value)| ("env", text(&format!("{key}={value}")))));
    let passed: Vec<&str> = record.passed_env.iter().map(|(key, _)| key.as_str()).collect();
    lines.push(("passed on", text(&passed.join(" "))));
    lines.extend(record.spec.attrs.iter().map(|(key, value)| ("attr", text(&format!("{key} = {value}")))));
    lines
}

fn where_it_is_kept(service: &Service, now: EpochMs) -> Lines {
    let record = &service.seen.record;
    let none = match record.status {
        Status::Stopped => "none: it was not started yet",
        Status::Queued | Status::Starting | Status::Running | Status::Backoff | Status::Stopping | Status::Failed => {
            "none: it was recorded by another program"
        }
    };
    let generation = record.generation.as_ref().map_or(none, |it| it.as_str());
    let mut lines = vec![("generation", text(generation))];
    lines.extend(record.previous.as_ref().map(|previous| {
        let which = previous.generation.as_ref().map_or("one without a generation", |it| it.as_str());
        let since = record.claim.as_ref().map(|claim| format!(", for {}", span::short(now.since(claim.at))));
        ("replaces", text(&format!("{which}{}", since.unwrap_or_default())))
    }));
    lines.push(("log", text(&record.log_path)));
    lines
}

fn moment(at: Option<EpochMs>, now: EpochMs) -> Cell {
    Cell::plain(at.map_or_else(|| NONE.to_owned(), |at| format!("{} ({} ago)", span::utc(at.0), ago(at, now))))
}

/// The health, and how sure it is that the service itself answered.
fn proven(record: &Record, liveness: Liveness) -> Cell {
    let Cell { text, paint } = health(record, liveness);
    let proof = match record.health_proof.filter(|_| record.healthy && liveness != Liveness::Dead) {
        Some(Proof::Tree) => ", its own processes answered",
        Some(Proof::Unverified) => ", who answered is not proven",
        None => "",
    };
    counted(record, Cell { text: text + proof, paint })
}

fn pid(record: &Record) -> Cell {
    let shim = record.process.as_ref().map(|process| format!(" (shim {})", process.shim.pid));
    let pid = record.pid.map(|pid| format!("{pid}{}", shim.unwrap_or_default()));
    Cell::plain(pid.unwrap_or_else(|| NONE.to_owned()))
}

fn processes(tree: &Tree) -> String {
    let named: Vec<String> = tree.pids.iter().take(PIDS_MAX).map(u32::to_string).collect();
    let more = if tree.pids.len() > PIDS_MAX { " …" } else { "" };
    match tree.pids.len() {
        0 => "none".to_owned(),
        count => format!("{count}: {}{more}", named.join(" ")),
    }
}

fn lives_until(record: &Record, now: EpochMs) -> Cell {
    let declared = record.spec.ttl_minutes;
    Cell::plain(match record.ttl_expires_at {
        None => NONE.to_owned(),
        Some(end) if end <= now => format!("{}, expired; it declared {declared} minutes", span::utc(end.0)),
        Some(end) => {
            format!("{} ({} left); it declared {declared} minutes", span::utc(end.0), left(record, now))
        }
    })
}

pub(super) fn ended(record: ExitRecord) -> String {
    let how = match record.exit {
        Exit::Code(code) => format!("exit code {code}"),
        Exit::Signal(signal) => format!("signal {signal}"),
        Exit::Unknown => "nobody saw how".to_owned(),
    };
    let why = match record.cause {
        ExitCause::Own => "by itself",
        ExitCause::Asked => "when it was asked to",
        ExitCause::Expired => "when its time to live was over",
    };
    format!("{}, {why}: {how}", span::utc(record.at.0))
}

/// A command as one could type it.
fn words(cmd: &str, args: &[String]) -> String {
    let words = std::iter::once(cmd).chain(args.iter().map(String::as_str));
    shlex::try_join(words).unwrap_or_else(|_| cmd.to_owned())
}

fn healthcheck(record: &Record) -> String {
    let check = &record.spec.healthcheck;
    let what = match &check.probe {
        Probe::Http { url, expect_status } => format!("GET {url} answers {expect_status}"),
        Probe::Command { cmd, args, shell, expect_regex } => {
            let line = args.as_ref().map_or_else(|| cmd.clone(), |args| words(cmd, args));
            format!("{}`{line}` prints {expect_regex}", if *shell { "sh -c " } else { "" })
        }
    };
    format!("{what}, every {} s, within {} s", check.interval_s, check.timeout_s)
}
