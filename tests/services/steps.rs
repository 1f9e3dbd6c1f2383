//! Commands and shims that die at each of their named steps, each followed by `reconcile`: then every record is true, nothing
//! lives without one, and the same command once more does what it should. A step that a command does not reach fails.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;

use minions_managed::base::steps::Step;
use serde_json::json;

use crate::restarts_steps;
use crate::runs::{decided, runs};
use crate::support::{World, is_alive, kill, pid_of, ran, wait_for};
use crate::truth::{NAMES, await_orphans, expect_no_finding, expect_truth, specs};

/// What every start goes through.
const START: [Step; 7] = [
    Step::StateLocked,
    Step::StartPrepared,
    Step::StartClaimed,
    Step::StartOrdered,
    Step::StartTold,
    Step::StartStarted,
    Step::StartSettled,
];
/// What every decided sidecar goes through.
const ASIDE: [Step; 6] = [
    Step::QueueLeased,
    Step::QueueClaimed,
    Step::AcceptNoted,
    Step::AcceptHeld,
    Step::AcceptMoved,
    Step::QueueReleased,
];
/// What every end goes through that a living shim does.
const END: [Step; 2] = [Step::EndBegun, Step::EndAsked];
const STOP: [Step; 3] = [Step::StopClaimed, Step::StopEnded, Step::StopSettled];
const RENEW: [Step; 3] = [Step::RenewClaimed, Step::RenewOrdered, Step::RenewArmed];
const SWEEP: [Step; 2] = [Step::SweepRotated, Step::SweepRecordsDone];
const SWEEP_CHANGE: [Step; 2] = [Step::SweepPrepared, Step::SweepClaimed];
const SWEEP_END: [Step; 2] = [Step::SweepEnded, Step::SweepSettled];
const ROTATION: [Step; 4] = [Step::RotationCopied, Step::RotationPublished, Step::RotationMarked, Step::RotationCut];
const RECONCILE: [Step; 2] = [Step::ReconcileSwept, Step::ReconcileProbed];
/// What every change of a record goes through.
const TOLD: [Step; 2] = [Step::JournalCarried, Step::JournalAppended];
const SHIM_START: [Step; 6] =
    [Step::ShimBorn, Step::ShimHeard, Step::ShimNoted, Step::ShimForked, Step::ShimWritten, Step::ShimAnswered];
const SHIM_END: [Step; 3] = [Step::ShimReaped, Step::ShimExitWritten, Step::ShimAlone];

/// One command, with the steps that it reaches from some beginning.
struct Case {
    /// What it is called in messages.
    words: &'static str,
    args: &'static [&'static str],
    /// Makes the beginning, whatever there was.
    begin: fn(&World),
    steps: &'static [&'static [Step]],
    /// How the same command may end afterwards.
    again: &'static [i32],
}

const UP: &[&str] = &["plain", "scattered", "stubborn"];

const CASES: &[Case] = &[
    Case {
        words: "accept of what is not there",
        args: &["accept", "ripley", "--project", "shop"],
        begin: |world| {
            down(world);
            declare(world, 100);
        },
        steps: &[&START, &ASIDE, &TOLD],
        again: &[0],
    },
    Case {
        words: "accept of another spec",
        args: &["accept", "ripley", "--project", "shop"],
        begin: |world| {
            up(world);
            declare(world, 101);
        },
        steps: &[&START, &ASIDE, &END, &[Step::StartOldEnded]],
        again: &[0],
    },
    Case {
        words: "accept of what never is healthy",
        args: &["accept", "ripley", "--project", "shop"],
        begin: |world| {
            down(world);
            let mut specs = specs(world, 100);
            for spec in &mut specs {
                spec["healthcheck"] = json!({"type": "command", "cmd": "sh -c false", "shell": true,
                    "expect_regex": "ok", "timeout_s": 0.1, "interval_s": 0.1});
            }
            world.declare("ripley", &specs);
        },
        steps: &[&[Step::StartUndone, Step::AcceptAlerted], &ASIDE],
        again: &[0, 4, 5],
    },
    Case {
        words: "accept of a bad sidecar",
        args: &["accept", "ripley", "--project", "shop"],
        begin: |world| {
            up(world);
            world.declare("ripley", &[json!({"name": "plain"})]);
        },
        steps: &[&[Step::AcceptAlerted], &ASIDE],
        again: &[0, 3],
    },
    Case {
        words: "queue cancel",
        args: &["queue", "cancel", "ripley"],
        begin: |world| {
            up(world);
            declare(world, 101);
        },
        steps: &[&ASIDE],
        again: &[0, 6],
    },
    Case {
        words: "sweep of what an accept left decided and not aside",
        args: &["sweep"],
        begin: |world| {
            up(world);
            declare(world, 101);
            crash(world, &["accept", "ripley", "--project", "shop"], Step::AcceptNoted);
        },
        steps: &[&[Step::QueueLeased, Step::AcceptHeld, Step::AcceptMoved, Step::QueueReleased]],
        again: &[0],
    },
    Case {
        words: "restart",
        args: &["restart", "plain", "scattered", "stubborn"],
        begin: up,
        steps: &[&START, &END, &[Step::StartOldEnded], &TOLD],
        again: &[0],
    },
    Case {
        words: "stop",
        args: &["stop", "plain", "scattered", "stubborn"],
        begin: up,
        steps: &[&[Step::StateLocked], &STOP, &END, &TOLD],
        again: &[0, 6],
    },
    Case {
        words: "remove-project",
        args: &["remove-project", "shop"],
        begin: up,
        steps: &[&STOP, &END, &[Step::LogsRemoved]],
        again: &[0, 6],
    },
    Case {
        words: "release",
        args: &["release", "."],
        begin: up,
        steps: &[&STOP, &END, &[Step::ReleaseLooked]],
        again: &[0],
    },
    Case {
        words: "renew",
        args: &["renew", "scattered", "--ttl", "77"],
        begin: up,
        steps: &[&[Step::StateLocked], &RENEW, &TOLD],
        again: &[0],
    },
    Case {
        words: "sweep of the dead",
        args: &["sweep"],
        begin: |world| {
            up(world);
            dead(world);
        },
        steps: &[&SWEEP, &SWEEP_CHANGE, &SWEEP_END, &TOLD],
        again: &[0],
    },
    Case {
        words: "sweep of those whose shims are dead",
        args: &["sweep"],
        begin: |world| {
            up(world);
            for record in world.records() {
                crate::support::kill_shim(&record);
            }
            wait_for("they are gone", || world.shims().is_empty());
        },
        steps: &[&SWEEP, &SWEEP_CHANGE, &SWEEP_END],
        again: &[0],
    },
    Case {
        words: "sweep of what an accept left running",
        args: &["sweep"],
        begin: |world| {
            down(world);
            declare(world, 100);
            crash(world, &["accept", "ripley", "--project", "shop"], Step::StartStarted);
        },
        steps: &[&SWEEP, &SWEEP_CHANGE, &[Step::RenewOrdered]],
        again: &[0],
    },
    Case {
        words: "sweep of what a restart left as it was",
        args: &["sweep"],
        begin: |world| {
            up(world);
            crash(world, &["restart", "plain", "scattered", "stubborn"], Step::StartClaimed);
        },
        steps: &[&SWEEP, &SWEEP_CHANGE],
        again: &[0],
    },
    Case {
        words: "sweep of what a restart has ended",
        args: &["sweep"],
        begin: |world| {
            up(world);
            crash(world, &["restart", "plain", "scattered", "stubborn"], Step::StartOldEnded);
        },
        steps: &[&START, &SWEEP],
        again: &[0],
    },
    Case {
        words: "sweep of what a stop left",
        args: &["sweep"],
        begin: |world| {
            up(world);
            crash(world, &["stop", "plain", "scattered", "stubborn"], Step::StopClaimed);
        },
        steps: &[&SWEEP, &SWEEP_CHANGE, &SWEEP_END, &END],
        again: &[0],
    },
    Case {
        words: "sweep of a state that was lost",
        args: &["sweep"],
        begin: |world| {
            up(world);
            dead(world);
            std::fs::remove_file(world.root().join("engine/managed-processes.json")).unwrap();
        },
        steps: &[&SWEEP, &[Step::OrphanAdopted, Step::OrphanEnded]],
        again: &[0],
    },
    Case {
        words: "reconcile of the dead",
        args: &["reconcile"],
        begin: |world| {
            up(world);
            dead(world);
        },
        steps: &[&SWEEP, &SWEEP_CHANGE, &SWEEP_END, &RECONCILE],
        again: &[0],
    },
];

fn declare(world: &World, ttl_minutes: u64) {
    world.declare("ripley", &specs(world, ttl_minutes));
}

/// Every service runs as declared, and nothing is pending.
fn up(world: &World) {
    declare(world, 100);
    let ran = world.run(&["accept", "ripley", "--project", "shop"]);
    assert_eq!((ran.code, world.records().len()), (Some(0), NAMES.len()), "{ran:?}");
}

/// There is no service.
fn down(world: &World) {
    let names: Vec<String> = world.records().iter().map(|record| record["name"].as_str().unwrap().to_owned()).collect();
    let args: Vec<&str> = std::iter::once("stop").chain(names.iter().map(String::as_str)).collect();
    if !names.is_empty() {
        world.run(&args).ended(0);
    }
}

/// One has died by itself.
fn dead(world: &World) {
    let pid = pid_of(&world.record("plain"));
    kill(pid);
    wait_for("it is dead", || !is_alive(pid));
}

/// Runs a command that kills itself at `step`.
fn crash(world: &World, args: &[&str], step: Step) {
    let mut command = world.command(args);
    let output =
        command.env("MINIONS_CRASH_AT", step.word()).current_dir(world.dir.path().join("work")).output().unwrap();
    assert_eq!(output.status.signal(), Some(9), "{args:?} does not reach {}: {output:?}", step.word());
}

/// What the agent's folder holds: what is pending, decided, or neither.
fn sidecars(world: &World) -> BTreeSet<String> {
    let entries = std::fs::read_dir(world.root().join("agents/ripley")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// The last sidecar that was written.
fn pending(world: &World) -> Option<Vec<u8>> {
    std::fs::read(sidecar(world, "managed-spawn.json")).ok()
}

fn sidecar(world: &World, name: &str) -> PathBuf {
    world.root().join("agents/ripley").join(name)
}

fn check(case: &Case) {
    let world = World::new();
    world.set(&json!({"stopGraceSec": 0.05}));
    let mut seen = crate::journal::Seen::default();
    for step in case.steps.iter().copied().flatten() {
        let story = format!("{}, killed at {}", case.words, step.word());
        (case.begin)(&world);
        let was_pending = pending(&world);
        let decided_before = decided(&world);
        for decided in ["managed-spawn.accepted.json", "managed-spawn.rejected.json"] {
            drop(std::fs::remove_file(sidecar(&world, decided)));
        }
        crash(&world, case.args, *step);
        seen.expect_whole(&world, &story);
        expect_true_after_reconcile(&world, &story);
        let mut again = world.command(case.args);
        let again = ran(again.current_dir(world.dir.path().join("work")));
        assert!(again.code.is_some_and(|code| case.again.contains(&code)), "{story}, and again: {again:?}");
        expect_truth(&world, &format!("{story}, and again: {again:?}"));
        seen.expect_whole(&world, &format!("{story}, and again: {again:?}"));
        let decided_after = decided(&world);
        if let (Some(decided), "accept") = (was_pending, case.args[0]) {
            assert_eq!(decided_after, decided_before + 1, "{story}: it was decided once: {:?}", runs(&world, &[]));
            let is_aside = |name: &str| std::fs::read(sidecar(&world, name)).is_ok_and(|there| there == decided);
            let aside = ["managed-spawn.accepted.json", "managed-spawn.rejected.json"];
            assert!(aside.iter().any(|name| is_aside(name)), "{story}: the sidecar is lost: {:?}", sidecars(&world));
            let others: Vec<String> =
                sidecars(&world).into_iter().filter(|name| !aside.contains(&name.as_str())).collect();
            assert!(others.is_empty(), "{story}: beside what is decided: {others:?}");
        }
    }
}

pub(crate) fn expect_true_after_reconcile(world: &World, story: &str) {
    await_orphans(world);
    let told = world.run(&["reconcile", "--format", "json"]);
    assert_eq!(told.code, Some(0), "{story}: {told:?}");
    expect_truth(world, &format!("{story}, reconciled {}", told.stdout));
    expect_no_finding(world, story);
}

/// The cases that are `part` of `parts`, so that they run side by side.
fn check_part(part: usize, parts: usize) {
    CASES.iter().enumerate().filter(|(at, _)| at % parts == part).for_each(|(_, case)| check(case));
}

/// Their shims are gone, and their restart policies have waited for long enough.
const DUE: Case = Case {
    words: "sweep of those whose policies bring them back",
    args: &["sweep"],
    begin: |world| {
        let mut specs = specs(world, 100);
        for spec in &mut specs {
            spec["restart"] = json!({"policy": "always", "backoff_s": [1000]});
        }
        world.declare("ripley", &specs);
        world.run(&["accept", "ripley", "--project", "shop"]).ended(0);
        for record in world.records() {
            crate::support::kill_shim(&record);
        }
        world.run(&["sweep"]).ended(0);
        let mut state = world.state();
        for record in state["specs"].as_array_mut().unwrap() {
            assert_eq!(record["status"], "backoff", "{record}");
            record["next_at"] = json!(1);
        }
        std::fs::write(world.root().join("engine/managed-processes.json"), state.to_string()).unwrap();
    },
    steps: &[&START, &SWEEP],
    again: &[0],
};

#[test]
fn a_sweep_that_dies_while_it_brings_services_back_leaves_nothing_untrue() {
    check(&DUE);
}

#[test]
fn a_command_that_dies_at_a_step_leaves_nothing_untrue_first_third() {
    check_part(0, 3);
}

#[test]
fn a_command_that_dies_at_a_step_leaves_nothing_untrue_second_third() {
    check_part(1, 3);
}

#[test]
fn a_command_that_dies_at_a_step_leaves_nothing_untrue_last_third() {
    check_part(2, 3);
}

/// Every service's shim in turn is killed at `step` of `args`, and what that leaves is put right.
fn check_shim(step: Step, begin: fn(&World), args: fn(&str) -> Vec<String>, codes: &[i32]) {
    let world = World::new();
    world.set(&json!({"stopGraceSec": 0.05}));
    let order = world.root().join("engine/crash-at");
    for name in UP {
        let story = format!("the shim of {name}, killed at {}", step.word());
        begin(&world);
        std::fs::write(&order, format!("{} {name}", step.word())).unwrap();
        let args = args(name);
        let told = world.run(&args.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(told.code.is_some_and(|code| codes.contains(&code)), "{story}: {told:?}");
        wait_for(&format!("{story}: it is reached"), || !order.exists());
        expect_true_after_reconcile(&world, &story);
        up(&world);
        expect_truth(&world, &format!("{story}, and again"));
    }
}

#[test]
fn a_shim_that_dies_at_a_step_of_its_start_leaves_nothing() {
    for step in SHIM_START {
        let begin: fn(&World) = |world| {
            down(world);
            std::fs::create_dir_all(world.root().join("engine")).unwrap();
            declare(world, 100);
        };
        let accept = |_: &str| ["accept", "ripley", "--project", "shop"].map(str::to_owned).to_vec();
        check_shim(step, begin, accept, &[0, 1, 4, 5]);
    }
}

#[test]
fn a_shim_and_its_maker_that_both_die_leave_nothing() {
    let world = World::new();
    world.set(&json!({"stopGraceSec": 0.05}));
    let order = world.root().join("engine/crash-at");
    let is_either = |case: &&Case| matches!(case.words, "accept of what is not there" | "restart");
    for Case { args, begin, .. } in CASES.iter().filter(is_either) {
        for step in SHIM_START.into_iter().filter(|step| *step != Step::ShimBorn) {
            for name in UP {
                let story = format!("{args:?} after its word, and the shim of {name} at {}", step.word());
                begin(&world);
                std::fs::create_dir_all(world.root().join("engine")).unwrap();
                std::fs::write(&order, format!("{} {name}", step.word())).unwrap();
                // Its threads give every shim its word, or die before: the shim of this name may hear nothing.
                crash(&world, args, Step::StartTold);
                wait_for("shims have settled", || world.shims().iter().all(|shim| world.shim_is_settled(*shim)));
                drop(std::fs::remove_file(&order));
                expect_true_after_reconcile(&world, &story);
            }
        }
    }
}

#[test]
fn a_shim_that_dies_at_a_step_of_its_end_leaves_nothing() {
    for step in SHIM_END {
        check_shim(step, up, |name| ["stop", name].map(str::to_owned).to_vec(), &[0]);
    }
}

#[test]
fn a_rotation_that_dies_at_a_step_loses_no_line() {
    let world = World::new();
    world.set(&json!({"logRotateBytes": 65536}));
    up(&world);
    let log = world.root().join("engine/managed-logs/plain.log");
    for (round, step) in ROTATION.iter().enumerate() {
        let first = round * 10_000;
        let lines: String = (first..first + 10_000).map(|number| format!("{number:019}\n")).collect();
        let mut file = std::fs::OpenOptions::new().append(true).open(&log).unwrap();
        std::io::Write::write_all(&mut file, lines.as_bytes()).unwrap();
        crash(&world, &["sweep"], *step);
        expect_true_after_reconcile(&world, step.word());
        let read = |name: &str| std::fs::read_to_string(log.with_file_name(name)).unwrap_or_default();
        let text = read("plain.log.1") + &read("plain.log");
        let numbers: BTreeSet<usize> = text.lines().filter_map(|line| line.trim_matches('\0').parse().ok()).collect();
        assert!((first..first + 10_000).all(|number| numbers.contains(&number)), "lines are lost at {}", step.word());
    }
}

/// Those of deliveries are tried in tests/delivery/kills.rs, where there is somebody to deliver to.
const DELIVERY: [Step; 3] = [Step::DeliverySent, Step::DeliveryDead, Step::DeliveryRetried];

#[test]
fn every_step_has_a_case() {
    let of_cases = CASES.iter().flat_map(|case| case.steps.iter().copied().flatten());
    let of_shims = SHIM_START.iter().chain(&SHIM_END).chain(&restarts_steps::SHIM).chain(&restarts_steps::FOLLOWER);
    let tried: BTreeSet<Step> =
        of_cases.chain(of_shims).chain(&ROTATION).chain(&crate::journal::STEPS).chain(&DELIVERY).copied().collect();
    let all: BTreeSet<Step> = Step::ALL.iter().copied().collect();
    assert_eq!(all.difference(&tried).collect::<Vec<_>>(), Vec::<&Step>::new());
}
