//! Services whose probes fail after the first pass.

use serde_json::{Value, json};

use crate::run::Loop;
use crate::support::{World, is_alive, pid_of, wait_for};

/// A service that is healthy while there is no file `sick` in its folder, in which each start leaves a line.
fn moody(world: &World, threshold: u32, on_unhealthy: &str) -> Value {
    let mut spec = world.shell("a", "echo $$ >> starts; exec sleep 1000");
    spec["healthcheck"]["cmd"] = json!("sh -c 'test ! -e sick && echo ok'");
    spec["healthcheck"]["failure_threshold"] = json!(threshold);
    spec["healthcheck"]["on_unhealthy"] = json!(on_unhealthy);
    spec
}

fn accepted(world: &World, spec: &Value) -> Value {
    world.declare("ripley", std::slice::from_ref(spec));
    let (code, report) = world.accept("ripley", &[]);
    assert_eq!(code, Some(0), "{report}");
    world.record("a")
}

fn set_sick(world: &World, is_sick: bool) {
    let file = world.dir.path().join("work/sick");
    if is_sick { std::fs::write(file, "").expect("written") } else { std::fs::remove_file(file).expect("removed") }
}

fn starts(world: &World) -> usize {
    std::fs::read_to_string(world.dir.path().join("work/starts")).unwrap_or_default().lines().count()
}

#[test]
fn a_service_is_unhealthy_after_so_many_failures_in_a_row_and_that_is_written_once() {
    let world = World::new();
    let before = accepted(&world, &moody(&world, 3, "report"));
    set_sick(&world, true);
    for (nth, healthy) in [(1, true), (2, true), (3, false), (4, false)] {
        let revision = world.state()["revision"].clone();
        let item = world.run(&["healthcheck", "--format", "json"]).ended(4).json()["items"][0].clone();
        assert_eq!(item["healthy"], false, "the probe failed");
        assert_eq!(world.record("a")["healthy"], healthy, "after {nth} failures");
        assert_eq!(world.state()["revision"] == revision, nth == 4, "after {nth} failures");
    }
    set_sick(&world, false);
    world.run(&["healthcheck"]).ended(0);
    assert_eq!(world.record("a")["healthy"], true);
    assert_eq!(world.record("a")["pid"], before["pid"], "it was reported, no more");
}

#[test]
fn one_that_wants_it_is_started_anew_when_it_is_unhealthy() {
    for by_loop in [true, false] {
        let world = World::new();
        world.set(&json!({"healthBackoffSec": 0.2}));
        let mut spec = moody(&world, 2, "restart");
        spec["restart"] = json!({"policy": "on-failure", "backoff_s": [0]});
        let before = accepted(&world, &spec);
        let found = by_loop.then(|| Loop::start(&world));
        set_sick(&world, true);
        let act = || {
            if !by_loop {
                world.run(&["healthcheck"]);
                world.run(&["sweep"]);
            }
        };
        wait_for("it is ended", || {
            act();
            !is_alive(pid_of(&before))
        });
        set_sick(&world, false);
        wait_for("another runs and is healthy", || {
            act();
            world.records().iter().any(|record| record["healthy"] == true && record["pid"] != before["pid"])
        });
        let after = world.record("a");
        assert_eq!(after["ttl_expires_at"], before["ttl_expires_at"], "its time to live goes on");
        if let Some(found) = found {
            assert_eq!(found.stop(), Some(0));
        }
    }
}

#[test]
fn one_that_stays_unhealthy_is_given_up() {
    let world = World::new();
    world.set(&json!({"healthBackoffSec": 0.2}));
    let mut spec = moody(&world, 1, "restart");
    spec["restart"] = json!({"policy": "on-failure", "backoff_s": [0], "max_restarts": 2, "window_s": 3600});
    accepted(&world, &spec);
    let found = Loop::start(&world);
    for nth in 1..=3 {
        // It is healthy until it has passed a probe, so that it is counted.
        wait_for("it is healthy", || world.record("a")["healthy"] == true && starts(&world) == nth);
        set_sick(&world, true);
        wait_for("it is ended", || world.record("a")["status"] != "running" || starts(&world) > nth);
        set_sick(&world, false);
    }
    wait_for("it is given up", || world.record("a")["status"] == "failed");
    assert_eq!(starts(&world), 3);
    assert!(world.processes().iter().all(|pid| *pid == found.pid()), "nothing of it is left");
    assert_eq!(found.stop(), Some(0));
}

#[test]
fn one_without_a_policy_is_started_anew_at_once_then_after_waits_and_given_up_in_the_end() {
    let world = World::new();
    let mut before = accepted(&world, &moody(&world, 1, "restart"));
    for (nth, status) in [(1, "running"), (2, "backoff")] {
        set_sick(&world, true);
        world.run(&["healthcheck"]).ended(4);
        set_sick(&world, false);
        let after = world.record("a");
        assert_eq!(
            (&after["status"], &after["failures_in_row"], &after["restarts"]),
            (&json!(status), &json!(nth), &json!(nth))
        );
        assert!(!is_alive(pid_of(&before)), "{after}");
        wait_for("it is started again, and healthy", || {
            world.run(&["sweep"]).ended(0);
            world.run(&["healthcheck"]).code == Some(0)
        });
        before = world.record("a");
    }
    let mut state = world.state();
    state["specs"][0]["recent_starts"] = json!(vec![before["started_at"].clone(); 10]);
    world.put_state(state.to_string());
    set_sick(&world, true);
    world.run(&["healthcheck"]).ended(4);
    let count = starts(&world);
    for _ in 0..3 {
        world.run(&["sweep"]).ended(0);
        let after = world.record("a");
        assert_eq!((&after["status"], &after["pid"]), (&json!("failed"), &Value::Null), "{after}");
        assert!(
            after["last_transition"]["why"].as_str().is_some_and(|why| why.contains("10 times within 5m")),
            "{after}"
        );
    }
    assert_eq!(
        (starts(&world), world.processes()),
        (count, Vec::new()),
        "nothing of it is left, and nothing comes back"
    );
    world.run(&["ensure", "a"]).ended(4);
    set_sick(&world, false);
    world.run(&["ensure", "a"]).ended(0);
}
