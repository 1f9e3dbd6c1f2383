//! `priority`: which of several sidecars that wait is taken first. What is none counts as 0, and is odd, never wrong.

use super::{Trial, asked_number};
use crate::sidecar::codes::Code;
use crate::sidecar::spot::Fields;

/// The highest, and negated the lowest.
const PRIORITY_MAX: i16 = 1000;

/// What stands there, if it is a whole number of the range; null is as good as absent.
pub(in crate::sidecar) fn value(fields: &Fields<'_>) -> Option<i16> {
    let number = asked_number(&fields.get("priority")?)?;
    // A whole double prints as an integer, another one does not; a zero has no sign here.
    let priority: i16 = (number + 0.0).to_string().parse().ok()?;
    (-PRIORITY_MAX..=PRIORITY_MAX).contains(&priority).then_some(priority)
}

/// Warns about what is none.
pub(super) fn judge(trial: &mut Trial<'_>, fields: &Fields<'_>) {
    let Some(spot) = fields.get("priority") else { return };
    if value(fields).is_none() {
        let message = format!("`priority` is no whole number from -{PRIORITY_MAX} to {PRIORITY_MAX}, and counts as 0");
        let help = "give a whole number, higher for what is to be taken first, or leave it out".to_owned();
        trial.notes.warn((&spot, spot.span()), Code::PriorityInvalid, message, help);
    }
}

#[cfg(test)]
mod tests {
    use crate::sidecar::priority;

    #[test]
    fn whole_numbers_of_the_range_count_and_all_else_is_zero() {
        let check = |text: &str, expected: i16| {
            assert_eq!(priority(format!(r#"{{"specs": [], "priority": {text}}}"#).as_bytes()), expected, "{text}");
        };
        for (text, expected) in
            [("0", 0), ("7", 7), ("-7", -7), ("1000", 1000), ("-1000", -1000), ("\"12\"", 12), ("5.0", 5), ("-0.0", 0)]
        {
            check(text, expected);
        }
        for text in ["1001", "-1001", "1e9", "0.5", "true", "null", "\"\"", "\"high\"", "[1]", "{}", "1e999"] {
            check(text, 0);
        }
        for text in ["", "[]", "{", "{}", "\"priority\""] {
            assert_eq!(priority(text.as_bytes()), 0, "{text}");
        }
    }
}
