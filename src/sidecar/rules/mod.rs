//! One file per field. Each rule says everything that is wrong with its field, in contract order, and gives back the
//! field's value with its default filled in; where something was wrong, a value that nobody will see.

mod args;
mod asked;
mod attrs;
mod cmd;
mod cwd;
mod depends_on;
mod document;
mod env;
mod healthcheck;
mod keys;
mod lifecycle;
mod name;
mod owner;
mod ports;
mod priority;
mod probe_command;
mod probe_http;
mod restart;
mod spec;
mod ttl;

use std::borrow::Cow;

use super::codes::Coded;
use super::notes::Notes;
use super::spot::Spot;
use super::{Expectations, Judge, Surroundings};

pub(super) use document::document;
pub(super) use keys::is_ours;
pub(super) use priority::value as priority;

/// One sidecar before the judge.
pub(super) struct Trial<'a> {
    pub(super) judge: &'a Judge,
    pub(super) expectations: &'a Expectations<'a>,
    pub(super) world: &'a dyn Surroundings,
    pub(super) notes: Notes,
    /// What the last working folder came to: specs of one file mostly share theirs.
    pub(super) last_workdir: Option<(String, cwd::Workdir)>,
}

impl Trial<'_> {
    /// Notes a failure; see [`Notes::fail`].
    fn fail(&mut self, spot: &Spot<'_>, coded: impl Into<Coded>, message: String, help: impl Into<String>) {
        self.notes.fail(spot, coded, message, help);
    }
}

/// The text at `spot` if it is a string that is not empty.
fn non_empty<'a>(spot: Option<&Spot<'a>>) -> Option<Cow<'a, str>> {
    spot.and_then(|spot| spot.node.text()).filter(|text| !text.is_empty())
}

/// Whether `text` has more than `chars_max` characters. A character takes at most four bytes, so most are not counted.
fn is_longer(text: &str, chars_max: u64) -> bool {
    let max = usize::try_from(chars_max).unwrap_or(usize::MAX);
    text.len() > max && text.chars().count() > max
}

/// A number, or a decimal string as JavaScript takes one, but not hexadecimal, padded, empty or spelled out.
fn asked_number(spot: &Spot<'_>) -> Option<f64> {
    spot.node.number().or_else(|| spot.node.text().and_then(|text| decimal(&text)))
}

fn decimal(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    if plain { text.parse().ok() } else { None }
}

/// `number` as an integer of the range `min..=max`. A whole double prints as an integer, another one does not.
fn integer_within(number: f64, min: u16, max: u16) -> Option<u16> {
    let is_within = number >= f64::from(min) && number <= f64::from(max);
    // A zero has no sign here.
    let number = number + 0.0;
    if is_within { number.to_string().parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_strings_are_numbers_and_others_are_not() {
        let check = |text: &str, expected: Option<f64>| assert_eq!(decimal(text), expected, "{text:?}");
        for (text, number) in [("3000", 3000.0), ("1.5", 1.5), ("1e3", 1000.0), ("-1", -1.0), (".5", 0.5), ("007", 7.0)]
        {
            check(text, Some(number));
        }
        for text in ["", " 1", "1 ", "0x10", "Infinity", "NaN", "inf", "1_000", "1m", "e", ".", "+", "--1", "1e", "٣"]
        {
            check(text, None);
        }
    }

    #[test]
    fn integers_are_whole_and_within_their_range() {
        let check = |number: f64, expected: Option<u16>| assert_eq!(integer_within(number, 1024, 65535), expected);
        check(1024.0, Some(1024));
        check(65535.0, Some(65535));
        assert_eq!(integer_within(-0.0, 0, 1), Some(0));
        for bad in [1023.0, 65536.0, 3000.5, -3000.0, 68_560.0, f64::INFINITY, f64::NAN] {
            check(bad, None);
        }
    }
}
