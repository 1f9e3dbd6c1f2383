//! `fixtures/sidecars/vectors.jsonl`: sidecars and the verdict that each must get, one case a line.

use minions_managed::config::Settings;
use minions_managed::service::spec_json;
use minions_managed::sidecar::{Expectations, Judge, System, Verdict, decide, decide_with_schema};
use serde_json::Value;

use crate::place::Place;

const VECTORS: &str = include_str!("../../fixtures/sidecars/vectors.jsonl");

#[test]
fn every_vector_gets_its_verdict_by_rules_and_by_schema() {
    let place = Place::new();
    let judge = Judge::new(&Settings::default()).unwrap();
    let world = System::default();
    let mut failures = Vec::new();
    for line in VECTORS.lines() {
        // Reasons and normalized specs name the folders too.
        let case: Value = serde_json::from_str(&place.fill(line)).unwrap();
        let bytes = case["sidecar_text"].as_str().unwrap().as_bytes();
        let verdict = decide(bytes, &judge, &Expectations::default(), &world);
        if let Some(failure) = difference(&case, &verdict) {
            failures.push(failure);
        }
        assert_eq!(verdict, decide_with_schema(bytes, &judge, &Expectations::default(), &world), "{}", case["id"]);
    }
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), VECTORS.lines().count(), failures.join("\n"));
}

fn difference(case: &Value, verdict: &Verdict) -> Option<String> {
    let id = &case["id"];
    let expected = case["reason"].as_str();
    let is_same = match (expected, verdict.reason(), case["compare"].as_str()) {
        (Some(expected), Some(reason), Some("head")) => head(expected) == head(reason),
        (expected, reason, _) => expected == reason,
    };
    if !is_same || case["valid"] != Value::Bool(verdict.is_valid()) {
        return Some(format!("{id}: {expected:?}, not {:?}", verdict.reason()));
    }
    let sidecar = verdict.sidecar.as_ref()?;
    let expected = &case["normalized"];
    let specs: Vec<Value> = sidecar.specs.iter().map(spec_json).collect();
    let is_same = (&Value::Array(specs.clone()), sidecar.written_by.as_str(), sidecar.wi_id.as_str())
        == (&expected["specs"], expected["written_by"].as_str()?, expected["wi_id"].as_str()?);
    (!is_same).then(|| format!("{id}: {expected}, not {specs:?}"))
}

/// The part of a reason up to a parser's or engine's own message.
fn head(reason: &str) -> &str {
    match reason.strip_prefix("json-parse: ") {
        Some(_) => "json-parse",
        None => reason.split(" (").next().unwrap_or_default(),
    }
}
