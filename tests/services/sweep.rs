//! What a sweep does with the dead, the expired, the orphaned, the foreign and the unknown, and with what killed commands
//! have left: first as its dry run tells it, then in truth.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::{World, is_alive, kill, kill_shim, own_claim, pid_of, shim_of, stranger_to, wait_for};

/// A world with the service `web`, which sleeps, and its record.
fn one_service() -> (World, Value) {
    let world = World::new();
    world.declare("ripley", &[world.shell("web", "exec sleep 1000")]);
    let (code, report) = world.accept("ripley", &[]);
    assert_eq!(code, Some(0), "{report}");
    let record = world.record("web");
    (world, record)
}

/// Changes the record `name` as a killed command, a reboot or the time would have left it.
fn edit(world: &World, name: &str, change: impl Fn(&mut Value)) {
    let mut state = world.state();
    let records = state["specs"].as_array_mut().expect("records");
    change(records.iter_mut().find(|record| record["name"] == name).expect("the record"));
    std::fs::write(world.root().join("engine/managed-processes.json"), state.to_string()).expect("written");
}

/// The claim of a command that is dead: no process can have that pid.
fn dead_claim(verb: &str, boot_id: &Value) -> Value {
    json!({"pid": 0x7fff_0000, "start_ticks": 1, "boot_id": boot_id, "verb": verb, "at": 1})
}

fn sweep(world: &World, more: &[&str]) -> Value {
    let mut args = vec!["sweep", "--format", "json"];
    args.extend(more);
    world.run(&args).ended(0).json()
}

/// The dry run says that `action` is due for `web`, with `why` in its reason, and changes nothing; then the sweep does it.
/// Returns the sweep's report.
fn check_step(world: &World, action: &str, why: &str) -> Value {
    let before = (world.records(), world.processes());
    let planned = sweep(world, &["--dry-run"]);
    assert_eq!((world.records(), world.processes()), before, "a dry run changes nothing");
    let report = sweep(world, &[]);
    let steps = if action == "keep" { vec![&planned] } else { vec![&planned, &report] };
    for told in steps {
        let step = told["steps"].as_array().and_then(|steps| steps.first()).unwrap_or_else(|| panic!("{told}"));
        assert_eq!((&step["name"], &step["action"]), (&json!("web"), &json!(action)), "{told}");
        assert!(step["why"].as_str().is_some_and(|said| said.contains(why)), "{why}: {told}");
    }
    let without = |report: &Value| {
        let mut figures = report.clone();
        for key in ["steps", "dry_run"] {
            figures.as_object_mut().expect("an object").remove(key);
        }
        figures
    };
    assert_eq!(without(&planned), without(&report), "what was planned is what was done");
    report
}

#[test]
fn a_service_that_lives_is_left_alone_and_the_dry_run_says_why() {
    let (world, record) = one_service();
    check_step(&world, "keep", "it is alive, and has 3h 59m left");
    assert_eq!(world.record("web"), record);
}

#[test]
fn a_dead_service_is_dropped_with_how_it_ended() {
    let (world, record) = one_service();
    kill(pid_of(&record));
    wait_for("its shim has gone", || !is_alive(shim_of(&record)));
    let report = check_step(&world, "drop", "signal 9 ended it");
    assert_eq!(
        (&report["scanned"], &report["dead_dropped"], &report["killed_pids"]),
        (&json!(1), &json!(1), &json!(0))
    );
    assert!(world.records().is_empty());
    assert!(!world.root().join("engine/managed-run/web").exists(), "its files are gone");
    assert_eq!(sweep(&world, &[])["dead_dropped"], 0);
}

#[test]
fn a_killed_shim_leaves_descendants_which_are_ended_with_the_record() {
    let world = World::new();
    world.declare("ripley", &[world.shell("web", "setsid sleep 1000 & exec sleep 1001")]);
    assert_eq!(world.accept("ripley", &[]).0, Some(0));
    let record = world.record("web");
    wait_for("both sleep", || world.processes().len() >= 3);
    kill_shim(&record);
    check_step(&world, "drop", "nobody saw how it ended");
    assert_eq!(world.processes(), [0; 0], "no descendant is left");
}

#[test]
fn an_expired_service_is_ended_where_its_shim_does_not_know() {
    let (world, record) = one_service();
    edit(&world, "web", |record| record["ttl_expires_at"] = json!(1_000_000));
    let report = check_step(&world, "expire", "its time to live is over");
    assert_eq!(
        (&report["ttl_expired"], &report["dead_dropped"], &report["killed_pids"]),
        (&json!(1), &json!(0), &json!(1))
    );
    assert!(world.records().is_empty() && !is_alive(pid_of(&record)) && !is_alive(shim_of(&record)));
}

#[test]
fn a_foreign_process_that_has_the_pid_by_now_is_not_touched() {
    let (world, record) = one_service();
    world.run(&["stop", "web"]).ended(0);
    let mut stranger = stranger_to(&record);
    let mut state = world.state();
    let mut lying = record.clone();
    lying["pid"] = json!(stranger.id());
    lying["process"]["pid"] = json!(stranger.id());
    state["specs"] = json!([lying]);
    std::fs::write(world.root().join("engine/managed-processes.json"), state.to_string()).expect("written");
    check_step(&world, "drop", &format!("pid {} is another process now", stranger.id()));
    assert!(world.records().is_empty());
    assert!(is_alive(stranger.id()), "a stranger is never signalled");
    // The same pid and the same start, in another boot.
    lying["process"]["boot_id"] = json!("00000000-0000-0000-0000-000000000000");
    state["specs"] = json!([lying]);
    std::fs::write(world.root().join("engine/managed-processes.json"), state.to_string()).expect("written");
    check_step(&world, "drop", "booted anew");
    assert!(is_alive(stranger.id()), "nothing of another boot is signalled");
    stranger.kill().expect("our child");
    stranger.wait().expect("our child");
}

#[test]
fn a_process_that_cannot_be_seen_keeps_its_record() {
    let (world, record) = one_service();
    // In a mount namespace of its own, without a process table.
    let blind = |more: &str| {
        let script = format!("mount -t tmpfs none /proc && exec \"$0\" managed sweep --format json {more}");
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c", &script, env!("CARGO_BIN_EXE_minions")]);
        command.env("MINIONS_DIR", world.root()).output().expect("unshare runs")
    };
    let told = blind("--dry-run");
    if !told.status.success() && !String::from_utf8_lossy(&told.stdout).contains("steps") {
        eprintln!("skipped: no mount namespaces here: {}", String::from_utf8_lossy(&told.stderr));
        return;
    }
    let told: Value = serde_json::from_slice(&told.stdout).expect("a report");
    let step = &told["steps"][0];
    assert_eq!((&step["name"], &step["action"]), (&json!("web"), &json!("keep")), "{told}");
    assert!(step["why"].as_str().is_some_and(|why| why.contains("cannot be told")), "{told}");
    assert!(blind("").status.success());
    assert_eq!(world.record("web"), record);
    assert!(is_alive(pid_of(&record)));
}

#[test]
fn an_orphaned_service_gets_its_record_back_or_is_stopped_where_another_has_its_name() {
    let (world, record) = one_service();
    let state = world.root().join("engine/managed-processes.json");
    std::fs::remove_file(&state).expect("removed");
    let report = check_step(&world, "adopt", "it runs, and is in no record");
    assert_eq!((&report["adopted"], &report["orphans_stopped"]), (&json!(1), &json!(0)));
    let adopted = world.record("web");
    for key in ["pid", "process", "generation", "cmd", "args", "ttl_expires_at", "status"] {
        assert_eq!(adopted[key], record[key], "{key}");
    }
    // Another generation takes the name.
    std::fs::remove_file(&state).expect("removed");
    let mut spec = world.shell("web", "exec sleep 1002");
    spec["ttl_minutes"] = json!(7);
    world.declare("ripley", &[spec]);
    assert_eq!(world.accept("ripley", &[]).0, Some(0));
    let told = sweep(&world, &[]);
    assert_eq!((&told["orphans_stopped"], &told["killed_pids"]), (&json!(1), &json!(1)), "{told}");
    assert!(!is_alive(pid_of(&record)) && !is_alive(shim_of(&record)));
    assert!(is_alive(pid_of(&world.record("web"))));
    assert_eq!(world.live_generations().len(), 1);
}

#[test]
fn what_is_left_of_a_generation_that_is_over_is_cleared_away() {
    let (world, record) = one_service();
    world.run(&["stop", "web"]).ended(0);
    let left = world.root().join("engine/managed-run/web").join(record["generation"].as_str().expect("one"));
    std::fs::create_dir_all(left.with_extension("barred")).expect("made");
    std::fs::create_dir_all(&left).expect("made");
    check_step(&world, "forget", "only its files are left");
    assert!(!left.parent().expect("a parent").exists());
}

#[test]
fn a_stop_that_was_killed_is_finished() {
    let (world, record) = one_service();
    edit(&world, "web", |record| {
        record["status"] = json!("stopping");
        record["claim"] = dead_claim("stop", &record["process"]["boot_id"]);
    });
    check_step(&world, "stop", "it was to be stopped");
    assert!(world.records().is_empty() && !is_alive(pid_of(&record)));
}

#[test]
fn a_record_that_a_living_command_is_at_is_left_to_it() {
    let (world, _) = one_service();
    edit(&world, "web", |record| {
        record["status"] = json!("stopping");
        record["claim"] = own_claim("stop");
    });
    check_step(&world, "keep", &format!("`minions managed stop` (pid {}) is at it", std::process::id()));
}

#[test]
fn a_start_that_was_never_settled_is_adopted() {
    let (world, record) = one_service();
    edit(&world, "web", |record| {
        record["claim"] = dead_claim("accept", &record["process"]["boot_id"]);
        for (key, value) in [("status", json!("starting")), ("healthy", json!(false)), ("alive", json!(false))] {
            record[key] = value;
        }
        for key in ["pid", "process", "started_at", "last_health_at"] {
            record[key] = Value::Null;
        }
    });
    let report = check_step(&world, "adopt", "`accept` died before it could record that");
    assert_eq!(report["adopted"], 1);
    let adopted = world.record("web");
    for key in ["pid", "process", "generation"] {
        assert_eq!(adopted[key], record[key], "{key}");
    }
    assert_eq!((&adopted["status"], &adopted["claim"]), (&json!("running"), &Value::Null));
}

/// The record of a restart that died: a new generation is claimed, `previous` is the old one.
fn half_restarted(world: &World, verb: &str) {
    edit(world, "web", |record| {
        record["previous"] = json!({"generation": record["generation"], "process": record["process"]});
        record["generation"] = json!("gffffffffffffffffffffffff");
        record["claim"] = dead_claim(verb, &record["process"]["boot_id"]);
        record["status"] = json!("starting");
        for key in ["pid", "process", "started_at"] {
            record[key] = Value::Null;
        }
    });
}

#[test]
fn a_restart_that_died_before_it_ended_the_old_generation_leaves_that_one_running() {
    let (world, record) = one_service();
    half_restarted(&world, "restart");
    check_step(&world, "restore", "`restart` died before it replaced the generation that runs");
    let restored = world.record("web");
    for key in ["pid", "process", "generation", "ttl_expires_at", "spec_hash", "passed_env"] {
        assert_eq!(restored[key], record[key], "{key}");
    }
    assert_eq!(
        (&restored["status"], &restored["claim"], &restored["previous"]),
        (&json!("running"), &Value::Null, &Value::Null)
    );
    assert!(is_alive(pid_of(&record)));
}

#[test]
fn a_restart_that_died_after_it_ended_the_old_generation_is_finished() {
    let (world, record) = one_service();
    half_restarted(&world, "restart");
    kill(pid_of(&record));
    wait_for("its shim has gone", || !is_alive(shim_of(&record)));
    let report = check_step(&world, "start-again", "`restart` died after it had begun to end it");
    assert_eq!(report["restarted"], 1);
    let again = world.record("web");
    assert_eq!(again["status"], "running");
    assert!(is_alive(pid_of(&again)));
    assert_eq!(world.live_generations(), [again["generation"].as_str().expect("one").to_owned()]);
}

#[test]
fn a_restart_that_died_while_it_ended_the_old_generation_is_finished() {
    let (world, record) = one_service();
    half_restarted(&world, "restart");
    let run_dir = world.root().join("engine/managed-run/web").join(record["generation"].as_str().expect("one"));
    std::fs::write(run_dir.join("ending"), "").expect("written");
    check_step(&world, "start-again", "`restart` died after it had begun to end it");
    let again = world.record("web");
    assert!(is_alive(pid_of(&again)) && !is_alive(pid_of(&record)));
    assert_eq!(world.live_generations(), [again["generation"].as_str().expect("one").to_owned()]);
}

#[test]
fn an_accept_that_died_before_it_started_anything_leaves_nothing() {
    let (world, record) = one_service();
    half_restarted(&world, "accept");
    kill(pid_of(&record));
    wait_for("its shim has gone", || !is_alive(shim_of(&record)));
    check_step(&world, "drop", "`accept` died before it started it");
    assert!(world.records().is_empty() && world.processes().is_empty());
}

#[test]
fn a_renewal_that_died_reaches_the_shim() {
    let (world, record) = one_service();
    let ends = record["ttl_expires_at"].as_i64().expect("a time") + 3_600_000;
    edit(&world, "web", |record| {
        record["ttl_expires_at"] = json!(ends);
        record["claim"] = dead_claim("renew", &record["process"]["boot_id"]);
    });
    check_step(&world, "adopt", "`renew` died at its work on it");
    let renewed = world.record("web");
    assert_eq!((&renewed["ttl_expires_at"], &renewed["claim"]), (&json!(ends), &Value::Null));
    assert_eq!((&renewed["healthy"], &renewed["pid"]), (&json!(true), &record["pid"]));
    let run_dir = world.root().join("engine/managed-run/web").join(record["generation"].as_str().expect("one"));
    let orders: Value =
        serde_json::from_slice(&std::fs::read(run_dir.join("launch.json")).expect("read")).expect("JSON");
    assert_eq!(orders["ttl_expires_at"], json!(ends));
}

#[test]
fn a_legacy_record_lives_by_its_pid_and_start_and_is_ended_when_its_time_is_over() {
    let world = World::new();
    let mut child = Command::new("sleep").arg("1000").spawn().expect("starts");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_millis();
    let now = i64::try_from(now).expect("fits");
    let legacy = |started_at: i64, ends: i64| {
        let check = json!({"type": "http", "url": "http://127.0.0.1:1/", "expect_status": 200});
        let record = json!({
            "name": "web", "pid": child.id(), "cmd": "sleep", "args": ["1000"], "healthcheck": check,
            "started_at": started_at, "ttl_expires_at": ends, "healthy": true, "alive": true,
        });
        std::fs::create_dir_all(world.root().join("engine")).expect("made");
        let state = json!({"version": 1, "revision": 1, "specs": [record]});
        std::fs::write(world.root().join("engine/managed-processes.json"), state.to_string()).expect("written");
    };
    legacy(now, now + 60_000);
    check_step(&world, "keep", "it is alive");
    // Recorded long before that process started: the pid is a stranger's.
    legacy(now - 100_000, now + 60_000);
    check_step(&world, "drop", &format!("pid {} is another process now", child.id()));
    assert!(is_alive(child.id()));
    legacy(now, now - 1);
    check_step(&world, "expire", "its time to live is over");
    assert!(!is_alive(child.id()));
    child.wait().expect("our child");
}

#[test]
fn a_log_that_has_grown_too_large_is_rotated() {
    let (world, record) = one_service();
    world.set(&json!({"logRotateBytes": 4096}));
    let log = std::path::PathBuf::from(record["log_path"].as_str().expect("a path"));
    std::fs::write(&log, "0123456789abcde\n".repeat(1024)).expect("written");
    let told = sweep(&world, &["--dry-run"]);
    assert_eq!((&told["rotated_logs"], log.metadata().expect("there").len()), (&json!(1), 16 * 1024), "{told}");
    assert_eq!(sweep(&world, &[])["rotated_logs"], 1);
    assert!(log.with_extension("log.1").metadata().expect("there").len() > 0);
    assert!(log.metadata().expect("there").len() < 16 * 1024);
    assert_eq!(sweep(&world, &[])["rotated_logs"], 0);
}

#[test]
fn malformed_records_are_counted_and_set_aside() {
    let (world, record) = one_service();
    let mut state = world.state();
    state["specs"].as_array_mut().expect("records").push(json!({"name": 7}));
    std::fs::write(world.root().join("engine/managed-processes.json"), state.to_string()).expect("written");
    let told = world.run(&["sweep", "--dry-run", "--format", "json"]).ended(0).json();
    assert_eq!(told["malformed"], 1);
    let told = world.run(&["sweep", "--format", "json"]).ended(9).json();
    assert_eq!((&told["malformed"], &told["scanned"]), (&json!(1), &json!(1)));
    assert_eq!(world.record("web"), record);
    assert_eq!(sweep(&world, &[])["malformed"], 0);
}

#[test]
fn a_service_whose_files_are_all_gone_is_found_by_its_shim_and_ended() {
    let (world, record) = one_service();
    std::fs::remove_dir_all(world.root().join("engine")).expect("removed");
    assert_eq!(sweep(&world, &[])["orphans_stopped"], 0, "the sweep of every minute does not look at all processes");
    assert!(is_alive(pid_of(&record)));
    let told = world.run(&["reconcile", "--format", "json"]).ended(0).json();
    assert_eq!((&told["stats"]["orphans_stopped"], &told["stats"]["killed_pids"]), (&json!(1), &json!(1)), "{told}");
    assert!(!is_alive(pid_of(&record)) && !is_alive(shim_of(&record)));
}

#[test]
fn a_state_of_a_newer_version_is_left_alone_with_all_that_lives() {
    let (world, record) = one_service();
    let mut state = world.state();
    state["version"] = json!(99);
    // As if that version kept the name elsewhere: to us it is no record.
    state["specs"][0].as_object_mut().expect("a record").remove("name");
    let path = world.root().join("engine/managed-processes.json");
    std::fs::write(&path, state.to_string()).expect("written");
    for args in [vec!["sweep"], vec!["sweep", "--dry-run"], vec!["reconcile"]] {
        let ran = world.run(&args).ended(1);
        assert!(ran.stderr.contains("state-newer"), "{ran:?}");
    }
    assert_eq!(std::fs::read_to_string(&path).expect("read"), state.to_string());
    assert!(is_alive(pid_of(&record)) && is_alive(shim_of(&record)));
}

#[test]
fn a_malformed_record_is_set_aside_and_its_service_gets_its_record_back() {
    let (world, record) = one_service();
    edit(&world, "web", |record| record["pid"] = json!("a word"));
    let told = world.run(&["sweep", "--format", "json"]).ended(9).json();
    assert_eq!((&told["malformed"], &told["adopted"]), (&json!(1), &json!(1)), "{told}");
    let again = world.record("web");
    assert_eq!((&again["pid"], &again["generation"]), (&record["pid"], &record["generation"]));
}
