//! What a restart starts, what it leaves alone, and that one generation lives whatever happens beside it.

use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::ends::scattered;
use crate::ports::free_port;
use crate::support::{
    Ran, World, is_alive, kill, kill_shim, naughty, own_claim, pid_of, ran, shim_of, variable, wait_for,
};
use crate::weaker::weaker;

fn accept(world: &World, specs: &[Value]) {
    world.declare("ripley", specs);
    let (code, report) = world.accept("ripley", &[]);
    assert_eq!(code, Some(0), "{report}");
}

fn restart(world: &World, args: &[&str]) -> Ran {
    let mut all = vec!["restart", "--format", "json"];
    all.extend(args);
    world.run(&all)
}

fn generation(record: &Value) -> String {
    record["generation"].as_str().expect("a generation").to_owned()
}

/// The generation of `name` is new, its only one, and healthy; nothing of `old` is left.
fn check_new_life(world: &World, name: &str, old: &Value) -> Value {
    let new = world.record(name);
    assert_ne!(new["generation"], old["generation"]);
    assert_eq!((&new["status"], &new["healthy"], &new["claim"]), (&json!("running"), &json!(true), &json!(null)));
    assert_eq!(world.live_generations(), [generation(&new)]);
    assert!(!is_alive(pid_of(old)) && is_alive(pid_of(&new)), "{new}");
    let folders = std::fs::read_dir(world.root().join("engine/managed-run").join(name)).expect("its folder");
    assert_eq!(folders.count(), 1, "the old generation's files are gone");
    new
}

/// The service of `old` lives on as it was.
fn check_untouched(world: &World, name: &str, old: &Value) {
    assert_eq!(world.record(name), *old);
    assert!(is_alive(pid_of(old)) && is_alive(shim_of(old)), "{old}");
    assert_eq!(world.live_generations(), [generation(old)]);
}

/// A program of the world that is executable: what a shell makes of `script`.
fn program(world: &World, name: &str, script: &str) -> PathBuf {
    let bin = world.dir.path().join("bin");
    std::fs::create_dir_all(&bin).expect("made");
    let path = bin.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("set");
    path
}

#[test]
fn a_restarted_server_is_a_new_generation_of_the_same_declaration() {
    let world = World::new();
    let mut spec = world.server("web", "http");
    spec["ttl_minutes"] = json!(7);
    spec["attrs"] = json!({"base_url": "http://x"});
    accept(&world, &[spec]);
    world.run(&["renew", "web", "--ttl", "1"]).ended(0);
    let old = world.record("web");
    let report = restart(&world, &["web"]).ended(0).json();
    let new = check_new_life(&world, "web", &old);
    let item = &report["items"][0];
    assert_eq!(
        *item,
        json!({"name": "web", "pid": new["pid"], "generation": new["generation"], "healthy": true, "error": null,
            "log_path": new["log_path"], "log_tail": []})
    );
    for same in ["cmd", "args", "cwd", "env", "ports", "attrs", "spec_hash", "resolved_cmd", "passed_env", "run_id"] {
        assert_eq!(new[same], old[same], "{same}");
    }
    let left = new["ttl_expires_at"].as_i64().expect("a time") - new["started_at"].as_i64().expect("a time");
    assert!((410_000..=420_000).contains(&left), "the full time as declared: {left} ms");
    let log = std::fs::read_to_string(new["log_path"].as_str().expect("a path")).expect("a log");
    assert_eq!(log.lines().filter(|line| line.starts_with("listening on")).count(), 2, "{log}");
    let text = world.run(&["restart", "web"]).ended(0).stdout;
    assert_eq!(text, format!("web: restarted, healthy, pid {}\n", world.record("web")["pid"]));
}

#[test]
fn a_restart_ends_every_descendant_of_the_old_generation() {
    let world = World::new();
    accept(&world, &[scattered(&world)]);
    let old = world.record("naughty");
    restart(&world, &["naughty"]).ended(0);
    check_new_life(&world, "naughty", &old);
}

#[test]
fn a_dead_service_is_started_again_also_when_its_orphans_hold_its_port() {
    let world = World::new();
    accept(&world, &[world.server("web", "http-helper")]);
    let old = world.record("web");
    kill_shim(&old);
    assert_eq!(world.live_generations(), [generation(&old)], "its helper lives on, and listens");
    restart(&world, &["web"]).ended(0);
    check_new_life(&world, "web", &old);
}

#[test]
fn a_restart_from_an_empty_environment_runs_the_same_program_with_the_same_path() {
    let world = World::new();
    world.set(&json!({"executableAllowlist": ["tool", "asked"]}));
    // Both are found on the first PATH alone: the service and what its healthcheck runs.
    let tool = program(&world, "tool", "echo \"path $PATH\"; exec sleep 1000");
    program(&world, "asked", "echo ok");
    let path = format!("{}:/usr/bin:/bin", tool.parent().expect("a folder").display());
    let mut spec = world.shell("s", "");
    (spec["cmd"], spec["args"]) = (json!("tool"), json!([]));
    spec["healthcheck"]["cmd"] = json!("asked");
    spec["healthcheck"]["shell"] = json!(false);
    world.declare("ripley", &[spec]);
    let mut first = world.command(&["accept", "ripley"]);
    ran(first.env("PATH", &path).env("LANG", "C.UTF-8").env("TZ", "UTC")).ended(0);
    let old = world.record("s");
    let minions = world.command(&[]).get_program().to_owned();
    let mut again = Command::new("env");
    again.args(["-i", "PATH=/usr/bin:/bin"]).arg(minions).args(["managed", "restart", "s", "--root"]).arg(world.root());
    ran(&mut again).ended(0);
    let new = check_new_life(&world, "s", &old);
    assert_eq!(new["resolved_cmd"], json!(tool));
    for (key, expected) in [("PATH", Some(path.as_str())), ("LANG", Some("C.UTF-8")), ("TZ", Some("UTC"))] {
        assert_eq!(variable(pid_of(&new), key).as_deref(), expected, "{key}");
    }
    let log = std::fs::read_to_string(new["log_path"].as_str().expect("a path")).expect("a log");
    assert_eq!(log, format!("path {path}\npath {path}\n"));
}

#[test]
fn what_cannot_be_started_again_is_left_running_and_said_in_the_systems_words() {
    let world = World::new();
    world.set(&json!({"executableAllowlist": ["tool"]}));
    let tool = program(&world, "tool", "test \"$1\" = probe || exec sleep 1000");
    let mut spec = world.shell("s", "");
    let cwd = world.worktree("elsewhere");
    (spec["cmd"], spec["args"], spec["cwd"]) = (json!(tool), json!([]), json!(cwd));
    spec["healthcheck"]["cmd"] = json!(format!("{} probe", tool.display()));
    spec["healthcheck"]["expect_regex"] = json!(".*");
    spec["healthcheck"]["timeout_s"] = json!(1);
    accept(&world, &[spec]);
    let old = world.record("s");
    let check = |part: &str| {
        let refused = restart(&world, &["s"]).ended(1);
        let report = refused.json();
        let error = report["items"][0]["error"].as_str().expect("an error");
        assert!(error.contains("left as it is") && error.contains(part), "`{part}` expected in {error}");
        assert_eq!(report["items"][0]["pid"], old["pid"]);
        assert!(refused.stderr.contains("[cannot-start]"), "{refused:?}");
        check_untouched(&world, "s", &old);
    };
    let aside = |path: &Path| path.with_extension("aside");
    std::fs::rename(&tool, aside(&tool)).expect("moved");
    check("there is no program at");
    std::fs::rename(aside(&tool), &tool).expect("moved");
    std::fs::set_permissions(&tool, std::fs::Permissions::from_mode(0o644)).expect("set");
    check("there is no program at");
    std::fs::set_permissions(&tool, std::fs::Permissions::from_mode(0o755)).expect("set");
    std::fs::rename(&cwd, aside(&cwd)).expect("moved");
    check("cannot be entered: No such file or directory");
    std::fs::write(&cwd, "").expect("written");
    check("cannot be entered: not a directory");
    let dead = pid_of(&old);
    kill(dead);
    wait_for("its shim has gone", || !is_alive(shim_of(&old)));
    let report = restart(&world, &["s"]).ended(1).json();
    assert_eq!(report["items"][0]["pid"], json!(null), "nothing lives: {report}");
    std::fs::remove_file(&cwd).expect("removed");
    std::fs::rename(aside(&cwd), &cwd).expect("moved");
    let text = world.run(&["restart", "s"]).ended(0).stdout;
    assert!(text.starts_with("s: restarted, healthy, pid "), "{text}");
}

#[test]
fn a_port_that_a_stranger_holds_is_a_conflict_and_one_of_its_own_is_none() {
    let world = World::new();
    let mut spec = world.server("web", "http");
    let other = free_port();
    spec["ports"].as_array_mut().expect("ports").push(json!(other));
    accept(&world, &[spec, world.shell("s", "exec sleep 1000")]);
    let old = world.record("web");
    let sibling = world.record("s");
    // A process of its own: what this one listens on, children that other tests are just starting seem to hold too.
    let mut stranger =
        Command::new(naughty()).args(["http", &other.to_string()]).stdout(Stdio::null()).spawn().expect("starts");
    wait_for("the stranger listens", || std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, other)).is_ok());
    if weaker("who listens on a port") {
        // A port of its own that is in use is taken for one that it holds.
        world.run(&["stop", "s"]).ended(0);
        restart(&world, &["web"]).ended(0);
        check_new_life(&world, "web", &old);
        stranger.kill().expect("our own child");
        stranger.wait().expect("our own child");
        return;
    }
    let refused = restart(&world, &["web", "s"]).ended(7).json();
    let error = refused["items"][0]["error"].as_str().expect("an error");
    let expected = format!("port-in-use ({other}: pid {} ", stranger.id());
    assert!(error.contains("`web` is left as it is") && error.contains(&expected), "{error}");
    assert_eq!(world.record("web"), old);
    assert!(is_alive(pid_of(&old)));
    assert_ne!(world.record("s")["generation"], sibling["generation"], "the other name was free to restart");
    stranger.kill().expect("our own child");
    stranger.wait().expect("our own child");
    world.run(&["stop", "s"]).ended(0);
    restart(&world, &["web"]).ended(0);
    check_new_life(&world, "web", &old);
}

#[test]
fn nothing_is_done_at_all_if_one_name_is_unknown_claimed_or_services_are_switched_off() {
    let world = World::new();
    accept(&world, &[world.shell("s", "exec sleep 1000")]);
    let old = world.record("s");
    let unknown = restart(&world, &["s", "nobody"]).ended(6).json();
    assert_eq!(unknown["error"]["code"], "no-such-service");
    check_untouched(&world, "s", &old);
    let mut state = world.state();
    state["specs"][0]["claim"] = own_claim("stop");
    std::fs::write(world.root().join("engine/managed-processes.json"), state.to_string()).expect("written");
    let claimed = restart(&world, &["s"]).ended(7).json();
    assert!(claimed["error"]["message"].as_str().expect("one").contains("`minions managed stop`"), "{claimed}");
    state["specs"][0]["claim"] = json!(null);
    std::fs::write(world.root().join("engine/managed-processes.json"), state.to_string()).expect("written");
    world.set(&json!({"enabled": false}));
    assert_eq!(restart(&world, &["s"]).ended(7).json()["error"]["code"], "disabled");
    check_untouched(&world, "s", &old);
}

#[test]
fn a_restart_that_does_not_become_healthy_is_stopped_and_its_declaration_stays() {
    let world = World::new();
    let script = "if [ -e broken ]; then echo one; echo two; exit 7; fi; exec sleep 1000";
    let mut spec = world.shell("s", script);
    spec["healthcheck"]["cmd"] = json!("sh -c 'test ! -e broken && echo ok'");
    accept(&world, &[spec, world.shell("well", "exec sleep 1000")]);
    let old = world.record("s");
    std::fs::write(world.dir.path().join("work/broken"), "").expect("written");
    let report = restart(&world, &["s", "well"]).ended(5).json();
    let item = &report["items"][0];
    assert!(item["error"].as_str().is_some_and(|error| error.contains("exit code 7")), "{report}");
    assert_eq!((&item["pid"], &item["healthy"]), (&json!(null), &json!(false)));
    assert_eq!(item["log_tail"], json!(["one", "two"]));
    assert_eq!(report["items"][1]["healthy"], true);
    world.run(&["stop", "well"]).ended(0);
    let failed = restart(&world, &["s"]).ended(4);
    assert!(failed.stderr.contains("[managed-spawn-healthcheck-failed]"), "{failed:?}");
    let record = world.record("s");
    assert_eq!((&record["status"], &record["alive"], &record["pid"]), (&json!("failed"), &json!(false), &json!(null)));
    assert_eq!((&record["last_exit"]["code"], &record["spec_hash"]), (&json!(7), &old["spec_hash"]), "{record}");
    assert_eq!(world.processes(), Vec::<u32>::new());
    let shown = world.run(&["list"]).ended(0).stdout;
    assert!(shown.contains("failed"), "{shown}");
    std::fs::remove_file(world.dir.path().join("work/broken")).expect("removed");
    restart(&world, &["s"]).ended(0);
    assert_eq!(world.live_generations(), [generation(&world.record("s"))]);
}

#[test]
fn a_restart_without_waiting_returns_before_the_first_health() {
    let world = World::new();
    let mut spec = world.shell("s", "exec sleep 1000");
    let gate = world.dir.path().join("gate");
    std::fs::write(&gate, "").expect("written");
    spec["healthcheck"]["cmd"] = json!(format!("sh -c 'test -e {} && echo ok'", gate.display()));
    accept(&world, &[spec]);
    let old = world.record("s");
    std::fs::remove_file(gate).expect("removed");
    let report = restart(&world, &["s", "s", "--no-wait"]).ended(0).json();
    assert_eq!(report["items"].as_array().map(Vec::len), Some(1), "{report}");
    assert_eq!(report["items"][0]["healthy"], json!(null));
    let new = world.record("s");
    assert_ne!(new["generation"], old["generation"]);
    assert_eq!((&new["status"], &new["healthy"]), (&json!("running"), &json!(false)));
    assert_eq!(world.live_generations(), [generation(&new)]);
}

#[test]
fn restarts_of_one_name_at_once_leave_one_generation() {
    let world = World::new();
    accept(&world, &[world.shell("s", "trap '' TERM; while :; do sleep 0.02; done")]);
    let old = world.record("s");
    let children: Vec<_> = (0..4)
        .map(|_| world.command(&["restart", "s"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts"))
        .collect();
    let codes: Vec<Option<i32>> = children.into_iter().map(|mut child| child.wait().expect("ends").code()).collect();
    assert!(codes.iter().all(|code| matches!(code, Some(0 | 7))) && codes.contains(&Some(0)), "{codes:?}");
    check_new_life(&world, "s", &old);
}

#[test]
fn whoever_comes_while_a_restart_waits_for_health_wins_and_the_restart_says_so() {
    for verb in ["stop", "restart"] {
        let world = World::new();
        let mut spec = world.shell("s", "exec sleep 1000");
        let gate = world.dir.path().join("gate");
        std::fs::write(&gate, "").expect("written");
        spec["healthcheck"]["cmd"] = json!(format!("sh -c 'test -e {} && echo ok'", gate.display()));
        spec["healthcheck"]["interval_s"] = json!(0.1);
        accept(&world, &[spec]);
        let old = world.record("s");
        std::fs::remove_file(&gate).expect("removed");
        let waiting = world.command(&["restart", "s"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        wait_for("the new generation runs and is not healthy", || {
            let record = world.record("s");
            record["generation"] != old["generation"] && record["status"] == "running"
        });
        let between = world.record("s");
        let args: &[&str] = if verb == "stop" { &["stop", "s"] } else { &["restart", "s", "--no-wait"] };
        world.run(args).ended(0);
        let output = waiting.expect("starts").wait_with_output().expect("ends");
        assert_eq!(output.status.code(), Some(7), "{verb}: {output:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("was stopped or replaced by another command meanwhile"), "{verb}: {said}");
        assert!(!is_alive(pid_of(&between)), "{verb}");
        if verb == "stop" {
            assert!(world.records().is_empty() && world.processes().is_empty(), "{}", world.state());
        } else {
            assert_eq!(world.live_generations(), [generation(&world.record("s"))]);
        }
    }
}

#[test]
fn a_restart_while_an_accept_waits_for_health_wins_and_the_accept_says_so() {
    let world = World::new();
    let mut spec = world.shell("s", "exec sleep 1000");
    let gate = world.dir.path().join("gate");
    spec["healthcheck"]["cmd"] = json!(format!("sh -c 'test -e {} && echo ok'", gate.display()));
    spec["healthcheck"]["interval_s"] = json!(0.1);
    world.declare("ripley", &[spec]);
    let accept =
        world.command(&["accept", "ripley"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    wait_for("it runs", || world.records().first().is_some_and(|record| record["status"] == "running"));
    let old = world.record("s");
    restart(&world, &["s", "--no-wait"]).ended(0);
    let output = accept.wait_with_output().expect("ends");
    assert_ne!(output.status.code(), Some(0), "{output:?}");
    let new = world.record("s");
    assert_ne!(new["generation"], old["generation"]);
    assert_eq!(world.live_generations(), [generation(&new)], "the accept ended its own generation and no other");
}

/// Makes the record of `s` one that a predecessor could have written, with `process` as its service.
fn make_legacy(world: &World, process: &std::process::Child, started_at: i64) {
    let old = world.record("s");
    let mut record = json!({"pid": process.id(), "started_at": started_at});
    for key in ["name", "cmd", "args", "cwd", "env", "ports", "attrs", "healthcheck", "log_path", "owner_agent"] {
        record[key] = old[key].clone();
    }
    let state = json!({"version": 1, "specs": [record]});
    std::fs::write(world.root().join("engine/managed-processes.json"), state.to_string()).expect("written");
}

#[test]
fn a_legacy_record_is_restarted_and_its_process_ended_if_it_is_provably_its_own() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_millis();
    let now = i64::try_from(now).expect("milliseconds");
    // A process that started after the record's is somebody else's.
    for (started_at, is_its_own) in [(now + 60_000, true), (1, false)] {
        let world = World::new();
        accept(&world, &[world.shell("s", "exec sleep 1000")]);
        let first = world.record("s");
        kill(pid_of(&first));
        wait_for("its shim has gone", || !is_alive(shim_of(&first)));
        let mut process = Command::new("sleep").arg("1000").spawn().expect("sleep starts");
        make_legacy(&world, &process, started_at);
        ran(world.command(&["restart", "s"]).env("LANG", "C.UTF-8")).ended(0);
        assert_eq!(process.try_wait().expect("a look").is_some(), is_its_own);
        let new = world.record("s");
        for same in ["spec_hash", "resolved_cmd", "log_path", "cmd", "args"] {
            assert_eq!(new[same], first[same], "{same}");
        }
        assert_eq!(new["passed_env"]["LANG"], "C.UTF-8");
        assert_eq!(world.live_generations(), [generation(&new)]);
        if !is_its_own {
            process.kill().expect("our own child");
            process.wait().expect("our own child");
        }
    }
}

#[test]
fn a_restart_that_is_killed_at_any_moment_leaves_nothing_that_the_record_does_not_know() {
    let world = World::new();
    let spec = world.shell("s", "exec sleep 1000");
    accept(&world, std::slice::from_ref(&spec));
    for round in 0..60_u64 {
        let mut child =
            world.command(&["restart", "s"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
        // The moment itself is what is tried: from before the claim to after the end.
        std::thread::sleep(Duration::from_micros(round * 400));
        child.kill().expect("our own child");
        child.wait().expect("our own child");
        wait_for("shims have settled", || world.shims().iter().all(|shim| world.shim_is_settled(*shim)));
        let Some(record) = world.records().pop() else {
            // The one before was found as it was left, and cleared; this one died before it could do more.
            assert_eq!(world.live_generations(), [""; 0], "round {round}");
            accept(&world, std::slice::from_ref(&spec));
            continue;
        };
        let known = [record["generation"].as_str(), record["previous"]["generation"].as_str()];
        for generation in world.live_generations() {
            assert!(known.contains(&Some(generation.as_str())), "round {round}: {generation} is unknown to {record}");
        }
        if !record["claim"].is_null() {
            assert_eq!(record["claim"]["verb"], "restart", "{record}");
            assert!(record["previous"].is_object(), "{record}");
        }
    }
}
