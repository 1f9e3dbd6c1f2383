//! Probes after the first health: what `healthcheck` finds out, says and writes down.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{World, is_alive, kill_shim, naughty, own_claim, pid_of, proof, wait_for};
use crate::weaker::weaker;

/// A spec of a service that is healthy while there is no file `NAME.sick` in its folder.
fn moody(world: &World, name: &str) -> Value {
    let mut spec = world.shell(name, "exec sleep 1000");
    spec["healthcheck"]["cmd"] = json!(format!("sh -c 'test ! -e {name}.sick && echo ok'"));
    spec["healthcheck"]["failure_threshold"] = json!(1);
    spec
}

fn set_sick(world: &World, name: &str, is_sick: bool) {
    let file = world.dir.path().join(format!("work/{name}.sick"));
    if is_sick {
        std::fs::write(file, "").expect("written");
    } else {
        std::fs::remove_file(file).expect("removed");
    }
}

fn up(world: &World, specs: &[Value]) {
    world.declare("ripley", specs);
    let (code, report) = world.accept("ripley", &["--project", "shop"]);
    assert_eq!(code, Some(0), "{report}");
}

/// Probes; the exit code must be `code`. Returns the items.
fn check(world: &World, args: &[&str], code: i32) -> Vec<Value> {
    let all: Vec<&str> = ["healthcheck", "--format", "json"].iter().chain(args).copied().collect();
    world.run(&all).ended(code).json()["items"].as_array().expect("items").clone()
}

fn revision(world: &World) -> u64 {
    world.state()["revision"].as_u64().expect("a revision")
}

#[test]
fn the_exit_code_says_whether_all_none_or_some_are_healthy_and_the_records_say_which() {
    let world = World::new();
    up(&world, &[moody(&world, "a"), moody(&world, "b"), world.server("web", "http")]);
    let before = world.record("a");
    let items = check(&world, &[], 0);
    let names: Vec<&Value> = items.iter().map(|item| &item["name"]).collect();
    assert_eq!(names, ["a", "b", "web"]);
    for item in &items {
        assert_eq!((&item["healthy"], &item["alive"], &item["error"]), (&json!(true), &json!(true), &Value::Null));
        assert!(item["took_ms"].is_u64(), "{item}");
    }
    assert_eq!((&items[0]["proof"], &items[2]["proof"]), (&json!("unverified"), &json!(proof())));

    set_sick(&world, "a", true);
    let items = check(&world, &[], 5);
    assert_eq!(
        (&items[0]["healthy"], &items[0]["proof"], &items[1]["healthy"]),
        (&json!(false), &Value::Null, &json!(true))
    );
    assert!(items[0]["error"].as_str().is_some_and(|error| error.contains("exit status 1")), "{items:?}");
    let sick = world.record("a");
    assert_eq!((&sick["healthy"], &sick["alive"]), (&json!(false), &json!(true)));
    assert_eq!(sick["last_health_at"], before["last_health_at"], "when a probe last passed");
    assert_eq!(world.record("b")["healthy"], true);
    assert!(is_alive(pid_of(&sick)), "it is reported, not ended");

    assert_eq!(check(&world, &["a"], 4).len(), 1);
    set_sick(&world, "a", false);
    assert_eq!(check(&world, &["a", "b", "a"], 0).len(), 2, "each once");
    assert_eq!(world.record("a")["healthy"], true);
    assert!(world.record("a")["last_health_at"].as_i64() > before["last_health_at"].as_i64());
}

#[test]
fn a_dead_service_is_unhealthy_at_once() {
    let world = World::new();
    let mut spec = world.server("web", "http");
    spec["healthcheck"]["timeout_s"] = json!(60);
    up(&world, &[spec, moody(&world, "a")]);
    let record = world.record("web");
    kill_shim(&record);
    let items = check(&world, &[], 5);
    assert_eq!((&items[1]["healthy"], &items[1]["alive"]), (&json!(false), &json!(false)), "{items:?}");
    assert!(
        items[1]["error"]
            .as_str()
            .is_some_and(|error| error.contains("its process is gone, and nobody saw how it ended")),
        "{items:?}"
    );
    let record = world.record("web");
    assert_eq!(
        (&record["healthy"], &record["alive"], &record["status"]),
        (&json!(false), &json!(false), &json!("running"))
    );
    let written = revision(&world);
    check(&world, &["web"], 4);
    assert_eq!(revision(&world), written, "that it is dead is written once");
}

#[test]
fn a_pass_that_changes_nothing_is_not_written_within_the_backoff() {
    let world = World::new();
    up(&world, &[moody(&world, "a")]);
    let written = revision(&world);
    for _ in 0..3 {
        check(&world, &[], 0);
    }
    assert_eq!(revision(&world), written);
    world.set(&json!({"healthBackoffSec": 0.1}));
    let before = world.record("a")["last_health_at"].as_i64();
    wait_for("a pass is written again", || {
        check(&world, &[], 0);
        world.record("a")["last_health_at"].as_i64() > before
    });
    set_sick(&world, "a", true);
    check(&world, &[], 4);
    let written = revision(&world);
    check(&world, &[], 4);
    assert_eq!(revision(&world), written, "a failure is written once");
}

#[test]
fn which_services_are_probed_is_said_by_name_and_project() {
    let world = World::new();
    let nobody = world.run(&["healthcheck", "--format", "json"]).ended(0);
    assert_eq!(nobody.json(), json!({"items": []}));
    assert!(nobody.stderr.contains("no services"), "{nobody:?}");
    up(&world, &[moody(&world, "web"), moody(&world, "api")]);
    assert_eq!(check(&world, &["--project", "shop"], 0).len(), 2);
    assert_eq!(check(&world, &["--project", "bank"], 0).len(), 0);
    let written = revision(&world);
    set_sick(&world, "web", true);
    for (args, part) in [(["web", "wbe"], "there is no service `wbe`"), (["web", "--project=bank"], "but of `shop`")] {
        let all: Vec<&str> = ["healthcheck", "--format", "json"].iter().chain(&args).copied().collect();
        let ran = world.run(&all).ended(6);
        assert_eq!(ran.json()["error"]["code"], "no-such-service");
        assert!(ran.json()["error"]["message"].as_str().is_some_and(|message| message.contains(part)), "{ran:?}");
    }
    assert_eq!(revision(&world), written, "then nobody is probed");
    let table = world.run(&["healthcheck", "web", "api"]).ended(5).stdout;
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["NAME", "HEALTH", "PROOF", "TOOK"]);
    assert_eq!((&lines[1][..2], &lines[2][..2]), (&["web", "unhealthy"][..], &["api", "healthy"][..]), "{table}");
    assert!(table.contains("\n\nweb: exit status 1"), "{table}");
}

#[test]
fn what_a_probe_says_is_shown_harmless() {
    let world = World::new();
    let mut spec = moody(&world, "a");
    let probe = "sh -c 'test ! -e a.sick && echo ok || { printf \"\\033[31mred\\nhttp://u:secret@h/\" >&2; exit 1; }'";
    spec["healthcheck"]["cmd"] = json!(probe);
    up(&world, &[spec]);
    set_sick(&world, "a", true);
    let error = check(&world, &[], 4)[0]["error"].as_str().unwrap_or_default().to_owned();
    let table = world.run(&["healthcheck", "--color", "always"]).ended(4).stdout;
    for text in [error, table.rsplit("\n\n").next().unwrap_or_default().to_owned()] {
        assert!(text.contains("red") && text.contains("[redacted]@h/"), "{text:?}");
        assert!(!text.trim_end().contains(['\u{1b}', '\n']) && !text.contains("secret"), "{text:?}");
    }
}

#[test]
fn a_decoy_that_answers_in_a_services_place_makes_the_probe_fail_and_is_named() {
    let world = World::new();
    let decoy = world.server("decoy", "http");
    let port = decoy["ports"][0].clone();
    // A service whose server is a child that can be ended alone.
    let go = world.dir.path().join("go");
    let script = format!(
        "{} http {port} & while [ ! -e {} ]; do sleep 0.01; done; kill $!; exec sleep 1000",
        naughty().display(),
        go.display()
    );
    let mut web = world.shell("web", &script);
    web["healthcheck"] = decoy["healthcheck"].clone();
    up(&world, &[web]);
    assert_eq!(world.record("web")["health_proof"], proof());
    std::fs::write(&go, "").expect("written");
    wait_for("nobody listens", || std::net::TcpStream::connect(("127.0.0.1", port_of(&port))).is_err());
    let items = check(&world, &["web"], 4);
    assert!(items[0]["error"].as_str().is_some_and(|error| error.contains("connection refused")), "{items:?}");

    world.declare("dallas", &[decoy]);
    assert_eq!(world.accept("dallas", &["--project", "bank"]).0, Some(0));
    if weaker("whose socket answered a probe") {
        let items = check(&world, &["web", "decoy"], 0);
        assert_eq!((&items[0]["proof"], &items[1]["proof"]), (&json!("unverified"), &json!("unverified")), "{items:?}");
        return;
    }
    let items = check(&world, &["web", "decoy"], 5);
    let error = items[0]["error"].as_str().unwrap_or_default();
    let expected = format!("another process answers at 127.0.0.1:{port}: pid {}", world.record("decoy")["pid"]);
    assert!(error.starts_with(&expected) && error.contains("service `decoy`"), "{error}");
    assert_eq!((&items[1]["healthy"], &items[1]["proof"]), (&json!(true), &json!("tree")));
    world.set(&json!({"listenerProof": "off"}));
    assert_eq!(check(&world, &["web"], 0)[0]["proof"], "unverified", "then any answer counts");
}

fn port_of(port: &Value) -> u16 {
    u16::try_from(port.as_u64().expect("a port")).expect("a port")
}

#[test]
fn what_another_command_is_at_is_neither_asked_nor_judged() {
    let world = World::new();
    up(&world, &[moody(&world, "a")]);
    set_sick(&world, "a", true);
    let mut state = world.state();
    // This test is the other command.
    state["specs"][0]["claim"] = own_claim("stop");
    let file = world.root().join("engine/managed-processes.json");
    std::fs::write(&file, state.to_string()).expect("written");
    let items = check(&world, &[], 4);
    assert_eq!((&items[0]["healthy"], &items[0]["alive"]), (&Value::Null, &json!(true)), "{items:?}");
    assert!(items[0]["error"].as_str().is_some_and(|error| error.contains("`minions managed stop`")), "{items:?}");
    assert_eq!(std::fs::read_to_string(&file).expect("there"), state.to_string());
}

#[test]
fn a_probe_of_a_generation_that_was_replaced_meanwhile_says_nothing_of_the_next() {
    let world = World::new();
    let hold = world.dir.path().join("hold");
    let mut spec = world.shell("s", "exec sleep 1000");
    let held = hold.display();
    // While `hold` is there, a probe says that it is at it, waits until `hold` has gone, and fails.
    let probe = format!(
        "sh -c 'test -e {held} || {{ echo ok; exit; }}; touch {held}.at; while test -e {held}; do sleep 0.01; done; exit 1'"
    );
    spec["healthcheck"]["cmd"] = json!(probe);
    up(&world, std::slice::from_ref(&spec));
    std::fs::write(&hold, "").expect("written");
    let probing =
        world.command(&["healthcheck", "--format", "json"]).stdout(Stdio::piped()).spawn().expect("it starts");
    wait_for("the probe is at it", || world.dir.path().join("hold.at").exists());
    spec["ttl_minutes"] = json!(9);
    spec["healthcheck"] = world.shell("s", "")["healthcheck"].clone();
    world.declare("ripley", &[spec]);
    let (code, report) = world.accept("ripley", &["--project", "shop"]);
    assert_eq!((code, &report["specs"][0]["action"]), (Some(0), &json!("replaced")), "{report}");
    let new = world.record("s");
    std::fs::remove_file(&hold).expect("removed");
    let output = probing.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(4), "the generation that it asked about is no more");
    assert_eq!(world.record("s"), new);
}

#[test]
fn probes_run_side_by_side_and_no_proxy_is_asked() {
    let world = World::new();
    let slow = |at: usize| {
        let mut spec = world.server(&format!("s-{at}"), "slow");
        spec["args"].as_array_mut().expect("args").push(json!("1000"));
        spec
    };
    world.set(&json!({"maxSpecsPerFile": 20}));
    up(&world, &(0..20).map(slow).collect::<Vec<_>>());
    // Whoever is asked through a proxy answers nothing at all.
    let trap = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener");
    let proxy = format!("http://{}", trap.local_addr().expect("an address"));
    let began = Instant::now();
    let mut command = world.command(&["healthcheck", "--format", "json"]);
    let ran = crate::support::ran(command.env("http_proxy", &proxy).env("HTTP_PROXY", &proxy).env("ALL_PROXY", &proxy));
    let took = began.elapsed();
    assert_eq!(ran.ended(0).json()["items"].as_array().map(Vec::len), Some(20));
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(10), "20 probes of 1 s took {took:?}");
    trap.set_nonblocking(true).expect("set");
    assert!(trap.accept().is_err(), "nobody asked the proxy");
}

/// So many servers at once are too heavy for every run: `just soak`. What it prints is in docs/performance.md.
#[test]
#[ignore = "starts 100 servers; `just soak` runs it"]
fn a_hundred_probes_of_one_second_take_little_more_than_one() {
    const COUNT: usize = 100;
    let world = World::new();
    world.set(&json!({"maxSpecsPerFile": COUNT}));
    let slow = |at: usize| {
        let mut spec = world.server(&format!("s-{at}"), "slow");
        spec["args"].as_array_mut().expect("args").push(json!("1000"));
        spec
    };
    up(&world, &(0..COUNT).map(slow).collect::<Vec<_>>());
    let began = Instant::now();
    let mut probing =
        world.command(&["healthcheck", "--format", "json"]).stdout(Stdio::piped()).spawn().expect("it starts");
    let status = format!("/proc/{}/status", probing.id());
    let mut threads_max = 0;
    while probing.try_wait().expect("our own child").is_none() {
        let now = std::fs::read_to_string(&status).unwrap_or_default();
        let threads = now.lines().find_map(|line| line.strip_prefix("Threads:")?.trim().parse::<usize>().ok());
        threads_max = threads_max.max(threads.unwrap_or(0));
        std::thread::sleep(Duration::from_millis(1));
    }
    let took = began.elapsed();
    let output = probing.wait_with_output().expect("it has ended");
    println!("{COUNT} probes of 1 s: {took:?}, at most {threads_max} threads");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!((2..=COUNT).contains(&threads_max), "{threads_max} threads");
}

#[test]
fn one_that_is_stopped_until_somebody_needs_it_is_no_failure_unless_it_is_asked_for() {
    let world = World::new();
    let mut lazy = moody(&world, "lazy");
    lazy["activation"] = json!("on-demand");
    let db = moody(&world, "db");
    up(&world, &[lazy, db]);
    let written = world.state();
    let items = check(&world, &[], 0);
    let told = ["status", "healthy", "alive"].map(|key| items[1][key].clone());
    assert_eq!((&items[1]["name"], told), (&json!("lazy"), [json!("stopped"), json!(null), json!(false)]));
    assert!(
        items[1]["error"].as_str().is_some_and(|why| why.contains("it is started once somebody needs it")),
        "{items:?}"
    );
    check(&world, &["lazy"], 4);
    check(&world, &["lazy", "db"], 5);
    assert_eq!(world.state(), written);
    let text = world.run(&["healthcheck", "lazy"]).ended(4);
    assert!(text.stdout.contains("stopped") && !text.stdout.contains("dead"), "{text:?}");
    assert!(text.stderr.contains("minions managed ensure lazy"), "{text:?}");
    world.run(&["stop", "db"]).ended(0);
    check(&world, &[], 0);
    world.run(&["ensure", "lazy"]).ended(0);
    check(&world, &["lazy"], 0);
}
