//! What accepting a sidecar does to each of its specs.

use crate::service::{Activation, Graph, Liveness, Record, Scope, Spec, Status, record_name};

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
    /// Record it as `stopped`, without starting it: nobody needs it yet. What is left of an older one ends first.
    Declare,
    /// Start it; there is no record of it.
    Spawn,
    /// Start it in place of the record of that name, whose generation is ended first.
    Replace,
    /// A command died in the middle of its work on the record: end whatever it left, then plan anew.
    Recover,
    /// It runs already, as declared; or it waits until somebody needs it, as declared.
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
/// that a spec meets: same scope, same declared name. What is activated on demand is started only if it is up already, or
/// if one that waits for it is started.
pub fn plan(
    wanted: &[Wanted],
    records: &[Record],
    name_length_max: usize,
    facts: impl Fn(&Record) -> Facts,
) -> Vec<Step> {
    let mut names: Vec<String> = Vec::with_capacity(wanted.len());
    let mut met: Vec<Option<(&Record, Facts)>> = Vec::with_capacity(wanted.len());
    for want in wanted {
        let record = find(records, want);
        let is_taken =
            |name: &str| records.iter().any(|record| record.name == name) || names.iter().any(|taken| taken == name);
        names.push(match record {
            Some(record) => record.name.clone(),
            None => record_name(&want.spec.name, &want.scope, name_length_max, is_taken),
        });
        met.push(record.map(|record| (record, facts(record))));
    }
    let decide = |is_needed: &[bool]| -> Vec<(Action, String)> {
        let all = wanted.iter().zip(&met).zip(is_needed);
        all.map(|((want, met), is_needed)| one(want, met.as_ref(), *is_needed)).collect()
    };
    let needs = wanted.iter().map(|want| (&*want.spec.name, &*want.spec.lifecycle.depends_on));
    let mut is_needed: Vec<bool> =
        wanted.iter().map(|want| want.spec.lifecycle.activation == Activation::Always).collect();
    let first = decide(&is_needed);
    let is_started = |place: &usize| matches!(first[*place].0, Action::Spawn | Action::Replace | Action::Recover);
    let started: Vec<usize> = (0..wanted.len()).filter(is_started).collect();
    Graph::new(needs).closure(&started).into_iter().for_each(|place| is_needed[place] = true);
    let decided = decide(&is_needed).into_iter();
    names.into_iter().zip(decided).map(|(name, (action, why))| Step { name, action, why }).collect()
}

/// The step for one spec: the record that it meets, if there is one, and whether it is to be up.
fn one(want: &Wanted, met: Option<&(&Record, Facts)>, is_needed: bool) -> (Action, String) {
    match met {
        Some((record, facts)) => meet(want, record, facts, is_needed),
        None if is_needed => (Action::Spawn, "no service of this name in this scope".into()),
        None => (Action::Declare, ON_DEMAND.into()),
    }
}

const ON_DEMAND: &str = "it is started once somebody needs it";

/// The record that `want` is about: same scope, same declared name.
pub fn find<'a>(records: &'a [Record], want: &Wanted) -> Option<&'a Record> {
    records.iter().find(|record| record.spec.name == want.spec.name && record.scope() == want.scope)
}

/// A spec that meets a record. Total over turn × liveness × same spec × status × need.
fn meet(want: &Wanted, record: &Record, facts: &Facts, is_needed: bool) -> (Action, String) {
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
        (Liveness::Dead, true, Status::Stopped) if !is_needed => (Action::Unchanged, ON_DEMAND.into()),
        (Liveness::Dead, _, _) if !is_needed => (Action::Declare, ON_DEMAND.into()),
        (Liveness::Dead, _, Status::Stopped) => (Action::Replace, "it is `stopped`, and is needed".into()),
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
        action_for(&wanted(), record, facts)
    }

    fn action_for(want: &Wanted, record: &Record, facts: &Facts) -> Action {
        let steps = plan(std::slice::from_ref(want), std::slice::from_ref(record), 64, |_| facts.clone());
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
                    let expected = match (liveness, hash, status) {
                        (Liveness::Dead, "same", Status::Stopped) => Action::Unchanged,
                        (Liveness::Dead, _, _) => Action::Declare,
                        (Liveness::Alive | Liveness::Unknown, _, _) => expected,
                    };
                    assert_eq!(
                        action_for(&on_demand("web", &[]), &met, &facts),
                        expected,
                        "{status:?} {hash} {liveness:?}"
                    );
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

    fn on_demand(name: &str, needs: &[&str]) -> Wanted {
        let mut want = always(name, needs);
        want.spec.lifecycle.activation = Activation::OnDemand;
        want
    }

    fn always(name: &str, needs: &[&str]) -> Wanted {
        let mut want = wanted();
        want.spec.name = name.into();
        want.spec.lifecycle.depends_on = needs.iter().map(|need| (*need).to_owned()).collect();
        want
    }

    #[test]
    fn what_is_started_takes_with_it_what_it_waits_for() {
        let check = |wanted: &[Wanted], records: &[Record], expected: &[Action]| {
            let facts = |record: &Record| {
                let is_up = record.status == Status::Running;
                Facts { liveness: if is_up { Liveness::Alive } else { Liveness::Dead }, turn: Turn::Ours }
            };
            let steps = plan(wanted, records, 64, facts);
            assert_eq!(steps.into_iter().map(|step| step.action).collect::<Vec<_>>(), expected);
        };
        use Action::{Declare, Replace, Spawn, Unchanged};
        let named = |name: &str, status, hash| {
            let mut record = record(status, hash);
            (record.name, record.spec.name) = (name.into(), name.into());
            record
        };
        // Nobody waits for `mail`, and who waits for `queue` is not started either.
        let wanted =
            [always("web", &["api"]), on_demand("api", &["db"]), on_demand("db", &[]), on_demand("mail", &["queue"])];
        let wanted = [&wanted[..], &[on_demand("queue", &[])]].concat();
        check(&wanted, &[], &[Spawn, Spawn, Spawn, Declare, Declare]);
        let stopped = ["api", "db", "mail", "queue"].map(|name| named(name, Status::Stopped, "same"));
        check(&wanted, &stopped, &[Spawn, Replace, Replace, Unchanged, Unchanged]);
        // A service that runs as declared does not wake what it could do without until now.
        let mut running = stopped.to_vec();
        running.push(named("web", Status::Running, "same"));
        check(&wanted, &running, &[Unchanged, Unchanged, Unchanged, Unchanged, Unchanged]);
        running[4].spec_hash = "other".into();
        check(&wanted, &running, &[Replace, Replace, Replace, Unchanged, Unchanged]);
        // What is up already stays up, in its new form.
        running[2] = named("mail", Status::Running, "other");
        check(&wanted[3..], &running, &[Replace, Replace]);
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
