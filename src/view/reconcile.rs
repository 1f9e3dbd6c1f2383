//! What a reconcile came to, for programs and for people.

use serde_json::{Value, json};

use crate::ops::reconcile::Report;

use super::table::Style;
use super::wire::line;
use super::{probed, sweep};

/// `{"stats": {…}, "probed": […], "not_probed": [{"name", "why"}]}`: `stats` is what `sweep` prints, `probed` holds what
/// `healthcheck` does.
pub fn report_json(report: &Report) -> String {
    let not_probed: Vec<Value> =
        report.not_probed.iter().map(|one| json!({ "name": one.name, "why": one.why })).collect();
    line(&json!({
        "stats": sweep::object(&report.sweep),
        "probed": report.probed.iter().map(probed::item_json).collect::<Vec<_>>(),
        "not_probed": not_probed,
    }))
}

/// What the sweep says, then the table of probes, then who needed none.
pub fn report_text(report: &Report, style: Style) -> String {
    let mut text = sweep::report_text(&report.sweep, style);
    if !report.probed.is_empty() {
        text.push('\n');
        text.push_str(&probed::report_text(&report.probed, style));
    }
    for (at, one) in report.not_probed.iter().enumerate() {
        let gap = if at == 0 { "\n" } else { "" };
        text.extend([gap, &one.name, ": not probed, ", &one.why, "\n"]);
    }
    text
}
