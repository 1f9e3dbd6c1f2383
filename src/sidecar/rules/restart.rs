//! `restart`: after which ends a service is started anew, how long each start waits, and when it is given up.

use super::asked::{self, Bounds};
use super::{Trial, keys};
use crate::service::limits::{
    BACKOFF_MAX, BACKOFF_MAX_S, EXIT_CODE_MAX, LIFECYCLE_MAX_S, RESTARTS_MAX, SUCCESS_EXIT_CODES_MAX,
};
use crate::service::{RestartMode, RestartPolicy};
use crate::sidecar::codes::Code;
use crate::sidecar::spot::{Fields, Spot};

const EXAMPLE: &str = "give an object such as {\"policy\": \"on-failure\"}, or leave `restart` out";

/// Keys that say nothing where nothing is ever started after an end.
const OF_FAILURES: &[&str] =
    &["backoff_s", "reset_after_s", "max_restarts", "window_s", "success_exit_codes", "jitter"];

/// The policy; `None` if there is none declared.
pub(super) fn judge(trial: &mut Trial<'_>, spec: &Fields<'_>) -> Option<RestartPolicy> {
    let spot = spec.get("restart")?;
    let Some(fields) = Fields::open(spot) else {
        let message = format!("`restart` of {} is no object", trial.notes.who());
        trial.fail(&spot, Code::RestartNotObject, message, EXAMPLE);
        return None;
    };
    keys::judge(trial, &fields, keys::RESTART);
    let usual = RestartPolicy::default();
    let mode = mode(trial, &fields);
    let policy = RestartPolicy {
        mode: mode.unwrap_or(usual.mode),
        backoff_s: backoff(trial, &fields).unwrap_or(usual.backoff_s),
        reset_after_s: span(trial, &fields, ("reset_after_s", Code::RestartResetAfterInvalid))
            .unwrap_or(usual.reset_after_s),
        max_restarts: max_restarts(trial, &fields).unwrap_or(usual.max_restarts),
        window_s: span(trial, &fields, ("window_s", Code::RestartWindowInvalid)).unwrap_or(usual.window_s),
        success_exit_codes: success_exit_codes(trial, &fields).unwrap_or(usual.success_exit_codes),
        jitter: asked::flag(trial, &fields, ("jitter", Code::RestartJitterNotBoolean)),
        daily: asked::flag(trial, &fields, ("daily", Code::RestartDailyNotBoolean)),
        on_update: asked::flag(trial, &fields, ("on_update", Code::RestartOnUpdateNotBoolean)),
    };
    if mode == Some(RestartMode::Never) {
        for key in OF_FAILURES {
            warn_without_effect(trial, &fields, key, "the policy is `never`: choose another, or leave it out");
        }
    }
    Some(policy)
}

/// Warns that `key`, if it is there, changes nothing.
pub(super) fn warn_without_effect(trial: &mut Trial<'_>, fields: &Fields<'_>, key: &str, help: &str) {
    let Some(spot) = fields.get(key) else { return };
    let message = format!("`{key}` of {} has no effect", trial.notes.who());
    trial.notes.warn((&spot, spot.span()), Code::NoEffect.of(key), message, help.to_owned());
}

fn mode(trial: &mut Trial<'_>, fields: &Fields<'_>) -> Option<RestartMode> {
    let Some(spot) = fields.get("policy") else {
        let message = format!("`restart` of {} has no policy", trial.notes.who());
        trial.fail(&fields.place("policy"), Code::RestartPolicyMissing, message, EXAMPLE);
        return None;
    };
    let field = ("the restart policy", Code::RestartPolicyInvalid, RestartMode::WORDS);
    asked::word(trial, &spot, field, RestartMode::parse)
}

fn backoff(trial: &mut Trial<'_>, fields: &Fields<'_>) -> Option<Vec<f64>> {
    let spot = fields.get("backoff_s")?;
    let bounds = Bounds::from_zero(BACKOFF_MAX_S);
    list(trial, &spot, (&BACKOFF, BACKOFF_MAX), |trial, item| {
        asked::seconds(trial, item, ("a wait in `backoff_s`", Code::RestartBackoffInvalid, true), &bounds)
    })
}

fn span(trial: &mut Trial<'_>, fields: &Fields<'_>, (key, code): (&str, Code)) -> Option<f64> {
    let spot = fields.get(key)?;
    asked::seconds(trial, &spot, (&format!("`{key}`"), code, false), &Bounds::over_zero(LIFECYCLE_MAX_S))
}

fn max_restarts(trial: &mut Trial<'_>, fields: &Fields<'_>) -> Option<u32> {
    let spot = fields.get("max_restarts")?;
    let field = ("`max_restarts`", Code::RestartMaxRestartsInvalid);
    asked::integer(trial, &spot, field, (0, RESTARTS_MAX)).map(u32::from)
}

fn success_exit_codes(trial: &mut Trial<'_>, fields: &Fields<'_>) -> Option<Vec<i32>> {
    let spot = fields.get("success_exit_codes")?;
    list(trial, &spot, (&SUCCESS, SUCCESS_EXIT_CODES_MAX), |trial, item| {
        let field = ("a code in `success_exit_codes`", Code::RestartSuccessExitCodesInvalid);
        asked::integer(trial, item, field, (0, EXIT_CODE_MAX)).map(i32::from)
    })
}

/// A list of numbers, and what is said where it is none.
struct List {
    key: &'static str,
    example: &'static str,
    not_array: Code,
    too_many: Code,
    /// The code of an empty one; `None`: it may be.
    empty: Option<Code>,
}

const BACKOFF: List = List {
    key: "backoff_s",
    example: "[5, 30, 120]",
    not_array: Code::RestartBackoffNotArray,
    too_many: Code::RestartBackoffTooMany,
    empty: Some(Code::RestartBackoffEmpty),
};
const SUCCESS: List = List {
    key: "success_exit_codes",
    example: "[0, 143]",
    not_array: Code::RestartSuccessExitCodesNotArray,
    too_many: Code::RestartSuccessExitCodesTooMany,
    empty: None,
};

/// The elements of a list, each as `one` judges it; `None` if it is no list.
fn list<T>(
    trial: &mut Trial<'_>,
    spot: &Spot<'_>,
    (list, count_max): (&List, usize),
    one: impl Fn(&mut Trial<'_>, &Spot<'_>) -> Option<T>,
) -> Option<Vec<T>> {
    let List { key, example, not_array, too_many, empty } = list;
    let Some(items) = spot.node.array() else {
        let message = format!("`{key}` of {} is no array", trial.notes.who());
        trial.fail(spot, *not_array, message, format!("give an array such as {example}"));
        return None;
    };
    if let Some(code) = empty.filter(|_| items.is_empty()) {
        let message = format!("`{key}` of {} is empty", trial.notes.who());
        trial.fail(spot, code, message, format!("give an array such as {example}, or leave it out"));
    }
    if items.len() > count_max {
        let message = format!("`{key}` of {} has {} elements, more than {count_max}", trial.notes.who(), items.len());
        trial.fail(spot, too_many.of(&format!(">{count_max}")), message, format!("give at most {count_max}"));
    }
    let items = items.iter().take(count_max).enumerate();
    Some(items.filter_map(|(index, node)| one(trial, &spot.item(index, *node))).collect())
}
