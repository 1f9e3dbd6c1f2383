//! Keys that mean nothing here, and keys that stand twice: odd, never wrong.

use super::Trial;
use crate::base::nearest::nearest;
use crate::sidecar::codes::Code;
use crate::sidecar::notes::shown;
use crate::sidecar::spot::Fields;

/// Of one object at most this many keys are warned about; the last warning says how many more there are.
const WARNED_MAX: usize = 20;

/// Keys of the document.
pub(super) const DOCUMENT: &[&str] = &["$schema", "specs", "written_by", "wi_id", "priority"];
/// Keys of a spec, those of contract section 8 included.
pub(super) const SPEC: &[&str] = &[
    "name",
    "cmd",
    "args",
    "cwd",
    "env",
    "ports",
    "ttl_minutes",
    "attrs",
    "healthcheck",
    "depends_on",
    "restart",
    "activation",
    "idle_stop_s",
    "stop",
];
/// Keys of a restart policy.
pub(super) const RESTART: &[&str] = &[
    "policy",
    "backoff_s",
    "reset_after_s",
    "max_restarts",
    "window_s",
    "success_exit_codes",
    "jitter",
    "daily",
    "on_update",
];
/// Keys of `stop`.
pub(super) const STOP: &[&str] = &["signal", "grace_s"];
/// Keys of a http probe.
pub(super) const HTTP: &[&str] =
    &["type", "url", "expect_status", "interval_s", "timeout_s", "failure_threshold", "on_unhealthy"];
/// Keys of a command probe.
pub(super) const COMMAND: &[&str] =
    &["type", "cmd", "args", "shell", "expect_regex", "interval_s", "timeout_s", "failure_threshold", "on_unhealthy"];

/// Whether `key` is one that a sidecar may have.
pub(in crate::sidecar) fn is_ours(key: &str) -> bool {
    [DOCUMENT, SPEC, RESTART, STOP, HTTP, COMMAND].iter().any(|keys| keys.contains(&key))
}

/// Warns about the keys of `fields` that are not among `known`, and about repeated ones.
pub(super) fn judge(trial: &mut Trial<'_>, fields: &Fields<'_>, known: &[&str]) {
    let unknown = fields.object.entries.iter().filter(|entry| !known.contains(&entry.key.as_ref()));
    for (count, entry) in unknown.clone().enumerate().take(WARNED_MAX) {
        let spot = fields.spot.key(&entry.key, entry.value);
        // A key that is there already was hardly meant, but it is better than no word at all.
        let absent = known.iter().copied().filter(|key| fields.object.get(key).is_none());
        let near = nearest(&entry.key, absent).or_else(|| nearest(&entry.key, known.iter().copied()));
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("leave it out, or use one of: {}", known.join(", ")),
        };
        let more = match unknown.clone().count() - count - 1 {
            0 => String::new(),
            more if count + 1 == WARNED_MAX => format!(" (and {more} more like it)"),
            _ => String::new(),
        };
        let message =
            format!("the key {} of {} means nothing here and is ignored{more}", shown(&entry.key), trial.notes.who());
        trial.notes.warn((&spot, entry.key_span.clone()), Code::UnknownKey.of(&entry.key), message, help);
    }
    for (key, span) in fields.object.repeated.iter().take(WARNED_MAX) {
        let spot = fields.place(key);
        let message = format!("the key {} of {} stands twice", shown(key), trial.notes.who());
        let help = "the last value counts: delete the others".to_owned();
        trial.notes.warn((&spot, span.clone()), Code::DuplicateKey.of(key), message, help);
    }
}
