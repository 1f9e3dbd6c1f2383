//! A record: what we know of one service. Its JSON is `state/wire`.

use crate::base::clock::EpochMs;
use crate::base::ids::Generation;

use super::{EnvVars, ExitRecord, Identity, Progress, Proof, Scope, Spec, Status};

/// One service in the state file.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The name that the service goes by everywhere; unique in the file. The declared one is `spec.name`.
    pub name: String,
    /// What was declared.
    pub spec: Spec,
    /// Who declared it, for which work, in which project.
    pub owner: Owner,
    /// Top folder of the git worktree of `cwd`, links resolved; `None` without a cwd or outside of any.
    pub worktree: Option<String>,
    /// The life that this record is about; `None` in a legacy record.
    pub generation: Option<Generation>,
    /// SHA-1 of the normalized spec, in hex; another hash is another spec. Empty in a legacy record.
    pub spec_hash: String,
    /// Where it stands.
    pub status: Status,
    /// Whether the last probe passed.
    pub healthy: bool,
    /// Whether it was alive when last looked at.
    pub alive: bool,
    /// The service's pid; `None` before the spawn.
    pub pid: Option<u32>,
    /// Proof of who that is; `None` before the spawn and in a legacy record.
    pub process: Option<Process>,
    /// When this generation was spawned.
    pub started_at: Option<EpochMs>,
    /// When its time to live ends.
    pub ttl_expires_at: Option<EpochMs>,
    /// When a probe last passed.
    pub last_health_at: Option<EpochMs>,
    /// Whose socket answered that probe.
    pub health_proof: Option<Proof>,
    /// Where its output goes.
    pub log_path: String,
    /// The acceptance it came from.
    pub run_id: Option<String>,
    /// The program that runs: `cmd` resolved on the supervisor's own PATH.
    pub resolved_cmd: String,
    /// What passEnvKeys held when the spec was accepted, so that a restart from cron is the same as the first start.
    pub passed_env: EnvVars,
    /// Who is working on this record; `None` once it is settled.
    pub claim: Option<Claim>,
    /// The generation that this one replaces, until it is proven gone.
    pub previous: Option<Previous>,
    /// How the generation ended, once it has.
    pub last_exit: Option<ExitRecord>,
    /// What has become of the service over its generations.
    pub progress: Progress,
    /// Keys of the file that this version does not know, kept as they are.
    pub unknown: serde_json::Map<String, serde_json::Value>,
}

/// Whose service it is. Each is empty when nobody said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// The agent whose sidecar declared it.
    pub agent: String,
    /// The work item.
    pub work_item: String,
    /// The project.
    pub project: String,
}

/// The processes of one generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// The service itself.
    pub service: Identity,
    /// Its shim, which is its parent. Of the same boot.
    pub shim: Identity,
}

/// The mark of a command in the middle of its work: if its maker is dead, recovery takes over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The command's own process.
    pub maker: Identity,
    /// What it does: `accept`, `stop` …
    pub verb: String,
    /// Since when.
    pub at: EpochMs,
}

/// A generation that must be gone before its successor is spawned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Previous {
    /// Which; `None` if it came from a legacy record.
    pub generation: Option<Generation>,
    /// Its processes, if it had been spawned.
    pub process: Option<Process>,
    /// The pid of a legacy record's process, which has no other proof.
    pub legacy_pid: Option<u32>,
    /// When it was spawned.
    pub started_at: Option<EpochMs>,
}

impl Previous {
    /// What must be gone before `record` has a successor.
    pub fn of(record: &Record) -> Self {
        Self {
            generation: record.generation.clone(),
            process: record.process.clone(),
            legacy_pid: record.pid.filter(|_| record.generation.is_none()),
            started_at: record.started_at,
        }
    }
}

impl Record {
    /// Where the service belongs.
    pub fn scope(&self) -> Scope {
        Scope { project: self.owner.project.clone(), worktree: self.worktree.clone() }
    }

    /// Whether the record is about `generation`, or about another life by the same shim.
    pub fn is_kin(&self, generation: Option<&Generation>) -> bool {
        match (&self.generation, generation) {
            (Some(own), Some(other)) => own.is_kin(other),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }

    /// Whether nobody has worked on the record since it was `then`. Health may have changed.
    pub fn is_same_life(&self, then: &Self) -> bool {
        self.generation == then.generation
            && self.status == then.status
            && self.claim == then.claim
            && self.spec_hash == then.spec_hash
            && self.process == then.process
    }
}
