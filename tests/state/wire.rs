//! Records to JSON and back.

use minions_managed::state::{etag, record_from_json, record_to_json};
use serde_json::{Value, json};

use crate::samples::record;

#[test]
fn record_with_every_field_comes_back_as_it_was() {
    let record = record("web");
    let json = Value::Object(record_to_json(&record));
    assert_eq!(record_from_json(json).unwrap(), record);
}

#[test]
fn unknown_keys_of_inner_objects_are_kept() {
    let mut json = Value::Object(record_to_json(&record("web")));
    for inner in ["healthcheck", "process", "claim", "previous", "last_exit"] {
        json[inner]["from_tomorrow"] = json!([1]);
    }
    json["previous"]["process"]["from_tomorrow"] = json!({});
    let again = Value::Object(record_to_json(&record_from_json(json.clone()).unwrap()));
    assert_eq!(again, json);
}

#[test]
fn etag_does_not_depend_on_the_order() {
    let (a, b) = (record("a"), record("b"));
    assert_eq!(etag(&[&a, &b]), etag(&[&b, &a]));
    assert_eq!(etag(&[]), "97d170e1550eee4a", "the SHA-1 of []");
    assert_ne!(etag(&[&a]), etag(&[&b]));
}
