//! `doctor`: every trouble that it knows is really made, and really found. What needs a mount or a process table of its own is
//! done in a namespace; where none may be made, the test says so.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "troubles are made by hand, and what is not tried is said"
)]

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use minions_managed::base::lock::FileLock;
use serde_json::{Value, json};

use super::harness::{Place, Ran, project, ran};

const STATE: &str = "engine/managed-processes.json";
const DAY_MS: i64 = 24 * 3600 * 1000;

/// A place that `doctor` finds nothing wrong with, but for what this machine lacks.
fn sound() -> Place {
    let place = Place::new();
    close(&place, 0o700);
    place
}

fn close(place: &Place, mode: u32) {
    std::fs::set_permissions(place.root(), std::fs::Permissions::from_mode(mode)).unwrap();
}

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// A record of a service that never ran, started a minute ago, changed by `change`.
fn record(change: impl Fn(&mut Value)) -> Value {
    let fixture = std::fs::read_to_string(project().join("fixtures/state/v1.json")).unwrap();
    let mut record = serde_json::from_str::<Value>(&fixture).unwrap()["specs"][0].clone();
    let started = now() - 60_000;
    for (key, at) in [("started_at", 0), ("last_health_at", 1000), ("ttl_expires_at", DAY_MS)] {
        record[key] = json!(started + at);
    }
    change(&mut record);
    record
}

fn write_state(place: &Place, records: &[Value]) {
    place.write(STATE, json!({"version": 1, "revision": 7, "specs": records}).to_string());
}

/// The findings as `severity code`, after a check that JSON, table and exit code say the same.
fn found(json: &Ran, table: &Ran) -> Vec<String> {
    let report = json.json();
    let findings = report["findings"].as_array().unwrap();
    let word = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    let all: Vec<String> =
        findings.iter().map(|one| format!("{} {}", word(one, "severity"), word(one, "code"))).collect();
    let is_ok = !all.iter().any(|one| one.starts_with("error "));
    assert_eq!(report["ok"], is_ok, "{json}");
    assert!(json.code == i32::from(!is_ok) && table.code == json.code, "{json}{table}");
    assert!(!json.stdout.contains('\u{1b}') && json.stderr.is_empty(), "{json}");
    // What is unreaped is another thing at each look.
    for finding in findings.iter().filter(|one| one["severity"] != "ok" && one["area"] != "system") {
        assert!(table.stdout.contains(&format!("[{}]", word(finding, "code"))), "{finding}: {table}");
        let is_helpful = finding["hint"].is_string() || finding["severity"] == "note";
        assert!(is_helpful, "a finding that matters says what to do: {finding}");
    }
    let areas = ["root", "space", "lock", "state", "records", "upkeep", "settings", "path", "clock", "system"];
    // A root that is no folder has nothing else to be looked at, and is said all the same.
    assert!(areas.iter().all(|area| findings.iter().any(|one| one["area"] == *area)), "{json}");
    all
}

fn doctor(place: &Place) -> Vec<String> {
    found(&place.run(&["doctor", "--format", "json"]), &place.run(&["doctor"]))
}

/// Fails unless `doctor` finds `expected` (`severity code`) after `trouble`, and did not before.
fn check(expected: &str, trouble: impl Fn(&Place)) {
    let place = sound();
    let before = doctor(&place);
    assert!(!before.iter().any(|one| one == expected || one.starts_with("error ")), "{expected} in {before:?}");
    trouble(&place);
    let after = doctor(&place);
    assert!(after.iter().any(|one| one == expected), "{expected} in {after:?}");
}

/// Whether this user may make such namespaces here.
fn may_have_namespace(flags: &str) -> bool {
    let may = Command::new("unshare").args([flags, "true"]).output().is_ok_and(|tried| tried.status.success());
    if !may {
        println!("no namespace of its own may be made: not tried");
    }
    may
}

/// Runs `doctor` in a namespace of its own after `preparation`, a shell script; `None` if there may be none.
fn in_namespace(place: &Place, flags: &str, preparation: &str) -> Option<Vec<String>> {
    if !may_have_namespace(flags) {
        return None;
    }
    let program = place.command(&[]).get_program().to_string_lossy().into_owned();
    let run = |format: &str| {
        let script = format!("{preparation} && {program} managed doctor --format {format}; exit $?");
        let mut command = Command::new("unshare");
        command.args([flags, "sh", "-c", &script]).env("MINIONS_DIR", place.root()).env("HOME", place.home());
        ran(&mut command)
    };
    Some(found(&run("json"), &run("table")))
}

#[test]
fn a_sound_root_has_no_error_and_is_left_as_it_was() {
    let place = sound();
    let findings = doctor(&place);
    for expected in ["ok root-found", "ok lock-missing", "ok state-missing", "ok records-true", "ok settings-taken"] {
        assert!(findings.iter().any(|one| one == expected), "{expected} in {findings:?}");
    }
    assert_eq!(std::fs::read_dir(place.root()).unwrap().count(), 0, "nothing is made");
}

#[test]
fn trouble_with_the_root_is_found() {
    check("note root-missing", |place| std::fs::remove_dir(place.root()).unwrap());
    check("error root-not-a-folder", |place| {
        std::fs::remove_dir(place.root()).unwrap();
        std::fs::write(place.root(), "x").unwrap();
    });
    check("error root-open-to-all", |place| close(place, 0o777));
    check("warning root-open-to-group", |place| close(place, 0o770));
    check("warning files-readable", |place| {
        place.write("engine/x", "");
        close(place, 0o755);
    });
    if rustix::process::geteuid().is_root() {
        check("warning root-of-another-user", |place| {
            std::os::unix::fs::chown(place.root(), Some(4711), None).unwrap()
        });
    } else {
        check("error root-unwritable", |place| close(place, 0o500));
    }
}

#[test]
fn a_mount_that_is_read_only_or_full_or_cannot_collapse_is_found() {
    let expect = |preparation: &str, expected: &[&str]| {
        let place = sound();
        let mount = format!("mount -t tmpfs {preparation}").replace("ROOT", place.root().to_str().unwrap());
        let Some(findings) = in_namespace(&place, "-rm", &mount) else { return };
        for one in expected {
            assert!(findings.iter().any(|found| found == one), "{one} in {findings:?}");
        }
    };
    expect("-o ro none ROOT", &["error root-unwritable", "error space-read-only"]);
    expect("-o size=64k none ROOT", &["error space-low", "note space-no-collapse"]);
    expect("-o size=64k none ROOT && { cat /dev/zero >ROOT/x; true; } 2>/dev/null", &["error root-unwritable"]);
    expect("-o size=100m none ROOT", &["warning space-scarce"]);
    expect("-o size=1g,nr_inodes=20 none ROOT", &["error files-low", "ok space-enough"]);
    expect("-o size=1g,nr_inodes=200 none ROOT", &["warning files-scarce"]);
}

#[test]
fn a_lock_that_is_held_is_found_with_its_holder_and_a_note_left_behind_is_no_trouble() {
    let place = sound();
    let path = place.root().join("engine/managed-processes.lock");
    let held = FileLock::acquire(&path, Duration::from_secs(1), "accept").unwrap();
    let ran = place.run(&["doctor"]);
    let holder = format!("pid {}", std::process::id());
    assert!(ran.code == 1 && ran.stdout.contains("✗ error    lock") && ran.stdout.contains(&holder), "{ran}");
    drop(held);
    assert!(doctor(&place).contains(&"ok lock-free".to_owned()));
    place.write("engine/managed-processes.lock", "2147418112 stop 1795172866000\n");
    let ran = place.run(&["doctor"]);
    let words = "✓ ok       lock      the lock can be had; pid 2147418112 (`stop`) was killed while holding it";
    assert!(ran.stdout.contains(words), "{ran}");
    assert!(std::fs::read_to_string(&path).unwrap().starts_with("2147418112 stop"), "the note stays");
    check("error lock-unreadable", |place| {
        std::fs::create_dir_all(place.root().join("engine/managed-processes.lock")).unwrap();
    });
}

#[test]
fn trouble_with_the_state_file_is_found_and_the_file_is_left_alone() {
    let bad = |name: &'static str| {
        move |place: &Place| {
            let bytes = std::fs::read(project().join("fixtures/state").join(name)).unwrap();
            place.write(STATE, &bytes);
            place.run(&["doctor"]).expect(1, "");
            assert_eq!(std::fs::read(place.root().join(STATE)).unwrap(), bytes, "nothing is set aside");
        }
    };
    check("error state-unreadable", bad("unreadable-array.json"));
    check("error state-newer", bad("newer.json"));
    check("error state-newer", bad("newer-other-shape.json"));
    check("error state-malformed", bad("malformed-one.json"));
    check("note state-set-aside", |place| place.write("engine/managed-processes.json.corrupt-17", "x"));
    check("note state-set-aside", |place| place.write("engine/managed-processes.json.malformed-17.json", "[]"));
    check("note records-unread", |place| place.write(STATE, "["));
}

#[test]
fn records_that_are_not_as_their_processes_are_found() {
    let one = |change: fn(&mut Value)| move |place: &Place| write_state(place, &[record(change)]);
    // A pid of this very test, which is none of the service's.
    let foreign = |record: &mut Value| {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        record["process"]["boot_id"] = json!(boot.trim());
        record["pid"] = json!(std::process::id());
        record["process"]["pid"] = json!(std::process::id());
    };
    check("warning record-dead", one(|_| ()));
    check("warning record-pid-foreign", one(foreign));
    check(
        "warning record-abandoned",
        one(|record| {
            record["status"] = json!("starting");
            record["claim"] =
                json!({"verb": "accept", "at": now(), "pid": 2_147_418_112, "start_ticks": 1, "boot_id": "x"});
        }),
    );
    check("warning sweep-overdue", one(|record| record["ttl_expires_at"] = json!(now() - 3_600_000)));
    check("warning program-gone", one(|record| record["resolved_cmd"] = json!("/nonexistent/npm")));
    check("warning record-without-path", one(|record| record["passed_env"] = json!({})));
    check(
        "note program-elsewhere",
        one(|record| {
            record["cmd"] = json!("sh");
            record["resolved_cmd"] = json!("/proc/self/exe");
        }),
    );
    check("warning clock-behind", one(|record| record["started_at"] = json!(now() + 3_600_000)));
    check("warning clock-behind-files", |place| {
        write_state(place, &[]);
        let file = std::fs::File::options().append(true).open(place.root().join(STATE)).unwrap();
        file.set_modified(SystemTime::now() + Duration::from_secs(3600)).unwrap();
    });
}

#[test]
fn what_waits_too_long_is_found() {
    check("warning sidecar-waits", |place| {
        place.write("agents/ripley/managed-spawn.json", "{}");
        let path = place.root().join("agents/ripley/managed-spawn.json");
        let file = std::fs::File::options().append(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(25 * 3600)).unwrap();
    });
    check("note alerts-unread", |place| place.write("notes/inbox/alert.md", "# x"));
    check("warning log-not-rotated", |place| {
        place.write("config.json", r#"{"engine": {"managedSpawn": {"logRotateBytes": 65536}}}"#);
        place.write("engine/managed-logs/web.log", vec![b'x'; 200_000]);
    });
}

#[test]
fn trouble_with_settings_is_found_and_does_not_keep_the_rest_from_being_looked_at() {
    let set = |ours: &'static str| {
        move |place: &Place| place.write("config.json", format!(r#"{{"engine": {{"managedSpawn": {ours}}}}}"#))
    };
    check("error settings-refused", set(r#"{"maxTtlMinute": 5}"#));
    check("note settings-disabled", set(r#"{"enabled": false}"#));
    check("warning deny-patterns-missing", set(r#"{"envKeyDenyPatterns": ["_SECRET"]}"#));
    check("warning allowlist-empty", set(r#"{"executableAllowlist": []}"#));
}

#[test]
fn trouble_with_the_path_is_found() {
    let place = sound();
    let check = |path: Option<&str>, expected: &str| {
        let run = |format: &str| {
            let mut command = place.command(&["managed", "doctor", "--format", format]);
            command.env_remove("PATH").envs(path.map(|path| ("PATH", path)));
            ran(&mut command)
        };
        let findings = found(&run("json"), &run("table"));
        assert!(findings.iter().any(|one| one == expected), "{path:?}: {expected} in {findings:?}");
    };
    check(Some("/usr/local/bin:/usr/bin:/bin"), "ok path-has");
    check(Some("/nonexistent"), "warning path-lacks-all");
    check(None, "error path-missing");
    check(Some("/usr/bin:/bin:."), "note path-relative");
    check(Some("/usr/bin:/bin"), "note cron-lacks-minions");
}

#[test]
fn a_first_process_that_reaps_nobody_is_found() {
    let place = sound();
    if !may_have_namespace("-rpfm") {
        return;
    }
    let program = place.command(&[]).get_program().to_string_lossy().into_owned();
    // `cat` becomes the first process and never waits for children; it ends with the shell that holds the other end of its
    // fifo, which looks only once the orphan that it made is a zombie.
    let script = format!(
        "mkfifo f && {{ (exec 3>f; (true &); until grep -q '^State:.Z' /proc/[0-9]*/status 2>/dev/null; do :; done; \
         {program} managed doctor --format json >found) & exec cat f; }}"
    );
    let mut command = Command::new("unshare");
    command.args(["-rpfm", "--mount-proc", "sh", "-c", &script]).current_dir(place.root());
    let ran = ran(command.env("MINIONS_DIR", place.root()).env("HOME", place.home()));
    let report = std::fs::read_to_string(place.root().join("found")).unwrap_or_else(|error| panic!("{error}: {ran}"));
    assert!(report.contains("zombies-unreaped"), "{report}");
}
