//! Stories that are made up by seed: each with several commands at once, deaths, faults, jumps of the clock, reboots, and peace made in
//! between.

use std::time::Duration;

use minions_managed::base::steps::Step;

use crate::faults::Faults;
use crate::numbers::Numbers;
use crate::role::{At, Death, Role};
use crate::script::{Act, Whom};

/// So many times in a story peace is made.
const ROUNDS: u64 = 5;
const NAMES: [&str; 3] = ["web", "api", "db"];

/// Makes up the acts of a story. A loop accepts for no project, so that in stories with loops nobody has one.
pub(crate) fn acts(seed: u64) -> Vec<Act> {
    let mut numbers = Numbers::new(seed);
    let has_loops = numbers.below(3) == 0;
    let mut acts = vec![declare(&mut numbers), Act::Run(words("accept --all --project shop")), Act::Peace];
    for _ in 0..ROUNDS {
        round(&mut numbers, &mut acts);
    }
    for line in acts.iter_mut().filter_map(command_line) {
        if !has_loops && line[0] == "run" {
            *line = words("sweep");
        }
        if has_loops && line[0] == "accept" {
            line.retain(|word| word != "--project" && word != "shop");
        }
    }
    acts
}

fn command_line(act: &mut Act) -> Option<&mut Vec<String>> {
    if let Act::Begin(words) | Act::Run(words) = act { Some(words) } else { None }
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

/// How a service behaves.
fn manner(numbers: &mut Numbers) -> &'static str {
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
        "--crash 1500 --weak 2",
        "--sick 400",
        "--sick 1500",
        "--silent",
        "--ready 9000",
    ])
}

/// How it is to live.
fn policy(numbers: &mut Numbers) -> &'static str {
    numbers.one_of(&[
        "",
        "",
        "",
        "",
        "restart=never",
        "restart=always backoff_s=0",
        "restart=always backoff_s=1,20",
        "restart=always backoff_s=0.3 max_restarts=2 window_s=30",
        "restart=always backoff_s=2 on_update=true",
        "restart=on-failure backoff_s=0.5 success_exit_codes=0,3",
        "restart=always backoff_s=1 failure_threshold=1 on_unhealthy=restart",
        "failure_threshold=1 on_unhealthy=restart",
        "activation=on-demand",
        "activation=on-demand idle_stop_s=2 restart=always backoff_s=1",
        "idle_stop_s=2",
    ])
}

fn declare(numbers: &mut Numbers) -> Act {
    let ttl_minutes = numbers.one_of(&[60, 60, 60, 61, 1]);
    let mut spec = |begin: &str| words(&format!("{begin} {} {}", manner(numbers), policy(numbers)));
    let (db, web, mut api) = (spec("db"), spec("web --port 3001"), spec("api --port 3002"));
    if numbers.below(3) == 0 {
        return Act::Declare { agent: "bishop".into(), ttl_minutes, specs: vec![db] };
    }
    let specs = match numbers.below(4) {
        0 => vec![web],
        1 => vec![api],
        2 => vec![web, api],
        _ => {
            api.push("depends_on=web".into());
            vec![api, web]
        }
    };
    Act::Declare { agent: "ripley".into(), ttl_minutes, specs }
}

fn command(numbers: &mut Numbers) -> Vec<String> {
    let name = numbers.one_of(&NAMES);
    words(&match numbers.below(29) {
        0..=3 => "accept ripley --project shop".to_owned(),
        4 => "accept ripley --project shop --no-wait".into(),
        5 | 6 => "accept bishop --project shop".into(),
        7 => "accept --all --project shop".into(),
        8 | 9 => format!("stop {name}"),
        10..=12 => format!("restart {name}"),
        13 => format!("renew {name} --ttl {}", 1 + numbers.below(3)),
        14..=16 => "sweep".into(),
        17 | 18 => "reconcile".into(),
        19 => "healthcheck".into(),
        20 => "remove-project shop".into(),
        21 => "release WORK".into(),
        22..=24 => format!("ensure {name}"),
        25 => numbers.one_of(&["updated", "touch web", "touch db"]).to_owned(),
        26 => "queue cancel ripley".into(),
        _ => "run --interval 0.5".into(),
    })
}

/// A death of a shim or a follower, or of a command at a step that `verb` goes through; a third of them anywhere.
fn death(numbers: &mut Numbers, verb: &str) -> Death {
    let name = numbers.one_of(&NAMES).to_owned();
    let (who, rooms): (Role, &[&str]) = match (numbers.below(8), verb) {
        (0 | 1, _) => (Role::Shim(name), &["shim"]),
        (2, _) => (Role::Follower(name), &["follow", "state", "journal"]),
        (_, "accept") => (Role::Command, &["start", "end", "accept", "queue", "state"]),
        (_, "queue") => (Role::Command, &["accept", "queue"]),
        (_, "restart" | "ensure") => (Role::Command, &["start", "end", "state"]),
        (_, "stop" | "release" | "remove-project") => (Role::Command, &["stop", "end", "logs", "release", "state"]),
        (_, "renew") => (Role::Command, &["renew", "state"]),
        (_, _) => (Role::Command, &["sweep", "orphan", "reconcile", "start", "end", "queue", "state"]),
    };
    let is_there = |step: &Step| step.word().split_once('.').is_some_and(|(room, _)| rooms.contains(&room));
    let steps: Vec<Step> = Step::ALL.iter().copied().filter(is_there).collect();
    let most = if who == Role::Command { 260 } else { 60 };
    let at = match numbers.below(6) {
        0 | 1 => At::Number(1 + numbers.below(most)),
        // What is claimed and not begun can be taken back.
        2 if rooms.contains(&"start") => At::Named(numbers.one_of(&[Step::StartClaimed, Step::StartOrdered])),
        _ => At::Named(numbers.one_of(&steps)),
    };
    Death { who, at }
}

fn mishap(numbers: &mut Numbers) -> Act {
    let name = numbers.one_of(&NAMES).to_owned();
    match numbers.below(22) {
        0..=3 => Act::Kill(Whom::Service(name)),
        4 | 5 => Act::Kill(Whom::Shim(name)),
        6 | 7 => Act::Kill(Whom::Commands),
        8 => Act::Reuse(name),
        9 => Act::Reboot,
        10 => Act::Clock(numbers.one_of(&[-7_200_000, -30_000, 30_000, 7_200_000])),
        11..=13 => Act::Wait(Duration::from_millis(numbers.one_of(&[20, 200, 600, 4000, 70_000]))),
        14..=16 => Act::Fault(numbers.one_of(&Faults::ALL)),
        17 | 18 => Act::Fault(Faults::None),
        19 => numbers.one_of(&[Act::Connect(3001), Act::Disconnect(3001), Act::AskLoops]),
        20 => {
            let (freeze, thaw) = (Act::Freeze(Whom::Commands), Act::Thaw(Whom::Commands));
            numbers.one_of(&[freeze, thaw.clone(), thaw])
        }
        _ => Act::Join,
    }
}
