//! The same name in several projects and worktrees; the same service declared again.

use serde_json::json;

use crate::support::{World, is_alive, pid_of};

#[test]
fn two_projects_and_two_worktrees_each_have_a_web_of_their_own() {
    let world = World::new();
    let other = world.worktree("other");
    let mut names = Vec::new();
    for (project, elsewhere) in [("shop", false), ("bank", false), ("shop", true)] {
        let mut spec = world.server("web", "http");
        if elsewhere {
            spec["cwd"] = json!(other);
        }
        world.declare("ripley", &[spec]);
        let (code, report) = world.accept("ripley", &["--project", project]);
        assert_eq!(code, Some(0), "{report}");
        assert_eq!(report["specs"][0]["declared_name"], "web");
        names.push(report["specs"][0]["name"].as_str().expect("a name").to_owned());
    }
    assert_eq!(names[0], "web");
    for name in &names[1..] {
        let suffix = name.strip_prefix("web-").expect("a suffix");
        assert!(suffix.len() == 4 && suffix.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}");
    }
    assert_eq!(world.live_generations().len(), 3);
    let shop = world.run(&["list", "--project", "shop", "--format", "json"]).ended(0).json();
    assert_eq!(shop["items"].as_array().map(Vec::len), Some(2));
    // The name stays with its scope, also when the spec changes.
    let mut changed = world.server("web", "http");
    changed["ttl_minutes"] = json!(7);
    world.declare("ripley", &[changed]);
    let (_, report) = world.accept("ripley", &["--project", "bank"]);
    assert_eq!((&report["specs"][0]["name"], &report["specs"][0]["action"]), (&json!(names[1]), &json!("replaced")));
}

#[test]
fn the_same_spec_is_unchanged_another_replaces_it_and_a_dead_one_is_started_again() {
    let world = World::new();
    let spec = world.server("web", "http");
    let accept = |spec: &serde_json::Value, expected: &str| {
        world.declare("ripley", std::slice::from_ref(spec));
        let (code, report) = world.accept("ripley", &[]);
        assert_eq!((code, &report["specs"][0]["action"]), (Some(0), &json!(expected)), "{report}");
        pid_of(&world.record("web"))
    };
    let first = accept(&spec, "spawned");
    assert_eq!(accept(&spec, "unchanged"), first);
    let mut other = spec.clone();
    other["env"] = json!({"NODE_ENV": "test"});
    let second = accept(&other, "replaced");
    assert!(second != first && !is_alive(first) && is_alive(second));
    crate::support::kill(second);
    crate::support::wait_for("it is dead", || !is_alive(second));
    let third = accept(&other, "replaced");
    assert!(is_alive(third));
    assert_eq!(world.live_generations().len(), 1, "at most one generation lives");
}

#[test]
fn without_waiting_a_service_is_recorded_and_not_yet_healthy() {
    let world = World::new();
    let mut spec = world.server("web", "http");
    spec["healthcheck"]["expect_status"] = json!(201);
    world.declare("ripley", &[spec]);
    let (code, report) = world.accept("ripley", &["--no-wait"]);
    assert_eq!((code, &report["specs"][0]["healthy"]), (Some(0), &json!(null)), "{report}");
    let record = world.record("web");
    assert_eq!((&record["status"], &record["healthy"]), (&json!("running"), &json!(false)));
    assert!(is_alive(pid_of(&record)));
}

#[test]
fn an_idempotency_key_answers_the_same_content_again_and_refuses_other() {
    let world = World::new();
    let spec = world.shell("s", "exec sleep 1000");
    let accept = |spec: &serde_json::Value| {
        world.declare("ripley", std::slice::from_ref(spec));
        world.accept("ripley", &["--idempotency-key", "k1"])
    };
    let (code, first) = accept(&spec);
    assert_eq!(code, Some(0), "{first}");
    world.run(&["stop", "s"]).ended(0);
    let (code, again) = accept(&spec);
    assert_eq!((code, &again), (Some(0), &first), "the earlier answer");
    assert!(world.records().is_empty(), "and nothing is started");
    let mut other = spec.clone();
    other["ttl_minutes"] = json!(9);
    let (code, refused) = accept(&other);
    assert_eq!((code, &refused["error"]["code"]), (Some(7), &json!("idempotency-key-reused")), "{refused}");
    assert!(world.records().is_empty());
    assert!(world.root().join("agents/ripley/managed-spawn.json").exists(), "it waits for another key");
}
