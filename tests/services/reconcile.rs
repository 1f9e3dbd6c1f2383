//! `reconcile`: a sweep, then one probe for each survivor, within its time whatever the probes do.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Ran, World, kill_shim, pid_of, proof, variable};

/// Far beyond the time limits given here, far below what the probes that hang would take.
const SOON: Duration = Duration::from_secs(10);

/// A service whose probes hang for a minute while there is a file `hang` in its folder.
fn hanging(world: &World, name: &str) -> Value {
    let mut spec = world.shell(name, "exec sleep 1000");
    spec["healthcheck"]["cmd"] = json!("sh -c 'test ! -e hang || sleep 60; echo ok'");
    spec
}

fn up(world: &World, specs: &[Value]) {
    world.declare("ripley", specs);
    let (code, report) = world.accept("ripley", &["--project", "shop"]);
    assert_eq!(code, Some(0), "{report}");
}

fn reconcile(world: &World, args: &[&str]) -> Ran {
    let all: Vec<&str> = ["reconcile", "--format", "json"].iter().chain(args).copied().collect();
    world.run(&all).ended(0)
}

/// Makes every pass old news.
fn forget_passes(world: &World) {
    let mut state = world.state();
    for record in state["specs"].as_array_mut().expect("records") {
        record["last_health_at"] = json!(1);
    }
    std::fs::write(world.root().join("engine/managed-processes.json"), state.to_string()).expect("written");
}

fn names(items: &Value) -> Vec<&str> {
    items.as_array().expect("an array").iter().map(|item| item["name"].as_str().expect("a name")).collect()
}

#[test]
fn the_dead_are_dropped_and_the_survivors_probed_and_recorded() {
    let world = World::new();
    let mut sick = world.shell("sick", "exec sleep 1000");
    sick["healthcheck"]["cmd"] = json!("sh -c 'test ! -e sick && echo ok'");
    sick["healthcheck"]["failure_threshold"] = json!(1);
    up(&world, &[world.shell("dead", "exec sleep 1000"), sick, world.server("web", "http")]);
    let dead = world.record("dead");
    kill_shim(&dead);
    std::fs::write(world.dir.path().join("work/sick"), "").expect("written");
    forget_passes(&world);
    let report = reconcile(&world, &[]).json();
    assert_eq!((&report["stats"]["scanned"], &report["stats"]["dead_dropped"]), (&json!(3), &json!(1)), "{report}");
    assert_eq!(report["stats"]["steps"][0]["name"], "dead");
    assert_eq!((names(&report["probed"]), names(&report["not_probed"])), (vec!["sick", "web"], vec![]), "{report}");
    let [sick, web] = [&report["probed"][0], &report["probed"][1]];
    assert_eq!((&sick["healthy"], &web["healthy"], &web["proof"]), (&json!(false), &json!(true), &json!(proof())));
    let [sick, web] = [world.record("sick"), world.record("web")];
    assert_eq!((&sick["healthy"], &sick["last_health_at"]), (&json!(false), &json!(1)));
    assert_eq!(web["healthy"], true);
    assert!(web["last_health_at"].as_i64() > Some(1), "{web}");
    assert_eq!(world.records().len(), 2);
}

#[test]
fn who_was_healthy_a_moment_ago_is_not_probed() {
    let world = World::new();
    up(&world, &[hanging(&world, "a"), hanging(&world, "b")]);
    std::fs::write(world.dir.path().join("work/hang"), "").expect("written");
    let before = world.state();
    let report = reconcile(&world, &["--max-ms", "600000"]).json();
    assert_eq!((names(&report["probed"]), names(&report["not_probed"])), (vec![], vec!["a", "b"]), "{report}");
    assert!(report["not_probed"][0]["why"].as_str().is_some_and(|why| why.starts_with("healthy ")), "{report}");
    assert_eq!(world.state(), before);
    let text = world.run(&["reconcile"]).ended(0).stdout;
    assert!(text.contains("a: not probed, healthy "), "{text}");
}

#[test]
fn probes_that_hang_hold_it_up_no_longer_than_the_limit_and_change_nothing() {
    let world = World::new();
    world.set(&json!({"maxSpecsPerFile": 20, "probeMaxSec": 60, "bootReconcileMaxMs": 200}));
    let mut specs: Vec<Value> = (0..9).map(|at| hanging(&world, &format!("s-{at}"))).collect();
    for spec in &mut specs {
        spec["healthcheck"]["timeout_s"] = json!(60);
    }
    specs.push(world.server("web", "http"));
    up(&world, &specs);
    std::fs::write(world.dir.path().join("work/hang"), "").expect("written");
    forget_passes(&world);
    let before = world.record("s-0");
    for limit in [&["--max-ms", "300"][..], &[]] {
        let began = Instant::now();
        let report = reconcile(&world, limit).json();
        assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
        for item in report["probed"].as_array().expect("items").iter().filter(|item| item["name"] != "web") {
            assert_eq!((&item["healthy"], &item["alive"]), (&Value::Null, &json!(true)), "{item}");
            assert!(item["error"].as_str().is_some_and(|error| error.contains("in the time given")), "{item}");
        }
        assert_eq!(world.record("s-0"), before);
    }
    assert_eq!(before["healthy"], true);
    assert!(world.record("web")["last_health_at"].as_i64() > Some(1), "who answers in time is recorded");
    // The commands of the probes carry the mark of their service: those that hung are ended.
    let services: Vec<u32> = world.records().iter().map(pid_of).collect();
    let marked = |pid: &u32| variable(*pid, "MINIONS_MANAGED_NAME").is_some() && !services.contains(pid);
    assert_eq!(world.processes().into_iter().filter(marked).collect::<Vec<_>>(), [0_u32; 0]);
}

/// So many servers at once are too heavy for every run: `just soak`. What it prints is in docs/performance.md.
#[test]
#[ignore = "starts 100 servers; `just soak` runs it"]
fn a_hundred_probes_that_hang_are_given_up_in_time() {
    let world = World::new();
    world.set(&json!({"maxSpecsPerFile": 100, "probeMaxSec": 60}));
    world.declare("ripley", &(0..100).map(|at| world.server(&format!("s-{at}"), "hang")).collect::<Vec<_>>());
    assert_eq!(world.accept("ripley", &["--no-wait"]).0, Some(0));
    let began = Instant::now();
    let report = reconcile(&world, &["--max-ms", "1000"]).json();
    let took = began.elapsed();
    println!("100 probes that hang, --max-ms 1000: {took:?}");
    let unknown = |item: &&Value| item["healthy"].is_null();
    assert_eq!(report["probed"].as_array().expect("items").iter().filter(unknown).count(), 100);
    assert!(took < Duration::from_secs(2), "{took:?}");
}
