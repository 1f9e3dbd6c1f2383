//! `env`: allowed keys with string values. A value never gets into a message: it may be a secret.

use super::{Trial, is_longer};
use crate::base::nearest::nearest;
use crate::service::EnvVars;
use crate::service::limits::ENV_VALUE_CHARS_MAX;
use crate::sidecar::codes::Code;
use crate::sidecar::judge::KeyVerdict;
use crate::sidecar::notes::shown;
use crate::sidecar::source::Entry;
use crate::sidecar::spot::{Fields, Spot};

pub(super) fn judge(trial: &mut Trial<'_>, fields: &Fields<'_>) -> EnvVars {
    let Some(spot) = fields.get("env") else { return EnvVars::new() };
    let Some(vars) = Fields::open(spot) else {
        let message = format!("`env` of {} is no object", trial.notes.who());
        trial.fail(&spot, Code::EnvNotObject, message, "give an object of keys and string values");
        return EnvVars::new();
    };
    let count_max = trial.judge.settings.max_env_vars;
    let taken = usize::try_from(count_max).unwrap_or(usize::MAX);
    let count = vars.object.entries.len();
    if count > taken {
        let message = format!("{} sets {count} environment variables, more than {count_max}", trial.notes.who());
        let help = format!("set at most {count_max}; a file that the service reads can hold the rest");
        trial.fail(&spot, Code::EnvTooMany.of(&format!(">{count_max}")), message, help);
    }
    let mut entries: Vec<&Entry<'_>> = vars.object.entries.iter().collect();
    // JavaScript lists keys that are array indices first and in ascending order; agents see that order.
    entries.sort_by_key(|entry| array_index(&entry.key).map_or((1, 0), |index| (0, index)));
    for entry in entries.iter().take(taken) {
        let item = vars.spot.key(&entry.key, entry.value);
        key(trial, &item, entry);
        value(trial, &item, entry);
    }
    let pair = |entry: &Entry<'_>| Some((entry.key.to_string(), entry.value.text()?.into_owned()));
    vars.object.entries.iter().take(taken).filter_map(pair).collect()
}

fn key(trial: &mut Trial<'_>, item: &Spot<'_>, entry: &Entry<'_>) {
    let name = || shown(&entry.key);
    match trial.judge.env_key(&entry.key) {
        KeyVerdict::Fine => {}
        KeyVerdict::NotOnAllowlist => {
            let settings = &trial.judge.settings;
            let help = match nearest(&entry.key, settings.env_key_allowlist.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!(
                    "use one of {}, or a key that starts with {}",
                    settings.env_key_allowlist.join(", "),
                    settings.env_key_allowlist_prefixes.join(", ")
                ),
            };
            let message = format!("the env key {} of {} is not allowed", name(), trial.notes.who());
            trial.fail(item, Code::EnvKeyNotOnAllowlist.of(&entry.key), message, help);
        }
        KeyVerdict::Malformed => {
            let message = format!("the env key {} of {} is no name of a variable", name(), trial.notes.who());
            let help = "use letters, digits and underscores, not starting with a digit";
            trial.fail(item, Code::EnvKeyMalformed.of(&entry.key), message, help);
        }
        KeyVerdict::Denied => {
            let message = format!("the env key {} of {} looks like a credential's", name(), trial.notes.who());
            let help = "let the service read its credentials from a file, or add the key to envKeyDenyOverrides";
            trial.fail(item, Code::EnvKeyDenied.of(&entry.key), message, help);
        }
    }
}

fn value(trial: &mut Trial<'_>, item: &Spot<'_>, entry: &Entry<'_>) {
    let name = || shown(&entry.key);
    let Some(value) = entry.value.text() else {
        let message = format!("the value of env key {} of {} is no string", name(), trial.notes.who());
        trial.fail(item, Code::EnvValueNotString.of(&entry.key), message, "put it in quotes");
        return;
    };
    if is_longer(&value, ENV_VALUE_CHARS_MAX) {
        let message = format!(
            "the value of env key {} of {} is longer than {ENV_VALUE_CHARS_MAX} characters",
            name(),
            trial.notes.who()
        );
        trial.fail(
            item,
            Code::EnvValueTooLong.of(&entry.key),
            message,
            "put what is long into a file and name the file",
        );
    }
    if value.contains('\0') {
        let message = format!("the value of env key {} of {} holds a NUL character", name(), trial.notes.who());
        trial.fail(item, Code::EnvValueHasNul.of(&entry.key), message, "take the NUL out: no variable can hold one");
    }
}

/// The key as an array index of ECMA-262: canonical digits, below 2^32 - 1.
fn array_index(key: &str) -> Option<u32> {
    let is_canonical = key == "0" || !key.starts_with(['0', '+']);
    key.parse::<u32>().ok().filter(|index| is_canonical && *index < u32::MAX)
}
