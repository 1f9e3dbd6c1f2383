//! The journal: whether it can be read to its end and written, and the failures that nobody may have seen.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::base::clock::EpochMs;
use crate::base::json::Plain;
use crate::base::span;
use crate::journal::{Filter, Line};
use crate::service::EventType;

use super::super::context::Context;
use super::super::events::{Found, Source};
use super::finding::{Area, Finding, counted};

/// Failures of so long ago are shown.
const RECENT: Duration = Duration::from_secs(7 * 24 * 3600);
/// So many of them are shown.
const SHOWN_MAX: usize = 3;

pub(super) struct Facts {
    path: PathBuf,
    /// What reading came by; an error in words.
    found: Result<Found, String>,
    /// Events that the state file has and the journal lacks.
    lacking: usize,
    /// The newest failures, the last one last, each with its time and words.
    fatal: Vec<(EpochMs, String)>,
}

pub(super) fn observe(context: &Context) -> Facts {
    let source = Source::observe_quietly(context);
    let is_fatal = Filter::new(None, None, Some(EventType::Fatal.word().to_owned()));
    let mut fatal = Vec::new();
    let found = source.scan(0, &mut |line| {
        if is_fatal.is_match(line) {
            fatal.push((EpochMs(line.at), words(line)));
        }
        ControlFlow::Continue(())
    });
    let found = found.map_err(|error| error.chain());
    Facts { path: context.root.events(), found, lacking: source.lacking(), fatal }
}

/// `sweep: the sentence`.
fn words(line: &Line<'_>) -> String {
    let value = serde_json::from_str::<Plain>(&line.json()).map_or(Value::Null, |plain| plain.0);
    let text = |key: &str| value["data"][key].as_str().unwrap_or_default().to_owned();
    format!("`{}`: {}", text("command"), text("message"))
}

pub(super) fn judge(facts: &Facts, now: EpochMs) -> Vec<Finding> {
    let Facts { path, found, lacking, fatal } = facts;
    let mut findings = Vec::new();
    match found {
        Err(why) => {
            let hint = "make it readable again; new events are kept in the state file until then";
            findings.push(Area::Journal.error("journal-unreadable", why.as_str()).at(path).with_hint(hint));
        }
        Ok(found) if !found.gaps.is_empty() || found.bad_lines > 0 => {
            let gaps: u64 = found.gaps.iter().map(|gap| gap.end() - gap.start() + 1).sum();
            let message =
                format!("{gaps} events are nowhere, and {} lines of the journal make no sense", found.bad_lines);
            let hint = "what is lost stays lost, and numbers go on; look at who else writes there";
            findings.push(Area::Journal.warning("journal-broken", message).at(path).with_hint(hint));
        }
        Ok(_) => {}
    }
    if *lacking > 0 {
        let message =
            format!("{} in the state file and not in the journal", counted(*lacking, "event is", "events are"));
        let hint =
            "none is lost, and the next change appends them; if they stay, see whether the journal can be written";
        findings.push(Area::Journal.warning("journal-behind", message).at(path).with_hint(hint));
    }
    let recent: Vec<&(EpochMs, String)> = fatal.iter().filter(|(at, _)| now.since(*at) <= RECENT).collect();
    if !recent.is_empty() {
        let told = recent.iter().rev().take(SHOWN_MAX).map(|(at, words)| format!("{}, {words}", span::utc(at.0)));
        let told: Vec<String> = told.collect();
        let message =
            format!("{} in the last week; last: {}", counted(recent.len(), "failure", "failures"), told.join("; "));
        let hint = "minions managed events --type fatal";
        findings.push(Area::Journal.warning("fatal-events", message).with_hint(hint));
    }
    if findings.is_empty() {
        let last = found.as_ref().map_or(0, |found| found.next);
        findings.push(Area::Journal.ok("journal-whole", format!("the journal can be read; its last event is {last}")));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_the_journal_is_said() {
        let now = EpochMs(1_800_000_000_000);
        let sound = || Facts { path: "/r/x".into(), found: Ok(Found::default()), lacking: 0, fatal: Vec::new() };
        let check = |facts: &Facts, expected: &[&str]| {
            let codes: Vec<&str> = judge(facts, now).iter().map(|finding| finding.code).collect();
            assert_eq!(codes, expected);
        };
        let failed = |ago: i64| vec![(EpochMs(now.0 - ago), "`sweep`: no".to_owned())];
        check(&sound(), &["journal-whole"]);
        check(&Facts { found: Err("no".into()), ..sound() }, &["journal-unreadable"]);
        check(&Facts { found: Ok(Found { bad_lines: 1, ..Found::default() }), ..sound() }, &["journal-broken"]);
        check(&Facts { found: Ok(Found { gaps: vec![3..=4], ..Found::default() }), ..sound() }, &["journal-broken"]);
        check(&Facts { lacking: 1, ..sound() }, &["journal-behind"]);
        check(&Facts { fatal: failed(1000), ..sound() }, &["fatal-events"]);
        check(&Facts { fatal: failed(8 * 24 * 3_600_000), ..sound() }, &["journal-whole"]);
    }
}
