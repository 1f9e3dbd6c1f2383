//! What probes found out, for programs and for people.

use serde_json::{Value, json};

use crate::base::redact;
use crate::ops::probe::Probed;
use crate::service::{Liveness, Proof, Status};

use super::escape;
use super::table::{Cell, Paint, Style, draw};
use super::wire::line;

/// `{"items": [{"name", "status", "healthy", "alive", "proof", "error", "took_ms"}]}`; `healthy` and `alive` are null where they are
/// not known, and `healthy` also of a service that is stopped until somebody needs it.
pub fn report_json(items: &[Probed]) -> String {
    line(&json!({ "items": items.iter().map(item_json).collect::<Vec<_>>() }))
}

/// One of them.
pub fn item_json(item: &Probed) -> Value {
    json!({
        "name": item.name,
        "status": item.status.word(),
        "healthy": item.healthy,
        "alive": match item.liveness {
            Liveness::Alive => Some(true),
            Liveness::Dead => Some(false),
            Liveness::Unknown => None,
        },
        "proof": item.proof.map(Proof::word),
        "error": item.error.as_deref().map(redact::urls),
        "took_ms": u64::try_from(item.took.as_millis()).unwrap_or(u64::MAX),
    })
}

/// A table, and below it why who is not healthy is not, whole.
pub fn report_text(items: &[Probed], style: Style) -> String {
    let rows: Vec<[Cell; 4]> = items.iter().map(row).collect();
    let mut text = draw(["NAME", "HEALTH", "PROOF", "TOOK"], &rows, style);
    let failures = items.iter().filter_map(|item| Some((&item.name, item.error.as_ref()?)));
    for (at, (name, error)) in failures.enumerate() {
        let gap = if at == 0 { "\n" } else { "" };
        text.extend([gap, name, ": ", &redact::urls(&escape::line(error)), "\n"]);
    }
    text
}

fn row(item: &Probed) -> [Cell; 4] {
    let (health, paint) = match (item.healthy, item.liveness, item.status) {
        (Some(true), _, _) => ("healthy", Paint::Good),
        (Some(false), Liveness::Dead, Status::Queued | Status::Starting | Status::Running | Status::Stopping) => {
            ("dead", Paint::Bad)
        }
        // It is dead, and somebody has acted on that.
        (Some(false), Liveness::Dead, Status::Backoff | Status::Stopped | Status::Failed) => {
            (item.status.word(), Paint::Bad)
        }
        (Some(false), Liveness::Alive | Liveness::Unknown, _) => ("unhealthy", Paint::Bad),
        (None, _, _) if item.is_at_rest() => (item.status.word(), Paint::Doubtful),
        (None, _, _) => ("not known", Paint::Doubtful),
    };
    [
        Cell::plain(item.name.as_str()),
        Cell { text: health.to_owned(), paint },
        Cell::plain(item.proof.map_or("-", Proof::word)),
        Cell::plain(format!("{} ms", item.took.as_millis())),
    ]
}
