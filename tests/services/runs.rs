//! Runs: what they tell, that an ended one never changes, and how many are kept.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::World;

/// Every run, the newest first.
pub(crate) fn runs(world: &World, more: &[&str]) -> Vec<Value> {
    let args: Vec<&str> = ["runs", "--format", "json"].iter().chain(more).copied().collect();
    world.run(&args).ended(0).json()["items"].as_array().expect("items").clone()
}

/// How many sidecars have been decided, well or not.
#[cfg(debug_assertions)]
pub(crate) fn decided(world: &World) -> usize {
    let is_decided = |run: &&Value| matches!(run["status"].as_str(), Some("completed" | "failed"));
    runs(world, &[]).iter().filter(is_decided).count()
}

/// Every run that has ended, as its file stands.
fn ended(world: &World) -> BTreeMap<String, Vec<u8>> {
    let is_ended = |run: &Value| matches!(run["status"].as_str(), Some("completed" | "failed" | "cancelled"));
    let id = |run: &Value| run["id"].as_str().expect("an id").to_owned();
    let ids = runs(world, &[]).into_iter().filter(is_ended).map(|run| id(&run));
    let read = |id: &String| std::fs::read(world.root().join(format!("engine/managed-runs/{id}.json"))).unwrap();
    ids.map(|id| (id.clone(), read(&id))).collect()
}

fn words<'a>(runs: &'a [Value], key: &str) -> Vec<&'a str> {
    runs.iter().map(|run| run[key].as_str().unwrap_or("null")).collect()
}

#[test]
fn a_run_tells_what_was_asked_and_what_became_of_it_with_its_events() {
    let world = World::new();
    assert!(runs(&world, &[]).is_empty());
    world.declare("ripley", &[world.shell("web", "exec sleep 1000")]);
    let (code, report) = world.accept("ripley", &["--project", "shop", "--work-item", "W-1"]);
    assert_eq!(code, Some(0), "{report}");
    world.declare("dallas", &[world.shell("Bad", "x")]);
    assert_eq!(world.accept("dallas", &[]).0, Some(3));
    let mut sick = world.shell("sick", "exit 3");
    sick["healthcheck"]["cmd"] = json!("sh -c false");
    world.declare("kane", &[sick]);
    assert_eq!(world.accept("kane", &["--project", "shop"]).0, Some(4));
    let all = runs(&world, &[]);
    assert_eq!(words(&all, "agent"), ["kane", "dallas", "ripley"], "the newest first");
    assert_eq!(words(&all, "status"), ["failed", "failed", "completed"]);
    assert_eq!(words(&all, "outcome"), ["failed", "rejected", "accepted"]);
    let kinds = ["managed-spawn-healthcheck-failed", "invalid-managed-spawn", "null"];
    assert_eq!(words(&all, "failure_kind"), kinds);
    assert_eq!((all[2]["project"].as_str(), all[2]["work_item"].as_str()), (Some("shop"), Some("W-1")));
    assert_eq!(all[2]["id"], report["run_id"]);
    let agents =
        |more: &[&str]| -> Vec<String> { words(&runs(&world, more), "agent").into_iter().map(str::to_owned).collect() };
    assert_eq!(agents(&["--agent", "dallas"]), ["dallas"]);
    assert_eq!(agents(&["--status", "failed", "--project", "shop"]), ["kane"]);
    assert_eq!(agents(&["--limit", "2"]), ["kane", "dallas"]);
    let id = report["run_id"].as_str().expect("an id");
    let shown = world.run(&["runs", "show", id, "--format", "json"]).ended(0).json();
    let types: Vec<&str> =
        shown["events"].as_array().expect("events").iter().filter_map(|one| one["type"].as_str()).collect();
    assert!(types.contains(&"sidecar.accepted") && types.contains(&"service.healthy"), "{shown}");
    assert!(shown["events"].as_array().expect("events").iter().all(|event| event["run_id"] == id), "{shown}");
    // By the beginning of its id too, as long as that is its own.
    assert_eq!(world.run(&["runs", "show", &id[..id.len() - 1], "--format", "json"]).ended(0).json()["id"], id);
    let table = world.run(&["runs"]).ended(0).stdout;
    assert!(table.lines().nth(3).is_some_and(|line| line.starts_with(id) && line.contains("accepted")), "{table}");
    let text = world.run(&["runs", "show", id]).ended(0).stdout;
    assert!(text.contains("web: spawned") && text.contains("sidecar.accepted"), "{text}");
}

#[test]
fn what_is_no_run_is_said() {
    let world = World::new();
    for _ in 0..2 {
        world.declare("ripley", &[world.shell("Bad", "x")]);
        assert_eq!(world.accept("ripley", &[]).0, Some(3));
    }
    assert_eq!(
        world.run(&["runs", "show", "none", "--format", "json"]).ended(6).json()["error"]["code"],
        "no-such-run"
    );
    world.run(&["runs", "show", "../managed-processes", "--format", "json"]).ended(6);
    assert_eq!(
        world.run(&["runs", "show", "run-", "--format", "json"]).ended(64).json()["error"]["code"],
        "run-ambiguous"
    );
    world.run(&["runs", "--status", "running"]).ended(64);
    let bad = world.root().join("engine/managed-runs/run-000000000000000000000000.json");
    std::fs::write(bad, "{").unwrap();
    let listed = world.run(&["runs", "--format", "json"]).ended(0);
    assert_eq!(listed.json()["items"].as_array().map(Vec::len), Some(2));
    assert!(listed.stderr.contains("run-000000000000000000000000.json"), "{listed:?}");
    let shown = world.run(&["runs", "show", "run-0000000000000000", "--format", "json"]).ended(1);
    assert_eq!(shown.json()["error"]["code"], "run-unreadable");
}

#[test]
fn an_ended_run_is_the_same_to_the_byte_after_every_later_command() {
    let world = World::new();
    world.declare("ripley", &[world.shell("web", "exec sleep 1000")]);
    assert_eq!(world.accept("ripley", &["--idempotency-key", "k"]).0, Some(0));
    world.declare("dallas", &[world.shell("Bad", "x")]);
    assert_eq!(world.accept("dallas", &[]).0, Some(3));
    let before = ended(&world);
    assert_eq!(before.len(), 2);
    let again = world.shell("web", "exec sleep 1000");
    for args in [
        &["accept", "ripley", "--idempotency-key", "k"][..],
        &["accept", "--all"],
        &["restart", "web"],
        &["sweep"],
        &["reconcile"],
        &["healthcheck"],
        &["stop", "web"],
    ] {
        world.declare("ripley", std::slice::from_ref(&again));
        world.run(args);
        let after = ended(&world);
        assert!(before.iter().all(|(id, text)| after.get(id) == Some(text)), "{args:?}");
    }
}

#[test]
fn the_oldest_runs_go_but_for_those_of_services_that_are_there() {
    let world = World::new();
    world.set(&json!({"runsMax": 3}));
    world.declare("ripley", &[world.shell("web", "exec sleep 1000")]);
    let (_, first) = world.accept("ripley", &[]);
    for _ in 0..5 {
        world.declare("dallas", &[world.shell("Bad", "x")]);
        assert_eq!(world.accept("dallas", &[]).0, Some(3));
    }
    let newest: Vec<Value> = runs(&world, &[]).into_iter().take(2).collect();
    world.run(&["sweep", "--dry-run"]).ended(0);
    assert_eq!(runs(&world, &[]).len(), 6, "a dry run removes nothing");
    world.run(&["sweep"]).ended(0);
    let left = runs(&world, &[]);
    assert_eq!((left.len(), &left[..2], &left[2]["id"]), (3, &newest[..], &first["run_id"]));
    world.run(&["stop", "web"]).ended(0);
    world.declare("dallas", &[world.shell("Bad", "x")]);
    assert_eq!(world.accept("dallas", &[]).0, Some(3));
    world.run(&["sweep"]).ended(0);
    assert!(runs(&world, &[]).iter().all(|run| run["agent"] == "dallas"));
}
