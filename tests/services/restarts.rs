//! Services whose shims start them again, by themselves: with no command running, and with every other command at the same time.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::{World, is_alive, kill, marked, pid_of, shim_of, signal, variable, wait_for};
use crate::truth::{expect_no_finding, expect_truth};

/// A service of that script and restart policy, up and recorded as healthy.
fn up(world: &World, script: &str, restart: &Value) -> Value {
    let mut spec = world.shell("s", script);
    spec["restart"] = restart.clone();
    world.declare("ripley", &[spec]);
    let (code, report) = world.accept("ripley", &["--project", "shop"]);
    assert_eq!(code, Some(0), "{report}");
    world.record("s")
}

/// A script that tells of each life in its log, stays until there is a file `end`, and then does `what`.
fn until_end(what: &str) -> String {
    format!("echo life; while [ ! -e end ]; do sleep 0.01; done; {what}")
}

fn end(world: &World) {
    std::fs::write(world.dir.path().join("work/end"), "").unwrap();
}

/// How many lives have told of themselves.
fn lives(world: &World) -> usize {
    let log = std::fs::read_to_string(world.root().join("engine/managed-logs/s.log")).unwrap();
    log.lines().filter(|line| *line == "life").count()
}

/// The folders of all its lives.
fn folders(world: &World) -> Vec<PathBuf> {
    let dir = world.root().join("engine/managed-run/s");
    let entries = std::fs::read_dir(dir).into_iter().flatten().map(|entry| entry.unwrap().path());
    // Beside them is a copy of its record while it has no process.
    entries.filter(|path| path.is_dir()).collect()
}

/// Waits until the service of `record` has lived for so long that its end is no failed start (`lifecycle::restart::LIFE_MIN`).
pub(crate) fn await_life(record: &Value) {
    let born = record["started_at"].as_i64().unwrap();
    wait_for("it has lived for a while", || minions_managed::base::clock::EpochMs::now().0 > born + 200);
}

/// Waits until the record says that a later life than `before` runs, and is healthy.
fn await_next(world: &World, before: &Value) -> Value {
    wait_for("the record follows", || {
        let now = world.record("s");
        now["status"] == "running" && now["generation"] != before["generation"] && now["healthy"] == true
    });
    world.record("s")
}

fn await_status(world: &World, status: &str) -> Value {
    wait_for(&format!("it is `{status}`"), || world.record("s")["status"] == status);
    world.record("s")
}

fn expect_nothing(world: &World) {
    wait_for("nothing is left", || world.processes().is_empty());
    assert_eq!((world.records(), folders(world)), (Vec::new(), Vec::new()));
}

#[test]
fn a_killed_service_comes_back_with_nobody_else_running_and_the_record_follows() {
    let world = World::new();
    let mut before = up(&world, "exec sleep 1000", &json!({"policy": "always", "backoff_s": [0]}));
    for round in 1..=5 {
        kill(pid_of(&before));
        let now = await_next(&world, &before);
        assert!(is_alive(pid_of(&now)) && pid_of(&now) != pid_of(&before));
        assert_eq!((shim_of(&now), &now["restarts"]), (shim_of(&before), &json!(round)), "{now}");
        assert_eq!(now["ttl_expires_at"], before["ttl_expires_at"], "the time to live goes on");
        assert_eq!(now["last_exit"]["signal"], 9);
        let mark = variable(pid_of(&now), "MINIONS_MANAGED_GENERATION");
        assert_eq!(mark.as_deref(), now["generation"].as_str());
        assert_eq!(folders(&world).len(), 1, "{:?}", folders(&world));
        before = now;
    }
    expect_truth(&world, "after five lives");
    expect_no_finding(&world, "after five lives");
    world.run(&["sweep"]).ended(0);
    assert_eq!(world.record("s"), before, "a sweep finds nothing due");
    world.run(&["stop", "s"]).ended(0);
    expect_nothing(&world);
}

#[test]
fn all_that_a_life_leaves_ends_before_the_next_begins() {
    let world = World::new();
    let script = "setsid sleep 1001 & sh -c 'setsid sleep 1002 & exit' & trap '' TERM; exec sleep 1003";
    let before = up(&world, script, &json!({"policy": "always", "backoff_s": [0]}));
    kill(pid_of(&before));
    let now = await_next(&world, &before);
    assert_eq!(world.live_generations(), [now["generation"].as_str().unwrap().to_owned()]);
}

#[test]
fn a_service_that_keeps_failing_is_given_up_after_exactly_so_many_starts() {
    let world = World::new();
    let policy = json!({"policy": "on-failure", "backoff_s": [0.01, 0.02], "max_restarts": 3});
    let before = up(&world, &until_end("exit 7"), &policy);
    end(&world);
    let after = await_status(&world, "failed");
    assert_eq!(lives(&world), 1 + 3);
    assert_eq!((&after["restarts"], &after["failures_in_row"]), (&json!(3), &json!(4)), "{after}");
    assert_eq!((&after["last_exit"]["code"], &after["pid"], &after["alive"]), (&json!(7), &Value::Null, &json!(false)));
    wait_for("its shim has gone", || world.processes().is_empty());
    assert_ne!(after["generation"], before["generation"]);
    expect_no_finding(&world, "given up");
    assert_eq!(folders(&world).len(), 1);
    std::fs::remove_file(world.dir.path().join("work/end")).unwrap();
    world.run(&["restart", "s"]).ended(0);
    assert!(is_alive(pid_of(&world.record("s"))));
    world.run(&["stop", "s"]).ended(0);
    expect_nothing(&world);
}

#[test]
fn success_is_not_started_again_unless_the_policy_is_always() {
    let check = |policy: &Value, code: i32, expected: usize| {
        let world = World::new();
        up(&world, &until_end(&format!("rm end; exit {code}")), policy);
        end(&world);
        if expected == 1 {
            wait_for("its shim has gone", || world.processes().is_empty());
        } else {
            wait_for("it comes back", || lives(&world) == 2 && !world.dir.path().join("work/end").exists());
        }
        assert_eq!(lives(&world), expected, "{policy} {code}");
    };
    let policy = |word: &str| json!({"policy": word, "backoff_s": [0], "success_exit_codes": [0, 7]});
    check(&policy("on-failure"), 0, 1);
    check(&policy("on-failure"), 7, 1);
    check(&policy("on-failure"), 3, 2);
    check(&policy("always"), 0, 2);
    check(&policy("never"), 3, 1);
}

/// A service that was killed and waits for long.
fn waiting(world: &World) -> (Value, Value) {
    let before = up(world, "exec sleep 1000", &json!({"policy": "always", "backoff_s": [1000]}));
    kill(pid_of(&before));
    let after = await_status(world, "backoff");
    assert!(after["pid"].is_null() && is_alive(shim_of(&before)), "{after}");
    (before, after)
}

#[test]
fn what_waits_is_told_so_and_a_stop_ends_the_wait() {
    let world = World::new();
    let (_, after) = waiting(&world);
    let listed = world.run(&["list", "--format", "json"]).ended(0).json();
    assert_eq!((&listed["items"][0]["status"], &listed["items"][0]["alive"]), (&json!("backoff"), &json!(false)));
    assert!(after["next_at"].as_i64().unwrap() > after["last_exit"]["at"].as_i64().unwrap(), "{after}");
    expect_no_finding(&world, "waiting");
    for _ in 0..2 {
        world.run(&["sweep"]).ended(0);
        assert_eq!(world.record("s"), after, "nothing is due yet");
    }
    world.run(&["stop", "s"]).ended(0);
    expect_nothing(&world);
}

#[test]
fn a_restart_during_the_wait_is_a_restart() {
    let world = World::new();
    let (before, after) = waiting(&world);
    world.run(&["restart", "s"]).ended(0);
    let now = world.record("s");
    assert!(is_alive(pid_of(&now)) && shim_of(&now) != shim_of(&before) && now["generation"] != after["generation"]);
    wait_for("the old shim has gone", || !is_alive(shim_of(&before)));
    expect_truth(&world, "restarted");
}

#[test]
fn an_accept_during_the_wait_starts_it_anew() {
    let world = World::new();
    let (before, _) = waiting(&world);
    let mut spec = world.shell("s", "exec sleep 1000");
    spec["restart"] = json!({"policy": "always", "backoff_s": [1000]});
    world.declare("ripley", &[spec]);
    assert_eq!(world.accept("ripley", &["--project", "shop"]).0, Some(0));
    wait_for("the old shim has gone", || !is_alive(shim_of(&before)));
    expect_truth(&world, "accepted");
    assert!(is_alive(pid_of(&world.record("s"))));
}

/// An accept is killed once its service runs, and its shim starts that again before anybody looks.
#[cfg(debug_assertions)]
#[test]
fn a_life_that_followed_an_unsettled_start_is_adopted() {
    let world = World::new();
    let mut spec = world.shell("s", "exec sleep 1000");
    spec["restart"] = json!({"policy": "always", "backoff_s": [0]});
    world.declare("ripley", &[spec]);
    let mut accept = world.command(&["accept", "ripley"]);
    accept.env("MINIONS_CRASH_AT", "start.started");
    assert_eq!(crate::support::ran(&mut accept).code, None, "it is killed");
    let before = world.record("s");
    kill(marked(&world)[0]);
    wait_for("it lives again", || world.live_generations().iter().any(|it| before["generation"] != it.as_str()));
    world.run(&["reconcile"]).ended(0);
    assert_eq!(world.record("s")["generation"], world.live_generations()[0]);
    expect_truth(&world, "adopted");
    expect_no_finding(&world, "adopted");
}

/// An accept is killed once its service runs; that ends before anybody looks, and its shim waits. Whoever comes first follows it.
#[cfg(debug_assertions)]
#[test]
fn a_wait_that_followed_an_unsettled_start_is_followed() {
    let check = |args: &[&str], is_waiting: bool| {
        let world = World::new();
        let mut spec = world.shell("s", "exec sleep 1000");
        spec["restart"] = json!({"policy": "always", "backoff_s": [1000]});
        world.declare("ripley", &[spec]);
        let mut accept = world.command(&["accept", "ripley"]);
        accept.env("MINIONS_CRASH_AT", "start.started");
        assert_eq!(crate::support::ran(&mut accept).code, None, "it is killed");
        let before = world.record("s");
        assert_eq!((&before["status"], before["claim"].is_null()), (&json!("starting"), false));
        kill(marked(&world)[0]);
        let exit = folders(&world)[0].join("exit.json");
        wait_for("its shim waits", || exit.exists() && marked(&world).is_empty());
        let dry = world.run(&["sweep", "--dry-run", "--format", "json"]).ended(0).json();
        assert_eq!(dry["steps"][0]["action"], "follow", "{dry}");
        world.run(args).ended(0);
        let after = world.record("s");
        if is_waiting {
            let told = (&after["status"], &after["claim"], &after["pid"], &after["last_exit"]["signal"]);
            assert_eq!(told, (&json!("backoff"), &Value::Null, &Value::Null, &json!(9)), "{after}");
            assert!(after["next_at"].as_i64() > after["last_exit"]["at"].as_i64() && world.shims().len() == 1);
        } else {
            assert!(is_alive(pid_of(&after)) && world.live_generations().len() == 1, "{args:?} {after}");
        }
        expect_truth(&world, &format!("{args:?}"));
        expect_no_finding(&world, &format!("{args:?}"));
        world.run(&["stop", "s"]).ended(0);
        expect_nothing(&world);
    };
    check(&["sweep"], true);
    check(&["reconcile"], true);
    check(&["ensure", "s"], false);
    check(&["restart", "s"], false);
    check(&["accept", "ripley"], false);
}

#[test]
fn the_time_to_live_ends_the_wait_too() {
    let world = World::new();
    let (before, after) = waiting(&world);
    let orders = folders(&world)[0].join("launch.json");
    let mut text: Value = serde_json::from_slice(&std::fs::read(&orders).unwrap()).unwrap();
    text["ttl_expires_at"] = json!(1);
    std::fs::write(&orders, text.to_string()).unwrap();
    signal(shim_of(&before), rustix::process::Signal::HUP);
    wait_for("its shim has gone", || world.processes().is_empty());
    assert_eq!(world.record("s"), after, "nobody was there to write it down");
}

#[test]
fn a_program_that_is_gone_is_a_failure_like_another() {
    let world = World::new();
    let program = world.dir.path().join("work/sleep");
    std::fs::copy("/bin/sleep", &program).unwrap();
    let mut spec = world.shell("s", "");
    spec["cmd"] = json!(program);
    spec["args"] = json!(["1000"]);
    spec["restart"] = json!({"policy": "always", "backoff_s": [0], "max_restarts": 2});
    world.declare("ripley", &[spec]);
    assert_eq!(world.accept("ripley", &[]).0, Some(0));
    let before = world.record("s");
    std::fs::remove_file(&program).unwrap();
    kill(pid_of(&before));
    let after = await_status(&world, "failed");
    assert_eq!((&after["restarts"], &after["last_exit"]["code"]), (&json!(2), &Value::Null), "{after}");
    wait_for("its shim has gone", || world.processes().is_empty());
    assert_eq!(folders(&world).len(), 1);
}

/// A record whose service has another life since, and whose follower was killed before it could say so.
fn lagging(world: &World) -> (Value, u32) {
    let before = up(world, "exec sleep 1000", &json!({"policy": "always", "backoff_s": [0]}));
    await_life(&before);
    let order = world.root().join("engine/crash-at");
    std::fs::write(&order, "follow.born s").unwrap();
    kill(pid_of(&before));
    wait_for("the follower is killed", || !order.exists());
    wait_for("it lives again", || world.live_generations().iter().any(|it| before["generation"] != it.as_str()));
    assert_eq!(world.record("s"), before, "nobody has told the record");
    (before, marked(world)[0])
}

#[test]
fn whoever_looks_at_a_record_that_lags_sees_the_newest_life() {
    let world = World::new();
    let (before, pid) = lagging(&world);
    let is_shown = |shown: &Value| {
        let told = (&shown["status"], &shown["pid"], &shown["alive"], &shown["healthy"]);
        assert_eq!(told, (&json!("running"), &json!(pid), &json!(true), &json!(false)), "{shown}");
        assert_ne!(shown["generation"], before["generation"]);
    };
    is_shown(&world.run(&["list", "--format", "json"]).ended(0).json()["items"][0]);
    is_shown(&world.run(&["show", "s", "--format", "json"]).ended(0).json());
    expect_no_finding(&world, "lagging");
    assert_eq!(world.record("s"), before, "who only looks changes nothing");
}

#[test]
fn whoever_works_on_a_record_that_lags_works_on_the_newest_life() {
    let check = |args: &[&str], is_up: bool| {
        let world = World::new();
        let (before, pid) = lagging(&world);
        world.run(args).ended(0);
        if is_up {
            let now = world.record("s");
            let is_same = args[0] != "restart";
            assert_eq!((is_alive(pid), pid_of(&now) == pid), (is_same, is_same), "{args:?} {now}");
            assert_ne!(now["generation"], before["generation"]);
            expect_truth(&world, &format!("{args:?}"));
        } else {
            expect_nothing(&world);
        }
    };
    check(&["sweep"], true);
    check(&["reconcile"], true);
    check(&["healthcheck"], true);
    check(&["restart", "s"], true);
    check(&["stop", "s"], false);
    check(&["remove-project", "shop"], false);
}

#[test]
fn a_renewal_of_a_record_that_lags_reaches_the_shim() {
    let world = World::new();
    lagging(&world);
    world.run(&["sweep"]).ended(0);
    world.run(&["renew", "s", "--ttl", "77"]).ended(0);
    let orders: Value =
        serde_json::from_slice(&std::fs::read(folders(&world)[0].join("launch.json")).unwrap()).unwrap();
    assert_eq!(orders["ttl_expires_at"], world.record("s")["ttl_expires_at"]);
    assert_eq!(folders(&world).len(), 1);
}

#[test]
fn a_lost_state_finds_every_life_again() {
    let world = World::new();
    let (_, pid) = lagging(&world);
    std::fs::remove_file(world.root().join("engine/managed-processes.json")).unwrap();
    world.run(&["reconcile"]).ended(0);
    assert_eq!(pid_of(&world.record("s")), pid);
    expect_truth(&world, "adopted");
    expect_no_finding(&world, "adopted");
}

#[test]
fn a_lost_state_finds_what_waits_too() {
    let world = World::new();
    let (before, after) = waiting(&world);
    std::fs::remove_file(world.root().join("engine/managed-processes.json")).unwrap();
    world.run(&["reconcile"]).ended(0);
    let found = world.record("s");
    assert_eq!((&found["status"], &found["next_at"]), (&json!("backoff"), &after["next_at"]), "{found}");
    assert!(is_alive(shim_of(&before)));
    expect_no_finding(&world, "found");
    world.run(&["stop", "s"]).ended(0);
    expect_nothing(&world);
}

/// Zombies among the children of `pid`.
fn zombies(pid: u32) -> usize {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let is_zombie =
        |pid: &&str| std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "));
    children.split_whitespace().filter(is_zombie).count()
}

/// The size of a segment of the journal in a crash loop: some ten rounds.
const SMALL_JOURNAL_BYTES: u64 = 16 << 10;

/// A service that fails as often as it can leaves one folder, no zombies and at most one follower, whenever one looks.
fn loop_for(rounds: usize) {
    let world = World::new();
    world.set(&json!({"journalSegmentBytes": SMALL_JOURNAL_BYTES, "journalSegmentsMax": 2}));
    let policy = json!({"policy": "always", "backoff_s": [0], "max_restarts": 100, "window_s": 1});
    let before = up(&world, &until_end("exit 1"), &policy);
    let shim = shim_of(&before);
    end(&world);
    // A hundred take some ten seconds: each is waited for at least a tenth of one.
    for so_far in (1..=rounds.div_ceil(100)).map(|hundreds| (hundreds * 100).min(rounds)) {
        wait_for(&format!("it has failed {so_far} times"), || {
            let followers = world.processes().into_iter().filter(|pid| {
                std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with(b"minions-follow"))
            });
            assert!(folders(&world).len() <= 1 && followers.count() <= 1 && zombies(shim) <= 2);
            lives(&world) > so_far
        });
    }
    std::fs::remove_file(world.dir.path().join("work/end")).unwrap();
    wait_for("it stays", || {
        let now = world.record("s");
        now["status"] == "running" && now["healthy"] == true
    });
    wait_for("all are reaped", || zombies(shim) == 0);
    assert_eq!(shim_of(&world.record("s")), shim);
    expect_bounded(&world, rounds);
    world.run(&["stop", "s"]).ended(0);
    expect_nothing(&world);
}

/// What a crash loop has written: few events wait in the state, the journal keeps to its bounds, what the service wrote is cut by a
/// sweep, and of everything else there is as much as of a service that never failed.
fn expect_bounded(world: &World, rounds: usize) {
    let carried = world.state()["unjournaled"].as_array().map_or(0, Vec::len);
    assert!(carried <= 32, "{carried} events wait in the state");
    let size = |path: &PathBuf| std::fs::metadata(path).map_or(0, |seen| seen.len());
    let entries = |dir: &str| -> Vec<PathBuf> {
        let listed = std::fs::read_dir(world.root().join(dir)).into_iter().flatten();
        listed.map(|entry| entry.unwrap().path()).collect()
    };
    let is_journal = |path: &&PathBuf| path.to_string_lossy().contains("managed-events");
    let bytes: u64 = entries("engine").iter().filter(is_journal).map(size).sum();
    // Two closed segments and the open one, and what the last write of each has gone beyond.
    assert!(bytes <= 3 * (SMALL_JOURNAL_BYTES + (32 << 10)), "{bytes} bytes of events");
    let lines = 8 * u64::try_from(rounds).unwrap();
    world.set(&json!({"logRotateBytes": 4096}));
    for _ in 0..2 {
        world.run(&["sweep"]).ended(0);
    }
    let logs: u64 = entries("engine/managed-logs").iter().map(size).sum();
    // What it wrote before the first sweep is kept once.
    assert!(entries("engine/managed-logs").len() <= 2 && logs <= 4096 + lines, "{logs} bytes of logs");
    assert!(entries("engine/managed-runs").len() <= 1 && entries("notes/inbox").is_empty());
}

#[test]
fn a_crash_loop_leaves_no_litter() {
    loop_for(20);
}

#[test]
#[ignore = "takes some minutes: part of the soak"]
fn a_crash_loop_of_thousands_of_rounds_leaves_no_litter() {
    loop_for(2000);
}
