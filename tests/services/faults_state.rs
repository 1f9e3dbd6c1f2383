//! State files that are torn, overwritten, gone, forbidden or from another time, over services that really run: each of them is
//! found again, and what nobody can know is not made up.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use minions_managed::base::root::Root;
use minions_managed::process::observe_liveness;
use minions_managed::state::Store;
use serde_json::{Value, json};

use crate::faults::{ALL, Patient, READERS, by_way_of, in_namespace, skipped};
use crate::support::{World, is_alive, pid_of};

/// Every how many bytes the file is cut for the binary; the library gets every cut.
const STRIDE: usize = 97;

fn state_file(world: &World) -> PathBuf {
    world.root().join("engine/managed-processes.json")
}

/// What makes a life: it must be the same after whatever happened to the file.
fn lives(mut records: Vec<Value>) -> Vec<Value> {
    records.sort_by_key(|record| record["name"].to_string());
    let of = |record: &Value| {
        let keys = ["name", "generation", "pid", "process", "cmd", "args", "ttl_expires_at", "status", "owner_project"];
        keys.iter().map(|key| record[key].clone()).collect()
    };
    records.iter().map(of).collect()
}

/// What was set aside, without its time, and then removed.
fn set_aside(world: &World) -> Vec<PathBuf> {
    let all =
        std::fs::read_dir(world.root().join("engine")).expect("listed").map(|entry| entry.expect("listed").path());
    all.filter(|path| path.to_string_lossy().contains(".corrupt-")).collect()
}

/// Puts `bytes` in the place of the state file, has `read` read it, and checks that they are kept, that both services are in
/// the new one as they were, and that they live.
fn check_bytes(patient: &Patient, bytes: &[u8], read: &dyn Fn()) {
    let world = &patient.world;
    let before = std::fs::read(state_file(world)).expect("read");
    let known = lives(world.records());
    std::fs::write(state_file(world), bytes).expect("written");
    read();
    let aside = set_aside(world);
    assert_eq!(aside.len(), 1, "{} bytes", bytes.len());
    assert_eq!(std::fs::read(&aside[0]).expect("read"), bytes, "nothing of it is lost");
    std::fs::remove_file(&aside[0]).expect("removed");
    assert_eq!(lives(world.records()), known, "{} bytes", bytes.len());
    std::fs::write(state_file(world), before).expect("written");
}

/// What a file may look like after a power cut, a bad disk or a bad hand.
fn ruins(good: &[u8]) -> Vec<Vec<u8>> {
    let mut half_nul = good.to_vec();
    half_nul[good.len() / 2..].fill(0);
    let mut flipped = good.to_vec();
    flipped[0] ^= 0x20;
    let words = [&b""[..], b"\n", b"null", b"[]", b"{}", b"\xff\xfe", b"{\"version\":1,\"revision\":1}"];
    let mut all: Vec<Vec<u8>> = words.iter().map(|word| word.to_vec()).collect();
    all.extend([vec![0; good.len()], vec![0; 4096], vec![b' '; good.len()], half_nul, flipped, [good, good].concat()]);
    all
}

#[test]
fn a_state_cut_at_any_byte_or_overwritten_is_set_aside_and_every_service_is_found_again() {
    let name = "faults_state::a_state_cut_at_any_byte_or_overwritten_is_set_aside_and_every_service_is_found_again";
    // In memory, because every cut costs two synced writes.
    in_namespace(name, &["-rm"], || {
        let patient = Patient::mounted("size=16m,mode=0700");
        let world = &patient.world;
        let good = std::fs::read(state_file(world)).expect("read");
        let pids: Vec<u32> = world.records().iter().map(pid_of).collect();
        let store = Store::new(&Root::at(world.root()), Duration::from_secs(10)).judging_by(observe_liveness);
        let by_library = || {
            let reading = store.read_or_recover("test").expect("read");
            assert!(reading.set_aside.is_some());
        };
        // The last byte is the end of a line: without it the file says as much.
        for length in 0..good.len() - 1 {
            check_bytes(&patient, &good[..length], &by_library);
        }
        for bytes in ruins(&good) {
            check_bytes(&patient, &bytes, &by_library);
        }
        let verbs = ["sweep", "list", "reconcile", "show web", "healthcheck", "context --project shop"];
        let cuts = (0..good.len() - 1).step_by(STRIDE).map(|length| good[..length].to_vec());
        for (words, bytes) in verbs.iter().cycle().zip(cuts.chain(ruins(&good))) {
            let line: Vec<&str> = words.split(' ').collect();
            let by_binary = || {
                let ran = world.run(&line).ended(9);
                assert!(ran.stderr.contains("has been set aside as") && ran.stderr.contains("2 services"), "{ran:?}");
            };
            check_bytes(&patient, &bytes, &by_binary);
        }
        assert!(pids.iter().all(|pid| is_alive(*pid)));
        world.run(&["reconcile"]).ended(0);
        patient.check_truth("all");
    });
}

#[test]
fn a_torn_state_under_a_command_that_changes_something_is_set_aside_and_the_change_is_made() {
    for (words, left) in
        [("stop web", 1), ("restart web", 2), ("accept new", 3), ("release WORK", 0), ("remove-project shop", 0)]
    {
        let patient = Patient::new();
        let good = std::fs::read(state_file(&patient.world)).expect("read");
        std::fs::write(state_file(&patient.world), &good[..good.len() / 2]).expect("written");
        let line = patient.line(words);
        let ran = patient.world.run(&line.iter().map(String::as_str).collect::<Vec<_>>()).ended(9);
        assert!(ran.stderr.contains("has been set aside as"), "`{words}`: {ran:?}");
        assert_eq!(patient.world.records().len(), left, "`{words}`: {ran:?}");
        patient.check_truth(words);
    }
}

#[test]
fn a_state_file_that_was_removed_is_made_anew_by_the_next_sweep() {
    for verb in ["sweep", "reconcile"] {
        let patient = Patient::new();
        let before = lives(patient.world.records());
        std::fs::remove_file(state_file(&patient.world)).expect("removed");
        let told = patient.world.run(&[verb, "--format", "json"]).ended(0).json();
        assert!(told.to_string().contains("\"adopted\":2"), "{told}");
        assert_eq!(lives(patient.world.records()), before);
        patient.check_truth(verb);
    }
}

#[test]
fn a_lock_file_that_is_removed_while_commands_are_at_work_loses_no_service() {
    let patient = Patient::new();
    let lock = patient.world.root().join("engine/managed-processes.lock");
    for round in 0..6 {
        let specs: Vec<String> = (0..4).map(|number| format!("s-{round}-{number}")).collect();
        let start = |name: &String| {
            patient.world.declare(name, &[patient.world.shell(name, "exec sleep 1000")]);
            patient
                .world
                .command(&["accept", name])
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::null())
                .spawn()
        };
        let mut children: Vec<_> = specs.iter().map(|name| start(name).expect("starts")).collect();
        while children.iter_mut().any(|child| child.try_wait().expect("our own").is_none()) {
            drop(std::fs::remove_file(&lock));
            std::thread::yield_now();
        }
    }
    // Who lost the lock says so and has done nothing, or has left what is found again.
    patient.world.run(&["reconcile"]).ended(0);
    patient.check_truth("accepts without a lock");
}

/// Who may be forbidden something: this user, or nobody if it is root. `None` where root cannot become nobody.
fn common_user(patient: &Patient) -> Option<&'static [&'static str]> {
    if !rustix::process::geteuid().is_root() {
        return Some(&["env"]);
    }
    const NOBODY: [&str; 5] = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"];
    let mut tried = Command::new(NOBODY[0]);
    tried.args(&NOBODY[1..]).arg(patient.world.command(&[]).get_program()).arg("--version");
    if tried.output().is_ok_and(|ran| ran.status.success()) {
        return Some(&NOBODY);
    }
    skipped("SKIPPED: root cannot run this program as nobody, and nothing is forbidden to root");
    None
}

/// A world whose files and services are a common user's.
fn of_common_user() -> Option<(Patient, &'static [&'static str])> {
    let patient = Patient::new();
    let user = common_user(&patient)?;
    if user.len() > 1 {
        patient.world.run(&["stop", "web", "api"]).ended(0);
        let chown = Command::new("chown").args(["-R", "65534:65534"]).arg(patient.world.dir.path()).output();
        assert!(chown.is_ok_and(|ran| ran.status.success()));
        for name in ["web", "api"] {
            patient.world.declare(name, &[patient.world.shell(name, "exec sleep 1000")]);
            let line = ["accept", name, "--project", "shop"].map(str::to_owned);
            by_way_of(&patient, user[0], &user[1..])(&line).ended(0);
        }
        patient.world.declare("new", &[patient.world.shell("new", "exec sleep 1000")]);
    }
    Some((patient, user))
}

fn mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("ours");
}

#[test]
fn a_state_that_may_not_be_read_is_said_and_costs_nothing() {
    let Some((patient, user)) = of_common_user() else { return };
    let path = state_file(&patient.world);
    let before = lives(patient.world.records());
    mode(&path, 0o000);
    for words in ALL.concat() {
        let ran = by_way_of(&patient, user[0], &user[1..])(&patient.line(words)).ended(1);
        let all = format!("{}{}", ran.stdout, ran.stderr);
        assert!(all.contains("Permission denied") && all.contains("hint: "), "`{words}`: {all}");
    }
    mode(&path, 0o600);
    assert_eq!(lives(patient.world.records()), before);
    patient.check_truth("all");
}

#[test]
fn too_few_processes_are_said_and_cost_nothing() {
    let Some((patient, user)) = of_common_user() else { return };
    let before = lives(patient.world.records());
    let script = "ulimit -u 1 && exec \"$@\"";
    let args: Vec<&str> = user[1..].iter().copied().chain(["bash", "-c", script, "bash"]).collect();
    if !Command::new("bash").args(["-c", "ulimit -u"]).output().is_ok_and(|ran| ran.status.success()) {
        skipped("SKIPPED: there is no bash");
        return;
    }
    let run = by_way_of(&patient, user[0], &args);
    for words in ["accept new", "restart web", "sweep", "reconcile", "healthcheck"].iter().chain(&READERS) {
        let ran = run(&patient.line(words));
        let all = format!("{}{}", ran.stdout, ran.stderr);
        assert!(!all.contains("panicked") && matches!(ran.code, Some(0 | 1 | 4)), "`{words}`: {ran:?}");
        assert!(ran.code == Some(0) || all.contains("temporarily unavailable"), "`{words}`: {ran:?}");
        assert_eq!(lives(patient.world.records()), before, "`{words}`: {ran:?}");
        patient.check_truth(words);
    }
}

#[test]
fn times_from_after_tomorrow_or_before_1970_neither_panic_nor_blind() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_millis();
    let tomorrow = i64::try_from(now).expect("fits") + 86_400_000;
    let times = [tomorrow, i64::MAX, i64::MAX - 1, 1, 0, -1, i64::MIN, i64::MIN + 1];
    for at in times {
        for key in ["started_at", "last_health_at", "ttl_expires_at", "claim"] {
            let world = World::new();
            world.declare("ripley", &[world.shell("web", "exec sleep 1000")]);
            world.run(&["accept", "ripley", "--project", "shop"]).ended(0);
            let pid = pid_of(&world.record("web"));
            let mut state = world.state();
            let boot_id = state["specs"][0]["process"]["boot_id"].clone();
            state["specs"][0][key] = match key {
                "claim" => json!({"pid": 0x7fff_0000, "start_ticks": 1, "boot_id": boot_id, "verb": "renew", "at": at}),
                _ => json!(at),
            };
            std::fs::write(state_file(&world), state.to_string()).expect("written");
            for words in ["list", "show web", "context --project shop", "sweep --dry-run", "reconcile", "healthcheck"] {
                let ran = world.run(&words.split(' ').collect::<Vec<_>>());
                let is_over = key == "ttl_expires_at" && at <= 1;
                assert!(ran.code == Some(0) || is_over, "{key} {at}, `{words}`: {ran:?}");
                assert!(!ran.stderr.contains("panicked"), "{key} {at}, `{words}`: {ran:?}");
            }
            if key == "ttl_expires_at" && at <= 1 {
                assert!(world.records().is_empty() && !is_alive(pid), "its time is over: {at}");
                continue;
            }
            let record = world.record("web");
            assert!(is_alive(pid) && pid_of(&record) == pid && record["claim"].is_null(), "{key} {at}: {record}");
            let last = record["last_health_at"].as_i64().expect("a time");
            assert!(
                key != "last_health_at" || (last < tomorrow && last > tomorrow - 2 * 86_400_000),
                "probed anew: {record}"
            );
            world.run(&["renew", "web", "--ttl", "5"]).ended(0);
            world.run(&["restart", "web"]).ended(0);
            world.run(&["stop", "web"]).ended(0);
        }
    }
}

#[test]
fn what_a_shim_wrote_and_nobody_may_read_is_not_taken_for_what_is_not_there() {
    let Some((patient, user)) = of_common_user() else { return };
    let run = by_way_of(&patient, user[0], &user[1..]);
    let line = |words: &str| patient.line(words);
    let world = &patient.world;
    let before = world.records();
    let record = world.record("web");
    let run_dir = world.root().join("engine/managed-run/web").join(record["generation"].as_str().expect("one"));

    // A claim of a dead command: whether it came to a start stands in the folder alone.
    let mut state = world.state();
    for there in state["specs"].as_array_mut().expect("records").iter_mut().filter(|there| there["name"] == "web") {
        let boot_id = &record["process"]["boot_id"];
        there["claim"] = json!({"pid": 0x7fff_0000, "start_ticks": 1, "boot_id": boot_id, "verb": "restart", "at": 1});
        there["status"] = json!("starting");
        for key in ["pid", "process", "started_at"] {
            there[key] = Value::Null;
        }
    }
    std::fs::write(state_file(world), state.to_string()).expect("written");
    mode(&run_dir, 0o000);
    run(&line("sweep")).ended(0);
    for words in ["stop web", "restart web"] {
        let refused = run(&line(words)).ended(1);
        assert!(refused.stderr.contains("cannot tell") || refused.stderr.contains("cannot be told"), "{refused:?}");
    }
    assert!(is_alive(pid_of(&record)) && world.live_generations().len() == 2, "neither ended nor doubled");

    // No state at all.
    std::fs::remove_file(state_file(world)).expect("removed");
    let told = run(&line("sweep --format json")).ended(0).json();
    assert_eq!((&told["adopted"], &told["orphans_stopped"]), (&json!(1), &json!(0)), "{told}");
    assert!(is_alive(pid_of(&record)));
    mode(&run_dir, 0o700);
    run(&line("reconcile")).ended(0);
    assert_eq!(lives(world.records()), lives(before));
    patient.check_truth("all");
}
