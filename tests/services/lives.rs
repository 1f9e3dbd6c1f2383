//! What lives, and on what.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::json;

use crate::support::{World, is_alive, pid_of, ran, shim_of, signal, variable, wait_for};

#[test]
fn three_real_services_live_on_when_the_callers_whole_session_is_killed() {
    let world = World::new();
    let counted = world.dir.path().join("counted");
    let counting = format!("while :; do echo x >> {}; sleep 0.05; done", counted.display());
    let mut looping = world.shell("loop", &counting);
    looping["healthcheck"]["cmd"] = json!(format!("sh -c 'test -s {} && echo ok'", counted.display()));
    looping["healthcheck"]["interval_s"] = json!(0.1);
    world.declare("ripley", &[world.server("web", "http"), looping, world.server("forks", "http-helper")]);
    // The caller is a shell that leads a session; it says how the accept ended and lives until its group is killed.
    let program = world.command(&[]).get_program().to_string_lossy().into_owned();
    let script = format!("{program} managed accept ripley >&2; echo $? $$; exec sleep 1000");
    let mut caller = std::process::Command::new("setsid");
    caller
        .args(["--fork", "sh", "-c", &script])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("MINIONS_DIR", world.root());
    let mut caller = caller.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("setsid starts");
    let mut said = String::new();
    BufReader::new(caller.stdout.take().expect("piped")).read_line(&mut said).expect("a line");
    let (code, leader) = said.trim().split_once(' ').expect("a code and a pid");
    assert_eq!(code, "0");
    let leader: u32 = leader.parse().expect("a pid");
    caller.wait().expect("our own child");
    let pids: Vec<u32> = world.records().iter().map(pid_of).collect();
    assert_eq!(pids.len(), 3);
    let group = rustix::process::Pid::from_raw(i32::try_from(leader).expect("a pid")).expect("not 0");
    rustix::process::kill_process_group(group, rustix::process::Signal::KILL).expect("the caller's group");
    wait_for("the caller is gone", || !is_alive(leader));
    assert!(pids.iter().all(|pid| is_alive(*pid)), "{:?}", world.records());
    let health = world.run(&["list", "--format", "json"]).ended(0).json();
    assert!(health["items"].as_array().expect("items").iter().all(|item| item["alive"] == true), "{health}");
    world.run(&["stop", "web", "loop", "forks"]).ended(0);
    assert_eq!(world.processes(), Vec::<u32>::new());
}

#[test]
fn a_shim_holds_none_of_the_callers_descriptors_and_leads_a_session_of_its_own() {
    let world = World::new();
    world.declare("ripley", &[world.shell("s", "exec sleep 1000")]);
    let kept = world.dir.path().join("kept-open");
    let mut shell = std::process::Command::new("sh");
    let program = world.command(&[]).get_program().to_string_lossy().into_owned();
    shell.args(["-c", &format!("exec 7>{} 9>&7; exec {program} managed accept ripley", kept.display())]);
    shell.env_clear().env("PATH", "/usr/bin:/bin").env("MINIONS_DIR", world.root());
    ran(&mut shell).ended(0);
    let record = world.record("s");
    for (who, pid) in [("shim", shim_of(&record)), ("service", pid_of(&record))] {
        let links: Vec<String> = std::fs::read_dir(format!("/proc/{pid}/fd"))
            .expect("its descriptors")
            .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
            .map(|link| link.display().to_string())
            .collect();
        assert!(!links.iter().any(|link| link.contains("kept-open")), "{who}: {links:?}");
        let pid = i32::try_from(pid).expect("a pid");
        let session = rustix::process::getsid(rustix::process::Pid::from_raw(pid)).expect("its session");
        assert_eq!(session.as_raw_nonzero().get(), pid, "{who} leads its session");
    }
    let stdin = std::fs::read_link(format!("/proc/{}/fd/0", pid_of(&record))).expect("stdin");
    assert_eq!(stdin.display().to_string(), "/dev/null");
}

#[test]
fn a_services_environment_is_its_own_the_passed_keys_and_its_marks() {
    let world = World::new();
    let mut spec = world.shell("s", "exec sleep 1000");
    spec["env"] = json!({"NODE_ENV": "test", "LANG": "de_DE.UTF-8"});
    world.declare("ripley", &[spec]);
    let mut accept = world.command(&["accept", "ripley"]);
    ran(accept.env("LANG", "C").env("TZ", "UTC").env("NOT_PASSED", "secret")).ended(0);
    let record = world.record("s");
    let pid = pid_of(&record);
    let check = |key: &str, expected: Option<&str>| assert_eq!(variable(pid, key).as_deref(), expected, "{key}");
    check("NODE_ENV", Some("test"));
    check("LANG", Some("de_DE.UTF-8"));
    check("TZ", Some("UTC"));
    check("NOT_PASSED", None);
    check("MINIONS_DIR", None);
    check("MINIONS_MANAGED_NAME", Some("s"));
    check("MINIONS_MANAGED_GENERATION", record["generation"].as_str());
    let umask = |pid: u32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
        status.lines().find(|line| line.starts_with("Umask:")).map(str::to_owned)
    };
    assert_eq!(umask(pid), umask(std::process::id()), "files that a service makes are as its caller's would be");
    // What a restart from cron needs: the program as resolved, and what was passed on.
    assert!(
        record["resolved_cmd"].as_str().is_some_and(|path| path.starts_with('/') && path.ends_with("/sh")),
        "{record}"
    );
    assert_eq!(record["passed_env"]["PATH"], "/usr/local/bin:/usr/bin:/bin");
    assert_eq!(record["passed_env"]["LANG"], "C");
    assert!(record["passed_env"].get("NOT_PASSED").is_none());
}

#[test]
fn a_service_ends_when_its_time_to_live_is_over() {
    let world = World::new();
    world.declare("ripley", &[world.shell("s", "trap 'exit 3' TERM; while :; do sleep 0.02; done")]);
    assert_eq!(world.accept("ripley", &[]).0, Some(0));
    let record = world.record("s");
    let generation = record["generation"].as_str().expect("a generation");
    let run_dir = world.root().join("engine/managed-run/s").join(generation);
    // The shortest time to live is a minute: shorten it as a renewal would, and tell the shim.
    let launch = run_dir.join("launch.json");
    let text = std::fs::read_to_string(&launch).expect("orders");
    let mut orders: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    orders["ttl_expires_at"] = json!(1);
    std::fs::write(&launch, orders.to_string()).expect("written");
    signal(shim_of(&record), rustix::process::Signal::HUP);
    wait_for("the service ends", || !is_alive(pid_of(&record)));
    wait_for("its shim too", || !is_alive(shim_of(&record)));
    let exit: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(run_dir.join("exit.json")).expect("an exit record"))
            .expect("JSON");
    assert_eq!((&exit["code"], &exit["cause"]), (&json!(3), &json!("expired")), "{exit}");
    assert_eq!(world.processes(), Vec::<u32>::new());
}

/// Looked for in the soak, whose program is built as the one that is given away.
#[cfg(not(debug_assertions))]
#[test]
fn program_as_it_is_given_away_has_no_crash_switch() {
    let program = std::fs::read(env!("CARGO_BIN_EXE_minions")).unwrap();
    for word in ["MINIONS_CRASH_AT", "MINIONS_PAUSE_AT", "crash-at", "MINIONS_CLOCK", "clock-set", "start.claimed"] {
        assert!(!program.windows(word.len()).any(|bytes| bytes == word.as_bytes()), "{word}");
    }
}
