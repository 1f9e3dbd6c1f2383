//! The journal while those who write it and those who read it are killed at any moment, several at a time: each event is there once,
//! under its number; who follows is shown each once, over deaths and rotations; what is marked as read was shown.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::journal::Seen;
use crate::support::World;

/// Far beyond what ten thousand events take.
const LIMIT: Duration = Duration::from_secs(3600);
/// Writers side by side: they wait for each other's lock.
const WRITERS: u64 = 3;
/// So many lines a follower prints at most before it is killed.
const LINES_MAX: u64 = 300;
/// So many events a page has.
const PAGE: u64 = 40;

/// An event as somebody was shown it: number and id.
type Shown = (u64, String);

/// Numbers that look random and are the same in every run: xorshift64, from Marsaglia, "Xorshift RNGs" (2003).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Runs commands and kills most of them, at moments within the time that one of them takes.
struct Killer {
    dice: Dice,
    usual: Duration,
    deaths: u64,
}

impl Killer {
    fn new(seed: u64) -> Self {
        Self { dice: Dice(seed), usual: Duration::from_millis(20), deaths: 0 }
    }

    /// Runs `command`; one in four is left alone, and says how long they take.
    fn run(&mut self, command: &mut Command) -> ExitStatus {
        let start = Instant::now();
        let mut child = command.spawn().expect("it starts");
        if self.dice.below(4) == 0 {
            let status = child.wait().expect("our own child");
            self.usual = (self.usual * 3 + start.elapsed()) / 4;
            return status;
        }
        let moment = u64::try_from(self.usual.as_micros()).unwrap().max(1) * 3 / 2;
        std::thread::sleep(Duration::from_micros(self.dice.below(moment)));
        let status = killed(&mut child);
        self.deaths += u64::from(status.signal() == Some(9));
        status
    }
}

fn killed(child: &mut Child) -> ExitStatus {
    child.kill().expect("our own child");
    child.wait().expect("our own child")
}

/// The number of the last event.
fn last_seq(world: &World) -> u64 {
    world.state()["seq"].as_u64().unwrap()
}

/// Waits for `fact`, looking now and then: there is more to do for the two who look than to look.
fn await_that(what: &str, fact: impl Fn() -> bool) {
    let end = Instant::now() + LIMIT;
    while !fact() {
        assert!(Instant::now() < end, "not within {LIMIT:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn silent(world: &World, args: &[&str]) -> Command {
    let mut command = world.command(args);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Writes until there are `events`: mostly one event at a time, sometimes a refused sidecar, sometimes a whole new life. Returns how
/// many commands were killed.
fn write(world: &World, lane: u64, events: u64) -> u64 {
    let mut killer = Killer::new(0x2545_f491_4f6c_dd1d + lane);
    let (agent, name) = (format!("ripley-{lane}"), format!("web-{lane}"));
    let mut round = 0;
    while last_seq(world) < events {
        round += 1;
        let ttl = (10 + round % 1000).to_string();
        match killer.dice.below(32) {
            0 => {
                killer.run(&mut silent(world, &["restart", &name]));
                // Who died in the middle has left it half done, at worst without a record.
                if silent(world, &["restart", &name]).status().unwrap().code() == Some(6) {
                    world.declare(&agent, &[world.shell(&name, "exec sleep 1000")]);
                    world.run(&["accept", &agent]).ended(0);
                }
            }
            1 | 2 => {
                world.declare(&format!("bishop-{lane}"), &[]);
                killer.run(&mut silent(world, &["accept", &format!("bishop-{lane}")]));
            }
            _ => drop(killer.run(&mut silent(world, &["renew", &name, "--ttl", &ttl]))),
        }
    }
    killer.deaths
}

/// Follows until `events` of them were shown; is killed again and again, and goes on after the last whole line.
fn follow(world: &World, events: u64) -> Vec<Shown> {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut shown: Vec<Shown> = Vec::new();
    while (shown.len() as u64) < events {
        let after = shown.len() as u64;
        let until = (after + 1 + dice.below(LINES_MAX)).min(events);
        let mut command = world.command(&["events", "-f", "--after", &after.to_string(), "--format", "json"]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped"));
        let mut is_killed = false;
        loop {
            if !is_killed && shown.len() as u64 >= until {
                child.kill().expect("our own child");
                is_killed = true;
            }
            let mut line = Vec::new();
            lines.read_until(b'\n', &mut line).unwrap();
            if line.pop() != Some(b'\n') {
                break;
            }
            let event: Value = serde_json::from_slice(&line).expect("a whole line is an event");
            assert_eq!(event["seq"], shown.len() as u64 + 1, "no line is missed or doubled, also behind a death");
            shown.push((shown.len() as u64 + 1, event["id"].to_string()));
        }
        child.wait().expect("our own child");
        assert!(is_killed, "nobody else ends it");
    }
    shown
}

/// Where the reader is.
fn cursor(world: &World) -> u64 {
    let bytes = std::fs::read(world.root().join("engine/managed-cursors/kay.json")).unwrap_or_default();
    if bytes.is_empty() {
        return 0;
    }
    let cursor: Value = serde_json::from_slice(&bytes).expect("a cursor is whole at every moment");
    cursor["seq"].as_u64().unwrap()
}

/// Reads pages and marks them until `events` are read; most of who does so are killed. Returns what was shown and marked, and how many
/// were killed.
fn read(world: &World, events: u64, is_written: &AtomicBool) -> (Vec<Shown>, u64) {
    let mut killer = Killer::new(0x5eed);
    let mut marked = Vec::new();
    let page = world.dir.path().join("page");
    let limit = PAGE.to_string();
    let args = ["events", "--reader", "kay", "--mark-read", "-n", &limit, "--format", "json"];
    while cursor(world) < events {
        let before = cursor(world);
        await_that("there is something to read", || {
            last_seq(world) >= before + PAGE || is_written.load(Ordering::SeqCst)
        });
        killer.run(world.command(&args).stdout(File::create(&page).unwrap()).stderr(Stdio::null()));
        let after = cursor(world);
        if after == before {
            continue;
        }
        let shown: Value = serde_json::from_slice(&std::fs::read(&page).unwrap()).expect("what is marked was shown");
        assert_eq!(shown["next"], after);
        let items = shown["items"].as_array().unwrap();
        let seqs: Vec<u64> = items.iter().map(|item| item["seq"].as_u64().unwrap()).collect();
        assert_eq!(seqs, (before + 1..=after).collect::<Vec<u64>>());
        marked.extend(seqs.into_iter().zip(items.iter().map(|item| item["id"].to_string())));
    }
    (marked, killer.deaths)
}

/// `events` events by writers that are killed, while others read, and are killed too.
#[expect(clippy::print_stdout, reason = "figures for docs/testing.md")]
fn kill_all(events: u64) {
    let world = World::in_memory();
    world.set(&json!({"journalSegmentBytes": 65536, "journalSegmentsMax": 1000}));
    for lane in 0..WRITERS {
        world.declare(&format!("ripley-{lane}"), &[world.shell(&format!("web-{lane}"), "exec sleep 1000")]);
        world.run(&["accept", &format!("ripley-{lane}")]).ended(0);
    }
    let (mut seen, begun) = (Seen::default(), Instant::now());
    let (is_written, deaths) = (AtomicBool::new(false), AtomicU64::new(0));
    let (followed, (marked, readers)) = std::thread::scope(|scope| {
        let follower = scope.spawn(|| follow(&world, events));
        let reader = scope.spawn(|| read(&world, events, &is_written));
        let writers: Vec<_> = (0..WRITERS)
            .map(|lane| {
                let (world, deaths) = (&world, &deaths);
                scope.spawn(move || deaths.fetch_add(write(world, lane, events), Ordering::SeqCst))
            })
            .collect();
        // Ever more seldom: each look is at all that there is.
        let mut looked_at = last_seq(&world);
        while writers.iter().any(|writer| !writer.is_finished()) {
            let due = looked_at + looked_at / 8;
            await_that("the writers get on", || {
                last_seq(&world) >= due || writers.iter().all(std::thread::ScopedJoinHandle::is_finished)
            });
            looked_at = last_seq(&world);
            seen.expect_numbers(&world, &format!("at {looked_at}"));
        }
        for writer in writers {
            writer.join().unwrap();
        }
        is_written.store(true, Ordering::SeqCst);
        (follower.join().unwrap(), reader.join().unwrap())
    });
    // One who is not killed mends what the last one left.
    world.run(&["reconcile"]).ended(0);
    let items = seen.expect_whole(&world, "at the end");
    let told: Vec<Shown> = items.iter().map(|item| (item["seq"].as_u64().unwrap(), item["id"].to_string())).collect();
    assert!(told.starts_with(&followed), "who followed was shown just what is there");
    assert!(told.starts_with(&marked), "who marked was shown just what is there");
    let deaths = deaths.into_inner();
    assert!(deaths > 0 && told.len() as u64 >= events, "{deaths} deaths");
    println!("{} events, {deaths} writers and {readers} readers killed, in {:?}", told.len(), begun.elapsed());
}

#[test]
fn writers_and_readers_that_are_killed_at_any_moment_lose_no_event() {
    kill_all(150);
}

#[test]
#[ignore = "takes minutes: part of the soak"]
fn ten_thousand_events_survive_kills_of_who_writes_and_who_reads_them() {
    kill_all(10_000);
}
