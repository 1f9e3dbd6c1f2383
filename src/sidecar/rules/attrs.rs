//! `attrs`: an object of any shape, not too large.

use super::Trial;
use crate::service::Attrs;
use crate::sidecar::codes::Code;
use crate::sidecar::spot::Fields;

pub(super) fn judge(trial: &mut Trial<'_>, fields: &Fields<'_>) -> Attrs {
    let Some(spot) = fields.get("attrs") else { return Attrs::new() };
    // As in JavaScript, a number that is no finite double becomes null.
    let (serde_json::Value::Object(attrs), bytes) = spot.node.value(&serde_json::Value::Null) else {
        let message = format!("`attrs` of {} is no object", trial.notes.who());
        trial.fail(
            &spot,
            Code::AttrsNotObject,
            message,
            "give an object, such as {\"base_url\": \"http://localhost:3000\"}",
        );
        return Attrs::new();
    };
    let bytes_max = trial.judge.settings.max_attrs_bytes;
    if bytes > usize::try_from(bytes_max).unwrap_or(usize::MAX) {
        let message =
            format!("`attrs` of {} takes {bytes} bytes as compact JSON, more than {bytes_max}", trial.notes.who());
        let help = format!("keep to {bytes_max} bytes; put what is large into a file and name the file");
        trial.fail(&spot, Code::AttrsTooLarge.of(&format!(">{bytes_max}B")), message, help);
    }
    attrs
}
