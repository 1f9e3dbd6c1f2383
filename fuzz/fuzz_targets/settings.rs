//! Any bytes as config.json: they are taken if and only if the schema takes them, and what is taken comes back as it was.
#![no_main]

use std::path::Path;
use std::sync::LazyLock;

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use minions_managed::base::error::Error;
use minions_managed::base::redact::DenyPatterns;
use minions_managed::config::{Loaded, docs, from_bytes, table};
use minions_managed::sidecar::Judge;
use serde_json::{Value, json};

static SCHEMA: LazyLock<jsonschema::Validator> =
    LazyLock::new(|| jsonschema::draft202012::new(&docs::schema()).expect("the schema compiles"));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    minions_fuzz::mutate(data, size, max_size, seed)
});

fuzz_target!(
    init: minions_fuzz::plant("settings", minions_fuzz::settings()),
    |bytes: &[u8]| {
        let loaded = from_bytes(Path::new("config.json"), bytes);
        match &loaded {
            Ok(loaded) => usable(loaded),
            Err(error) => {
                assert!(matches!(error.code, "config-unreadable" | "config-invalid"), "{error:?}");
                assert!(!error.message.contains(char::is_control), "one line, and harmless: {error:?}");
            }
        }
        if let Some(file) = minions_fuzz::value(bytes) {
            agreed(&file, &loaded);
        }
    }
);

/// Settings that were taken work, and written out they are the same settings.
fn usable(loaded: &Loaded) {
    assert!(loaded.settings.default_ttl_minutes <= loaded.settings.max_ttl_minutes);
    assert!(Judge::new(&loaded.settings).is_ok(), "patterns that were taken compile");
    let deny = DenyPatterns::new(&loaded.settings.env_key_deny_patterns);
    assert!(!deny.is_match("") || loaded.from_file.contains("envKeyDenyPatterns"));
    let ours: Value = table::ROWS.iter().map(|row| (row.key.to_owned(), row.value(&loaded.settings))).collect();
    let text = json!({"engine": {"managedSpawn": ours}}).to_string();
    let again = from_bytes(Path::new("config.json"), text.as_bytes()).expect("settings in force can be written down");
    assert_eq!(again.settings, loaded.settings);
    assert!(loaded.from_file.iter().all(|key| table::find(key).is_some()));
}

/// The schema knows neither how patterns are written, nor that one setting bounds another, nor that a key stands twice;
/// all else it knows.
fn agreed(file: &Value, loaded: &Result<Loaded, Error>) {
    let is_valid = SCHEMA.is_valid(file);
    let ours = &file["engine"]["managedSpawn"];
    let is_beyond = ["envKeyDenyPatterns", "defaultTtlMinutes"].iter().any(|key| ours.get(key).is_some());
    match loaded {
        Ok(_) => assert!(is_valid, "only the schema refuses it"),
        Err(error) => assert!(!is_valid || is_beyond || error.code == "config-unreadable", "only loading refuses it"),
    }
}
