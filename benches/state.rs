//! How long the state takes to read, to name by its etag and to write, for 1 to 10,000 records.
//!
//! `cargo bench --bench state` prints the median of a number of rounds, in milliseconds. The write is measured on a
//! real folder with both syncs (give it as the argument `--dir DIR`; default: the system's temporary folder).
#![expect(clippy::print_stdout, reason = "a benchmark reports on stdout")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run has nothing to report")]

use std::time::Duration;

use minions_managed::base::clock::monotonic;
use minions_managed::base::root::Root;
use minions_managed::service::Record;
use minions_managed::state::{Store, etag};

#[path = "../tests/state/samples.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod samples;

/// Enough for a stable median, few enough for seconds.
const ROUNDS: usize = 15;

fn main() {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--dir").skip(1);
    let parent = arguments.next().map_or_else(std::env::temp_dir, Into::into);
    println!("{:>8} {:>10} {:>10} {:>10} {:>10} {:>10}", "records", "kB", "read ms", "etag ms", "write ms", "no-op ms");
    for count in [1, 100, 500, 10_000] {
        let dir = tempfile::tempdir_in(&parent).unwrap();
        let root = Root::at(dir.path());
        let store = Store::new(&root, Duration::from_secs(10));
        store.change("bench", |document| document.records = records(count)).unwrap();
        let kilobytes = std::fs::metadata(root.state()).unwrap().len() / 1000;
        let document = store.read().unwrap();
        let shown: Vec<&Record> = document.records.iter().collect();
        let read = median(|| store.read().unwrap());
        let tag = median(|| etag(&shown));
        let write = median(|| {
            store.change("bench", |document| document.records[0].healthy = !document.records[0].healthy).unwrap()
        });
        let nothing = median(|| store.change("bench", |_| ()).unwrap());
        println!("{count:>8} {kilobytes:>10} {read:>10.3} {tag:>10.3} {write:>10.3} {nothing:>10.3}");
    }
}

/// Records as `accept` makes them: settled, alive, with the keys of every day.
fn records(count: usize) -> Vec<Record> {
    (0..count)
        .map(|at| Record {
            claim: None,
            previous: None,
            last_exit: None,
            unknown: serde_json::Map::new(),
            ..samples::record(&format!("web-{at}"))
        })
        .collect()
}

/// The median of what `work` takes; what it returns is dropped outside of the time.
fn median<T>(mut work: impl FnMut() -> T) -> f64 {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = monotonic();
            let made = work();
            let took = start.elapsed();
            drop(made);
            took.as_secs_f64() * 1000.0
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}
