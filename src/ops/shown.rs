//! A record as it may be shown: with its liveness just observed, and nothing secret in it. Every door shows records
//! through this, so that none can forget either.

use serde_json::Value;

use crate::base::clock::EpochMs;
use crate::base::json::{PlainObject, from_slice_to_depth};
use crate::base::redact::{self, DenyPatterns, Secrets};
use crate::base::root::Root;
use crate::service::{Liveness, Record};
use crate::state::{DEPTH_MAX, RecordJson};

use super::{chain, facts};

/// Keys of a record whose values are environments.
const ENV_KEYS: [&str; 2] = ["env", "passed_env"];

/// A record and what was just seen of its process.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The record, its `alive` as just observed; as recorded where that could not be told.
    pub record: Record,
    /// Whether its process is there. A record that was never spawned, or whose process has ended, has none: dead.
    pub liveness: Liveness,
}

/// Looks at the process of `record`, and at what its shim has done since it was written.
pub fn observe(root: &Root, mut record: Record) -> Seen {
    let liveness = observe_in_place(root, &mut record);
    Seen { record, liveness }
}

/// The same where the record stands.
pub(super) fn observe_in_place(root: &Root, record: &mut Record) -> Liveness {
    let mut liveness = facts::observe_service(record);
    if liveness != Liveness::Alive
        && let Some(newer) = chain::observe_newer(root, record, EpochMs::now())
    {
        *record = newer;
        liveness = facts::observe_service(record);
    }
    record.alive = match liveness {
        Liveness::Alive => true,
        Liveness::Dead => false,
        Liveness::Unknown => record.alive,
    };
    liveness
}

/// The record as compact JSON, the values of denied environment keys and user info in URLs hidden. `alive` is null
/// where it could not be told.
pub fn json(seen: &Seen, deny: &DenyPatterns) -> String {
    let mut text = Vec::new();
    push_json(&mut text, &seen.record, seen.liveness, deny);
    into_text(text)
}

/// Appends the same to `out`: a list of thousands is written into one piece of memory.
pub(super) fn push_json(out: &mut Vec<u8>, record: &Record, liveness: Liveness, deny: &DenyPatterns) {
    let start = out.len();
    serde_json::to_writer(&mut *out, &RecordJson(record)).expect("memory takes every byte, and keys are strings");
    if liveness != Liveness::Unknown && !is_secret_bearing(record, &out[start..], deny) {
        return;
    }
    let Ok(PlainObject(mut object)) = from_slice_to_depth(&out[start..], DEPTH_MAX) else {
        unreachable!("it was just written as an object")
    };
    if liveness == Liveness::Unknown {
        object.insert("alive".to_owned(), Value::Null);
    }
    for key in ENV_KEYS {
        if let Some(env) = object.get_mut(key) {
            redact::json_env(env, deny);
        }
    }
    let mut value = Value::Object(object);
    redact::json_urls(&mut value);
    out.truncate(start);
    serde_json::to_writer(out, &value).expect("memory takes every byte, and keys are strings");
}

/// What the environments of `record` hold that is in no text of ours: not in what the service wrote and we quote, nor in why a probe
/// did not pass.
pub(super) fn secrets(record: &Record, deny_patterns: &[String]) -> Secrets {
    Secrets::of(record.spec.env.iter().chain(&record.passed_env), &DenyPatterns::new(deny_patterns))
}

/// What [`push_json`] wrote.
pub(super) fn into_text(json: Vec<u8>) -> String {
    String::from_utf8(json).expect("JSON of strings is UTF-8")
}

/// Whether something in the record may have to be hidden. Asks of the whole text at once, where the end of a URL's
/// authority is found no earlier than in the strings it is made of, so that nothing is missed.
fn is_secret_bearing(record: &Record, json: &[u8], deny: &DenyPatterns) -> bool {
    let mut keys = record.spec.env.iter().chain(&record.passed_env).map(|(key, _)| key);
    keys.any(|key| deny.is_match(key)) || std::str::from_utf8(json).is_ok_and(redact::has_secret)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::record_from_json;
    use serde_json::json;

    #[test]
    fn a_record_of_any_content_is_shown_and_its_secrets_are_not() {
        let deep = (0..150).fold(json!("end"), |value, _| json!([value]));
        for odd in [json!({"$serde_json::private::RawValue": "no JSON"}), deep] {
            let mut value = json!({
                "name": "web", "cmd": "node", "attrs": {"url": "http://u:s3cret@h/"},
                "healthcheck": {"type": "http", "url": "http://h/", "expect_status": 200},
            });
            value["attrs"]["odd"] = odd.clone();
            let record = record_from_json(value).unwrap();
            let text = json(&Seen { record, liveness: Liveness::Dead }, &DenyPatterns::new(&[]));
            assert!(text.contains(&odd.to_string()) && !text.contains("s3cret"), "{text}");
        }
    }
}
