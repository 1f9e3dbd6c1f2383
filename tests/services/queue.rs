//! The queue: its order, what is blocked, what is called off, and that each sidecar is decided once, whoever is at it.

use std::collections::BTreeMap;
use std::process::{Child, Stdio};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::ports::free_port;
use crate::run::Loop;
use crate::runs::runs;
use crate::support::{World, own_claim, signal, wait_for};

fn queue(world: &World) -> Value {
    world.run(&["queue", "--format", "json"]).ended(0).json()
}

fn words(items: &Value, key: &str) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    items.as_array().expect("items").iter().map(|item| text(&item[key])).collect()
}

/// A sidecar of that text, written at that second of 2026.
fn declare_at(world: &World, agent: &str, sidecar: &Value, second: u64) {
    let dir = world.root().join("agents").join(agent);
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join("managed-spawn.json");
    std::fs::write(&path, sidecar.to_string()).unwrap();
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_780_000_000 + second);
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(at).unwrap();
}

/// A spec whose first health comes once `gate` is there.
fn gated(world: &World, name: &str, gate: &str) -> Value {
    let mut spec = world.shell(name, "exec sleep 1000");
    let gate = world.dir.path().join(gate);
    spec["healthcheck"]["cmd"] = json!(format!("sh -c 'test -e {} && echo ok'", gate.display()));
    spec["healthcheck"]["interval_s"] = json!(0.1);
    spec["healthcheck"]["timeout_s"] = json!(600);
    spec
}

/// An acceptance that waits for the first health of `name`.
fn start_gated(world: &World, args: &[&str], name: &str) -> Child {
    let child = world.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for("it runs", || {
        world.records().iter().any(|record| record["name"] == name && record["status"] == "running")
    });
    child
}

fn code(child: Child) -> Option<i32> {
    child.wait_with_output().unwrap().status.code()
}

/// What stands in the file of leases.
fn leases(world: &World) -> Value {
    let bytes = std::fs::read(world.root().join("engine/managed-queue.json")).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[test]
fn the_queue_is_in_order_of_priority_then_age_and_is_taken_so() {
    let world = World::new();
    world.set(&json!({"queueSideBySideMax": 1}));
    let sidecar =
        |name: &str, priority: Value| json!({"specs": [world.shell(name, "exec sleep 1000")], "priority": priority});
    for (agent, priority, second) in [
        ("early", json!(null), 10),
        ("late", json!(0), 30),
        ("odd", json!("soon"), 20),
        ("high", json!(7), 40),
        ("low", json!(-1), 1),
        ("first", json!("12"), 50),
    ] {
        declare_at(&world, agent, &sidecar(agent, priority), second);
    }
    let order = ["first", "high", "early", "odd", "late", "low"];
    let listed = queue(&world);
    assert_eq!(words(&listed["items"], "agent"), order);
    assert_eq!(words(&listed["items"], "priority"), ["12", "7", "0", "0", "0", "-1"]);
    assert_eq!(listed["items"][0]["waiting_since"], json!(1_780_000_050_000_i64));
    assert_eq!(listed["by_state"], json!({"blocked": 0, "claimed": 0, "pending": 6}));
    assert_eq!(listed["by_lane"], json!({"": 6}));
    let verdict = world.run(&["validate", "odd", "--format", "json"]).ended(0).json();
    assert_eq!(verdict[0]["warnings"][0]["code"], "priority-invalid", "{verdict}");
    let report = world.run(&["accept", "--all", "--format", "json"]).ended(0).json();
    assert_eq!(words(&report["items"], "agent"), order);
    let mut taken = runs(&world, &[]);
    taken.sort_by_key(|run| run["created_at"].as_i64());
    assert_eq!(words(&json!(taken), "agent"), order, "one after the other");
    assert_eq!(queue(&world)["items"], json!([]));
}

#[test]
fn what_is_blocked_waits_as_one_run_until_it_is_decided_or_replaced() {
    let world = World::new();
    let port = free_port();
    let taken = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let mut spec = world.shell("web", "exec sleep 1000");
    spec["ports"] = json!([port]);
    world.declare("ripley", std::slice::from_ref(&spec));
    let tries: Vec<Value> = (0..3)
        .map(|_| {
            let (code, report) = world.accept("ripley", &["--project", "shop"]);
            assert_eq!((code, report["failure_class"].as_str()), (Some(7), Some("port-in-use")), "{report}");
            report["run_id"].clone()
        })
        .collect();
    assert!(tries.iter().all(|id| *id == tries[0]), "{tries:?}");
    let listed = queue(&world);
    let item = &listed["items"][0];
    assert_eq!((item["status"].as_str(), item["project"].as_str()), (Some("blocked"), Some("shop")), "{listed}");
    assert!(item["why"].as_str().is_some_and(|why| why.contains(&port.to_string())), "{listed}");
    assert_eq!(listed["by_lane"], json!({"shop": 1}));
    let text = world.run(&["queue"]).ended(0).stdout;
    assert!(text.lines().nth(1).is_some_and(|line| line.starts_with("ripley  blocked  shop")), "{text}");
    // Another sidecar is another run, and the old one has ended.
    spec["ttl_minutes"] = json!(7);
    world.declare("ripley", std::slice::from_ref(&spec));
    let (_, other) = world.accept("ripley", &["--project", "shop"]);
    let all = runs(&world, &[]);
    assert_eq!(words(&json!(all), "status"), ["blocked", "cancelled"], "{all:?}");
    assert_eq!((&all[0]["id"], &all[1]["id"]), (&other["run_id"], &tries[0]));
    drop(taken);
    let (code, report) = world.accept("ripley", &["--project", "shop"]);
    assert_eq!((code, &report["run_id"]), (Some(0), &other["run_id"]), "{report}");
    let all = runs(&world, &[]);
    assert_eq!(words(&json!(all), "status"), ["completed", "cancelled"], "{all:?}");
    assert_eq!(leases(&world)["leases"], json!([]));
}

#[test]
fn a_sidecar_that_goes_while_it_is_blocked_takes_its_run_with_it() {
    let world = World::new();
    let port = free_port();
    let _taken = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let mut spec = world.shell("web", "exec sleep 1000");
    spec["ports"] = json!([port]);
    world.declare("ripley", &[spec]);
    assert_eq!(world.accept("ripley", &[]).0, Some(7));
    std::fs::remove_file(world.root().join("agents/ripley/managed-spawn.json")).unwrap();
    world.run(&["sweep"]).ended(0);
    assert_eq!(words(&json!(runs(&world, &[])), "status"), ["cancelled"]);
    assert_eq!(leases(&world)["leases"], json!([]));
}

#[test]
fn a_sidecar_is_called_off_once_and_its_run_says_why() {
    let world = World::new();
    assert_eq!(
        world.run(&["queue", "cancel", "ripley", "--format", "json"]).ended(6).json()["error"]["code"],
        "nothing-pending"
    );
    world.declare("ripley", &[world.shell("web", "exec sleep 1000")]);
    let done = world.run(&["queue", "cancel", "ripley", "--reason", "no need", "--format", "json"]).ended(0).json();
    assert_eq!((done["status"].as_str(), done["reason"].as_str()), (Some("cancelled"), Some("no need")), "{done}");
    let folder = world.root().join("agents/ripley");
    assert!(folder.join("managed-spawn.rejected.json").exists() && !folder.join("managed-spawn.json").exists());
    let run = &runs(&world, &[])[0];
    assert_eq!((run["status"].as_str(), run["failure_kind"].as_str()), (Some("cancelled"), Some("cancelled")), "{run}");
    let told = world.run(&["events", "--type", "sidecar.cancelled", "--format", "json"]).ended(0).json();
    assert_eq!(words(&told["items"], "run_id"), [done["run_id"].as_str().expect("an id")], "{told}");
    world.run(&["queue", "cancel", "ripley"]).ended(6);
    assert!(world.records().is_empty());
    world.run(&["queue", "cancel", "../x"]).ended(64);
}

#[test]
fn while_somebody_decides_a_sidecar_nobody_else_does() {
    let world = World::new();
    world.declare("ripley", &[gated(&world, "web", "gate")]);
    let first = start_gated(&world, &["accept", "ripley"], "web");
    let pid = format!("pid {}", first.id());
    let (code_of_second, report) = world.accept("ripley", &[]);
    assert_eq!((code_of_second, report["failure_class"].as_str()), (Some(7), Some("claimed")), "{report}");
    assert!(report["reason"].as_str().is_some_and(|reason| reason.contains(&pid)), "{report}");
    let all = world.run(&["accept", "--all", "--format", "json"]).ended(0).json();
    assert_eq!(all["items"][0]["outcome"], "none", "{all}");
    let cancel = world.run(&["queue", "cancel", "ripley", "--format", "json"]).ended(7).json();
    assert_eq!(cancel["error"]["code"], "sidecar-claimed");
    let listed = queue(&world);
    assert_eq!(words(&listed["items"], "status"), ["claimed"]);
    assert!(listed["items"][0]["why"].as_str().is_some_and(|why| why.contains(&pid)), "{listed}");
    std::fs::write(world.dir.path().join("gate"), "").unwrap();
    assert_eq!(code(first), Some(0));
    let all = runs(&world, &[]);
    assert_eq!((all.len(), all[0]["status"].as_str()), (1, Some("completed")));
    assert_eq!(report["run_id"], all[0]["id"], "who was refused was told which run it is");
}

#[test]
fn of_two_under_one_key_at_once_one_decides() {
    let world = World::new();
    world.declare("ripley", &[gated(&world, "web", "gate")]);
    world.declare("dallas", &[world.shell("api", "exec sleep 1000")]);
    let first = start_gated(&world, &["accept", "ripley", "--idempotency-key", "k"], "web");
    let refused = world.run(&["accept", "dallas", "--idempotency-key", "k", "--format", "json"]).ended(7).json();
    assert_eq!(refused["error"]["code"], "idempotency-key-in-use");
    std::fs::write(world.dir.path().join("gate"), "").unwrap();
    assert_eq!(code(first), Some(0));
    let refused = world.run(&["accept", "dallas", "--idempotency-key", "k", "--format", "json"]).ended(7).json();
    assert_eq!(refused["error"]["code"], "idempotency-key-reused");
    assert!(world.root().join("agents/dallas/managed-spawn.json").exists());
    world.run(&["accept", "dallas", "--idempotency-key", "k2"]).ended(0);
}

#[test]
fn who_is_stopped_for_longer_than_its_lease_decides_nothing_any_more() {
    let world = World::new();
    world.declare("ripley", &[gated(&world, "web", "gate")]);
    let first = start_gated(&world, &["accept", "ripley"], "web");
    signal(first.id(), Signal::STOP);
    let path = world.root().join("engine/managed-queue.json");
    let mut file = leases(&world);
    file["leases"][0]["expires_at"] = json!(1);
    std::fs::write(&path, file.to_string()).unwrap();
    std::fs::write(world.dir.path().join("gate"), "").unwrap();
    let (second, report) = world.accept("ripley", &[]);
    assert_eq!(second, Some(0), "{report}");
    signal(first.id(), Signal::CONT);
    let ran = first.wait_with_output().unwrap();
    assert_eq!(ran.status.code(), Some(7), "{ran:?}");
    assert!(String::from_utf8_lossy(&ran.stderr).contains("lease-lost"), "{ran:?}");
    let all = runs(&world, &[]);
    assert_eq!((all.len(), all[0]["status"].as_str()), (1, Some("completed")), "{all:?}");
    assert_eq!(world.live_generations().len(), 1);
}

#[test]
fn of_a_cancel_and_an_accept_at_the_same_moment_one_decides() {
    let world = World::new();
    for round in 0..20_u64 {
        let mut spec = world.shell("web", "exec sleep 1000");
        spec["ttl_minutes"] = json!(10 + round);
        world.declare("ripley", &[spec]);
        let start = |args: &[&str]| world.command(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let both = [start(&["accept", "ripley"]), start(&["queue", "cancel", "ripley"])];
        let codes = both.map(code);
        let all = runs(&world, &["-n", "1"]);
        // An accept that comes after the other's end finds nothing, and that is no failure.
        let is_right = match all[0]["status"].as_str() {
            Some("completed") => matches!(codes, [Some(0), Some(6 | 7)]),
            Some("cancelled") => matches!(codes, [Some(0 | 7), Some(0)]),
            _ => false,
        };
        assert!(is_right, "{codes:?} {all:?}");
        assert_eq!(runs(&world, &[]).len() as u64, round + 1, "one run for each");
    }
}

/// Each agent's sidecar, once.
fn declare_many(world: &World, count: usize) -> Vec<String> {
    let agents: Vec<String> = (0..count).map(|number| format!("agent-{number:03}")).collect();
    for (number, agent) in agents.iter().enumerate() {
        world.declare(agent, &[world.shell(&format!("s{number:03}"), "exec sleep 1000")]);
    }
    agents
}

/// Two loops and two persons at so many sidecars at once: each is decided by one of them.
fn all_at_once(count: usize) {
    let world = World::new();
    let agents = declare_many(&world, count);
    let first = Loop::start(&world);
    let half: Vec<&str> = agents.iter().map(String::as_str).skip(count / 4).take(count / 2).collect();
    let named: Vec<&str> = std::iter::once("accept").chain(half).collect();
    let start = |args: &[&str]| world.command(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let persons = [start(&["accept", "--all"]), start(&named)];
    // A second loop may come only when the first one's lease is over; what that one has begun goes on.
    let me = own_claim("run");
    let over = json!({"version": 1, "pid": me["pid"], "start_ticks": me["start_ticks"], "boot_id": me["boot_id"], "since": 1, "expires_at": 1});
    std::fs::write(world.root().join("engine/managed-loop.json"), over.to_string()).unwrap();
    let second = Loop::start(&world);
    let is_decided = |agent: &String| {
        let dir = world.root().join("agents").join(agent);
        dir.join("managed-spawn.accepted.json").exists() && !dir.join("managed-spawn.json").exists()
    };
    for agent in &agents {
        wait_for(&format!("{agent} is decided"), || is_decided(agent));
    }
    for child in persons {
        let code = code(child);
        assert!(matches!(code, Some(0 | 7)), "{code:?}");
    }
    wait_for("no lease is left", || leases(&world)["leases"] == json!([]));
    let all = runs(&world, &[]);
    let mut by_agent: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for run in &all {
        by_agent.entry(run["agent"].as_str().expect("one")).or_default().push(run["status"].as_str().expect("one"));
    }
    let twice: Vec<_> = by_agent.iter().filter(|(_, statuses)| **statuses != ["completed"]).collect();
    assert!(twice.is_empty() && by_agent.len() == count, "{twice:?}");
    let told = world.run(&["events", "--type", "sidecar.accepted", "-n", "10000", "--format", "json"]).ended(0).json();
    let mut told = words(&told["items"], "agent");
    told.sort();
    assert_eq!(told, agents, "each was told once");
    assert_eq!((world.live_generations().len(), world.records().len()), (count, count), "one generation for each");
    drop((first, second));
}

#[test]
fn two_loops_and_two_persons_decide_each_sidecar_once() {
    all_at_once(60);
}

#[test]
#[ignore = "takes a minute: part of the soak"]
fn two_loops_and_two_persons_decide_each_of_two_hundred_sidecars_once() {
    all_at_once(200);
}
