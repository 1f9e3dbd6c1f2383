//! The root and its paths: the one table of contract section 1. Impure: looks for the root in the environment.

use std::path::{Path, PathBuf};

use super::error::{Error, Kind, Result};
use super::ids::{AgentName, Generation};

/// How the name of a barred run folder ends.
pub const BARRED: &str = ".barred";

/// By what a root was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `--root`.
    Option,
    /// `MINIONS_DIR`.
    Variable,
    /// A `.minions` folder at or above the current one.
    Above,
    /// `~/.minions`, for want of another.
    Home,
}

/// The folder under which everything lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    dir: PathBuf,
}

impl Root {
    /// The root at `dir`, which need not exist yet. A relative path is taken from the current folder.
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        let dir = dir.into();
        Self { dir: std::path::absolute(&dir).unwrap_or(dir) }
    }

    /// Finds the root: `--root`, else `MINIONS_DIR`, else the nearest `.minions` folder at or above the current
    /// one, else `~/.minions`. Empty variables count as unset. Without a HOME there is no last resort, and that is an
    /// error (`no-root`, exit 64): the user database is not asked, since a static program cannot read every kind of it.
    pub fn locate(flag: Option<&Path>) -> Result<Self> {
        Self::locate_with_origin(flag).map(|(root, _)| root)
    }

    /// The same, and by what it was found.
    #[expect(clippy::disallowed_methods, reason = "the one place that looks for the root")]
    pub fn locate_with_origin(flag: Option<&Path>) -> Result<(Self, Origin)> {
        let variable = |name: &str| std::env::var_os(name).filter(|dir| !dir.is_empty());
        if let Some(dir) = flag {
            return Ok((Self::at(dir), Origin::Option));
        }
        if let Some(dir) = variable("MINIONS_DIR") {
            return Ok((Self::at(PathBuf::from(dir)), Origin::Variable));
        }
        let here = std::env::current_dir().unwrap_or_default();
        if let Some(above) = here.ancestors().map(|dir| dir.join(".minions")).find(|dir| dir.is_dir()) {
            return Ok((Self::at(above), Origin::Above));
        }
        let home = variable("HOME").ok_or_else(|| {
            Error::new(Kind::Usage, "no-root", "there is no root: no .minions folder at or above this one, and no HOME")
                .with_hint("say where: --root DIR, or MINIONS_DIR in the environment")
        })?;
        Ok((Self::at(PathBuf::from(home).join(".minions")), Origin::Home))
    }

    /// The root folder itself, absolute.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// `config.json`: settings, ours under `engine.managedSpawn`.
    pub fn config(&self) -> PathBuf {
        self.dir.join("config.json")
    }

    /// `agents`: one folder per agent.
    pub fn agents(&self) -> PathBuf {
        self.dir.join("agents")
    }

    /// `agents/<agent>/managed-spawn.json`: what the agent declares.
    pub fn sidecar(&self, agent: &AgentName) -> PathBuf {
        self.agents().join(agent.as_str()).join("managed-spawn.json")
    }

    /// `agents/<agent>/managed-spawn.accepted.json`: where an accepted sidecar goes.
    pub fn sidecar_accepted(&self, agent: &AgentName) -> PathBuf {
        self.agents().join(agent.as_str()).join("managed-spawn.accepted.json")
    }

    /// `agents/<agent>/managed-spawn.rejected.json`: where a rejected sidecar goes.
    pub fn sidecar_rejected(&self, agent: &AgentName) -> PathBuf {
        self.agents().join(agent.as_str()).join("managed-spawn.rejected.json")
    }

    /// `engine`: everything that is ours alone.
    pub fn engine(&self) -> PathBuf {
        self.dir.join("engine")
    }

    /// `engine/managed-processes.json`: the state file.
    pub fn state(&self) -> PathBuf {
        self.engine().join("managed-processes.json")
    }

    /// `engine/managed-processes.lock`: its lock.
    pub fn lock(&self) -> PathBuf {
        self.engine().join("managed-processes.lock")
    }

    /// `engine/managed-loop.json`: the lease of the loop, there while a loop runs.
    pub fn lease(&self) -> PathBuf {
        self.engine().join("managed-loop.json")
    }

    /// `engine/managed-logs/<name>.log`: the service's stdout and stderr.
    pub fn log(&self, name: &str) -> PathBuf {
        self.engine().join("managed-logs").join(format!("{name}.log"))
    }

    /// `engine/managed-logs/<name>.log.1`: the log before the last rotation.
    pub fn log_previous(&self, name: &str) -> PathBuf {
        self.engine().join("managed-logs").join(format!("{name}.log.1"))
    }

    /// `engine/managed-run`: what the shims know, a folder per name.
    pub fn run(&self) -> PathBuf {
        self.engine().join("managed-run")
    }

    /// `engine/managed-run/<name>/<generation>`: what one shim knows.
    pub fn run_dir(&self, name: &str, generation: &Generation) -> PathBuf {
        self.run().join(name).join(generation.as_str())
    }

    /// `engine/managed-run/<name>/<generation>.barred`: the same folder once nobody is to start that generation any more.
    pub fn run_dir_barred(&self, name: &str, generation: &Generation) -> PathBuf {
        self.run().join(name).join(format!("{generation}{BARRED}"))
    }

    /// The name of the file that [`at_rest`](Self::at_rest) tells.
    pub const AT_REST: &str = "at-rest.json";

    /// `engine/managed-run/<name>/at-rest.json`: a copy of the record of a service that has no process and stays.
    pub fn at_rest(&self, name: &str) -> PathBuf {
        self.run().join(name).join(Self::AT_REST)
    }

    /// `engine/managed-runs`: one record per acceptance.
    pub fn runs(&self) -> PathBuf {
        self.engine().join("managed-runs")
    }

    /// `engine/managed-queue.json`: who decides which sidecar, and which runs are blocked.
    pub fn queue(&self) -> PathBuf {
        self.engine().join("managed-queue.json")
    }

    /// `engine/managed-queue.lock`: its lock.
    pub fn queue_lock(&self) -> PathBuf {
        self.engine().join("managed-queue.lock")
    }

    /// `engine/managed-outbox`: how far each sink has come, and its dead letters.
    pub fn outbox(&self) -> PathBuf {
        self.engine().join("managed-outbox")
    }

    /// `engine/managed-outbox/<sink>.json`: how far the sink has come.
    pub fn outbox_position(&self, sink: &str) -> PathBuf {
        self.outbox().join(format!("{sink}.json"))
    }

    /// `engine/managed-outbox/<sink>.lock`: who delivers to the sink has it.
    pub fn outbox_lock(&self, sink: &str) -> PathBuf {
        self.outbox().join(format!("{sink}.lock"))
    }

    /// `engine/managed-outbox/<sink>.dead.jsonl`: what the sink has refused too often.
    pub fn outbox_dead(&self, sink: &str) -> PathBuf {
        self.outbox().join(format!("{sink}.dead.jsonl"))
    }

    /// `engine/managed-outbox/<sink>.retry.jsonl`: dead letters that are tried once more.
    pub fn outbox_retry(&self, sink: &str) -> PathBuf {
        self.outbox().join(format!("{sink}.retry.jsonl"))
    }

    /// `engine/managed.log`: what commands that nobody watches have to say.
    pub fn diagnostics(&self) -> PathBuf {
        self.engine().join("managed.log")
    }

    /// `engine/managed-events.jsonl`: the journal's segment that is written.
    pub fn events(&self) -> PathBuf {
        self.engine().join("managed-events.jsonl")
    }

    /// `engine/managed-events.<first>.jsonl`: a closed segment, by the number of its first event in 16 digits.
    pub fn events_segment(&self, first: u64) -> PathBuf {
        self.engine().join(format!("managed-events.{first:016}.jsonl"))
    }

    /// The number of the first event of the closed segment of that file name; `None` if it is none.
    pub fn events_segment_first(file_name: &str) -> Option<u64> {
        let digits = file_name.strip_prefix("managed-events.")?.strip_suffix(".jsonl")?;
        digits.parse().ok().filter(|_| digits.len() >= 16 && digits.bytes().all(|byte| byte.is_ascii_digit()))
    }

    /// `engine/managed-events.jsonl.torn-<milliseconds>`: lines of the journal that made no sense.
    pub fn events_torn(&self, at_ms: i64) -> PathBuf {
        self.engine().join(format!("managed-events.jsonl.torn-{at_ms}"))
    }

    /// `engine/managed-cursors/<reader>.json`: how far a reader of the journal has come.
    pub fn cursor(&self, reader: &AgentName) -> PathBuf {
        self.engine().join("managed-cursors").join(format!("{reader}.json"))
    }

    /// `notes/inbox`: alerts in Markdown for people.
    pub fn inbox(&self) -> PathBuf {
        self.dir.join("notes").join("inbox")
    }
}
