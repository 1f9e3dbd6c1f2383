//! The lifecycle fields of a spec (contract section 8), in its order.

use super::asked::{self, Bounds};
use super::{Trial, depends_on, keys, restart};
use crate::service::limits::{GRACE_MAX_S, LIFECYCLE_MAX_S};
use crate::service::{Activation, Lifecycle, StopPolicy, StopSignal};
use crate::sidecar::codes::Code;
use crate::sidecar::spot::Fields;

pub(super) fn judge(trial: &mut Trial<'_>, spec: &Fields<'_>) -> Lifecycle {
    let depends_on = depends_on::judge(trial, spec);
    let restart = restart::judge(trial, spec);
    let activation = activation(trial, spec);
    let idle_stop_s = idle_stop(trial, spec);
    if activation == Some(Activation::Always) {
        let help =
            "only a service with `activation` \"on-demand\" is stopped when idle: declare it so, or leave it out";
        restart::warn_without_effect(trial, spec, "idle_stop_s", help);
    }
    let stop = stop(trial, spec);
    Lifecycle { depends_on, restart, activation: activation.unwrap_or_default(), idle_stop_s, stop }
}

/// The activation, also if it is not declared; `None` if it is wrong.
fn activation(trial: &mut Trial<'_>, spec: &Fields<'_>) -> Option<Activation> {
    let Some(spot) = spec.get("activation") else { return Some(Activation::default()) };
    let field = ("`activation`", Code::ActivationInvalid, Activation::WORDS);
    asked::word(trial, &spot, field, Activation::parse)
}

fn idle_stop(trial: &mut Trial<'_>, spec: &Fields<'_>) -> Option<f64> {
    let spot = spec.get("idle_stop_s")?;
    let field = ("`idle_stop_s`", Code::IdleStopInvalid, false);
    asked::seconds(trial, &spot, field, &Bounds::over_zero(LIFECYCLE_MAX_S))
}

fn stop(trial: &mut Trial<'_>, spec: &Fields<'_>) -> StopPolicy {
    let Some(spot) = spec.get("stop") else { return StopPolicy::default() };
    let Some(fields) = Fields::open(spot) else {
        let message = format!("`stop` of {} is no object", trial.notes.who());
        let help = "give an object such as {\"signal\": \"SIGINT\", \"grace_s\": 20}, or leave `stop` out";
        trial.fail(&spot, Code::StopNotObject, message, help);
        return StopPolicy::default();
    };
    keys::judge(trial, &fields, keys::STOP);
    let signal = fields.get("signal").and_then(|spot| {
        let field = ("the stop signal", Code::StopSignalInvalid, StopSignal::WORDS);
        asked::word(trial, &spot, field, StopSignal::parse)
    });
    let grace_s = fields.get("grace_s").and_then(|spot| {
        let field = ("`grace_s`", Code::StopGraceInvalid, false);
        asked::seconds(trial, &spot, field, &Bounds::from_zero(GRACE_MAX_S))
    });
    if signal == Some(StopSignal::Kill) {
        restart::warn_without_effect(
            trial,
            &fields,
            "grace_s",
            "nothing is left to wait for after SIGKILL: leave it out",
        );
    }
    StopPolicy { signal, grace_s }
}
