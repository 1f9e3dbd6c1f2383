//! The shape of `config.json` as far as we read it: `{"engine": {"managedSpawn": {…}}}` among other programs' keys,
//! which are skipped unread.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::base::json::PlainObject;

/// The whole file.
#[derive(Deserialize)]
struct File<'a> {
    #[serde(borrow)]
    engine: Option<&'a RawValue>,
}

/// What stands under `engine`.
#[derive(Deserialize)]
struct Engine<'a> {
    #[serde(borrow, rename = "managedSpawn")]
    managed_spawn: Option<&'a RawValue>,
}

/// Our part of `text`, as written; empty if there is none. The error is a sentence's end: what is wrong with the file.
pub(super) fn our_part(text: &str) -> Result<Map<String, Value>, String> {
    let file: File = object("the file", text)?;
    let Some(engine) = file.engine else { return Ok(Map::new()) };
    let engine: Engine = object("`engine`", engine.get())?;
    let Some(ours) = engine.managed_spawn else { return Ok(Map::new()) };
    object::<PlainObject>("`engine.managedSpawn`", ours.get()).map(|ours| ours.0)
}

/// Reads `text`, which `name` stands for, as a JSON object.
fn object<'a, T: Deserialize<'a>>(name: &str, text: &'a str) -> Result<T, String> {
    let start = text.trim_start_matches([' ', '\t', '\r', '\n']);
    // A derived struct would also read an array; and its own message would speak of Rust types.
    if start.starts_with(|first: char| first != '{') && serde_json::from_str::<&RawValue>(text).is_ok() {
        return Err(format!("{name} is no JSON object"));
    }
    serde_json::from_str(text).map_err(|error| format!("{name} is no valid JSON: {error}"))
}
