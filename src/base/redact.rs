//! What must never be shown: values of credential-shaped environment keys, and user info in URLs.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::OnceLock;

use regex::{RegexSet, RegexSetBuilder};
use serde_json::Value;

/// What stands in place of a secret.
pub const REDACTED: &str = "[redacted]";

/// Hides what is secret by its shape in `text`: `user:password@` of URLs, the values of credential-shaped parameters behind a
/// question mark, and what follows `Bearer` or `Basic`. All else is as it was; hiding twice changes nothing, and JSON stays
/// JSON.
pub fn urls(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = 0;
    for span in spans(text) {
        out.extend([&text[rest..span.start], REDACTED]);
        rest = span.end;
    }
    out.push_str(&text[rest..]);
    out
}

/// Whether [`urls`] hides anything in `text`. Lists of thousands of records ask this of each: where there is nothing it is a few
/// searches and no copy.
pub fn has_secret(text: &str) -> bool {
    !spans(text).is_empty()
}

/// Where in `text` that is which [`urls`] hides: byte ranges of whole characters, in order and apart from each other.
pub fn spans(text: &str) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    push_user_info(text, &mut spans);
    // What user info holds ends no address and begins no parameter, before it is hidden as little as after.
    let text = masked(text, &spans);
    push_parameters(&text, &mut spans);
    push_tokens(&text, &mut spans);
    spans.sort_by_key(|span| span.start);
    let mut apart: Vec<Range<usize>> = Vec::with_capacity(spans.len());
    for span in spans {
        match apart.last_mut() {
            Some(last) if span.start < last.end => last.end = last.end.max(span.end),
            Some(_) | None => apart.push(span),
        }
    }
    apart
}

/// `text` with each byte of `spans` a bracket, as [`REDACTED`] begins with one: all else stays where it is.
fn masked<'a>(text: &'a str, spans: &[Range<usize>]) -> Cow<'a, str> {
    let mut text = Cow::Borrowed(text);
    for span in spans {
        text.to_mut().replace_range(span.clone(), &"[".repeat(span.len()));
    }
    text
}

/// `user:password` of every URL of `text`, up to the sign.
fn push_user_info(text: &str, spans: &mut Vec<Range<usize>>) {
    let mut from = 0;
    while let Some(at) = text[from..].find("://") {
        let start = from + at + 3;
        let end = start + authority_end(&text[start..]);
        spans.extend(text[start..end].rfind('@').map(|sign| start..start + sign));
        // Another address may begin right where this authority ends.
        from = start;
    }
}

/// Where the authority at the start of `tail` ends.
fn authority_end(tail: &str) -> usize {
    tail.find(['/', '?', '#', '"', '\'', ' ', '\n', '\t', '<', '>']).unwrap_or(tail.len())
}

/// What ends an address in running text or JSON. The backslash is JSON's: what it escapes must stay escaped.
const ADDRESS_ENDS: [char; 10] = [' ', '\n', '\r', '\t', '"', '\'', '<', '>', '`', '\\'];
/// What stands between parameters, and before a fragment.
const PARAMETER_ENDS: [char; 4] = ['?', '&', ';', '#'];

/// The values of credential-shaped parameters (`?token=…`) in every query of `text`, and in what follows it as a fragment.
fn push_parameters(text: &str, spans: &mut Vec<Range<usize>>) {
    let mut from = 0;
    while let Some(at) = text[from..].find('?') {
        let mut start = from + at + 1;
        let end = start + text[start..].find(ADDRESS_ENDS).unwrap_or(text.len() - start);
        for part in text[start..end].split(PARAMETER_ENDS) {
            let value = part.split_once('=').filter(|(key, value)| !value.is_empty() && is_credential_name(key));
            spans.extend(value.map(|(key, _)| start + key.len() + 1..start + part.len()));
            start += part.len() + 1;
        }
        from = end;
    }
}

/// Words of which one makes a parameter's name credential-shaped: OAuth 2.0 (RFC 6749, 6750), the signed addresses of the large
/// object stores (`X-Amz-Signature`, `sig`), and what people call keys and passwords.
const CREDENTIAL_WORDS: [&str; 19] = [
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "pass",
    "auth",
    "authorization",
    "credential",
    "credentials",
    "signature",
    "sig",
    "apikey",
    "jwt",
    "bearer",
    "pat",
    "key",
    "accesskey",
];

/// Whether a parameter of that name holds a credential: `access_token`, `apiKey`, `X-Amz-Signature`, `key`; but not `author` or
/// `tokenizer`. `%5F` and the like are not decoded: nobody writes names so.
fn is_credential_name(key: &str) -> bool {
    let snake = snake_case(key).to_ascii_lowercase();
    snake.split('_').any(|word| CREDENTIAL_WORDS.contains(&word))
}

/// How the schemes of RFC 7617 and RFC 6750 end, in the ways in which they are written.
const SCHEME_ENDS: [&str; 4] = ["earer ", "asic ", "EARER ", "ASIC "];

/// What follows `Bearer` or `Basic` where it looks like a credential and not like a word.
fn push_tokens(text: &str, spans: &mut Vec<Range<usize>>) {
    // `contains` is several times as fast as `find`, and mostly there is none.
    for scheme in SCHEME_ENDS.into_iter().filter(|scheme| text.contains(scheme)) {
        for (at, _) in text.match_indices(scheme) {
            let start = at + scheme.len();
            let is_of_token = |c: char| c.is_ascii_alphanumeric() || "-._~+/=:".contains(c);
            let end = text[start..].find(|c| !is_of_token(c)).map_or(text.len(), |length| start + length);
            spans.extend(is_token(&text[start..end]).then_some(start..end));
        }
    }
}

/// Words are short and of small letters (`bearer of news`); credentials are neither.
fn is_token(text: &str) -> bool {
    const WORD_CHARS_MAX: usize = 20;
    let word = text.trim_end_matches(['.', ':']);
    word.len() > WORD_CHARS_MAX || (word.len() >= 4 && !word.bytes().all(|b| b.is_ascii_lowercase()))
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

/// Secrets that are known by their value: what denied keys of an environment hold. A service may print them, and what it printed is
/// quoted in reports, alerts and events.
#[derive(Clone, Debug, Default)]
pub struct Secrets(Vec<String>);

/// Shorter values are left alone: they stand in words that mean something else.
const SECRET_BYTES_MIN: usize = 6;

impl Secrets {
    /// Those of `env`.
    pub fn of<'a>(env: impl IntoIterator<Item = &'a (String, String)>, deny: &DenyPatterns) -> Self {
        let is_secret = |(key, value): &&(String, String)| value.len() >= SECRET_BYTES_MIN && deny.is_match(key);
        Self::default().and(env.into_iter().filter(is_secret).map(|(_, value)| value.clone()))
    }

    /// These, and `values`, whatever they are called.
    #[must_use]
    pub fn and(mut self, values: impl IntoIterator<Item = String>) -> Self {
        self.0.extend(values.into_iter().filter(|value| value.len() >= SECRET_BYTES_MIN));
        // One may be the beginning of another.
        self.0.sort_by_key(|value| std::cmp::Reverse(value.len()));
        self
    }

    /// `text` without them, and without what [`urls`] hides.
    pub fn hide(&self, text: &str) -> String {
        let mut text = urls(text);
        for value in self.0.iter().filter(|value| !REDACTED.contains(value.as_str())) {
            if text.contains(value.as_str()) {
                text = text.replace(value.as_str(), REDACTED);
            }
        }
        text
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

/// Hides what [`urls`] hides in every string of `value`, however deep; keys are names and stay.
pub fn json_urls(value: &mut Value) {
    match value {
        Value::String(text) if has_secret(text) => *text = urls(text),
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
            assert_eq!(urls(expected), expected, "hiding twice changes nothing");
            assert_eq!(has_secret(text), text != expected, "{text}");
        };
        check("postgres://bob:s3cret@db:5432/x", "postgres://[redacted]@db:5432/x");
        check("a http://u@h/ b http://h2/p@q", "a http://[redacted]@h/ b http://h2/p@q");
        check("no url, a@b, x://", "no url, a@b, x://");
        check("http://a@b@c", "http://[redacted]@c");
    }

    #[test]
    fn credentials_in_queries_are_hidden_and_other_parameters_are_not() {
        let check = |text: &str, expected: &str| {
            assert_eq!(urls(text), expected);
            assert_eq!(urls(expected), expected, "hiding twice changes nothing");
            assert_eq!(has_secret(text), text != expected, "{text}");
        };
        check("http://h/p?token=abc", "http://h/p?token=[redacted]");
        check("GET /health?a=1&access_token=x&b=2 failed", "GET /health?a=1&access_token=[redacted]&b=2 failed");
        check("`http://h/?apiKey=k`, then ?x", "`http://h/?apiKey=[redacted]`, then ?x");
        check("http://h/?X-Amz-Signature=ab#id_token=cd", "http://h/?X-Amz-Signature=[redacted]#id_token=[redacted]");
        check("http://u:p@h/?key=AIza;z=1", "http://[redacted]@h/?key=[redacted];z=1");
        check("http://h/?author=bob&tokenizer=x&monkey=1&q=a?b=c", "http://h/?author=bob&tokenizer=x&monkey=1&q=a?b=c");
        check("http://h/?auth=Bearer abc123", "http://h/?auth=[redacted] [redacted]");
        check("http://h/?token=&y=1 what? token=1", "http://h/?token=&y=1 what? token=1");
        check(
            r#"{"a":"http://h/?token=x\"y","b":"?pwd=z"}"#,
            r#"{"a":"http://h/?token=[redacted]\"y","b":"?pwd=[redacted]"}"#,
        );
    }

    #[test]
    fn what_follows_bearer_and_basic_is_hidden_where_it_is_no_word() {
        let check = |text: &str, expected: &str| {
            assert_eq!(urls(text), expected);
            assert_eq!(urls(expected), expected, "hiding twice changes nothing");
            assert_eq!(has_secret(text), text != expected, "{text}");
        };
        check("Authorization: Bearer hunter2", "Authorization: Bearer [redacted]");
        check("-H 'authorization: bearer eyJh.eyJz-_~+/=='!", "-H 'authorization: bearer [redacted]'!");
        check("AUTHORIZATION: BASIC dXNlcjpwYXNz, x", "AUTHORIZATION: BASIC [redacted], x");
        check("Basic aaaaaaaaaaaaaaaaaaaaaaaaa", "Basic [redacted]");
        check("a bearer of news, basic authentication. Basic ", "a bearer of news, basic authentication. Basic ");
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

    proptest::proptest! {
        #[test]
        fn hiding_twice_changes_nothing_and_json_stays_json(pieces in proptest::collection::vec(proptest::sample::select(vec![
            "http://", "://", "u:p@", "@", "h/", "?", "token=", "key", "=", "&", ";", "#", "\"", "\\", "x", " ", "Bearer ", "basic ",
            "abc123", "\n", "é", "[redacted]", ":", "/",
        ]), 0..16)) {
            let text = pieces.concat();
            let once = urls(&text);
            proptest::prop_assert_eq!(urls(&once), once.clone());
            let json = Value::from(text.as_str()).to_string();
            proptest::prop_assert!(serde_json::from_str::<Value>(&urls(&json)).is_ok(), "{}", urls(&json));
            let mut apart = spans(&text).into_iter().map(|span| (span.start, span.end)).collect::<Vec<_>>();
            apart.dedup_by(|next, last| next.0 >= last.1);
            proptest::prop_assert!(apart.len() <= 1, "spans are in order and apart");
        }
    }

    #[test]
    fn secrets_are_hidden_by_their_values_too() {
        let deny = DenyPatterns::new(&["_TOKEN".to_owned()]);
        let env = [("A_TOKEN", "hunter2"), ("B_TOKEN", "hunter2-long"), ("C_TOKEN", "short"), ("PORT", "3001-3001")];
        let env = env.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let hidden = Secrets::of(&env, &deny).hide("hunter2-long, hunter2x, short, 3001-3001, http://u:p@h");
        assert_eq!(hidden, "[redacted], [redacted]x, short, 3001-3001, http://[redacted]@h");
        let more = Secrets::of(&env, &deny).and(["3001-3001-x".to_owned(), "short".to_owned()]);
        assert_eq!(more.hide("3001-3001-x, hunter2, short"), "[redacted], [redacted], short");
    }

    #[test]
    fn a_pattern_that_does_not_compile_hides_everything() {
        assert!(DenyPatterns::new(&["(".to_owned()]).is_match("PORT"));
    }
}
