//! `accept` of one HTTP service beside ten that run: until it first answers, and until the command returns, with the
//! service healthy and recorded. Beside it a C program that starts the same server and asks it until it answers.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::report::{Row, ms};
use super::rounds::{interleaved, median, median_ratio};
use super::world::{World, free_port};

const OTHERS: usize = 10;
const ROUNDS: usize = 60;
/// The longest from the command's start to the service's first answer.
const ANSWERED_MS_MAX: f64 = 5.0;
/// The longest until the command returns.
const RETURNED_MS_MAX: f64 = 12.0;
const AGENT: &str = "ripley";
const NAME: &str = "measured";
/// How often we ask whether the service answers.
const LOOK_EVERY: Duration = Duration::from_micros(200);
/// Nothing here takes so long.
const GIVE_UP: Duration = Duration::from_secs(20);

/// Milliseconds since a command's start.
struct Times {
    answered: f64,
    returned: f64,
}

pub(crate) fn measure(floor: &Path) -> Vec<Row> {
    let world = World::with_services(floor, OTHERS);
    let port = free_port();
    let times = interleaved(2, ROUNDS, |job| if job == 0 { accept(&world, port) } else { bare(floor, port) });
    let row = |what: &str, of: fn(&Times) -> f64, max: f64| {
        let [command, least] = [0, 1].map(|job: usize| times[job].iter().map(of).collect::<Vec<f64>>());
        let took = median(&command);
        Row {
            what: format!("`accept` of one more than {OTHERS}, {what}"),
            value: ms(took),
            least: ms(median(&least)),
            ratio: Some(median_ratio(&command, &least)),
            aim: format!("{max} ms"),
            is_met: took <= max,
        }
    };
    let mut rows = vec![
        row("until it answers", |times| times.answered, ANSWERED_MS_MAX),
        row("until the command returns", |times| times.returned, RETURNED_MS_MAX),
    ];
    rows.extend(syncs(&world, port));
    rows
}

fn accept(world: &World, port: u16) -> Times {
    world.declare(AGENT, &[(NAME, port)]);
    let (times, _) = timed(&mut world.minions(&["accept", AGENT, "--format", "json"]), port);
    world.run(&mut world.minions(&["stop", NAME]));
    times
}

fn bare(floor: &Path, port: u16) -> Times {
    let port_text = port.to_string();
    let (times, output) =
        timed(Command::new(floor).args(["await", &port_text]).arg(floor).args(["serve", &port_text]), port);
    let pid = Pid::from_raw(output.trim().parse().unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    wait_until(|| !is_answered(port));
    times
}

/// Runs `command`, which must succeed, and asks on `port` meanwhile. Returns its output too.
fn timed(command: &mut Command, port: u16) -> (Times, String) {
    let start = Instant::now();
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let asking = std::thread::spawn(move || {
        wait_until(|| is_answered(port));
        start.elapsed()
    });
    let output = child.wait_with_output().unwrap();
    let returned = start.elapsed();
    assert!(output.status.success(), "{command:?}: {output:?}");
    let answered = asking.join().unwrap();
    let ms = |span: Duration| span.as_secs_f64() * 1000.0;
    (Times { answered: ms(answered), returned: ms(returned) }, String::from_utf8(output.stdout).unwrap())
}

/// Whether the server on `port` answers with 200.
fn is_answered(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { return false };
    let mut answer = [0_u8; 64];
    stream.write_all(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").is_ok()
        && stream.read(&mut answer).is_ok_and(|length| answer[..length].starts_with(b"HTTP/1.1 200"))
}

fn syncs(world: &World, port: u16) -> Option<Row> {
    world.declare(AGENT, &[(NAME, port)]);
    fs::remove_file(world.accepted(AGENT)).unwrap();
    let accept = world.minions(&["accept", AGENT]);
    // The sidecar is moved last.
    let count = count_syncs(world, &accept, || world.accepted(AGENT).exists())?;
    Some(Row::figure("syncs of that `accept`", count.to_string()))
}

/// How often an `accept`, its shims and their services call one of the syncs, by strace, until `is_done`. All services of
/// the root are stopped for it in the end.
pub(crate) fn count_syncs(world: &World, accept: &Command, is_done: impl Fn() -> bool) -> Option<usize> {
    let log = world.state().with_file_name("syncs");
    let traced = Command::new("strace")
        .args(["-f", "-qq", "-e", "trace=fsync,fdatasync,sync,syncfs,sync_file_range,msync", "-o"])
        .arg(&log)
        .arg(accept.get_program())
        .args(accept.get_args())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut traced) = traced else {
        eprintln!("SKIPPED: the syncs of `accept` are not counted, for there is no strace");
        return None;
    };
    // It follows the shims too, and so it ends only with the services.
    wait_until(is_done);
    let text = fs::read_to_string(&log).unwrap();
    world.stop_all();
    traced.wait().unwrap();
    // A call that another thread's interrupts is shown twice, the second time without a bracket.
    Some(text.lines().filter(|line| line.contains("sync(")).count())
}

fn wait_until(is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < GIVE_UP, "what was waited for did not come");
        std::thread::sleep(LOOK_EVERY);
    }
}
