//! What a timer should have done by now: sweeps, acceptances, rotations; and what waits for a person to read it.

use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use crate::base::clock::EpochMs;
use crate::base::root::Root;
use crate::base::span;
use crate::config::Settings;
use crate::state::Document;

use super::finding::{Area, Finding, counted, listed, sized};

/// A sweep a minute is what docs/scheduling.md sets up; ten of them missing is no accident.
const OVERDUE: Duration = Duration::from_secs(10 * 60);
/// Whoever accepts sidecars does so within minutes.
const WAITING_LONG: Duration = Duration::from_secs(3600);
/// A log this many times longer than it may be was not looked at for some time.
const LOG_FACTOR: u64 = 2;
/// Agents, alerts and logs that are looked at; a folder may hold more.
const ENTRIES_MAX: usize = 10_000;

pub(super) struct Facts {
    /// Each record's name, and when its time to live ended.
    expiries: Vec<(String, EpochMs)>,
    /// Agents whose sidecar waits, with its time of writing.
    waiting: Vec<(String, EpochMs)>,
    agents: PathBuf,
    /// Names of logs, with their length.
    logs: Vec<(String, u64)>,
    log_bytes_max: u64,
    alerts: usize,
    inbox: PathBuf,
}

pub(super) fn observe(root: &Root, settings: &Settings, document: &Document) -> Facts {
    let expiries = document.records.iter().filter_map(|record| Some((record.name.clone(), record.ttl_expires_at?)));
    let agents = root.agents();
    let waiting = entries(&agents)
        .filter_map(|dir| Some((name_of(&dir), written_at(&dir.join("managed-spawn.json"))?)))
        .collect();
    let logs = root.log("x").parent().map(|dir| entries(dir).collect::<Vec<_>>()).unwrap_or_default();
    let logs = logs.iter().filter(|path| path.extension().is_some_and(|end| end == "log"));
    let logs = logs.filter_map(|path| Some((name_of(path), std::fs::metadata(path).ok()?.len()))).collect();
    let inbox = root.inbox();
    let alerts = entries(&inbox).filter(|path| path.extension().is_some_and(|end| end == "md")).count();
    let log_bytes_max = settings.log_rotate_bytes;
    Facts { expiries: expiries.collect(), waiting, agents, logs, log_bytes_max, alerts, inbox }
}

fn entries(dir: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).take(ENTRIES_MAX)
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn written_at(path: &Path) -> Option<EpochMs> {
    let since = std::fs::metadata(path).ok()?.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(EpochMs(i64::try_from(since.as_millis()).ok()?))
}

pub(super) fn judge(facts: &Facts, now: EpochMs) -> Vec<Finding> {
    let Facts { expiries, waiting, agents, logs, log_bytes_max, alerts, inbox } = facts;
    let mut findings = Vec::new();
    let overdue = later_than(expiries, now, OVERDUE);
    if !overdue.is_empty() {
        let message = format!(
            "{} past the time to live for more than {}, so nobody sweeps: {}",
            counted(overdue.len(), "record is", "records are"),
            span::short(OVERDUE),
            listed(&overdue)
        );
        let hint = "minions managed sweep; docs/scheduling.md has it done every minute";
        findings.push(Area::Upkeep.warning("sweep-overdue", message).with_hint(hint));
    }
    let waiting = later_than(waiting, now, WAITING_LONG);
    if !waiting.is_empty() {
        let message = format!(
            "{} waited for more than {}, so nobody accepts: of {}",
            counted(waiting.len(), "sidecar has", "sidecars have"),
            span::short(WAITING_LONG),
            listed(&waiting)
        );
        let hint = "minions managed accept --all, or remove what nobody wants any more";
        findings.push(Area::Upkeep.warning("sidecar-waits", message).at(agents).with_hint(hint));
    }
    let is_long = |bytes: u64| bytes > log_bytes_max.saturating_mul(LOG_FACTOR);
    let long: Vec<&str> = logs.iter().filter(|(_, bytes)| is_long(*bytes)).map(|(name, _)| name.as_str()).collect();
    if !long.is_empty() {
        let message = format!(
            "{} far longer than {}, at which a sweep rotates it: {}",
            counted(long.len(), "log is", "logs are"),
            sized(*log_bytes_max),
            listed(&long)
        );
        findings.push(Area::Upkeep.warning("log-not-rotated", message).with_hint("minions managed sweep"));
    }
    if *alerts > 0 {
        let message = format!("{} for people", counted(*alerts, "alert waits", "alerts wait"));
        let hint = "read them, then remove them";
        findings.push(Area::Upkeep.note("alerts-unread", message).at(inbox).with_hint(hint));
    }
    if findings.is_empty() {
        findings.push(Area::Upkeep.ok("nothing-overdue", "nothing is overdue, and nothing waits to be read"));
    }
    findings
}

/// The names whose moment is longer ago than `span`.
fn later_than(moments: &[(String, EpochMs)], now: EpochMs, span: Duration) -> Vec<&str> {
    moments.iter().filter(|(_, at)| now.since(*at) > span).map(|(name, _)| name.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: EpochMs = EpochMs(1_800_000_000_000);

    fn nothing() -> Facts {
        Facts {
            expiries: Vec::new(),
            waiting: Vec::new(),
            agents: "/r/agents".into(),
            logs: Vec::new(),
            log_bytes_max: 1000,
            alerts: 0,
            inbox: "/r/notes/inbox".into(),
        }
    }

    #[test]
    fn what_waits_too_long_is_said() {
        let check = |facts: &Facts, expected: &[&str]| {
            let codes: Vec<&str> = judge(facts, NOW).iter().map(|finding| finding.code).collect();
            assert_eq!(codes, expected);
        };
        let ago = |span: Duration, more: i64| {
            let span = i64::try_from(span.as_millis()).expect("short");
            vec![("web".to_owned(), EpochMs(NOW.0 - span - more))]
        };
        check(&nothing(), &["nothing-overdue"]);
        check(&Facts { expiries: ago(OVERDUE, 0), ..nothing() }, &["nothing-overdue"]);
        check(&Facts { expiries: ago(OVERDUE, 1), ..nothing() }, &["sweep-overdue"]);
        check(&Facts { waiting: ago(WAITING_LONG, 0), ..nothing() }, &["nothing-overdue"]);
        check(&Facts { waiting: ago(WAITING_LONG, 1), ..nothing() }, &["sidecar-waits"]);
        check(&Facts { logs: vec![("web.log".into(), 2000)], ..nothing() }, &["nothing-overdue"]);
        check(&Facts { logs: vec![("web.log".into(), 2001)], ..nothing() }, &["log-not-rotated"]);
        check(&Facts { alerts: 1, ..nothing() }, &["alerts-unread"]);
    }
}
