//! What events cost the commands that cause them, and how fast a million of them are searched.

use std::fs;
use std::path::Path;

use minions_managed::base::clock::EpochMs;
use minions_managed::base::root::Root;
use minions_managed::config::Settings;
use minions_managed::journal::{Bounds, Log};
use minions_managed::ops::context::Context;
use minions_managed::service::{Draft, EventType, event_to_text};
use minions_managed::state::{Document, Store};
use serde_json::json;

use super::report::{Row, ms};
use super::rounds::{interleaved, median, time};
use super::world::{World, free_port};

/// Changes that are timed.
const CHANGES: usize = 600;
/// Acceptances that they are held against.
const ACCEPTS: usize = 40;
/// Services that live beside.
const SERVICES: usize = 10;
/// The most of an acceptance's time that its events may take.
const PART_MAX: f64 = 0.05;
/// Events that are searched.
const EVENTS: u64 = 1_000_000;
/// Services that they are of.
const NAMES: u64 = 100;
/// The longest that a search may take.
const SEARCH_MS_MAX: f64 = 1000.0;
const SEARCHES: usize = 15;

/// What appending adds to an acceptance, then searches.
pub(crate) fn measure(floor: &Path) -> Vec<Row> {
    let mut rows = vec![added(floor)];
    rows.extend(searches(floor));
    rows
}

/// An acceptance makes two changes of the state that are told. The same change is made with and without a journal, in turn, on
/// two copies of the same state.
fn added(floor: &Path) -> Row {
    let world = World::with_services(floor, SERVICES);
    let state = fs::read(world.state()).unwrap();
    let places = [World::new(floor), World::new(floor)];
    let roots = places.each_ref().map(|place| Root::at(place.root()));
    for root in &roots {
        fs::write(root.state(), &state).unwrap();
    }
    let [told, untold] = roots.map(|root| Context { root, settings: Settings::default(), env: Vec::new() });
    let stores = [told.store(), Store::new(&untold.root, untold.lock_timeout())];
    let times = interleaved(2, CHANGES, |job| {
        let start = std::time::Instant::now();
        stores[job].change("bench", turn).unwrap();
        start.elapsed().as_secs_f64() * 1000.0
    });
    let adds = 2.0 * (mean(&times[0]) - mean(&times[1]));
    // Their records are copies: nobody's to stop.
    places.iter().for_each(|place| fs::remove_file(place.state()).unwrap());
    let accepts: Vec<f64> = (0..ACCEPTS)
        .map(|at| {
            let name = format!("more-{at}");
            world.declare("more", &[(name.as_str(), free_port())]);
            let took = time(&mut world.minions(&["accept", "more"]));
            world.run(&mut world.minions(&["stop", &name]));
            took
        })
        .collect();
    let accept = median(&accepts);
    Row {
        what: format!("what their events add to the two writes of an `accept` ({} without)", ms(mean(&times[1]) * 2.0)),
        value: ms(adds),
        least: ms(accept),
        ratio: Some(adds / accept),
        aim: format!("{PART_MAX} of an `accept`"),
        is_met: adds <= PART_MAX * accept,
    }
}

/// A service is healthy, or is not any more: one event.
fn turn(document: &mut Document) {
    let record = document.records.first_mut().unwrap();
    record.healthy = !record.healthy;
}

/// With the syncs of those that let events go, which a median would leave out; without the worst tenth, which is the disk's.
fn mean(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let kept = &sorted[..sorted.len() - sorted.len() / 10];
    #[expect(clippy::cast_precision_loss, reason = "some hundred values")]
    let count = kept.len() as f64;
    kept.iter().sum::<f64>() / count
}

fn searches(floor: &Path) -> Vec<Row> {
    let world = World::new(floor);
    let settings = json!({"engine": {"managedSpawn": {"journalSegmentsMax": 1000}}});
    fs::write(world.root().join("config.json"), settings.to_string()).unwrap();
    let log = Log::new(&Root::at(world.root()), Bounds { segment_bytes: 8 << 20, segments_max: 1000 });
    for first in (1..=EVENTS).step_by(1000) {
        let events: Vec<String> = (first..first + 1000).map(event).collect();
        log.append(events.iter().map(String::as_str)).unwrap();
    }
    let all = ["events", "--after", "0", "-n", "1000000", "--format", "json"];
    let queries: [(&str, Vec<&str>); 3] = [
        ("one service of a hundred", [&all[..], &["--service", "web-7"]].concat()),
        ("a service that is not there", [&all[..], &["--service", "web"]].concat()),
        ("the last 100 by number", vec!["events", "--after", "999900", "--format", "json"]),
    ];
    let times = interleaved(queries.len(), SEARCHES, |job| time(&mut world.minions(&queries[job].1)));
    let row = |((what, _), times): (&(&str, Vec<&str>), &Vec<f64>)| Row {
        what: format!("`events` of 1,000,000: {what}"),
        value: ms(median(times)),
        least: String::new(),
        ratio: None,
        aim: ms(SEARCH_MS_MAX),
        is_met: median(times) <= SEARCH_MS_MAX,
    };
    queries.iter().zip(&times).map(row).collect()
}

/// An event as long as most.
fn event(seq: u64) -> String {
    let draft = Draft {
        service: format!("web-{}", seq % NAMES),
        project: "shop".to_owned(),
        agent: "ripley".to_owned(),
        generation: format!("g{seq:024x}"),
        run_id: format!("run-{seq:024x}"),
        ..Draft::new(EventType::ServiceRunning, EpochMs(1_795_172_866_000))
            .with("from", "starting")
            .with("to", "running")
    };
    event_to_text(&draft.with("pid", seq).numbered(seq, format!("evt-{seq:024x}")))
}
