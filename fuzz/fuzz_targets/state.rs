//! Any bytes as a state file: what is read can be written, is read back as it was, and nothing in it is lost.
#![no_main]

use std::collections::HashSet;
use std::sync::LazyLock;

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use minions_managed::state::{Document, VERSION, etag, record_from_json, record_to_json};
use serde_json::Value;

/// Keys of a healthcheck that its type may not have, and then does not keep.
const OTHER_TYPES: [&str; 6] = ["url", "expect_status", "cmd", "args", "shell", "expect_regex"];

static SCHEMA: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
    let schema = serde_json::from_str(include_str!("../../schemas/state.schema.json")).expect("the schema is JSON");
    jsonschema::draft202012::new(&schema).expect("the schema compiles")
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    minions_fuzz::mutate(data, size, max_size, seed)
});

fuzz_target!(
    init: minions_fuzz::plant("state", minions_fuzz::states()),
    |bytes: &[u8]| match Document::from_bytes(bytes) {
        Ok(document) => judge(bytes, document),
        Err(why) => {
            assert!(!why.is_empty());
            assert!(!is_state(bytes), "a state file was not read: {why}");
        }
    }
);

/// Whether the file as a whole has the shape of a state file, whatever its records are.
fn is_state(bytes: &[u8]) -> bool {
    let is_whole = |number: &Value| number.is_null() || number.is_u64();
    minions_fuzz::value(bytes)
        .is_some_and(|file| file["specs"].is_array() && is_whole(&file["version"]) && is_whole(&file["revision"]))
}

fn judge(bytes: &[u8], mut document: Document) {
    assert_eq!(document.shared_name(), None);
    for malformed in &document.malformed {
        assert!(malformed.pointer.starts_with("/specs/") && !malformed.why.is_empty());
    }
    if let Some(before) = minions_fuzz::value(bytes) {
        kept(&before, &document);
    }
    // As a commit does: what is malformed has a file of its own, and the version is ours.
    document.malformed.clear();
    document.version = document.version.max(VERSION);
    assert_eq!(document.fault(), None, "what was read may be written");
    let written = document.to_bytes();
    let again = Document::from_bytes(&written);
    assert_eq!(again.as_ref(), Ok(&document), "read, written, read");
    assert_eq!(document.to_bytes(), written);
    for record in &document.records {
        assert_eq!(record_from_json(Value::Object(record_to_json(record))).as_ref(), Ok(record));
    }
    let forth: Vec<_> = document.records.iter().collect();
    let back: Vec<_> = document.records.iter().rev().collect();
    assert_eq!(etag(&forth), etag(&back), "the order does not matter");
    if document.is_writable()
        && let Some(value) = minions_fuzz::value(&written)
    {
        let faults: Vec<String> = SCHEMA.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(faults.is_empty(), "the schema refuses what is written: {faults:?}");
    }
}

/// Every entry is a record or malformed, and a record has every key that its entry had.
fn kept(before: &Value, document: &Document) {
    let entries = before["specs"].as_array().expect("it was read as a state file");
    assert_eq!(document.records.len() + document.malformed.len(), entries.len());
    for (key, value) in before.as_object().expect("it was read as a state file") {
        if !matches!(key.as_str(), "version" | "revision" | "specs") {
            assert_eq!(document.unknown.get(key), Some(value), "{key}");
        }
    }
    let spoilt: HashSet<&str> = document.malformed.iter().map(|malformed| malformed.pointer.as_str()).collect();
    let good = entries.iter().enumerate().filter(|(at, _)| !spoilt.contains(format!("/specs/{at}").as_str()));
    for ((_, entry), record) in good.zip(&document.records) {
        let mut entry = entry.clone();
        let written = Value::Object(record_to_json(record));
        if let Some(check) = entry.get_mut("healthcheck").and_then(Value::as_object_mut) {
            check.retain(|key, _| !OTHER_TYPES.contains(&key.as_str()) || written["healthcheck"].get(key).is_some());
        }
        assert!(minions_fuzz::is_kept(&entry, &written), "{entry} became {written}");
    }
}
