//! What a stop came to, for programs and for people.

use serde_json::json;

use crate::ops::stop::{Report, Stopped};
use crate::service::{Exit, ExitRecord};

use super::wire::line;

/// `{"items": [{"name", "pid", "stopped", "exit": {"code", "signal", "cause", "at"}, "error", "dependents"}]}`: the names of
/// those that depend on it and were not stopped with it.
pub fn report_json(report: &Report) -> String {
    line(&json!({ "items": items_json(&report.items) }))
}

/// The items alone.
pub(super) fn items_json(items: &[Stopped]) -> Vec<serde_json::Value> {
    items.iter().map(item_json).collect()
}

fn item_json(item: &Stopped) -> serde_json::Value {
    json!({
        "name": item.name,
        "pid": item.pid,
        "stopped": item.error.is_none(),
        "exit": item.exit.map(exit_json),
        "error": item.error.as_ref().map(crate::base::error::Error::chain),
        "dependents": item.dependents,
    })
}

fn exit_json(record: ExitRecord) -> serde_json::Value {
    let (code, signal) = match record.exit {
        Exit::Code(code) => (Some(code), None),
        Exit::Signal(signal) => (None, Some(signal)),
        Exit::Unknown => (None, None),
    };
    json!({ "code": code, "signal": signal, "cause": record.cause.word(), "at": record.at.0 })
}

/// One line per service that is stopped; what failed is told as an error.
pub fn report_text(report: &Report) -> String {
    items_text(&report.items, "stopped")
}

/// What people want to know beside it: who goes on without what it was started after.
pub fn notes(report: &Report) -> Vec<String> {
    let stopped = report.items.iter().filter(|item| item.error.is_none() && !item.dependents.is_empty());
    let note = |item: &Stopped| {
        let others: Vec<String> = item.dependents.iter().map(|name| format!("`{name}`")).collect();
        let verb = if others.len() == 1 { "depends on it and goes" } else { "depend on it and go" };
        format!("`{}` is stopped; {} {verb} on without it", item.name, others.join(", "))
    };
    stopped.map(note).collect()
}

/// The same for services that are removed with all they had.
pub fn removed_text(report: &Report) -> String {
    items_text(&report.items, "removed with its log")
}

/// One line per service that is stopped, said by `word`.
pub(super) fn items_text(items: &[Stopped], word: &str) -> String {
    let stopped = items.iter().filter(|item| item.error.is_none());
    stopped.map(|item| format!("{}: {word}{}\n", item.name, words(item))).collect()
}

fn words(item: &Stopped) -> String {
    match item.exit.map(|record| record.exit) {
        Some(Exit::Code(code)) => format!(", exit code {code}"),
        Some(Exit::Signal(signal)) => format!(", ended by signal {signal}"),
        Some(Exit::Unknown) => ", exit unknown".into(),
        None => String::new(),
    }
}
