//! A wall clock that jumps while services run: shims, commands and the loop are told of another time, each by the switch of debug builds. The
//! kernel wakes whoever has a timer on a clock that is set; here SIGHUP does, on which a shim looks at its time to live anew.

use std::path::PathBuf;
use std::process::{Child, Stdio};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Ran, World, is_alive, kill, pid_of, ran, shim_of, signal, wait_for};

const HOURS_2: i64 = 2 * 3_600_000;

/// A world with a clock of its own.
struct Clock {
    world: World,
}

impl Clock {
    fn new() -> Self {
        let world = World::new();
        std::fs::create_dir_all(world.root().join("engine")).unwrap();
        let clock = Self { world };
        clock.write(0);
        clock
    }

    fn file(&self) -> PathBuf {
        self.world.root().join("engine/clock-set")
    }

    /// Whole or not at all: it is read all the time.
    fn write(&self, by_ms: i64) {
        let next = self.file().with_extension("next");
        std::fs::write(&next, by_ms.to_string()).unwrap();
        std::fs::rename(next, self.file()).unwrap();
    }

    /// Sets it, and returns once every shim of `records` has looked at it.
    fn set(&self, by_ms: i64, records: &[Value]) {
        let shims: Vec<u32> = records.iter().map(shim_of).filter(|shim| is_alive(*shim)).collect();
        let turns: Vec<u64> = shims.iter().map(|shim| naps(*shim)).collect();
        self.write(by_ms);
        shims.iter().for_each(|shim| signal(*shim, Signal::HUP));
        for (shim, before) in shims.iter().zip(turns) {
            wait_for("the shim has looked", || !is_alive(*shim) || naps(*shim) > before);
        }
    }

    fn command(&self, args: &[&str]) -> std::process::Command {
        let mut command = self.world.command(args);
        command.env("MINIONS_CLOCK", self.file());
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        ran(&mut self.command(args))
    }

    fn accept(&self, specs: &[Value]) {
        self.world.declare("ripley", specs);
        self.run(&["accept", "ripley", "--project", "shop"]).ended(0);
    }

    fn start_loop(&self) -> Child {
        let mut run = self.command(&["run", "--interval", "0.1"]);
        run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    fn lease(&self) -> Value {
        let bytes = std::fs::read(self.world.root().join("engine/managed-loop.json")).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or(Value::Null)
    }
}

/// How often a process has gone to sleep of its own accord.
fn naps(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.and_then(|count| count.trim().parse().ok()).unwrap_or_default()
}

#[test]
fn a_clock_that_jumps_by_two_hours_and_back_ends_and_starts_nobody_before_its_time() {
    let clock = Clock::new();
    let world = &clock.world;
    let mut waiting = world.shell("waits", "exec sleep 1000");
    waiting["restart"] = json!({"policy": "always", "backoff_s": [1000]});
    clock.accept(&[world.shell("web", "exec sleep 1000"), waiting]);
    let records = world.records();
    kill(pid_of(&world.record("waits")));
    wait_for("it waits for its next start", || world.record("waits")["status"] == "backoff");
    let (web, waits) = (world.record("web"), world.record("waits"));
    for by_ms in [HOURS_2, 0, -HOURS_2, 0] {
        clock.set(by_ms, &records);
        for args in [&["sweep"][..], &["reconcile"], &["healthcheck", "web"], &["list"], &["ensure", "web"]] {
            let told = clock.run(args).ended(0);
            let now = world.record("web");
            for key in ["pid", "generation", "status", "ttl_expires_at", "started_at"] {
                assert_eq!(now[key], web[key], "{by_ms}, {args:?}: {told:?}");
            }
            assert!(is_alive(pid_of(&now)) && is_alive(shim_of(&now)), "{by_ms}, {args:?}: {told:?}");
            // Its shim counts the wait by a clock that nobody sets.
            let still = world.record("waits");
            for key in ["generation", "status", "next_at", "ttl_expires_at"] {
                assert_eq!(still[key], waits[key], "{by_ms}, {args:?}: {told:?}");
            }
            assert!(is_alive(shim_of(&records[0])) && is_alive(shim_of(&records[1])), "{by_ms}, {args:?}: {told:?}");
        }
    }
    clock.run(&["stop", "web", "waits"]).ended(0);
    wait_for("nobody is left", || world.processes().is_empty());
}

#[test]
fn a_time_to_live_is_a_moment_of_the_wall_clock_that_shim_and_sweep_agree_on() {
    let clock = Clock::new();
    let world = &clock.world;
    let mut short = world.shell("short", "exec sleep 1000");
    short["ttl_minutes"] = json!(60);
    clock.accept(&[short, world.shell("long", "exec sleep 1000")]);
    let (records, pid) = (world.records(), pid_of(&world.record("short")));
    clock.set(-HOURS_2, &records);
    clock.run(&["sweep"]).ended(0);
    assert!(is_alive(pid), "it has three hours now");
    clock.set(HOURS_2, &records);
    wait_for("its shim ends it", || !is_alive(pid));
    clock.run(&["sweep"]).ended(0);
    let names: Vec<Value> = world.records().iter().map(|record| record["name"].clone()).collect();
    assert_eq!(names, ["long"]);
    assert!(is_alive(pid_of(&world.record("long"))));
}

#[test]
fn of_the_loop_there_is_one_however_the_clock_jumps() {
    let clock = Clock::new();
    let mut first = clock.start_loop();
    let holds = |pid: u32| clock.lease()["pid"] == pid;
    wait_for("it has the lease", || holds(first.id()));
    let real = minions_managed::base::clock::EpochMs::now().0;
    clock.set(-HOURS_2, &[]);
    let told = clock.run(&["run", "--interval", "0.1"]).ended(7);
    assert!(told.stderr.contains("lease-held"), "{told:?}");
    clock.set(HOURS_2, &[]);
    wait_for("it has prolonged its lease", || clock.lease()["expires_at"].as_i64() > Some(real + HOURS_2));
    let told = clock.run(&["run", "--interval", "0.1"]).ended(7);
    assert!(told.stderr.contains("lease-held"), "{told:?}");
    // Who dies with a lease that is good for two hours more leaves it to the next all the same.
    clock.set(0, &[]);
    first.kill().unwrap();
    first.wait().unwrap();
    let mut second = clock.start_loop();
    wait_for("the next one has it", || holds(second.id()));
    signal(second.id(), Signal::TERM);
    assert_eq!(second.wait().unwrap().code(), Some(0));
}
