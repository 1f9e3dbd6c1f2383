//! Services that come when they are called.

use std::process::{Child, Output, Stdio};

use serde_json::{Value, json};

use crate::support::{Ran, World, is_alive, kill, pid_of, ran, stranger_to, wait_for};

/// A spec that is started by `ensure` alone.
fn on_demand(mut spec: Value) -> Value {
    spec["activation"] = json!("on-demand");
    spec
}

/// Each start of the service leaves a line in `NAME.starts`.
fn counted(world: &World, name: &str) -> Value {
    world.shell(name, &format!("echo $$ >> {name}.starts; exec sleep 1000"))
}

fn starts(world: &World, name: &str) -> usize {
    let text = std::fs::read_to_string(world.dir.path().join(format!("work/{name}.starts"))).unwrap_or_default();
    text.lines().count()
}

/// Kills the service, and waits until it is dead.
fn end(world: &World, name: &str) {
    let pid = pid_of(&world.record(name));
    kill(pid);
    wait_for("it is dead", || !is_alive(pid));
}

/// Waits until the service was started so often: its probe may pass before it has left its line.
fn wait_starts(world: &World, name: &str, count: usize) {
    wait_for("its starts are counted", || starts(world, name) >= count);
    assert_eq!(starts(world, name), count, "{name}");
}

fn accepted(world: &World, specs: &[Value]) {
    world.declare("ripley", specs);
    let (code, report) = world.accept("ripley", &["--project", "shop"]);
    assert_eq!(code, Some(0), "{report}");
}

fn ensure(world: &World, name: &str) -> Ran {
    world.run(&["ensure", name, "--format", "json"])
}

/// Calls `ensure NAME` so many times at once.
fn ensure_at_once(world: &World, name: &str, count: usize) -> Vec<Ran> {
    let start = |_| -> Child {
        let mut command = world.command(&["ensure", name, "--format", "json"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
    };
    let children: Vec<Child> = (0..count).map(start).collect();
    let end = |child: Child| {
        let Output { status, stdout, stderr } = child.wait_with_output().expect("it ends");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ran { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
    };
    children.into_iter().map(end).collect()
}

#[test]
fn what_is_up_is_answered_for_at_once_and_nothing_is_written() {
    let world = World::new();
    let mut spec = world.server("web", "http");
    spec["attrs"] = json!({"base_url": "http://me:secret@localhost:1/app"});
    accepted(&world, &[spec, world.shell("a", "exec sleep 1000")]);
    let before = world.state();
    let told = ensure(&world, "web").ended(0).json();
    let record = world.record("web");
    for key in ["name", "pid", "generation", "ports", "health_proof", "log_path"] {
        assert_eq!(told[key], record[key], "{key}");
    }
    assert_eq!((&told["action"], &told["healthy"], &told["dependencies"]), (&json!("none"), &json!(true), &json!([])));
    let url = told["base_url"].as_str().expect("an address");
    assert!(url.ends_with("localhost:1/app") && !url.contains("secret"), "{url}");
    assert_eq!(world.state(), before, "it was started a moment ago, which is use enough");
    assert_eq!(ensure(&world, "a").ended(0).json()["base_url"], Value::Null);
    let text = world.run(&["ensure", "a"]).ended(0).stdout;
    assert_eq!(text, format!("a: healthy (pid {})\n", world.record("a")["pid"]));
}

#[test]
fn what_is_on_demand_waits_until_it_is_called_and_keeps_its_time_to_live() {
    let world = World::new();
    accepted(&world, &[on_demand(world.server("web", "http"))]);
    let before = world.record("web");
    assert_eq!((&before["status"], &before["pid"]), (&json!("stopped"), &Value::Null), "{before}");
    let told = ensure(&world, "web").ended(0).json();
    assert_eq!(told["action"], "started");
    let port = &before["ports"][0];
    assert_eq!((&told["base_url"], &told["ports"][0]), (&json!(format!("http://127.0.0.1:{port}")), port));
    let record = world.record("web");
    assert_eq!((&record["status"], &record["healthy"]), (&json!("running"), &json!(true)));
    assert_eq!(record["ttl_expires_at"], before["ttl_expires_at"]);
    assert!(is_alive(pid_of(&record)));
    assert_eq!(ensure(&world, "web").ended(0).json()["pid"], record["pid"]);
}

#[test]
fn two_hundred_callers_at_once_start_one_generation_and_all_are_told_healthy() {
    let world = World::new();
    accepted(&world, &[on_demand(counted(&world, "a"))]);
    let all = ensure_at_once(&world, "a", 200);
    let record = world.record("a");
    for ran in all {
        let told = ran.ended(0).json();
        assert_eq!((&told["healthy"], &told["generation"]), (&json!(true), &record["generation"]), "{told}");
    }
    wait_starts(&world, "a", 1);
    assert_eq!(world.live_generations().len(), 1);
    assert_eq!(world.shims().len(), 1);
}

#[test]
fn of_many_who_wait_for_a_start_that_fails_each_is_told_and_none_tries_it_again() {
    let world = World::new();
    let mut spec = on_demand(counted(&world, "a"));
    spec["healthcheck"]["cmd"] = json!("sh -c 'exit 1'");
    spec["healthcheck"]["timeout_s"] = json!(5);
    spec["healthcheck"]["interval_s"] = json!(0.1);
    accepted(&world, &[spec]);
    for ran in ensure_at_once(&world, "a", 8) {
        let error = ran.ended(4).json()["error"].clone();
        assert_eq!(error["code"], "managed-spawn-healthcheck-failed", "{error}");
    }
    assert_eq!(starts(&world, "a"), 1);
    assert_eq!(world.record("a")["status"], "failed", "it is on demand: the next who needs it tries again");
    ensure(&world, "a").ended(4);
    assert_eq!(starts(&world, "a"), 2);
}

#[test]
fn what_it_depends_on_comes_first_and_one_that_was_lost_is_said() {
    let world = World::new();
    let [db, mut api, mut web] = ["db", "api", "web"].map(|name| on_demand(counted(&world, name)));
    // Each looks, at its start, for what it needs.
    api["args"][1] = json!("test -e db.starts && echo $$ >> api.starts; exec sleep 1000");
    web["args"][1] = json!("test -e api.starts && echo $$ >> web.starts; exec sleep 1000");
    let mut db = db;
    for (name, spec) in [("db", &mut db), ("api", &mut api)] {
        spec["healthcheck"]["cmd"] = json!(format!("sh -c 'test -e {name}.starts && echo ok'"));
        spec["healthcheck"]["interval_s"] = json!(0.1);
    }
    api["depends_on"] = json!(["db"]);
    web["depends_on"] = json!(["api", "db"]);
    accepted(&world, &[web, api, db]);
    let told = ensure(&world, "web").ended(0).json();
    let names: Vec<&Value> = told["dependencies"].as_array().expect("an array").iter().map(|up| &up["name"]).collect();
    assert_eq!(names, ["db", "api"]);
    ["db", "api", "web"].iter().for_each(|name| wait_starts(&world, name, 1));

    end(&world, "db");
    let told = ensure(&world, "web").ended(0).json();
    assert_eq!((&told["action"], &told["dependencies"][0]["action"]), (&json!("none"), &json!("started")), "{told}");
    wait_starts(&world, "db", 2);
    wait_starts(&world, "web", 1);

    world.run(&["stop", "db"]);
    let ran = ensure(&world, "web").ended(6);
    assert!(ran.stderr.contains("`api` depends on `db`"), "{ran:?}");
}

#[test]
fn whoever_is_dead_or_failed_or_waits_is_started_again() {
    let world = World::new();
    let mut spec = counted(&world, "a");
    spec["restart"] = json!({"policy": "always", "backoff_s": [1000]});
    accepted(&world, &[spec, on_demand(counted(&world, "b"))]);
    ensure(&world, "b").ended(0);
    for name in ["a", "b"] {
        end(&world, name);
        wait_for("it is recorded as what it is by then", || {
            world.run(&["sweep"]).ended(0);
            ["backoff", "failed"].iter().any(|status| world.record(name)["status"] == *status)
        });
        let told = ensure(&world, name).ended(0).json();
        assert_eq!(told["action"], "started", "{told}");
        assert!(is_alive(pid_of(&world.record(name))));
        wait_starts(&world, name, 2);
    }
    // Nobody has noticed yet.
    end(&world, "b");
    ensure(&world, "b").ended(0);
    assert!(is_alive(pid_of(&world.record("b"))));
    assert_eq!(world.live_generations().len(), 2);
}

#[test]
fn who_waits_for_a_starter_that_is_killed_sees_to_it_himself() {
    let world = World::new();
    let gate = world.dir.path().join("gate");
    let mut spec = on_demand(counted(&world, "a"));
    spec["healthcheck"]["cmd"] = json!(format!("sh -c 'test -e {} && echo ok'", gate.display()));
    spec["healthcheck"]["interval_s"] = json!(0.1);
    accepted(&world, &[spec]);
    let start = || world.command(&["ensure", "a", "--format", "json"]).stdout(Stdio::piped()).spawn().expect("starts");
    let mut first = start();
    wait_for("it is started", || starts(&world, "a") == 1 && world.record("a")["status"] == "running");
    let second = start();
    first.kill().expect("killed");
    first.wait().expect("reaped");
    std::fs::write(&gate, "").expect("written");
    let ended = second.wait_with_output().expect("it ends");
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert_eq!(world.record("a")["healthy"], true);
    wait_starts(&world, "a", 1);
}

#[test]
fn what_will_not_be_up_is_said() {
    let world = World::new();
    accepted(&world, &[on_demand(counted(&world, "a"))]);
    ensure(&world, "b").ended(6);
    let mut state = world.state();
    state["specs"][0]["ttl_expires_at"] = json!(1);
    std::fs::write(world.root().join("engine/managed-processes.json"), state.to_string()).expect("written");
    let ran = ensure(&world, "a").ended(7);
    assert_eq!(ran.json()["error"]["code"], "expired");
    assert_eq!(starts(&world, "a"), 0);
    world.set(&json!({"enabled": false}));
    ensure(&world, "a").ended(7);
}

#[test]
fn the_pid_of_a_stranger_is_not_taken_for_a_service_that_is_up() {
    let world = World::new();
    accepted(&world, &[on_demand(counted(&world, "a"))]);
    ensure(&world, "a").ended(0);
    let record = world.record("a");
    kill(pid_of(&record));
    wait_for("its shim has gone", || world.shims().is_empty());
    let mut stranger = stranger_to(&record);
    let mut state = world.state();
    state["specs"][0]["pid"] = json!(stranger.id());
    state["specs"][0]["process"]["pid"] = json!(stranger.id());
    std::fs::write(world.root().join("engine/managed-processes.json"), state.to_string()).expect("written");
    ensure(&world, "a").ended(0);
    assert_ne!(pid_of(&world.record("a")), stranger.id());
    assert!(stranger.try_wait().expect("a look").is_none(), "it was not touched");
    stranger.kill().expect("our own child");
    stranger.wait().expect("our own child");
}

#[test]
fn a_touch_is_written_down_and_says_what_comes_next() {
    let world = World::new();
    let mut idle = world.shell("a", "exec sleep 1000");
    idle["idle_stop_s"] = json!(3600);
    accepted(&world, &[idle, world.shell("b", "exec sleep 1000"), on_demand(counted(&world, "c"))]);
    let told = world.run(&["touch", "a", "--format", "json"]).ended(0).json();
    assert_eq!(told["last_used_at"], world.record("a")["last_used_at"]);
    assert_eq!((&told["status"], &told["next"]), (&json!("running"), &json!("idle stop")));
    // What may go unwritten is waited for too.
    let (next, last) = (told["next_at"].as_i64().expect("a time"), told["last_used_at"].as_i64().expect("a time"));
    assert_eq!(next - last, 3_630_000);
    assert_eq!(world.run(&["touch", "b", "--format", "json"]).ended(0).json()["next"], Value::Null);
    let text = world.run(&["touch", "c"]).ended(0).stdout;
    assert!(text.contains("`stopped`") && text.contains("minions managed ensure c"), "{text}");
    world.run(&["touch", "d"]).ended(6);
    assert_eq!(ran(&mut world.command(&["touch"])).code, Some(64));
}
