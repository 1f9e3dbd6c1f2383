//! What programs get that is about no service, or is text: settings, findings, logs, words for agents, errors. Pure.

use serde_json::{Value, json};

use crate::ops::doctor::{Area, Severity};
use crate::ops::live::Form;

use super::shapes::{boolean, count, either, items, list, object, one_of, text, text_or_null};

pub(super) fn error() -> Value {
    object([(
        "error",
        object([
            ("code", text("A stable word for what went wrong.")),
            ("message", text("The same in one sentence.")),
            ("hint", text_or_null("What to do.")),
        ]),
    )])
}

pub(super) fn logs() -> Value {
    object([
        ("name", text("The service's name.")),
        ("log_path", text("The file that has its output.")),
        ("lines", list(&text("A line of it, without its end."))),
    ])
}

pub(super) fn context() -> Value {
    object([
        ("text", text("What an agent is told of the services that are live; empty if there is nothing to say.")),
        ("included", count("How many services are in it.")),
        ("omitted", count("How many are not, for want of room.")),
        ("form", one_of(&Form::ALL.map(Form::word), "How much it tells of each.")),
    ])
}

pub(super) fn hint() -> Value {
    object([
        ("text", text("What an agent is told of how to declare services.")),
        ("path", text("Where its sidecar stands.")),
        ("example", json!({"type": ["object", "null"], "description": "A sidecar that passes; null where none can."})),
        ("ttl_minutes", count("The time to live in the example.")),
    ])
}

pub(super) fn config() -> Value {
    let setting = object([
        ("key", text("The setting's key: docs/configuration.md.")),
        ("value", json!({"description": "The value in force."})),
        ("default", json!({"description": "The value where nothing is set."})),
        ("source", one_of(&["default", "file"], "Where the value comes from.")),
        ("file", text_or_null("The file that it comes from.")),
    ]);
    object([("items", list(&setting)), ("file", text("The file that was looked at."))])
}

pub(super) fn doctor() -> Value {
    let finding = object([
        ("area", one_of(&Area::ALL.map(Area::word), "What was looked at.")),
        ("code", text("A stable word for what was found.")),
        ("severity", one_of(&Severity::ALL.map(Severity::word), "How much it matters.")),
        ("message", text("What was found, in one sentence.")),
        ("where", text_or_null("The place that it is about.")),
        ("hint", text_or_null("What to do.")),
    ]);
    object([("findings", list(&finding)), ("ok", boolean("Whether nothing is an error."))])
}

pub(super) fn man() -> Value {
    let page = object([("name", text("The page's name.")), ("text", text("The page in roff."))]);
    let written = items(&text("The path of a page that was written."));
    either(&[page, written], "A page, or with --dir the files of all of them.")
}

pub(super) fn completions() -> Value {
    object([("shell", text("Which shell it is for.")), ("script", text("The script."))])
}
