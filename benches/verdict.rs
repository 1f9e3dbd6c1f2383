//! How many verdicts a second one process gives on sidecars of five specs. `cargo bench --bench verdict`.
//!
//! A plain loop with a clock: the question is a rate to compare with a goal, not a distribution. The clock is that of
//! the thread's own processor time, so that other programs on the machine do not count.

#![expect(clippy::print_stdout, reason = "a bench tells its figures")]

use std::fs;
use std::hint::black_box;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use minions_managed::config::Settings;
use minions_managed::sidecar::{Expectations, Judge, System, decide, decide_with_schema};
use serde_json::{Value, json};

/// What is promised: verdicts a second, in one thread, on a good file in a real worktree.
const GOAL_PER_S: f64 = 20_000.0;
/// How long each case runs.
const SPAN: Duration = Duration::from_secs(1);
/// The best of this many runs counts: other programs can only make us slower.
const RUNS: usize = 3;

fn main() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let repo = temp.path().join("repo");
    fs::create_dir_all(repo.join(".git")).expect("a worktree");
    fs::create_dir_all(repo.join("web/app")).expect("a folder in it");
    let (top, below) = (repo.display().to_string(), repo.join("web/app").display().to_string());
    let cases: [(&str, Vec<u8>, bool); 6] = [
        ("good, http, at the worktree's top", text(&specs(&top, &http())), false),
        ("good, http, two folders below it", text(&specs(&below, &http())), false),
        ("good, command probes", text(&specs(&top, &command())), false),
        ("good, http, indented", serde_json::to_vec_pretty(&specs(&top, &http())).expect("JSON"), false),
        ("bad, five failures each", text(&bad()), false),
        ("good, http, schema too", text(&specs(&top, &http())), true),
    ];
    let judge = Judge::new(&Settings::default()).expect("default settings are good");
    for (name, bytes, with_schema) in cases {
        let best = (0..RUNS).map(|_| rate(&judge, &bytes, with_schema)).fold(0.0, f64::max);
        let ratio = best / GOAL_PER_S;
        println!("{name:<36} {:>5} bytes {best:>9.0}/s  {ratio:>5.2} x the goal", bytes.len());
    }
    let started = processor_time();
    let fresh = Judge::new(&Settings::default()).expect("default settings are good");
    black_box(decide(b"{}", &fresh, &Expectations::default(), &System::default()));
    println!("{:<36} {:>11} us", "a judge and its first verdict", (processor_time() - started).as_micros());
}

fn rate(judge: &Judge, bytes: &[u8], with_schema: bool) -> f64 {
    let (world, expectations) = (System::default(), Expectations::default());
    let started = processor_time();
    let mut count = 0_u32;
    while processor_time() - started < SPAN {
        for _ in 0..100 {
            let judged = if with_schema { decide_with_schema } else { decide };
            black_box(judged(black_box(bytes), judge, &expectations, &world));
        }
        count += 100;
    }
    f64::from(count) / (processor_time() - started).as_secs_f64()
}

/// What this thread has used of a processor so far.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.cast_unsigned(), u32::try_from(time.tv_nsec).expect("below a second"))
}

fn text(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

fn http() -> Value {
    json!({"type": "http", "url": "http://localhost:3001/health", "expect_status": 200, "interval_s": 1, "timeout_s": 60})
}

fn command() -> Value {
    json!({"type": "command", "cmd": "curl -fsS http://localhost:3001/ready", "shell": true,
        "expect_regex": "^(ready|\"status\":\\s*\"ok\")", "interval_s": 2, "timeout_s": 30})
}

fn specs(cwd: &str, healthcheck: &Value) -> Value {
    let spec = |i: u16| {
        json!({
            "name": format!("web-{i}"), "cmd": "npm", "args": ["run", "dev", "--", "--port", "3001"], "cwd": cwd,
            "env": {"NODE_ENV": "development", "VITE_HOST": "127.0.0.1"}, "ports": [3001 + i], "ttl_minutes": 240,
            "attrs": {"base_url": "http://localhost:3001"}, "healthcheck": healthcheck,
        })
    };
    json!({"specs": (0..5).map(spec).collect::<Vec<_>>(), "written_by": "ripley", "wi_id": "W-42"})
}

fn bad() -> Value {
    let spec = json!({"name": "Bad Name", "cmd": "perl", "ports": [80], "ttl_minutes": 0});
    json!({"specs": vec![spec; 5]})
}
