//! A spec: one service as an agent wishes it, normalized, every default filled in.

use std::time::Duration;

use super::policy::seconds;
use super::{FAILURE_THRESHOLD, Lifecycle, OnUnhealthy};

/// Free-form facts about a service for other agents (`base_url` …): the JSON object as written.
pub type Attrs = serde_json::Map<String, serde_json::Value>;

/// Environment variables in the order they were declared; keys are unique.
pub type EnvVars = Vec<(String, String)>;

/// One declared service, judged valid. What is absent in the sidecar stands here with its default.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// The declared name, kebab-case.
    pub name: String,
    /// The command as declared, not yet resolved.
    pub cmd: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// The working folder; empty when none was declared.
    pub cwd: String,
    /// The service's own environment.
    pub env: EnvVars,
    /// Ports that the service says it will listen on, 1024 to 65535.
    pub ports: Vec<u16>,
    /// Time to live in minutes, at least 1.
    pub ttl_minutes: u64,
    /// Facts for other agents.
    pub attrs: Attrs,
    /// How to tell that it is healthy.
    pub healthcheck: Healthcheck,
    /// How it is to live.
    pub lifecycle: Lifecycle,
}

/// When to probe and what.
#[derive(Clone, Debug, PartialEq)]
pub struct Healthcheck {
    /// Seconds between two probes, over 0 and at most 600.
    pub interval_s: f64,
    /// Seconds until the wait for the first pass gives up, over 0 and at most 3600.
    pub timeout_s: f64,
    /// What a probe does.
    pub probe: Probe,
    /// Probes in a row that must fail, after the first pass, before the service counts as unhealthy; at least 1.
    pub failure_threshold: u32,
    /// What becomes of it then.
    pub on_unhealthy: OnUnhealthy,
}

impl Healthcheck {
    /// The time between two probes.
    pub fn interval(&self) -> Duration {
        seconds(self.interval_s)
    }

    /// How long the first pass is waited for.
    pub fn timeout(&self) -> Duration {
        seconds(self.timeout_s)
    }

    /// A healthcheck by `probe` that says nothing else, with the sidecar's defaults: every second, for a minute.
    pub fn of(probe: Probe) -> Self {
        Self {
            interval_s: 1.0,
            timeout_s: 60.0,
            probe,
            failure_threshold: FAILURE_THRESHOLD,
            on_unhealthy: OnUnhealthy::default(),
        }
    }
}

/// One way of asking a service whether it is healthy.
#[derive(Clone, Debug, PartialEq)]
pub enum Probe {
    /// GET `url`; the status must equal `expect_status`.
    Http {
        /// An absolute http or https address.
        url: String,
        /// 100 to 599.
        expect_status: u16,
    },
    /// Run a command; exit status 0 and stdout matches `expect_regex`.
    Command {
        /// The command, or the whole command line.
        cmd: String,
        /// Its arguments; `None`: `cmd` is split as a shell would.
        args: Option<Vec<String>>,
        /// Run it by `sh -c`.
        shell: bool,
        /// In the regex crate's syntax.
        expect_regex: String,
    },
}

/// Whether `name` is kebab-case: `^[a-z0-9]+(-[a-z0-9]+)*$`.
pub fn is_kebab_case(name: &str) -> bool {
    !name.is_empty()
        && name
            .split('-')
            .all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::is_kebab_case;

    #[test]
    fn kebab_case_is_lower_case_words_joined_by_single_hyphens() {
        let check = |name: &str, good: bool| assert_eq!(is_kebab_case(name), good, "{name:?}");
        for good in ["a", "9", "web-1", "a-b-c"] {
            check(good, true);
        }
        for bad in ["", "-", "-a", "a-", "a--b", "A", "a_b", "ß", "a b", "a\n"] {
            check(bad, false);
        }
    }
}
