//! Services that leave when nobody uses them, and that wait with a restart until nobody does.

use std::net::TcpStream;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::run::Loop;
use crate::support::{World, is_alive, pid_of, wait_for};
use crate::weaker::weaker;

fn now_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis()).expect("in range")
}

fn accepted(world: &World, spec: &Value) -> Value {
    world.declare("ripley", std::slice::from_ref(spec));
    let (code, report) = world.accept("ripley", &["--project", "shop"]);
    assert_eq!(code, Some(0), "{report}");
    world.record(spec["name"].as_str().expect("a name"))
}

fn sweep(world: &World) -> Value {
    world.run(&["sweep", "--format", "json"]).ended(0).json()
}

/// Sets times of the only record.
fn set(world: &World, values: &Value) {
    let mut state = world.state();
    for (key, value) in values.as_object().expect("an object") {
        state["specs"][0][key] = value.clone();
    }
    std::fs::write(world.root().join("engine/managed-processes.json"), state.to_string()).expect("written");
}

#[test]
fn who_is_not_used_is_stopped_and_its_record_stays_until_somebody_needs_it() {
    let world = World::new();
    let mut spec = world.shell("a", "exec sleep 1000");
    spec["idle_stop_s"] = json!(600);
    let before = accepted(&world, &spec);
    assert_eq!(sweep(&world)["idle_stopped"], 0);
    let last = now_ms() - 600_000;
    set(&world, &json!({"started_at": last, "last_used_at": last}));
    assert_eq!(sweep(&world)["idle_stopped"], 0, "what may have gone unwritten is waited for");
    let last = last - 30_000;
    set(&world, &json!({"started_at": last, "last_used_at": last}));
    let dry = world.run(&["sweep", "--dry-run", "--format", "json"]).ended(0).json();
    assert_eq!((&dry["idle_stopped"], &dry["steps"][0]["action"]), (&json!(1), &json!("idle-stop")), "{dry}");
    assert!(is_alive(pid_of(&before)));
    let told = sweep(&world);
    assert_eq!((&told["idle_stopped"], &told["dead_dropped"]), (&json!(1), &json!(0)), "{told}");
    assert!(!is_alive(pid_of(&before)) && world.processes().is_empty());
    let after = world.record("a");
    assert_eq!((&after["status"], &after["pid"], &after["alive"]), (&json!("stopped"), &Value::Null, &json!(false)));
    assert_eq!(after["ttl_expires_at"], before["ttl_expires_at"]);
    assert_eq!(sweep(&world)["scanned"], 1, "it stays");
    world.run(&["ensure", "a"]).ended(0);
    assert_ne!(world.record("a")["pid"], before["pid"]);
    assert_eq!(sweep(&world)["idle_stopped"], 0);
}

#[test]
fn a_touch_keeps_it() {
    let world = World::new();
    let mut spec = world.shell("a", "exec sleep 1000");
    spec["idle_stop_s"] = json!(600);
    accepted(&world, &spec);
    let last = now_ms() - 3_600_000;
    set(&world, &json!({"started_at": last, "last_used_at": last}));
    world.run(&["touch", "a"]).ended(0);
    assert_eq!(sweep(&world)["idle_stopped"], 0);
    assert_eq!(world.record("a")["status"], "running");
}

/// A client that is connected for ten idle periods, and whoever it is connected to, are left alone; then it leaves.
fn a_client_is_never_cut(host: &str, reached: &str) {
    if weaker("whether a service is in use") {
        return;
    }
    let world = World::new();
    let idle_ms = 300;
    let mut spec = world.server("web", "http");
    spec["env"] = json!({"NAUGHTY_HOST": host});
    spec["idle_stop_s"] = json!(f64::from(idle_ms) / 1000.0);
    spec["healthcheck"] =
        json!({"type": "command", "cmd": "sh -c 'echo ok'", "shell": true, "expect_regex": "ok", "timeout_s": 30});
    world.set(&json!({"envKeyAllowlist": ["NAUGHTY_HOST"]}));
    let port = u16::try_from(spec["ports"][0].as_u64().expect("a port")).expect("a port");
    world.declare("ripley", &[spec]);
    let (code, report) = world.accept("ripley", &[]);
    assert_eq!(code, Some(0), "{report}");
    // It may have been faster than the server, or slower than the idle stop: then it is called back.
    let connected = std::cell::RefCell::new(None);
    wait_for("a connection", || {
        world.run(&["ensure", "web"]).ended(0);
        connected.replace(TcpStream::connect((reached, port)).ok());
        connected.borrow().is_some()
    });
    let record = world.record("web");
    let (pid, since) = (pid_of(&record), now_ms());
    let found = Loop::start(&world);
    while now_ms() < since + i64::from(10 * idle_ms) {
        assert_eq!(sweep(&world)["idle_stopped"], 0);
        assert!(is_alive(pid));
    }
    assert_eq!(world.record("web")["pid"], record["pid"]);
    drop(connected);
    wait_for("it is stopped", || world.record("web")["status"] == "stopped");
    assert!(!is_alive(pid));
    found.wait_said("web: idle-stop: ");
    assert_eq!(found.stop(), Some(0));
}

#[test]
fn a_client_that_is_connected_over_ipv4_is_never_cut() {
    a_client_is_never_cut("127.0.0.1", "127.0.0.1");
}

#[test]
fn a_client_that_is_connected_over_ipv6_is_never_cut() {
    a_client_is_never_cut("::1", "::1");
}

#[test]
fn a_client_that_is_connected_over_ipv4_to_an_ipv6_socket_is_never_cut() {
    a_client_is_never_cut("::", "127.0.0.1");
}

#[test]
fn after_a_day_it_is_started_anew_once_it_is_idle_for_an_hour() {
    let world = World::new();
    let mut spec = world.shell("a", "exec sleep 1000");
    spec["restart"] = json!({"policy": "never", "daily": true});
    let before = accepted(&world, &spec);
    let (hour, now) = (3_600_000, now_ms());
    for (up, idle) in [(23 * hour, 2 * hour), (25 * hour, hour / 2), (25 * hour, hour)] {
        set(&world, &json!({"started_at": now - up, "last_used_at": now - idle}));
        assert_eq!(sweep(&world)["restarted"], 0, "{up} {idle}");
    }
    set(&world, &json!({"started_at": now - 25 * hour, "last_used_at": now - 2 * hour}));
    assert_eq!(sweep(&world)["restarted"], 1);
    let after = world.record("a");
    assert_ne!(after["pid"], before["pid"]);
    assert!(!is_alive(pid_of(&before)) && is_alive(pid_of(&after)));
    assert_eq!(after["ttl_expires_at"], before["ttl_expires_at"], "its time to live goes on");
    assert_eq!(sweep(&world)["restarted"], 0);
}

#[test]
fn after_an_update_it_is_started_anew_once_it_is_idle_for_a_minute() {
    let world = World::new();
    let mut spec = world.shell("a", "exec sleep 1000");
    spec["restart"] = json!({"policy": "never", "on_update": true});
    let before = accepted(&world, &spec);
    world.run(&["updated", "--project", "bank"]).ended(6);
    let told = world.run(&["updated", "--project", "shop", "--format", "json"]).ended(0).json();
    assert_eq!(told["items"][0]["fate"], "restarts", "{told}");
    assert!(world.record("a")["updated_at"].is_i64());
    assert_eq!(sweep(&world)["restarted"], 0, "it was used a moment ago: it was started");
    let last = now_ms() - 120_000;
    set(&world, &json!({"started_at": last, "last_used_at": last}));
    assert_eq!(sweep(&world)["restarted"], 1);
    let after = world.record("a");
    assert_ne!(after["pid"], before["pid"]);
    assert!(after["updated_at"].is_null(), "it has what is new");
    set(&world, &json!({"started_at": last, "last_used_at": last}));
    assert_eq!(sweep(&world)["restarted"], 0);
}
