//! JSON of other people, read as just what is written. serde_json's own `Value` gives one key a meaning
//! (`$serde_json::private::RawValue`, of its feature `raw_value`): whoever writes that key into a file could make it
//! unreadable, or be something else to one reader than to another. So nothing that was read is ever a bare `Value`.

use std::fmt;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Any value, just as it is written; of a repeated key the last counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plain(pub Value);

/// An object, just as it is written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlainObject(pub Map<String, Value>);

/// Reads a JSON text of at most `depth_max` levels: more than the parser's own 127, which a sidecar and what is made of it
/// may have. Every level costs stack. The error says what is wrong, and where.
pub fn from_slice_to_depth<T: DeserializeOwned>(json: &[u8], depth_max: usize) -> Result<T, String> {
    let depth = depth_of(json);
    if depth > depth_max {
        return Err(format!("it is nested {depth} levels deep; {depth_max} are the most"));
    }
    let mut parser = serde_json::Deserializer::from_slice(json);
    parser.disable_recursion_limit();
    let value = T::deserialize(&mut parser).map_err(|error| error.to_string())?;
    parser.end().map_err(|error| error.to_string())?;
    Ok(value)
}

/// How deep the brackets of a JSON text are nested. Of a text that is no JSON it is at least what a parser meets.
fn depth_of(bytes: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_string, mut is_escaped) = (0_usize, 0, false, false);
    for byte in bytes {
        match (in_string, byte) {
            (true, _) if is_escaped => is_escaped = false,
            (true, b'\\') => is_escaped = true,
            (_, b'"') => in_string = !in_string,
            (false, b'[' | b'{') => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            (false, b']' | b'}') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Any).map(Plain)
    }
}

impl<'de> Deserialize<'de> for PlainObject {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = PlainObject;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<PlainObject, A::Error> {
                entries(map).map(PlainObject)
            }
        }
        from.deserialize_map(Entries)
    }
}

/// The entries of an object, in the order in which their keys first stand.
fn entries<'de, A: MapAccess<'de>>(mut map: A) -> Result<Map<String, Value>, A::Error> {
    let mut entries = Map::new();
    while let Some((key, Plain(value))) = map.next_entry::<String, Plain>()? {
        entries.insert(key, value);
    }
    Ok(entries)
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Plain(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value, A::Error> {
        entries(map).map(Value::Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What serde_json gives a meaning, as text that reads well, and as text that does not.
    const MAGIC: [&str; 2] = [
        r#"{"a":{"$serde_json::private::RawValue":"[1]"}}"#,
        r#"{"a":[{"$serde_json::private::RawValue":"no JSON"}]}"#,
    ];

    fn read(text: &str) -> Result<Value, String> {
        from_slice_to_depth::<Plain>(text.as_bytes(), 140).map(|plain| plain.0)
    }

    #[test]
    fn no_key_has_a_meaning() {
        for text in MAGIC {
            let value = read(text).unwrap();
            assert_eq!(value.to_string(), text);
            assert_eq!(serde_json::from_str::<PlainObject>(text).unwrap().0, *value.as_object().unwrap());
            // A value that is read again as a value.
            assert_eq!(serde_json::from_value::<Plain>(value.clone()).unwrap().0, value);
        }
    }

    #[test]
    fn every_kind_of_value_is_as_serde_json_reads_it() {
        let text = r#"[null,true,-1,18446744073709551615,1.5,1e300,"\u00e9\n",{"b":1,"a":2,"b":3},[]]"#;
        assert_eq!(read(text).unwrap(), serde_json::from_str::<Value>(text).unwrap());
    }

    #[test]
    fn what_is_no_json_or_too_deep_is_an_error() {
        for bad in ["", "{", "1 2", "[1,]", "\"\\ud800\"", "1e999"] {
            assert!(read(bad).is_err(), "{bad}");
        }
        let nested = |depth| format!("{}\"[\\\"[\"{}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(&nested(140)).is_ok());
        assert_eq!(read(&nested(141)), Err("it is nested 141 levels deep; 140 are the most".to_owned()));
    }
}
