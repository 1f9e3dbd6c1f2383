//! The real program, killed at any moment: whoever tells, and whoever delivers. Nothing is lost, what comes twice comes under the
//! same id, and the order stays.

#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "the test starts and kills processes")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use minions_managed::base::clock::EpochMs;
use minions_managed::config::Settings;
use minions_managed::ops::context::Context;
use minions_managed::service::{Draft, EventType};
use minions_managed::state::Document;
use serde_json::{Value, json};

use super::server::{Answer, Request, Server};
use super::support::Place;

/// Far beyond what anything here takes.
const LIMIT: Duration = Duration::from_secs(1800);

/// A root with one webhook whose journal gets `count` events.
struct Scene {
    place: Place,
    server: Server,
}

/// Fails one request in five or so, each time in another manner.
fn moody() -> Server {
    let turn = AtomicU64::new(0);
    Server::start(move |_| match turn.fetch_add(1, Ordering::SeqCst) * 7 % 211 {
        3 => Answer::Hang,
        1 | 50 | 90 | 133 => Answer::status(500),
        4 | 61 | 99 | 170 => Answer::Reset,
        9 | 70 | 110 | 171 => Answer::status(409),
        12 | 80 | 120 | 180 => Answer::Close,
        20 | 85 | 130 | 190 => Answer::status(503),
        _ => Answer::status(200),
    })
}

impl Scene {
    fn of(server: Server) -> Self {
        let sink = json!([{"name": "hook", "type": "webhook", "url": server.url(), "timeoutSec": 1}]);
        let place = Place::new(&sink, &[]);
        let config = json!({"engine": {"managedSpawn": {"outbox": {"sinks": sink}}}});
        std::fs::write(place.context.root.config(), config.to_string()).unwrap();
        Self { place, server }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_minions"));
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("MINIONS_DIR", self.place.context.root.dir());
        command.arg("managed").args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn drain(&self) -> Child {
        self.command(&["outbox", "drain"]).spawn().unwrap()
    }

    /// A command that tells of a sidecar, and dies at `step` if it comes by it.
    fn reject(&self, step: &str) {
        let sidecar = self.place.context.root.agents().join("ripley/managed-spawn.json");
        std::fs::create_dir_all(sidecar.parent().unwrap()).unwrap();
        std::fs::write(sidecar, "{}").unwrap();
        let status = self.command(&["accept", "ripley"]).env("MINIONS_CRASH_AT", step).status().unwrap();
        assert!(status.code() == Some(3) || status.signal() == Some(9), "{status}");
    }

    /// Every event of the journal: number and id.
    fn told(&self) -> Vec<(u64, String)> {
        let args = ["events", "--after", "0", "--limit", "1000000", "--format", "json"];
        let output = self.command(&args).stdout(Stdio::piped()).output().unwrap();
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        let items = document["items"].as_array().unwrap();
        items.iter().map(|item| (item["seq"].as_u64().unwrap(), item["id"].as_str().unwrap().to_owned())).collect()
    }

    /// How often the server was asked.
    fn asked(&self) -> usize {
        self.server.count()
    }
}

/// Adds events as commands do: by changes of the state file.
fn tell(context: &Context, count: usize) {
    let drafts = |document: &mut Document| {
        for at in 0..count {
            document.tell(Draft::new(EventType::Fatal, EpochMs::now()).with("at", at));
        }
    };
    context.store().change("test", drafts).unwrap();
}

/// Numbers that look random and are the same each time (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }
}

/// Where those who tell are killed.
const DEATHS: [&str; 9] = [
    "state.locked",
    "journal.carried",
    "journal.appended",
    "journal.kept",
    "accept.alerted",
    "accept.noted",
    "accept.held",
    "accept.moved",
    "none",
];

/// Delivers `count` events and more, while who tells and who delivers is killed; about one kill for each `every` requests.
fn kill_deliverers(count: usize, every: usize) {
    let scene = Scene::of(moody());
    let mut dice = Dice(0x5eed);
    let is_told = AtomicBool::new(false);
    let end = Instant::now() + LIMIT;
    let mut kills = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let context = Context { settings: Settings::default(), ..scene.place.context.clone() };
            for part in 0..count / 100 {
                // Of more than 5000 that wait the oldest would be dropped, as promised.
                while part * 100 > scene.asked() + 1000 {
                    assert!(Instant::now() < end, "it gets on");
                    std::thread::yield_now();
                }
                tell(&context, 100);
                scene.reject(DEATHS[part % DEATHS.len()]);
            }
            is_told.store(true, Ordering::SeqCst);
        });
        loop {
            let was_told = is_told.load(Ordering::SeqCst);
            let until = scene.asked() + 1 + dice.below(2 * every);
            let mut child = scene.drain();
            let mut ended = None;
            while scene.asked() < until && ended.is_none() {
                assert!(Instant::now() < end, "it gets on");
                ended = child.try_wait().unwrap();
                std::thread::yield_now();
            }
            if ended.is_none() {
                child.kill().unwrap();
                kills += 1;
            }
            let status = child.wait().unwrap();
            if was_told && status.success() {
                break;
            }
        }
    });
    let told = scene.told();
    assert!(told.len() >= count, "{} events", told.len());
    assert!(told.iter().zip(1..).all(|((seq, _), expected)| *seq == expected), "numbers have no gap");
    check_delivered(&scene, &told);
    assert!(kills > count / every / 8, "{kills} kills");
}

/// Each event was taken at least once, under its own id, and first taken in order.
fn check_delivered(scene: &Scene, told: &[(u64, String)]) {
    let requests = scene.server.requests();
    let mut ids: BTreeMap<u64, &str> = BTreeMap::new();
    let mut last = 0;
    for request in requests.iter().filter(|request| request.is_taken) {
        let (seq, id) = (request.seq(), request.header("idempotency-key").unwrap());
        assert_eq!(request.body["id"], id);
        assert_eq!(*ids.entry(seq).or_insert(id), id, "doubles carry the same id");
        assert!(seq == last || seq == last + 1, "{seq} after {last}: only what was not noted comes twice");
        last = seq;
    }
    let taken: Vec<(u64, String)> = ids.into_iter().map(|(seq, id)| (seq, id.to_owned())).collect();
    let lost = told.iter().find(|event| !taken.contains(event));
    assert!(taken.len() == told.len() && lost.is_none(), "{} told, {} taken; lost: {lost:?}", told.len(), taken.len());
}

#[test]
fn tellers_and_deliverers_killed_at_random_lose_nothing_and_keep_the_order() {
    kill_deliverers(300, 15);
}

#[test]
#[ignore = "long: `just soak`"]
fn tellers_and_deliverers_killed_at_random_over_ten_thousand_events_lose_nothing_and_keep_the_order() {
    kill_deliverers(10_000, 40);
}

/// A scene with three events and a server of that status, which can be changed.
fn three_events(status: u16) -> (Scene, Arc<AtomicU16>) {
    let status = Arc::new(AtomicU16::new(status));
    let behaviour = Arc::clone(&status);
    let scene = Scene::of(Server::start(move |_| Answer::status(behaviour.load(Ordering::SeqCst))));
    tell(&scene.place.context, 3);
    (scene, status)
}

impl Scene {
    /// Runs a command, which is to die at `step`; how it ended.
    fn run(&self, args: &[&str], step: &str) -> ExitStatus {
        self.command(args).env("MINIONS_CRASH_AT", step).status().unwrap()
    }

    fn letters(&self) -> Vec<u64> {
        let mut command = self.command(&["outbox", "dead-letters", "--format", "json"]);
        let document: Value = serde_json::from_slice(&command.stdout(Stdio::piped()).output().unwrap().stdout).unwrap();
        let items = document["items"].as_array().unwrap();
        items.iter().map(|item| item["event"]["seq"].as_u64().unwrap()).collect()
    }
}

#[test]
fn what_was_sent_and_not_noted_is_sent_once_more_under_its_id() {
    let (scene, _) = three_events(200);
    assert_eq!(scene.run(&["outbox", "drain"], "delivery.sent:2").signal(), Some(9));
    assert!(scene.run(&["outbox", "drain"], "").success());
    assert_eq!(scene.server.taken(), [1, 2, 2, 3]);
    check_delivered(&scene, &scene.told());
}

#[test]
fn a_letter_that_was_written_and_not_noted_is_one_letter() {
    let (scene, _) = three_events(500);
    let mut tries = 0;
    while scene.run(&["outbox", "drain"], "delivery.dead").signal() != Some(9) {
        tries += 1;
        assert!(tries < 12, "the twelfth failure is the last");
    }
    assert_eq!(scene.letters(), [1]);
    scene.run(&["outbox", "drain"], "");
    assert_eq!(scene.letters(), [1], "it is there once");
    let requests = scene.server.requests();
    assert_eq!(requests.last().map(Request::seq), Some(2), "and the next one goes on");
}

#[test]
fn letters_that_are_tried_once_more_are_in_neither_gap_lost_nor_dead_again() {
    let (scene, status) = three_events(500);
    while scene.letters().len() < 3 {
        scene.run(&["outbox", "drain"], "");
    }
    assert_eq!(scene.run(&["outbox", "retry"], "delivery.retried").signal(), Some(9));
    assert_eq!(scene.letters(), Vec::<u64>::new());
    status.store(200, Ordering::SeqCst);
    assert!(scene.run(&["outbox", "drain"], "").success());
    assert_eq!(scene.letters(), Vec::<u64>::new());
    assert_eq!(scene.server.taken()[..3], [1, 2, 3]);
}

#[test]
fn the_loop_delivers_what_comes_while_it_runs_and_ends_when_it_is_told_to() {
    let (scene, _) = three_events(200);
    let mut child = scene.command(&["run", "--interval", "0.1"]).spawn().unwrap();
    let end = Instant::now() + LIMIT;
    let wait_for = |count: usize| {
        while scene.server.taken().len() < count {
            assert!(Instant::now() < end, "{:?}", scene.server.taken());
            std::thread::yield_now();
        }
    };
    wait_for(3);
    // The loop sleeps, and its deliverers look for what is new.
    tell(&scene.place.context, 2);
    wait_for(5);
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    check_delivered(&scene, &scene.told());
}

#[test]
fn a_sink_that_comes_into_the_settings_while_the_loop_runs_is_served() {
    let (scene, _) = three_events(200);
    let config = scene.place.context.root.config();
    let with_sink = std::fs::read(&config).unwrap();
    std::fs::write(&config, "{}").unwrap();
    let mut command = scene.command(&["run", "--interval", "0.1"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().starts_with("the loop runs"));
    std::fs::write(&config, with_sink).unwrap();
    assert!(lines.any(|line| line.unwrap() == "sink hook: 3 delivered"), "it is told");
    assert_eq!(scene.server.taken(), [1, 2, 3]);
    child.kill().unwrap();
    child.wait().unwrap();
}
