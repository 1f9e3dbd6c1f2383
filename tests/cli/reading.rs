//! `list`, `show` and `logs`: what is there, said truly, without a lock.

#![expect(clippy::disallowed_methods, reason = "the test sets files up and waits for an end with a deadline")]

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::harness::{Place, Ran};

const STATE: &str = "engine/managed-processes.json";

/// A record without identity fields, of a pid above every pid_max (proc(5)): dead.
fn record(name: &str, project: &str) -> Value {
    json!({
        "name": name, "pid": 1 << 30, "owner_agent": "ripley", "owner_wi": "W-1", "owner_project": project,
        "cmd": "node", "args": ["server.js"], "cwd": "", "env": {"PORT": "3001"}, "ports": [3001, 3002],
        "attrs": {"base_url": "http://localhost:3001"},
        "healthcheck": {
            "type": "http", "url": "http://localhost:3001/", "expect_status": 200, "interval_s": 1, "timeout_s": 60
        },
        "started_at": 1_700_000_000_000_i64, "ttl_expires_at": 4_000_000_000_000_i64, "last_health_at": null,
        "healthy": true, "alive": true, "log_path": "", "status": "running"
    })
}

fn with_records(records: &[Value]) -> Place {
    let place = Place::new();
    place.write(STATE, json!({"version": 1, "revision": 3, "specs": records}).to_string());
    place
}

fn names(ran: &Ran) -> Vec<String> {
    let items = ran.json()["items"].as_array().expect("items").clone();
    items.iter().map(|item| item["name"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn an_empty_root_has_no_services_and_says_so_beside_stdout() {
    let place = Place::new();
    let table = place.run(&["list"]);
    assert!(table.code == 0 && table.stdout.is_empty() && table.stderr.starts_with("no services\n  hint: "), "{table}");
    let quiet = place.run(&["list", "-q"]);
    assert!(quiet.code == 0 && quiet.stderr.is_empty(), "{quiet}");
    let json = place.run(&["list", "--format", "json"]);
    assert!(json.code == 0 && json.stderr.is_empty(), "{json}");
    assert_eq!(json.json(), json!({"items": [], "etag": "97d170e1550eee4a"}), "SHA-1 of []");
    assert!(!place.root().join("engine").exists(), "reading makes nothing");
}

#[test]
fn services_are_sorted_by_name_and_a_dead_process_is_said_to_be_dead() {
    let place = with_records(&[record("web", "shop"), record("api", "shop")]);
    let listed = place.run(&["list", "--format", "json"]);
    assert_eq!(names(&listed), ["api", "web"]);
    assert_eq!(listed.json()["items"][0]["alive"], false);
    assert_eq!(listed.json()["items"][0]["status"], "running");
    let table = place.run(&["list"]);
    let lines: Vec<&str> = table.stdout.lines().collect();
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(lines[0]), ["NAME", "PROJECT", "STATUS", "HEALTH", "PID", "PORTS", "UPTIME", "LEFT", "MEMORY"]);
    assert_eq!(words(lines[1])[..7], ["api", "shop", "running,", "dead", "-", "1073741824", "3001,3002"]);
    let why = "it is dead, and nobody has acted on that yet";
    assert_eq!(lines[3..], ["", &format!("api: {why}"), &format!("web: {why}")]);
}

#[test]
fn every_filter_narrows_the_list() {
    let mut one = record("one", "shop");
    one["owner_agent"] = json!("hicks");
    one["owner_wi"] = json!("W-9");
    one["status"] = json!("stopped");
    one["worktree"] = json!("/nonexistent/tree");
    let place = with_records(&[one, record("two", "blog")]);
    let check = |filter: &[&str], expected: &[&str]| {
        let mut args = vec!["list", "--format", "json"];
        args.extend(filter);
        assert_eq!(names(&place.run(&args)), expected, "{filter:?}");
    };
    check(&[], &["one", "two"]);
    check(&["--project", "shop"], &["one"]);
    check(&["--project", "sho"], &[]);
    check(&["--agent", "hicks"], &["one"]);
    check(&["--work-item", "W-1"], &["two"]);
    check(&["--status", "stopped"], &["one"]);
    check(&["--status", "running", "--project", "blog"], &["two"]);
    check(&["--status", "running", "--project", "shop"], &[]);
    check(&["--worktree", "/nonexistent/tree/"], &["one"]);
}

#[test]
fn a_worktree_is_found_through_links() {
    let place = with_records(&[]);
    let tree = place.root().join("tree");
    std::fs::create_dir(&tree).expect("a folder");
    let tree = tree.canonicalize().expect("it is there");
    let link = place.root().join("link");
    std::os::unix::fs::symlink(&tree, &link).expect("a link");
    let mut one = record("one", "shop");
    one["worktree"] = json!(tree);
    place.write(STATE, json!({"version": 1, "revision": 3, "specs": [one]}).to_string());
    let link = link.to_str().expect("UTF-8");
    assert_eq!(names(&place.run(&["list", "--format", "json", "--worktree", link])), ["one"]);
}

#[test]
fn the_etag_is_of_the_records_shown_and_only_a_matching_one_is_not_modified() {
    let place = with_records(&[record("web", "shop"), record("api", "blog")]);
    let etag = |args: &[&str]| place.run(args).json()["etag"].as_str().expect("an etag").to_owned();
    let all = etag(&["list", "--format", "json"]);
    assert!(all.len() == 16 && all.bytes().all(|b| b.is_ascii_hexdigit()), "{all}");
    assert_ne!(all, etag(&["list", "--format", "json", "--project", "shop"]));
    for given in [all.clone(), format!("\"{all}\"")] {
        let same = place.run(&["list", "--format", "json", "--if-none-match", &given]);
        assert_eq!(same.json(), json!({"not_modified": true, "etag": all}));
    }
    assert_eq!(names(&place.run(&["list", "--format", "json", "--if-none-match", "0000"])), ["api", "web"]);
    place.write(
        STATE,
        json!({"version": 1, "revision": 4, "specs": [record("api", "blog"), record("web", "shop")]}).to_string(),
    );
    assert_eq!(etag(&["list", "--format", "json"]), all, "the order in the file does not matter");
    let mut changed = record("web", "shop");
    changed["attrs"]["base_url"] = json!("http://localhost:3009");
    place.write(STATE, json!({"version": 1, "revision": 5, "specs": [record("api", "blog"), changed]}).to_string());
    assert_ne!(etag(&["list", "--format", "json"]), all);
}

#[test]
fn a_long_list_is_in_order_and_its_etag_is_that_of_its_items() {
    let mut records: Vec<Value> = (0..300).map(|n| record(&format!("s-{n:03}"), "shop")).collect();
    records[7]["env"] = json!({"MY_TOKEN": "hunter2"});
    records.reverse();
    let ran = with_records(&records).run(&["list", "--format", "json"]);
    let expected: Vec<String> = (0..300).map(|n| format!("s-{n:03}")).collect();
    assert_eq!(names(&ran), expected);
    let items = ran.stdout.strip_prefix("{\"items\":").and_then(|rest| rest.split(",\"etag\":").next()).expect("items");
    let hash = <sha1::Sha1 as sha1::Digest>::digest(items);
    let digits: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(ran.json()["etag"], digits);
}

#[test]
fn secrets_are_in_no_output() {
    let mut secret = record("web", "shop");
    secret["env"] = json!({"MY_TOKEN": "hunter2", "DATABASE_URL": "postgres://bob:hunter2@db/x", "PORT": "3001"});
    secret["passed_env"] = json!({"X_API_KEY": "hunter2"});
    secret["args"] = json!(["--db", "postgres://bob:hunter2@db/x"]);
    secret["attrs"] = json!({"db": {"url": "redis://:hunter2@h"}});
    secret["healthcheck"]["url"] = json!("http://u:hunter2@localhost:3001/");
    let place = with_records(&[secret]);
    for args in [&["list"][..], &["list", "--format", "json"], &["show", "web"], &["show", "web", "--format", "json"]] {
        let ran = place.run(args);
        assert!(ran.code == 0 && !ran.stdout.contains("hunter2") && !ran.stderr.contains("hunter2"), "{args:?} {ran}");
    }
    let shown = place.run(&["show", "web", "--format", "json"]).json();
    assert_eq!(shown["env"]["MY_TOKEN"], "[redacted]");
    assert_eq!(shown["env"]["DATABASE_URL"], "postgres://[redacted]@db/x");
    assert_eq!(shown["env"]["PORT"], "3001");
    assert_eq!(shown["passed_env"]["X_API_KEY"], "[redacted]");
    assert_eq!(shown["attrs"]["db"]["url"], "redis://[redacted]@h");
}

#[test]
fn what_agents_write_cannot_command_the_terminal() {
    let mut nasty = record("web", "sh\u{1b}[2Jop\nNAME");
    nasty["attrs"] = json!({"k\u{7}": "\u{202e}x"});
    let place = with_records(&[nasty]);
    for args in [&["list"][..], &["show", "web"]] {
        let ran = place.run(args);
        assert!(!ran.stdout.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{ran}");
        assert!(ran.stdout.contains(r"sh\u{1b}[2Jop\nNAME"), "{ran}");
    }
}

#[test]
fn an_unknown_service_is_6_with_the_nearest_name() {
    let mut other = record("web-3fa9", "blog");
    other["declared_name"] = json!("site");
    let place = with_records(&[record("web", "shop"), other]);
    for command in ["show", "logs"] {
        let check = |name: &str, hint: &str| {
            let ran = place.run(&[command, name, "--format", "json"]);
            ran.expect(6, &format!("hint: {hint}\n[no-such-service, exit 6]"));
            assert_eq!(ran.json()["error"]["code"], "no-such-service", "{ran}");
        };
        check("wbe", "nearest: `web`");
        check("site", "declared under that name: `web-3fa9`");
        check("postgres", "every service: minions managed list");
        check("../../etc/passwd", "every service: minions managed list");
        check("a\u{1b}b", "every service: minions managed list");
    }
}

#[test]
fn an_unreadable_state_file_is_set_aside_and_said_with_9() {
    let place = Place::new();
    place.write(STATE, "{\"version\": 1, \"specs\": [");
    let ran = place.run(&["list", "--format", "json"]);
    ran.expect(9, "[state-set-aside]");
    assert_eq!(names(&ran), Vec::<String>::new());
    let kept = std::fs::read_dir(place.root().join("engine")).expect("the folder");
    let kept = kept.filter(|entry| entry.as_ref().is_ok_and(|e| e.file_name().to_string_lossy().contains(".corrupt-")));
    assert_eq!(kept.count(), 1);
    assert_eq!(place.run(&["list"]).code, 0, "the next one is at peace");
}

/// A place with a service whose log holds `text`.
fn with_log(text: &[u8]) -> Place {
    let place = Place::new();
    let mut web = record("web", "shop");
    web["log_path"] = json!(place.root().join("engine/managed-logs/web.log"));
    place.write(STATE, json!({"version": 1, "revision": 3, "specs": [web, record("silent", "shop")]}).to_string());
    place.write("engine/managed-logs/web.log", text);
    place
}

#[test]
fn the_end_of_a_log_goes_out_byte_for_byte() {
    let text: Vec<u8> = (1..=200).flat_map(|n| format!("line {n} \x1b[2J\n").into_bytes()).collect();
    let place = with_log(&text);
    let check = |args: &[&str], lines: usize, first: &str| {
        let ran = place.run(args);
        assert!(ran.code == 0 && ran.stderr.is_empty(), "{ran}");
        assert_eq!(ran.stdout.lines().count(), lines, "{args:?}");
        assert!(ran.stdout.starts_with(first), "{ran}");
    };
    check(&["logs", "web"], 50, "line 151 \x1b[2J\n");
    check(&["logs", "web", "-n", "3"], 3, "line 198 ");
    check(&["logs", "web", "--lines", "1000"], 200, "line 1 ");
    check(&["logs", "web", "-n", "0"], 0, "");
    let document = place.run(&["logs", "web", "-n", "2", "--format", "json"]).json();
    assert_eq!(document["lines"], json!(["line 199 \u{1b}[2J", "line 200 \u{1b}[2J"]));
    assert_eq!(document["name"], "web");
    place.run(&["logs", "web", "-f", "--format", "json"]).expect(64, "[usage, exit 64]");
    assert!(place.run(&["show", "web"]).stdout.contains("  line 200 \\u{1b}[2J\n"));
}

#[test]
fn a_log_that_is_not_there_is_told_from_a_service_that_is_not_there() {
    let place = with_log(b"now\n");
    place.run(&["logs", "silent"]).expect(0, "has written nothing yet");
    place.run(&["logs", "web", "--previous"]).expect(6, "[no-previous-log, exit 6]");
    place.write("engine/managed-logs/web.log.1", "before\n");
    assert_eq!(place.run(&["logs", "web", "--previous"]).stdout, "before\n");
    place.write("engine/managed-logs/gone.log", "last words\n");
    let gone = place.run(&["logs", "gone"]);
    gone.expect(0, "there is no service `gone` now");
    assert_eq!(gone.stdout, "last words\n");
}

#[test]
fn a_followed_log_goes_on_over_rotation_and_ends_with_its_reader() {
    let place = with_log(b"one\ntwo\n");
    let log = place.root().join("engine/managed-logs/web.log");
    let mut command = place.command(&["managed", "logs", "web", "-n", "1", "-f"]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut next = || lines.next().expect("a line").expect("readable");
    assert_eq!(next(), "two");
    append(&log, "three\n");
    assert_eq!(next(), "three");
    std::fs::rename(&log, log.with_extension("log.1")).expect("rotated");
    append(&log, "four\n");
    assert_eq!(next(), "four");
    drop(lines);
    let deadline = Instant::now() + Duration::from_secs(10);
    let status = loop {
        if let Some(status) = child.try_wait().expect("it is ours") {
            break status;
        }
        assert!(Instant::now() < deadline, "it ends once nobody reads");
        std::thread::yield_now();
    };
    assert_eq!(status.code(), Some(0));
}

fn append(path: &std::path::Path, text: &str) {
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).expect("the log");
    file.write_all(text.as_bytes()).expect("written");
}
