//! Long walks: stories that are made up by seed, each with several commands at once, deaths, faults, jumps of the clock, reboots,
//! until peace is made and everything must be true. One that fails is shrunk and printed, and can be played again.

use std::time::{Duration, Instant};

use minions_managed::base::steps::Step;

use crate::faults::Faults;
use crate::numbers::Numbers;
use crate::role::{At, Death, Role};
use crate::script::{Act, Whom};
use crate::sim::Manner;
use crate::stage::Stage;

/// So many times in a story peace is made.
const ROUNDS: u64 = 5;
/// Steps that the walks of every test run make together (docs/testing.md).
const STEPS: u64 = 1_000_000;
/// Where the seeds of every test run begin, one for each half of the steps, which two processors walk side by side.
const SEEDS: [u64; 2] = [1, 1_000_001];
/// Tries at making a failing story shorter.
const SHRINKS_MAX: usize = 600;

/// An act with the number by which turns are given from then on, which stays with it when others are left out.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    number: u64,
    act: Act,
}

/// What came of a story.
pub(crate) struct Played {
    pub(crate) complaints: Vec<String>,
    pub(crate) steps: u64,
    pub(crate) turns: u64,
}

/// Plays a story from the beginning until something is wrong.
pub(crate) fn play(lines: &[Line], mut watch: impl FnMut(&Line, &str)) -> Played {
    let mut stage = Stage::new(0, Manner::Fair);
    for line in lines {
        stage.sim.lock().draw(line.number);
        let shown = stage.perform(&line.act);
        watch(line, &shown);
        if !stage.complaints.is_empty() {
            break;
        }
    }
    let inner = stage.sim.lock();
    let (steps, turns) = (inner.steps, inner.turns);
    drop(inner);
    Played { complaints: std::mem::take(&mut stage.complaints), steps, turns }
}

const NAMES: [&str; 3] = ["web", "api", "db"];

/// Makes up a story.
pub(crate) fn story(seed: u64) -> Vec<Line> {
    let mut numbers = Numbers::new(seed);
    let mut acts = Vec::new();
    acts.push(declare(&mut numbers));
    acts.push(Act::Run(words("accept --all --project shop")));
    acts.push(Act::Peace);
    for _ in 0..ROUNDS {
        round(&mut numbers, &mut acts);
    }
    acts.into_iter().enumerate().map(|(at, act)| Line { number: seed.wrapping_mul(1000) + at as u64, act }).collect()
}

fn round(numbers: &mut Numbers, acts: &mut Vec<Act>) {
    if numbers.below(2) == 0 {
        acts.push(declare(numbers));
    }
    for _ in 0..2 + numbers.below(4) {
        let command = command(numbers);
        if numbers.below(2) == 0 {
            acts.push(Act::Die(death(numbers, &command[0])));
        }
        acts.push(Act::Begin(command));
        acts.push(Act::Steps(numbers.below(260)));
        if numbers.below(2) == 0 {
            acts.push(mishap(numbers));
            acts.push(Act::Steps(numbers.below(120)));
        }
    }
    acts.push(Act::Peace);
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn declare(numbers: &mut Numbers) -> Act {
    let manner = |numbers: &mut Numbers| {
        numbers.one_of(&[
            "",
            "",
            "",
            "",
            "--leave",
            "--leave",
            "--leave-deaf",
            "--deaf",
            "--slow 300",
            "--ready 900",
            "--exit 40:3",
            "--exit 2500:0",
            "--crash 1200",
            "--sick 400",
            "--silent",
            "--ready 9000",
        ])
    };
    let ttl_minutes = numbers.one_of(&[60, 60, 60, 61, 1]);
    if numbers.below(3) == 0 {
        let specs = vec![words(&format!("db {}", manner(numbers)))];
        return Act::Declare { agent: "bishop".into(), ttl_minutes, specs };
    }
    let web = words(&format!("web --port 3001 {}", manner(numbers)));
    let api = words(&format!("api --port 3002 {}", manner(numbers)));
    let specs = match numbers.below(3) {
        0 => vec![web],
        1 => vec![api],
        _ => vec![web, api],
    };
    Act::Declare { agent: "ripley".into(), ttl_minutes, specs }
}

fn command(numbers: &mut Numbers) -> Vec<String> {
    let name = numbers.one_of(&NAMES);
    words(&match numbers.below(20) {
        0..=3 => "accept ripley --project shop".to_owned(),
        4 => "accept ripley --project shop --no-wait".into(),
        5 | 6 => "accept bishop --project shop".into(),
        7 => "accept --all --project shop".into(),
        8 | 9 => format!("stop {name}"),
        10 | 11 => format!("restart {name}"),
        12 => format!("renew {name} --ttl {}", 1 + numbers.below(3)),
        13 | 14 => "sweep".into(),
        15 | 16 => "reconcile".into(),
        17 => "healthcheck".into(),
        18 => "remove-project shop".into(),
        _ => "release WORK".into(),
    })
}

/// A death of a shim, or of a command at a step that `verb` goes through; a third of them anywhere.
fn death(numbers: &mut Numbers, verb: &str) -> Death {
    let shim = (numbers.below(4) == 0).then(|| numbers.one_of(&NAMES).to_owned());
    let rooms: &[&str] = match verb {
        _ if shim.is_some() => &["shim"],
        "accept" => &["start", "end", "accept", "state"],
        "restart" => &["start", "end", "state"],
        "stop" | "release" | "remove-project" => &["stop", "end", "logs", "release", "state"],
        "renew" => &["renew", "state"],
        _ => &["sweep", "orphan", "reconcile", "start", "end", "state"],
    };
    let is_there = |step: &Step| step.word().split_once('.').is_some_and(|(room, _)| rooms.contains(&room));
    let steps: Vec<Step> = Step::ALL.iter().copied().filter(is_there).collect();
    let most = if shim.is_some() { 60 } else { 260 };
    let at = match numbers.below(3) {
        0 => At::Number(1 + numbers.below(most)),
        _ => At::Named(numbers.one_of(&steps)),
    };
    Death { who: shim.map_or(Role::Command, Role::Shim), at }
}

fn mishap(numbers: &mut Numbers) -> Act {
    let name = numbers.one_of(&NAMES).to_owned();
    match numbers.below(16) {
        0 | 1 => Act::Kill(Whom::Service(name)),
        2 | 3 => Act::Kill(Whom::Shim(name)),
        4 | 5 => Act::Kill(Whom::Commands),
        6 => Act::Reuse(name),
        7 => Act::Reboot,
        8 => Act::Clock(numbers.one_of(&[-7_200_000, -30_000, 30_000, 7_200_000])),
        9 => Act::Wait(Duration::from_millis(numbers.one_of(&[20, 600, 4000, 70_000]))),
        10..=12 => Act::Fault(numbers.one_of(&Faults::ALL)),
        13 | 14 => Act::Fault(Faults::None),
        _ => Act::Join,
    }
}

/// The shortest story that still fails: parts are left out, larger ones first, as long as that goes.
fn shrink(lines: Vec<Line>) -> Vec<Line> {
    let mut lines = lines;
    let mut size = lines.len() / 2;
    let mut tries = 0;
    while size > 0 && tries < SHRINKS_MAX {
        let before = lines.len();
        let mut at = 0;
        while at < lines.len() && tries < SHRINKS_MAX {
            let end = (at + size).min(lines.len());
            let shorter: Vec<Line> = lines[..at].iter().chain(&lines[end..]).cloned().collect();
            tries += 1;
            if play(&shorter, |_, _| ()).complaints.is_empty() {
                at = end;
            } else {
                lines = shorter;
            }
        }
        // What could not be left out before may be by now.
        if size > 1 || lines.len() == before {
            size /= 2;
        }
    }
    lines
}

/// Plays the story of `seed`; a failure is shrunk, and told with how to play it again.
fn walk(seed: u64) -> Played {
    let lines = story(seed);
    let played = play(&lines, |_, _| ());
    if played.complaints.is_empty() {
        return played;
    }
    let shortest = shrink(lines);
    let mut told = Vec::new();
    let last = play(&shortest, |line, shown| told.push(format!("{}: {}\n{shown}", line.number, line.act.line())));
    let told = told.concat();
    let script: Vec<String> = shortest.iter().map(|line| format!("{}: {}", line.number, line.act.line())).collect();
    panic!(
        "the story of seed {seed} ends badly: {:#?}\n\nas played, shortest form:\n{told}\n\nonce more: `just sim {seed} 1`; the shortest \
         form, for a file in tests/sim/scenarios:\n{}\n\nwhat is wrong then: {:#?}",
        played.complaints,
        script.join("\n"),
        last.complaints,
    );
}

/// Walks from `seed` on until so many steps are made.
fn walk_on(seed: u64, steps: u64) -> String {
    let began = Instant::now();
    let (mut done, mut turns, mut stories) = (0, 0, 0);
    while done < steps {
        let played = walk(seed + stories);
        done += played.steps;
        turns += played.turns;
        stories += 1;
    }
    let took = began.elapsed();
    format!("{stories} stories from seed {seed}: {done} steps, {turns} turns given to another, {took:.1?}")
}

#[test]
fn a_million_steps_of_walks_end_in_peace_first_half() {
    println!("{}", walk_on(SEEDS[0], STEPS / 2));
}

#[test]
fn a_million_steps_of_walks_end_in_peace_second_half() {
    println!("{}", walk_on(SEEDS[1], STEPS / 2));
}

#[test]
#[ignore = "walks as long as SIM_STEPS says, from SIM_SEED: `just sim SEED STEPS`"]
fn walks_by_seed() {
    let number = |key: &str| std::env::var(key).ok().and_then(|text| text.parse().ok());
    println!("{}", walk_on(number("SIM_SEED").unwrap_or(SEEDS[0]), number("SIM_STEPS").unwrap_or(STEPS)));
}
