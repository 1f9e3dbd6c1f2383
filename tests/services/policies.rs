//! What the sweep does with dead services whose restart policies say that they come back: where their shims are gone and where
//! the machine was booted anew. What a living shim does by itself is told elsewhere.

use std::process::{Child, Command};

use serde_json::{Value, json};

use crate::support::{World, is_alive, kill_shim, pid_of, wait_for};
use crate::truth::{expect_no_finding, expect_truth};

/// A wait that no test lives to see the end of; those that want it to be over set the record's moment.
const LONG_S: u32 = 1000;

/// A world with the service `web`, which sleeps and has the lifecycle fields `lifecycle`.
fn one_service(lifecycle: &Value) -> (World, Value) {
    let world = World::new();
    let mut spec = world.shell("web", "echo up; exec sleep 1000");
    for (key, value) in lifecycle.as_object().expect("fields") {
        spec[key] = value.clone();
    }
    world.declare("ripley", &[spec]);
    let (code, report) = world.accept("ripley", &[]);
    assert_eq!(code, Some(0), "{report}");
    let record = world.record("web");
    (world, record)
}

fn always(max_restarts: u32) -> Value {
    json!({"restart": {"policy": "always", "backoff_s": [LONG_S], "max_restarts": max_restarts, "window_s": 5000}})
}

/// Changes the record of `web` as time or a boot would have left it.
fn edit(world: &World, change: impl Fn(&mut Value)) {
    let mut state = world.state();
    change(state["specs"].as_array_mut().expect("records").first_mut().expect("a record"));
    std::fs::write(world.root().join("engine/managed-processes.json"), state.to_string()).expect("written");
}

/// The wait is over, and so is the life of whoever looked at the clock.
fn make_due(world: &World) {
    edit(world, |record| record["next_at"] = json!(1));
}

/// Processes that nobody may signal.
struct Strangers(Vec<Child>);

impl Strangers {
    fn expect_untouched(&mut self) {
        for child in &mut self.0 {
            assert!(is_alive(child.id()) && child.try_wait().expect("ours").is_none(), "nobody of before is signalled");
        }
    }
}

impl Drop for Strangers {
    fn drop(&mut self) {
        for child in &mut self.0 {
            child.kill().expect("our own child");
            child.wait().expect("our own child");
        }
    }
}

/// The machine is booted anew: all that ran is gone, and in the files stand pids and starts that are others' by now.
fn boot(world: &World, old: &Value) -> Strangers {
    kill_shim(old);
    let strangers = Strangers((0..2).map(|_| Command::new("sleep").arg("1000").spawn().expect("starts")).collect());
    let run_dir = world.root().join("engine/managed-run/web").join(old["generation"].as_str().expect("one"));
    let other = json!("00000000-0000-4000-8000-000000000000");
    for (child, (prefix, file)) in strangers.0.iter().zip([("", "service.json"), ("shim_", "shim.json")]) {
        let identity = minions_managed::process::observe_identity(child.id()).unwrap().expect("it lives");
        let path = run_dir.join(file);
        let mut told: Value = serde_json::from_slice(&std::fs::read(&path).expect("read")).expect("JSON");
        for (key, value) in [("pid", json!(identity.pid)), ("start_ticks", json!(identity.start_ticks))] {
            told[key] = value.clone();
            edit(world, |record| record["process"][format!("{prefix}{key}")] = value.clone());
        }
        told["boot_id"] = other.clone();
        std::fs::write(path, told.to_string()).expect("written");
    }
    edit(world, |record| {
        record["process"]["boot_id"] = other.clone();
        record["pid"] = record["process"]["pid"].clone();
    });
    strangers
}

fn sweep(world: &World) -> Value {
    world.run(&["sweep", "--format", "json"]).ended(0).json()
}

/// The dry run and then the sweep say that `action` is due for `web`, with `why` in its reason. Returns the sweep's report.
fn check_step(world: &World, action: &str, why: &str) -> Value {
    let before = world.records();
    let planned = world.run(&["sweep", "--dry-run", "--format", "json"]).ended(0).json();
    assert_eq!(world.records(), before, "a dry run changes nothing");
    let report = sweep(world);
    for told in if action == "keep" { vec![&planned] } else { vec![&planned, &report] } {
        let step = told["steps"].as_array().and_then(|steps| steps.first()).unwrap_or_else(|| panic!("{told}"));
        assert_eq!((&step["name"], &step["action"]), (&json!("web"), &json!(action)), "{told}");
        assert!(step["why"].as_str().is_some_and(|said| said.contains(why)), "{why}: {told}");
    }
    expect_no_finding(world, &format!("after {action}"));
    report
}

/// A new life of the same declaration, which has not gained any time by it.
fn expect_new_life(world: &World, old: &Value) -> Value {
    let record = world.record("web");
    assert_eq!((&record["status"], &record["claim"]), (&json!("running"), &Value::Null), "{record}");
    assert!(is_alive(pid_of(&record)) && record["generation"] != old["generation"]);
    for key in ["ttl_expires_at", "spec_hash", "passed_env", "restart", "name"] {
        assert_eq!(record[key], old[key], "{key}");
    }
    expect_truth(world, "a new life");
    record
}

#[test]
fn a_service_that_died_with_its_shim_waits_as_its_policy_says_and_then_comes_back() {
    let (world, old) = one_service(&always(10));
    kill_shim(&old);
    check_step(&world, "wait", "its restart policy starts it again in 16m");
    let waiting = world.record("web");
    assert_eq!(waiting["status"], "backoff");
    assert_eq!((&waiting["failures_in_row"], &waiting["restarts"]), (&json!(1), &json!(1)), "{waiting}");
    assert_eq!((&waiting["pid"], &waiting["process"], &waiting["alive"]), (&Value::Null, &Value::Null, &json!(false)));
    assert_eq!(waiting["last_transition"]["input"], "dead-at-sweep");
    let run_dir = world.root().join("engine/managed-run/web").join(old["generation"].as_str().expect("one"));
    assert!(!run_dir.exists(), "its files are gone");
    check_step(&world, "keep", "to be started again in 16m");
    assert_eq!(world.record("web"), waiting, "it is written once");
    make_due(&world);
    let report = check_step(&world, "start-again", "its wait is over, after failure 1 in a row");
    assert_eq!(report["restarted"], 1);
    let record = expect_new_life(&world, &old);
    assert_eq!((&record["failures_in_row"], &record["restarts"]), (&json!(1), &json!(1)));
    assert_eq!(record["recent_starts"].as_array().map(Vec::len), Some(1));
    assert_eq!((&record["last_transition"]["from"], &record["next_at"]), (&json!("starting"), &Value::Null));
}

#[test]
fn a_service_whose_policy_has_no_start_left_is_given_up_and_stays_to_be_looked_at() {
    let (world, old) = one_service(&always(0));
    kill_shim(&old);
    check_step(&world, "give-up", "max_restarts is 0");
    let failed = world.record("web");
    assert_eq!((&failed["status"], &failed["alive"]), (&json!("failed"), &json!(false)));
    check_step(&world, "keep", "it has failed");
    assert_eq!(world.record("web"), failed);
    assert!(world.run(&["logs", "web"]).ended(0).stdout.contains("up"), "its log can be read");
    world.run(&["show", "web"]).ended(0);
    // A person starts it with a clean count, and a full time to live.
    world.run(&["restart", "web"]).ended(0);
    let record = world.record("web");
    assert_eq!((&record["status"], &record["failures_in_row"]), (&json!("running"), &Value::Null), "{record}");
    assert!(record["ttl_expires_at"].as_i64() > old["ttl_expires_at"].as_i64());
    expect_truth(&world, "restarted");
}

#[test]
fn what_waits_has_failed_or_is_stopped_can_be_started_anew_and_stopped() {
    for status in ["backoff", "failed", "stopped"] {
        let (world, old) = one_service(&always(10));
        kill_shim(&old);
        sweep(&world);
        edit(&world, |record| record["status"] = json!(status));
        expect_no_finding(&world, status);
        world.run(&["restart", "web"]).ended(0);
        let record = world.record("web");
        assert!(record["status"] == "running" && is_alive(pid_of(&record)), "{status}: {record}");
        assert_eq!((&record["failures_in_row"], &record["next_at"]), (&Value::Null, &Value::Null), "{status}");
        expect_truth(&world, status);
        kill_shim(&record);
        sweep(&world);
        edit(&world, |record| record["status"] = json!(status));
        world.run(&["stop", "web"]).ended(0);
        assert!(world.records().is_empty(), "{status}");
        expect_truth(&world, status);
    }
}

#[test]
fn after_a_boot_the_policy_says_what_comes_back_and_nobody_of_before_is_signalled() {
    for (policy, comes_back) in [("always", true), ("on-failure", true), ("never", false)] {
        let (world, old) = one_service(&json!({"restart": {"policy": policy, "backoff_s": [LONG_S]}}));
        let mut strangers = boot(&world, &old);
        let report = if comes_back {
            check_step(&world, "start-again", "the machine was booted anew since it was started")
        } else {
            check_step(&world, "drop", "the machine was booted anew since it was started")
        };
        assert_eq!(report["restarted"], json!(u32::from(comes_back)), "{policy}");
        assert_eq!(report["killed_pids"], 0);
        strangers.expect_untouched();
        if !comes_back {
            assert!(world.records().is_empty());
            continue;
        }
        let record = expect_new_life(&world, &old);
        assert_eq!(
            (&record["failures_in_row"], &record["restarts"]),
            (&Value::Null, &json!(1)),
            "a boot is no failure"
        );
    }
}

#[test]
fn a_time_to_live_ends_what_waits_and_what_a_boot_would_bring_back() {
    let (world, old) = one_service(&always(10));
    kill_shim(&old);
    sweep(&world);
    edit(&world, |record| {
        record["next_at"] = json!(1);
        record["ttl_expires_at"] = json!(1_000_000);
    });
    let report = check_step(&world, "expire", "its time to live is over");
    assert_eq!(
        (&report["ttl_expired"], &report["restarted"], &report["killed_pids"]),
        (&json!(1), &json!(0), &json!(0))
    );
    assert!(world.records().is_empty() && world.processes().is_empty());

    let (world, old) = one_service(&always(10));
    let mut strangers = boot(&world, &old);
    edit(&world, |record| record["ttl_expires_at"] = json!(1_000_000));
    check_step(&world, "expire", "its time to live is over");
    assert!(world.records().is_empty());
    strangers.expect_untouched();
}

#[test]
fn a_start_that_cannot_be_is_counted_and_tried_at_the_pace_of_its_policy() {
    let (world, old) = one_service(&always(2));
    kill_shim(&old);
    sweep(&world);
    make_due(&world);
    let gone = world.dir.path().join("gone");
    std::fs::rename(world.dir.path().join("work"), &gone).expect("renamed");
    let refused = world.run(&["sweep", "--format", "json"]).ended(1).json();
    assert_eq!(refused["restarted"], 0, "{refused}");
    let waiting = world.record("web");
    assert_eq!((&waiting["status"], &waiting["failures_in_row"]), (&json!("backoff"), &json!(2)), "{waiting}");
    assert_eq!(waiting["last_transition"]["input"], "start-again-failed");
    assert!(waiting["last_transition"]["why"].as_str().is_some_and(|why| why.contains("cannot be entered")));
    check_step(&world, "keep", "after failure 2 in a row");
    make_due(&world);
    world.run(&["sweep"]).ended(1);
    let failed = world.record("web");
    assert_eq!(
        (&failed["status"], &failed["last_transition"]["input"]),
        (&json!("failed"), &json!("gave-up")),
        "{failed}"
    );
    // What was missing is back, and somebody wants it.
    std::fs::rename(&gone, world.dir.path().join("work")).expect("renamed");
    world.run(&["restart", "web"]).ended(0);
    wait_for("it is up", || world.record("web")["healthy"] == true);
    expect_truth(&world, "restarted");
}

#[test]
fn every_change_of_status_says_why() {
    let (world, record) = one_service(&json!({}));
    let last = &record["last_transition"];
    assert_eq!(
        (&last["from"], &last["to"], &last["input"]),
        (&json!("running"), &json!("running"), &json!("first-healthy"))
    );
    world.run(&["restart", "web", "--no-wait"]).ended(0);
    let last = &world.record("web")["last_transition"];
    assert_eq!(
        (&last["from"], &last["to"], &last["input"]),
        (&json!("starting"), &json!("running"), &json!("spawned"))
    );
}

#[test]
fn explain_says_why_a_service_runs_waits_or_has_failed_and_what_comes_next() {
    let explain = |world: &World| world.run(&["explain", "web", "--format", "json"]).ended(0).json();
    let text = |world: &World| world.run(&["explain", "web"]).ended(0).stdout;
    let (world, old) = one_service(&always(1));
    let told = explain(&world);
    assert!(told["why"].as_str().is_some_and(|why| why.starts_with("it runs: its first probe passed")), "{told}");
    assert_eq!((&told["due"]["action"], &told["next"][0]["what"]), (&json!("keep"), &json!("end of its time to live")));
    assert_eq!((&told["next_wait_s"], &told["starts_left"]), (&json!(f64::from(LONG_S)), &json!(1)), "{told}");
    kill_shim(&old);
    let told = explain(&world);
    assert!(told["why"].as_str().is_some_and(|why| why.starts_with("it is dead, and nobody has acted")), "{told}");
    assert_eq!((&told["alive"], &told["due"]["action"]), (&json!(false), &json!("wait")));
    sweep(&world);
    let told = explain(&world);
    assert!(told["why"].as_str().is_some_and(|why| why.starts_with("it is started again in 16m")), "{told}");
    assert_eq!((&told["next"][0]["what"], &told["starts_left"]), (&json!("start again"), &json!(0)), "{told}");
    assert_eq!(told["last_transition"]["input"], "dead-at-sweep");
    for words in ["last change  running to backoff, by `dead-at-sweep`", "start again", "0 automatic starts are left"] {
        assert!(text(&world).contains(words), "{words}: {}", text(&world));
    }
    let list = world.run(&["list"]).ended(0).stdout;
    assert!(list.contains("\n\nweb: it is started again in 16m"), "{list}");
    assert!(world.run(&["show", "web"]).ended(0).stdout.contains("it is started again in 16m"));
    edit(&world, |record| record["status"] = json!("failed"));
    assert!(explain(&world)["why"].as_str().is_some_and(|why| why.starts_with("it has failed")));
    let records = world.records();
    assert_eq!(explain(&world)["due"]["action"], "keep");
    assert_eq!(world.records(), records, "nothing is changed by it");
    let unknown = world.run(&["explain", "wbe"]).ended(6);
    assert!(unknown.stderr.contains("nearest: `web`"), "{unknown:?}");
}

#[test]
fn explain_tells_what_a_service_depends_on() {
    let world = World::new();
    let mut web = world.shell("web", "exec sleep 1000");
    web["depends_on"] = json!(["db"]);
    world.declare("ripley", &[world.shell("db", "exec sleep 1001"), web]);
    assert_eq!(world.accept("ripley", &[]).0, Some(0));
    let told = world.run(&["explain", "web", "--format", "json"]).ended(0).json();
    let need = json!([{"name": "db", "service": "db", "status": "running", "healthy": true, "why": null}]);
    assert_eq!((&told["depends_on"], &told["declared"]), (&need, &json!({"depends_on": ["db"]})), "{told}");
    world.run(&["stop", "db"]).ended(0);
    assert!(world.run(&["explain", "web"]).ended(0).stdout.contains("db: there is none in its scope"));
}
