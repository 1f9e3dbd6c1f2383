//! What programs get of services as they are, and of sidecars as they are judged. Pure.

use serde_json::{Map, Value, json};

use crate::ops::attention::Attention;
use crate::service::{OnUnhealthy, Status};
use crate::sidecar::{Code, FAILURE_CLASS};

use super::shapes::{
    add, boolean, boolean_or_null, count, count_or_null, either, items, list as list_of, object, one_of,
    one_of_or_null, or_null, text, text_or_null, time,
};

/// Fields of a record and of a spec that say how a service is to live; absent where they say nothing.
const LIFECYCLE: [&str; 5] = ["depends_on", "restart", "activation", "idle_stop_s", "stop"];

/// What the schema of the state file says of a record and its parts; as it is shown, `alive` may be null.
fn defs() -> Value {
    let state: Value = serde_json::from_str(include_str!("../../../schemas/state.schema.json"))
        .expect("a committed file, which tests read too");
    let mut defs = state["$defs"].clone();
    defs["record"]["properties"]["alive"] =
        boolean_or_null("Whether its process is there; null if that could not be told.");
    defs
}

/// `schema`, in which definitions are named, with them.
fn with(mut schema: Value, defs: Value) -> Value {
    schema["$defs"] = defs;
    schema
}

pub(super) fn show() -> Value {
    with(json!({"description": "The service's record, without secrets.", "$ref": "#/$defs/record"}), defs())
}

pub(super) fn list() -> Value {
    let etag = || text("Names this very list: for --if-none-match.");
    let mut defs = defs();
    defs["record"]["properties"]["attention"] = one_of(
        &Attention::ALL.map(Attention::word),
        "With --reader only: whether the reader has seen the service's last event, and whether more will come.",
    );
    let mut whole = items(&json!({"$ref": "#/$defs/record"}));
    add(&mut whole, "etag", etag());
    let not_modified = object([("not_modified", json!({"const": true})), ("etag", etag())]);
    with(either(&[whole, not_modified], "The services by name, or that nothing has changed."), defs)
}

/// An ended generation's exit; neither a code nor a signal: nobody saw it.
fn exit() -> Value {
    json!({"anyOf": [{"$ref": "#/$defs/exit"}, {"type": "null"}], "description": "How it last ended; null if it has not."})
}

pub(super) fn explain() -> Value {
    let defs = defs();
    let due = object([("action", text("What a sweep would do now.")), ("why", text("Why that."))]);
    let next = object([
        ("what", text("What comes.")),
        ("at", time("When")),
        ("if_unused", boolean("Whether it comes only if nobody uses the service until then.")),
    ]);
    let need = object([
        ("name", text("Its declared name.")),
        ("service", text_or_null("Its record's name; null if there is none.")),
        ("status", one_of_or_null(&Status::ALL.map(Status::word), "Where it stands.")),
        ("healthy", boolean("Whether it is alive and was healthy when last probed.")),
        ("why", text_or_null("Why it does not run.")),
    ]);
    let transition = json!({"anyOf": [{"$ref": "#/$defs/transition"}, {"type": "null"}], "description": "How it came to its status."});
    let words = |all: &[&str], what| one_of(all, what);
    let explained = object([
        ("name", text("The service's name.")),
        ("status", words(&Status::ALL.map(Status::word), "Where it stands.")),
        ("alive", boolean_or_null("Whether its process is there; null if that could not be told.")),
        ("healthy", boolean("Whether the last probe passed.")),
        ("why", text("Why it is or is not running, in one sentence.")),
        ("due", due),
        ("last_transition", transition),
        ("last_exit", exit()),
        ("unhealthy_in_row", count("Probes that failed since one last passed.")),
        ("failure_threshold", count("Probes in a row that must fail before it counts as unhealthy.")),
        ("on_unhealthy", words(OnUnhealthy::WORDS, "What becomes of it then.")),
        ("failures_in_row", count("Failures since it last was healthy for long enough.")),
        ("restarts", count("Automatic starts in all.")),
        ("declared", object_of(&defs, &[], &LIFECYCLE)),
        (
            "next_wait_s",
            json!({"type": ["number", "null"], "description": "How long a failure now would wait, in seconds."}),
        ),
        ("starts_left", count_or_null("Automatic starts that are left in the window of now.")),
        ("next", list_of(&next)),
        ("depends_on", list_of(&need)),
    ]);
    with(explained, defs)
}

/// An object of keys of a record, as that has them; `more` may be absent.
fn object_of(defs: &Value, required: &[&str], more: &[&str]) -> Value {
    let known = &defs["record"]["properties"];
    let keys = required.iter().chain(more);
    let properties: Map<String, Value> = keys.map(|key| ((*key).to_owned(), known[*key].clone())).collect();
    json!({"type": "object", "required": required, "properties": properties})
}

pub(super) fn validate() -> Value {
    let defs = defs();
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.text()).collect();
    let issue = object([
        ("code", one_of(&codes, "The stable code: docs/verdict.md.")),
        ("reason", text("Where and what, as agents are told.")),
        ("message", text("The same in one sentence.")),
        ("pointer", text("JSON Pointer to the value; empty for the whole document.")),
        ("line", count("Its line in the file, from 1.")),
        ("column", count("Its column in characters, from 1.")),
        ("help", text("What would make it pass.")),
    ]);
    let always = ["name", "cmd", "args", "cwd", "env", "ports", "ttl_minutes", "attrs", "healthcheck"];
    let mut specs = list_of(&object_of(&defs, &always, &LIFECYCLE));
    specs["type"] = json!(["array", "null"]);
    specs["description"] = "The services with every default filled in, without secrets; null if not valid.".into();
    let verdict = object([
        ("file", text("The file that was judged.")),
        ("agent", text_or_null("Whose it is; null where it is no agent's.")),
        ("valid", boolean("Whether it would be accepted.")),
        ("reason", text_or_null("Why not: the first failure's reason.")),
        ("failure_class", one_of_or_null(&[FAILURE_CLASS], "What kind of failure that is.")),
        ("is_workdir_rejection", boolean("Whether the first failure is a working folder's.")),
        ("issues", list_of(&issue)),
        ("warnings", list_of(&issue)),
        ("specs", specs),
    ]);
    with(list_of(&verdict), defs)
}

/// How a process ended, where no definitions are.
pub(super) fn ended() -> Value {
    or_null(defs()["exit"].clone())
}
