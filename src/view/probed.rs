//! What probes found out, for programs and for people.

use serde_json::{Value, json};

use crate::base::redact;
use crate::ops::probe::Probed;
use crate::service::{Liveness, Proof};

use super::escape;
use super::table::{Cell, Paint, Style, draw};
use super::wire::line;

/// `{"items": [{"name", "healthy", "alive", "proof", "error", "took_ms"}]}`; `healthy` and `alive` are null where they are
/// not known.
pub fn report_json(items: &[Probed]) -> String {
    line(&json!({ "items": items.iter().map(item_json).collect::<Vec<_>>() }))
}

/// One of them.
pub fn item_json(item: &Probed) -> Value {
    json!({
        "name": item.name,
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
    let (health, paint) = match (item.healthy, item.liveness) {
        (Some(true), _) => ("healthy", Paint::Good),
        (Some(false), Liveness::Dead) => ("dead", Paint::Bad),
        (Some(false), Liveness::Alive | Liveness::Unknown) => ("unhealthy", Paint::Bad),
        (None, _) => ("not known", Paint::Doubtful),
    };
    [
        Cell::plain(item.name.as_str()),
        Cell { text: health.to_owned(), paint },
        Cell::plain(item.proof.map_or("-", Proof::word)),
        Cell::plain(format!("{} ms", item.took.as_millis())),
    ]
}
