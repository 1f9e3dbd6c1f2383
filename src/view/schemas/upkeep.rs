//! What programs get from upkeep: sweeps, probes, and the loop that does both. Pure.

use serde_json::Value;

use crate::ops::sweep::Stats;

use super::super::sweep::stats_json;
use super::shapes::{add, boolean, boolean_or_null, count, count_or_null, items, list, object, text, text_or_null};
use super::verbs::{proof, status};

fn probed() -> Value {
    object([
        ("name", text("The record's name.")),
        ("status", status()),
        ("healthy", boolean_or_null("Whether it is healthy; null where that is not known, or where it is at rest.")),
        ("alive", boolean_or_null("Whether its process is there; null if that could not be told.")),
        ("proof", proof()),
        ("error", text_or_null("Why it is not healthy, or why that is not known.")),
        ("took_ms", count("How long the probe took, in milliseconds.")),
    ])
}

pub(super) fn healthcheck() -> Value {
    items(&probed())
}

pub(super) fn sweep() -> Value {
    let step = object([
        ("name", text("The service's name.")),
        ("action", text("What was due: `keep` is nothing.")),
        ("why", text("Why that.")),
        ("pid", count_or_null("The pid that it is about.")),
        ("done", boolean("Whether it was done: not in a dry run, nor if another command was first.")),
        ("error", text_or_null("Why it could not be done.")),
    ]);
    let mut swept = object([]);
    for key in stats_json(Stats::default()).keys() {
        add(&mut swept, key, count("How many."));
    }
    add(&mut swept, "dry_run", boolean("Whether nothing was to be changed."));
    add(&mut swept, "steps", list(&step));
    swept
}

pub(super) fn reconcile() -> Value {
    let not_probed = object([("name", text("The record's name.")), ("why", text("Why it needed no probe."))]);
    object([("stats", sweep()), ("probed", list(&probed())), ("not_probed", list(&not_probed))])
}

pub(super) fn run() -> Value {
    object([
        ("pid", count("The pid of the loop that has ended.")),
        ("ticks", count("How many ticks it had.")),
        ("failures", count("How many steps of them failed.")),
    ])
}
