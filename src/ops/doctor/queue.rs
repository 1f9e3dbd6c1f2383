//! Runs and leases: who died while deciding a sidecar, and run records that cannot be read.

use std::path::PathBuf;

use crate::runs::{Listing, RunStore};

use super::super::context::Context;
use super::super::queue;
use super::finding::{Area, Finding, counted, listed};

/// What is known.
#[derive(Default)]
pub(super) struct Facts {
    /// Agents whose leases somebody has who is dead.
    abandoned: Vec<String>,
    /// Run records that cannot be read, by the names of their files.
    unreadable: Vec<String>,
    runs: PathBuf,
}

pub(super) fn observe(context: &Context) -> Facts {
    let Listing { malformed, .. } = RunStore::new(&context.root).list().unwrap_or_default();
    let name = |path: &PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Facts {
        abandoned: queue::abandoned(context).unwrap_or_default(),
        unreadable: malformed.iter().map(|one| name(&one.path)).collect(),
        runs: context.root.runs(),
    }
}

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let Facts { abandoned, unreadable, runs } = facts;
    let names = |texts: &[String]| listed(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let mut findings = Vec::new();
    if !abandoned.is_empty() {
        let message = format!(
            "{} left by a command that died: of {}",
            counted(abandoned.len(), "lease at a sidecar was", "leases at sidecars were"),
            names(abandoned)
        );
        let hint = "the next sweep or accept settles it: minions managed sweep";
        findings.push(Area::Upkeep.note("lease-abandoned", message).with_hint(hint));
    }
    if !unreadable.is_empty() {
        let message =
            format!("{} cannot be read: {}", counted(unreadable.len(), "run record", "run records"), names(unreadable));
        let hint = "nothing depends on it but `runs`, and the idempotency key that it may have; move it away";
        findings.push(Area::Upkeep.warning("run-unreadable", message).at(runs).with_hint(hint));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leases_of_the_dead_and_runs_that_are_none_are_said() {
        let codes = |facts: &Facts| judge(facts).iter().map(|finding| finding.code).collect::<Vec<_>>();
        assert_eq!(codes(&Facts::default()), Vec::<&str>::new());
        let facts = Facts {
            abandoned: vec!["ripley".into()],
            unreadable: vec!["run-0.json".into()],
            runs: "/r/engine/managed-runs".into(),
        };
        assert_eq!(codes(&facts), ["lease-abandoned", "run-unreadable"]);
    }
}
