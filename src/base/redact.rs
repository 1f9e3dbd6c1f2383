//! What must never be shown: values of credential-shaped environment keys, and user info in URLs.

use std::sync::OnceLock;

use regex::{RegexSet, RegexSetBuilder};
use serde_json::Value;

/// What stands in place of a secret.
pub const REDACTED: &str = "[redacted]";

/// Hides `user:password@` in every URL of `text`; all else is as it was.
pub fn urls(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (head, tail) = rest.split_at(at + 3);
        out.push_str(head);
        let end = authority_end(tail);
        let authority = &tail[..end];
        match authority.rfind('@') {
            Some(sign) => {
                out.push_str(REDACTED);
                out.push_str(&authority[sign..]);
            }
            None => out.push_str(authority),
        }
        rest = &tail[end..];
    }
    out.push_str(rest);
    out
}

/// Whether [`urls`] would hide anything in `text`.
pub fn has_user_info(text: &str) -> bool {
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let tail = &rest[at + 3..];
        let authority = &tail[..authority_end(tail)];
        if authority.contains('@') {
            return true;
        }
        rest = &tail[authority.len()..];
    }
    false
}

/// Where the authority at the start of `tail` ends.
fn authority_end(tail: &str) -> usize {
    tail.find(['/', '?', '#', '"', '\'', ' ', '\n', '\t', '<', '>']).unwrap_or(tail.len())
}

/// `envKeyDenyPatterns`, ready to be asked. Every command that shows a record asks, and compiling the patterns would take
/// longer than all the rest of `list`; so patterns that are a plain word, as the defaults are, are compared as words.
#[derive(Debug)]
pub struct DenyPatterns {
    words: Vec<Word>,
    /// Patterns that only the regex engine understands.
    others: Vec<String>,
    /// All of them, for keys beyond ASCII, where ignoring case is not a matter of single bytes.
    all: Vec<String>,
    others_set: OnceLock<RegexSet>,
    all_set: OnceLock<RegexSet>,
}

/// A pattern without any sign of the regex language but `^` at its start.
#[derive(Debug)]
struct Word {
    upper: Vec<u8>,
    is_at_start: bool,
}

impl DenyPatterns {
    /// Takes patterns that are known to compile (loading the settings checks it). One that does not denies every key:
    /// what cannot be judged is not shown.
    pub fn new(patterns: &[String]) -> Self {
        let mut words = Vec::new();
        let mut others = Vec::new();
        for pattern in patterns {
            let text = pattern.strip_prefix('^').unwrap_or(pattern);
            if !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
                words.push(Word { upper: text.to_ascii_uppercase().into_bytes(), is_at_start: text != pattern });
            } else {
                others.push(pattern.clone());
            }
        }
        Self { words, others, all: patterns.to_vec(), others_set: OnceLock::new(), all_set: OnceLock::new() }
    }

    /// Whether one of the patterns matches `key`, case ignored.
    pub fn is_match(&self, key: &str) -> bool {
        if !key.is_ascii() {
            return Self::set_matches(&self.all_set, &self.all, key);
        }
        let upper = key.to_ascii_uppercase().into_bytes();
        self.words.iter().any(|word| word.is_in(&upper))
            || (!self.others.is_empty() && Self::set_matches(&self.others_set, &self.others, key))
    }

    /// The same for keys that people spell as they like, such as those of attrs: `dbPassword` and `x-api-key` are asked
    /// for as `db_Password` and `x_api_key` too.
    pub fn is_match_of_any_case(&self, key: &str) -> bool {
        self.is_match(key) || self.is_match(&snake_case(key))
    }

    fn set_matches(set: &OnceLock<RegexSet>, patterns: &[String], key: &str) -> bool {
        if let Some(set) = set.get() {
            return set.is_match(key);
        }
        match RegexSetBuilder::new(patterns).case_insensitive(true).build() {
            Ok(built) => set.get_or_init(|| built).is_match(key),
            Err(_) => true,
        }
    }
}

/// `key` with an underscore between its words, letters as they are.
fn snake_case(key: &str) -> String {
    let mut snake = String::with_capacity(key.len() + 4);
    let mut last = ' ';
    let mut chars = key.chars().peekable();
    while let Some(c) = chars.next() {
        let ends_acronym = last.is_uppercase() && chars.peek().is_some_and(|next| next.is_lowercase());
        if c.is_uppercase() && (last.is_lowercase() || last.is_numeric() || ends_acronym) {
            snake.push('_');
        }
        snake.push(if c.is_alphanumeric() { c } else { '_' });
        last = c;
    }
    snake
}

impl Word {
    fn is_in(&self, upper: &[u8]) -> bool {
        if self.is_at_start {
            return upper.starts_with(&self.upper);
        }
        upper.windows(self.upper.len()).any(|window| window == self.upper)
    }
}

/// Hides the values of denied keys in `env`, an environment as a JSON object; anything else is left as it is.
pub fn json_env(env: &mut Value, deny: &DenyPatterns) {
    let Some(env) = env.as_object_mut() else { return };
    let denied = env.iter_mut().filter(|(key, _)| deny.is_match(key));
    denied.for_each(|(_, value)| *value = Value::from(REDACTED));
}

/// Hides the user info of URLs in every string of `value`, however deep.
pub fn json_urls(value: &mut Value) {
    match value {
        Value::String(text) if has_user_info(text) => *text = urls(text),
        Value::Array(list) => list.iter_mut().for_each(json_urls),
        Value::Object(object) => object.values_mut().for_each(json_urls),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_info_of_urls_is_hidden_and_nothing_else() {
        let check = |text: &str, expected: &str| {
            assert_eq!(urls(text), expected);
            assert_eq!(has_user_info(text), text != expected, "{text}");
        };
        check("postgres://bob:s3cret@db:5432/x", "postgres://[redacted]@db:5432/x");
        check("a http://u@h/ b http://h2/p@q", "a http://[redacted]@h/ b http://h2/p@q");
        check("no url, a@b, x://", "no url, a@b, x://");
        check("http://a@b@c", "http://[redacted]@c");
    }
    #[test]
    fn words_and_the_regex_engine_agree_on_every_key() {
        let patterns: Vec<String> =
            ["^AWS_", "_TOKEN", "_PAT", "^SECRET", "K$", "^[A-C]_X", "pass(wd|word)"].map(str::to_owned).to_vec();
        let deny = DenyPatterns::new(&patterns);
        let set = RegexSetBuilder::new(&patterns).case_insensitive(true).build().unwrap();
        let keys = [
            "AWS_KEY",
            "aws_x",
            "MY_AWS_X",
            "GH_TOKEN",
            "gh_token_2",
            "TOKEN",
            "PATH",
            "A_PATH",
            "SECRETS",
            "NO_SECRET",
            "LOCK",
            "K1",
            "b_x",
            "D_X",
            "DB_PASSWD",
            "db_password",
            "PORT",
            "",
            "_",
            "\u{212a}",
            "a\u{17f}ecret",
            "_to\u{212a}en",
            "\u{17f}ecret",
        ];
        for key in keys {
            assert_eq!(deny.is_match(key), set.is_match(key), "{key:?}");
        }
    }

    #[test]
    fn keys_are_found_however_their_words_are_joined() {
        let deny = DenyPatterns::new(&["_TOKEN", "^API_KEY", "^PASSWORD"].map(str::to_owned));
        let check = |key: &str, expected: bool| assert_eq!(deny.is_match_of_any_case(key), expected, "{key}");
        for key in ["accessToken", "apiKey", "APIKey", "api-key", "api.key", "ACCESS_TOKEN", "password", "oauth2Token"]
        {
            check(key, true);
        }
        for key in ["base_url", "baseUrl", "tokenizer", "keyApi", "", "日本"] {
            check(key, false);
        }
    }

    #[test]
    fn a_pattern_that_does_not_compile_hides_everything() {
        assert!(DenyPatterns::new(&["(".to_owned()]).is_match("PORT"));
    }
}
