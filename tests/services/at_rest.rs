//! Services without a process that stay: what becomes of them when the state file is lost.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::{World, is_alive, kill, kill_shim, pid_of, wait_for};
use crate::truth::expect_no_finding;

fn state_file(world: &World) -> PathBuf {
    world.root().join("engine/managed-processes.json")
}

fn copy(world: &World, name: &str) -> PathBuf {
    world.root().join("engine/managed-run").join(name).join("at-rest.json")
}

/// One service of each kind: `lazy` was never started, `idle` is stopped for want of use, `spent` was given up by its shim, `waits`
/// is to be started again by whoever looks, `web` runs.
fn all_kinds() -> World {
    let world = World::new();
    let lazy = |name: &str| {
        let mut spec = world.shell(name, "exec sleep 1000");
        spec["activation"] = json!("on-demand");
        spec
    };
    let restarted = |name: &str, policy: Value| {
        let mut spec = world.shell(name, "exec sleep 1000");
        spec["restart"] = policy;
        spec
    };
    let mut idle = lazy("idle");
    idle["idle_stop_s"] = json!(60);
    let spent = restarted("spent", json!({"policy": "always", "max_restarts": 0}));
    let waits = restarted("waits", json!({"policy": "always", "backoff_s": [1000]}));
    world.declare("ripley", &[lazy("lazy"), idle, spent, waits, world.shell("web", "exec sleep 1000")]);
    assert_eq!(world.accept("ripley", &["--project", "shop"]).0, Some(0));
    world.run(&["ensure", "idle"]).ended(0);
    let mut state = world.state();
    for record in state["specs"].as_array_mut().unwrap() {
        if record["name"] == "idle" {
            (record["started_at"], record["last_used_at"]) = (json!(1), json!(1));
        }
    }
    world.put_state(state.to_string());
    kill(pid_of(&world.record("spent")));
    wait_for("it is given up", || world.record("spent")["status"] == "failed");
    kill_shim(&world.record("waits"));
    wait_for("all that is due is done", || {
        world.run(&["sweep"]).ended(0);
        statuses(&world) == ["stopped", "stopped", "failed", "backoff", "running"].map(str::to_owned)
    });
    world
}

fn statuses(world: &World) -> [String; 5] {
    ["lazy", "idle", "spent", "waits", "web"]
        .map(|name| world.record(name)["status"].as_str().unwrap_or_default().to_owned())
}

fn by_name(mut records: Vec<Value>) -> Vec<Value> {
    records.sort_by_key(|record| record["name"].to_string());
    records
}

/// The records without what a rebuilt state cannot know of those that run.
fn at_rest(world: &World) -> Vec<Value> {
    by_name(world.records().into_iter().filter(|record| record["name"] != "web").collect())
}

#[test]
fn who_is_stopped_failed_or_waits_survives_a_torn_state_file_and_a_lost_one() {
    let world = all_kinds();
    let before = at_rest(&world);
    let good = std::fs::read(state_file(&world)).unwrap();
    world.put_state(&good[..good.len() / 2]);
    let listed = world.run(&["list", "--format", "json"]).ended(9);
    assert!(listed.stderr.contains("5 services were rebuilt"), "{listed:?}");
    assert_eq!(at_rest(&world), before);
    expect_no_finding(&world, "torn");

    for verb in ["sweep", "reconcile"] {
        std::fs::remove_file(state_file(&world)).unwrap();
        let planned = world.run(&["sweep", "--dry-run"]).ended(0);
        assert_eq!(
            planned.stdout.matches("adopt").count(),
            5 + 1,
            "each in a line, and all in the last one: {planned:?}"
        );
        let report = world.run(&[verb, "--format", "json"]).ended(0).json();
        let stats = if verb == "sweep" { &report } else { &report["stats"] };
        assert_eq!(stats["adopted"], 5, "{report}");
        assert_eq!(at_rest(&world), before, "{verb}");
        expect_no_finding(&world, verb);
        assert!(world.run(&[verb, "--format", "json"]).ended(0).code == Some(0) && at_rest(&world) == before);
    }

    // They are as good as before.
    world.run(&["ensure", "lazy"]).ended(0);
    world.run(&["ensure", "idle"]).ended(0);
    world.run(&["restart", "spent"]).ended(0);
    for name in ["lazy", "idle", "spent"] {
        assert!(is_alive(pid_of(&world.record(name))) && !copy(&world, name).exists(), "{name}: its shim knows it now");
    }
}

#[test]
fn who_was_ended_by_somebody_or_by_its_time_does_not_come_back() {
    let ends: [&dyn Fn(&World); 4] = [
        &|world| drop(world.run(&["stop", "lazy", "idle", "spent", "waits", "web"]).ended(0)),
        &|world| drop(world.run(&["remove-project", "shop"]).ended(0)),
        &|world| drop(world.run(&["release", world.dir.path().join("work").to_str().unwrap()]).ended(0)),
        &|world| {
            let mut state = world.state();
            for record in state["specs"].as_array_mut().unwrap() {
                record["ttl_expires_at"] = json!(1);
            }
            world.put_state(state.to_string());
            world.run(&["sweep"]).ended(0);
        },
    ];
    for (at, end) in ends.iter().enumerate() {
        let world = all_kinds();
        end(&world);
        let left: Vec<_> = std::fs::read_dir(world.root().join("engine/managed-run")).unwrap().collect();
        assert!(left.is_empty(), "{at}: {left:?}");
        std::fs::remove_file(state_file(&world)).unwrap();
        world.run(&["sweep"]).ended(0);
        assert_eq!((world.records(), world.processes()), (Vec::new(), Vec::new()), "{at}");
    }
}

#[test]
fn a_copy_that_is_lacking_is_made_and_one_that_makes_no_sense_brings_nobody_back() {
    let world = all_kinds();
    let before = at_rest(&world);
    // A root of before there were any.
    ["lazy", "idle", "spent", "waits"].iter().for_each(|name| std::fs::remove_file(copy(&world, name)).unwrap());
    let revision = world.state()["revision"].clone();
    world.run(&["sweep"]).ended(0);
    assert_eq!(world.state()["revision"], revision, "nothing of the state has changed");
    assert!(["lazy", "idle", "spent", "waits"].iter().all(|name| copy(&world, name).exists()));

    std::fs::write(copy(&world, "lazy"), "{").unwrap();
    // Somebody else has its name by now, and of one the time to live is over.
    let expired = std::fs::read_to_string(copy(&world, "waits")).unwrap();
    let at = before.iter().find(|record| record["name"] == "waits").unwrap()["ttl_expires_at"].to_string();
    std::fs::write(copy(&world, "waits"), expired.replace(&at, "1")).unwrap();
    std::fs::remove_file(state_file(&world)).unwrap();
    let mut idle = world.shell("idle", "exec sleep 1000");
    idle["activation"] = json!("on-demand");
    world.declare("ripley", &[idle]);
    assert_eq!(world.accept("ripley", &["--project", "shop"]).0, Some(0));
    world.run(&["sweep"]).ended(0);
    let names: Vec<Value> = by_name(world.records()).iter().map(|record| record["name"].clone()).collect();
    assert_eq!(names, ["idle", "spent", "web"]);
    assert!(copy(&world, "lazy").exists() && !copy(&world, "waits").exists(), "what cannot be read is kept");
    assert!(world.record("idle")["idle_stop_s"].is_null(), "the newer one stays");
}

#[test]
fn what_a_lost_shim_left_waiting_is_started_again_after_the_state_was_lost_too() {
    let world = World::new();
    let mut spec = world.shell("s", "exec sleep 1000");
    spec["restart"] = json!({"policy": "always", "backoff_s": [1000]});
    world.declare("ripley", &[spec]);
    assert_eq!(world.accept("ripley", &[]).0, Some(0));
    kill_shim(&world.record("s"));
    wait_for("it waits", || {
        world.run(&["sweep"]).ended(0);
        world.record("s")["status"] == "backoff"
    });
    let text = std::fs::read_to_string(copy(&world, "s")).unwrap();
    let at = world.record("s")["next_at"].to_string();
    // Its wait is over.
    std::fs::write(copy(&world, "s"), text.replace(&format!("\"next_at\":{at}"), "\"next_at\":1")).unwrap();
    std::fs::remove_file(state_file(&world)).unwrap();
    wait_for("it is back", || {
        world.run(&["sweep"]).ended(0);
        world.records().iter().any(|record| record["status"] == "running")
    });
    assert!(is_alive(pid_of(&world.record("s"))) && world.live_generations().len() == 1);
}
