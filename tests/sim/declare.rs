//! What a sidecar says of a service that a story declares: `NAME WORD…`, where a word `KEY=VALUE` is a field of contract section 8, and
//! every other word one of the service's own arguments (`model.rs`).

use std::path::Path;

use serde_json::{Value, json};

/// Fields that stand in the spec itself, in `restart`, in `stop` and in `healthcheck`.
const OF_SPEC: [&str; 3] = ["activation", "idle_stop_s", "depends_on"];
const OF_RESTART: [&str; 8] =
    ["backoff_s", "reset_after_s", "max_restarts", "window_s", "success_exit_codes", "jitter", "daily", "on_update"];
const OF_STOP: [&str; 2] = ["signal", "grace_s"];
const OF_HEALTH: [&str; 3] = ["failure_threshold", "on_unhealthy", "timeout_s"];
/// Those whose value is a list, written with commas.
const LISTS: [&str; 3] = ["backoff_s", "success_exit_codes", "depends_on"];

/// The spec of `words`, in the folder `work`. One without `--port` has a command healthcheck.
pub(crate) fn spec(words: &[String], ttl_minutes: u64, work: &Path) -> Value {
    let (name, words) = words.split_first().expect("a name");
    let (fields, args): (Vec<&String>, Vec<&String>) = words.iter().partition(|word| word.contains('='));
    let port: Option<u16> =
        args.iter().position(|word| *word == "--port").and_then(|at| args.get(at + 1)?.parse().ok());
    let mut spec = json!({"name": name, "cmd": "node", "args": args, "cwd": work, "ttl_minutes": ttl_minutes,
        "ports": port.map(|port| vec![port]).unwrap_or_default()});
    spec["healthcheck"] = match port {
        Some(port) => json!({"type": "http", "url": format!("http://127.0.0.1:{port}/"), "expect_status": 200}),
        None => json!({"type": "command", "cmd": "node --ask", "shell": false, "expect_regex": "ok"}),
    };
    spec["healthcheck"]["interval_s"] = json!(0.5);
    spec["healthcheck"]["timeout_s"] = json!(3);
    for field in fields {
        let (key, text) = field.split_once('=').expect("it was looked for");
        let value = if LISTS.contains(&key) { text.split(',').map(value).collect() } else { value(text) };
        match key {
            "restart" => spec["restart"]["policy"] = value,
            _ if OF_SPEC.contains(&key) => spec[key] = value,
            _ if OF_RESTART.contains(&key) => spec["restart"][key] = value,
            _ if OF_STOP.contains(&key) => spec["stop"][key] = value,
            _ if OF_HEALTH.contains(&key) => spec["healthcheck"][key] = value,
            _ => panic!("`{field}` is no field that a story can set"),
        }
    }
    spec
}

/// A figure or a truth value where it is one, else a text.
fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
}
