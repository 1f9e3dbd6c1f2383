//! Values out of the text, and how JavaScript would print them.

use serde_json::Value;

use crate::base::json::Plain;

use super::source::{Node, decode};

/// `JSON.stringify` prints a lone surrogate as an escape of six bytes; U+FFFD takes three.
const LONE_EXTRA_BYTES: usize = 3;

impl Node<'_> {
    /// The value as serde_json's, which keeps integers of 64 bits as they are written, and the bytes that JavaScript's
    /// `JSON.stringify` would print of it, in UTF-8. A number that is infinite as a double becomes `infinite`.
    pub(super) fn value(self, infinite: &Value) -> (Value, usize) {
        let (value, lone) = self.parsed(infinite);
        let bytes = stringified_bytes(&value) + lone * LONE_EXTRA_BYTES;
        (value, bytes)
    }

    /// The value, and how many lone surrogates in it became U+FFFD. serde_json refuses those, infinite numbers, and the
    /// very last level of nesting; only then the text is mended, or the level is opened by hand.
    fn parsed(self, infinite: &Value) -> (Value, usize) {
        if let Some(value) = plain(self.raw()) {
            return (value, 0);
        }
        let (mended, lone) = mended(self.raw(), infinite);
        if let Some(value) = plain(&mended) {
            return (value, lone);
        }
        if let Some(items) = self.array() {
            return (items.into_iter().map(|item| item.parsed(infinite).0).collect(), lone);
        }
        let entries = self.object().unwrap_or_default().entries;
        let pairs = entries.into_iter().map(|entry| (entry.key.into_owned(), entry.value.parsed(infinite).0));
        (Value::Object(pairs.collect()), lone)
    }
}

/// `json` as serde_json's value; `None` if serde_json refuses it.
fn plain(json: &str) -> Option<Value> {
    serde_json::from_str::<Plain>(json).ok().map(|plain| plain.0)
}

/// JSON text with infinite numbers replaced by `infinite` and lone surrogates by U+FFFD; how many of the latter.
fn mended(json: &str, infinite: &Value) -> (String, usize) {
    let mut out = String::with_capacity(json.len());
    let (mut lone, mut rest) = (0, json);
    while let Some(first) = rest.bytes().next() {
        let length = match first {
            b'"' => string_length(rest),
            b'-' | b'0'..=b'9' => {
                rest.find(|c: char| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E')).unwrap_or(rest.len())
            }
            _ => rest.chars().next().map_or(1, char::len_utf8),
        };
        let (token, after) = rest.split_at(length);
        match first {
            b'"' => {
                let (text, count) = decode(token);
                lone += count;
                out.push_str(&Value::from(text).to_string());
            }
            b'-' | b'0'..=b'9' if token.parse::<f64>().is_ok_and(f64::is_infinite) => {
                out.push_str(&infinite.to_string());
            }
            _ => out.push_str(token),
        }
        rest = after;
    }
    (out, lone)
}

/// How long the string literal at the start of `json` is, its quotes included.
fn string_length(json: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in json.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    json.len()
}

/// The bytes of `value` as `JSON.stringify` prints it: a number is a double to JavaScript.
fn stringified_bytes(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(true) => 4,
        Value::Bool(false) => 5,
        Value::Number(number) => number.as_f64().map_or(4, |number| number_text(number).len()),
        Value::String(text) => quoted_bytes(text),
        Value::Array(items) => 2 + items.len().saturating_sub(1) + items.iter().map(stringified_bytes).sum::<usize>(),
        Value::Object(map) => {
            let entries = map.iter().map(|(key, value)| quoted_bytes(key) + 1 + stringified_bytes(value));
            2 + map.len().saturating_sub(1) + entries.sum::<usize>()
        }
    }
}

/// Bytes of `text` as `JSON.stringify` quotes it.
fn quoted_bytes(text: &str) -> usize {
    let char_bytes = |c: char| match c {
        '"' | '\\' | '\u{8}' | '\u{c}' | '\n' | '\r' | '\t' => 2,
        '\0'..='\u{1f}' => 6,
        other => other.len_utf8(),
    };
    2 + text.chars().map(char_bytes).sum::<usize>()
}

/// A number as JavaScript prints it (ECMA-262, Number::toString).
pub(super) fn number_text(number: f64) -> String {
    if !number.is_finite() {
        return if number.is_nan() {
            "NaN"
        } else if number > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        }
        .to_owned();
    }
    if number == 0.0 {
        return "0".to_owned();
    }
    let scientific = format!("{:e}", number.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let digits = mantissa.replace('.', "");
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    // The decimal point stands after this many digits.
    let point = exponent.parse::<i32>().unwrap_or(0) + 1;
    let zeros = |n: i32| "0".repeat(usize::try_from(n).unwrap_or(0));
    let sign = if number < 0.0 { "-" } else { "" };
    let cut = usize::try_from(point).unwrap_or(0).min(digits.len());
    match point {
        _ if count <= point && point <= 21 => format!("{sign}{digits}{}", zeros(point - count)),
        1..=21 => format!("{sign}{}.{}", &digits[..cut], &digits[cut..]),
        -5..=0 => format!("{sign}0.{}{digits}", zeros(-point)),
        _ => {
            let dot = if count > 1 { "." } else { "" };
            let power = point - 1;
            format!("{sign}{}{dot}{}e{power:+}", &digits[..1], &digits[1..])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sidecar::source::read;

    fn node(text: &str) -> Node<'_> {
        read(text.as_bytes()).unwrap()
    }

    #[test]
    fn numbers_print_as_in_javascript() {
        let check = |number: f64, expected: &str| assert_eq!(number_text(number), expected);
        check(0.1e-10, "1e-11");
        check(-0.0, "0");
        check(1e21, "1e+21");
        check(1e20, "100000000000000000000");
        check(123_456_789.125, "123456789.125");
        check(0.000_001_5, "0.0000015");
        check(0.000_000_15, "1.5e-7");
        check(-1.25e-9, "-1.25e-9");
        check(65535.0, "65535");
        check(f64::MAX, "1.7976931348623157e+308");
        check(f64::INFINITY, "Infinity");
    }

    #[test]
    fn the_compact_size_is_that_of_json_stringify() {
        let check = |text: &str, expected: usize| {
            assert_eq!(node(text).value(&serde_json::Value::Null).1, expected, "{text}");
        };
        check(
            " { \"a\" : [ 1.0 , 1e400, \"\\u0001\\n\\u00e9\\ud800\" ] } ",
            r#"{"a":[1,null,"\u0001\né\ud800"]}"#.len(),
        );
        check(r#"{"a":1,"a":22}"#, r#"{"a":22}"#.len());
        check(r#""\/""#, 3);
        check(r#""\ud83d\ude00""#, 6);
    }

    #[test]
    fn what_serde_json_refuses_is_mended_and_the_deepest_level_is_reached() {
        let check = |text: &str, expected: serde_json::Value| {
            assert_eq!(node(text).value(&serde_json::json!("far")).0, expected, "{text}");
        };
        check(
            r#"{"a":[1e400,-1e999,1e30],"b":"\ud800\\1e400"}"#,
            serde_json::json!({"a":["far","far",1e30],"b":"\u{fffd}\\1e400"}),
        );
        check("18446744073709551615", serde_json::json!(u64::MAX));
        let deep = |inner: &str| format!("{}{inner}{}", "[".repeat(128), "]".repeat(128));
        for (text, expected) in [(deep("1"), deep("1")), (deep("1e400"), deep("\"far\""))] {
            assert_eq!(node(&text).value(&serde_json::json!("far")).0.to_string(), expected);
        }
    }

    #[test]
    fn no_key_has_a_meaning_of_its_own() {
        let text = r#"{"$serde_json::private::RawValue":"[1]"}"#;
        assert_eq!(node(text).value(&Value::Null).0.to_string(), text);
    }
}
