//! Two commands at one service: the first waits at one of its steps while the second runs from its beginning to its end, then the
//! first goes on. One wins, the other says so, and nothing doubles: every record is true without any further command.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Instant;

use minions_managed::base::steps::Step;
use rustix::fs::{CWD, FileType, Mode, OFlags};
use serde_json::json;

use crate::support::{LIMIT, World, is_alive, kill, pid_of, ran, wait_for};
use crate::truth::{expect_truth, specs};

/// One command, with the steps at which it is made to wait.
struct First {
    args: &'static [&'static str],
    begin: fn(&World),
    steps: &'static [Step],
}

const FIRSTS: [First; 7] = [
    First {
        args: &["accept", "ripley", "--project", "shop"],
        begin: |world| {
            down(world);
            declare(world, 100);
        },
        steps: &[
            Step::StartPrepared,
            Step::StartClaimed,
            Step::StartOrdered,
            Step::StartTold,
            Step::StartStarted,
            Step::StartSettled,
            Step::AcceptNoted,
            Step::AcceptHeld,
            Step::AcceptMoved,
        ],
    },
    First {
        args: &["accept", "ripley", "--project", "shop"],
        begin: |world| {
            up(world);
            declare(world, 101);
        },
        steps: &[
            Step::StartPrepared,
            Step::StartClaimed,
            Step::EndBegun,
            Step::EndAsked,
            Step::StartOldEnded,
            Step::StartTold,
            Step::StartSettled,
        ],
    },
    First {
        args: &["restart", "scattered"],
        begin: up,
        steps: &[
            Step::StartPrepared,
            Step::StartClaimed,
            Step::EndBegun,
            Step::EndAsked,
            Step::StartOldEnded,
            Step::StartOrdered,
            Step::StartTold,
            Step::StartStarted,
            Step::StartSettled,
        ],
    },
    First {
        args: &["stop", "scattered"],
        begin: up,
        steps: &[Step::StopClaimed, Step::EndBegun, Step::EndAsked, Step::StopEnded, Step::StopSettled],
    },
    First {
        args: &["release", "."],
        begin: up,
        steps: &[Step::ReleaseLooked, Step::StopClaimed, Step::EndAsked, Step::StopEnded, Step::StopSettled],
    },
    First {
        args: &["renew", "scattered"],
        begin: up,
        steps: &[Step::RenewClaimed, Step::RenewOrdered, Step::RenewArmed],
    },
    First {
        args: &["sweep"],
        begin: |world| {
            up(world);
            let pid = pid_of(&world.record("scattered"));
            kill(pid);
            wait_for("it is dead", || !is_alive(pid));
        },
        steps: &[
            Step::SweepRotated,
            Step::SweepPrepared,
            Step::SweepClaimed,
            Step::SweepEnded,
            Step::SweepSettled,
            Step::SweepRecordsDone,
        ],
    },
];

const SECONDS: [&[&str]; 7] = [
    &["accept", "ripley", "--project", "shop"],
    &["restart", "scattered"],
    &["stop", "scattered"],
    &["sweep"],
    &["reconcile"],
    &["renew", "scattered"],
    &["release", "."],
];

/// The one service of these tests; it leaves its parents.
fn declare(world: &World, ttl_minutes: u64) {
    world.declare("ripley", &specs(world, ttl_minutes)[1..2]);
}

fn up(world: &World) {
    declare(world, 100);
    let ran = world.run(&["accept", "ripley", "--project", "shop"]);
    assert_eq!((ran.code, world.records().len()), (Some(0), 1), "{ran:?}");
}

fn down(world: &World) {
    if !world.records().is_empty() {
        world.run(&["stop", "scattered"]).ended(0);
    }
}

/// Waits until `child` waits at the pipe, and returns the end that lets it go when it is dropped; `None` if it ended instead.
fn wait_paused(child: &mut Child, pipe: &Path) -> Option<std::os::fd::OwnedFd> {
    let deadline = Instant::now() + LIMIT;
    loop {
        // Without a reader there is no opening for writing (fifo(7)).
        if let Ok(writer) = rustix::fs::open(pipe, OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()) {
            return Some(writer);
        }
        if child.try_wait().unwrap().is_some() {
            return None;
        }
        assert!(Instant::now() < deadline, "it neither ends nor waits");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

fn check(world: &World, first: &First, step: Step, second: &[&str]) {
    let story = format!("{:?} waits at {} while there is {second:?}", first.args, step.word());
    (first.begin)(world);
    let pipe = world.dir.path().join("pipe");
    drop(std::fs::remove_file(&pipe));
    rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let work = world.dir.path().join("work");
    let mut command = world.command(first.args);
    command.env("MINIONS_PAUSE_AT", format!("{}={}", step.word(), pipe.display())).current_dir(&work);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let writer = wait_paused(&mut child, &pipe);
    assert!(writer.is_some(), "{story}: it is not reached");
    let overtaking = ran(world.command(second).current_dir(&work));
    drop(writer);
    let output = child.wait_with_output().unwrap();
    let told = format!("{story}\nfirst: {output:?}\nsecond: {overtaking:?}");
    // What cannot be done now is said: not there, not running, claimed by another, not up.
    let is_said = |code: Option<i32>| code.is_some_and(|code| matches!(code, 0 | 4..=7));
    assert!(is_said(output.status.code()) && is_said(overtaking.code), "{told}");
    assert!(output.status.code() == Some(0) || overtaking.code == Some(0), "nobody wins: {told}");
    expect_truth(world, &told);
}

fn check_all(wanted: impl Fn(usize) -> bool) {
    let world = World::new();
    world.set(&json!({"stopGraceSec": 0.05}));
    let mut number = 0;
    for first in &FIRSTS {
        for step in first.steps {
            for second in SECONDS {
                number += 1;
                if wanted(number) {
                    check(&world, first, *step, second);
                }
            }
        }
    }
}

#[test]
fn of_two_commands_one_wins_and_nothing_doubles_first_half() {
    check_all(|number| number % 2 == 0);
}

#[test]
fn of_two_commands_one_wins_and_nothing_doubles_second_half() {
    check_all(|number| number % 2 == 1);
}
