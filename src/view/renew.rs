//! What a renewal came to, for programs and for people.

use serde_json::json;

use crate::base::span;
use crate::ops::renew::Renewed;

use super::wire::line;

/// `{"name", "pid", "ttl_minutes", "ttl_expires_at", "ttl_expires_at_before"}`: minutes as given now, times in epoch
/// milliseconds, the last null if there was no end before.
pub fn json(renewed: &Renewed) -> String {
    line(&json!({
        "name": renewed.name,
        "pid": renewed.pid,
        "ttl_minutes": renewed.ttl_minutes,
        "ttl_expires_at": renewed.expires_at.0,
        "ttl_expires_at_before": renewed.expired_at_before.map(|at| at.0),
    }))
}

/// One line: until when it lives, and how much was left before.
pub fn text(renewed: &Renewed) -> String {
    let given = span::short(renewed.expires_at.since(renewed.at));
    let before = match renewed.expired_at_before {
        Some(end) if end <= renewed.at => "it was over".to_owned(),
        Some(end) => format!("{} were left", span::short(end.since(renewed.at))),
        None => "it had no end".to_owned(),
    };
    format!("{}: lives until {}, {given} from now; {before}\n", renewed.name, span::utc(renewed.expires_at.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::EpochMs;

    #[test]
    fn a_renewal_says_until_when_and_what_was_left() {
        let check = |before: Option<i64>, words: &str| {
            let renewed = Renewed {
                name: "web".into(),
                pid: Some(7),
                ttl_minutes: 60,
                at: EpochMs(1_767_225_600_000),
                expires_at: EpochMs(1_767_229_200_000),
                expired_at_before: before.map(EpochMs),
                set_aside: None,
            };
            let expected = format!("web: lives until 2026-01-01 01:00:00 UTC, 1h from now; {words}\n");
            assert_eq!(text(&renewed), expected);
            let parsed: serde_json::Value = serde_json::from_str(&json(&renewed)).unwrap();
            assert_eq!(parsed["ttl_expires_at_before"], before.map_or(serde_json::Value::Null, Into::into));
        };
        check(Some(1_767_225_660_000), "1m were left");
        check(Some(1_767_225_600_000), "it was over");
        check(None, "it had no end");
    }
}
