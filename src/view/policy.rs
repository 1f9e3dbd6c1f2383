//! How a service was declared to live, for people: a line for each field that says anything.

use crate::service::{Activation, Lifecycle, RestartMode, RestartPolicy, StopPolicy};

/// The lines of what was declared, each with its label; none where nothing was declared.
pub(super) fn lines(lifecycle: &Lifecycle) -> Vec<(&'static str, String)> {
    let Lifecycle { depends_on, restart, activation, idle_stop_s, stop } = lifecycle;
    let mut lines = Vec::new();
    if !depends_on.is_empty() {
        lines.push(("depends on", depends_on.join(", ")));
    }
    lines.extend(restart.as_ref().map(|restart| ("restart", restarts(restart))));
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
        let waits: Vec<String> = restart.backoff_s.iter().map(f64::to_string).collect();
        parts.push(format!("after {} s", waits.join(", ")));
        parts.push(format!("at most {} times within {} s", restart.max_restarts, restart.window_s));
    }
    parts.extend(restart.daily.then(|| "daily".to_owned()));
    parts.extend(restart.on_update.then(|| "after an update".to_owned()));
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::StopSignal;

    #[test]
    fn each_field_that_says_anything_has_its_line() {
        assert_eq!(lines(&Lifecycle::default()), []);
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
        assert_eq!(lines(&lifecycle), expected.map(|(label, words)| (label, words.to_owned())));
        let stop = StopPolicy { signal: None, grace_s: Some(0.0) };
        let lifecycle = Lifecycle { restart: Some(policy(RestartMode::Never)), stop, ..Lifecycle::default() };
        let expected = [("restart", "never; daily"), ("stopped by", "SIGTERM, SIGKILL after 0 s")];
        assert_eq!(lines(&lifecycle), expected.map(|(label, words)| (label, words.to_owned())));
    }
}
