//! A new time to live, as the shim keeps it: read from the kernel's own timer.

use serde_json::{Value, json};

use crate::support::{World, is_alive, kill, pid_of, shim_of, signal, wait_for};
use crate::weaker::weaker;

/// Seconds until the timer of `shim` fires (`it_value` of its timerfd in proc_pid_fdinfo(5)). Without such a timer it goes by
/// its orders, which are then what is to be seen.
fn armed_s(shim: u32) -> u64 {
    if weaker("time to live over a suspend") {
        return ordered_s(shim);
    }
    let infos = std::fs::read_dir(format!("/proc/{shim}/fdinfo")).expect("its descriptors");
    let texts = infos.filter_map(|entry| std::fs::read_to_string(entry.ok()?.path()).ok());
    let value = |text: String| {
        let line = text.lines().find_map(|line| line.strip_prefix("it_value: ("))?.to_owned();
        line.split(',').next()?.trim().parse().ok()
    };
    texts.filter_map(value).next().expect("a timer")
}

/// Seconds until the end of the time to live in the orders of `shim`.
fn ordered_s(shim: u32) -> u64 {
    let line = std::fs::read_to_string(format!("/proc/{shim}/cmdline")).expect("its command line");
    let run_dir = std::path::Path::new(line.split('\0').nth(1).expect("its run folder"));
    let text = std::fs::read_to_string(run_dir.join("launch.json")).expect("orders");
    let orders: Value = serde_json::from_str(&text).expect("JSON");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    orders["ttl_expires_at"].as_u64().expect("a time") / 1000 - now.as_secs()
}

fn expires_at(world: &World) -> i64 {
    world.record("s")["ttl_expires_at"].as_i64().expect("a time")
}

/// A world with the service `s` of one minute.
fn started() -> World {
    let world = World::new();
    let mut spec = world.shell("s", "exec sleep 1000");
    spec["ttl_minutes"] = json!(1);
    world.declare("ripley", &[spec]);
    assert_eq!(world.accept("ripley", &[]).0, Some(0));
    world
}

#[test]
fn a_renewal_is_in_the_record_in_the_orders_and_in_the_shims_timer() {
    let world = started();
    let before = world.record("s");
    let shim = shim_of(&before);
    assert!(armed_s(shim) <= 60, "{}", armed_s(shim));
    for (args, minutes) in [(vec!["--ttl", "100"], 100_u64), (vec![], 1), (vec!["--ttl", "1440"], 1440)] {
        let mut all = vec!["renew", "s", "--format", "json"];
        all.extend(args);
        let report = world.run(&all).ended(0).json();
        assert_eq!(report["ttl_minutes"], minutes);
        assert_eq!(report["ttl_expires_at"], expires_at(&world));
        let (least, most) = (minutes * 60 - 30, minutes * 60);
        wait_for("the shim's timer is armed anew", || (least..=most).contains(&armed_s(shim)));
        let mut after = world.record("s");
        assert_eq!(after["ttl_minutes"], 1, "what was declared stays");
        after["ttl_expires_at"] = before["ttl_expires_at"].clone();
        assert_eq!(after, before, "nothing else has changed");
    }
    assert!(is_alive(pid_of(&before)));
    let run_dir = world.root().join("engine/managed-run/s").join(before["generation"].as_str().expect("one"));
    let orders: Value =
        serde_json::from_slice(&std::fs::read(run_dir.join("launch.json")).expect("orders")).expect("JSON");
    assert_eq!(orders["ttl_expires_at"], expires_at(&world));
    assert_eq!(orders["record"]["claim"], Value::Null);
}

#[test]
fn what_cannot_be_renewed_is_said_and_left_as_it_is() {
    let world = started();
    let before = world.record("s");
    let refused = |args: &[&str], code: i32, part: &str| {
        let ran = world.run(args).ended(code);
        assert!(ran.stderr.contains(part), "{part}: {ran:?}");
        assert_eq!(world.record("s"), before);
    };
    refused(&["renew", "s", "--ttl", "0"], 64, "from 1 to 1440");
    refused(&["renew", "s", "--ttl", "1441"], 64, "the limit of 1440 (maxTtlMinutes)");
    refused(&["renew", "s", "--ttl", "-1"], 64, "");
    refused(&["renew", "s", "--ttl", "soon"], 64, "soon");
    refused(&["renew", "t"], 6, "nearest: `s`");
    kill(pid_of(&before));
    wait_for("the shim has gone", || !is_alive(shim_of(&before)));
    refused(&["renew", "s"], 7, "minions managed restart s");
}

#[test]
fn a_service_whose_time_is_over_is_not_said_to_be_renewed() {
    let world = World::new();
    // It takes a SIGTERM and does not end by it: the grace of a second passes.
    world.declare("ripley", &[world.shell("s", "trap 'echo x > asked' TERM; while :; do sleep 0.02; done")]);
    assert_eq!(world.accept("ripley", &[]).0, Some(0));
    let record = world.record("s");
    let path = world.root().join("engine/managed-processes.json");
    let mut state = world.state();
    state["specs"][0]["ttl_expires_at"] = json!(1);
    std::fs::write(path, state.to_string()).expect("written");
    let run_dir = world.root().join("engine/managed-run/s").join(record["generation"].as_str().expect("one"));
    let text = std::fs::read_to_string(run_dir.join("launch.json")).expect("orders");
    let mut orders: Value = serde_json::from_str(&text).expect("JSON");
    orders["ttl_expires_at"] = json!(1);
    std::fs::write(run_dir.join("launch.json"), orders.to_string()).expect("written");
    signal(shim_of(&record), rustix::process::Signal::HUP);
    wait_for("it is asked to end", || world.dir.path().join("work/asked").exists());
    let ran = world.run(&["renew", "s"]).ended(7);
    assert!(ran.stderr.contains("nothing-to-renew"), "{ran:?}");
    assert!(!is_alive(pid_of(&record)));
    assert_eq!((expires_at(&world), &world.record("s")["claim"]), (1, &Value::Null));
}

#[test]
fn a_renewal_that_was_killed_is_taken_over_by_the_next_one() {
    let world = started();
    let path = world.root().join("engine/managed-processes.json");
    let mut state = world.state();
    // As a renew leaves it that is killed after its claim: pid 1 started long before.
    state["specs"][0]["claim"] = json!({
        "pid": 1, "start_ticks": 1_u64 << 40, "boot_id": state["specs"][0]["process"]["boot_id"], "verb": "renew", "at": 1,
    });
    std::fs::write(path, state.to_string()).expect("written");
    world.run(&["renew", "s", "--ttl", "5"]).ended(0);
    assert_eq!(world.record("s")["claim"], Value::Null);
    let shim = shim_of(&world.record("s"));
    wait_for("the shim's timer is armed anew", || (270..=300).contains(&armed_s(shim)));
}

#[test]
fn a_renewal_that_is_killed_at_any_moment_leaves_a_record_that_the_next_sweep_makes_true() {
    let world = started();
    let before = world.record("s");
    let shim = shim_of(&before);
    for round in 0..20_u64 {
        let minutes = 100 + round * 10;
        let ttl = minutes.to_string();
        let mut command = world.command(&["renew", "s", "--ttl", &ttl]);
        let quiet = command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let mut child = quiet.spawn().expect("it starts");
        // The moment itself is what is tried: from before the claim to after the end.
        std::thread::sleep(std::time::Duration::from_micros(round * 700));
        child.kill().expect("our own child");
        child.wait().expect("our own child");
        world.run(&["sweep"]).ended(0);
        let record = world.record("s");
        assert_eq!((&record["claim"], &record["status"]), (&Value::Null, &json!("running")), "round {round}");
        assert_eq!(record["pid"], before["pid"], "round {round}: it lives on");
        let is_as_recorded = || {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
            let left = u64::try_from(expires_at(&world)).expect("after 1970") / 1000 - now.as_secs();
            armed_s(shim).abs_diff(left) <= 2
        };
        wait_for("the shim's timer is as the record says", is_as_recorded);
    }
}

#[test]
fn of_a_legacy_record_only_the_record_changes() {
    let world = started();
    let mut child = std::process::Command::new("sleep").arg("1000").spawn().expect("sleep starts");
    let mut state = world.state();
    let legacy = state["specs"][0].as_object_mut().expect("a record");
    for key in ["generation", "process", "ttl_minutes"] {
        legacy.remove(key);
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    let now = i64::try_from(now.as_millis()).expect("before the year 10889");
    legacy.insert("name".to_owned(), json!("old"));
    legacy.insert("pid".to_owned(), json!(child.id()));
    legacy.insert("started_at".to_owned(), json!(now));
    legacy.insert("ttl_expires_at".to_owned(), json!(now - 1));
    std::fs::write(world.root().join("engine/managed-processes.json"), state.to_string()).expect("written");
    let report = world.run(&["renew", "old", "--ttl", "30", "--format", "json"]).ended(0).json();
    assert_eq!(report["ttl_expires_at"], world.record("old")["ttl_expires_at"]);
    assert!(report["ttl_expires_at"].as_i64().is_some_and(|end| end >= now + 30 * 60_000), "{report}");
    assert!(child.try_wait().expect("a look").is_none(), "nobody was signalled");
    child.kill().expect("our own child");
    child.wait().expect("our own child");
    world.run(&["renew", "old"]).ended(7);
}
