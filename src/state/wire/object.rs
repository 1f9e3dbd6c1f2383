//! Objects read in one pass, whose unknown keys are kept. A derived `flatten` would do the same, but it buffers every
//! object in a tree of values first (docs/design/state-file.md has the figures).

use std::borrow::Cow;
use std::fmt;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// Keys of an object that this version does not know, with their values.
pub(super) type Unknown = Map<String, Value>;

/// A key, borrowed from the file where it is written without escapes.
pub(super) struct Key<'de>(pub(super) Cow<'de, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Word;
        impl<'de> Visitor<'de> for Word {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, word: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(word)))
            }

            fn visit_str<E>(self, word: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(word.to_owned())))
            }

            fn visit_string<E>(self, word: String) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(word)))
            }
        }
        from.deserialize_str(Word)
    }
}

/// Defines a mirror type of an object: each known key an `Option` (null and absent are the same), all others in
/// `unknown`. `required` turns an absent one into an error.
macro_rules! object {
    ($(#[$doc:meta])* $name:ident { $($field:ident $word:literal: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Default)]
        pub(super) struct $name {
            $($field: Option<$type>,)*
            unknown: $crate::state::wire::object::Unknown,
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                struct Keys;
                impl<'de> serde::de::Visitor<'de> for Keys {
                    type Value = $name;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<$name, A::Error> {
                        let mut object = $name::default();
                        while let Some(key) = map.next_key::<$crate::state::wire::object::Key<'de>>()? {
                            match key.0.as_ref() {
                                $($word => object.$field = $crate::state::wire::object::named($word, map.next_value())?,)*
                                _ => drop(object.unknown.insert(
                                    key.0.into_owned(),
                                    map.next_value::<$crate::base::json::Plain>()?.0,
                                )),
                            }
                        }
                        Ok(object)
                    }
                }
                from.deserialize_map(Keys)
            }
        }
    };
}
pub(super) use object;

/// The same result, its error with the key in front.
pub(super) fn named<T, E: serde::de::Error>(key: &str, read: Result<T, E>) -> Result<T, E> {
    read.map_err(|error| E::custom(format_args!("`{key}`: {error}")))
}

/// The value of a key that must be there.
pub(super) fn required<T>(value: Option<T>, key: &str) -> Result<T, String> {
    value.ok_or_else(|| format!("`{key}` is missing"))
}
