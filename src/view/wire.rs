//! The contract's JSON, as the doors send it: one compact document, one line.

use serde::Serialize;
use serde_json::{Value, json};

use crate::base::error::Error;
use crate::ops::hint::Hint;
use crate::ops::live::Words;

/// `{"error": {"code", "message", "hint"}}`; the message is the whole chain, the hint null if there is none.
pub fn error(error: &Error) -> String {
    line(&json!({ "error": { "code": error.code, "message": error.chain(), "hint": error.hint } }))
}

/// `{"items": […], "etag": "…"}`; `items` is a compact JSON array already, so that a list of thousands is neither parsed
/// nor copied again.
pub fn list(mut items: String, etag: &str) -> String {
    items.insert_str(0, "{\"items\":");
    // An etag is hex digits: nothing in it needs an escape.
    items.extend([",\"etag\":\"", etag, "\"}\n"]);
    items
}

/// `{"not_modified": true, "etag": "…"}`.
pub fn not_modified(etag: &str) -> String {
    line(&json!({ "not_modified": true, "etag": etag }))
}

/// One setting as the `config` command shows it.
#[derive(Serialize)]
pub struct SettingJson<'a> {
    /// The camelCase key.
    pub key: &'a str,
    /// The value in force.
    pub value: Value,
    /// The value without a file.
    pub default: Value,
    /// `default` or `file`.
    pub source: &'a str,
    /// The file it comes from; null for a default.
    pub file: Option<String>,
}

/// `{"items": [SETTING…], "file": "…"}`: every setting, and the file that was looked at.
pub fn settings(items: &[SettingJson<'_>], file: &str) -> String {
    #[derive(Serialize)]
    struct Settings<'a> {
        items: &'a [SettingJson<'a>],
        file: &'a str,
    }
    line(&Settings { items, file })
}

/// `{"name", "log_path", "lines": […]}`: the end of a log.
pub fn log<'a>(name: &str, path: &str, lines: impl Iterator<Item = &'a str>) -> String {
    line(&json!({ "name": name, "log_path": path, "lines": lines.collect::<Vec<_>>() }))
}

/// `{"text", "included", "omitted", "form"}`: what is live, told to an agent.
pub fn words(words: &Words) -> String {
    let Words { text, included, omitted, form } = words;
    line(&json!({ "text": text, "included": included, "omitted": omitted, "form": form.word() }))
}

/// `{"text", "path", "example", "ttl_minutes"}`: how to declare services, told to an agent.
pub fn hint(hint: &Hint) -> String {
    let Hint { text, path, example, ttl_minutes } = hint;
    line(&json!({ "text": text, "path": path, "example": example, "ttl_minutes": ttl_minutes }))
}

/// Any value as one line.
pub fn line(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string(value).expect("keys are strings and no serializer of ours fails");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::error::Kind;

    #[test]
    fn errors_are_one_object_with_the_chain_and_a_hint_or_null() {
        let check = |shown: Error, expected: &str| assert_eq!(error(&shown), format!("{expected}\n"));
        check(
            Error::new(Kind::Usage, "usage", "no `x`").with_hint("say y"),
            r#"{"error":{"code":"usage","message":"no `x`","hint":"say y"}}"#,
        );
        check(
            Error::io("cannot read `f`", std::io::Error::other("disk")),
            r#"{"error":{"code":"io","message":"cannot read `f`: disk","hint":null}}"#,
        );
    }

    #[test]
    fn lists_carry_items_and_etag_in_this_order() {
        assert_eq!(list("[]".into(), "abc"), "{\"items\":[],\"etag\":\"abc\"}\n");
        assert_eq!(list("[1,2]".into(), "abc"), "{\"items\":[1,2],\"etag\":\"abc\"}\n");
    }
}
