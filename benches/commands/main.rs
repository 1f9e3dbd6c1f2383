//! What the commands cost, beside the least that the system can do: `cargo bench --bench commands [-- WORD…]`.
//!
//! Prints a Markdown table as docs/performance.md has it. WORDs choose among `accept`, `accept-all`, `events`, `idle`,
//! `list`, `restart` and `sweep`; none: all, in a few minutes. Times are from before the spawn of a process to after its end, so a command's
//! start counts. What is compared is run in turn, round by round, in an order that is shuffled anew each round, so that
//! noise hits all alike; ratios are medians of the ratios of single rounds. Everything lives in a temporary folder of
//! `target/`, on a real disk. The services and the least are `benches/floor.c`; without a C compiler nothing is measured,
//! which is said.
#![expect(clippy::disallowed_methods, reason = "a benchmark starts processes, and times and waits for them")]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark reports on stdout, and what it lacks on stderr"
)]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run has nothing to report")]

mod accept;
mod accept_all;
mod events;
mod idle;
mod list;
mod report;
mod restart;
mod rounds;
mod sweep;
mod world;

use std::path::{Path, PathBuf};
use std::process::Command;

use report::Row;

/// A part of the benchmark: the word that chooses it, and what it measures.
type Section = (&'static str, fn(&Path) -> Vec<Row>);

/// In this order: the memory of a hundred shims is measured while there are no others to share pages with.
const SECTIONS: [Section; 7] = [
    ("accept", accept::measure),
    ("accept-all", accept_all::measure),
    ("idle", idle::measure),
    ("events", events::measure),
    ("list", list::measure),
    ("restart", restart::measure),
    ("sweep", sweep::measure),
];

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let Some(floor) = compiled_floor() else { return };
    let is_chosen = |name: &str| words.is_empty() || words.iter().any(|word| word == name);
    let chosen = SECTIONS.iter().filter(|(name, _)| is_chosen(name));
    let rows: Vec<Row> = chosen.flat_map(|(_, measure)| measure(&floor)).collect();
    println!("{}", report::table(&rows));
}

/// The program of `benches/floor.c`, compiled anew.
fn compiled_floor() -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/floor.c");
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("floor");
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let compiled = Command::new(&compiler).arg("-O2").arg("-o").args([&program, &source]).status();
    if compiled.as_ref().is_ok_and(std::process::ExitStatus::success) {
        return Some(program);
    }
    eprintln!("SKIPPED: nothing is measured, for `{compiler}` did not compile {}: {compiled:?}", source.display());
    None
}
