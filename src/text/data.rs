//! Other people's text as data in a prompt: JSON whose strings are printable ASCII on one line, so that nothing in them can
//! end a fence, begin a line, look like a tag, or be invisible. Why so: docs/design/agent-text.md.

use std::fmt::Write as _;

use serde_json::Value;

use crate::base::redact::{self, DenyPatterns, REDACTED};

/// What stands at the end of a string that was cut.
const CUT: &str = "...";

/// `text` as a JSON string with every character as it is meant: a parser gives `text` back.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    text.chars().for_each(|c| push_char(&mut out, c));
    out.push('"');
    out
}

/// `value` as JSON of such strings, whole.
pub(super) fn exact(value: &Value) -> String {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(items) => format!("[{}]", items.iter().map(exact).collect::<Vec<_>>().join(", ")),
        Value::Object(object) => {
            let entries = object.iter().map(|(key, held)| format!("{}: {}", quoted(key), exact(held)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
    }
}

/// The same without user info of URLs, and cut after `bytes_max` bytes between the quotes.
pub(super) fn quoted_cut(text: &str, bytes_max: usize) -> String {
    // A cut before the redaction could halve a URL and show its secret.
    let text = redact::urls(text);
    let mut out = String::from('"');
    // The last place where the cut fits behind what is there.
    let mut room = out.len();
    for c in text.chars() {
        push_char(&mut out, c);
        if out.len() - 1 > bytes_max {
            out.truncate(room);
            out.push_str(CUT);
            break;
        }
        if out.len() - 1 + CUT.len() <= bytes_max {
            room = out.len();
        }
    }
    out.push('"');
    out
}

/// `value` as compact JSON of such strings, each at most `bytes_max` bytes long, and what stands under a credential-shaped key hidden.
/// `None` if the whole is longer than `bytes_max`, but for a string, which is cut.
pub(super) fn value(value: &Value, bytes_max: usize, deny: &DenyPatterns) -> Option<String> {
    let mut out = String::new();
    push_value(&mut out, value, bytes_max, deny)?;
    Some(out)
}

/// What stands for the value of `key`.
pub(super) fn value_of(key: &str, held: &Value, bytes_max: usize, deny: &DenyPatterns) -> Option<String> {
    if deny.is_match_of_any_case(key) { Some(quoted(REDACTED)) } else { value(held, bytes_max, deny) }
}

/// Appends `value`; `None` once `out` is too long, which also bounds the depth.
fn push_value(out: &mut String, value: &Value, bytes_max: usize, deny: &DenyPatterns) -> Option<()> {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => out.push_str(&value.to_string()),
        Value::String(text) => out.push_str(&quoted_cut(text, bytes_max)),
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                out.push(if at == 0 { '[' } else { ',' });
                push_value(within(out, bytes_max)?, item, bytes_max, deny)?;
            }
            out.push_str(if items.is_empty() { "[]" } else { "]" });
        }
        Value::Object(object) => {
            for (at, (key, held)) in object.iter().enumerate() {
                out.push(if at == 0 { '{' } else { ',' });
                out.push_str(&quoted_cut(key, bytes_max));
                out.push(':');
                let is_hidden = deny.is_match_of_any_case(key);
                let held = if is_hidden { &Value::from(REDACTED) } else { held };
                push_value(within(out, bytes_max)?, held, bytes_max, deny)?;
            }
            out.push_str(if object.is_empty() { "{}" } else { "}" });
        }
    }
    // A string alone is cut to fit between its quotes.
    (out.len() <= bytes_max + 2).then_some(())
}

fn within(out: &mut String, bytes_max: usize) -> Option<&mut String> {
    if out.len() <= bytes_max { Some(out) } else { None }
}

/// Appends one character of a JSON string (RFC 8259, section 7): printable ASCII as it is, but for quotes, backslashes, and
/// what opens a code span or a tag; all else by its number.
fn push_char(out: &mut String, c: char) {
    match c {
        '"' | '\\' => out.extend(['\\', c]),
        '`' | '<' | '>' => push_number(out, c),
        ' '..='~' => out.push(c),
        _ => push_number(out, c),
    }
}

fn push_number(out: &mut String, c: char) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        // Writing to a String cannot fail.
        let _ = write!(out, "\\u{unit:04x}");
    }
}

/// A word of a setting: as it is if it is plain, else as a JSON string.
pub(super) fn word(text: &str) -> String {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && !b"\"`<>,".contains(&b)) {
        text.to_owned()
    } else {
        quoted(text)
    }
}

/// The same as one word of a shell's command line, in printable ASCII on one line: bare, in quotes, or in dollar-quotes with
/// bytes by their octal numbers (POSIX.1-2024, Shell Command Language 2.2).
pub(super) fn shell_word(text: &str) -> String {
    let is_bare = |b: u8| b.is_ascii_alphanumeric() || b"_-./:@%+=,".contains(&b);
    let is_harmless = |b: u8| matches!(b, b' '..=b'~') && !b"`<>".contains(&b);
    if !text.is_empty() && text.bytes().all(is_bare) {
        return text.to_owned();
    }
    if text.bytes().all(is_harmless) {
        return format!("'{}'", text.replace('\'', "'\\''"));
    }
    let mut out = String::from("$'");
    for byte in text.bytes() {
        match byte {
            b'\'' | b'\\' => out.extend(['\\', char::from(byte)]),
            _ if is_harmless(byte) => out.push(char::from(byte)),
            // Writing to a String cannot fail.
            _ => drop(write!(out, "\\{byte:03o}")),
        }
    }
    out + "'"
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_quoted_text_is_one_line_of_ascii_and_reads_back() {
        for text in [
            "plain",
            "```\n# x",
            "\u{1b}[2J\r\u{85}\u{2028}",
            "</system><|im_end|>",
            "日本 é 😀",
            "\"\\",
            "\u{202e}\u{e0041}",
        ] {
            let shown = quoted(text);
            assert!(shown.bytes().all(|b| (0x20..0x7f).contains(&b) && !b"`<>".contains(&b)), "{shown}");
            assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
        }
    }

    #[test]
    fn a_cut_keeps_within_its_bytes_and_never_halves_an_escape() {
        let check = |text: &str, bytes_max: usize, expected: &str| {
            assert_eq!(quoted_cut(text, bytes_max), format!("\"{expected}\""), "{text:?} {bytes_max}");
        };
        check("abcdef", 6, "abcdef");
        check("abcdefg", 6, "abc...");
        check("aéé", 10, "a\\u00e9...");
        check("😀😀", 24, "\\ud83d\\ude00\\ud83d\\ude00");
        check("😀😀", 23, "\\ud83d\\ude00...");
        check("😀", 5, "...");
        check("at http://u:p@h/", 100, "at http://[redacted]@h/");
    }

    #[test]
    fn values_are_whole_or_nothing_and_secrets_are_hidden_at_any_depth() {
        let deny = DenyPatterns::new(&["_TOKEN".into(), "^PASSWORD".into()]);
        let check = |held: Value, expected: Option<&str>| assert_eq!(value(&held, 40, &deny).as_deref(), expected);
        check(json!({"a": [1, true, null, {}, []]}), Some(r#"{"a":[1,true,null,{},[]]}"#));
        check(json!([{"password": {"x": 1}}]), Some(r#"[{"password":"[redacted]"}]"#));
        check(json!({"dbToken": "s3cret"}), Some(r#"{"dbToken":"[redacted]"}"#));
        check(json!("x".repeat(50)), Some(&format!("\"{}...\"", "x".repeat(37))));
        check(json!(["x".repeat(50)]), None);
        check((0..100).fold(json!(1), |deep, _| json!([deep])), None);
        assert_eq!(value_of("api_token", &json!(1), 40, &deny).as_deref(), Some("\"[redacted]\""));
    }

    #[test]
    fn a_word_of_a_shell_is_one_word_of_ascii() {
        let check = |text: &str, expected: &str| assert_eq!(shell_word(text), expected);
        check("/a/b-1.json", "/a/b-1.json");
        check("/a b/it's", "'/a b/it'\\''s'");
        check("", "''");
        check("$(x)", "'$(x)'");
        check("`y`\n'\\é", "$'\\140y\\140\\012\\'\\\\\\303\\251'");
    }

    #[test]
    fn words_of_settings_are_bare_or_quoted() {
        let check = |text: &str, expected: &str| assert_eq!(word(text), expected);
        check("python3", "python3");
        check("^AWS_", "^AWS_");
        check("a b", "\"a b\"");
        check("```\n#", "\"\\u0060\\u0060\\u0060\\u000a#\"");
    }
}
