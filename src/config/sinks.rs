//! The sinks of `outbox` as they stand in the file: one table of their keys, from which reading, the schema and the docs
//! (`sinks_docs`) are made.

use serde_json::{Map, Value, json};

use crate::base::excerpt::excerpt;
use crate::base::nearest::nearest;
use crate::base::redact::REDACTED;

use super::outbox::{HeaderValue, Outbox, Sink, Target, Webhook};

/// Most sinks: each is a place where events wait.
pub(super) const SINKS_MAX: usize = 20;
/// Most entries of a list or of headers.
pub(super) const ENTRIES_MAX: usize = 100;
/// Longest text of one value, in bytes.
pub(super) const TEXT_BYTES_MAX: usize = 4096;
/// Longest name, in characters: it becomes a part of file names.
const NAME_CHARS_MAX: usize = 64;
/// Seconds that one delivery may take, if the sink does not say.
pub(super) const TIMEOUT_SEC: f64 = 10.0;
/// The least and the most that a sink may say.
pub(super) const TIMEOUT_SEC_RANGE: (f64, f64) = (0.1, 60.0);
/// How much of a value an error shows, in characters.
const SHOWN_CHARS_MAX: usize = 60;

/// The words for what a sink is.
pub const KINDS: [&str; 3] = ["webhook", "command", "file"];

/// One key of a sink.
pub(super) struct Key {
    pub(super) name: &'static str,
    /// The kinds of sinks that have it.
    pub(super) kinds: &'static [&'static str],
    pub(super) is_required: bool,
    /// What may stand there.
    pub(super) asked: &'static str,
    pub(super) doc: &'static str,
}

const fn key(name: &'static str, kinds: &'static [&'static str], asked: &'static str, doc: &'static str) -> Key {
    Key { name, kinds, is_required: false, asked, doc }
}

const fn required(key: Key) -> Key {
    Key { is_required: true, ..key }
}

const WEBHOOK: &[&str] = &["webhook"];
const COMMAND: &[&str] = &["command"];

/// Every key, in the order in which it is shown.
pub(super) const KEYS: [Key; 12] = [
    required(key(
        "name",
        &KINDS,
        "a letter or digit, then up to 63 letters, digits, dots, underscores or hyphens",
        "What the sink is called in commands and in the names of its files; no two have the same.",
    )),
    required(key("type", &KINDS, "one of \"webhook\", \"command\", \"file\"", "What takes the events.")),
    required(key(
        "url",
        WEBHOOK,
        "a http:// address without user info",
        "Each event is a POST to it. There is no TLS here: for https, a command sink with `curl`.",
    )),
    key(
        "headers",
        WEBHOOK,
        "an object of texts, or of {\"env\": NAME}",
        "Further headers; a secret one comes from the environment of the deliverer by {\"env\": NAME}.",
    ),
    key(
        "followRedirects",
        WEBHOOK,
        "true or false",
        "Whether a redirect is followed, three at most; false if not said.",
    ),
    key("proxy", WEBHOOK, "a http:// address without user info", "A proxy to go through; none if not said."),
    required(key(
        "cmd",
        COMMAND,
        "a non-empty text",
        "The program that gets each event on its stdin; exit code 0: taken.",
    )),
    key("args", COMMAND, "a list of texts", "Its arguments."),
    required(key(
        "path",
        &["file"],
        "a non-empty text",
        "The file that gets each event as a line; absolute, or from the root.",
    )),
    key(
        "types",
        &KINDS,
        "a list of non-empty texts",
        "Types of the events to deliver, such as service.failed or service.*; all if not said.",
    ),
    key(
        "coalesce",
        &KINDS,
        "true or false",
        "Whether of each service only the newest waiting event is delivered; false if not said.",
    ),
    key(
        "timeoutSec",
        &["webhook", "command"],
        "a number from 0.1 to 60",
        "Longest time that one delivery may take, in seconds; 10 if not said.",
    ),
];

/// Reads the value of the setting; the error has a clause for each thing that is wrong.
pub(super) fn read(value: &Value) -> Result<Outbox, Vec<String>> {
    let wrong =
        |path: &str, value: &Value, asked: &str| vec![format!("`{path}` is {}, but must be {asked}", shown(value))];
    let object = value.as_object().ok_or_else(|| wrong("outbox", value, &asked()))?;
    let mut faults: Vec<String> = Vec::new();
    for name in object.keys().filter(|name| *name != "sinks") {
        faults.push(unknown(
            &format!("outbox.{}", excerpt(name, SHOWN_CHARS_MAX)),
            "outbox",
            name,
            ["sinks"].into_iter(),
        ));
    }
    let none = Value::Array(Vec::new());
    let list = object.get("sinks").unwrap_or(&none);
    let Some(list) = list.as_array().filter(|list| list.len() <= SINKS_MAX) else {
        faults.extend(wrong("outbox.sinks", list, &format!("a list of at most {SINKS_MAX} sinks")));
        return Err(faults);
    };
    let mut sinks: Vec<Sink> = Vec::new();
    for (at, value) in list.iter().enumerate() {
        let path = format!("outbox.sinks[{at}]");
        match read_sink(&path, value) {
            Err(more) => faults.extend(more),
            Ok(sink) if sinks.iter().any(|other| other.name == sink.name) => {
                faults.push(format!("`{path}.name` is `{}`, as that of a sink before it", sink.name));
            }
            Ok(sink) => sinks.push(sink),
        }
    }
    if faults.is_empty() { Ok(Outbox { sinks }) } else { Err(faults) }
}

/// What may stand there, for messages and docs.
pub(super) fn asked() -> String {
    format!("an object with `sinks`, a list of at most {SINKS_MAX} objects as below")
}

/// The entries of one sink, taken one by one; what is wrong with them is gathered.
struct Entries<'a> {
    path: &'a str,
    object: &'a Map<String, Value>,
    faults: Vec<String>,
}

impl Entries<'_> {
    /// What `take` makes of the value of `name`, if there is one; what it refuses is a fault.
    fn take<T>(&mut self, name: &str, take: impl FnOnce(&Value) -> Option<T>) -> Option<T> {
        let key = KEYS.iter().find(|key| key.name == name).expect("the names are those of the table");
        let Some(value) = self.object.get(name) else {
            if key.is_required {
                self.faults.push(format!("`{}.{name}` is missing; it must be {}", self.path, key.asked));
            }
            return None;
        };
        let taken = take(value);
        if taken.is_none() {
            // What stands in `headers` may be secret, whatever it is.
            let value = if name == "headers" { "no such object".to_owned() } else { shown(value) };
            self.faults.push(format!("`{}.{name}` is {value}, but must be {}", self.path, key.asked));
        }
        taken
    }
}

fn read_sink(path: &str, value: &Value) -> Result<Sink, Vec<String>> {
    let Some(object) = value.as_object() else {
        return Err(vec![format!(
            "`{path}` is {}, but must be an object with at least `name` and `type`",
            shown(value)
        )]);
    };
    let mut entries = Entries { path, object, faults: Vec::new() };
    let name = entries.take("name", |value| value.as_str().filter(|name| is_name(name)).map(str::to_owned));
    let kind = entries.take("type", |value| KINDS.into_iter().find(|kind| value.as_str() == Some(kind)));
    let known = || KEYS.iter().filter(|key| kind.is_none_or(|kind| key.kinds.contains(&kind))).map(|key| key.name);
    for name in object.keys().filter(|name| !known().any(|key| key == *name)) {
        let what = kind.map_or_else(|| "sink".to_owned(), |kind| format!("{kind} sink"));
        entries.faults.push(unknown(&format!("{path}.{}", excerpt(name, SHOWN_CHARS_MAX)), &what, name, known()));
    }
    let target = kind.and_then(|kind| target(kind, &mut entries));
    let types = entries.take("types", texts).unwrap_or_default();
    let coalesce = entries.take("coalesce", Value::as_bool).unwrap_or(false);
    let (min, max) = TIMEOUT_SEC_RANGE;
    let timeout_sec = match kind {
        Some("webhook" | "command") => {
            entries.take("timeoutSec", |value| value.as_f64().filter(|seconds| (min..=max).contains(seconds)))
        }
        Some(_) | None => None,
    };
    match (name, target) {
        (Some(name), Some(target)) if entries.faults.is_empty() => {
            Ok(Sink { name, target, types, coalesce, timeout_sec: timeout_sec.unwrap_or(TIMEOUT_SEC) })
        }
        _ => Err(entries.faults),
    }
}

fn target(kind: &str, entries: &mut Entries<'_>) -> Option<Target> {
    match kind {
        "webhook" => {
            let url = entries.take("url", address);
            let headers = entries.take("headers", headers).unwrap_or_default();
            let follow_redirects = entries.take("followRedirects", Value::as_bool).unwrap_or(false);
            let proxy = entries.take("proxy", address);
            Some(Target::Webhook(Webhook { url: url?, headers, follow_redirects, proxy }))
        }
        "command" => {
            let cmd = entries.take("cmd", text);
            let args = entries.take("args", any_texts).unwrap_or_default();
            Some(Target::Command { cmd: cmd?, args })
        }
        _ => Some(Target::File { path: entries.take("path", text)? }),
    }
}

fn is_name(name: &str) -> bool {
    let is_inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.len() <= NAME_CHARS_MAX && name.chars().all(is_inner)
}

/// A text that can be handed to a program or the system.
fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty() && is_plain(text)).map(str::to_owned)
}

fn is_plain(text: &str) -> bool {
    text.len() <= TEXT_BYTES_MAX && !text.contains('\0')
}

fn texts(value: &Value) -> Option<Vec<String>> {
    any_texts(value).filter(|texts| texts.iter().all(|text| !text.is_empty()))
}

fn any_texts(value: &Value) -> Option<Vec<String>> {
    let list = value.as_array().filter(|list| list.len() <= ENTRIES_MAX)?;
    list.iter().map(|text| text.as_str().filter(|text| is_plain(text)).map(str::to_owned)).collect()
}

/// A http address with a host, of visible ASCII; user info would be a secret in a file that is shown.
fn address(value: &Value) -> Option<String> {
    let url = text(value)?;
    let rest = url.strip_prefix("http://")?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let is_good = !authority.is_empty()
        && !authority.starts_with(':')
        && !authority.contains('@')
        && url.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte));
    is_good.then_some(url)
}

/// Headers by name, as RFC 9110 spells them.
fn headers(value: &Value) -> Option<Vec<(String, HeaderValue)>> {
    let object = value.as_object().filter(|object| object.len() <= ENTRIES_MAX)?;
    let is_token = |name: &str| {
        let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        !name.is_empty() && name.len() <= NAME_CHARS_MAX && name.bytes().all(is_sign)
    };
    let is_line = |text: &str| is_plain(text) && text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    let header = |(name, value): (&String, &Value)| {
        let value = match value {
            Value::String(text) if is_line(text) => HeaderValue::Text(text.clone()),
            Value::Object(from) if from.len() == 1 => HeaderValue::Env(from.get("env").and_then(text)?),
            Value::String(_) | Value::Object(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
                return None;
            }
        };
        is_token(name).then(|| (name.clone(), value))
    };
    object.iter().map(header).collect()
}

/// A value as an error shows it: short, on one line, harmless.
fn shown(value: &Value) -> String {
    excerpt(&value.to_string(), SHOWN_CHARS_MAX)
}

fn unknown(path: &str, of: &str, name: &str, known: impl Iterator<Item = &'static str>) -> String {
    let near = nearest(name, known).map(|near| format!(" (nearest: `{near}`)")).unwrap_or_default();
    format!("`{path}` is no key of {}{near}", if of == "outbox" { "`outbox`".to_owned() } else { format!("a {of}") })
}

/// The setting as it is shown: headers that stand in the file are hidden.
pub(super) fn value(outbox: &Outbox) -> Value {
    json!({ "sinks": outbox.sinks.iter().map(sink_value).collect::<Vec<_>>() })
}

fn sink_value(sink: &Sink) -> Value {
    let mut value = json!({ "name": sink.name, "type": sink.target.word() });
    match &sink.target {
        Target::Webhook(webhook) => {
            value["url"] = json!(webhook.url);
            if !webhook.headers.is_empty() {
                let header = |(name, value): &(String, HeaderValue)| match value {
                    HeaderValue::Text(_) => (name.clone(), json!(REDACTED)),
                    HeaderValue::Env(variable) => (name.clone(), json!({ "env": variable })),
                };
                value["headers"] = Value::Object(webhook.headers.iter().map(header).collect());
            }
            if webhook.follow_redirects {
                value["followRedirects"] = json!(true);
            }
            if let Some(proxy) = &webhook.proxy {
                value["proxy"] = json!(proxy);
            }
        }
        Target::Command { cmd, args } => {
            value["cmd"] = json!(cmd);
            value["args"] = json!(args);
        }
        Target::File { path } => value["path"] = json!(path),
    }
    value["types"] = json!(sink.types);
    value["coalesce"] = json!(sink.coalesce);
    if !matches!(sink.target, Target::File { .. }) {
        value["timeoutSec"] = json!(sink.timeout_sec);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::super::sinks_docs::schema;
    use super::*;

    fn faults(text: &str) -> Vec<String> {
        read(&serde_json::from_str(text).unwrap()).expect_err(text)
    }

    #[test]
    fn what_is_shown_is_read_back_as_it_was_but_for_secrets() {
        let text = r#"{"sinks": [
            {"name": "hook", "type": "webhook", "url": "http://h:1/x", "types": ["service.*"], "coalesce": true,
             "headers": {"X-A": "s3cret", "Authorization": {"env": "HOOK_AUTH"}}, "followRedirects": true,
             "proxy": "http://p:3128", "timeoutSec": 2.5},
            {"name": "mail", "type": "command", "cmd": "mail", "args": ["-s", ""]},
            {"name": "log", "type": "file", "path": "notes/events.jsonl"}]}"#;
        let outbox = read(&serde_json::from_str(text).unwrap()).unwrap();
        let shown = value(&outbox);
        assert!(!shown.to_string().contains("s3cret") && !format!("{outbox:?}").contains("s3cret"), "{shown}");
        let mut again = read(&shown).unwrap();
        if let Target::Webhook(webhook) = &mut again.sinks[0].target {
            webhook.headers[0].1 = HeaderValue::Text("s3cret".into());
        }
        assert_eq!(again, outbox);
        assert!(jsonschema::draft202012::new(&schema()).unwrap().is_valid(&shown));
        assert_eq!((outbox.sinks[1].timeout_sec, outbox.sinks[1].coalesce), (10.0, false));
    }

    #[test]
    fn every_fault_is_named_with_its_place_and_what_is_asked() {
        let check = |text: &str, expected: &[&str]| {
            let found = faults(text);
            assert!(
                found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| a.contains(b)),
                "{found:#?}"
            );
        };
        check("5", &["`outbox` is 5, but must be an object with `sinks`"]);
        check(r#"{"sink": []}"#, &["`outbox.sink` is no key of `outbox` (nearest: `sinks`)"]);
        check(r#"{"sinks": {}}"#, &["`outbox.sinks` is {}, but must be a list of at most 20 sinks"]);
        check(r#"{"sinks": [7]}"#, &["`outbox.sinks[0]` is 7"]);
        check(r#"{"sinks": [{}]}"#, &["`outbox.sinks[0].name` is missing", "`outbox.sinks[0].type` is missing"]);
        check(
            r#"{"sinks": [{"name": "../x", "type": "webhook", "urll": 1}]}"#,
            &[
                "[0].name` is \"../x\", but must be a letter",
                "`outbox.sinks[0].urll` is no key of a webhook sink (nearest: `url`)",
                "[0].url` is missing",
            ],
        );
        check(
            r#"{"sinks": [{"name": "a", "type": "webhook", "url": "http://u:hunter2@h/", "headers": {"a": ["hunter2"]}, "cmd": "x"}]}"#,
            &[
                "[0].cmd` is no key of a webhook sink",
                "[0].url` is \"http://[redacted]@h/\"",
                "[0].headers` is no such object",
            ],
        );
        check(
            r#"{"sinks": [{"name": "a", "type": "file", "path": "x"}, {"name": "a", "type": "file", "path": "y"}]}"#,
            &["`outbox.sinks[1].name` is `a`, as that of a sink before it"],
        );
        check(
            r#"{"sinks": [{"name": "a", "type": "file", "path": "x", "timeoutSec": 1}]}"#,
            &["no key of a file sink"],
        );
    }

    #[test]
    fn the_schema_and_reading_agree() {
        let schema = jsonschema::draft202012::new(&schema()).unwrap();
        let urls =
            ["http://h", "http://h:1/a?b#c", "https://h/", "http://", "http://:1", "http://u@h", "http://h/ x", "h"];
        let mut cases: Vec<Value> = urls.map(|url| json!({"name": "a", "type": "webhook", "url": url})).to_vec();
        for timeout in [json!(0.1), json!(60), json!(0), json!(61), json!("1")] {
            cases.push(json!({"name": "a", "type": "command", "cmd": "x", "timeoutSec": timeout}));
        }
        for headers in [
            json!({"X-A": "b"}),
            json!({"X A": "b"}),
            json!({"X": "b\n"}),
            json!({"X": {"env": "Y", "z": 1}}),
            json!([]),
        ] {
            cases.push(json!({"name": "a", "type": "webhook", "url": "http://h", "headers": headers}));
        }
        for (key, value) in [
            ("types", json!([""])),
            ("types", json!(["a"])),
            ("coalesce", json!(1)),
            ("path", json!("")),
            ("x", json!(1)),
        ] {
            let mut sink = json!({"name": "a", "type": "file", "path": "x"});
            sink[key] = value;
            cases.push(sink);
        }
        for name in ["a", "", "-a", "a/b", &"a".repeat(64), &"a".repeat(65)] {
            cases.push(json!({"name": name, "type": "file", "path": "x"}));
        }
        for case in cases {
            let whole = json!({ "sinks": [case] });
            assert_eq!(schema.is_valid(&whole), read(&whole).is_ok(), "{whole}");
        }
    }
}
