//! A root, git worktrees and agents of one test; its services are ended with it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::ports::free_port;
use crate::weaker::weaker;

/// Far beyond what anything here takes; who waits so long fails.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// The world of one test.
pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Fails unless it ended with `code`.
    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::at(tempfile::Builder::new().prefix("mm-").tempdir().unwrap())
    }

    /// One whose files are in memory, where there is such a folder: for tests of many writes, of which no power cut is part.
    pub(crate) fn in_memory() -> Self {
        let mut builder = tempfile::Builder::new();
        let builder = builder.prefix("mm-");
        Self::at(builder.tempdir_in("/dev/shm").or_else(|_| builder.tempdir()).unwrap())
    }

    fn at(dir: tempfile::TempDir) -> Self {
        let world = Self { dir };
        std::fs::create_dir_all(world.root()).unwrap();
        world.set(&json!({}));
        world.worktree("work");
        world
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    /// Sets settings; the naughty service is always allowed.
    pub(crate) fn set(&self, settings: &Value) {
        let mut all = json!({"executableAllowlist": ["sh", "bash", "sleep", "naughty"], "stopGraceSec": 1});
        for (key, value) in settings.as_object().unwrap() {
            all[key] = value.clone();
        }
        let config = json!({"engine": {"managedSpawn": all}});
        std::fs::write(self.root().join("config.json"), config.to_string()).unwrap();
    }

    /// A git worktree of that name.
    pub(crate) fn worktree(&self, name: &str) -> PathBuf {
        let top = self.dir.path().join(name);
        std::fs::create_dir_all(top.join(".git")).unwrap();
        top
    }

    pub(crate) fn declare(&self, agent: &str, specs: &[Value]) {
        let dir = self.root().join("agents").join(agent);
        std::fs::create_dir_all(&dir).unwrap();
        let sidecar = json!({"specs": specs, "written_by": agent});
        std::fs::write(dir.join("managed-spawn.json"), sidecar.to_string()).unwrap();
    }

    /// A spec of a shell script with a check that passes at once.
    pub(crate) fn shell(&self, name: &str, script: &str) -> Value {
        json!({
            "name": name, "cmd": "sh", "args": ["-c", script], "cwd": self.dir.path().join("work"),
            "healthcheck": {"type": "command", "cmd": "sh -c 'echo ok'", "shell": true, "expect_regex": "ok", "timeout_s": 30},
        })
    }

    /// A spec of the naughty service in `mode` on a port of its own.
    pub(crate) fn server(&self, name: &str, mode: &str) -> Value {
        let port = free_port();
        json!({
            "name": name, "cmd": naughty(), "args": [mode, port.to_string()], "ports": [port],
            "cwd": self.dir.path().join("work"),
            "healthcheck": {"type": "http", "url": format!("http://127.0.0.1:{port}/"), "expect_status": 200, "timeout_s": 30},
        })
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_minions"));
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", self.dir.path());
        command.env("MINIONS_DIR", self.root()).arg("managed").args(args);
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        ran(&mut self.command(args))
    }

    /// Accepts and returns the report, whatever became of it.
    pub(crate) fn accept(&self, agent: &str, more: &[&str]) -> (Option<i32>, Value) {
        let mut args = vec!["accept", agent, "--format", "json"];
        args.extend(more);
        let ran = self.run(&args);
        (ran.code, ran.json())
    }

    pub(crate) fn state(&self) -> Value {
        let bytes = std::fs::read(self.root().join("engine/managed-processes.json")).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    /// Replaces the state file, in one step: whoever reads it meanwhile sees the one or the other, as the program itself has it.
    pub(crate) fn put_state(&self, bytes: impl AsRef<[u8]>) {
        let path = self.root().join("engine/managed-processes.json");
        let beside = path.with_extension("by-the-test");
        std::fs::write(&beside, bytes).unwrap();
        std::fs::rename(&beside, &path).unwrap();
    }

    pub(crate) fn records(&self) -> Vec<Value> {
        if !self.root().join("engine/managed-processes.json").exists() {
            return Vec::new();
        }
        self.state()["specs"].as_array().unwrap().clone()
    }

    pub(crate) fn record(&self, name: &str) -> Value {
        let found = self.records().into_iter().find(|record| record["name"] == name);
        found.unwrap_or_else(|| panic!("no record `{name}` in {}", self.state()))
    }

    /// Every living process that belongs to this world: its environment or its command line names our folder.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let mark = self.dir.path().to_str().unwrap().as_bytes();
        let holds = |pid: u32, file: &str| {
            std::fs::read(format!("/proc/{pid}/{file}")).is_ok_and(|bytes| contains(&bytes, mark))
        };
        let me = std::process::id();
        all_pids()
            .into_iter()
            .filter(|pid| *pid != me && is_alive(*pid) && (holds(*pid, "environ") || holds(*pid, "cmdline")))
            .collect()
    }

    /// Living shims of this world.
    pub(crate) fn shims(&self) -> Vec<u32> {
        let is_shim = |pid: &u32| {
            std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with(b"minions-shim"))
        };
        self.processes().into_iter().filter(is_shim).collect()
    }

    /// Whether a shim has its service, or has gone.
    pub(crate) fn shim_is_settled(&self, shim: u32) -> bool {
        let children = std::fs::read_to_string(format!("/proc/{shim}/task/{shim}/children")).unwrap_or_default();
        !is_alive(shim) || !children.trim().is_empty()
    }

    /// The generations that living processes carry the mark of, each once.
    pub(crate) fn live_generations(&self) -> Vec<String> {
        let mut found: Vec<String> =
            self.processes().into_iter().filter_map(|pid| variable(pid, "MINIONS_MANAGED_GENERATION")).collect();
        found.sort();
        found.dedup();
        found
    }
}

impl World {
    /// Removes the control groups whose shims could not: they were killed.
    fn remove_groups(&self) {
        let inside = |dir: PathBuf| std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
        for run_dir in inside(self.root().join("engine/managed-run")).flat_map(inside) {
            if let Ok(group) = std::fs::read_link(run_dir.join("cgroup")) {
                // Who has just been killed may not be gone yet.
                let end = Instant::now() + Duration::from_secs(1);
                while std::fs::remove_dir(&group).is_err() && group.exists() && Instant::now() < end {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        }
    }
}

impl Drop for World {
    /// Ends what a failed test left; the shims first, so that nobody reports to anybody.
    fn drop(&mut self) {
        for _ in 0..100 {
            let left = self.processes();
            if left.is_empty() {
                return self.remove_groups();
            }
            for pid in left {
                let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

pub(crate) fn ran(command: &mut Command) -> Ran {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ran { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

/// The test program that misbehaves, which `cargo test` has built.
pub(crate) fn naughty() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let target = tests.parent().and_then(Path::parent).unwrap();
    target.join("examples/naughty")
}

/// Waits until `fact` holds, and fails if it does not in time.
pub(crate) fn wait_for(what: &str, fact: impl Fn() -> bool) {
    let end = Instant::now() + LIMIT;
    while !fact() {
        assert!(Instant::now() < end, "not within {LIMIT:?}: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Whether there is a process of that pid that has not ended.
pub(crate) fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')')
        .next()
        .and_then(|rest| rest.split_whitespace().next())
        .is_some_and(|state| !matches!(state, "Z" | "X"))
}

/// A process that is none of ours and can be told from those of `record`: one that started in the same tick, elsewhere in the same
/// second, would be the same to whoever finds it under the same pid.
pub(crate) fn stranger_to(record: &Value) -> std::process::Child {
    await_other_start(std::slice::from_ref(record));
    Command::new("sleep").arg("1000").spawn().unwrap()
}

/// Waits until who starts from now on can be told from everybody in `records` by the start alone.
pub(crate) fn await_other_start(records: &[Value]) {
    let ticks = |record: &Value| ["start_ticks", "shim_start_ticks"].map(|key| record["process"][key].as_u64());
    let latest = records.iter().flat_map(ticks).flatten().max().unwrap_or_default();
    wait_for("the clock of processes has moved on", || {
        let mut trial = Command::new("sleep").arg("1000").spawn().unwrap();
        let identity = minions_managed::process::observe_identity(trial.id()).unwrap().unwrap();
        trial.kill().unwrap();
        trial.wait().unwrap();
        identity.start_ticks > latest
    });
}

/// One variable of a process's environment.
pub(crate) fn variable(pid: u32, key: &str) -> Option<String> {
    let bytes = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    text.split('\0').find_map(|one| one.strip_prefix(key)?.strip_prefix('=').map(str::to_owned))
}

/// The proof that a probe gives of a server that is the service's own.
pub(crate) fn proof() -> &'static str {
    if weaker("whose socket answered a probe") { "unverified" } else { "tree" }
}

/// Kills the shim of `record`, by which its service ends. Where nothing ends it, it is killed as well.
pub(crate) fn kill_shim(record: &Value) {
    kill(shim_of(record));
    if weaker("a service whose shim is killed") {
        assert!(is_alive(pid_of(record)), "it lives on");
        kill(pid_of(record));
    }
    wait_for("the service dies with its shim", || !is_alive(pid_of(record)));
}

/// The claim of a command that lives as long as the test: the test's own process, as the program knows it.
pub(crate) fn own_claim(verb: &str) -> Value {
    let me = minions_managed::process::own_identity().unwrap();
    json!({"pid": me.pid, "start_ticks": me.start_ticks, "boot_id": me.boot_id, "verb": verb, "at": 1})
}

pub(crate) fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

pub(crate) fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

pub(crate) fn pid_of(record: &Value) -> u32 {
    u32::try_from(record["pid"].as_u64().unwrap()).unwrap()
}

pub(crate) fn shim_of(record: &Value) -> u32 {
    u32::try_from(record["process"]["shim_pid"].as_u64().unwrap()).unwrap()
}

/// Living processes of services: those that carry a generation's mark.
pub(crate) fn marked(world: &World) -> Vec<u32> {
    let is_marked = |pid: &u32| variable(*pid, "MINIONS_MANAGED_GENERATION").is_some();
    world.processes().into_iter().filter(is_marked).collect()
}

fn all_pids() -> Vec<u32> {
    std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
