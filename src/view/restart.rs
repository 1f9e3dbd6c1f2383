//! What a restart came to, for programs and for people.

use serde_json::{Value, json};

use crate::base::error::Error;
use crate::base::redact;
use crate::ops::start::{Item, Report};

use super::escape;
use super::wire::line;

/// `{"items": [{"name", "pid", "generation", "healthy", "error", "log_path", "log_tail"}]}`.
pub fn report_json(report: &Report) -> String {
    let items: Vec<Value> = report.items.iter().map(item_json).collect();
    line(&json!({ "items": items }))
}

fn item_json(item: &Item) -> Value {
    json!({
        "name": item.name,
        "pid": item.pid,
        "generation": item.generation.as_ref().map(ToString::to_string),
        "healthy": item.healthy,
        "error": item.error.as_ref().map(Error::chain).as_deref().map(redact::urls),
        "log_path": item.log_path,
        "log_tail": item.log_tail,
    })
}

/// A line per service, and the end of the log of what did not come up; why it did not is told as an error.
pub fn report_text(report: &Report) -> String {
    report.items.iter().map(item_text).collect()
}

fn item_text(item: &Item) -> String {
    let pid = item.pid.map(|pid| format!(", pid {pid}")).unwrap_or_default();
    let deed = match (&item.error, item.pid, item.healthy) {
        (None, _, Some(true)) => "restarted, healthy",
        (None, _, Some(false) | None) => "restarted",
        (Some(_), Some(_), _) => "left as it is",
        (Some(_), None, _) => "not running",
    };
    let mut text = format!("{}: {deed}{pid}\n", item.name);
    for logged in &item.log_tail {
        text.push_str("  | ");
        text.push_str(&escape::line(logged));
        text.push('\n');
    }
    text
}
