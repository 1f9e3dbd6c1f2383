//! How long a killed service is away, with nothing else of ours running, beside other supervisors that are there: runit's `runsv`,
//! and pm2. Each runs the same server.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::report::{Row, ms};
use super::rounds::{interleaved, median};
use super::world::{World, free_port};

const ROUNDS: usize = 20;
/// The most that a killed service may be away, and the record may lag behind, in milliseconds.
const AWAY_MS_MAX: f64 = 5.0;
const RECORD_MS_MAX: f64 = 20.0;
/// So long a service lives before it is killed: `runsv` waits a second before it starts what has lived for less.
const LIFE: Duration = Duration::from_millis(1200);
/// The time between two questions to a server that is away.
const PAUSE: Duration = Duration::from_micros(50);
/// Far beyond what anybody takes.
const LIMIT: Duration = Duration::from_secs(30);

/// A supervisor with one server.
struct Rival {
    what: &'static str,
    /// Its pid; the server is a child of it.
    pid: u32,
    port: u16,
    end: Box<dyn FnMut()>,
}

impl Drop for Rival {
    fn drop(&mut self) {
        (self.end)();
    }
}

pub(crate) fn measure(floor: &Path) -> Vec<Row> {
    let port = free_port();
    let world = World::with_restarting(floor, &[("web", port)]);
    let shim = u32::try_from(world.records()[0]["process"]["shim_pid"].as_u64().unwrap()).unwrap();
    let mut rivals = vec![Rival { what: "", pid: shim, port, end: Box::new(|| ()) }];
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    rivals.extend(runsv(dir.path(), floor));
    rivals.extend(pm2(dir.path(), floor));
    let times = interleaved(rivals.len(), ROUNDS, |job| round(&rivals[job], (job == 0).then_some(&world)));
    let mut rows = Vec::new();
    for (rival, times) in rivals.iter().zip(&times) {
        let away = median(&times.iter().map(|time| time.0).collect::<Vec<_>>());
        if rival.what.is_empty() {
            let record = median(&times.iter().map(|time| time.1).collect::<Vec<_>>());
            rows.push(aimed("a killed service is away", away, AWAY_MS_MAX));
            rows.push(aimed("from its kill until the new generation is recorded", record, RECORD_MS_MAX));
        } else {
            rows.push(Row::figure(&format!("the same under {}", rival.what), ms(away)));
        }
    }
    rows
}

fn aimed(what: &str, value: f64, aim: f64) -> Row {
    Row {
        what: what.to_owned(),
        value: ms(value),
        least: String::new(),
        ratio: None,
        aim: ms(aim),
        is_met: value <= aim,
    }
}

/// Kills the server; the milliseconds until another one answers, and, in a world of ours, until its record is another's.
fn round(rival: &Rival, world: Option<&World>) -> (f64, f64) {
    std::thread::sleep(LIFE);
    let old = server_of(rival.pid);
    let generation = |world: &World| world.records()[0]["generation"].clone();
    let before = world.map(generation);
    let start = Instant::now();
    kill_process(Pid::from_raw(i32::try_from(old).unwrap()).unwrap(), Signal::KILL).unwrap();
    while !is_up(rival.port) {
        assert!(start.elapsed() < LIMIT, "it does not come back");
        std::thread::sleep(PAUSE);
    }
    let away = start.elapsed();
    while world.map(generation) == before && world.is_some() {
        assert!(start.elapsed() < LIMIT, "the record does not follow");
        std::thread::sleep(PAUSE);
    }
    let recorded = start.elapsed();
    assert_ne!(server_of(rival.pid), old);
    (away.as_secs_f64() * 1000.0, recorded.as_secs_f64() * 1000.0)
}

/// The one child of `supervisor` that is the server.
fn server_of(supervisor: u32) -> u32 {
    let start = Instant::now();
    loop {
        let children = fs::read_to_string(format!("/proc/{supervisor}/task/{supervisor}/children")).unwrap();
        let is_server = |pid: &&str| {
            fs::read(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|line| line.split(|byte| *byte == 0).nth(1) == Some(b"serve"))
        };
        if let Some(pid) = children.split_whitespace().find(is_server) {
            return pid.parse().unwrap();
        }
        assert!(start.elapsed() < LIMIT, "{supervisor} has no server");
        std::thread::sleep(PAUSE);
    }
}

fn is_up(port: u16) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.starts_with("HTTP/1.1 200"))
    };
    ask().unwrap_or(false)
}

fn await_up(port: u16) {
    let start = Instant::now();
    while !is_up(port) {
        assert!(start.elapsed() < LIMIT, "it does not come up");
        std::thread::sleep(PAUSE);
    }
}

/// Says why a rival is left out.
fn skipped(what: &str, why: &dyn std::fmt::Display) {
    eprintln!("SKIPPED: the same under {what}: {why}");
}

fn runsv(dir: &Path, floor: &Path) -> Option<Rival> {
    let port = free_port();
    let service = dir.join("runsv");
    fs::create_dir_all(&service).unwrap();
    let run = service.join("run");
    fs::write(&run, format!("#!/bin/sh\nexec {} serve {port}\n", floor.display())).unwrap();
    fs::set_permissions(&run, fs::Permissions::from_mode(0o755)).unwrap();
    let started = Command::new("runsv").arg(&service).stdin(Stdio::null()).stdout(Stdio::null()).spawn();
    let mut child: Child = started.inspect_err(|why| skipped("runsv", why)).ok()?;
    await_up(port);
    let pid = child.id();
    let end = move || {
        // It ends its service when it is asked to end (runsv(8)).
        let _gone = kill_process(Pid::from_child(&child), Signal::TERM);
        drop(child.wait());
    };
    Some(Rival { what: "runsv", pid, port, end: Box::new(end) })
}

fn pm2(dir: &Path, floor: &Path) -> Option<Rival> {
    let (port, home) = (free_port(), dir.join("pm2"));
    let floor = floor.to_owned();
    let pm2 = move |args: &[&str]| {
        Command::new("pm2").args(args).env("PM2_HOME", &home).stdin(Stdio::null()).stdout(Stdio::null()).status()
    };
    let port_word = port.to_string();
    let args = ["start", floor.to_str().unwrap(), "--interpreter", "none", "--name", "web", "--", "serve", &port_word];
    pm2(&args).inspect_err(|why| skipped("pm2", why)).ok()?;
    await_up(port);
    let pid = fs::read_to_string(dir.join("pm2/pm2.pid")).unwrap().trim().parse().unwrap();
    let end = move || drop(pm2(&["kill"]));
    Some(Rival { what: "pm2", pid, port, end: Box::new(end) })
}
