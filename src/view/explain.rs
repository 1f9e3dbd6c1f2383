//! Why a service is or is not running, for programs and for people.

use serde_json::{Value, json};

use crate::base::{redact, span};
use crate::ops::explain::{Explanation, Need};
use crate::service::{Exit, ExitRecord, Liveness, Transition, lifecycle_json};

use super::record::{ago, health, status, text};
use super::table::{Cell, Style, draw_pairs};
use super::wire::line;
use super::{policy, whole};

/// `{"name", "status", "alive", "healthy", "why", "due": {"action", "why"}, "last_transition": {"at", "from", "to", "input", "why"},
/// "last_exit": {"code", "signal", "cause", "at"}, "failures_in_row", "restarts", "declared", "next_wait_s", "starts_left",
/// "next": [{"what", "at"}…], "depends_on": [{"name", "service", "status", "healthy"}…]}`: times in epoch milliseconds; `declared`
/// holds the lifecycle fields as the sidecar has them; null where there is nothing to say, or nothing could be told.
pub fn json(explanation: &Explanation) -> String {
    let Explanation { seen, step, exit, figures, coming, needs, .. } = explanation;
    let record = &seen.record;
    let progress = &record.progress;
    line(&json!({
        "name": record.name,
        "status": record.status.word(),
        "alive": (seen.liveness != Liveness::Unknown).then_some(seen.liveness == Liveness::Alive),
        "healthy": record.healthy,
        "why": redact::urls(&explanation.why),
        "due": {"action": step.action.word(), "why": redact::urls(&step.why)},
        "last_transition": progress.last_transition.as_ref().map(transition_json),
        "last_exit": exit.as_ref().map(exit_json),
        "failures_in_row": progress.failures_in_row,
        "restarts": progress.restarts,
        "declared": lifecycle_json(&record.spec.lifecycle),
        "next_wait_s": figures.map(|figures| figures.next_wait.as_secs_f64()),
        "starts_left": figures.map(|figures| figures.starts_left),
        "next": coming.iter().map(|one| json!({"what": one.what, "at": one.at.0})).collect::<Vec<_>>(),
        "depends_on": needs.iter().map(need_json).collect::<Vec<_>>(),
    }))
}

fn transition_json(last: &Transition) -> Value {
    let Transition { at, from, to, input, why } = last;
    let from = from.map(|from| from.word());
    json!({"at": at.0, "from": from, "to": to.word(), "input": input, "why": redact::urls(why)})
}

fn exit_json(exit: &ExitRecord) -> Value {
    let (code, signal) = match exit.exit {
        Exit::Code(code) => (Some(code), None),
        Exit::Signal(signal) => (None, Some(signal)),
        Exit::Unknown => (None, None),
    };
    json!({"code": code, "signal": signal, "cause": exit.cause.word(), "at": exit.at.0})
}

fn need_json(need: &Need) -> Value {
    let found = need.found.as_ref();
    json!({
        "name": need.name,
        "service": found.map(|(name, _)| name),
        "status": found.map(|(_, status)| status.word()),
        "healthy": need.is_healthy,
    })
}

/// A line per fact, the answer first.
pub fn draw(explanation: &Explanation, style: Style) -> String {
    let Explanation { seen, step, figures, at, .. } = explanation;
    let (record, now) = (&seen.record, *at);
    let progress = &record.progress;
    let mut lines = vec![
        ("why", text(&explanation.why)),
        ("status", status(record, seen.liveness)),
        ("health", health(record, seen.liveness)),
    ];
    lines.extend(progress.last_transition.as_ref().map(|last| {
        let from = last.from.map_or("new", |from| from.word());
        let words = format!(
            "{from} to {}, by `{}`, {} ({} ago)",
            last.to.word(),
            last.input,
            span::utc(last.at.0),
            ago(last.at, now)
        );
        ("last change", text(&words))
    }));
    lines.extend(explanation.exit.map(|exit| ("last exit", Cell::plain(whole::ended(exit)))));
    lines.push(("a sweep now", text(&format!("{}: {}", step.action.word(), step.why))));
    lines.extend(explanation.coming.iter().map(|one| {
        let when = if one.at > now { format!("in {}", span::short(one.at.since(now))) } else { "now".to_owned() };
        ("next", Cell::plain(format!("{when}: {} ({})", one.what, span::utc(one.at.0))))
    }));
    lines.extend(policy::lines(&record.spec.lifecycle).into_iter().map(|(label, words)| (label, text(&words))));
    if let Some(figures) = figures {
        let wait = figures.next_wait.as_secs_f64();
        let words = format!(
            "a failure now would wait {wait} s; {} automatic starts are left in the window",
            figures.starts_left
        );
        lines.push(("figures", Cell::plain(words)));
        let words = format!("{} in a row; {} automatic starts in all", progress.failures_in_row, progress.restarts);
        lines.push(("failures", Cell::plain(words)));
    }
    lines.extend(explanation.needs.iter().map(|need| ("needs", text(&need_words(need)))));
    draw_pairs(&lines, style)
}

fn need_words(need: &Need) -> String {
    let health = if need.is_healthy { "healthy" } else { "not healthy" };
    match &need.found {
        Some((service, status)) if *service == need.name => format!("{service}: {}, {health}", status.word()),
        Some((service, status)) => format!("{} (as {service}): {}, {health}", need.name, status.word()),
        None => format!("{}: there is none in its scope", need.name),
    }
}
