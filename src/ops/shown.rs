//! A record as it may be shown: with its liveness just observed, and nothing secret in it. Every door shows records
//! through this, so that none can forget either.

use serde_json::Value;

use crate::base::redact::{self, DenyPatterns};
use crate::service::{Liveness, Record};
use crate::state::RecordJson;

use super::facts;

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

/// Looks at the process of `record`.
pub fn observe(mut record: Record) -> Seen {
    let liveness = facts::observe_service(&record);
    record.alive = match liveness {
        Liveness::Alive => true,
        Liveness::Dead => false,
        Liveness::Unknown => record.alive,
    };
    Seen { record, liveness }
}

/// The record as compact JSON, the values of denied environment keys and user info in URLs hidden. `alive` is null
/// where it could not be told.
pub fn json(seen: &Seen, deny: &DenyPatterns) -> String {
    let text = serde_json::to_string(&RecordJson(&seen.record)).expect("a record is an object whose keys are strings");
    if seen.liveness != Liveness::Unknown && !is_secret_bearing(&seen.record, &text, deny) {
        return text;
    }
    let Ok(Value::Object(mut object)) = serde_json::from_str(&text) else {
        unreachable!("it was just written as an object")
    };
    if seen.liveness == Liveness::Unknown {
        object.insert("alive".to_owned(), Value::Null);
    }
    for key in ENV_KEYS {
        if let Some(env) = object.get_mut(key) {
            redact::json_env(env, deny);
        }
    }
    let mut value = Value::Object(object);
    redact::json_urls(&mut value);
    value.to_string()
}

/// Whether something in the record may have to be hidden. Asks of the whole text at once, where the end of a URL's
/// authority is found no earlier than in the strings it is made of, so that nothing is missed.
fn is_secret_bearing(record: &Record, text: &str, deny: &DenyPatterns) -> bool {
    let mut keys = record.spec.env.iter().chain(&record.passed_env).map(|(key, _)| key);
    keys.any(|key| deny.is_match(key)) || redact::has_user_info(text)
}
