//! Secrets are planted wherever somebody may put one; then every command runs, in both formats and at its most talkative, and
//! neither what they print nor any file that they write holds one. The files that must hold them are named here, and no others.

use std::path::Path;

use minions_managed::cli::reference;
use serde_json::{Value, json};

use crate::support::{Ran, World, naughty, ran};

/// Every secret begins so.
const PLANT: &str = "Plant3d-";

/// Where files under the root begin that must hold what they were given: what people and agents wrote themselves, what a restart
/// needs, and the services' own words.
const HOLDERS: [&str; 5] =
    ["config.json", "agents/", "engine/managed-processes.json", "engine/managed-run/", "engine/managed-logs/"];

/// Commands that are not run here, and why not.
const LEFT_OUT: [(&str, &str); 3] = [
    ("demo", "it has a root of its own"),
    ("run", "it does not end by itself; its steps are those of sweep, healthcheck, accept and outbox"),
    ("serve", "it does not end by itself"),
];

/// What is run, in this order; what a service wrote itself (`logs`) is shown as it is, so that one is asked for that wrote nothing.
const LINES: [&str; 44] = [
    "validate",
    "validate bad",
    "accept good",
    "accept noisy",
    "accept bad",
    "accept gone",
    "accept probed",
    "list",
    "show good",
    "show none",
    "logs good",
    "context --project shop",
    "hint --agent good --work-item W-1",
    "holders .",
    "explain good",
    "healthcheck",
    "sweep --dry-run",
    "sweep",
    "reconcile",
    "renew good",
    "touch good",
    "updated --project shop",
    "ensure good",
    "restart good",
    "queue",
    "queue cancel gone",
    "runs",
    "runs show none",
    "events",
    "timeline",
    "outbox status",
    "outbox drain",
    "outbox dead-letters",
    "outbox retry",
    "config",
    "schema config",
    "doctor",
    "completions bash",
    "man list",
    "stop good",
    "remove-project shop",
    "release .",
    "list --project http://u:Plant3d-listed@h/",
    "show http://u:Plant3d-shown@h/",
];

/// The commands that there are, as they are typed behind `minions managed`; of those with commands below them, these.
fn commands() -> Vec<String> {
    let typed: Vec<String> = reference::examples().into_iter().map(|(typed, _)| typed).collect();
    let names = typed.iter().filter_map(|typed| typed.strip_prefix("minions managed "));
    let is_leaf = |name: &&str| !typed.iter().any(|other| other.starts_with(&format!("minions managed {name} ")));
    // These do something without one too.
    let is_both = |name: &&str| matches!(*name, "queue" | "runs");
    names.filter(|name| is_leaf(name) || is_both(name)).map(str::to_owned).collect()
}

fn is_of(line: &str, command: &str) -> bool {
    line == command || line.starts_with(&format!("{command} "))
}

#[test]
fn every_command_is_searched_for_secrets() {
    let is_known = |command: &String| {
        LEFT_OUT.iter().any(|(left_out, _)| left_out == command) || LINES.iter().any(|line| is_of(line, command))
    };
    let forgotten: Vec<String> = commands().into_iter().filter(|command| !is_known(command)).collect();
    assert_eq!(forgotten, Vec::<String>::new(), "add them to LINES, or to LEFT_OUT with the reason");
}

/// A secret of that name.
fn plant(name: &str) -> String {
    format!("{PLANT}{name}")
}

/// A spec with a secret in all that is free text.
fn planted(world: &World, name: &str, script: &str) -> Value {
    let mut spec = world.shell(name, script);
    let args =
        format!("exec sleep 1000; : postgres://bob:{}@h/x http://h/?access_token={}", plant("args"), plant("query"));
    spec["args"] = json!(["-c", script.replace("SLEEP", &args)]);
    spec["env"] = json!({
        "MY_TOKEN": plant("env"),
        "MY_URL": format!("redis://:{}@h/?password={}", plant("envurl"), plant("envquery")),
    });
    spec["attrs"] = json!({
        "db": {"url": format!("redis://:{}@h", plant("attrs"))},
        "hooks": [format!("http://h/?api_key={}", plant("attrquery")), format!("Authorization: Bearer {}", plant("bearer"))],
    });
    spec
}

fn world() -> World {
    let world = World::new();
    let hook = format!("http://127.0.0.1:9/?token={}", plant("hookurl"));
    let headers = json!({"X-A": plant("header"), "Authorization": {"env": "HOOK_AUTH"}});
    let complain = format!("echo $X_API_KEY http://u:{}@h $HOOK_AUTH >&2; cat >&2; exit 3", plant("complaint"));
    world.set(&json!({
        "envKeyAllowlistPrefixes": ["MY_"], "passEnvKeys": ["PATH", "X_API_KEY"],
        "outbox": {"sinks": [
            {"name": "hook", "type": "webhook", "url": hook, "headers": headers, "timeoutSec": 1},
            {"name": "cmd", "type": "command", "cmd": "sh", "args": ["-c", complain], "timeoutSec": 5},
            {"name": "file", "type": "file", "path": "notes/out.jsonl"},
        ]},
    }));
    world
}

/// Every agent's sidecar, anew.
fn declare(world: &World) {
    world.declare("good", &[planted(world, "good", "SLEEP")]);
    // It tells its secrets before it fails: they come into the report, the run, the alert and the journal.
    let tell = format!("echo $MY_TOKEN $MY_URL $X_API_KEY 'Bearer {}'; exit 1", plant("told"));
    let mut noisy = planted(world, "noisy", &tell);
    noisy["healthcheck"]["cmd"] = json!("sh -c false");
    world.declare("noisy", &[noisy]);
    // What is wrong is quoted.
    let mut bad = planted(world, "bad", "SLEEP");
    bad["cmd"] = json!(format!("http://u:{}@h/", plant("cmd")));
    bad["healthcheck"] =
        json!({"type": "http", "url": format!("ftp://u:{}@h/?token={}", plant("url"), plant("urlquery"))});
    world.declare("bad", &[bad]);
    let mut gone = planted(world, "gone", "SLEEP");
    gone["cwd"] = json!(world.dir.path().join(format!("work/http://u:{}@h", plant("cwd"))));
    world.declare("gone", &[gone]);
    // Nobody answers there, and why is told; and a probe that quotes what it got.
    let mut refused = planted(world, "refused", "SLEEP");
    let url = format!("http://u:{}@127.0.0.1:9/?token={}", plant("probe"), plant("probequery"));
    refused["healthcheck"] = json!({"type": "http", "url": url, "expect_status": 200, "timeout_s": 1});
    let mut quoted = planted(world, "quoted", "SLEEP");
    let answer = format!("sh -c 'echo $MY_TOKEN http://u:{}@h; echo $MY_TOKEN >&2'", plant("answer"));
    quoted["healthcheck"] =
        json!({"type": "command", "cmd": answer, "shell": true, "expect_regex": "^nothing$", "timeout_s": 1});
    world.declare("probed", &[refused, quoted]);
}

fn run(world: &World, line: &str, more: &[&str]) -> Ran {
    let mut command = world.command(&line.split(' ').collect::<Vec<_>>());
    command.args(more).current_dir(world.dir.path().join("work"));
    command.env("X_API_KEY", plant("passed")).env("HOOK_AUTH", format!("Bearer {}", plant("hookauth")));
    if line.starts_with("accept") {
        command.args(["--project", "shop"]);
    }
    ran(&mut command)
}

/// The lines of `text` that hold a secret.
fn leaks(text: &str) -> Vec<String> {
    // A path that a test made is no secret, though its folder is named after one.
    text.lines().filter(|line| line.contains(PLANT)).map(str::to_owned).collect()
}

/// Every file below `dir`.
fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let below = |path: std::path::PathBuf| if path.is_dir() { files(&path) } else { vec![path] };
    entries.flat_map(|entry| below(entry.path())).collect()
}

/// What is told of events that sinks have refused too often, with reasons that sinks gave.
fn dead_letters(world: &World) -> Vec<String> {
    let count = || run(world, "outbox dead-letters", &["--format", "json"]).json()["items"].as_array().unwrap().len();
    while count() < 2 {
        run(world, "outbox drain", &["-q"]);
    }
    let mut found = Vec::new();
    for line in
        ["outbox dead-letters", "outbox status", "events", "timeline", "doctor", "list", "explain good", "outbox retry"]
    {
        for more in [&["-vvv"][..], &["--format", "json", "-vvv"]] {
            let ran = run(world, line, more);
            let is_shown = !line.contains("dead-letters") || ran.stdout.contains("[redacted]");
            assert!(is_shown, "the reason is there, and what it hides: {ran:?}");
            found
                .extend(leaks(&ran.stdout).into_iter().chain(leaks(&ran.stderr)).map(|leak| format!("{line}: {leak}")));
        }
    }
    found
}

#[test]
fn no_output_and_no_file_holds_a_secret_that_need_not() {
    let world = world();
    assert!(naughty().exists(), "the tests are built");
    let known = commands();
    let mut found = Vec::new();
    for more in [&["-vvv"][..], &["--format", "json"], &["--format", "json", "-vvv"]] {
        declare(&world);
        for line in LINES.iter().filter(|line| known.iter().any(|command| is_of(line, command))) {
            let ran = run(&world, line, more);
            assert_ne!(ran.code, Some(64), "{line} is a command line: {ran:?}");
            let is_hidden = ran.stdout.contains("[redacted]");
            assert!(is_hidden || !matches!(*line, "accept noisy" | "accept probed" | "show good"), "{line}: {ran:?}");
            for (stream, text) in [("stdout", &ran.stdout), ("stderr", &ran.stderr)] {
                found.extend(leaks(text).into_iter().map(|leak| format!("{line} {more:?} on {stream}: {leak}")));
            }
        }
    }
    found.extend(dead_letters(&world));
    let root = world.root();
    let mut searched = 0;
    for path in files(&root) {
        let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
        if HOLDERS.iter().any(|holder| name.starts_with(holder)) {
            continue;
        }
        searched += 1;
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        found.extend(leaks(&text).into_iter().map(|leak| format!("{name}: {leak}")));
    }
    assert!(searched > 5, "runs, alerts, positions and more were written");
    assert_eq!(found, Vec::<String>::new(), "{} leaks", found.len());
}
