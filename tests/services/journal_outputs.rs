//! What the commands of the journal and of delivery print, against the schemas that are committed: each has all keys that its schema
//! names, and no other.

use serde_json::{Value, json};

use crate::support::World;

/// The committed schema of that word, in which no object may have keys that the schema does not name.
fn schema(word: &str) -> jsonschema::Validator {
    let path = format!("{}/schemas/{word}.schema.json", env!("CARGO_MANIFEST_DIR"));
    let mut schema: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    close(&mut schema);
    jsonschema::draft202012::new(&schema).expect("a schema")
}

fn close(schema: &mut Value) {
    match schema {
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

fn check(word: &str, document: &Value) {
    let schema = schema(word);
    let faults: Vec<String> = schema.iter_errors(document).map(|error| error.to_string()).collect();
    assert!(faults.is_empty(), "{word}: {faults:?}: {document}");
    let items = document["items"].as_array();
    assert!(items.is_none_or(|items| !items.is_empty()), "{word}: an empty list shows nothing: {document}");
    // That the schema says anything at all.
    let mut other = document.clone();
    other["more"] = json!(1);
    assert!(!schema.is_valid(&other), "{word}: a further key");
    if let Some(item) = other["items"].get_mut(0).and_then(Value::as_object_mut) {
        item.shift_remove_entry(&item.keys().next().unwrap().clone());
        other.as_object_mut().unwrap().shift_remove("more");
        assert!(!schema.is_valid(&other), "{word}: a key less");
    }
}

#[test]
fn outputs_are_what_their_schemas_say() {
    let world = World::new();
    world.set(&json!({"outbox": {"sinks": [
        {"name": "file", "type": "file", "path": "notes/out.jsonl"},
        {"name": "bad", "type": "command", "cmd": "sh", "args": ["-c", "exit 1"], "types": ["service.healthy"]},
    ]}}));
    world.declare("ripley", &[world.shell("web", "exec sleep 1000")]);
    world.run(&["accept", "ripley", "--project", "shop"]).ended(0);
    let print = |args: &[&str]| world.run(&[args, &["--format", "json"]].concat()).json();
    check("events", &print(&["events"]));
    check("timeline", &print(&["timeline"]));
    check("outbox-status", &print(&["outbox", "status"]));
    check("outbox-drain", &print(&["outbox", "drain"]));
    check("outbox-status", &print(&["outbox", "status"]));
    while print(&["outbox", "dead-letters"])["items"] == json!([]) {
        check("outbox-drain", &print(&["outbox", "drain"]));
    }
    check("dead-letters", &print(&["outbox", "dead-letters"]));
    check("outbox-status", &print(&["outbox", "status"]));
    check("outbox-retry", &print(&["outbox", "retry"]));
    check("outbox-status", &print(&["outbox", "status"]));
    check("runs", &print(&["runs"]));
    let run = print(&["runs"])["items"][0]["id"].as_str().expect("an id").to_owned();
    check("run", &print(&["runs", "show", &run]));
    world.declare("dallas", &[world.shell("api", "exec sleep 1000")]);
    check("queue", &print(&["queue"]));
    let sent = std::fs::read_to_string(world.root().join("notes/out.jsonl")).unwrap();
    let messages: Vec<Value> = sent.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    messages.iter().for_each(|message| check("cloudevent", message));
    assert!(messages.iter().any(|message| message.get("subject").is_none()), "some are about no service");
}
