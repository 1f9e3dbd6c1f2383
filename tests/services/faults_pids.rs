//! Pids that are somebody else's by now: given to bystanders for real, in a process table of its own, or written down before
//! another boot. Whatever command then works on the records, no bystander gets a signal.

use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::faults::in_namespace;
use crate::support::{World, await_other_start, is_alive, kill_shim, pid_of, shim_of, wait_for};

/// Services per round; each gives two pids away, its own and its shim's.
const SERVICES: usize = 10;
/// The commands that end or start something, one per round in turn.
const COMMANDS: [&str; 6] = ["sweep", "stop", "restart", "release", "remove-project", "reconcile"];

fn names() -> Vec<String> {
    (0..SERVICES).map(|number| format!("s{number}")).collect()
}

/// A process that has nothing to do with us and takes `pid`, which must be free.
fn bystander(pid: u32) -> Child {
    for _ in 0..100 {
        std::fs::write("/proc/sys/kernel/ns_last_pid", (pid - 1).to_string()).expect("our own table");
        let mut sleep = Command::new("sleep");
        sleep.arg("100000").env_clear().env("PATH", "/usr/bin:/bin").current_dir("/").stdin(Stdio::null());
        let mut child = sleep.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("sleep starts");
        if child.id() == pid {
            return child;
        }
        child.kill().expect("our own child");
        child.wait().expect("our own child");
    }
    panic!("pid {pid} could not be had");
}

fn declare(world: &World) {
    for (at, five) in names().chunks(5).enumerate() {
        let specs: Vec<Value> = five.iter().map(|name| world.shell(name, "exec sleep 100000")).collect();
        world.declare(&format!("agent-{at}"), &specs);
    }
}

/// The command of a round, with what it is to end with.
fn line(world: &World, verb: &str) -> Vec<String> {
    let words = |more: &[String]| [&[verb.to_owned()], more].concat();
    match verb {
        "stop" | "restart" => words(&names()),
        "release" => words(&[world.dir.path().join("work").display().to_string()]),
        "remove-project" => words(&["shop".to_owned()]),
        _ => words(&[]),
    }
}

/// Kills every service with its shim, gives their pids to bystanders, and has each command work on the records, `rounds` times
/// in all.
fn reuse_pids(rounds: usize) {
    let world = World::new();
    world.set(&json!({"stopGraceSec": 0.2}));
    for round in 0..rounds {
        if world.records().len() < SERVICES {
            declare(&world);
            world.run(&["accept", "--all", "--project", "shop"]).ended(0);
        }
        let records = world.records();
        let pids: Vec<u32> = records.iter().flat_map(|record| [shim_of(record), pid_of(record)]).collect();
        assert_eq!(pids.len(), 2 * SERVICES);
        records.iter().for_each(kill_shim);
        let is_free = |pid: &u32| !std::path::Path::new(&format!("/proc/{pid}")).exists();
        wait_for("nobody has these pids", || pids.iter().all(is_free));
        await_other_start(&records);
        let mut bystanders: Vec<Child> = pids.iter().map(|pid| bystander(*pid)).collect();

        let verb = COMMANDS[round % COMMANDS.len()];
        let ran = world.run(&line(&world, verb).iter().map(String::as_str).collect::<Vec<_>>()).ended(0);
        for (child, pid) in bystanders.iter_mut().zip(&pids) {
            assert!(is_alive(*pid), "round {round}: `{verb}` ended a bystander: {ran:?}");
            assert!(child.try_wait().expect("our own child").is_none(), "round {round}, {verb}");
            child.kill().expect("our own child");
            child.wait().expect("our own child");
        }
        let expected = if verb == "restart" { SERVICES } else { 0 };
        assert_eq!((world.records().len(), world.live_generations().len()), (expected, expected), "{verb}: {ran:?}");
    }
}

const TABLE: [&str; 4] = ["-rm", "--pid", "--fork", "--mount-proc"];

#[test]
fn a_hundred_pids_that_bystanders_have_by_now_are_not_signalled() {
    in_namespace("faults_pids::a_hundred_pids_that_bystanders_have_by_now_are_not_signalled", &TABLE, || {
        reuse_pids(10)
    });
}

#[test]
#[ignore = "takes minutes: part of the soak"]
fn ten_thousand_services_whose_pids_bystanders_have_cost_no_bystander() {
    let name = "faults_pids::ten_thousand_services_whose_pids_bystanders_have_cost_no_bystander";
    in_namespace(name, &TABLE, || reuse_pids(1000));
}

#[test]
fn records_of_another_boot_name_nobody() {
    for verb in COMMANDS {
        let world = World::new();
        world.declare("ripley", &[world.shell("s0", "exec sleep 1000")]);
        world.run(&["accept", "ripley", "--project", "shop"]).ended(0);
        let mut record = world.record("s0");
        world.run(&["stop", "s0"]).ended(0);
        let mut strangers: Vec<Child> = (0..2)
            .map(|_| {
                Command::new("sleep").arg("1000").env_clear().env("PATH", "/usr/bin:/bin").spawn().expect("starts")
            })
            .collect();
        for (child, prefix) in strangers.iter().zip(["", "shim_"]) {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).expect("it lives");
            let ticks: u64 =
                stat.rsplit(')').next().and_then(|rest| rest.split(' ').nth(20)?.parse().ok()).expect("22");
            record["process"][format!("{prefix}pid")] = json!(child.id());
            record["process"][format!("{prefix}start_ticks")] = json!(ticks);
        }
        record["pid"] = json!(strangers[0].id());
        record["process"]["boot_id"] = json!("00000000-0000-4000-8000-000000000000");
        let state = json!({"version": 1, "revision": 9, "specs": [record]});
        std::fs::write(world.root().join("engine/managed-processes.json"), state.to_string()).expect("written");
        // Pid and start are right, and only the boot is another.
        let words: Vec<String> = line(&world, verb).into_iter().filter(|word| !names()[1..].contains(word)).collect();
        let ran = world.run(&words.iter().map(String::as_str).collect::<Vec<_>>()).ended(0);
        let alive = usize::from(verb == "restart");
        assert_eq!((world.records().len(), world.live_generations().len()), (alive, alive), "{verb}: {ran:?}");
        for child in &mut strangers {
            assert!(is_alive(child.id()) && child.try_wait().expect("ours").is_none(), "{verb}: {ran:?}");
            child.kill().expect("our own child");
            child.wait().expect("our own child");
        }
    }
}
