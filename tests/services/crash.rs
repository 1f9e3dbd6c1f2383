//! Commands side by side, and commands killed in the middle: nothing is lost, doubled or unknown to the record.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::support::{World, is_alive, pid_of, wait_for};

/// Sixteen agents at once, again and again, each with other specs than before: no change is lost.
fn sixteen_at_once(rounds: u64) {
    let world = World::new();
    let agents: Vec<String> = (0..16).map(|number| format!("agent-{number}")).collect();
    for round in 0..rounds {
        for agent in &agents {
            let mut spec = world.shell(&format!("s-{agent}"), "exec sleep 1000");
            spec["ttl_minutes"] = json!(10 + round);
            world.declare(agent, &[spec]);
        }
        let children: Vec<_> = agents.iter().map(|agent| start(&world, &["accept", agent])).collect();
        for child in children {
            let output = child.wait_with_output().expect("ends");
            assert!(output.status.success(), "round {round}: {output:?}");
        }
        let records = world.records();
        assert_eq!(records.len(), 16);
        for record in &records {
            let told = (&record["status"], &record["healthy"], &record["ttl_minutes"]);
            assert_eq!(told, (&json!("running"), &json!(true), &json!(10 + round)), "{record}");
            assert!(is_alive(pid_of(record)), "{record}");
        }
        assert_eq!(world.live_generations().len(), 16, "round {round}");
    }
}

fn start(world: &World, args: &[&str]) -> Child {
    world.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
}

#[test]
fn sixteen_accepts_at_once_lose_no_change() {
    sixteen_at_once(1);
}

#[test]
#[ignore = "takes a minute: part of the soak"]
fn sixteen_accepts_at_once_lose_no_change_in_a_hundred_rounds() {
    sixteen_at_once(100);
}

/// Eight starts of one service at once, again and again: accepts of the same spec, and with `restarts` restarts among them.
fn eight_at_once(rounds: usize, restarts: usize) {
    let world = World::new();
    let spec = world.shell("one", "exec sleep 1000");
    let agents: Vec<String> = (0..8).map(|number| format!("agent-{number}")).collect();
    for round in 0..rounds {
        for agent in &agents {
            world.declare(agent, std::slice::from_ref(&spec));
        }
        let begin = |(at, agent): (usize, &String)| {
            let is_restart = round > 0 && at < restarts;
            start(&world, &if is_restart { ["restart", "one"] } else { ["accept", agent] })
        };
        let children: Vec<Child> = agents.iter().enumerate().map(begin).collect();
        let codes: Vec<Option<i32>> =
            children.into_iter().map(|child| child.wait_with_output().expect("ends").status.code()).collect();
        // Who did not win says so: the service is there as declared, or another command is at it.
        assert!(codes.iter().all(|code| matches!(code, Some(0 | 7))) && codes.contains(&Some(0)), "{codes:?}");
        assert_eq!(world.records().len(), 1, "round {round}");
        assert_eq!(world.live_generations(), [world.record("one")["generation"].as_str().expect("one").to_owned()]);
    }
}

#[test]
fn eight_accepts_of_one_service_start_one_generation() {
    eight_at_once(3, 0);
}

#[test]
#[ignore = "takes a minute: part of the soak"]
fn a_thousand_starts_of_one_name_leave_one_generation_each_time() {
    eight_at_once(125, 4);
}

#[test]
fn an_accept_that_is_killed_at_any_moment_leaves_nothing_that_the_record_does_not_know() {
    let world = World::new();
    let mut spec = world.shell("s", "exec sleep 1000");
    for round in 0..60_u64 {
        spec["ttl_minutes"] = json!(2 + round % 2);
        world.declare("ripley", std::slice::from_ref(&spec));
        let mut child =
            world.command(&["accept", "ripley"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
        // The moment itself is what is tried: from before the claim to after the end.
        std::thread::sleep(Duration::from_micros(round * 400));
        child.kill().expect("our own child");
        child.wait().expect("our own child");
        // A shim that has had its word finishes its start; one that has not goes.
        wait_for("shims have settled", || world.shims().iter().all(|shim| world.shim_is_settled(*shim)));
        let known: Vec<String> = world.records().iter().flat_map(generations).collect();
        for generation in world.live_generations() {
            assert!(known.contains(&generation), "round {round}: {generation} lives and is in no record: {known:?}");
        }
    }
    // Whatever was left, the next accept makes it one healthy generation.
    spec["ttl_minutes"] = json!(9);
    world.declare("ripley", &[spec]);
    let (code, report) = world.accept("ripley", &[]);
    assert_eq!(code, Some(0), "{report}");
    assert_eq!(world.live_generations(), [world.record("s")["generation"].as_str().expect("one").to_owned()]);
}

/// The generations that a record speaks of: its own, and the one that it replaces.
pub(crate) fn generations(record: &serde_json::Value) -> Vec<String> {
    let own = record["generation"].as_str();
    let previous = record["previous"]["generation"].as_str();
    own.into_iter().chain(previous).map(str::to_owned).collect()
}

#[test]
fn readers_answer_and_writers_give_up_while_another_process_holds_the_lock() {
    let world = World::new();
    world.set(&json!({"lockTimeoutSec": 0.3}));
    world.declare("ripley", &[world.shell("s", "exec sleep 1000")]);
    assert_eq!(world.accept("ripley", &[]).0, Some(0));
    let lock = world.root().join("engine/managed-processes.lock");
    let mut holder = std::process::Command::new("flock")
        .args(["-o", lock.to_str().expect("UTF-8"), "sh", "-c", "echo held; exec sleep 100"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("flock(1) starts");
    let mut line = String::new();
    BufReader::new(holder.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    world.run(&["list"]).ended(0);
    world.run(&["show", "s"]).ended(0);
    let refused = world.run(&["stop", "s"]).ended(8);
    assert!(refused.stderr.contains("lock") && refused.stderr.contains(&format!("{}", holder.id())), "{refused:?}");
    assert!(is_alive(pid_of(&world.record("s"))), "nothing was done");
    holder.kill().expect("our own child");
    holder.wait().expect("our own child");
    world.run(&["stop", "s"]).ended(0);
}

#[test]
fn a_stop_during_the_wait_for_health_wins_and_the_accept_says_so() {
    let world = World::new();
    let mut spec = world.shell("s", "exec sleep 1000");
    spec["healthcheck"]["cmd"] = json!("sh -c false");
    spec["healthcheck"]["interval_s"] = json!(0.1);
    world.declare("ripley", &[spec]);
    let accept =
        world.command(&["accept", "ripley"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    wait_for("it runs", || world.records().first().is_some_and(|record| record["status"] == "running"));
    world.run(&["stop", "s"]).ended(0);
    let output = accept.wait_with_output().expect("ends");
    assert_ne!(output.status.code(), Some(0), "{output:?}");
    assert!(world.records().is_empty());
    assert_eq!(world.processes(), Vec::<u32>::new());
}
