//! What a hundred shims cost while nothing happens, before and after they have started their services again: memory, processor
//! time, wake-ups.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::report::Row;
use super::rounds::median;
use super::world::{World, free_port};

const SERVICES: usize = 100;
const SPAN: Duration = Duration::from_secs(60);
/// Far beyond what a restart of all takes, and the time between two looks.
const LIMIT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(5);
/// After this a follower whose last word is in the record is gone.
const SETTLED: Duration = Duration::from_secs(1);
/// The most memory of its own that a shim may have, in kB of proportional set size.
const PSS_KB_MAX: f64 = 150.0;

pub(crate) fn measure(floor: &Path) -> Vec<Row> {
    let names: Vec<String> = (0..SERVICES).map(|at| format!("web-{at}")).collect();
    let servers: Vec<(&str, u16)> = names.iter().map(|name| (name.as_str(), free_port())).collect();
    let world = World::with_restarting(floor, &servers);
    let mut rows = at_rest(&shims(&world), "");
    restart_all(&world);
    rows.extend(at_rest(&shims(&world), ", each after a restart"));
    rows
}

fn shims(world: &World) -> Vec<u64> {
    world.records().iter().map(|record| record["process"]["shim_pid"].as_u64().unwrap()).collect()
}

/// Kills every service and waits until each record tells of another life, and of its health.
fn restart_all(world: &World) {
    let before = world.records();
    for record in &before {
        let pid = i32::try_from(record["pid"].as_i64().unwrap()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    }
    let start = Instant::now();
    let has_followed = |(now, before): (&Value, &Value)| {
        now["generation"] != before["generation"] && now["healthy"] == true && now["status"] == "running"
    };
    while !world.records().iter().zip(&before).all(has_followed) {
        assert!(start.elapsed() < LIMIT, "records do not follow");
        std::thread::sleep(PAUSE);
    }
    // The last followers are reaped.
    std::thread::sleep(SETTLED);
}

fn at_rest(shims: &[u64], when: &str) -> Vec<Row> {
    let pss: Vec<f64> = shims.iter().map(|pid| field(*pid, "smaps_rollup", "Pss:")).collect();
    let before = used(shims);
    std::thread::sleep(SPAN);
    let after = used(shims);
    let pss = median(&pss);
    let (cpu_us, switches) = ((after.0 - before.0) / 1000.0, after.1 - before.1);
    let row =
        |what: String, value, aim: String, is_met| Row { what, value, least: String::new(), ratio: None, aim, is_met };
    let (span, count) = (SPAN.as_secs(), shims.len());
    vec![
        row(
            format!("memory of a shim (PSS), {count} services{when}"),
            format!("{pss} kB"),
            format!("{PSS_KB_MAX} kB"),
            pss <= PSS_KB_MAX,
        ),
        row(
            format!("processor time of {count} shims in {span} s{when}"),
            format!("{cpu_us} µs"),
            "0".into(),
            cpu_us == 0.0,
        ),
        row(
            format!("context switches of {count} shims in {span} s{when}"),
            format!("{switches}"),
            "0".into(),
            switches == 0.0,
        ),
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
