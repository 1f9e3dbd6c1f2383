//! What a hundred shims cost while nothing happens: memory, processor time, wake-ups.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::report::Row;
use super::rounds::median;
use super::world::World;

const SERVICES: usize = 100;
const SPAN: Duration = Duration::from_secs(60);
/// The most memory of its own that a shim may have, in kB of proportional set size.
const PSS_KB_MAX: f64 = 150.0;

pub(crate) fn measure(floor: &Path) -> Vec<Row> {
    let world = World::with_services(floor, SERVICES);
    let shims: Vec<u64> =
        world.records().iter().map(|record| record["process"]["shim_pid"].as_u64().unwrap()).collect();
    let pss: Vec<f64> = shims.iter().map(|pid| field(*pid, "smaps_rollup", "Pss:")).collect();
    let before = used(&shims);
    std::thread::sleep(SPAN);
    let after = used(&shims);
    let pss = median(&pss);
    let (cpu_us, switches) = ((after.0 - before.0) / 1000.0, after.1 - before.1);
    let row = |what: &str, value, aim: String, is_met| Row {
        what: what.to_owned(),
        value,
        least: String::new(),
        ratio: None,
        aim,
        is_met,
    };
    let span = SPAN.as_secs();
    vec![
        row("memory of a shim (PSS), 100 services", format!("{pss} kB"), format!("{PSS_KB_MAX} kB"), pss <= PSS_KB_MAX),
        row(&format!("processor time of 100 shims in {span} s"), format!("{cpu_us} µs"), "0".into(), cpu_us == 0.0),
        row(&format!("context switches of 100 shims in {span} s"), format!("{switches}"), "0".into(), switches == 0.0),
    ]
}

/// Processor time in nanoseconds and context switches of all `pids` together, so far (proc(5)).
fn used(pids: &[u64]) -> (f64, f64) {
    let nanoseconds = |pid: &u64| -> f64 {
        let text = fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap();
        text.split(' ').next().unwrap().parse().unwrap()
    };
    let switches = |pid: &u64| {
        field(*pid, "status", "voluntary_ctxt_switches:") + field(*pid, "status", "nonvoluntary_ctxt_switches:")
    };
    (pids.iter().map(nanoseconds).sum(), pids.iter().map(switches).sum())
}

/// The number behind `key` at the start of a line of `/proc/PID/FILE`.
fn field(pid: u64, file: &str, key: &str) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
