//! `depends_on`: names of services of the same file, and no circle among them. The file alone decides: what other files
//! have started may be gone when this one is accepted.

use super::Trial;
use crate::base::nearest::nearest;
use crate::service::limits::DEPENDS_ON_MAX;
use crate::service::{Graph, Spec};
use crate::sidecar::codes::Code;
use crate::sidecar::notes::shown;
use crate::sidecar::spot::{Fields, Spot};

/// The names, each once, in the order declared.
pub(super) fn judge(trial: &mut Trial<'_>, fields: &Fields<'_>) -> Vec<String> {
    let Some(spot) = fields.get("depends_on") else { return Vec::new() };
    let Some(items) = spot.node.array() else {
        let message = format!("`depends_on` of {} is no array", trial.notes.who());
        trial.fail(&spot, Code::DependsOnNotArray, message, "give the names as an array, such as [\"db\"]");
        return Vec::new();
    };
    if items.len() > DEPENDS_ON_MAX {
        let message = format!("{} depends on {} services, more than {DEPENDS_ON_MAX}", trial.notes.who(), items.len());
        let help = format!("name at most {DEPENDS_ON_MAX}: those that they depend on need not be named");
        trial.fail(&spot, Code::DependsOnTooMany.of(&format!(">{DEPENDS_ON_MAX}")), message, help);
    }
    let mut names: Vec<String> = Vec::new();
    for (index, node) in items.iter().take(DEPENDS_ON_MAX).enumerate() {
        match node.text() {
            Some(name) if names.iter().any(|there| **there == *name) => {}
            Some(name) => names.push(name.into_owned()),
            None => {
                let message = format!("dependency {index} of {} is no string", trial.notes.who());
                trial.fail(&spot.item(index, *node), Code::DependsOnNameNotString, message, "give a service's name");
            }
        }
    }
    names
}

/// A spec of the file: its index there, where it stands, and what it came to.
pub(super) struct Member<'a> {
    pub(super) index: usize,
    pub(super) spot: Spot<'a>,
    pub(super) spec: Spec,
}

/// What holds between the specs of the file, once each was judged: every name is one of theirs, and none waits for itself.
pub(super) fn between(trial: &mut Trial<'_>, members: &[Member<'_>]) {
    if members.iter().all(|member| member.spec.lifecycle.depends_on.is_empty()) {
        return;
    }
    for member in members {
        about(trial, member);
        for name in &member.spec.lifecycle.depends_on {
            if !members.iter().any(|other| other.spec.name == *name) {
                unknown(trial, member, name, members);
            }
        }
    }
    let needs = members.iter().map(|member| (&*member.spec.name, &*member.spec.lifecycle.depends_on));
    for cycle in Graph::new(needs).cycles() {
        let names: Vec<&str> = cycle.iter().map(|at| &*members[*at].spec.name).collect();
        circle(trial, &members[cycle[0]], &names);
    }
    (trial.notes.spec, trial.notes.name) = (None, None);
}

/// Turns the notes to `member`.
fn about(trial: &mut Trial<'_>, member: &Member<'_>) {
    trial.notes.spec = Some(member.index);
    trial.notes.name = Some(shown(&member.spec.name)).filter(|_| !member.spec.name.is_empty());
}

fn unknown(trial: &mut Trial<'_>, member: &Member<'_>, name: &str, members: &[Member<'_>]) {
    let others = members.iter().map(|other| &*other.spec.name).filter(|other| *other != member.spec.name);
    let known: Vec<&str> = others.filter(|other| !other.is_empty()).collect();
    let help = match (nearest(name, known.iter().copied()), known.is_empty()) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, true) => "declare that service in this file too, or leave the dependency out".to_owned(),
        (None, false) => {
            let known: Vec<String> = known.iter().map(|name| shown(name)).collect();
            format!("declare that service in this file too, or name one of: {}", known.join(", "))
        }
    };
    let message = format!("{} depends on {}, which the file does not declare", trial.notes.who(), shown(name));
    at(member, name, |spot| trial.fail(spot, Code::DependsOnUnknown.of(name), message, help));
}

/// Says that `member`, the first of `names`, waits for itself by way of the others.
fn circle(trial: &mut Trial<'_>, member: &Member<'_>, names: &[&str]) {
    about(trial, member);
    let way: Vec<&str> = names.iter().chain(names.first()).copied().collect();
    let message = match names {
        [_] => format!("{} depends on itself", trial.notes.who()),
        _ => format!("{} waits for itself: {}", trial.notes.who(), shown(&way.join(" -> "))),
    };
    let help = "take one of these dependencies out: none of them could ever be started";
    at(member, way[1], |spot| trial.fail(spot, Code::DependsOnCycle.of(&way.join(" -> ")), message, help));
}

/// Does `say` with the place where `member` names `name`.
fn at(member: &Member<'_>, name: &str, say: impl FnOnce(&Spot<'_>)) {
    let Some(fields) = Fields::open(member.spot) else { return };
    let Some(list) = fields.get("depends_on") else { return };
    let items = list.node.array().unwrap_or_default();
    let place = items.iter().position(|node| node.text().is_some_and(|text| text == name));
    say(&place.map_or(list, |index| list.item(index, items[index])));
}
