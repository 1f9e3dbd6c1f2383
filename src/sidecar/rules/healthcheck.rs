//! `healthcheck`: what every kind of probe has; then the kind's own fields.

use super::{Trial, asked, asked_number, keys, probe_command, probe_http};
use crate::service::limits::{FAILURE_THRESHOLD_MAX, HEALTH_INTERVAL_MAX_S, HEALTH_TIMEOUT_MAX_S};
use crate::service::{FAILURE_THRESHOLD, Healthcheck, OnUnhealthy, Probe};
use crate::sidecar::codes::Code;
use crate::sidecar::notes::shown;
use crate::sidecar::spot::Fields;

const EXAMPLE: &str = "give an object such as {\"type\": \"http\", \"url\": \"http://localhost:3000/\", \"expect_status\": 200, \"timeout_s\": 60}";

pub(super) fn judge(trial: &mut Trial<'_>, spec: &Fields<'_>, folder: &str) -> Healthcheck {
    let nothing = Probe::Http { url: String::new(), expect_status: 200 };
    let Some(fields) = spec.get("healthcheck").and_then(Fields::open) else {
        let message = format!("{} has no healthcheck", trial.notes.who());
        trial.fail(&spec.place("healthcheck"), Code::HealthcheckMissing, message, EXAMPLE);
        return Healthcheck::of(nothing);
    };
    let kind = fields.get("type").and_then(|spot| spot.node.text());
    let is_known = matches!(kind.as_deref(), Some("http" | "command"));
    if !is_known {
        let text = fields.object.get("type").map_or_else(|| "undefined".to_owned(), |node| node.js_string());
        let message = format!("the healthcheck of {} is of no known type", trial.notes.who());
        let help = "use \"http\" (a GET whose status counts) or \"command\" (a program whose output counts)";
        trial.fail(&fields.place("type"), Code::HealthcheckTypeInvalid.of(&text), message, help);
    }
    let timeout_s = seconds(trial, &fields, &TIMEOUT).unwrap_or(1.0);
    let default_s = trial.judge.settings.default_health_interval_sec;
    let interval_s = fields.get("interval_s").map_or(Some(default_s), |_| seconds(trial, &fields, &INTERVAL));
    warn_if_longer(trial, &fields, (interval_s, timeout_s));
    let probe = match kind.as_deref() {
        Some("http") => {
            keys::judge(trial, &fields, keys::HTTP);
            probe_http::judge(trial, &fields)
        }
        Some("command") => {
            keys::judge(trial, &fields, keys::COMMAND);
            probe_command::judge(trial, &fields, folder)
        }
        _ => nothing,
    };
    let failure_threshold = failure_threshold(trial, &fields);
    let on_unhealthy = on_unhealthy(trial, &fields);
    Healthcheck { interval_s: interval_s.unwrap_or(default_s), timeout_s, probe, failure_threshold, on_unhealthy }
}

fn failure_threshold(trial: &mut Trial<'_>, fields: &Fields<'_>) -> u32 {
    let Some(spot) = fields.get("failure_threshold") else { return FAILURE_THRESHOLD };
    let field = ("`failure_threshold` of the healthcheck", Code::HealthcheckFailureThresholdInvalid);
    asked::integer(trial, &spot, field, (1, FAILURE_THRESHOLD_MAX)).map_or(FAILURE_THRESHOLD, u32::from)
}

fn on_unhealthy(trial: &mut Trial<'_>, fields: &Fields<'_>) -> OnUnhealthy {
    let Some(spot) = fields.get("on_unhealthy") else { return OnUnhealthy::default() };
    let field = ("`on_unhealthy` of the healthcheck", Code::HealthcheckOnUnhealthyInvalid, OnUnhealthy::WORDS);
    asked::word(trial, &spot, field, OnUnhealthy::parse).unwrap_or_default()
}

/// A field that holds seconds.
struct Seconds {
    key: &'static str,
    max: f64,
    code: Code,
}

const TIMEOUT: Seconds = Seconds { key: "timeout_s", max: HEALTH_TIMEOUT_MAX_S, code: Code::HealthcheckTimeoutInvalid };
const INTERVAL: Seconds =
    Seconds { key: "interval_s", max: HEALTH_INTERVAL_MAX_S, code: Code::HealthcheckIntervalInvalid };

/// The seconds of a field, over 0 and at most its maximum.
fn seconds(trial: &mut Trial<'_>, fields: &Fields<'_>, field: &Seconds) -> Option<f64> {
    let (key, max) = (field.key, field.max);
    let spot = fields.place(key);
    let number = if spot.is_absent() { None } else { asked_number(&spot) };
    let good = number.filter(|seconds| *seconds > 0.0 && *seconds <= max);
    if good.is_none() {
        let text = if spot.is_absent() { "missing".to_owned() } else { shown(&spot.node.js_string()) };
        let message = format!("`{key}` of the healthcheck of {} is {text}", trial.notes.who());
        trial.fail(&spot, field.code, message, format!("give seconds, over 0 and at most {max}"));
    }
    good
}

/// An interval that was given and is longer than the timeout is odd: only the probe at the start is ever made.
fn warn_if_longer(trial: &mut Trial<'_>, fields: &Fields<'_>, (interval_s, timeout_s): (Option<f64>, f64)) {
    let Some(spot) = fields.get("interval_s") else { return };
    if interval_s.is_none_or(|interval_s| interval_s <= timeout_s) {
        return;
    }
    let message = format!("`interval_s` of the healthcheck of {} is longer than `timeout_s`", trial.notes.who());
    let help = "there will be one probe only: use a shorter interval or a longer timeout".to_owned();
    trial.notes.warn((&spot, spot.span()), Code::IntervalOverTimeout, message, help);
}
