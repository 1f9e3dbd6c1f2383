//! How to declare services, told to an agent, pure. Every limit in it is a setting or a constant that the rules judge by, so
//! that it cannot say what is not so; and it is short, since each agent pays for it.

use serde_json::Value;

use crate::config::{EnvPolicy, ExecutablePathPolicy, HealthcheckHosts, ListenerProof, Settings};
use crate::service::limits::{
    ARG_CHARS_MAX, CMD_CHARS_MAX, CWD_CHARS_MAX, ENV_VALUE_CHARS_MAX, EXPECT_REGEX_CHARS_MAX, HEALTH_INTERVAL_MAX_S,
    HEALTH_TIMEOUT_MAX_S, PORT_MAX, PORT_MIN, PORTS_MAX, PROBE_CMD_CHARS_MAX, STATUS_MAX, STATUS_MIN, TTL_MINUTES_MIN,
};

use super::data;

/// How long a command is tried before it is declared, in seconds: most servers are up by then.
pub const SMOKE_S: u32 = 5;
/// When it is probed meanwhile, in seconds.
pub const SMOKE_PROBE_S: u32 = 3;

/// What the hint is made of, beside the settings.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The sidecar's path, absolute.
    pub path: &'a str,
    /// A sidecar that passes; `None` if none can.
    pub example: Option<&'a Value>,
    /// The root, if commands must name it.
    pub root: Option<&'a str>,
}

/// The hint.
pub fn text(settings: &Settings, facts: &Facts<'_>) -> String {
    let Some(example) = facts.example.filter(|_| settings.enabled) else { return closed(settings) };
    let path = data::shell_word(facts.path);
    let root = facts.root.map_or_else(String::new, |root| format!(" --root {}", data::shell_word(root)));
    let declare = format!(
        "## Services that outlive your turn\n\n\
         {ALONE} Declare what you need:\n\n\
         1. Try it first: run the command for {SMOKE_S} s, probe it, end it with all that it started, leave nothing running: \
         `timeout {SMOKE_S} CMD ARGS & sleep {SMOKE_PROBE_S}; curl -sSi URL; wait`\n\
         2. Write `{path}`, with your values but this `written_by` and `wi_id`:\n\n\
         ```json\n{}\n```\n\n\
         3. Check it: `minions managed validate {path}{root}` names every failure.\n\n",
        laid_out(example),
    );
    let after = format!(
        "Once you have ended, it is accepted: each service is started, must be healthy within its `timeout_s`, and is recorded \
         for others. Every {} ticks a sweep drops what is dead or over its time. Live ones: `minions managed list --project P\
         {root}`; output: `minions managed logs NAME{root}`; end one: `minions managed stop NAME{root}`.\n\n",
        settings.sweep_every,
    );
    let lifecycle = format!(
        "A spec may also say how it lives: `\"restart\": {{\"policy\": \"on-failure\"}}` starts it again when it fails (\"always\": \
         whenever it ends); `\"depends_on\": [\"db\"]` starts it once `db`, of the same file, is healthy; `\"activation\": \
         \"on-demand\"` starts it when it is needed (`minions managed ensure NAME{root}`), and `idle_stop_s` stops it after so many \
         seconds without use.\n\n",
    );
    let limits: String = limits(settings).iter().map(|line| ["- ", line, "\n"].concat()).collect();
    [&declare, &after, &lifecycle, "Limits:\n", &limits].concat()
}

const ALONE: &str =
    "Do not start servers in the background yourself (`&`, nohup, setsid, tmux), and never use pkill or killall.";

/// The hint where no service can be declared.
fn closed(settings: &Settings) -> String {
    let why = if settings.enabled {
        "the setting `executableAllowlist` allows no program"
    } else {
        "the setting `enabled` is false"
    };
    format!("## Services that outlive your turn\n\nNone can be declared here now: {why}. {ALONE}\n")
}

fn limits(settings: &Settings) -> Vec<String> {
    let Settings { max_specs_per_file, max_name_length, max_args_count, max_attrs_bytes, .. } = settings;
    let Settings { max_ttl_minutes, default_ttl_minutes, .. } = settings;
    vec![
        format!("`specs`: at most {max_specs_per_file}"),
        format!(
            "`name`: lower-case letters, digits, single hyphens between; at most {max_name_length} characters; unique in the file"
        ),
        cmd(settings),
        format!("`args`: at most {max_args_count} strings, each up to {ARG_CHARS_MAX} characters; no shell reads them"),
        cwd(settings),
        env(settings),
        format!("`ports`: at most {PORTS_MAX}, each {PORT_MIN}-{PORT_MAX} and free"),
        format!("`ttl_minutes`: {TTL_MINUTES_MIN}-{max_ttl_minutes}; {default_ttl_minutes} if left out"),
        format!(
            "`attrs`: facts for other agents, such as `base_url`; no secrets; at most {max_attrs_bytes} bytes of compact JSON"
        ),
        healthcheck(settings),
    ]
}

fn cmd(settings: &Settings) -> String {
    let programs = words(&settings.executable_allowlist);
    let place = match settings.executable_path_policy {
        ExecutablePathPolicy::Any => "",
        ExecutablePathPolicy::Trusted => "; with a slash only from a folder of PATH or the worktree of `cwd`",
    };
    format!("`cmd`: a program, up to {CMD_CHARS_MAX} characters{place}; one of: {programs}")
}

fn cwd(settings: &Settings) -> String {
    let parents_max = settings.git_worktree_max_parent_depth;
    let place = if settings.require_git_workdir {
        format!("your git worktree or a folder in it, at most {parents_max} levels below its top")
    } else {
        "the folder to run in".to_owned()
    };
    format!("`cwd`: {place}, absolute, up to {CWD_CHARS_MAX} characters")
}

fn env(settings: &Settings) -> String {
    let Settings { max_env_vars, env_key_allowlist, env_key_allowlist_prefixes, .. } = settings;
    let Settings { env_key_deny_patterns, env_key_deny_overrides, pass_env_keys, .. } = settings;
    let keys = match settings.env_policy {
        EnvPolicy::Allowlist => {
            let keys = some("keys: ", env_key_allowlist);
            let prefixes = some("keys that begin with: ", env_key_allowlist_prefixes);
            [keys, prefixes].into_iter().flatten().collect::<Vec<_>>().join("; ")
        }
        EnvPolicy::Denylist => {
            let denied = some("no key that matches one of (regex, case ignored): ", env_key_deny_patterns);
            let overrides = some("allowed all the same: ", env_key_deny_overrides).filter(|_| denied.is_some());
            [denied, overrides].into_iter().flatten().collect::<Vec<_>>().join("; ")
        }
    };
    let keys = match (keys.is_empty(), settings.env_policy) {
        (false, _) => keys,
        (true, EnvPolicy::Allowlist) => "no key is allowed".to_owned(),
        (true, EnvPolicy::Denylist) => "any key".to_owned(),
    };
    let inherited = some("; inherited: ", pass_env_keys).unwrap_or_default();
    format!(
        "`env`: at most {max_env_vars} variables, string values up to {ENV_VALUE_CHARS_MAX} characters; {keys}{inherited}"
    )
}

fn healthcheck(settings: &Settings) -> String {
    let host = match settings.healthcheck_hosts {
        HealthcheckHosts::Any => "",
        HealthcheckHosts::Loopback => ", on loopback",
    };
    let proof = match settings.listener_proof {
        ListenerProof::Require => "; a process of the service itself must answer",
        ListenerProof::Prefer | ListenerProof::Off => "",
    };
    format!(
        "`healthcheck`: `timeout_s` over 0, up to {HEALTH_TIMEOUT_MAX_S}; `interval_s` up to {HEALTH_INTERVAL_MAX_S}, {} if left \
         out; `type` \"http\": a GET of `url` (http, absolute{host}) gives `expect_status` ({STATUS_MIN}-{STATUS_MAX}){proof}; \
         or \"command\": `cmd` (an allowed program with its arguments, up to {PROBE_CMD_CHARS_MAX} characters), `shell` true or \
         false, succeeds with output that matches `expect_regex` (up to {EXPECT_REGEX_CHARS_MAX} characters)",
        settings.default_health_interval_sec,
    )
}

fn words(list: &[String]) -> String {
    list.iter().map(|word| data::word(word)).collect::<Vec<_>>().join(" ")
}

/// `list` after its heading; `None` if it is empty.
fn some(heading: &str, list: &[String]) -> Option<String> {
    (!list.is_empty()).then(|| format!("{heading}{}", words(list)))
}

/// A sidecar as people write one: a line for each key of a spec.
fn laid_out(sidecar: &Value) -> String {
    let mut lines = Vec::new();
    let fields = |object: &Value, indent: &str| -> Vec<String> {
        let entries = object.as_object().into_iter().flatten();
        entries.map(|(key, held)| format!("{indent}{}: {}", data::quoted(key), data::exact(held))).collect()
    };
    for (key, held) in sidecar.as_object().into_iter().flatten() {
        lines.push(match held.as_array() {
            Some(specs) => {
                let specs: Vec<String> =
                    specs.iter().map(|spec| format!("{{\n{}\n  }}", fields(spec, "    ").join(",\n"))).collect();
                format!("  {}: [{}]", data::quoted(key), specs.join(", "))
            }
            None => format!("  {}: {}", data::quoted(key), data::exact(held)),
        });
    }
    format!("{{\n{}\n}}", lines.join(",\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const PATH: &str = "/root/agents/ripley/managed-spawn.json";

    fn hint(settings: &Settings) -> String {
        let example = json!({ "specs": [{ "name": "web" }], "written_by": "ripley" });
        text(settings, &Facts { path: PATH, example: Some(&example), root: None })
    }

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    /// Changes one setting.
    type Change = fn(&mut Settings);

    #[test]
    fn every_setting_that_matters_to_an_agent_is_told() {
        let changes: &[(Change, &str)] = &[
            (|s| s.max_specs_per_file = 77, "at most 77"),
            (|s| s.max_name_length = 77, "at most 77 characters; unique"),
            (|s| s.max_args_count = 77, "at most 77 strings"),
            (|s| s.max_env_vars = 77, "at most 77 variables"),
            (|s| s.max_attrs_bytes = 77, "at most 77 bytes"),
            (|s| s.max_ttl_minutes = 777, "1-777; 240"),
            (|s| s.default_ttl_minutes = 77, "1-1440; 77 if left out"),
            (|s| s.default_health_interval_sec = 7.5, "up to 600, 7.5 if left out"),
            (|s| s.sweep_every = 77, "Every 77 ticks"),
            (|s| s.require_git_workdir = false, "`cwd`: the folder to run in"),
            (|s| s.git_worktree_max_parent_depth = 77, "at most 77 levels"),
            (|s| s.executable_allowlist = words("deno zig"), "one of: deno zig\n"),
            (|s| s.env_key_allowlist = words("A B"), "keys: A B; keys that begin with: VITE_"),
            (|s| s.env_key_allowlist = Vec::new(), "characters; keys that begin with: VITE_"),
            (|s| s.env_key_allowlist_prefixes = words("X_ Y_"), "keys that begin with: X_ Y_; inherited"),
            (|s| s.env_policy = EnvPolicy::Denylist, "no key that matches one of (regex, case ignored): ^AWS_ "),
            (|s| s.env_policy = EnvPolicy::Denylist, "; allowed all the same: AWS_REGION "),
            (|s| s.pass_env_keys = words("PATH TERM"), "inherited: PATH TERM\n"),
            (|s| s.pass_env_keys = Vec::new(), "MINIONS_ CONSTELLATION_\n"),
            (|s| s.executable_path_policy = ExecutablePathPolicy::Trusted, "with a slash only from a folder of PATH"),
            (|s| s.healthcheck_hosts = HealthcheckHosts::Loopback, "(http, absolute, on loopback)"),
            (|s| s.listener_proof = ListenerProof::Require, "a process of the service itself must answer"),
            (|s| s.enabled = false, "None can be declared here now: the setting `enabled` is false."),
        ];
        let default = hint(&Settings::default());
        for (change, expected) in changes {
            let mut settings = Settings::default();
            change(&mut settings);
            let text = hint(&settings);
            assert!(text.contains(expected) && !default.contains(expected), "{expected:?} in: {text}");
        }
    }

    #[test]
    fn the_lists_of_the_denylist_policy_are_its_own() {
        let denying = |denied: &str, overrides: &str| Settings {
            env_policy: EnvPolicy::Denylist,
            env_key_deny_patterns: words(denied),
            env_key_deny_overrides: words(overrides),
            ..Settings::default()
        };
        assert!(hint(&denying("^X", "")).contains("case ignored): ^X; inherited"));
        assert!(hint(&denying("^X", "XY")).contains("^X; allowed all the same: XY; inherited"));
        assert!(hint(&denying("", "XY")).contains("characters; any key; inherited"));
        assert!(!hint(&denying("^X", "")).contains("NODE_ENV"));
        let none =
            Settings { env_key_allowlist: Vec::new(), env_key_allowlist_prefixes: Vec::new(), ..Settings::default() };
        assert!(hint(&none).contains("; no key is allowed; inherited"));
    }

    #[test]
    fn every_number_is_a_setting_or_a_limit_that_the_rules_judge_by() {
        let settings = Settings {
            max_specs_per_file: 11,
            max_name_length: 12,
            max_args_count: 13,
            max_env_vars: 14,
            max_attrs_bytes: 15,
            max_ttl_minutes: 17,
            default_ttl_minutes: 16,
            default_health_interval_sec: 18.25,
            sweep_every: 19,
            git_worktree_max_parent_depth: 21,
            executable_allowlist: words("node"),
            ..Settings::default()
        };
        let told = hint(&settings);
        let mut known: Vec<String> =
            ["11", "12", "13", "14", "15", "16", "17", "18.25", "19", "21"].map(str::to_owned).to_vec();
        known.extend([SMOKE_S, SMOKE_PROBE_S].map(|seconds| seconds.to_string()));
        known.extend([PORT_MIN, PORT_MAX, STATUS_MIN, STATUS_MAX].map(|number| number.to_string()));
        known.extend(
            [CMD_CHARS_MAX, ARG_CHARS_MAX, CWD_CHARS_MAX, ENV_VALUE_CHARS_MAX].map(|number| number.to_string()),
        );
        known.extend([PROBE_CMD_CHARS_MAX, EXPECT_REGEX_CHARS_MAX, TTL_MINUTES_MIN].map(|number| number.to_string()));
        known.extend([HEALTH_TIMEOUT_MAX_S, HEALTH_INTERVAL_MAX_S, 0.0].map(|number| number.to_string()));
        known.push(PORTS_MAX.to_string());
        let steps =
            told.lines().map(|line| line.split_once(". ").filter(|(step, _)| step.len() == 1).map_or(line, |at| at.1));
        let told = steps.collect::<Vec<_>>().join("\n");
        let numbers: Vec<&str> = told
            .split(|c: char| !c.is_ascii_digit() && c != '.')
            .map(|number| number.trim_matches('.'))
            .filter(|number| !number.is_empty())
            .collect();
        for number in &numbers {
            assert!(known.iter().any(|one| one == number), "{number} comes from nowhere: {told}");
        }
        for number in &known {
            assert!(numbers.contains(&number.as_str()), "{number} is not told: {told}");
        }
    }

    #[test]
    fn without_a_program_nothing_can_be_declared() {
        let settings = Settings { executable_allowlist: Vec::new(), ..Settings::default() };
        let told = text(&settings, &Facts { path: PATH, example: None, root: None });
        assert!(told.contains("`executableAllowlist` allows no program") && !told.contains("```"), "{told}");
    }

    #[test]
    fn paths_and_words_of_the_operator_stay_on_their_line() {
        let settings = Settings { executable_allowlist: vec!["no`de\n# x".into()], ..Settings::default() };
        let example = json!({ "specs": [{ "cwd": "/a\n```\n# x" }], "wi_id": "`\u{2028}" });
        let facts = Facts { path: "/a b/`\n# x", example: Some(&example), root: Some("/r\u{e9}") };
        let told = text(&settings, &facts);
        assert!(told.is_ascii() && !told.contains("\n# x"), "{told}");
        assert_eq!(told.lines().filter(|line| line.starts_with("```")).count(), 2, "{told}");
        assert!(told.contains("validate $'/a b/\\140\\012# x' --root $'/r\\303\\251'`"), "{told}");
    }
}
