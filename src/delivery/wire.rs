//! The JSON of this room's files: positions, and letters with the events in them.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::base::clock::EpochMs;
use crate::base::json::PlainObject;
use crate::service::{event_from_json, event_to_json};

use super::dead::Letter;
use super::position::{Position, Tried};

/// Of this version are the files that we write; those of a later one are not touched.
pub(super) const VERSION: u32 = 1;

/// `engine/managed-outbox/<sink>.json`.
#[derive(Serialize, Deserialize)]
#[serde(default)]
pub(super) struct PositionJson {
    pub(super) version: u32,
    acked: u64,
    tried: Option<TriedJson>,
    retried: u64,
    retry_tried: Option<TriedJson>,
    next_at: Option<i64>,
    delivered: u64,
    dropped: u64,
    dropped_said: u64,
    dropped_said_at: Option<i64>,
    dead: u64,
    dead_dropped: u64,
    last_error: Option<String>,
    last_error_at: Option<i64>,
    last_delivered_at: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct TriedJson {
    seq: u64,
    failures: u32,
}

impl Default for PositionJson {
    fn default() -> Self {
        Self::from(&Position::default())
    }
}

impl From<&Position> for PositionJson {
    fn from(position: &Position) -> Self {
        let tried = |tried: &Option<Tried>| tried.as_ref().map(|at| TriedJson { seq: at.seq, failures: at.failures });
        let ms = |at: Option<EpochMs>| at.map(|at| at.0);
        Self {
            version: VERSION,
            acked: position.acked,
            tried: tried(&position.tried),
            retried: position.retried,
            retry_tried: tried(&position.retry_tried),
            next_at: ms(position.next_at),
            delivered: position.delivered,
            dropped: position.dropped,
            dropped_said: position.dropped_said,
            dropped_said_at: ms(position.dropped_said_at),
            dead: position.dead,
            dead_dropped: position.dead_dropped,
            last_error: position.last_error.clone(),
            last_error_at: ms(position.last_error_at),
            last_delivered_at: ms(position.last_delivered_at),
        }
    }
}

impl From<PositionJson> for Position {
    fn from(json: PositionJson) -> Self {
        let tried = |tried: Option<TriedJson>| tried.map(|at| Tried { seq: at.seq, failures: at.failures });
        let at = |ms: Option<i64>| ms.map(EpochMs);
        Self {
            acked: json.acked,
            tried: tried(json.tried),
            retried: json.retried,
            retry_tried: tried(json.retry_tried),
            next_at: at(json.next_at),
            delivered: json.delivered,
            dropped: json.dropped,
            dropped_said: json.dropped_said,
            dropped_said_at: at(json.dropped_said_at),
            dead: json.dead,
            dead_dropped: json.dead_dropped,
            last_error: json.last_error,
            last_error_at: at(json.last_error_at),
            last_delivered_at: at(json.last_delivered_at),
        }
    }
}

/// A line of `<sink>.dead.jsonl`, without its end.
pub(super) fn letter_text(letter: &Letter) -> String {
    let Letter { event, failures, error, at } = letter;
    json!({ "event": Value::Object(event_to_json(event)), "failures": failures, "error": error, "at": at.0 })
        .to_string()
}

/// Reads such a line; `None` if it is none.
pub(super) fn letter_of(line: &str) -> Option<Letter> {
    let PlainObject(mut object) = serde_json::from_str(line).ok()?;
    Some(Letter {
        event: event_from_json(object.shift_remove("event")?).ok()?,
        failures: u32::try_from(object.get("failures")?.as_u64()?).ok()?,
        error: object.get("error")?.as_str()?.to_owned(),
        at: EpochMs(object.get("at")?.as_i64()?),
    })
}
