//! `doctor` beside real services: what lives, what was killed, and what stands in no record.

use serde_json::json;

use crate::support::{World, is_alive, kill, pid_of, wait_for};

/// The codes that `doctor` gives to what it finds about records.
fn codes(world: &World) -> Vec<String> {
    let report = world.run(&["doctor", "--format", "json"]).json();
    let findings = report["findings"].as_array().unwrap().iter().filter(|one| one["area"] == "records");
    findings.map(|one| one["code"].as_str().unwrap().to_owned()).collect()
}

fn accepted() -> World {
    let world = World::new();
    world.declare("ripley", &[world.shell("web", "exec sleep 1000")]);
    let (code, report) = world.accept("ripley", &[]);
    assert_eq!(code, Some(0), "{report}");
    assert_eq!(codes(&world), ["records-true"]);
    world
}

#[test]
fn a_service_that_was_killed_is_found_until_a_sweep_drops_it() {
    let world = accepted();
    let pid = pid_of(&world.record("web"));
    kill(pid);
    wait_for("it is gone", || !is_alive(pid));
    assert_eq!(codes(&world), ["record-dead"]);
    assert_eq!(world.records().len(), 1, "doctor drops nothing");
    world.run(&["sweep"]).ended(0);
    assert_eq!(codes(&world), ["records-true"]);
}

#[test]
fn a_service_without_a_record_is_found_until_reconcile_takes_it_back() {
    let world = accepted();
    let pid = pid_of(&world.record("web"));
    let mut state = world.state();
    state["specs"] = json!([]);
    std::fs::write(world.root().join("engine/managed-processes.json"), state.to_string()).unwrap();
    assert_eq!(codes(&world), ["service-unrecorded"]);
    assert!(is_alive(pid) && world.records().is_empty(), "doctor neither ends nor records it");
    world.run(&["reconcile"]).ended(0);
    assert_eq!(codes(&world), ["records-true"]);
    assert_eq!(pid_of(&world.record("web")), pid);
}
