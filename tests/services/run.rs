//! The loop as a process: its lease, its ticks, its end.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{World, is_alive, kill, own_claim, pid_of, signal, wait_for};

/// A loop that runs, and what it has said.
pub(crate) struct Loop {
    child: Child,
    said: Arc<Mutex<Vec<String>>>,
}

impl Loop {
    /// Starts one with a tick every 0.1 s, and waits until it runs.
    pub(crate) fn start(world: &World) -> Self {
        let found = Self::spawn(world);
        found.wait_said("the loop runs: pid");
        found
    }

    fn spawn(world: &World) -> Self {
        let mut command = world.command(&["run", "--interval", "0.1"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let said: Arc<Mutex<Vec<String>>> = Arc::default();
        let stdout: Box<dyn std::io::Read + Send> = Box::new(child.stdout.take().expect("piped"));
        let stderr: Box<dyn std::io::Read + Send> = Box::new(child.stderr.take().expect("piped"));
        for stream in [stdout, stderr] {
            let said = Arc::clone(&said);
            // It ends with the last process that has the stream.
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    said.lock().expect("no panic").push(line);
                }
            });
        }
        Self { child, said }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn has_said(&self, part: &str) -> bool {
        self.said.lock().expect("no panic").iter().any(|line| line.contains(part))
    }

    pub(crate) fn wait_said(&self, part: &str) {
        wait_for(&format!("the loop says `{part}`, not only {:?}", self.said), || self.has_said(part));
    }

    /// Waits until it has ended; its exit code.
    fn ended(&mut self) -> Option<i32> {
        let child = Mutex::new(&mut self.child);
        wait_for("the loop ends", || child.lock().expect("no panic").try_wait().expect("a look").is_some());
        self.child.wait().expect("it has ended").code()
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn stop(mut self) -> Option<i32> {
        signal(self.pid(), Signal::TERM);
        self.ended()
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        // A failed test has left it; one that has ended is reaped.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn lease(world: &World) -> Value {
    let bytes = std::fs::read(world.root().join("engine/managed-loop.json")).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or(Value::Null)
}

/// Writes a lease whose holder is this very test.
fn write_own_lease(world: &World, expires_at: i64) {
    let me = own_claim("run");
    let lease = json!({
        "version": 1, "pid": me["pid"], "start_ticks": me["start_ticks"], "boot_id": me["boot_id"], "since": 1,
        "expires_at": expires_at,
    });
    let path = world.root().join("engine/managed-loop.json");
    std::fs::create_dir_all(world.root().join("engine")).unwrap();
    // In one step: a loop that reads half of it would take it for nobody's.
    let beside = path.with_extension("by-the-test");
    std::fs::write(&beside, lease.to_string()).unwrap();
    std::fs::rename(&beside, &path).unwrap();
}

#[test]
fn the_loop_takes_sidecars_sweeps_and_ends_when_asked_with_services_alive() {
    for asked in [Signal::TERM, Signal::INT] {
        let world = World::new();
        let mut found = Loop::start(&world);
        assert_eq!(lease(&world)["pid"], found.pid());
        world.declare("ripley", &[world.shell("a", "exec sleep 1000"), world.shell("b", "exec sleep 1000")]);
        wait_for("both run and are healthy", || {
            let records = world.records();
            records.len() == 2 && records.iter().all(|record| record["healthy"] == true)
        });
        let sidecar = world.root().join("agents/ripley/managed-spawn.accepted.json");
        wait_for("the sidecar is aside", || sidecar.exists());
        kill(pid_of(&world.record("a")));
        wait_for("the dead one is dropped", || world.records().len() == 1);
        found.wait_said("a: drop: ");
        signal(found.pid(), asked);
        assert_eq!(found.ended(), Some(0));
        found.wait_said("services live on");
        assert_eq!(lease(&world), Value::Null, "the lease is given back");
        assert!(is_alive(pid_of(&world.record("b"))));
    }
}

#[test]
fn a_second_loop_ends_with_7_and_names_the_first() {
    let world = World::new();
    let first = Loop::start(&world);
    let ran = world.run(&["run", "--format", "json"]).ended(7);
    assert_eq!(ran.json()["error"]["code"], "lease-held", "{ran:?}");
    assert!(ran.stderr.contains(&format!("pid {}", first.pid())), "{ran:?}");
    assert_eq!(first.stop(), Some(0));
    assert_eq!(Loop::start(&world).stop(), Some(0));
}

#[test]
fn of_many_loops_that_start_at_once_one_runs() {
    let world = World::new();
    let mut all: Vec<Loop> = (0..12).map(|_| Loop::spawn(&world)).collect();
    // A reaped one is no process any more.
    let reap = |found: &mut Loop| drop(found.child.try_wait());
    let all_mutex = Mutex::new(&mut all);
    wait_for("one is left", || {
        let mut all = all_mutex.lock().expect("no panic");
        all.iter_mut().for_each(reap);
        all.iter().filter(|found| is_alive(found.pid())).count() == 1
    });
    let (mut running, ended): (Vec<Loop>, Vec<Loop>) =
        all.into_iter().partition(|found| lease(&world)["pid"] == found.pid());
    for mut found in ended {
        assert_eq!(found.ended(), Some(7));
    }
    assert_eq!(running.pop().expect("it has the lease").stop(), Some(0));
}

#[test]
fn a_loop_that_was_killed_is_followed_by_the_next_at_once() {
    let world = World::new();
    let mut first = Loop::start(&world);
    kill(first.pid());
    first.ended();
    assert_eq!(lease(&world)["pid"], first.pid(), "it could not give it back");
    let second = Loop::start(&world);
    second.wait_said(&format!("the lease was that of pid {}, which is dead", first.pid()));
    assert_eq!(second.stop(), Some(0));
}

#[test]
fn a_lease_that_is_over_is_taken_over_and_one_that_is_lost_ends_the_loop() {
    let world = World::new();
    write_own_lease(&world, i64::MAX);
    world.run(&["run"]).ended(7);
    write_own_lease(&world, 1);
    let mut found = Loop::start(&world);
    found.wait_said("whose lease is over since");
    write_own_lease(&world, i64::MAX);
    assert_eq!(found.ended(), Some(7));
    found.wait_said("lease-lost");
    assert_eq!(lease(&world)["pid"], std::process::id(), "what is another's is left alone");
    // What makes no sense is nobody's.
    std::fs::write(world.root().join("engine/managed-loop.json"), "{").unwrap();
    assert_eq!(Loop::start(&world).stop(), Some(0));
}

#[test]
fn wrong_settings_are_said_and_right_ones_are_taken_without_a_restart() {
    let world = World::new();
    let found = Loop::start(&world);
    std::fs::write(world.root().join("config.json"), r#"{"engine": {"managedSpawn": {"enabled": 1}}}"#).unwrap();
    found.wait_said("`enabled` is 1");
    world.declare("ripley", &[world.shell("a", "exec sleep 1000")]);
    world.set(&json!({"enabled": false}));
    found.wait_said("the settings have changed");
    assert!(world.records().is_empty(), "nothing is taken while services are switched off");
    world.set(&json!({}));
    wait_for("it is taken", || world.records().first().is_some_and(|record| record["healthy"] == true));
    assert_eq!(found.stop(), Some(0));
}

#[test]
fn a_tick_that_fails_is_said_and_the_next_one_goes_on() {
    let world = World::new();
    world.declare("ripley", &[world.shell("a", "exec sleep 1000")]);
    assert_eq!(world.accept("ripley", &[]).0, Some(0));
    let path = world.root().join("engine/managed-processes.json");
    let before = std::fs::read(&path).unwrap();
    let found = Loop::start(&world);
    let mut state = world.state();
    state["version"] = json!(99);
    world.put_state(state.to_string());
    found.wait_said("version 99");
    world.put_state(before);
    kill(pid_of(&world.record("a")));
    found.wait_said("a: drop: ");
    assert_eq!(found.stop(), Some(0));
}

#[test]
fn an_acceptance_that_takes_long_keeps_nothing_waiting_and_outlives_the_loop() {
    let world = World::new();
    let found = Loop::start(&world);
    let gate = world.dir.path().join("gate");
    let mut slow = world.shell("slow", "exec sleep 1000");
    slow["healthcheck"]["cmd"] = json!(format!("sh -c 'test -e {} && echo ok'", gate.display()));
    slow["healthcheck"]["interval_s"] = json!(0.1);
    world.declare("ripley", &[slow]);
    wait_for("the slow one runs", || world.records().first().is_some_and(|record| record["status"] == "running"));
    world.declare("dallas", &[world.shell("b", "exec sleep 1000")]);
    let is_healthy =
        |name: &str| world.records().iter().any(|record| record["name"] == name && record["healthy"] == true);
    wait_for("the other is healthy", || is_healthy("b"));
    assert_eq!(found.stop(), Some(0));
    let accepted = world.root().join("agents/ripley/managed-spawn.accepted.json");
    assert!(!accepted.exists() && !is_healthy("slow"));
    std::fs::write(&gate, "").unwrap();
    wait_for("the acceptance comes to its end", || accepted.exists());
    assert!(is_healthy("slow"));
}

#[test]
fn the_loop_sees_a_service_fail_and_recover() {
    let world = World::new();
    world.set(&json!({"healthBackoffSec": 0.2}));
    let sick = world.dir.path().join("sick");
    let mut spec = world.shell("a", "exec sleep 1000");
    spec["healthcheck"]["cmd"] = json!(format!("sh -c 'test -e {} || echo ok'", sick.display()));
    spec["healthcheck"]["failure_threshold"] = json!(2);
    world.declare("ripley", &[spec]);
    assert_eq!(world.accept("ripley", &[]).0, Some(0));
    let found = Loop::start(&world);
    let pid = pid_of(&world.record("a"));
    for (is_sick, word) in [(true, "a: unhealthy: "), (false, "a: healthy")] {
        if is_sick {
            std::fs::write(&sick, "").unwrap()
        } else {
            std::fs::remove_file(&sick).unwrap()
        }
        wait_for(word, || world.record("a")["healthy"] == !is_sick);
        found.wait_said(word);
    }
    assert_eq!(pid_of(&world.record("a")), pid);
    assert_eq!(found.stop(), Some(0));
}

#[test]
fn an_interval_that_is_none_is_refused() {
    let world = World::new();
    for interval in ["0", "-1", "0.01", "nan", "inf", "1e9", "soon"] {
        world.run(&["run", &format!("--interval={interval}")]).ended(64);
    }
    assert_eq!(lease(&world), Value::Null);
}

/// A named pipe, which whoever reads it waits at until somebody has written into it.
fn pipe(path: &std::path::Path) {
    rustix::fs::mknodat(
        rustix::fs::CWD,
        path,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
}

#[test]
fn who_asks_for_the_end_in_the_middle_of_a_probe_hurts_no_service() {
    let world = World::new();
    world.set(&json!({"healthBackoffSec": 0.2, "probeMaxSec": 60}));
    let (at_it, gate) = (world.dir.path().join("work/at-it"), world.dir.path().join("work/gate"));
    let mut spec = world.shell("a", "exec sleep 1000");
    spec["healthcheck"]["cmd"] = json!("sh -c 'if test -p gate; then touch at-it; cat gate; else echo ok; fi'");
    world.declare("ripley", &[spec]);
    assert_eq!(world.accept("ripley", &[]).0, Some(0));
    let before = world.record("a");
    pipe(&gate);
    let mut found = Loop::start(&world);
    wait_for("it is probed", || at_it.exists());
    signal(found.pid(), Signal::TERM);
    // The probe under way is waited for: it takes a while to be answered.
    std::fs::write(&gate, "ok").unwrap();
    assert_eq!(found.ended(), Some(0));
    let after = world.record("a");
    assert_eq!((&after["pid"], &after["status"], &after["healthy"]), (&before["pid"], &json!("running"), &json!(true)));
    assert!(is_alive(pid_of(&after)) && lease(&world) == Value::Null);
}

#[test]
fn who_asks_for_the_end_in_the_middle_of_a_delivery_loses_no_event() {
    let world = World::new();
    let dir = world.dir.path().join("work");
    let (at_it, gate, taken) = (dir.join("at-it"), dir.join("gate"), dir.join("taken"));
    let script = format!(
        "touch {}; test -p {} && cat {} >/dev/null; cat >> {}",
        at_it.display(),
        gate.display(),
        gate.display(),
        taken.display()
    );
    let sink = json!({"name": "cmd", "type": "command", "cmd": "sh", "args": ["-c", script], "timeoutSec": 60});
    world.set(&json!({"outbox": {"sinks": [sink]}}));
    pipe(&gate);
    world.declare("ripley", &[world.shell("a", "exec sleep 1000")]);
    assert_eq!(world.accept("ripley", &[]).0, Some(0));
    let mut found = Loop::start(&world);
    wait_for("an event is under way", || at_it.exists());
    signal(found.pid(), Signal::TERM);
    assert_eq!(found.ended(), Some(0));
    assert!(is_alive(pid_of(&world.record("a"))) && lease(&world) == Value::Null);
    // Who was at it may still read; then there is no pipe any more.
    let writer =
        rustix::fs::open(&gate, rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::NONBLOCK, rustix::fs::Mode::empty());
    std::fs::remove_file(&gate).unwrap();
    drop(writer);
    world.run(&["outbox", "drain"]).ended(0);
    let events = world.run(&["events", "--format", "json", "--limit", "1000"]).ended(0).json();
    let text = std::fs::read_to_string(&taken).unwrap();
    for event in events["items"].as_array().unwrap() {
        assert!(text.contains(event["id"].as_str().unwrap()), "it was lost: {event}");
    }
}

#[test]
fn the_level_of_what_it_tells_is_taken_without_a_restart() {
    let world = World::new();
    world.declare("ripley", &[world.shell("a", "exec sleep 1000"), world.shell("b", "exec sleep 1000")]);
    assert_eq!(world.accept("ripley", &[]).0, Some(0));
    let found = Loop::start(&world);
    kill(pid_of(&world.record("a")));
    found.wait_said("a: drop: ");
    assert!(!found.has_said("is written: "), "{:?}", found.said);
    world.set(&json!({"logLevel": "debug"}));
    found.wait_said("the settings have changed");
    kill(pid_of(&world.record("b")));
    found.wait_said("b: drop: ");
    found.wait_said("is written: ");
    assert_eq!(found.stop(), Some(0));
}
