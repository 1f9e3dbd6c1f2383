//! The JSON Schemas (draft 2020-12) of what programs read: the outputs of commands with `--format json`, and the message that a sink gets.
//! One table; schemas/ is written from it. Pure.
//!
//! Every key that is printed is named, and is required unless it may be absent. Further keys are not forbidden: a later version may
//! print more.

mod journal;
mod runs;
mod services;
mod shapes;
mod told;
mod upkeep;
mod verbs;

use serde_json::{Value, json};

/// A JSON document that programs read, and its schema.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// The word of `minions managed schema`; `schemas/WORD.schema.json` has the text.
    pub word: &'static str,
    /// What prints it, or what it is.
    pub title: &'static str,
    schema: fn() -> Value,
}

const fn output(word: &'static str, title: &'static str, schema: fn() -> Value) -> Output {
    Output { word, title, schema }
}

/// Every such document.
pub const OUTPUTS: [Output; 36] = [
    output("error", "What a command with --format json prints when it fails", told::error),
    output("list", "minions managed list --format json", services::list),
    output("show", "minions managed show NAME --format json", services::show),
    output("explain", "minions managed explain NAME --format json", services::explain),
    output("logs", "minions managed logs NAME --format json", told::logs),
    output("context", "minions managed context --format json", told::context),
    output("hint", "minions managed hint --format json", told::hint),
    output("settings", "minions managed config --format json", told::config),
    output("doctor", "minions managed doctor --format json", told::doctor),
    output("validate", "minions managed validate --format json", services::validate),
    output("accept", "minions managed accept --format json", runs::accept),
    output("ensure", "minions managed ensure NAME --format json", verbs::ensure),
    output("restart", "minions managed restart NAME --format json", verbs::restart),
    output("renew", "minions managed renew NAME --format json", verbs::renew),
    output("touch", "minions managed touch NAME --format json", verbs::touch),
    output("updated", "minions managed updated --format json", verbs::updated),
    output("stop", "minions managed stop NAME --format json", verbs::stop),
    output("holders", "minions managed holders DIR --format json", verbs::holders),
    output("release", "minions managed release DIR --format json", verbs::release),
    output("healthcheck", "minions managed healthcheck --format json", upkeep::healthcheck),
    output("sweep", "minions managed sweep --format json", upkeep::sweep),
    output("reconcile", "minions managed reconcile --format json", upkeep::reconcile),
    output("run", "minions managed run --format json", upkeep::run),
    output("events", "minions managed events --format json", journal::events),
    output("timeline", "minions managed timeline --format json", journal::timeline),
    output("outbox-status", "minions managed outbox status --format json", journal::outbox_status),
    output("outbox-drain", "minions managed outbox drain --format json", journal::outbox_drain),
    output("outbox-retry", "minions managed outbox retry --format json", journal::outbox_retry),
    output("dead-letters", "minions managed outbox dead-letters --format json", journal::dead_letters),
    output("runs", "minions managed runs --format json", runs::runs),
    output("runs-show", "minions managed runs show ID --format json", runs::run_shown),
    output("queue", "minions managed queue --format json", runs::queue),
    output("queue-cancel", "minions managed queue cancel AGENT --format json", runs::queue_cancel),
    output("man", "minions managed man --format json", told::man),
    output("completions", "minions managed completions SHELL --format json", told::completions),
    output("cloudevent", "What a sink gets of an event", journal::cloudevent),
];

impl Output {
    /// The schema.
    pub fn schema(&self) -> Value {
        let mut schema = json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "title": self.title});
        if let (Some(whole), Value::Object(more)) = (schema.as_object_mut(), (self.schema)()) {
            whole.extend(more);
        }
        schema
    }
}
