//! `written_by` and `wi_id`: strings, and those that `accept` expects; others are of a stale file.

use super::Trial;
use crate::sidecar::codes::Code;
use crate::sidecar::notes::shown;
use crate::sidecar::spot::{Fields, Spot};

pub(super) fn judge(trial: &mut Trial<'_>, fields: &Fields<'_>) -> (String, String) {
    let written_by = text(trial, &fields.place("written_by"), ("written_by", Code::WrittenByNotString));
    let wi_id = text(trial, &fields.place("wi_id"), ("wi_id", Code::WiIdNotString));
    if let Some(agent) = trial.expectations.agent.filter(|agent| !written_by.is_empty() && *agent != written_by) {
        let message = format!("the file was written by {}, not by {}", shown(&written_by), shown(agent));
        let help = "write the file anew: this one is another agent's, or was left over";
        trial.fail(&fields.place("written_by"), Code::WrittenByMismatch.of(&written_by), message, help);
    }
    if let Some(item) = trial.expectations.work_item.filter(|item| !wi_id.is_empty() && *item != wi_id) {
        let message = format!("the file was written for work item {}, not for {}", shown(&wi_id), shown(item));
        let help = "write the file anew: this one was left over from other work";
        trial.fail(&fields.place("wi_id"), Code::WiIdMismatch.of(&wi_id), message, help);
    }
    (written_by, wi_id)
}

fn text(trial: &mut Trial<'_>, spot: &Spot<'_>, (key, code): (&str, Code)) -> String {
    match spot.node.text() {
        Some(text) => text.into_owned(),
        // An absent key stands as the object that lacks it.
        None if spot.is_absent() || spot.node.is_null() => String::new(),
        None => {
            trial.fail(spot, code, format!("`{key}` is no string"), "put it in quotes, or leave it out");
            String::new()
        }
    }
}
