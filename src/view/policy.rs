//! How a service was declared to live, for people: a line for each field that says anything.

use crate::ops::explain::for_health;
use crate::service::{Activation, Lifecycle, OnUnhealthy, RestartMode, RestartPolicy, Spec, StopPolicy};

/// The lines of what was declared, each with its label; none where nothing was declared.
pub(super) fn lines(spec: &Spec) -> Vec<(&'static str, String)> {
    let Lifecycle { depends_on, restart, activation, idle_stop_s, stop } = &spec.lifecycle;
    let mut lines = Vec::new();
    if !depends_on.is_empty() {
        lines.push(("depends on", depends_on.join(", ")));
    }
    lines.extend(restart.as_ref().map(|restart| ("restart", restarts(restart))));
    if spec.healthcheck.on_unhealthy == OnUnhealthy::Restart {
        let by_default = for_health(spec).filter(|_| !starts_again(restart.as_ref()));
        let how = by_default.map(|policy| format!(", {}", waits(&policy))).unwrap_or_default();
        lines.push(("if unhealthy", format!("started anew{how}")));
    }
    if *activation == Activation::OnDemand {
        let idle = idle_stop_s.map(|seconds| format!(", stopped after {seconds} s without use"));
        lines.push(("activation", format!("on demand{}", idle.unwrap_or_default())));
    }
    if *stop != StopPolicy::default() {
        let grace = stop.grace_s.map(|seconds| format!(", SIGKILL after {seconds} s"));
        lines.push(("stopped by", format!("{}{}", stop.signal().word(), grace.unwrap_or_default())));
    }
    lines
}

fn restarts(restart: &RestartPolicy) -> String {
    let mut parts = vec![restart.mode.word().to_owned()];
    if restart.mode != RestartMode::Never {
        parts.push(waits(restart));
    }
    parts.extend(restart.daily.then(|| "daily".to_owned()));
    parts.extend(restart.on_update.then(|| "after an update".to_owned()));
    parts.join("; ")
}

fn starts_again(restart: Option<&RestartPolicy>) -> bool {
    restart.is_some_and(|policy| policy.mode != RestartMode::Never)
}

fn waits(restart: &RestartPolicy) -> String {
    let waits: Vec<String> = restart.backoff_s.iter().map(f64::to_string).collect();
    format!("after {} s; at most {} times within {} s", waits.join(", "), restart.max_restarts, restart.window_s)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::StopSignal;
    use crate::state::record_from_json;
    use serde_json::json;

    fn spec(lifecycle: Lifecycle) -> Spec {
        let check = json!({"type": "command", "cmd": "true", "expect_regex": ""});
        let record = record_from_json(json!({"name": "web", "cmd": "node", "healthcheck": check})).expect("a record");
        Spec { lifecycle, ..record.spec }
    }

    #[test]
    fn each_field_that_says_anything_has_its_line() {
        assert_eq!(lines(&spec(Lifecycle::default())), []);
        let policy = |mode| RestartPolicy { mode, backoff_s: vec![0.5, 30.0], daily: true, ..RestartPolicy::default() };
        let lifecycle = Lifecycle {
            depends_on: vec!["db".into(), "api".into()],
            restart: Some(policy(RestartMode::OnFailure)),
            activation: Activation::OnDemand,
            idle_stop_s: Some(900.0),
            stop: StopPolicy { signal: Some(StopSignal::Int), grace_s: Some(2.5) },
        };
        let expected = [
            ("depends on", "db, api"),
            ("restart", "on-failure; after 0.5, 30 s; at most 10 times within 300 s; daily"),
            ("activation", "on demand, stopped after 900 s without use"),
            ("stopped by", "SIGINT, SIGKILL after 2.5 s"),
        ];
        assert_eq!(lines(&spec(lifecycle)), expected.map(|(label, words)| (label, words.to_owned())));
        let stop = StopPolicy { signal: None, grace_s: Some(0.0) };
        let lifecycle = Lifecycle { restart: Some(policy(RestartMode::Never)), stop, ..Lifecycle::default() };
        let expected = [("restart", "never; daily"), ("stopped by", "SIGTERM, SIGKILL after 0 s")];
        assert_eq!(lines(&spec(lifecycle)), expected.map(|(label, words)| (label, words.to_owned())));
    }
    #[test]
    fn who_is_started_anew_for_its_health_says_by_what() {
        let check = |restart: Option<RestartPolicy>, expected: &str| {
            let mut spec = spec(Lifecycle { restart, ..Lifecycle::default() });
            spec.healthcheck.on_unhealthy = OnUnhealthy::Restart;
            let found = lines(&spec).into_iter().find(|(label, _)| *label == "if unhealthy");
            assert_eq!(found.map(|(_, words)| words).as_deref(), Some(expected));
        };
        check(None, "started anew, after 0, 1, 2, 4, 8, 16, 30 s; at most 10 times within 300 s");
        check(Some(RestartPolicy { mode: RestartMode::Always, ..RestartPolicy::default() }), "started anew");
    }
}
