//! What fields of several rules have in common: a number within bounds, a yes or no, a word of a few.

use super::{Trial, asked_number, integer_within};
use crate::sidecar::codes::Code;
use crate::sidecar::notes::shown;
use crate::sidecar::spot::{Fields, Spot};

/// Seconds from `min` or, if it is open, from above it, to `max`.
pub(super) struct Bounds {
    pub(super) min: f64,
    pub(super) is_open: bool,
    pub(super) max: f64,
}

impl Bounds {
    /// Over 0, at most `max`.
    pub(super) const fn over_zero(max: f64) -> Self {
        Self { min: 0.0, is_open: true, max }
    }

    /// From 0 to `max`.
    pub(super) const fn from_zero(max: f64) -> Self {
        Self { min: 0.0, is_open: false, max }
    }

    fn has(&self, seconds: f64) -> bool {
        let is_above = if self.is_open { seconds > self.min } else { seconds >= self.min };
        is_above && seconds <= self.max
    }

    fn words(&self) -> String {
        let from = if self.is_open { "over" } else { "from" };
        let to = if self.is_open { "and at most" } else { "to" };
        format!("{from} {} {to} {}", self.min, self.max)
    }
}

/// The seconds at `spot`, or a failure with `code`; `what` names the field in its message.
pub(super) fn seconds(
    trial: &mut Trial<'_>,
    spot: &Spot<'_>,
    (what, code, has_detail): (&str, Code, bool),
    bounds: &Bounds,
) -> Option<f64> {
    // A zero has no sign here, so that -0 is the same spec as 0.
    let good = asked_number(spot).filter(|seconds| bounds.has(*seconds)).map(|seconds| seconds + 0.0);
    if good.is_none() {
        let text = spot.node.js_string();
        let message = format!("{what} of {} is {}", trial.notes.who(), shown(&text));
        let coded = if has_detail { code.of(&text) } else { code.into() };
        trial.fail(spot, coded, message, format!("give seconds, {}", bounds.words()));
    }
    good
}

/// The integer at `spot`, or a failure with `code`.
pub(super) fn integer(
    trial: &mut Trial<'_>,
    spot: &Spot<'_>,
    (what, code): (&str, Code),
    (min, max): (u16, u16),
) -> Option<u16> {
    let good = asked_number(spot).and_then(|number| integer_within(number, min, max));
    if good.is_none() {
        let message = format!("{what} of {} is {}", trial.notes.who(), shown(&spot.node.js_string()));
        trial.fail(spot, code, message, format!("give an integer from {min} to {max}"));
    }
    good
}

/// Whether `key` is true; absent it is false.
pub(super) fn flag(trial: &mut Trial<'_>, fields: &Fields<'_>, (key, code): (&str, Code)) -> bool {
    let Some(spot) = fields.get(key) else { return false };
    let flag = spot.node.boolean();
    if flag.is_none() {
        let message = format!("`{key}` of {} is neither true nor false", trial.notes.who());
        trial.fail(&spot, code, message, "give true or false, or leave it out for false");
    }
    flag.unwrap_or_default()
}

/// What `parse` makes of the word at `spot`, or a failure with `code` that tells the known `words`.
pub(super) fn word<T>(
    trial: &mut Trial<'_>,
    spot: &Spot<'_>,
    (what, code, words): (&str, Code, &[&str]),
    parse: fn(&str) -> Option<T>,
) -> Option<T> {
    let good = spot.node.text().and_then(|text| parse(&text));
    if good.is_none() {
        let text = spot.node.js_string();
        let message = format!("{what} of {} is {}", trial.notes.who(), shown(&text));
        let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
        trial.fail(spot, code.of(&text), message, format!("use one of: {}", quoted.join(", ")));
    }
    good
}
