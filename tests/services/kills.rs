//! Commands, shims and services killed at random moments, followed by `reconcile`: then every live service is in a record,
//! every record is true, and nothing is there twice; what is to be up is up, or its record says when or why not.

use std::collections::BTreeMap;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{LIMIT, World, is_alive, kill, pid_of, shim_of, wait_for};
use crate::truth::{NAMES, complaints, expect_truth, findings, specs};
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

/// Beside the services of `truth`: one that always comes back, one that does after a failure, and one that comes when it is called.
const POLICED: [&str; 3] = ["steady", "retried", "called"];

/// Every command that changes something, some of them more often than others, so that there is mostly something to change.
const COMMANDS: [&[&str]; 24] = [
    &["accept", "ripley", "--project", "shop"],
    &["accept", "ripley", "--project", "shop"],
    &["accept", "ripley", "--project", "shop"],
    &["accept", "ripley", "--project", "shop", "--no-wait"],
    &["accept", "--all", "--project", "shop"],
    &["accept", "--all", "--project", "shop"],
    &["accept", "--all", "--project", "shop"],
    &["restart", "NAME"],
    &["restart", "NAME"],
    &["restart", "plain", "scattered", "stubborn", "steady", "called"],
    &["ensure", "NAME"],
    &["ensure", "NAME"],
    &["ensure", "called"],
    &["touch", "NAME"],
    &["updated"],
    &["updated", "--project", "shop"],
    &["outbox", "drain"],
    &["stop", "NAME"],
    &["renew", "NAME"],
    &["sweep"],
    &["reconcile"],
    &["healthcheck"],
    &["release", "WORK"],
    &["remove-project", "shop"],
];

/// Everything that `COMMANDS` may find.
fn all_specs(world: &World, ttl_minutes: u64) -> Vec<Value> {
    let mut all = specs(world, ttl_minutes);
    let policy = |policy: &str| json!({"policy": policy, "backoff_s": [0, 0.2], "max_restarts": 5, "on_update": true});
    for (name, key, value) in [
        ("steady", "restart", policy("always")),
        ("retried", "restart", policy("on-failure")),
        ("called", "activation", json!("on-demand")),
    ] {
        let mut spec = world.shell(name, "sleep 1004 & exec sleep 1005");
        spec["ttl_minutes"] = json!(ttl_minutes);
        spec[key] = value;
        all.push(spec);
    }
    all
}

/// Starts some command, whichever comes.
fn start_any(world: &World, numbers: &mut Numbers) -> (String, Child) {
    let mut one_of = |count: usize| usize::try_from(numbers.below(count as u64)).expect("small");
    let names = [&NAMES[..], &POLICED].concat();
    let name = names[one_of(names.len())];
    let work = world.dir.path().join("work").display().to_string();
    let words = COMMANDS[one_of(COMMANDS.len())];
    if words[0] == "accept" {
        // Sometimes the same specs, sometimes others.
        world.declare("ripley", &all_specs(world, 100 + one_of(2) as u64));
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
    followers: usize,
    /// How often a record was found so after `reconcile`.
    found: BTreeMap<String, usize>,
}

impl Killed {
    fn all(&self) -> usize {
        self.commands.values().sum::<usize>() + self.shims + self.services + self.followers
    }
}

/// Kills the shim or the service of some record that runs, and sometimes the follower that its shim then starts. Says whose.
fn kill_some(world: &World, numbers: &mut Numbers, killed: &mut Killed) -> Option<String> {
    let running: Vec<Value> = world.records().into_iter().filter(|record| record["status"] == "running").collect();
    let at = usize::try_from(numbers.below(running.len().max(1) as u64)).expect("small");
    let record = running.get(at)?;
    // Of a service that outlives its shim no record could be wholly true.
    let is_shim = numbers.below(2) == 0 && !weaker("a service whose shim is killed");
    let (service, shim) = (pid_of(record), shim_of(record));
    let victim = if is_shim { shim } else { service };
    if !is_alive(victim) {
        return None;
    }
    kill(victim);
    // A service dies with its shim, but not in the same moment.
    wait_for("the service is dead", || !is_alive(service));
    *(if is_shim { &mut killed.shims } else { &mut killed.services }) += 1;
    if !is_shim && record["restart"].is_object() {
        killed.followers += usize::from(kill_follower(shim, numbers));
    }
    Some(format!("{} (its shim: {is_shim})", record["name"]))
}

/// Kills the follower of that shim, if one comes soon, at some moment of its life; says whether it was in time.
fn kill_follower(shim: u32, numbers: &mut Numbers) -> bool {
    let line = |pid: u32| std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let follower = || {
        let children = std::fs::read_to_string(format!("/proc/{shim}/task/{shim}/children")).unwrap_or_default();
        let mut pids = children.split_whitespace().filter_map(|pid| pid.parse().ok());
        pids.find(|pid| line(*pid).starts_with(b"minions-follow"))
    };
    // The next life begins within a fifth of a second, if one does.
    let end = Instant::now() + Duration::from_millis(300);
    let Some(pid) = std::iter::repeat_with(follower).take_while(|_| Instant::now() < end).flatten().next() else {
        return false;
    };
    std::thread::sleep(Duration::from_micros(numbers.below(3000)));
    // Its shim reaps it, so that the pid may be another's already: only as long as its command line says so is it the follower.
    let is_it = line(pid).starts_with(b"minions-follow\0");
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("no group");
    is_it && rustix::process::kill_process(pid, rustix::process::Signal::KILL).is_ok()
}

/// Fails unless everything becomes true with nobody's help; shims may be about to start services, and followers to say so.
fn expect_peace(world: &World, story: &str) {
    expect_truth(world, story);
    let deadline = Instant::now() + LIMIT;
    loop {
        let (found, complaints) = (findings(world), complaints(world));
        if found.is_empty() && complaints.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "{story}: {found:#?} {complaints:#?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn kill_at_random(kills: usize, seed: u64) -> Killed {
    let world = World::new();
    let sinks = json!([{"name": "file", "type": "file", "path": world.dir.path().join("told.jsonl")}]);
    world.set(&json!({"stopGraceSec": 0.05, "maxSpecsPerFile": 6, "outbox": {"sinks": sinks}}));
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
        let is_due = numbers.below(6) < 2;
        let victim = is_due.then(|| kill_some(&world, &mut numbers, &mut killed)).flatten();
        let told = world.run(&["reconcile", "--format", "json"]);
        let done: Vec<&str> = commands.iter().map(|(words, _)| words.as_str()).collect();
        assert_eq!(told.code, Some(0), "seed {seed}, round {round}, {done:?}: {told:?}");
        let story = format!("seed {seed}, round {round}, {done:?}, killed {victim:?}, reconciled {}", told.stdout);
        expect_peace(&world, &story);
        for record in world.records() {
            *killed.found.entry(record["status"].as_str().expect("a word").to_owned()).or_default() += 1;
        }
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
