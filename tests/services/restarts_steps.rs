//! Shims and followers that die, or are held, at each step of a restart that nobody asked for; and commands that come in between.

use std::cell::RefCell;
use std::path::PathBuf;
use std::process::Stdio;

use minions_managed::base::steps::Step;
use rustix::fs::{CWD, FileType, Mode, OFlags};
use serde_json::{Value, json};

use crate::restarts::await_life;
use crate::steps::expect_true_after_reconcile;
use crate::support::{World, is_alive, kill, pid_of, shim_of, wait_for};
use crate::truth::{NAMES, expect_truth, specs};

/// What a shim goes through between the end of one life and the start of a follower of the next.
pub(crate) const SHIM: [Step; 6] =
    [Step::ShimReaped, Step::ShimExitWritten, Step::ShimMoved, Step::ShimForked, Step::ShimWritten, Step::ShimFollowed];
/// What a follower goes through.
pub(crate) const FOLLOWER: [Step; 3] = [Step::FollowBorn, Step::FollowNoted, Step::FollowProbed];

/// Every service runs as declared, with a policy that starts it again at once.
fn up(world: &World) {
    let mut specs = specs(world, 100);
    for spec in &mut specs {
        spec["restart"] = json!({"policy": "always", "backoff_s": [0], "max_restarts": 100, "window_s": 1});
    }
    world.declare("ripley", &specs);
    let ran = world.run(&["accept", "ripley", "--project", "shop"]);
    assert_eq!((ran.code, world.records().len()), (Some(0), NAMES.len()), "{ran:?}");
    world.records().iter().for_each(await_life);
}

fn world() -> World {
    let world = World::new();
    world.set(&json!({"stopGraceSec": 0.05}));
    world
}

/// The service of that name is killed, and whoever reaches `step` for it kills itself.
fn crash(world: &World, step: Step, name: &str) {
    let order = world.root().join("engine/crash-at");
    std::fs::write(&order, format!("{} {name}", step.word())).unwrap();
    kill(pid_of(&world.record(name)));
    wait_for(&format!("{} is reached for {name}", step.word()), || !order.exists());
}

#[test]
fn a_shim_that_dies_at_a_step_of_a_restart_leaves_nothing_untrue() {
    let world = world();
    for step in SHIM {
        for name in NAMES {
            let story = format!("the shim of {name}, killed at {}", step.word());
            up(&world);
            let shim = shim_of(&world.record(name));
            crash(&world, step, name);
            // The order goes before it kills itself.
            wait_for(&story, || !is_alive(shim));
            expect_true_after_reconcile(&world, &story);
            up(&world);
            expect_truth(&world, &format!("{story}, and again"));
        }
    }
}

#[test]
fn a_follower_that_dies_at_a_step_leaves_nothing_untrue() {
    let world = world();
    for step in FOLLOWER {
        for name in NAMES {
            let story = format!("the follower of {name}, killed at {}", step.word());
            up(&world);
            crash(&world, step, name);
            expect_true_after_reconcile(&world, &story);
            // A life that was killed young waits a little for the next one (`lifecycle/restart.rs`).
            wait_for(&format!("{story}: it runs"), || {
                let record = world.record(name);
                record["status"] == "running" && is_alive(pid_of(&record))
            });
        }
    }
}

/// Holds the shim of `name` at `step`, once its service is killed; returns the end of a pipe that lets it go when it is dropped.
fn hold(world: &World, step: Step, name: &str) -> std::os::fd::OwnedFd {
    let pipe: PathBuf = world.dir.path().join("pipe");
    drop(std::fs::remove_file(&pipe));
    rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let order = world.root().join("engine/crash-at");
    std::fs::write(&order, format!("{} {name} {}", step.word(), pipe.display())).unwrap();
    kill(pid_of(&world.record(name)));
    // Without a reader there is no opening for writing (fifo(7)).
    let writer = RefCell::new(None);
    wait_for(&format!("{} is reached for {name}", step.word()), || {
        *writer.borrow_mut() =
            rustix::fs::open(&pipe, OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()).ok();
        writer.borrow().is_some()
    });
    writer.into_inner().unwrap()
}

/// A command that comes while a shim is at `step`, and goes on while the shim does.
fn check(world: &World, step: Step, args: &[&str]) {
    let name = "scattered";
    let story = format!("{args:?} while its shim is at {}", step.word());
    up(world);
    let held = hold(world, step, name);
    let mut command = world.command(args);
    let child = command.current_dir(world.dir.path().join("work")).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = child.spawn().unwrap();
    let claimed = |record: &Value| record["name"] == name && !record["claim"].is_null();
    let pid = child.id();
    // It has begun with this service, or it needs nothing of it.
    wait_for(&format!("{story}: it is under way"), || world.records().iter().any(claimed) || !is_alive(pid));
    drop(held);
    let output = child.wait_with_output().unwrap();
    let told = format!("{story}: {output:?}");
    assert!(output.status.code().is_some_and(|code| matches!(code, 0 | 4..=7)), "{told}");
    expect_truth(world, &told);
    if args[0] == "stop" {
        assert!(world.records().iter().all(|record| record["name"] != name), "{told}");
    }
}

#[test]
fn of_a_command_and_a_restart_at_the_same_time_one_wins_and_nothing_doubles() {
    let world = world();
    for step in SHIM {
        for args in [
            &["stop", "scattered"][..],
            &["restart", "scattered"],
            &["sweep"],
            &["reconcile"],
            &["renew", "scattered"],
            &["release", "."],
            &["remove-project", "shop"],
        ] {
            check(&world, step, args);
        }
    }
}
