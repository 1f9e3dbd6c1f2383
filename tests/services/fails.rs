//! Starts that fail: each is said at once, in the system's words, and leaves nothing.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{World, is_alive, pid_of, wait_for};
use crate::weaker::weaker;

/// Far below the 30 s that the healthcheck would wait; far above what a loaded machine needs.
const SOON: Duration = Duration::from_secs(10);

fn check_fails_soon(world: &World, spec: &Value, code: i32, part: &str) -> Value {
    world.declare("ripley", std::slice::from_ref(spec));
    let began = Instant::now();
    let (ended, report) = world.accept("ripley", &[]);
    assert!(began.elapsed() < SOON, "{:?}: {report}", began.elapsed());
    assert_eq!(ended, Some(code), "{report}");
    let error = report["specs"][0]["error"].as_str().unwrap_or_default();
    assert!(error.contains(part), "`{part}` expected in {report}");
    assert!(world.records().is_empty(), "{report}");
    assert_eq!(world.processes(), Vec::<u32>::new(), "{report}");
    report
}

#[test]
fn a_program_that_does_not_exist_is_said_at_once() {
    let world = World::new();
    world.set(&json!({"executableAllowlist": ["nosuchprogram"]}));
    let mut spec = world.server("web", "http");
    spec["cmd"] = json!("nosuchprogram");
    let report = check_fails_soon(&world, &spec, 4, "no program `nosuchprogram`");
    assert_eq!(report["failure_class"], "spawn-failed");
    spec["cmd"] = json!("./nosuchprogram");
    check_fails_soon(&world, &spec, 4, "there is no program at");
}

#[test]
fn a_program_that_cannot_be_run_is_said_in_the_systems_words() {
    let world = World::new();
    world.set(&json!({"executableAllowlist": ["broken"]}));
    let script = world.dir.path().join("work/broken");
    std::fs::write(&script, "#!/no/such/interpreter\n").expect("written");
    std::os::unix::fs::chown(&script, None, None).expect("ours");
    let mut mode = std::fs::metadata(&script).expect("there").permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0o755);
    std::fs::set_permissions(&script, mode).expect("set");
    let mut spec = world.server("web", "http");
    spec["cmd"] = json!(script);
    let report = check_fails_soon(&world, &spec, 4, "No such file or directory");
    assert!(report["specs"][0]["error"].as_str().is_some_and(|error| error.contains("interpreter")), "{report}");
}

#[test]
fn a_port_in_use_is_said_with_who_holds_it_and_nothing_is_spawned() {
    let world = World::new();
    let held = world.server("first", "http");
    world.declare("ripley", std::slice::from_ref(&held));
    assert_eq!(world.accept("ripley", &["--project", "shop"]).0, Some(0));
    let holder = world.record("first");
    let mut second = held.clone();
    second["name"] = json!("second");
    world.declare("dallas", &[world.shell("innocent", "exec sleep 1000"), second]);
    let (code, report) = world.accept("dallas", &[]);
    assert_eq!(code, Some(7), "{report}");
    let error = report["reason"].as_str().expect("a reason");
    let who = match weaker("who listens on a port") {
        true => "a process that is not to be seen; most likely service `first`".to_owned(),
        false => format!("pid {} ", holder["pid"]),
    };
    assert!(error.starts_with(&format!("port-in-use ({}: {who}", held["ports"][0])), "{error}");
    assert!(error.contains("service `first`, project shop"), "{error}");
    assert!(error.contains(world.dir.path().join("work").to_str().expect("UTF-8")), "{error}");
    assert_eq!(world.records().len(), 1, "nothing was spawned");
    assert!(world.root().join("agents/dallas/managed-spawn.json").exists(), "the sidecar waits for a free port");
}

#[test]
fn an_exit_before_the_first_health_ends_the_wait_with_its_code_and_log() {
    let world = World::new();
    let mut spec = world.shell("s", "echo one; echo two >&2; exit 7");
    spec["healthcheck"]["cmd"] = json!("sh -c false");
    let report = check_fails_soon(&world, &spec, 4, "exit code 7");
    assert_eq!(report["failure_class"], "managed-spawn-healthcheck-failed");
    assert_eq!(report["specs"][0]["log_tail"], json!(["one", "two"]));
    let inbox = std::fs::read_dir(world.root().join("notes/inbox")).expect("an inbox");
    let alert = inbox.filter_map(|entry| std::fs::read_to_string(entry.ok()?.path()).ok()).collect::<String>();
    assert!(alert.contains("exit code 7") && alert.contains("one\ntwo"), "{alert}");
}

#[test]
fn a_service_that_is_never_healthy_is_stopped_and_its_healthy_sibling_stays() {
    let world = World::new();
    let mut sick = world.server("sick", "http");
    sick["args"].as_array_mut().expect("args").push(json!("500"));
    sick["healthcheck"]["timeout_s"] = json!(0.5);
    sick["healthcheck"]["interval_s"] = json!(0.1);
    world.declare("ripley", &[sick, world.server("well", "http")]);
    let (code, report) = world.accept("ripley", &[]);
    assert_eq!((code, &report["outcome"]), (Some(5), &json!("partial")), "{report}");
    assert!(report["specs"][0]["error"].as_str().is_some_and(|error| error.contains("status 500")), "{report}");
    assert_eq!(world.records().len(), 1);
    assert!(is_alive(pid_of(&world.record("well"))));
    assert_eq!(world.live_generations().len(), 1, "the sick one is gone");
}

#[test]
fn a_working_folder_that_vanished_is_said() {
    let world = World::new();
    let folder = world.worktree("work").join("sub");
    std::fs::create_dir(&folder).expect("made");
    // It is there when the sidecar is judged and gone when the service starts: a slow old generation makes the gap.
    let mut spec = world.shell("s", "trap 'rmdir ../sub; exit 0' TERM; while :; do sleep 0.02; done");
    spec["cwd"] = json!(folder);
    world.declare("ripley", std::slice::from_ref(&spec));
    assert_eq!(world.accept("ripley", &[]).0, Some(0));
    let old = pid_of(&world.record("s"));
    spec["ttl_minutes"] = json!(9);
    world.declare("ripley", &[spec]);
    let (code, report) = world.accept("ripley", &[]);
    assert_eq!(code, Some(4), "{report}");
    let error = report["specs"][0]["error"].as_str().unwrap_or_default();
    assert!(error.contains("working folder") && error.contains("No such file"), "{report}");
    assert!(world.records().is_empty());
    wait_for("the old one is gone", || !is_alive(old));
}

#[test]
fn a_rejected_sidecar_moves_aside_with_an_alert_and_nothing_is_started() {
    let world = World::new();
    let mut spec = world.server("Web", "http");
    spec["ports"] = json!([80]);
    world.declare("ripley", &[spec]);
    let (code, report) = world.accept("ripley", &[]);
    assert_eq!(code, Some(3), "{report}");
    assert_eq!(report["reason"], "spec[0]: name-not-kebab-case (Web)");
    let agent = world.root().join("agents/ripley");
    assert!(!agent.join("managed-spawn.json").exists() && agent.join("managed-spawn.rejected.json").exists());
    let inbox = std::fs::read_dir(world.root().join("notes/inbox")).expect("an inbox");
    let alert = inbox.filter_map(|entry| std::fs::read_to_string(entry.ok()?.path()).ok()).collect::<String>();
    for part in ["name-not-kebab-case (Web)", "port-invalid (80)", "smallest sidecar"] {
        assert!(alert.contains(part), "{part} expected in {alert}");
    }
    // The smallest shape that passes does pass.
    let smallest = alert.rsplit("```text\n").next().and_then(|rest| rest.split("\n```").next()).expect("a block");
    std::fs::write(agent.join("managed-spawn.json"), smallest).expect("written");
    world.set(&json!({}));
    let validated = world.run(&["validate", "ripley", "--format", "json"]);
    let verdict = validated.json();
    assert!(verdict[0]["valid"] == true || verdict[0]["is_workdir_rejection"] == true, "{verdict}");
    assert!(world.records().is_empty());
}

#[test]
fn a_dry_run_changes_nothing() {
    let world = World::new();
    world.declare("ripley", &[world.server("web", "http")]);
    let (code, report) = world.accept("ripley", &["--dry-run"]);
    assert_eq!((code, &report["specs"][0]["action"]), (Some(0), &json!("spawned")), "{report}");
    assert!(!world.root().join("engine").exists() && !world.root().join("notes").exists());
    assert!(world.root().join("agents/ripley/managed-spawn.json").exists());
    assert_eq!(world.processes(), Vec::<u32>::new());
}

#[test]
fn a_missing_sidecar_is_nothing_unless_it_is_required() {
    let world = World::new();
    let (code, report) = world.accept("nobody", &[]);
    assert_eq!((code, &report["outcome"], &report["exists"]), (Some(0), &json!("none"), &json!(false)));
    let (code, report) = world.accept("nobody", &["--require"]);
    assert_eq!((code, &report["reason"]), (Some(3), &json!("sidecar-missing")));
}

#[test]
fn nothing_is_started_where_services_are_switched_off() {
    let world = World::new();
    world.set(&json!({"enabled": false}));
    world.declare("ripley", &[world.server("web", "http")]);
    let (code, report) = world.accept("ripley", &[]);
    assert_eq!((code, &report["error"]["code"]), (Some(7), &json!("disabled")), "{report}");
    assert!(world.root().join("agents/ripley/managed-spawn.json").exists());
    assert!(!world.root().join("engine").exists());
}

#[test]
fn one_agent_whose_sidecar_cannot_be_read_does_not_keep_the_others_waiting() {
    let world = World::new();
    world.declare("b", &[world.shell("s", "exec sleep 1000")]);
    std::fs::create_dir_all(world.root().join("agents/a/managed-spawn.json")).expect("a folder in the file's place");
    let ran = world.run(&["accept", "--all", "--format", "json"]).ended(1);
    let report = ran.json();
    assert_eq!(report["items"][0]["failure_class"], "infra-failed", "{report}");
    assert_eq!(report["items"][1]["outcome"], "accepted", "{report}");
    assert!(is_alive(pid_of(&world.record("s"))));
}
