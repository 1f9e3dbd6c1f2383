//! What the commands of the journal and of delivery print, against the schemas that are committed.

use serde_json::{Value, json};

use crate::outputs::check;
use crate::support::World;

#[test]
fn outputs_of_journal_and_delivery_are_what_their_schemas_say() {
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
    let sent = std::fs::read_to_string(world.root().join("notes/out.jsonl")).unwrap();
    let messages: Vec<Value> = sent.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    messages.iter().for_each(|message| check("cloudevent", message));
    assert!(messages.iter().any(|message| message.get("subject").is_none()), "some are about no service");
}
