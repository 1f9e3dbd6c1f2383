//! The text of a sidecar as a tree of slices: every value knows where it stands in the file, and nothing is expanded
//! that no rule looks at. The meaning is JavaScript's, because that is what agents check their files with: of a
//! repeated key the last value counts, `1e400` is infinite, a lone surrogate is U+FFFD.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::value::number_text;

/// A sidecar has at most this many bytes (contract section 3).
pub const BYTES_MAX: u64 = 1_048_576;
/// Arrays and objects nest at most this deep (contract section 3).
pub(super) const DEPTH_MAX: usize = 128;
/// Objects with more entries look their keys up in a map, so that a file of a million keys is not compared pairwise.
const LINEAR_KEYS_MAX: usize = 16;

/// Why a text is no JSON document that we read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// More than [`BYTES_MAX`] bytes.
    TooLarge,
    /// Not UTF-8 from this byte on.
    NotUtf8(usize),
    /// No JSON; what is wrong, and at which byte.
    Syntax(String, usize),
    /// Deeper than [`DEPTH_MAX`]; the byte that opens the level too many.
    TooDeep(usize),
}

/// One JSON value where it stands in the text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node<'s> {
    raw: &'s str,
    start: usize,
}

/// Reads `bytes` as one JSON document, without expanding it.
pub(super) fn read(bytes: &[u8]) -> Result<Node<'_>, Fault> {
    if u64::try_from(bytes.len()).is_ok_and(|bytes| bytes > BYTES_MAX) {
        return Err(Fault::TooLarge);
    }
    let text = std::str::from_utf8(bytes).map_err(|error| Fault::NotUtf8(error.valid_up_to()))?;
    let raw = serde_json::from_str::<&RawValue>(text).map_err(|error| syntax(text, &error))?.get();
    let start = raw.as_ptr().addr() - text.as_ptr().addr();
    match too_deep_at(raw.as_bytes()) {
        Some(at) => Err(Fault::TooDeep(start + at)),
        None => Ok(Node { raw, start }),
    }
}

/// What is wrong with a text that does not parse, in words for whoever wrote it.
fn syntax(text: &str, error: &serde_json::Error) -> Fault {
    if text.trim().is_empty() {
        return Fault::Syntax("the file is empty".to_owned(), 0);
    }
    if text.starts_with('\u{feff}') {
        return Fault::Syntax("the file starts with a byte order mark, which JSON does not allow".to_owned(), 0);
    }
    let at = offset_of(text, error.line(), error.column());
    if text.contains('\0') {
        return Fault::Syntax("the file holds NUL bytes: it is no text, or it was torn by a crash".to_owned(), at);
    }
    if error.is_eof() {
        return Fault::Syntax("the text ends in the middle of a value: it is incomplete".to_owned(), text.len());
    }
    let whole = error.to_string();
    let why = whole.rsplit_once(" at line ").map_or(whole.as_str(), |(why, _)| why);
    Fault::Syntax(why.to_owned(), at)
}

/// The byte offset of serde_json's position: `line` from 1, `column` in bytes and at the offending byte from 1.
fn offset_of(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let mut at = (before + column.saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Where nesting passes [`DEPTH_MAX`] in `json`, which is known to be well-formed.
fn too_deep_at(json: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut escaped = false;
    for (at, byte) in json.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return Some(at);
                }
            }
            b']' | b'}' if !in_string => depth -= 1,
            _ => {}
        }
    }
    None
}

/// An object's entries in the order in which their keys first stand.
#[derive(Debug, Default)]
pub(super) struct Object<'s> {
    /// The entries, keys unique.
    pub(super) entries: Vec<Entry<'s>>,
    /// Keys that stand more than once, with the place of each repetition.
    pub(super) repeated: Vec<(Cow<'s, str>, Range<usize>)>,
}

/// One entry of an object.
#[derive(Clone, Debug)]
pub(super) struct Entry<'s> {
    pub(super) key: Cow<'s, str>,
    pub(super) key_span: Range<usize>,
    pub(super) value: Node<'s>,
}

impl<'s> Object<'s> {
    /// The value of `key`.
    pub(super) fn get(&self, key: &str) -> Option<Node<'s>> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| entry.value)
    }
}

impl<'s> Node<'s> {
    /// Where the value stands, in bytes.
    pub(super) fn span(self) -> Range<usize> {
        self.start..self.start + self.raw.len()
    }

    pub(super) fn is_null(self) -> bool {
        self.raw == "null"
    }

    pub(super) fn boolean(self) -> Option<bool> {
        match self.raw {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    /// The value of a number as a double, which may be infinite.
    pub(super) fn number(self) -> Option<f64> {
        matches!(self.first(), b'-' | b'0'..=b'9').then(|| self.raw.parse().ok()).flatten()
    }

    /// The text of a string, decoded.
    pub(super) fn text(self) -> Option<Cow<'s, str>> {
        (self.first() == b'"').then(|| decode(self.raw).0)
    }

    /// The elements of an array.
    pub(super) fn array(self) -> Option<Vec<Self>> {
        if self.first() != b'[' {
            return None;
        }
        let raws: Vec<&'s RawValue> = serde_json::from_str(self.raw).ok()?;
        Some(raws.into_iter().map(|raw| self.child(raw)).collect())
    }

    /// The entries of an object.
    pub(super) fn object(self) -> Option<Object<'s>> {
        if self.first() != b'{' {
            return None;
        }
        let pairs = serde_json::Deserializer::from_str(self.raw).deserialize_map(Pairs).ok()?;
        let mut object = Object::default();
        let mut places: HashMap<Cow<'s, str>, usize> = HashMap::new();
        for (raw_key, raw_value) in pairs {
            let key_node = self.child(raw_key);
            let (key, value) = (decode(key_node.raw).0, self.child(raw_value));
            let place = match object.entries.len() {
                0..=LINEAR_KEYS_MAX => object.entries.iter().position(|entry| entry.key == key),
                _ => {
                    if places.is_empty() {
                        places = object.entries.iter().map(|e| e.key.clone()).zip(0..).collect();
                    }
                    places.get(&key).copied()
                }
            };
            let key_span = key_node.span();
            if let Some(place) = place {
                object.repeated.push((key, key_span.clone()));
                object.entries[place].key_span = key_span;
                object.entries[place].value = value;
                continue;
            }
            if !places.is_empty() {
                places.insert(key.clone(), object.entries.len());
            }
            object.entries.push(Entry { key, key_span, value });
        }
        Some(object)
    }

    /// What JavaScript's `String(value)` gives.
    pub(super) fn js_string(self) -> String {
        if let Some(text) = self.text() {
            return text.into_owned();
        }
        if let Some(number) = self.number() {
            return number_text(number);
        }
        match self.array() {
            Some(items) => {
                let shown = |item: Node<'_>| if item.is_null() { String::new() } else { item.js_string() };
                items.into_iter().map(shown).collect::<Vec<_>>().join(",")
            }
            None if self.first() == b'{' => "[object Object]".to_owned(),
            None => self.raw.to_owned(),
        }
    }

    /// The value as it is written.
    pub(super) fn raw(self) -> &'s str {
        self.raw
    }

    fn first(self) -> u8 {
        // A JSON value is never empty.
        self.raw.as_bytes().first().copied().unwrap_or_default()
    }

    fn child(self, raw: &'s RawValue) -> Self {
        let raw = raw.get();
        Node { raw, start: self.start + (raw.as_ptr().addr() - self.raw.as_ptr().addr()) }
    }
}

/// Where env values of specs stand in `text`, without their quotes; `None` if it is no document.
pub(super) fn env_values(text: &str) -> Option<Vec<Range<usize>>> {
    let document = read(text.as_bytes()).ok()?.object().unwrap_or_default();
    let specs = document.get("specs").and_then(Node::array).unwrap_or_default();
    let envs = specs.into_iter().filter_map(|spec| spec.object()?.get("env")?.object());
    let values = envs.flat_map(|env| env.entries).filter(|entry| entry.value.first() == b'"');
    Some(values.map(|entry| entry.value.span()).map(|span| span.start + 1..span.end - 1).collect())
}

/// Collects an object's pairs, repetitions included.
struct Pairs;

impl<'de> Visitor<'de> for Pairs {
    type Value = Vec<(&'de RawValue, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::with_capacity(LINEAR_KEYS_MAX);
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(pairs)
    }
}

/// The text of a well-formed JSON string with its quotes, and how many lone surrogates became U+FFFD.
pub(super) fn decode(raw: &str) -> (Cow<'_, str>, usize) {
    let inner = &raw[1..raw.len() - 1];
    if !inner.contains('\\') {
        return (Cow::Borrowed(inner), 0);
    }
    let mut units: Vec<u16> = Vec::new();
    let mut out = String::with_capacity(inner.len());
    let mut lone = 0;
    let mut rest = inner;
    while let Some(at) = rest.find('\\') {
        let (plain, escape) = rest.split_at(at);
        if !plain.is_empty() {
            lone += flush(&mut units, &mut out);
            out.push_str(plain);
        }
        let taken = match escape.as_bytes()[1] {
            b'u' => {
                units.push(u16::from_str_radix(&escape[2..6], 16).unwrap_or(0xfffd));
                6
            }
            simple => {
                lone += flush(&mut units, &mut out);
                out.push(unescaped(simple));
                2
            }
        };
        rest = &escape[taken..];
    }
    lone += flush(&mut units, &mut out);
    out.push_str(rest);
    (Cow::Owned(out), lone)
}

/// Appends pending UTF-16 units; returns how many of them were lone surrogates.
fn flush(units: &mut Vec<u16>, out: &mut String) -> usize {
    let mut lone = 0;
    for unit in char::decode_utf16(units.drain(..)) {
        lone += usize::from(unit.is_err());
        out.push(unit.unwrap_or(char::REPLACEMENT_CHARACTER));
    }
    lone
}

fn unescaped(letter: u8) -> char {
    match letter {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        other => char::from(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(text: &str) -> Node<'_> {
        read(text.as_bytes()).unwrap()
    }

    #[test]
    fn values_turn_into_text_as_in_javascript() {
        let check = |text: &str, expected: &str| assert_eq!(node(text).js_string(), expected, "{text}");
        check("[1,[2,null],{}]", "1,2,,[object Object]");
        check("null", "null");
        check("true", "true");
        check("\"a\\u0041\"", "aA");
    }

    #[test]
    fn of_a_repeated_key_the_last_value_counts_at_the_first_place() {
        for filler in [0, 40] {
            let middle: String = (0..filler).map(|i| format!("\"k{i}\":0,")).collect();
            let text = format!("{{\"a\":1,{middle}\"b\":2,\"a\":3}}");
            let object = node(&text).object().unwrap();
            assert_eq!(object.entries[0].key, "a");
            assert_eq!(object.get("a").and_then(Node::number), Some(3.0));
            assert_eq!(object.repeated.len(), 1);
            assert_eq!(object.entries.len(), filler + 2);
        }
    }

    #[test]
    fn values_know_where_they_stand() {
        let text = " {\"a\": [true, \"x\"]}";
        let items = node(text).object().unwrap().get("a").unwrap().array().unwrap();
        assert_eq!(&text[items[1].span()], "\"x\"");
    }

    #[test]
    fn what_is_no_document_is_said_in_words() {
        let check = |bytes: &[u8], expected: &str| {
            let fault = read(bytes).expect_err("faulty");
            assert!(format!("{fault:?}").contains(expected), "{fault:?} lacks {expected}");
        };
        check(b"", "empty");
        check(b" \n", "empty");
        check(b"{\"a\":", "incomplete");
        check(b"\xef\xbb\xbf{}", "byte order mark");
        check(b"\0\0\0\0", "NUL");
        check(b"{} x", "trailing characters\", 3");
        check(b"{\xff", "NotUtf8(1)");
        check(&[b' '; 1_048_577], "TooLarge");
        check("[".repeat(129).as_bytes(), "incomplete");
        check(format!("{}{}", "[".repeat(129), "]".repeat(129)).as_bytes(), "TooDeep(128)");
        assert!(read(format!("{}{}", "[".repeat(128), "]".repeat(128)).as_bytes()).is_ok());
        assert!(read(b"\"[[\\\"[[\"").is_ok());
    }
}
