//! A spec: its fields in contract order, and what holds between the specs of one file.

use std::collections::HashMap;

use super::depends_on::Member;
use super::{Trial, args, attrs, cmd, cwd, depends_on, env, healthcheck, keys, lifecycle, name, ports, ttl};
use crate::service::Spec;
use crate::sidecar::codes::Code;
use crate::sidecar::notes::shown;
use crate::sidecar::spot::{Fields, Spot};

/// Judges the specs at `spots`, each in turn.
pub(super) fn all(trial: &mut Trial<'_>, spots: &[Spot<'_>]) -> Vec<Spec> {
    let mut members = Vec::with_capacity(spots.len());
    let mut names: HashMap<String, usize> = HashMap::new();
    let mut ports: HashMap<u16, usize> = HashMap::new();
    for (index, spot) in spots.iter().enumerate() {
        trial.notes.spec = Some(index);
        trial.notes.name = None;
        let Some(fields) = Fields::open(*spot) else {
            let message = format!("{} is no object", trial.notes.who());
            trial.fail(spot, Code::NotAnObject, message, "describe each service as an object");
            continue;
        };
        let spec = one(trial, &fields);
        between(trial, &fields, &spec, (&mut names, &mut ports));
        members.push(Member { index, spot: *spot, spec });
    }
    (trial.notes.spec, trial.notes.name) = (None, None);
    depends_on::between(trial, &members);
    members.into_iter().map(|member| member.spec).collect()
}

fn one(trial: &mut Trial<'_>, fields: &Fields<'_>) -> Spec {
    let name = name::judge(trial, fields);
    keys::judge(trial, fields, keys::SPEC);
    // Whether a command's path is trusted depends on the working folder, whose own failures come later in the order.
    let folder = cwd::text(fields);
    let cmd = cmd::judge(trial, fields, &folder);
    let args = args::judge(trial, fields, &args::SERVICE).unwrap_or_default();
    let cwd = cwd::judge(trial, fields);
    let env = env::judge(trial, fields);
    let ports = ports::judge(trial, fields);
    let ttl_minutes = ttl::judge(trial, fields);
    let attrs = attrs::judge(trial, fields);
    let healthcheck = healthcheck::judge(trial, fields, &folder);
    let lifecycle = lifecycle::judge(trial, fields);
    Spec { name, cmd, args, cwd, env, ports, ttl_minutes, attrs, healthcheck, lifecycle }
}

/// What holds between `spec` and those before it: no name twice; a port twice is odd.
fn between(
    trial: &mut Trial<'_>,
    fields: &Fields<'_>,
    spec: &Spec,
    (names, ports): (&mut HashMap<String, usize>, &mut HashMap<u16, usize>),
) {
    let index = trial.notes.spec.unwrap_or_default();
    if let Some(first) = names.get(&spec.name).filter(|_| !spec.name.is_empty()) {
        let message = format!("the name {} is taken by `specs[{first}]`", shown(&spec.name));
        trial.fail(
            &fields.place("name"),
            Code::DuplicateName.of(&spec.name),
            message,
            "give each service a name of its own",
        );
    } else {
        names.insert(spec.name.clone(), index);
    }
    let place = fields.place("ports");
    for port in &spec.ports {
        let first = *ports.entry(*port).or_insert(index);
        if first != index {
            let message = format!("port {port} of {} is also declared by `specs[{first}]`", trial.notes.who());
            let help = "only one service can listen on a port: give one of them another".to_owned();
            trial.notes.warn((&place, place.span()), Code::PortShared.of(&port.to_string()), message, help);
        }
    }
}
