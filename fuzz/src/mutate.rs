//! Changes of JSON text that keep it JSON: without them most inputs never get past the parser. Text, not a tree, so that
//! keys may stand twice.

use std::ops::Range;

/// What stands in the place of a value.
const VALUES: [&str; 22] = [
    "null",
    "true",
    "0",
    "-1",
    "0.5",
    "5.0",
    "1e999",
    "65536",
    "18446744073709551616",
    "9007199254740993",
    r#""""#,
    r#""3000""#,
    r#""s3cret""#,
    r#""http://u:s3cret@h/""#,
    r#""\u0000\u001b\ud800""#,
    "\"\u{7f}\u{202e}é𝒙\"",
    "[]",
    "{}",
    "[null]",
    r#"{"$serde_json::private::RawValue":"no"}"#,
    r#"{"$serde_json::private::RawValue":"{\"a\":1}"}"#,
    r#"{"x":{"x":{"x":[[[1]]]}}}"#,
];

/// What stands in the place of a key.
const KEYS: [&str; 5] = [r#""x""#, r#""""#, r#""a/b~""#, r#""\u0061""#, r#""$serde_json::private::RawValue""#];

/// Where keys and values stand in a text, as far as it is JSON.
#[derive(Default)]
struct Places {
    keys: Vec<Range<usize>>,
    values: Vec<Range<usize>>,
}

impl Places {
    fn of(text: &[u8]) -> Self {
        let mut places = Self::default();
        let mut open = Vec::new();
        let mut at = 0;
        while at < text.len() {
            let start = at;
            at += 1;
            match text[start] {
                b'"' => {
                    while at < text.len() && text[at] != b'"' {
                        at += 1 + usize::from(text[at] == b'\\');
                    }
                    at = (at + 1).min(text.len());
                    let is_key = text[at..].iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':');
                    if is_key { places.keys.push(start..at) } else { places.values.push(start..at) }
                }
                b'{' | b'[' => open.push(start),
                b'}' | b']' => places.values.extend(open.pop().map(|start| start..at)),
                b'-' | b'0'..=b'9' | b'a'..=b'z' => {
                    while at < text.len() && matches!(text[at], b'+' | b'-' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'E') {
                        at += 1;
                    }
                    places.values.push(start..at);
                }
                _ => {}
            }
        }
        places
    }

    /// The entry of `key`: from it to the end of its value.
    fn entry(&self, key: &Range<usize>) -> Option<Range<usize>> {
        let value = self.values.iter().filter(|value| value.start > key.end).min_by_key(|value| value.start)?;
        Some(key.start..value.end)
    }
}

/// Numbers that follow from a seed (SplitMix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(bound.max(1)).unwrap_or(1)).unwrap_or(0)
    }

    fn of<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.below(items.len()))
    }
}

/// `text` with one change that keeps it JSON if it was; `None` if there is no place for it.
pub fn changed(text: &[u8], seed: u32) -> Option<Vec<u8>> {
    let mut chance = Chance(u64::from(seed));
    let places = Places::of(text);
    let interesting = chance.of(&VALUES)?.as_bytes();
    let (place, new): (Range<usize>, Vec<u8>) = match chance.below(6) {
        0 | 1 => (chance.of(&places.values)?.clone(), interesting.to_vec()),
        2 => {
            let copied = chance.of(&places.values)?.clone();
            (chance.of(&places.values)?.clone(), text[copied].to_vec())
        }
        // The same key once more, with another value: before or after its entry.
        3 => {
            let key = chance.of(&places.keys)?;
            let entry = places.entry(key)?;
            match chance.below(2) {
                0 => (entry.end..entry.end, [b",", &text[key.clone()], b":", interesting].concat()),
                _ => (entry.start..entry.start, [&text[key.clone()], b":", interesting, b","].concat()),
            }
        }
        // An entry from elsewhere, or of a new key.
        4 => {
            let before = chance.of(&places.keys)?.start;
            let entry = match chance.below(2) {
                0 => text[places.entry(chance.of(&places.keys)?)?].to_vec(),
                _ => [chance.of(&KEYS)?.as_bytes(), b":", interesting].concat(),
            };
            (before..before, [&entry, b",".as_slice()].concat())
        }
        _ => {
            let entry = places.entry(chance.of(&places.keys)?)?;
            let comma = text[entry.end..].iter().position(|byte| !byte.is_ascii_whitespace());
            let end = comma.map(|at| entry.end + at).filter(|at| text[*at] == b',').map_or(entry.end, |at| at + 1);
            (entry.start..end, Vec::new())
        }
    };
    Some([&text[..place.start], &new, &text[place.end..]].concat())
}
