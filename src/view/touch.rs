//! What a touch came to, for programs and for people.

use serde_json::json;

use crate::base::span;
use crate::ops::touch::Touched;
use crate::service::Status;

use super::wire::line;

/// `{"name", "status", "last_used_at", "next", "next_at"}`: times in epoch milliseconds; the last two null if nothing comes of
/// itself.
pub fn json(touched: &Touched) -> String {
    line(&json!({
        "name": touched.name,
        "status": touched.status.word(),
        "last_used_at": touched.at.0,
        "next": touched.next.map(|(due, _)| due.words()),
        "next_at": touched.next.map(|(_, at)| at.0),
    }))
}

/// One line: that it is in use, and what comes next.
pub fn text(touched: &Touched) -> String {
    let Touched { name, status, at, next, .. } = touched;
    let next = match (status, next) {
        (Status::Running, Some((due, next))) => {
            format!("; {} in {} without use", due.words(), span::short(next.since(*at)))
        }
        (Status::Running, None) => "; it is not stopped for want of use".to_owned(),
        (
            Status::Queued | Status::Starting | Status::Backoff | Status::Stopping | Status::Stopped | Status::Failed,
            _,
        ) => format!("; it is `{}`: minions managed ensure {name}", status.word()),
    };
    format!("{name}: marked as in use{next}\n")
}
