//! The lifecycle's objects inside a record: what was declared, and the last change of status.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::base::clock::EpochMs;
use crate::service::{RestartMode, RestartPolicy, Status, StopPolicy, StopSignal, Transition};

use super::object::{Unknown, object, required};
use super::parts::rest;

object! {
    /// A restart policy; what it does not say has the sidecar's default.
    RestartIn {
        policy "policy": String,
        backoff_s "backoff_s": Vec<f64>,
        reset_after_s "reset_after_s": f64,
        max_restarts "max_restarts": u32,
        window_s "window_s": f64,
        success_exit_codes "success_exit_codes": Vec<i32>,
        jitter "jitter": bool,
        daily "daily": bool,
        on_update "on_update": bool,
    }
}

impl RestartIn {
    pub(super) fn into_parts(self) -> Result<(RestartPolicy, Unknown), String> {
        let word = required(self.policy, "policy")?;
        let mode = RestartMode::parse(&word).ok_or_else(|| no_such("policy", &word))?;
        let usual = RestartPolicy::default();
        let policy = RestartPolicy {
            mode,
            backoff_s: self.backoff_s.unwrap_or(usual.backoff_s),
            reset_after_s: self.reset_after_s.unwrap_or(usual.reset_after_s),
            max_restarts: self.max_restarts.unwrap_or(usual.max_restarts),
            window_s: self.window_s.unwrap_or(usual.window_s),
            success_exit_codes: self.success_exit_codes.unwrap_or(usual.success_exit_codes),
            jitter: self.jitter.unwrap_or(usual.jitter),
            daily: self.daily.unwrap_or(usual.daily),
            on_update: self.on_update.unwrap_or(usual.on_update),
        };
        Ok((policy, self.unknown))
    }
}

object! {
    /// How a service is stopped.
    StopIn {
        signal "signal": String,
        grace_s "grace_s": f64,
    }
}

impl StopIn {
    pub(super) fn into_parts(self) -> Result<(StopPolicy, Unknown), String> {
        let signal = self.signal.map(stop_signal).transpose()?;
        Ok((StopPolicy { signal, grace_s: self.grace_s }, self.unknown))
    }
}

/// The signal of that word.
pub(super) fn stop_signal(word: String) -> Result<StopSignal, String> {
    StopSignal::parse(&word).ok_or_else(|| no_such("signal", &word))
}

fn no_such(key: &str, word: &str) -> String {
    format!("`{key}`: `{}` is no such word", word.escape_debug())
}

object! {
    /// A change of status: `{"at":1,"from":"starting","to":"running","input":"spawned","why":"…"}`.
    TransitionIn {
        at "at": i64,
        from "from": String,
        to "to": String,
        input "input": String,
        why "why": String,
    }
}

impl TransitionIn {
    pub(super) fn into_parts(self) -> Result<(Transition, Unknown), String> {
        let status = |key: &str, word: String| Status::parse(&word).ok_or_else(|| no_such(key, &word));
        let transition = Transition {
            at: EpochMs(required(self.at, "at")?),
            from: self.from.map(|word| status("from", word)).transpose()?,
            to: status("to", required(self.to, "to")?)?,
            input: required(self.input, "input")?,
            why: self.why.unwrap_or_default(),
        };
        Ok((transition, self.unknown))
    }
}

pub(super) struct TransitionOut<'a>(pub(super) &'a Transition, pub(super) Option<&'a Value>);

impl Serialize for TransitionOut<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("at", &self.0.at.0)?;
        map.serialize_entry("from", &self.0.from.map(Status::word))?;
        map.serialize_entry("to", self.0.to.word())?;
        map.serialize_entry("input", &self.0.input)?;
        map.serialize_entry("why", &self.0.why)?;
        rest(map, self.1)
    }
}

/// A declared object as it is written: its own keys, then those that this version does not know.
#[derive(Clone, Copy)]
pub(super) struct Declared<'a>(pub(super) &'a Value, pub(super) Option<&'a Value>);

impl Serialize for Declared<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Some(object) = self.0.as_object() else { return self.0.serialize(to) };
        let mut map = to.serialize_map(None)?;
        for (key, value) in object {
            map.serialize_entry(key, value)?;
        }
        rest(map, self.1)
    }
}
