//! `validate`: targets of every kind, and how it ends.

use std::io::Write;
use std::process::Stdio;

use super::harness::{Place, Ran};

const GOOD: &str = r#"{"specs": [{"name": "web", "cmd": "node", "env": {"NODE_ENV": "x", "PORT": "3001"},
    "healthcheck": {"type": "http", "url": "http://u:hunter2@localhost:3001/", "expect_status": 200,
        "timeout_s": 60}}]}"#;
const BAD: &str = r#"{"specs": [{"name": "Web", "cmd": "rm", "ports": [80],
    "healthcheck": {"type": "http", "url": "http://localhost:3001/", "expect_status": 200,
        "timeout_s": 60}}]}"#;

fn piped(place: &Place, text: &str, args: &[&str]) -> Ran {
    let mut command = place.command(args);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    child.stdin.take().expect("piped").write_all(text.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[test]
fn verdicts_come_in_the_order_of_the_targets_and_one_invalid_is_3() {
    let place = Place::new();
    place.write("good.json", GOOD);
    place.write("agents/ripley/managed-spawn.json", BAD);
    let file = place.root().join("good.json");
    let file = file.to_str().expect("UTF-8");
    let ran = piped(&place, BAD, &["managed", "validate", file, "-", "ripley", "--format", "json"]);
    assert_eq!(ran.code, 3, "{ran}");
    let verdicts = ran.json();
    let column = |key: &str| -> Vec<serde_json::Value> {
        verdicts.as_array().expect("an array").iter().map(|verdict| verdict[key].clone()).collect()
    };
    assert_eq!(column("valid"), [true, false, false]);
    assert_eq!(column("agent")[1..], [serde_json::Value::Null, "ripley".into()]);
    assert_eq!(column("file")[..2], [file, "-"]);
    assert_eq!(column("reason")[1], "spec[0]: name-not-kebab-case (Web)");
    assert_eq!(column("failure_class")[1], "invalid-managed-spawn");
    assert!(column("issues")[1].as_array().is_some_and(|issues| issues.len() >= 3), "every failure: {ran}");
    assert!(!ran.stdout.contains("hunter2"), "{ran}");
    assert_eq!(place.run(&["validate", file]).code, 0);
}

#[test]
fn people_see_the_lines_that_are_wrong() {
    let place = Place::new();
    let ran = piped(&place, BAD, &["managed", "validate", "-"]);
    assert_eq!(ran.code, 3, "{ran}");
    assert!(ran.stdout.starts_with("-: invalid: spec[0]: name-not-kebab-case (Web)\n"), "{ran}");
    assert!(ran.stdout.contains(r#""ports": [80]"#) && ran.stdout.contains('^'), "{ran}");
}

#[test]
fn without_targets_every_waiting_sidecar_is_judged() {
    let place = Place::new();
    place.run(&["validate"]).expect(0, "no agent has a sidecar that waits");
    assert_eq!(place.run(&["validate", "--format", "json"]).stdout, "[]\n");
    place.write("agents/ripley/managed-spawn.json", GOOD);
    place.write("agents/hicks/managed-spawn.json", "{");
    let ran = place.run(&["validate", "--format", "json"]);
    let agents: Vec<_> = ran.json().as_array().expect("an array").iter().map(|v| v["agent"].clone()).collect();
    assert_eq!((ran.code, agents), (3, vec!["hicks".into(), "ripley".into()]));
}

#[test]
fn a_target_that_is_not_there_is_6_and_no_name_is_64() {
    let place = Place::new();
    place.run(&["validate", "nobody"]).expect(6, "[sidecar-missing, exit 6]");
    place.run(&["validate", "./no.json"]).expect(6, "[file-missing, exit 6]");
    place.run(&["validate", ".nobody"]).expect(64, "[agent-name-invalid, exit 64]");
}
