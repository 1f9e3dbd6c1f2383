//! Logs that are rotated under a service that writes as fast as it can: no line is lost, torn or shown twice.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use minions_managed::logs::{Follower, Rotation, previous_of, rotate_if_due};

use crate::support::{LIMIT, World, wait_for};
use crate::weaker::weaker;

/// Writes the numbers from 1 on, a line and a system call for each.
const COUNTING: &str = "i=0; while :; do i=$((i+1)); echo $i; done";

/// Little, so that rotations come often.
const BYTES_MAX: u64 = 64 << 10;

/// What a child of this test is to do, and where: it is this program again.
const TASK: &str = "MM_TEST_ROTATION";
/// What the child says once it is at it.
const READY: &str = "at it";

/// The log of a service that counts, once it is there. A log longer than [`BYTES_MAX`] is due.
fn counting(world: &World) -> PathBuf {
    world.set(&serde_json::json!({"logRotateBytes": BYTES_MAX}));
    world.declare("ripley", &[world.shell("count", COUNTING)]);
    assert_eq!(world.accept("ripley", &[]).0, Some(0));
    world.root().join("engine/managed-logs/count.log")
}

/// Whether no line is lost between `before` and `number`, or as few as where logs are copied and truncated.
fn follows(before: u64, number: u64) -> bool {
    number == before + 1 || number > before && weaker("rotation of logs")
}

fn length(path: &Path) -> u64 {
    path.metadata().map_or(0, |seen| seen.len())
}

/// The numbers in `text`, which must follow on each other; `None` if there is none.
fn run_of(text: &str) -> Option<(u64, u64)> {
    let mut numbers = text.lines().map(|line| line.parse::<u64>().unwrap_or_else(|_| panic!("torn: {line:?}")));
    let first = numbers.next()?;
    Some((
        first,
        numbers.fold(first, |before, number| {
            assert!(follows(before, number), "{number} after {before}");
            number
        }),
    ))
}

/// Follows by the real command, from the first line on, and checks that each number comes once. Returns the last number
/// so far, and the command.
fn follow(world: &World) -> (Arc<AtomicU64>, std::process::Child) {
    let mut child = world
        .command(&["logs", "count", "-f", "-n", "1000000000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let seen = Arc::new(AtomicU64::new(0));
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let last = Arc::clone(&seen);
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            let number = line.parse().unwrap_or_else(|_| panic!("torn: {line:?}"));
            // Whoever waits for the next number fails too.
            let before = last.swap(number, Ordering::SeqCst);
            assert!(follows(before, number), "{number} after {before}");
        }
    });
    (seen, child)
}

#[test]
fn twenty_rotations_under_a_service_at_full_speed_lose_no_line_and_a_follower_is_shown_each_once() {
    let world = World::new();
    let log = counting(&world);
    let previous = previous_of(&log);
    let (seen, mut follower) = follow(&world);
    let mut moved = 0;
    for round in 0..20 {
        wait_for("the follower is past the last cut", || seen.load(Ordering::SeqCst) > moved);
        wait_for("the log is due", || length(&log) > BYTES_MAX);
        if round % 4 == 3 {
            let swept = world.run(&["sweep", "--format", "json"]).ended(0).json();
            assert_eq!(swept["rotated_logs"], 1, "{swept}");
        } else {
            match rotate_if_due(&log, &previous, BYTES_MAX).unwrap() {
                Rotation::Collapsed { bytes } => assert_eq!(bytes, length(&previous)),
                Rotation::Truncated { .. } => return eprintln!("skipped: files cannot be collapsed here"),
                other @ (Rotation::NotDue | Rotation::Busy) => panic!("{other:?}"),
            }
        }
        let (first, last) = run_of(&std::fs::read_to_string(&previous).unwrap()).unwrap();
        assert!(follows(moved, first), "round {round}: {first} after {moved}");
        moved = last;
    }
    world.run(&["stop", "count"]).ended(0);
    let shown = |args: &[&str]| run_of(&world.run(args).ended(0).stdout).unwrap();
    let (first, last) = shown(&["logs", "count", "-n", "1000000000"]);
    assert_eq!(shown(&["logs", "count", "-n", "1000000000", "--previous"]), (first, moved));
    assert_eq!(shown(&["logs", "count", "-n", "7"]), (last - 6, last));
    wait_for("the follower has shown the last line", || seen.load(Ordering::SeqCst) == last);
    follower.kill().unwrap();
    follower.wait().unwrap();
}

#[test]
fn a_rotation_that_is_killed_at_any_moment_loses_no_line() {
    let world = World::new();
    let log = counting(&world);
    let archive = world.dir.path().join("archive");
    std::fs::create_dir(&archive).unwrap();
    let is_over = Arc::new(AtomicBool::new(false));
    let reader = std::thread::spawn({
        let (log, is_over) = (log.clone(), Arc::clone(&is_over));
        move || read_on(&log, &is_over)
    });
    let rotations = || std::fs::read_dir(&archive).unwrap().count();
    for round in 0..48_u64 {
        let before = rotations();
        let mut child = this_program("rotation::rotates_on_and_on", &log).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        assert!(said.any(|line| line.ends_with(READY)), "the child is at it");
        if round % 4 == 3 {
            // However slow the disk is, some come to their end.
            wait_for("a rotation is done", || rotations() > before);
        }
        // The moment itself is what is tried.
        std::thread::sleep(Duration::from_micros(round * 1_700 % 9_000));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    world.run(&["stop", "count"]).ended(0);
    is_over.store(true, Ordering::SeqCst);
    let (last, gaps) = reader.join().unwrap();
    archive_previous(&log, &archive);
    let mut texts: Vec<String> = std::fs::read_dir(&archive)
        .unwrap()
        .map(|part| std::fs::read_to_string(part.unwrap().path()).unwrap())
        .collect();
    texts.push(world.run(&["logs", "count", "-n", "1000000000"]).ended(0).stdout);
    // A rotation that was killed before it cut is done again, with the same lines and more.
    let mut runs: Vec<(u64, u64)> = texts.iter().filter_map(|text| run_of(text)).collect();
    runs.sort_unstable();
    let end = runs.iter().fold(0, |end, (first, last)| {
        assert!(*first <= end || follows(end, *first), "{} to {} are lost", end + 1, first - 1);
        end.max(*last)
    });
    assert_eq!(end, last, "the reader came to the last line");
    assert!(gaps < texts.len(), "{gaps} gaps");
}

/// Reads as `logs -f` does, without its pauses, until the service has ended and all is read. No line may come twice, out of
/// order or torn; one may be missing only if the reader says so, since two rotations can come between two looks here.
/// Returns the last number and how many gaps there were.
fn read_on(log: &Path, is_over: &AtomicBool) -> (u64, usize) {
    let mut follower = Follower::open(log, usize::MAX).unwrap();
    let mut rest = String::new();
    let (mut last, mut gaps, mut may_skip) = (0, 0, false);
    loop {
        let was_over = is_over.load(Ordering::SeqCst);
        follower.look_again().unwrap();
        loop {
            let bytes = follower.next_bytes().unwrap();
            if follower.take_lost() > 0 {
                (gaps, may_skip) = (gaps + 1, true);
            }
            if bytes.is_empty() {
                break;
            }
            rest.push_str(std::str::from_utf8(&bytes).unwrap());
            let whole = rest.rfind('\n').map_or(0, |at| at + 1);
            for line in rest[..whole].lines() {
                // At a gap a torn line is closed: it is the beginning of a number.
                let Some(number) = line.parse::<u64>().ok().filter(|number| *number > last) else {
                    assert!(may_skip, "{line:?} came after {last}");
                    continue;
                };
                assert!(follows(last, number) || may_skip, "{number} came after {last}");
                may_skip &= number == last + 1;
                last = number;
            }
            rest.drain(..whole);
        }
        if was_over {
            return (last, gaps);
        }
    }
}

/// Gives the previous log one more name, which the next rotation leaves.
fn archive_previous(log: &Path, archive: &Path) {
    let previous = previous_of(log);
    if let Ok(seen) = previous.metadata() {
        let name = std::os::unix::fs::MetadataExt::ino(&seen).to_string();
        // It is there if nothing was rotated since.
        std::fs::hard_link(&previous, archive.join(name)).unwrap_or_default();
    }
}

/// This program once more, with one task, which is one of the tests below that do nothing else.
fn this_program(task: &str, of: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "--ignored", "--nocapture", task]).env(TASK, of);
    command
}

#[test]
#[ignore = "a task of the test above"]
fn rotates_on_and_on() {
    let Some(log) = std::env::var_os(TASK).map(PathBuf::from) else { return };
    let archive = log.ancestors().nth(4).unwrap().join("archive");
    println!("{READY}");
    loop {
        archive_previous(&log, &archive);
        rotate_if_due(&log, &previous_of(&log), BYTES_MAX / 4).unwrap();
    }
}

#[test]
fn a_full_disk_costs_no_line_and_where_files_cannot_be_collapsed_they_are_truncated() {
    let dir = tempfile::tempdir().unwrap();
    // A small file system of our own, in a mount namespace of our own.
    let script = "mount -t tmpfs -o size=512k none \"$1\" && exec \"$2\" --exact --ignored rotation::fills_a_disk";
    let ran = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"])
        .arg(dir.path())
        .arg(std::env::current_exe().unwrap())
        .env(TASK, dir.path())
        .output();
    match ran {
        Ok(output) if String::from_utf8_lossy(&output.stdout).contains("test result: ok. 1 passed") => {}
        Ok(output) if String::from_utf8_lossy(&output.stdout).contains("test result:") => panic!("{output:?}"),
        other => eprintln!("skipped: no file system may be mounted here: {other:?}"),
    }
}

#[test]
#[ignore = "a task of the test above"]
fn fills_a_disk() {
    let Some(dir) = std::env::var_os(TASK).map(PathBuf::from) else { return };
    let (log, filler) = (dir.join("web.log"), dir.join("filler"));
    let previous = previous_of(&log);
    let lines = |numbers: std::ops::Range<u64>| numbers.map(|number| format!("{number:09}\n")).collect::<String>();
    let append = |numbers: std::ops::Range<u64>| {
        let mut service = std::fs::OpenOptions::new().append(true).create(true).open(&log).unwrap();
        std::io::Write::write_all(&mut service, lines(numbers).as_bytes()).unwrap();
    };
    append(0..10_000);
    assert_eq!(rotate_if_due(&log, &previous, 50_000).unwrap(), Rotation::Truncated { bytes: 100_000 });
    assert_eq!(length(&log), 0);
    let mut follower = Follower::open(&log, 3).unwrap();
    assert_eq!(follower.next_bytes().unwrap(), lines(9_997..10_000).as_bytes(), "they are in the previous log");
    append(10_000..20_000);
    std::fs::write(&filler, vec![1; 280_000]).unwrap();
    let refused = rotate_if_due(&log, &previous, 50_000).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::StorageFull);
    assert_eq!(std::fs::read_to_string(&log).unwrap(), lines(10_000..20_000));
    assert_eq!(std::fs::read_to_string(&previous).unwrap(), lines(0..10_000));
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 3, "what was copied in vain is gone");
    std::fs::remove_file(&filler).unwrap();
    assert_eq!(rotate_if_due(&log, &previous, 50_000).unwrap(), Rotation::Truncated { bytes: 100_000 });
    append(20_000..20_010);
    follower.look_again().unwrap();
    let mut followed = Vec::new();
    let end = Instant::now() + LIMIT;
    while followed.len() < 100_100 && Instant::now() < end {
        followed.extend(follower.next_bytes().unwrap());
    }
    assert!(followed == lines(10_000..20_010).as_bytes(), "each line once, over the truncation");
    assert_eq!(follower.take_lost(), 0);
}

/// What docs/performance.md tells of rotation: `cargo test --test services -- --ignored --nocapture rotation::measures`.
#[test]
#[ignore = "a measurement"]
fn measures_rotations_of_ten_mebibytes() {
    let bytes_max = 10 << 20;
    for (kind, folder) in [("collapse", std::env::temp_dir()), ("truncate", PathBuf::from("/dev/shm"))] {
        let dir = tempfile::tempdir_in(folder).unwrap();
        let log = dir.path().join("count.log");
        let output = std::fs::OpenOptions::new().append(true).create(true).open(&log).unwrap();
        // Where rotations are slow the writer is killed at 256 MiB (in blocks of 512 bytes), not the disk.
        let mut writer = Command::new("sh");
        writer.args(["-c", "ulimit -f 524288; exec seq 100000000000"]).stdout(output);
        let mut writer = writer.spawn().unwrap();
        let began = Instant::now();
        let mut took = Vec::new();
        for round in 0..20 {
            wait_for("the log is due", || length(&log) > bytes_max);
            let start = Instant::now();
            rotate_if_due(&log, &previous_of(&log), bytes_max).unwrap();
            took.push(start.elapsed());
            std::fs::hard_link(previous_of(&log), dir.path().join(round.to_string())).unwrap();
        }
        writer.kill().unwrap();
        writer.wait().unwrap();
        let span = began.elapsed();
        let parts: Vec<_> = (0..20).map(|round| numbers_in(&dir.path().join(round.to_string()))).collect();
        let (kept, last) = (parts.iter().map(|part| part.count).sum::<u64>(), parts[19].last);
        let bytes = (0..20).map(|round| length(&dir.path().join(round.to_string()))).sum::<u64>() >> 20;
        took.sort();
        let rate = Duration::from_secs(1).as_nanos() * u128::from(last) / span.as_nanos();
        println!("{kind}: {rate} lines a second, 20 rotations of {bytes} MiB, {} of {last} lines lost", last - kept);
        println!("{kind}: a rotation took {:?} ({:?} to {:?})", took[10], took[0], took[19]);
    }
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("small.log");
    std::fs::write(&log, "x").unwrap();
    let start = Instant::now();
    for _ in 0..10_000 {
        rotate_if_due(&log, &previous_of(&log), bytes_max).unwrap();
    }
    println!("not due: {:?} for 10,000 logs", start.elapsed());
}

struct Numbers {
    count: u64,
    last: u64,
}

fn numbers_in(part: &Path) -> Numbers {
    let bytes = std::fs::read(part).unwrap();
    let count = bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
    let text = std::str::from_utf8(&bytes[bytes.len().saturating_sub(100)..]).unwrap();
    Numbers { count, last: text[..text.rfind('\n').unwrap()].lines().next_back().unwrap().parse().unwrap() }
}
