//! What programs get from commands that work on services by name or by folder. Pure.

use serde_json::Value;

use crate::ops::ensure::Action;
use crate::service::{Proof, Status};

use super::super::updated::FATES;
use super::services::ended;
use super::shapes::{
    add, boolean, boolean_or_null, count, count_or_null, items, list, object, one_of, one_of_or_null, text,
    text_or_null, time, time_or_null,
};

fn up() -> Value {
    object([
        ("name", text("The record's name.")),
        ("action", one_of(&Action::ALL.map(Action::word), "What had to be done.")),
        ("healthy", boolean("Whether the last probe passed.")),
        ("pid", count_or_null("The service's pid.")),
        ("generation", text_or_null("Its life; null in a predecessor's record.")),
        ("base_url", text_or_null("Where it is reached, without secrets; null for what names none.")),
        ("ports", list(&count("A port that it declares."))),
        ("health_proof", proof()),
        ("log_path", text("Where its output goes.")),
    ])
}

/// Whose socket answered.
pub(super) fn proof() -> Value {
    one_of_or_null(&Proof::ALL.map(Proof::word), "Whose socket answered the last pass.")
}

pub(super) fn ensure() -> Value {
    let mut ensured = up();
    add(&mut ensured, "dependencies", list(&up()));
    ensured
}

pub(super) fn restart() -> Value {
    items(&object([
        ("name", text("The record's name.")),
        ("pid", count_or_null("The pid of what lives now; null if nothing does.")),
        ("generation", text_or_null("The life that the record is about now.")),
        ("healthy", boolean_or_null("Whether it is healthy; null if nobody waited.")),
        ("error", text_or_null("Why there is no new life that is up.")),
        ("log_path", text("Where its output goes.")),
        ("log_tail", list(&text("One of the last lines of that, when it failed."))),
    ]))
}

pub(super) fn renew() -> Value {
    object([
        ("name", text("The record's name.")),
        ("pid", count_or_null("The service's pid.")),
        ("ttl_minutes", count("The time to live that was given now.")),
        ("ttl_expires_at", time("When that ends")),
        ("ttl_expires_at_before", time_or_null("When it would have ended")),
    ])
}

pub(super) fn touch() -> Value {
    object([
        ("name", text("The record's name.")),
        ("status", status()),
        ("last_used_at", time("When it was used: now")),
        ("next", text_or_null("What comes if nobody uses it any more.")),
        ("next_at", time_or_null("When that comes")),
    ])
}

/// Where a service stands.
pub(super) fn status() -> Value {
    one_of(&Status::ALL.map(Status::word), "Where it stands.")
}

pub(super) fn updated() -> Value {
    items(&object([
        ("name", text("The record's name.")),
        ("fate", one_of(&FATES, "What the update means for it.")),
        ("at", time_or_null("When it is started anew if nobody uses it until then")),
    ]))
}

fn stopped() -> Value {
    object([
        ("name", text("The record's name.")),
        ("pid", count_or_null("The pid it had.")),
        ("stopped", boolean("Whether it is gone, with all that it started.")),
        ("exit", ended()),
        ("error", text_or_null("Why it is not stopped.")),
        ("dependents", list(&text("A service that depends on it and was not stopped with it."))),
    ])
}

pub(super) fn stop() -> Value {
    let mut stopped = items(&stopped());
    stopped["description"] = "What became of each; `remove-project` prints the same.".into();
    stopped
}

fn others() -> Value {
    list(&object([
        ("pid", count("A process there that is none of ours.")),
        ("command", text("The beginning of its command line, without secrets.")),
    ]))
}

pub(super) fn holders() -> Value {
    let mut holders = items(&object([
        ("name", text("The record's name.")),
        ("project", text("Its project; empty when nobody said.")),
        ("pid", count_or_null("The service's pid.")),
        ("why", text("What it has in the folder.")),
    ]));
    add(&mut holders, "others", others());
    holders
}

pub(super) fn release() -> Value {
    let mut released = items(&stopped());
    add(&mut released, "released", boolean("Whether nothing of ours is left in the folder."));
    add(&mut released, "others", others());
    released
}
