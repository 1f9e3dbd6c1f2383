//! The journal of real commands: whatever is killed, torn or full, each event is there once, in order, under its number.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::faults::{in_namespace, mount};
use crate::support::{World, wait_for};

/// What has been seen of a journal: number to id. What was shown once must always be.
#[derive(Default)]
pub(crate) struct Seen(BTreeMap<u64, String>);

impl Seen {
    /// The same as [`Seen::expect_numbers`], and fails if a record's generation has no event: for when nobody writes.
    pub(crate) fn expect_whole(&mut self, world: &World, story: &str) -> Vec<Value> {
        let items = self.expect_numbers(world, story);
        for record in world.records() {
            let is_of = |item: &&Value| item["service"] == record["name"] && item["generation"] == record["generation"];
            assert!(items.iter().any(|item| is_of(&item)), "{story}: no event of {record}");
        }
        items
    }

    /// Reads all events and fails if one is missing, stands twice, has another number than before, or was shown before and
    /// is gone.
    pub(crate) fn expect_numbers(&mut self, world: &World, story: &str) -> Vec<Value> {
        let ran = world.run(&["events", "--after", "0", "--limit", "1000000", "--format", "json"]);
        assert!(ran.code == Some(0) && ran.stderr.is_empty(), "{story}: {ran:?}");
        let page = ran.json();
        let items = page["items"].as_array().unwrap().clone();
        let seqs: Vec<u64> = items.iter().map(|item| item["seq"].as_u64().unwrap()).collect();
        let expected: Vec<u64> = (1..=items.len() as u64).collect();
        assert_eq!(seqs, expected, "{story}: numbers without a gap");
        assert_eq!(page["next"].as_u64(), Some(items.len() as u64), "{story}");
        let now: BTreeMap<u64, String> =
            items.iter().map(|item| (item["seq"].as_u64().unwrap(), item["id"].to_string())).collect();
        for (seq, id) in &self.0 {
            assert_eq!(now.get(seq), Some(id), "{story}: event {seq} was shown before");
        }
        let mut ids: Vec<&String> = now.values().collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), items.len(), "{story}: every id is there once");
        self.0 = now;
        items
    }
}

/// One service that runs, for `renew`, whose every run is an event.
fn world(settings: &Value) -> World {
    let world = World::new();
    world.set(settings);
    world.declare("ripley", &[world.shell("web", "exec sleep 1000")]);
    world.run(&["accept", "ripley", "--project", "shop"]).ended(0);
    world
}

fn renew(world: &World, round: usize) -> crate::support::Ran {
    world.run(&["renew", "web", "--ttl", &(10 + round % 1000).to_string()])
}

/// Words of the types of `items`.
fn kinds(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["type"].as_str().unwrap()).collect()
}

#[test]
fn every_change_of_a_service_is_an_event_in_its_order() {
    let world = world(&json!({}));
    world.run(&["restart", "web"]).ended(0);
    world.run(&["renew", "web", "--ttl", "7"]).ended(0);
    world.run(&["stop", "web"]).ended(0);
    let items = Seen::default().expect_whole(&world, "a life");
    let (start, stop) = (["starting", "running", "healthy"], ["renewed", "stopping", "stopped"]);
    let expected: Vec<String> = start.iter().chain(&start).chain(&stop).map(|word| format!("service.{word}")).collect();
    let told: Vec<&str> = kinds(&items).into_iter().filter(|kind| kind.starts_with("service.")).collect();
    assert_eq!(told, expected);
    let last = items.last().unwrap();
    assert_eq!((&last["project"], &last["agent"]), (&json!("shop"), &json!("ripley")));
    assert_eq!(last["data"]["exit"]["signal"], 15, "{last}");
    let page = world.run(&["events", "--after", "2", "--limit", "2", "--type", "service", "--format", "json"]).json();
    assert_eq!((page["items"].as_array().unwrap().len(), page["items"][0]["seq"].as_u64() > Some(2)), (2, true));
}

#[test]
fn a_follower_is_given_every_event_once_over_rotations() {
    let world = world(&json!({"journalSegmentBytes": 4096, "journalSegmentsMax": 1000}));
    let mut child = world
        .command(&["events", "-f", "--after", "0", "--format", "json"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut expected = 1;
    for round in 0..8 {
        for at in 0..12 {
            renew(&world, round * 12 + at).ended(0);
        }
        let last = world.state()["seq"].as_u64().unwrap();
        while expected <= last {
            let event: Value = serde_json::from_str(&lines.next().expect("it goes on").expect("text")).expect("JSON");
            assert_eq!(event["seq"], expected);
            expected += 1;
        }
    }
    child.kill().expect("our own child");
    child.wait().expect("our own child");
    let segments = std::fs::read_dir(world.root().join("engine")).unwrap().filter_map(Result::ok);
    let segments = segments.filter(|entry| entry.file_name().to_string_lossy().starts_with("managed-events.0"));
    assert!(segments.count() > 3, "it was rotated");
    Seen::default().expect_whole(&world, "after rotations");
}

#[test]
fn old_segments_go_and_what_is_left_is_read() {
    let world = world(&json!({"journalSegmentBytes": 4096, "journalSegmentsMax": 1}));
    for round in 0..60 {
        renew(&world, round).ended(0);
    }
    let ran = world.run(&["events", "--after", "0", "--limit", "1000", "--format", "json"]).ended(0);
    let items = ran.json()["items"].as_array().unwrap().clone();
    let first = items[0]["seq"].as_u64().unwrap();
    assert!(first > 1 && ran.stderr.is_empty(), "the oldest are gone: {ran:?}");
    assert!((first..).zip(&items).all(|(seq, item)| item["seq"] == seq), "no gap after the first");
    let ran = world.run(&["events", "--after", "1", "--format", "json"]).ended(0);
    assert!(ran.stderr.contains(&format!("events 2 to {} are", first - 1)), "{ran:?}");
}

#[cfg(debug_assertions)]
pub(crate) const STEPS: [minions_managed::base::steps::Step; 2] =
    [minions_managed::base::steps::Step::JournalKept, minions_managed::base::steps::Step::JournalRotated];

#[cfg(debug_assertions)]
#[test]
fn a_command_that_dies_while_it_closes_a_segment_or_lets_events_go_loses_none() {
    use std::os::unix::process::ExitStatusExt as _;
    let world = world(&json!({"journalSegmentBytes": 8192, "journalSegmentsMax": 1000}));
    let mut seen = Seen::default();
    for step in STEPS {
        let mut deaths = 0;
        for round in 0..1000 {
            let ttl = (10 + round).to_string();
            let mut command = world.command(&["renew", "web", "--ttl", &ttl]);
            let output = command.env("MINIONS_CRASH_AT", step.word()).output().unwrap();
            if output.status.signal() == Some(9) {
                deaths += 1;
                seen.expect_whole(&world, step.word());
                // Else the next one dies at the very same place, and nothing ever gets on.
                renew(&world, 2000 + round).ended(0);
                seen.expect_whole(&world, &format!("{}, and again", step.word()));
            }
            if deaths == 3 {
                break;
            }
        }
        assert_eq!(deaths, 3, "{} is reached", step.word());
    }
}

#[test]
fn a_tail_torn_at_any_byte_is_repaired_from_the_state() {
    let world = world(&json!({}));
    for round in 0..5 {
        renew(&world, round).ended(0);
    }
    let journal = world.root().join("engine/managed-events.jsonl");
    let whole = std::fs::read(&journal).unwrap();
    let mut seen = Seen::default();
    let last_line = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    // Every seventh byte of the last line, and its ends: the unit tests have them all.
    let cuts = (last_line..whole.len()).filter(|at| (at - last_line) % 7 == 0 || at + 3 > whole.len());
    for cut in cuts {
        std::fs::write(&journal, &whole[..cut]).unwrap();
        seen.expect_whole(&world, &format!("cut at {cut}, read"));
    }
    for tail in [&b"\0\0\0\0"[..], b"{\"seq\":99", b"no event\n", b"\0\n\0"] {
        let mut torn = std::fs::read(&journal).unwrap();
        torn.extend(tail);
        std::fs::write(&journal, torn).unwrap();
        renew(&world, 77).ended(0);
        renew(&world, 78).ended(0);
        let items = seen.expect_whole(&world, &format!("after {tail:?}"));
        assert!(kinds(&items).contains(&"journal.repaired"), "{tail:?}");
    }
    std::fs::remove_file(&journal).unwrap();
    renew(&world, 79).ended(0);
    let items = world.run(&["events", "--after", "0", "--format", "json"]).json()["items"].clone();
    assert_eq!(items.as_array().unwrap().len() as u64, world.state()["seq"].as_u64().unwrap(), "all were in the state");
}

#[test]
fn a_journal_on_a_full_disk_costs_nothing_and_misses_nothing() {
    in_namespace("journal::a_journal_on_a_full_disk_costs_nothing_and_misses_nothing", &["-rm"], || {
        let world = world(&json!({}));
        let disk = world.dir.path().join("disk");
        std::fs::create_dir(&disk).unwrap();
        mount(&["-t", "tmpfs", "-o", "size=64k", "none", disk.to_str().unwrap()]);
        let journal = world.root().join("engine/managed-events.jsonl");
        std::fs::copy(&journal, disk.join("journal")).unwrap();
        mount(&["--bind", disk.join("journal").to_str().unwrap(), journal.to_str().unwrap()]);
        let mut filler = std::fs::File::create(disk.join("filler")).unwrap();
        while std::io::Write::write_all(&mut filler, &[0; 4096]).is_ok() {}
        drop(filler);
        let mut seen = Seen::default();
        let mut said = 0;
        for round in 0..60 {
            // Into the middle of a line at first: the last block has room for some events still.
            let ran = renew(&world, round).ended(0);
            said += usize::from(ran.stderr.contains("No space left on device") && ran.stderr.contains("journal"));
            seen.expect_whole(&world, &format!("full, round {round}"));
        }
        assert!(said > 40, "the command says so: {said}");
        let found = world.run(&["doctor", "--format", "json"]).json()["findings"].to_string();
        assert!(found.contains("journal-behind") && found.contains("fatal-events"), "{found}");
        let fatal = world.run(&["events", "--type", "fatal", "--format", "json"]).json()["items"].clone();
        assert_eq!(fatal.as_array().unwrap().len(), 1, "it is told once: {fatal}");
        assert_eq!(fatal[0]["data"]["code"], "journal-unwritable");
        std::fs::remove_file(disk.join("filler")).unwrap();
        let ran = renew(&world, 999).ended(0);
        assert!(ran.stderr.is_empty(), "{ran:?}");
        seen.expect_whole(&world, "there is room again");
        let mut text = String::new();
        std::fs::File::open(&journal).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text.lines().count() as u64, world.state()["seq"].as_u64().unwrap(), "all are in the journal");
    });
}

#[test]
fn what_nobody_saw_fail_is_an_event_and_doctor_shows_it() {
    let world = world(&json!({}));
    let config = world.root().join("config.json");
    let sound = std::fs::read(&config).unwrap();
    std::fs::write(&config, r#"{"engine":{"managedSpawn":{"nonsense":1}}}"#).unwrap();
    for _ in 0..3 {
        world.run(&["sweep"]).ended(1);
    }
    world.run(&["list"]).ended(1);
    std::fs::write(&config, sound).unwrap();
    let fatal = || world.run(&["events", "--type", "fatal", "--format", "json"]).json()["items"].clone();
    let told = fatal();
    assert_eq!(told.as_array().unwrap().len(), 1, "the same is told once: {told}");
    assert_eq!((&told[0]["data"]["command"], &told[0]["data"]["code"]), (&json!("sweep"), &json!("config-invalid")));
    if cfg!(debug_assertions) {
        let mut command = world.command(&["sweep"]);
        let ran = crate::support::ran(command.env("MINIONS_PANIC_AT", "sweep.rotated"));
        assert!(ran.code == Some(1) && ran.stderr.contains("[panic, exit 1]"), "{ran:?}");
        assert_eq!(fatal()[1]["data"]["code"], "panic");
    }
    let found = world.run(&["doctor", "--format", "json"]).json()["findings"].to_string();
    assert!(found.contains("fatal-events") && found.contains("`sweep`"), "{found}");
    // Where no event can be written, the sentence says so.
    std::fs::write(&config, "{").unwrap();
    let mut lock = world.command(&["sweep"]);
    std::fs::remove_file(world.root().join("engine/managed-processes.lock")).unwrap();
    std::fs::create_dir(world.root().join("engine/managed-processes.lock")).unwrap();
    let ran = crate::support::ran(&mut lock);
    assert!(ran.code == Some(1) && ran.stderr.contains("this failure is in no event"), "{ran:?}");
    std::fs::remove_dir(world.root().join("engine/managed-processes.lock")).unwrap();
}

#[test]
fn a_reader_goes_on_where_it_was_and_list_says_what_it_has_not_read() {
    let world = world(&json!({}));
    let attention = |reader: &str| {
        world.run(&["list", "--reader", reader, "--format", "json"]).json()["items"][0]["attention"].clone()
    };
    let read = |more: &[&str]| {
        let mut args = vec!["events", "--reader", "kay", "--format", "json"];
        args.extend(more);
        world.run(&args).ended(0).json()["items"].as_array().unwrap().len()
    };
    assert_eq!(attention("kay"), "unread");
    let first = read(&[]);
    assert!(first > 2 && read(&["--mark-read"]) == first, "unmarked, it is all there again");
    assert_eq!((read(&[]), attention("kay"), attention("ash")), (0, json!("read"), json!("unread")));
    renew(&world, 1).ended(0);
    assert_eq!((attention("kay"), read(&["--mark-read"]), attention("kay")), (json!("unread"), 1, json!("read")));
    let ran = world.run(&["events", "--reader", "../up"]).ended(64);
    assert!(ran.stderr.contains("`../up` is no reader's name"), "{ran:?}");
    wait_for("its cursor is a file", || world.root().join("engine/managed-cursors/kay.json").is_file());
}

#[test]
fn what_nobody_took_is_not_marked_as_read() {
    let world = world(&json!({}));
    let (reading, writing) = std::io::pipe().unwrap();
    drop(reading);
    let mut command = world.command(&["events", "--reader", "kay", "--mark-read", "--format", "json"]);
    let status = command.stdout(writing).status().unwrap();
    assert_eq!(status.code(), Some(0), "whoever read it is gone, which is no error");
    assert!(!world.root().join("engine/managed-cursors/kay.json").exists());
}

#[test]
fn a_reader_of_a_journal_that_is_gone_begins_anew() {
    let world = world(&json!({}));
    let cursor = world.root().join("engine/managed-cursors/kay.json");
    std::fs::create_dir_all(cursor.parent().unwrap()).unwrap();
    std::fs::write(&cursor, r#"{"version":1,"seq":4000,"at":1}"#).unwrap();
    let read = || world.run(&["events", "--reader", "kay", "--mark-read", "--format", "json"]).ended(0);
    let ran = read();
    let items = ran.json()["items"].as_array().unwrap().len();
    assert!(items > 2 && ran.stderr.contains("begins anew"), "{ran:?}");
    let ran = read();
    assert!(ran.json()["items"] == json!([]) && ran.stderr.is_empty(), "{ran:?}");
}
