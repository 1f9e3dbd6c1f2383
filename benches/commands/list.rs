//! `list --format json`, cold, beside a C program that reads the same file and looks at the same processes.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::report::{Row, ms};
use super::rounds::{interleaved, median, median_ratio, time};
use super::world::World;

/// How many services live.
const COUNTS: [usize; 3] = [1, 100, 500];
/// How many records the made-up state has; they share the processes of the last of `COUNTS`.
const MADE_UP: usize = 10_000;
const ROUNDS: usize = 60;
/// The longest that the made-up state may take.
const MADE_UP_MS_MAX: f64 = 100.0;
/// The most that `list` may take of what the C program takes.
const RATIO_MAX: f64 = 1.5;

/// One row per number of services.
pub(crate) fn measure(floor: &Path) -> Vec<Row> {
    let mut worlds: Vec<World> = COUNTS.iter().map(|count| World::with_services(floor, *count)).collect();
    worlds.push(World::made_up(floor, &worlds[COUNTS.len() - 1].records(), MADE_UP));
    let times = interleaved(2 * worlds.len(), ROUNDS, |job| {
        let world = &worlds[job / 2];
        if job % 2 == 0 {
            time(&mut world.minions(&["list", "--format", "json"]))
        } else {
            time(Command::new(floor).arg("list").arg(world.state()))
        }
    });
    // The made-up records are nobody's to stop.
    fs::remove_file(worlds[COUNTS.len()].state()).unwrap();
    let counts = COUNTS.into_iter().chain([MADE_UP]);
    counts.zip(times.chunks(2)).map(|(count, pair)| row(count, &pair[0], &pair[1])).collect()
}

fn row(count: usize, list: &[f64], least: &[f64]) -> Row {
    let ratio = median_ratio(list, least);
    let (aim, is_met) = if count == MADE_UP {
        (format!("{MADE_UP_MS_MAX} ms"), median(list) <= MADE_UP_MS_MAX)
    } else {
        (format!("{RATIO_MAX} times the least"), ratio <= RATIO_MAX)
    };
    let (value, least) = (ms(median(list)), ms(median(least)));
    Row { what: format!("`list` of {count}"), value, least, ratio: Some(ratio), aim, is_met }
}
