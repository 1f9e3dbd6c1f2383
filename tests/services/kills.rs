//! Commands killed at random moments, each followed by `reconcile`: then every live service is in a record, every record is
//! true, and nothing is there twice.

use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::support::{World, is_alive, kill, pid_of, shim_of, wait_for};
use crate::truth::{NAMES, expect_no_finding, expect_truth, specs};
use crate::weaker::weaker;

/// Rounds in every run of the tests; `soak` has its own.
const ROUNDS: u64 = 40;
/// A command is killed at some moment of these first microseconds, which are all of its life and a little more.
const MOMENTS_US: u64 = 60_000;

/// Numbers that look random and are the same in every run: xorshift64, from Marsaglia, "Xorshift RNGs" (2003).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// Starts some command, whichever comes.
fn start_any(world: &World, numbers: &mut Numbers) -> (String, Child) {
    let name = NAMES[usize::try_from(numbers.below(3)).expect("small")];
    let args: Vec<&str> = match numbers.below(8) {
        0..=2 => {
            // Sometimes the same specs, sometimes others.
            world.declare("ripley", &specs(world, 100 + numbers.below(2)));
            vec!["accept", "ripley"]
        }
        3 | 4 => vec!["restart", name],
        5 => vec!["stop", name],
        6 => vec![if numbers.below(2) == 0 { "sweep" } else { "reconcile" }],
        _ => vec!["renew", name],
    };
    let child = world.command(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    (args.join(" "), child)
}

fn kill_at_random(rounds: u64, seed: u64) {
    let world = World::new();
    world.set(&json!({"stopGraceSec": 0.05}));
    let mut numbers = Numbers(seed);
    for round in 0..rounds {
        // Sometimes two at once, of which one or both are killed; sometimes a service's shim, or a service.
        let count = 1 + numbers.below(2);
        let mut commands: Vec<(String, Child)> = (0..count).map(|_| start_any(&world, &mut numbers)).collect();
        std::thread::sleep(Duration::from_micros(numbers.below(MOMENTS_US)));
        let spared = numbers.below(4);
        for (at, (_, child)) in commands.iter_mut().enumerate() {
            if at as u64 != spared {
                child.kill().expect("our own child");
            }
            child.wait().expect("our own child");
        }
        if numbers.below(6) == 0
            && let Some(record) = world.records().iter().find(|record| record["status"] == "running")
        {
            // Of a service that outlives its shim no record could be wholly true.
            let is_shim = numbers.below(2) == 0 && !weaker("a service whose shim is killed");
            let victim = if is_shim { shim_of(record) } else { pid_of(record) };
            if is_alive(victim) {
                kill(victim);
                // A service dies with its shim, but not in the same moment.
                wait_for("the service is dead", || !is_alive(pid_of(record)));
            }
        }
        let told = world.run(&["reconcile", "--format", "json"]);
        let done: Vec<&str> = commands.iter().map(|(words, _)| words.as_str()).collect();
        assert_eq!(told.code, Some(0), "seed {seed}, round {round}, {done:?}: {told:?}");
        let story = format!("seed {seed}, round {round}, {done:?}, reconciled {}", told.stdout);
        expect_truth(&world, &story);
        expect_no_finding(&world, &story);
    }
}

#[test]
fn whatever_is_killed_at_any_moment_the_next_reconcile_makes_every_record_true() {
    kill_at_random(ROUNDS, 0x9e37_79b9_7f4a_7c15);
}

#[test]
#[ignore = "takes minutes: part of the soak"]
fn a_thousand_kills_lose_nothing() {
    let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_nanos();
    kill_at_random(1000, u64::try_from(seed & 0x7fff_ffff_ffff_ffff).expect("63 bits") | 1);
}
