//! `ttl_minutes`: at least one minute, at most maxTtlMinutes; a fraction is floored.

use super::{Trial, asked_number};
use crate::service::limits::TTL_MINUTES_MIN;
use crate::sidecar::codes::Code;
use crate::sidecar::spot::Fields;

pub(super) fn judge(trial: &mut Trial<'_>, fields: &Fields<'_>) -> u64 {
    let settings = &trial.judge.settings;
    let (ttl_max, ttl_default) = (settings.max_ttl_minutes, settings.default_ttl_minutes);
    let Some(spot) = fields.get("ttl_minutes") else { return ttl_default };
    let help =
        format!("give minutes from {TTL_MINUTES_MIN} to {ttl_max}, or leave `ttl_minutes` out for {ttl_default}");
    let Some(minutes) = asked_number(&spot).filter(|minutes| minutes.is_finite() && *minutes >= TTL_MINUTES_MIN as f64)
    else {
        let message = format!("`ttl_minutes` of {} is no number of at least {TTL_MINUTES_MIN}", trial.notes.who());
        trial.fail(&spot, Code::TtlInvalid, message, help);
        return ttl_default;
    };
    if minutes > ttl_max as f64 {
        let message = format!("`ttl_minutes` of {} is over {ttl_max}", trial.notes.who());
        trial.fail(&spot, Code::TtlTooLong.of(&format!(">{ttl_max}min")), message, help);
        return ttl_max;
    }
    // A whole double within the limit prints as an integer.
    minutes.floor().to_string().parse().unwrap_or(ttl_max)
}
