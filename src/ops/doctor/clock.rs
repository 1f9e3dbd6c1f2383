//! The wall clock: times to live, backoffs and ages are told by it.

use std::time::{Duration, UNIX_EPOCH};

use crate::base::clock::EpochMs;
use crate::base::root::Root;
use crate::base::span;
use crate::service::Record;
use crate::state::Document;

use super::finding::{Area, Finding};

/// 2024-01-01 UTC: before it there was no such program, so that the clock was never set.
const EARLIEST: EpochMs = EpochMs(1_704_067_200_000);
/// Two machines' clocks, or a file system's and ours, may differ by so much without harm.
const SLACK: Duration = Duration::from_secs(2);

pub(super) struct Facts {
    /// The newest moment in the state file, and what it is.
    newest: Option<(EpochMs, String)>,
    /// When the state file was written.
    written_at: Option<EpochMs>,
}

pub(super) fn observe(root: &Root, document: &Document) -> Facts {
    let newest = document.records.iter().flat_map(moments).max_by_key(|(at, _)| *at);
    let modified = std::fs::metadata(root.state()).and_then(|meta| meta.modified()).ok();
    let since = modified.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let written_at = since.and_then(|since| i64::try_from(since.as_millis()).ok()).map(EpochMs);
    Facts { newest, written_at }
}

/// Moments of a record that have been; the end of its time to live is yet to come.
fn moments(record: &Record) -> impl Iterator<Item = (EpochMs, String)> {
    let told = [
        (record.started_at, "start"),
        (record.last_health_at, "last health"),
        (record.claim.as_ref().map(|claim| claim.at), "claim"),
        (record.last_exit.as_ref().map(|exit| exit.at), "end"),
    ];
    let name = record.name.clone();
    told.into_iter().filter_map(move |(at, what)| Some((at?, format!("the {what} of `{name}`"))))
}

pub(super) fn judge(facts: &Facts, now: EpochMs) -> Vec<Finding> {
    let is_ahead = |at: EpochMs| at.since(now) > SLACK;
    let hint = "set the clock (timedatectl, ntpd); services whose time to live it stretched can be stopped or renewed";
    let mut findings = Vec::new();
    if now < EARLIEST {
        let message = format!("the clock says {}, so it was never set", span::utc(now.0));
        findings.push(Area::Clock.error("clock-unset", message).with_hint(hint));
    }
    if let Some((at, what)) = facts.newest.as_ref().filter(|(at, _)| is_ahead(*at)) {
        let message = format!(
            "the clock ({}) is {} behind {what}, so it was set back, and times to live last longer",
            span::utc(now.0),
            span::short(at.since(now))
        );
        findings.push(Area::Clock.warning("clock-behind", message).with_hint(hint));
    } else if let Some(at) = facts.written_at.filter(|at| is_ahead(*at)) {
        let message = format!(
            "the clock ({}) is {} behind the state file's time of writing",
            span::utc(now.0),
            span::short(at.since(now))
        );
        findings.push(Area::Clock.warning("clock-behind-files", message).with_hint(hint));
    }
    if findings.is_empty() {
        let message = format!("the clock says {}, and nothing recorded is ahead of it", span::utc(now.0));
        findings.push(Area::Clock.ok("clock-plausible", message));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_judged_by_what_was_recorded() {
        let now = EpochMs(1_800_000_000_000);
        let check = |now: EpochMs, newest: Option<i64>, written: Option<i64>, expected: &[&str]| {
            let newest = newest.map(|ahead| (EpochMs(now.0 + ahead), "the start of `web`".to_owned()));
            let facts = Facts { newest, written_at: written.map(|ahead| EpochMs(now.0 + ahead)) };
            let codes: Vec<&str> = judge(&facts, now).iter().map(|finding| finding.code).collect();
            assert_eq!(codes, expected);
        };
        check(now, None, None, &["clock-plausible"]);
        check(now, Some(-1), Some(-1), &["clock-plausible"]);
        check(now, Some(2000), Some(2000), &["clock-plausible"]);
        check(now, Some(2001), Some(2001), &["clock-behind"]);
        check(now, None, Some(2001), &["clock-behind-files"]);
        check(EpochMs(0), None, None, &["clock-unset"]);
        check(EpochMs(0), Some(now.0), None, &["clock-unset", "clock-behind"]);
    }
}
