//! Why a service is or is not running, for programs and for people.

use serde_json::{Value, json};

use crate::base::{redact, span};
use crate::ops::explain::{Explanation, Figures, Need};
use crate::service::{Exit, ExitRecord, Liveness, Record, Status, Transition, lifecycle_json};

use super::record::{ago, counted, health, status, text};
use super::table::{Cell, Style, draw_pairs};
use super::wire::line;
use super::{policy, whole};

/// `{"name", "status", "alive", "healthy", "why", "due": {"action", "why"}, "last_transition": {"at", "from", "to", "input", "why"},
/// "last_exit": {"code", "signal", "cause", "at"}, "unhealthy_in_row", "failure_threshold", "on_unhealthy", "failures_in_row", "restarts", "declared", "next_wait_s", "starts_left",
/// "next": [{"what", "at", "if_unused"}…], "depends_on": [{"name", "service", "status", "healthy", "why"}…]}`: times in epoch milliseconds; `declared`
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
        "unhealthy_in_row": progress.unhealthy_in_row,
        "failure_threshold": record.spec.healthcheck.failure_threshold,
        "on_unhealthy": record.spec.healthcheck.on_unhealthy.word(),
        "failures_in_row": progress.failures_in_row,
        "restarts": progress.restarts,
        "declared": lifecycle_json(&record.spec.lifecycle),
        "next_wait_s": figures.map(|figures| figures.next_wait.as_secs_f64()),
        "starts_left": figures.map(|figures| figures.starts_left),
        "next": coming.iter().map(|one| json!({"what": one.what, "at": one.at.0, "if_unused": one.is_if_unused})).collect::<Vec<_>>(),
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
        "why": need.why.as_deref().map(redact::urls),
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
        ("health", counted(record, health(record, seen.liveness))),
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
        let unless = if one.is_if_unused { ", unless somebody uses it" } else { "" };
        ("next", Cell::plain(format!("{when}: {}{unless} ({})", one.what, span::utc(one.at.0))))
    }));
    lines.extend(policy::lines(&record.spec).into_iter().map(|(label, words)| (label, text(&words))));
    if let Some(figures) = figures {
        lines.push(("figures", Cell::plain(figures_words(*figures, record))));
        let words = format!("{} in a row; {} automatic starts in all", progress.failures_in_row, progress.restarts);
        lines.push(("failures", Cell::plain(words)));
    }
    lines.extend(explanation.needs.iter().map(|need| ("needs", text(&need_words(need)))));
    draw_pairs(&lines, style)
}

fn figures_words(figures: Figures, record: &Record) -> String {
    let wait = figures.next_wait.as_secs_f64();
    let which = match record.status {
        Status::Failed => return "nothing starts it by itself any more".to_owned(),
        Status::Backoff => "the next failure",
        Status::Queued | Status::Starting | Status::Running | Status::Stopping | Status::Stopped => "a failure now",
    };
    format!("{which} would wait {wait} s; {} automatic starts are left in the window", figures.starts_left)
}

fn need_words(need: &Need) -> String {
    let health = if need.is_healthy { "healthy" } else { "not healthy" };
    match &need.found {
        Some((service, status)) => {
            let alias = if *service == need.name { String::new() } else { format!(" (as {service})") };
            let why = need.why.as_ref().map(|why| format!("; {why}")).unwrap_or_default();
            format!("{}{alias}: {}, {health}{why}", need.name, status.word())
        }
        None => format!("{}: there is none in its scope", need.name),
    }
}
