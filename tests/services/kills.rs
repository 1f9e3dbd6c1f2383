//! Commands, shims and services killed at random moments, followed by `reconcile`: then every live service is in a record,
//! every record is true, and nothing is there twice.

use std::collections::BTreeMap;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::support::{World, is_alive, kill, pid_of, shim_of, wait_for};
use crate::truth::{NAMES, expect_no_finding, expect_truth, specs};
use crate::weaker::weaker;

/// Kills in every run of the tests; `soak` has its own.
const KILLS: usize = 40;
/// A command is killed at some moment of these first microseconds, which are all of its life; sooner is likelier than later,
/// for most commands take a tenth of it.
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

/// Every command that changes something, some of them more often than others, so that there is mostly something to change.
const COMMANDS: [&[&str]; 15] = [
    &["accept", "ripley", "--project", "shop"],
    &["accept", "ripley", "--project", "shop"],
    &["accept", "ripley", "--project", "shop", "--no-wait"],
    &["accept", "--all", "--project", "shop"],
    &["accept", "--all", "--project", "shop"],
    &["restart", "NAME"],
    &["restart", "NAME"],
    &["stop", "NAME"],
    &["renew", "NAME"],
    &["sweep"],
    &["reconcile"],
    &["healthcheck"],
    &["release", "WORK"],
    &["remove-project", "shop"],
    &["restart", "plain", "scattered", "stubborn"],
];

/// Starts some command, whichever comes.
fn start_any(world: &World, numbers: &mut Numbers) -> (String, Child) {
    let mut one_of = |count: usize| usize::try_from(numbers.below(count as u64)).expect("small");
    let name = NAMES[one_of(NAMES.len())];
    let work = world.dir.path().join("work").display().to_string();
    let words = COMMANDS[one_of(COMMANDS.len())];
    if words[0] == "accept" {
        // Sometimes the same specs, sometimes others.
        world.declare("ripley", &specs(world, 100 + one_of(2) as u64));
    }
    let with_names = |word: &&'static str| match *word {
        "NAME" => name.to_owned(),
        "WORK" => work.clone(),
        plain => plain.to_owned(),
    };
    let args: Vec<String> = words.iter().map(with_names).collect();
    let mut command = world.command(&[]);
    let child = command.args(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    (args.join(" "), child)
}

/// What has been killed before it was done.
#[derive(Debug, Default)]
struct Killed {
    rounds: usize,
    commands: BTreeMap<String, usize>,
    shims: usize,
    services: usize,
}

impl Killed {
    fn all(&self) -> usize {
        self.commands.values().sum::<usize>() + self.shims + self.services
    }
}

fn kill_at_random(kills: usize, seed: u64) -> Killed {
    let world = World::new();
    world.set(&json!({"stopGraceSec": 0.05}));
    let mut numbers = Numbers(seed);
    let mut killed = Killed::default();
    while killed.all() < kills {
        let round = killed.rounds;
        killed.rounds += 1;
        // Sometimes two at once, of which one or both are killed; sometimes a service's shim, or a service.
        let count = 1 + numbers.below(2);
        let mut commands: Vec<(String, Child)> = (0..count).map(|_| start_any(&world, &mut numbers)).collect();
        let latest = numbers.below(MOMENTS_US) + 1;
        std::thread::sleep(Duration::from_micros(numbers.below(latest)));
        let spared = numbers.below(4);
        for (at, (words, child)) in commands.iter_mut().enumerate() {
            if at as u64 != spared {
                child.kill().expect("our own child");
            }
            if child.wait().expect("our own child").code().is_none() {
                let verb = words.split(' ').next().unwrap_or_default();
                *killed.commands.entry(verb.to_owned()).or_default() += 1;
            }
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
                *(if is_shim { &mut killed.shims } else { &mut killed.services }) += 1;
            }
        }
        let told = world.run(&["reconcile", "--format", "json"]);
        let done: Vec<&str> = commands.iter().map(|(words, _)| words.as_str()).collect();
        assert_eq!(told.code, Some(0), "seed {seed}, round {round}, {done:?}: {told:?}");
        let story = format!("seed {seed}, round {round}, {done:?}, reconciled {}", told.stdout);
        expect_truth(&world, &story);
        expect_no_finding(&world, &story);
    }
    killed
}

#[test]
fn whatever_is_killed_at_any_moment_the_next_reconcile_makes_every_record_true() {
    kill_at_random(KILLS, 0x9e37_79b9_7f4a_7c15);
}

#[test]
#[ignore = "takes minutes: part of the soak"]
fn a_thousand_kills_lose_nothing() {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    let seed = u64::try_from(since.as_nanos() & 0x7fff_ffff_ffff_ffff).expect("63 bits") | 1;
    let begun = std::time::Instant::now();
    let killed = kill_at_random(1000, seed);
    eprintln!("seed {seed}: {killed:?} in {:?}", begun.elapsed());
}
