//! What accepting a sidecar does to each of its specs.

use crate::service::{Liveness, Record, Scope, Spec, Status, record_name};

use super::claim::Turn;

/// One valid spec, with what was found out about it.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The spec as judged.
    pub spec: Spec,
    /// SHA-1 of the normalized spec.
    pub spec_hash: String,
    /// Where it belongs.
    pub scope: Scope,
}

/// What was observed about a record that a spec meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Its process.
    pub liveness: Liveness,
    /// Whether another command is at it.
    pub turn: Turn,
}

/// What to do for one spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start it; there is no record of it.
    Spawn,
    /// Start it in place of the record of that name, whose generation is ended first.
    Replace,
    /// A command died in the middle of its work on the record: end whatever it left, then plan anew.
    Recover,
    /// It runs already, as declared.
    Unchanged,
    /// It cannot be decided now.
    Refuse(Refusal),
}

/// Why a spec is refused for now. Nothing is changed by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another command is at the record.
    Claimed {
        /// That command's process.
        pid: u32,
        /// What it does.
        verb: String,
    },
    /// It cannot be told whether the recorded process lives.
    LivenessUnknown,
}

/// One step of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The name that the record has or will have.
    pub name: String,
    /// What to do.
    pub action: Action,
    /// Why, in a few words for people.
    pub why: String,
}

/// Plans one step per spec, in the order of `wanted`. `records` are all that there are; `facts` is asked about the one
/// that a spec meets: same scope, same declared name.
pub fn plan(
    wanted: &[Wanted],
    records: &[Record],
    name_length_max: usize,
    facts: impl Fn(&Record) -> Facts,
) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::with_capacity(wanted.len());
    for want in wanted {
        let step = match find(records, want) {
            Some(record) => {
                let (action, why) = meet(want, record, &facts(record));
                Step { name: record.name.clone(), action, why }
            }
            None => {
                let is_taken = |name: &str| {
                    records.iter().any(|record| record.name == name) || steps.iter().any(|step| step.name == name)
                };
                let name = record_name(&want.spec.name, &want.scope, name_length_max, is_taken);
                Step { name, action: Action::Spawn, why: "no service of this name in this scope".into() }
            }
        };
        steps.push(step);
    }
    steps
}

/// The record that `want` is about: same scope, same declared name.
pub fn find<'a>(records: &'a [Record], want: &Wanted) -> Option<&'a Record> {
    records.iter().find(|record| record.spec.name == want.spec.name && record.scope() == want.scope)
}

/// A spec that meets a record. Total over turn × liveness × same spec × status.
fn meet(want: &Wanted, record: &Record, facts: &Facts) -> (Action, String) {
    if let Turn::Theirs { pid, verb } = &facts.turn {
        let refusal = Refusal::Claimed { pid: *pid, verb: verb.clone() };
        return (Action::Refuse(refusal), format!("`minions managed {verb}` (pid {pid}) is at it"));
    }
    if record.claim.is_some() || record.previous.is_some() {
        let why = format!("it was left `{}` by a command that is gone", record.status.word());
        return (Action::Recover, why);
    }
    let is_same = record.spec_hash == want.spec_hash;
    match (facts.liveness, is_same, record.status) {
        (Liveness::Unknown, _, _) => {
            let refusal = Action::Refuse(Refusal::LivenessUnknown);
            (refusal, "it cannot be told whether the recorded process lives".into())
        }
        (Liveness::Dead, _, _) => (Action::Replace, "the recorded process is dead".into()),
        (Liveness::Alive, true, Status::Running) => (Action::Unchanged, "it runs as declared".into()),
        (Liveness::Alive, false, Status::Running) => (Action::Replace, "the spec has changed".into()),
        // Alive though it should not be, as after a stop that failed: start anew from a clean slate.
        (
            Liveness::Alive,
            _,
            Status::Queued | Status::Starting | Status::Backoff | Status::Stopping | Status::Stopped | Status::Failed,
        ) => (Action::Replace, format!("it is `{}`", record.status.word())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use crate::service::Previous;

    fn wanted() -> Wanted {
        let spec = sample::record(Status::Running).spec;
        Wanted { spec, spec_hash: "same".into(), scope: Scope { project: "shop".into(), worktree: None } }
    }

    fn record(status: Status, spec_hash: &str) -> Record {
        Record { spec_hash: spec_hash.into(), ..sample::record(status) }
    }

    fn action(record: &Record, facts: &Facts) -> Action {
        let steps = plan(&[wanted()], std::slice::from_ref(record), 64, |_| facts.clone());
        assert_eq!((steps.len(), steps[0].name.as_str()), (1, "web"));
        steps[0].action.clone()
    }

    #[test]
    fn every_cell_of_the_meeting_is_as_written() {
        for status in Status::ALL {
            for hash in ["same", "other"] {
                for liveness in [Liveness::Alive, Liveness::Dead, Liveness::Unknown] {
                    let expected = match (liveness, hash, status) {
                        (Liveness::Unknown, _, _) => Action::Refuse(Refusal::LivenessUnknown),
                        (Liveness::Alive, "same", Status::Running) => Action::Unchanged,
                        (Liveness::Alive | Liveness::Dead, _, _) => Action::Replace,
                    };
                    let facts = Facts { liveness, turn: Turn::Ours };
                    let met = record(status, hash);
                    assert_eq!(action(&met, &facts), expected, "{status:?} {hash} {liveness:?}");
                    check_turns(met, liveness);
                }
            }
        }
    }

    /// Whatever else is so: a record that another command is at is left alone, and one that was left is cleared first.
    fn check_turns(met: Record, liveness: Liveness) {
        let theirs = Turn::Theirs { pid: 7, verb: "stop".into() };
        let refusal = Action::Refuse(Refusal::Claimed { pid: 7, verb: "stop".into() });
        assert_eq!(action(&met, &Facts { liveness, turn: theirs }), refusal);
        let previous = Some(Previous::of(&met));
        let ours = Facts { liveness, turn: Turn::Ours };
        assert_eq!(action(&sample::claimed(met.clone(), "accept"), &ours), Action::Recover);
        assert_eq!(action(&Record { previous, ..met }, &ours), Action::Recover);
    }

    #[test]
    fn another_scope_is_another_service_with_a_name_of_its_own() {
        let mut other = record(Status::Running, "same");
        other.owner.project = "bank".into();
        let steps = plan(&[wanted()], &[other], 64, |_| unreachable!("no record is met"));
        assert_eq!(steps[0].action, Action::Spawn);
        assert!(steps[0].name.starts_with("web-"), "{}", steps[0].name);
    }
}
