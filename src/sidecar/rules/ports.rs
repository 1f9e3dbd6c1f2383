//! `ports`: integers from 1024 to 65535.

use super::{Trial, asked_number, integer_within};
use crate::service::limits::{PORT_MAX, PORT_MIN, PORTS_MAX};
use crate::sidecar::codes::Code;
use crate::sidecar::notes::shown;
use crate::sidecar::spot::Fields;

pub(super) fn judge(trial: &mut Trial<'_>, fields: &Fields<'_>) -> Vec<u16> {
    let Some(spot) = fields.get("ports") else { return Vec::new() };
    let Some(items) = spot.node.array() else {
        let message = format!("`ports` of {} is no array", trial.notes.who());
        trial.fail(&spot, Code::PortsNotArray, message, "give the ports as an array, such as [3000]");
        return Vec::new();
    };
    if items.len() > PORTS_MAX {
        let message = format!("{} declares {} ports, more than {PORTS_MAX}", trial.notes.who(), items.len());
        let help = format!("declare at most {PORTS_MAX} ports");
        trial.fail(&spot, Code::PortsTooMany.of(&format!(">{PORTS_MAX}")), message, help);
    }
    let mut ports = Vec::with_capacity(items.len().min(PORTS_MAX));
    for (index, node) in items.iter().take(PORTS_MAX).enumerate() {
        let item = spot.item(index, *node);
        match asked_number(&item).and_then(|number| integer_within(number, PORT_MIN, PORT_MAX)) {
            Some(port) => ports.push(port),
            None => {
                let text = node.js_string();
                let message = format!("port {} of {} is none that a service may use", shown(&text), trial.notes.who());
                trial.fail(
                    &item,
                    Code::PortInvalid.of(&text),
                    message,
                    format!("use an integer from {PORT_MIN} to {PORT_MAX}"),
                );
            }
        }
    }
    ports
}
