//! The document: an object with `specs`, an array that is not empty.

use super::{Trial, keys, owner, priority, spec};
use crate::service::Spec;
use crate::sidecar::Sidecar;
use crate::sidecar::codes::Code;
use crate::sidecar::source::Node;
use crate::sidecar::spot::{Fields, Spot};

/// Judges the whole document. What comes back is a sidecar only if no issue was noted.
pub(in crate::sidecar) fn document(trial: &mut Trial<'_>, node: Node<'_>) -> Option<Sidecar> {
    let whole = Spot::whole(node);
    let Some(fields) = Fields::open(whole) else {
        let message = "the document is no object".to_owned();
        trial.fail(&whole, Code::NotAnObject, message, "write an object with an array `specs`");
        return None;
    };
    keys::judge(trial, &fields, keys::DOCUMENT);
    let specs = specs(trial, &fields);
    let (written_by, wi_id) = owner::judge(trial, &fields);
    priority::judge(trial, &fields);
    Some(Sidecar { specs: specs?, written_by, wi_id })
}

fn specs(trial: &mut Trial<'_>, fields: &Fields<'_>) -> Option<Vec<Spec>> {
    let spot = fields.place("specs");
    let Some(items) = fields.get("specs").and_then(|spot| spot.node.array()) else {
        let message = "`specs` is missing or no array".to_owned();
        trial.fail(&spot, Code::SpecsMissing, message, "give an array `specs` with one object for each service");
        return None;
    };
    if items.is_empty() {
        let message = "`specs` declares no service".to_owned();
        trial.fail(&spot, Code::SpecsEmpty, message, "add a service, or delete the file if there is none to declare");
        return None;
    }
    let specs_max = trial.judge.settings.max_specs_per_file;
    let taken = usize::try_from(specs_max).unwrap_or(usize::MAX);
    if items.len() > taken {
        let message = format!("`specs` declares {} services, more than {specs_max}", items.len());
        let help = format!("declare at most {specs_max} services in one file");
        trial.fail(&spot, Code::SpecsTooMany.of(&format!(">{specs_max}")), message, help);
    }
    let spots: Vec<Spot<'_>> = items.iter().take(taken).enumerate().map(|(i, node)| spot.item(i, *node)).collect();
    Some(spec::all(trial, &spots))
}
