//! `sweep` of ten thousand records of services that live, beside a C program that reads the same file, looks at the same
//! processes and logs, and writes the file anew.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::report::{Row, ms};
use super::rounds::{interleaved, median, median_ratio, time};
use super::world::World;

/// How many services live; the records share their processes.
const SERVICES: usize = 100;
const RECORDS: usize = 10_000;
const ROUNDS: usize = 30;
/// The most that `sweep` may take of what the C program takes.
const RATIO_MAX: f64 = 3.0;

/// One row.
pub(crate) fn measure(floor: &Path) -> Vec<Row> {
    let world = World::with_services(floor, SERVICES);
    let many = World::made_up(floor, &world.records(), RECORDS);
    let times = interleaved(2, ROUNDS, |job| match job {
        0 => time(&mut many.minions(&["sweep", "--format", "json"])),
        _ => time(Command::new(floor).arg("sweep").arg(many.state())),
    });
    assert_eq!(many.records().len(), RECORDS, "they all live, so none is dropped");
    fs::remove_file(many.state()).unwrap();
    let ratio = median_ratio(&times[0], &times[1]);
    vec![Row {
        what: format!("`sweep` of {RECORDS}"),
        value: ms(median(&times[0])),
        least: ms(median(&times[1])),
        ratio: Some(ratio),
        aim: format!("{RATIO_MAX} times the least"),
        is_met: ratio <= RATIO_MAX,
    }]
}
