//! What a release came to, for programs and for people.

use serde_json::json;

use crate::ops::release::Report;

use super::wire::line;
use super::{holders, stop};

/// `{"items": […], "released": true, "others": [{"pid", "command"}]}`, the items as of `stop`.
pub fn json(report: &Report) -> String {
    line(&json!({
        "items": stop::items_json(&report.items),
        "released": report.is_released,
        "others": holders::others_json(&report.strangers),
    }))
}

/// One line per service that is stopped.
pub fn text(report: &Report) -> String {
    stop::items_text(&report.items, "stopped")
}

/// What people want to know beside it: whether the folder is free, and of whom not.
pub fn notes(report: &Report) -> Vec<String> {
    let free = report.is_released.then(|| holders::nobody(&report.dir, report.is_there));
    free.into_iter().chain(holders::others(&report.strangers)).collect()
}
