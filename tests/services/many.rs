//! `accept --all`: agents side by side, and in their order where they have something in common.

use serde_json::{Value, json};

use crate::support::{World, is_alive, pid_of};

fn accept_all(world: &World, more: &[&str]) -> (Option<i32>, Vec<Value>) {
    let mut args = vec!["accept", "--all", "--format", "json"];
    args.extend(more);
    let ran = world.run(&args);
    let items = ran.json()["items"].as_array().unwrap_or_else(|| panic!("{ran:?}")).clone();
    (ran.code, items)
}

fn outcomes(items: &[Value]) -> Vec<(&str, &str)> {
    items.iter().map(|item| (item["agent"].as_str().expect("one"), item["outcome"].as_str().expect("one"))).collect()
}

#[test]
fn agents_wait_for_their_first_health_side_by_side() {
    const AGENTS: usize = 12;
    let world = World::new();
    let here = world.dir.path().join("here");
    std::fs::create_dir(&here).expect("made");
    for number in 0..AGENTS {
        // Healthy once all have started: one after the other, the first would wait in vain.
        let mut spec =
            world.shell(&format!("s{number}"), &format!("echo x > {}/{number}; exec sleep 1000", here.display()));
        spec["healthcheck"]["cmd"] =
            json!(format!("sh -c 'test $(ls {} | wc -l) = {AGENTS} && echo ok'", here.display()));
        spec["healthcheck"]["interval_s"] = json!(0.2);
        world.declare(&format!("agent-{number:02}"), &[spec]);
    }
    let (code, items) = accept_all(&world, &["--project", "shop"]);
    let expected: Vec<String> = (0..AGENTS).map(|number| format!("agent-{number:02}")).collect();
    assert_eq!(code, Some(0), "{items:?}");
    assert_eq!(outcomes(&items), expected.iter().map(|agent| (agent.as_str(), "accepted")).collect::<Vec<_>>());
    assert!(world.records().iter().all(|record| record["healthy"] == true && record["claim"].is_null()));
    assert_eq!(world.live_generations().len(), AGENTS);
    for agent in expected {
        let folder = world.root().join("agents").join(agent);
        assert!(folder.join("managed-spawn.accepted.json").exists() && !folder.join("managed-spawn.json").exists());
    }
    let runs = std::fs::read_dir(world.root().join("engine/managed-runs")).expect("runs");
    assert_eq!(runs.count(), AGENTS);
}

#[test]
fn agents_that_declare_the_same_name_or_port_are_planned_in_their_order() {
    let world = World::new();
    let (web, api) = (world.server("web", "http"), world.server("api", "http"));
    let mut taker = world.server("taker", "http");
    (taker["ports"], taker["args"], taker["healthcheck"]) =
        (api["ports"].clone(), api["args"].clone(), api["healthcheck"].clone());
    let mut elsewhere = world.shell("web", "exec sleep 1000");
    elsewhere["cwd"] = json!(world.worktree("elsewhere"));
    for round in 0..3 {
        world.declare("a", std::slice::from_ref(&web));
        world.declare("b", std::slice::from_ref(&elsewhere));
        world.declare("c", std::slice::from_ref(&web));
        world.declare("d", std::slice::from_ref(&api));
        world.declare("e", std::slice::from_ref(&taker));
        let (code, items) = accept_all(&world, &[]);
        assert_eq!(code, Some(7), "round {round}: {items:?}");
        let words = outcomes(&items);
        assert_eq!(
            words,
            [("a", "accepted"), ("b", "accepted"), ("c", "unchanged"), ("d", "accepted"), ("e", "failed")]
        );
        assert_eq!(items[0]["specs"][0]["name"], "web", "whoever comes first has the name");
        let second = items[1]["specs"][0]["name"].as_str().expect("a name").to_owned();
        assert!(second.starts_with("web-"), "{second}");
        assert_eq!(items[4]["failure_class"], "port-in-use");
        assert!(items[4]["reason"].as_str().is_some_and(|reason| reason.contains("service `api`")), "{}", items[4]);
        assert_eq!(world.live_generations().len(), 3);
        assert!(world.root().join("agents/e/managed-spawn.json").exists(), "it stays pending");
        world.run(&["stop", "web", "api", &second]).ended(0);
    }
}

#[test]
fn a_port_that_one_agent_gives_up_is_there_for_the_next() {
    let world = World::new();
    let old = world.server("a", "http");
    world.declare("a", std::slice::from_ref(&old));
    assert_eq!(world.accept("a", &[]).0, Some(0));
    let mut next = old.clone();
    next["name"] = json!("b");
    world.declare("a", &[world.server("a", "http")]);
    world.declare("b", &[next]);
    let (code, items) = accept_all(&world, &[]);
    assert_eq!((code, outcomes(&items)), (Some(0), vec![("a", "accepted"), ("b", "accepted")]), "{items:?}");
}

#[test]
fn each_agent_has_its_own_end_whatever_becomes_of_the_others() {
    let world = World::new();
    let mut sick = world.shell("sick", "exec sleep 1000");
    sick["healthcheck"]["cmd"] = json!("sh -c false");
    sick["healthcheck"]["timeout_s"] = json!(0.5);
    world.declare("sick", &[sick]);
    let mut ends = world.shell("ends", "echo bye; exit 3");
    ends["healthcheck"]["cmd"] = json!("sh -c false");
    world.declare("ends", &[ends]);
    world.declare("bad", &[world.shell("Bad", "exec sleep 1000")]);
    world.declare("well", &[world.shell("well", "exec sleep 1000"), world.shell("too", "exec sleep 1000")]);
    let mut twice = vec!["accept", "sick", "ends", "bad", "well", "well", "nobody", "--format", "json"];
    twice.push("--require");
    let ran = world.run(&twice).ended(4);
    let items = ran.json()["items"].as_array().expect("items").clone();
    let expected = [
        ("sick", "failed"),
        ("ends", "failed"),
        ("bad", "rejected"),
        ("well", "accepted"),
        ("well", "rejected"),
        ("nobody", "rejected"),
    ];
    assert_eq!(outcomes(&items), expected, "{items:?}");
    assert_eq!(items[4]["reason"], "sidecar-missing", "the first time it was moved aside");
    let check = |at: usize, part: &str| {
        let reason = items[at]["reason"].as_str().unwrap_or_default();
        assert!(reason.contains(part), "`{part}` expected in {}", items[at]);
    };
    check(0, "not healthy within 0.5 s");
    check(1, "exit code 3");
    check(2, "name-not-kebab-case (Bad)");
    assert_eq!(world.records().len(), 2);
    assert!(world.records().iter().all(|record| is_alive(pid_of(record))));
    assert_eq!(world.live_generations().len(), 2);
    let inbox = std::fs::read_dir(world.root().join("notes/inbox")).expect("an inbox");
    assert_eq!(inbox.count(), 3, "one alert for each that failed");
}

#[test]
fn many_agents_are_written_together() {
    const AGENTS: usize = 40;
    let world = World::new();
    for number in 0..AGENTS {
        world.declare(&format!("agent-{number}"), &[world.shell(&format!("s{number}"), "exec sleep 1000")]);
    }
    let (code, items) = accept_all(&world, &["--no-wait"]);
    assert_eq!((code, items.len()), (Some(0), AGENTS), "{items:?}");
    let state = world.state();
    assert_eq!(world.live_generations().len(), AGENTS);
    assert!(world.records().iter().all(|record| record["status"] == "running" && record["claim"].is_null()));
    let writes = state["revision"].as_u64().expect("a number");
    assert!(writes < AGENTS as u64, "{writes} writes of a claim and an end for each of {AGENTS}");
}

#[test]
fn an_accept_of_many_that_is_killed_at_any_moment_leaves_nothing_that_the_state_does_not_know() {
    const AGENTS: usize = 8;
    let world = World::new();
    for round in 0..20_u64 {
        for number in 0..AGENTS {
            let mut spec = world.shell(&format!("s{number}"), "exec sleep 1000");
            spec["ttl_minutes"] = json!(2 + round % 2);
            world.declare(&format!("agent-{number}"), &[spec]);
        }
        let mut child = world.command(&["accept", "--all"]);
        let mut child =
            child.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().expect("starts");
        // The moment itself is what is tried: from before the first claim to after the last end.
        std::thread::sleep(std::time::Duration::from_millis(round * 4));
        child.kill().expect("our own child");
        child.wait().expect("our own child");
        crate::support::wait_for("shims have settled", || {
            world.shims().iter().all(|shim| world.shim_is_settled(*shim))
        });
        let known: Vec<String> = world.records().iter().flat_map(crate::crash::generations).collect();
        for generation in world.live_generations() {
            assert!(known.contains(&generation), "round {round}: {generation} lives and is in no record: {known:?}");
        }
    }
}
