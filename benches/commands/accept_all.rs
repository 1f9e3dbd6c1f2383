//! `accept --all` of a hundred sidecars, each of one HTTP server: until the command returns with all of them started and
//! recorded, and until all of them are healthy too. Beside it the same servers spawned one after the other by this program,
//! which records nothing and waits for nothing.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use super::accept::count_syncs;
use super::report::{Row, ms};
use super::rounds::{interleaved, median, median_ratio, time};
use super::world::{World, free_port};

const SIDECARS: usize = 100;
const ROUNDS: usize = 10;
/// What another supervisor (OxMgr) takes for a hundred starts, on a machine like ours.
const MS_MAX: f64 = 800.0;

pub(crate) fn measure(floor: &Path) -> Vec<Row> {
    let world = World::new(floor);
    let servers: Vec<(String, u16)> = (0..SIDECARS).map(|at| (format!("web-{at}"), free_port())).collect();
    let accept_all = |more: &[&str]| {
        declare(&world, &servers);
        let took = time(world.minions(&["accept", "--all", "--format", "json"]).args(more));
        assert_eq!(world.records().len(), SIDECARS);
        world.stop_all();
        took
    };
    let times = interleaved(3, ROUNDS, |job| match job {
        0 => accept_all(&["--no-wait"]),
        1 => accept_all(&[]),
        _ => bare(floor, &servers),
    });
    let row = |what: &str, times_of: &[f64], aim: Option<f64>| Row {
        what: format!("`accept --all{what}` of {SIDECARS} sidecars"),
        value: ms(median(times_of)),
        least: ms(median(&times[2])),
        ratio: Some(median_ratio(times_of, &times[2])),
        aim: aim.map(ms).unwrap_or_default(),
        is_met: aim.is_none_or(|aim| median(times_of) <= aim),
    };
    let mut rows = vec![row(" --no-wait", &times[0], Some(MS_MAX)), row("", &times[1], None)];
    rows.extend(syncs(&world, &servers));
    rows
}

fn declare(world: &World, servers: &[(String, u16)]) {
    for (name, port) in servers {
        world.declare(&format!("agent-{name}"), &[(name, *port)]);
    }
}

fn bare(floor: &Path, servers: &[(String, u16)]) -> f64 {
    let start = Instant::now();
    let spawn = |(_, port): &(String, u16)| {
        Command::new(floor)
            .args(["serve", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    };
    let children: Vec<Child> = servers.iter().map(spawn).collect();
    let took = start.elapsed();
    for mut child in children {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    took.as_secs_f64() * 1000.0
}

fn syncs(world: &World, servers: &[(String, u16)]) -> Option<Row> {
    declare(world, servers);
    let accepted = |(name, _): &(String, u16)| world.accepted(&format!("agent-{name}"));
    for path in servers.iter().map(accepted) {
        std::fs::remove_file(path).unwrap();
    }
    let accept = world.minions(&["accept", "--all", "--no-wait"]);
    let count = count_syncs(world, &accept, || servers.iter().map(accepted).all(|path| path.exists()))?;
    Some(Row::figure("syncs of that `accept --all --no-wait`", count.to_string()))
}
