//! What commands print with `--format json`, against the schemas that are committed: each has all keys that its schema names, and no
//! other.

use std::process::Stdio;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{World, kill, pid_of, signal, wait_for};

/// The committed schema of that word, in which no object may have keys that the schema does not name.
fn schema(word: &str) -> jsonschema::Validator {
    let path = format!("{}/schemas/{word}.schema.json", env!("CARGO_MANIFEST_DIR"));
    let mut schema: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    close(&mut schema);
    jsonschema::draft202012::new(&schema).expect("a schema")
}

fn close(schema: &mut Value) {
    match schema {
        Value::Object(object) if object.contains_key("oneOf") && object.contains_key("properties") => {
            // Each branch names some of the keys, which all together are those there may be.
            object.insert("unevaluatedProperties".into(), false.into());
        }
        Value::Object(object) => {
            if object.contains_key("required") {
                object.insert("additionalProperties".into(), false.into());
            }
            object.values_mut().for_each(close);
        }
        Value::Array(list) => list.iter_mut().for_each(close),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Fails unless `document` is what the schema of that word says, which says something of it.
pub(crate) fn check(word: &str, document: &Value) {
    let schema = schema(word);
    let faults: Vec<String> =
        schema.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(faults.is_empty(), "{word}: {faults:?}: {document}");
    for place in ["", "/items/0", "/0"] {
        let Some(object) = document.pointer(place).and_then(Value::as_object) else {
            continue;
        };
        let mut other = document.clone();
        other.pointer_mut(place).unwrap()["more"] = json!(1);
        assert!(!schema.is_valid(&other), "{word}: a further key at `{place}`");
        let mut other = document.clone();
        let first = object.keys().next().expect("no object is empty");
        other.pointer_mut(place).unwrap().as_object_mut().unwrap().shift_remove(first);
        assert!(!schema.is_valid(&other), "{word}: a key less at `{place}`");
    }
    for list in [document, &document["items"]] {
        assert!(list.as_array().is_none_or(|list| !list.is_empty()), "{word}: an empty list shows nothing: {document}");
    }
}

/// What a command prints as JSON, whatever becomes of it.
fn print(world: &World, args: &[&str]) -> Value {
    world.run(&[args, &["--format", "json"]].concat()).json()
}

/// Two services, of which the second depends on the first and says all that can be said of a life, and both kinds of probes.
fn declare(world: &World) {
    let mut web = world.server("web", "http");
    web["env"] = json!({"PORT": "80"});
    web["attrs"] = json!({"base_url": "http://me:secret@127.0.0.1:1/app"});
    web["depends_on"] = json!(["db"]);
    web["restart"] = json!({"policy": "on-failure", "on_update": true});
    web["idle_stop_s"] = json!(3600);
    web["stop"] = json!({"signal": "SIGINT", "grace_s": 2});
    web["healthcheck"]["on_unhealthy"] = json!("restart");
    web["healthcheck"]["failure_threshold"] = json!(5);
    let mut asleep = world.shell("asleep", "exec sleep 1000");
    asleep["activation"] = json!("on-demand");
    world.declare("ripley", &[world.shell("db", "echo up; exec sleep 1000"), web, asleep]);
}

/// Three services that are up or wait, of project `shop`.
fn begun() -> World {
    let world = World::new();
    declare(&world);
    check("validate", &print(&world, &["validate"]));
    check("accept", &print(&world, &["accept", "ripley", "--project", "shop", "--dry-run"]));
    let report = print(&world, &["accept", "ripley", "--project", "shop"]);
    check("accept", &report);
    assert_eq!(report["outcome"], "accepted", "{report}");
    world
}

#[test]
fn outputs_that_show_are_what_their_schemas_say() {
    let world = begun();
    let dir = world.dir.path().join("work");
    let dir = dir.to_str().expect("UTF-8");
    let listed = print(&world, &["list"]);
    check("list", &listed);
    let etag = listed["etag"].as_str().expect("an etag");
    check("list", &print(&world, &["list", "--if-none-match", etag]));
    check("list", &print(&world, &["list", "--reader", "kay"]));
    for name in ["db", "web", "asleep"] {
        check("show", &print(&world, &["show", name]));
        check("explain", &print(&world, &["explain", name]));
    }
    check("logs", &print(&world, &["logs", "db"]));
    check("context", &print(&world, &["context", "--project", "shop"]));
    check("hint", &print(&world, &["hint", "--agent", "ripley", "--work-item", "W-1"]));
    check("settings", &print(&world, &["config"]));
    check("doctor", &print(&world, &["doctor"]));
    check("holders", &print(&world, &["holders", dir]));
    check("error", &print(&world, &["show", "nobody"]));
    check("error", &print(&world, &["show"]));
    check("man", &print(&world, &["man", "list"]));
    check("man", &print(&world, &["man", "--dir", world.dir.path().join("pages").to_str().expect("UTF-8")]));
    check("completions", &print(&world, &["completions", "bash"]));
}

#[test]
fn outputs_of_work_on_services_are_what_their_schemas_say() {
    let world = begun();
    let dir = world.dir.path().join("work");
    let dir = dir.to_str().expect("UTF-8");
    check("ensure", &print(&world, &["ensure", "web"]));
    check("ensure", &print(&world, &["ensure", "asleep"]));
    check("healthcheck", &print(&world, &["healthcheck"]));
    check("renew", &print(&world, &["renew", "db"]));
    check("touch", &print(&world, &["touch", "db"]));
    check("touch", &print(&world, &["touch", "web"]));
    check("updated", &print(&world, &["updated"]));
    check("restart", &print(&world, &["restart", "db"]));
    check("restart", &print(&world, &["restart", "asleep", "--no-wait"]));
    check("sweep", &print(&world, &["sweep", "--dry-run"]));
    kill(pid_of(&world.record("asleep")));
    check("sweep", &print(&world, &["sweep"]));
    check("reconcile", &print(&world, &["reconcile"]));
    check("stop", &print(&world, &["stop", "db"]));
    check("healthcheck", &print(&world, &["healthcheck"]));
    check("release", &print(&world, &["release", dir]));
    declare(&world);
    check("accept", &print(&world, &["accept", "ripley", "--project", "shop"]));
    check("stop", &print(&world, &["remove-project", "shop"]));
    let mut child = world.command(&["run", "--format", "json"]).stdout(Stdio::piped()).spawn().unwrap();
    wait_for("the loop has its lease", || world.root().join("engine/managed-loop.json").exists());
    signal(child.id(), Signal::TERM);
    let said = std::io::read_to_string(child.stdout.take().expect("piped")).unwrap();
    assert!(child.wait().unwrap().success());
    check("run", &serde_json::from_str(&said).unwrap());
}

#[test]
fn outputs_of_sidecars_and_runs_are_what_their_schemas_say() {
    let world = begun();
    let runs = print(&world, &["runs"]);
    check("runs", &runs);
    check("runs-show", &print(&world, &["runs", "show", runs["items"][0]["id"].as_str().expect("an id")]));
    check("accept", &print(&world, &["accept", "nobody"]));
    world.declare("dallas", &[world.shell("web", "echo no; exit 3")]);
    world.declare("kane", &[json!({"name": "Web", "cmd": "rm"})]);
    check("queue", &print(&world, &["queue"]));
    check("validate", &print(&world, &["validate"]));
    check("accept", &print(&world, &["accept", "kane", "dallas"]));
    let mut failed = world.shell("fails", "echo no; exit 3");
    failed["healthcheck"]["cmd"] = json!("sh -c 'exit 1'");
    world.declare("ash", std::slice::from_ref(&failed));
    check("accept", &print(&world, &["accept", "ash"]));
    failed["name"] = json!("later");
    world.declare("ash", &[failed]);
    check("queue-cancel", &print(&world, &["queue", "cancel", "ash"]));
    check("runs", &print(&world, &["runs"]));
    check("list", &print(&world, &["list"]));
}
