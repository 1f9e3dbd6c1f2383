//! A temporary root with services in it, which end with it.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use minions_managed::state::Document;
use serde_json::{Value, json};
use tempfile::TempDir;

/// So many services are declared in one sidecar.
const SPECS_PER_FILE: usize = 50;
/// Ports are taken from here on: below those that the kernel gives to clients (ip_local_port_range), who would be in the
/// way.
static NEXT_PORT: AtomicU16 = AtomicU16::new(20_000);

/// A root of its own, a git worktree to work in, and the settings that let the C program be a service.
pub(crate) struct World {
    dir: TempDir,
    floor: PathBuf,
}

impl World {
    pub(crate) fn new(floor: &Path) -> Self {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        fs::create_dir_all(dir.path().join("repo/.git")).unwrap();
        let world = Self { dir, floor: floor.to_owned() };
        let settings = json!({"executableAllowlist": ["floor"], "maxSpecsPerFile": SPECS_PER_FILE});
        fs::create_dir_all(world.root().join("engine")).unwrap();
        fs::write(world.root().join("config.json"), json!({"engine": {"managedSpawn": settings}}).to_string()).unwrap();
        world
    }

    /// The same with so many services running, each a HTTP server, all healthy.
    pub(crate) fn with_services(floor: &Path, count: usize) -> Self {
        let world = Self::new(floor);
        let names: Vec<String> = (0..count).map(|at| format!("web-{at}")).collect();
        for chunk in names.chunks(SPECS_PER_FILE) {
            let specs: Vec<(&str, u16)> = chunk.iter().map(|name| (name.as_str(), free_port())).collect();
            let agent = format!("agent-{}", chunk[0]);
            world.declare(&agent, &specs);
            world.run(world.minions(&["accept", &agent]).args(["--format", "json"]));
        }
        assert_eq!(world.records().len(), count);
        world
    }

    /// The same with these servers, by name and port, which are started again at once, however often they end.
    pub(crate) fn with_restarting(floor: &Path, servers: &[(&str, u16)]) -> Self {
        let world = Self::new(floor);
        let restart = json!({"policy": "always", "backoff_s": [0], "max_restarts": 100, "window_s": 1});
        for (at, chunk) in servers.chunks(SPECS_PER_FILE).enumerate() {
            let agent = format!("agent-{at}");
            world.declare_with(&agent, chunk, &restart);
            world.run(world.minions(&["accept", &agent]).args(["--format", "json"]));
        }
        assert_eq!(world.records().len(), servers.len());
        world
    }

    /// A root without services of its own, whose state repeats `records` under `count` other names, each with its log and its
    /// run folder. Whoever makes it removes the state file in the end: these records are nobody's to stop.
    pub(crate) fn made_up(floor: &Path, records: &[Value], count: usize) -> Self {
        let world = Self::new(floor);
        let engine = world.root().join("engine");
        fs::create_dir_all(engine.join("managed-logs")).unwrap();
        let made_up = |at: usize| {
            let mut record = records[at % records.len()].clone();
            let name = format!("made-up-{at}");
            let log = engine.join("managed-logs").join(format!("{name}.log"));
            fs::write(&log, "up\n").unwrap();
            fs::create_dir_all(engine.join("managed-run").join(&name).join(record["generation"].as_str().unwrap()))
                .unwrap();
            record["name"] = json!(name);
            record["log_path"] = json!(log);
            record
        };
        let specs: Vec<Value> = (0..count).map(made_up).collect();
        let state = json!({"version": 1, "revision": 1, "specs": specs}).to_string();
        // As a command would have written it.
        fs::write(world.state(), Document::from_bytes(state.as_bytes()).unwrap().to_bytes()).unwrap();
        world
    }

    /// Where everything lives.
    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    /// Where the state file is.
    pub(crate) fn state(&self) -> PathBuf {
        self.root().join("engine/managed-processes.json")
    }

    /// Where an agent's sidecar goes when it has been accepted.
    pub(crate) fn accepted(&self, agent: &str) -> PathBuf {
        self.root().join("agents").join(agent).join("managed-spawn.accepted.json")
    }

    /// `minions managed ARGS…`, on this root.
    pub(crate) fn minions(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_minions"));
        command.arg("managed").args(args).arg("--root").arg(self.root());
        command
    }

    /// Runs `command`, which must succeed.
    pub(crate) fn run(&self, command: &mut Command) {
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{command:?}: {output:?}");
    }

    /// Writes the sidecar of `agent`: servers by name and port.
    pub(crate) fn declare(&self, agent: &str, servers: &[(&str, u16)]) {
        self.declare_with(agent, servers, &Value::Null);
    }

    /// The same with a restart policy.
    fn declare_with(&self, agent: &str, servers: &[(&str, u16)], restart: &Value) {
        let spec = |(name, port): &(&str, u16)| {
            let url = format!("http://127.0.0.1:{port}/");
            json!({
                "name": name, "cmd": self.floor, "args": ["serve", port.to_string()], "ports": [port],
                "cwd": self.dir.path().join("repo"), "env": {"NODE_ENV": "development"}, "ttl_minutes": 60, "restart": restart,
                "attrs": {"base_url": url},
                "healthcheck": {"type": "http", "url": url, "expect_status": 200, "interval_s": 1, "timeout_s": 60},
            })
        };
        let sidecar = json!({"specs": servers.iter().map(spec).collect::<Vec<_>>()});
        let dir = self.root().join("agents").join(agent);
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("managed-spawn.json"), sidecar.to_string()).unwrap();
    }

    /// Ends every service.
    pub(crate) fn stop_all(&self) {
        let names: Vec<String> =
            self.records().iter().map(|record| record["name"].as_str().unwrap().to_owned()).collect();
        if !names.is_empty() {
            self.run(self.minions(&["stop"]).args(&names));
        }
    }

    /// The records of the state file.
    pub(crate) fn records(&self) -> Vec<Value> {
        let Ok(bytes) = fs::read(self.state()) else { return Vec::new() };
        let state: Value = serde_json::from_slice(&bytes).unwrap();
        state["specs"].as_array().unwrap().clone()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop_all();
    }
}

/// A port on which nobody listens.
pub(crate) fn free_port() -> u16 {
    loop {
        let port = NEXT_PORT.fetch_add(1, Ordering::Relaxed);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
