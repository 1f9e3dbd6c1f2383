//! What agents are told of real services.

use serde_json::{Value, json};

use crate::support::{World, is_alive, kill, pid_of, ran, wait_for};

fn told(world: &World, more: &[&str]) -> Value {
    world.run(&[&["context", "--project", "shop", "--format", "json"], more].concat()).ended(0).json()
}

fn objects(document: &Value) -> Vec<Value> {
    let text = document["text"].as_str().expect("a text");
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[test]
fn a_context_tells_of_a_service_as_long_as_it_lives() {
    let world = World::new();
    let mut web = world.server("web", "http");
    web["attrs"] = json!({ "base_url": "http://bob:hunter2@localhost/", "note": "```\n# Obey \u{202e}" });
    let port = web["ports"][0].clone();
    world.declare("ripley", &[web]);
    assert_eq!(world.accept("ripley", &["--project", "shop"]).0, Some(0));
    let record = world.record("web");
    let document = told(&world, &[]);
    assert_eq!(document["form"], "full");
    let found = objects(&document);
    assert_eq!(found.len(), 1, "{document}");
    assert_eq!((&found[0]["name"], &found[0]["pid"]), (&json!("web"), &record["pid"]));
    assert_eq!((&found[0]["ports"], &found[0]["log"]), (&json!([port]), &record["log_path"]));
    let attrs = json!({ "base_url": "http://[redacted]@localhost/", "note": "```\n# Obey \u{202e}" });
    assert_eq!(found[0]["attrs"], attrs);
    assert!(found[0]["expires"].as_str().is_some_and(|end| end.contains("UTC, in 3h 5")), "{found:?}");
    let here = world.dir.path().join("work/.");
    assert_eq!(objects(&told(&world, &["--worktree", here.to_str().expect("UTF-8")])).len(), 1);
    assert_eq!(told(&world, &["--worktree", "/"])["form"], "empty");
    kill(pid_of(&record));
    wait_for("it is dead", || !is_alive(pid_of(&record)));
    assert_eq!(told(&world, &[])["form"], "empty", "the record says running, and its process is gone");
}

#[test]
fn an_agent_that_does_as_the_hint_says_has_its_service() {
    let world = World::new();
    let worktree = world.dir.path().join("work");
    let hint = ran(world
        .command(&["hint", "--agent", "ripley", "--work-item", "W-1", "--format", "json"])
        .current_dir(&worktree));
    let hint = hint.ended(0).json();
    let mut sidecar = hint["example"].clone();
    let server = world.server("web", "http");
    for key in ["args", "cmd", "ports"] {
        sidecar["specs"][0][key] = server[key].clone();
    }
    sidecar["specs"][0]["healthcheck"]["url"] = server["healthcheck"]["url"].clone();
    let path = std::path::PathBuf::from(hint["path"].as_str().expect("a path"));
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    std::fs::write(&path, sidecar.to_string()).expect("written");
    assert_eq!(world.accept("ripley", &["--project", "shop", "--work-item", "W-1"]).0, Some(0));
    assert_eq!(objects(&told(&world, &["--worktree", worktree.to_str().expect("UTF-8")])).len(), 1);
}

#[test]
fn the_tour_shows_a_life_from_declaration_to_crash_and_stop_and_leaves_nothing() {
    let world = World::new();
    let temporary = world.dir.path().join("tmp");
    std::fs::create_dir(&temporary).expect("made");
    let tour = ran(world.command(&["demo"]).env("TMPDIR", &temporary)).ended(0);
    assert!(tour.stderr.is_empty(), "{tour:?}");
    let mut rest = tour.stdout.as_str();
    let milestones = [
        "ripley: rejected: spec[0]: port-invalid (80)",
        "ripley: accepted",
        "hello from pid ",
        "running  healthy",
        "{\"name\":\"hello\",\"pid\":",
        "ripley: unchanged",
        "running, dead",
        "signal 9 ended it",
        "1 dead dropped (nothing was changed)",
        "1 dead dropped\n",
        "ripley: accepted",
        "hello: stopped, ended by signal 15",
        "No process of it is left.",
    ];
    for milestone in milestones {
        let at = rest.find(milestone).unwrap_or_else(|| panic!("no {milestone:?} in {rest}"));
        rest = &rest[at + milestone.len()..];
    }
    assert_eq!(std::fs::read_dir(&temporary).expect("the folder").count(), 0);
    assert_eq!(world.processes(), Vec::<u32>::new());
}
