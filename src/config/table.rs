//! The one table of settings: a row for each key of contract section 2. Loading, the `config` command, the schema and
//! docs/configuration.md are all made from it.

use serde_json::Value;

use super::choice::Choice;
use super::sinks;
use super::{EnvPolicy, ExecutablePathPolicy, HealthcheckHosts, ListenerProof, LogLevel, Settings};

/// The key path in `config.json` under which our settings stand.
pub const KEY_PATH: [&str; 2] = ["engine", "managedSpawn"];

/// Most entries that a list of words may have.
pub(super) const WORDS_MAX: usize = 1000;

/// One setting.
pub struct Row {
    /// The camelCase key.
    pub key: &'static str,
    /// What it does, in one sentence.
    pub doc: &'static str,
    /// What may stand there, and which field it is.
    pub(super) field: Field,
}

/// A field of [`Settings`] with the range of its values.
pub(super) enum Field {
    /// True or false.
    Flag(fn(&mut Settings) -> &mut bool),
    /// A whole number from `min` to `max`.
    Count { at: fn(&mut Settings) -> &mut u64, min: u64, max: u64 },
    /// A number from `min` to `max`, fractions allowed.
    Number { at: fn(&mut Settings) -> &mut f64, min: f64, max: f64 },
    /// A list of non-empty strings.
    Words(fn(&mut Settings) -> &mut Vec<String>),
    /// A list of regular expressions.
    Patterns(fn(&mut Settings) -> &mut Vec<String>),
    /// One of a few words.
    Choice(Choice),
    /// The receivers of events.
    Outbox,
}

const fn flag(at: fn(&mut Settings) -> &mut bool) -> Field {
    Field::Flag(at)
}

const fn count(min: u64, max: u64, at: fn(&mut Settings) -> &mut u64) -> Field {
    Field::Count { at, min, max }
}

const fn number(min: f64, max: f64, at: fn(&mut Settings) -> &mut f64) -> Field {
    Field::Number { at, min, max }
}

const fn row(key: &'static str, field: Field, doc: &'static str) -> Row {
    Row { key, doc, field }
}

/// Minutes in a year: longer than any service should be promised to live.
const MINUTES_MAX: u64 = 525_600;
/// Seconds in a day: the longest pause or wait that makes sense.
const DAY_SEC: f64 = 86_400.0;

/// Every setting, in the order of the contract.
pub const ROWS: &[Row] = &[
    row(
        "enabled",
        flag(|s| &mut s.enabled),
        "Whether sidecars are accepted at all; when false, `accept` starts nothing and says so.",
    ),
    row("maxSpecsPerFile", count(1, 100, |s| &mut s.max_specs_per_file), "Most services that one sidecar may declare."),
    row("maxNameLength", count(8, 128, |s| &mut s.max_name_length), "Longest name of a service, in characters."),
    row("maxArgsCount", count(0, 10_000, |s| &mut s.max_args_count), "Most arguments of one command."),
    row("maxEnvVars", count(0, 10_000, |s| &mut s.max_env_vars), "Most environment variables of one service."),
    row(
        "maxAttrsBytes",
        count(2, 1_048_576, |s| &mut s.max_attrs_bytes),
        "Largest `attrs` of one service, in UTF-8 bytes of its compact JSON.",
    ),
    row("maxTtlMinutes", count(1, MINUTES_MAX, |s| &mut s.max_ttl_minutes), "Longest time to live, in minutes."),
    row(
        "defaultTtlMinutes",
        count(1, MINUTES_MAX, |s| &mut s.default_ttl_minutes),
        "Time to live of a service that declares none, in minutes; where only maxTtlMinutes is set, it is not above that.",
    ),
    row(
        "defaultHealthIntervalSec",
        number(0.1, 600.0, |s| &mut s.default_health_interval_sec),
        "Seconds between two probes of a healthcheck that declares no interval.",
    ),
    row(
        "healthBackoffSec",
        number(0.1, DAY_SEC, |s| &mut s.health_backoff_sec),
        "Seconds for which a health result is taken as fresh: neither probed nor written again before.",
    ),
    row(
        "sweepEvery",
        count(1, 1_000_000, |s| &mut s.sweep_every),
        "How many ticks of the agents' engine pass between two sweeps: the figure that the hint quotes.",
    ),
    row(
        "logRotateBytes",
        count(4096, 1 << 40, |s| &mut s.log_rotate_bytes),
        "Size in bytes from which a service's log is rotated.",
    ),
    row(
        "journalSegmentBytes",
        count(4096, 1 << 30, |s| &mut s.journal_segment_bytes),
        "Size in bytes from which a segment of the journal is closed and the next one begun.",
    ),
    row(
        "journalSegmentsMax",
        count(1, 10_000, |s| &mut s.journal_segments_max),
        "How many closed segments of the journal are kept; the oldest beyond them is removed.",
    ),
    row(
        "queueSideBySideMax",
        count(1, 256, |s| &mut s.queue_side_by_side_max),
        "How many sidecars one `accept`, or the loop, decides side by side; the others wait in the order of the queue.",
    ),
    row(
        "runsMax",
        count(1, 1_000_000, |s| &mut s.runs_max),
        "How many runs are kept; the oldest ended ones beyond them go with a sweep (docs/runs.md).",
    ),
    row(
        "bootReconcileMaxMs",
        count(1, 600_000, |s| &mut s.boot_reconcile_max_ms),
        "Longest time that `reconcile` spends on probes, in milliseconds.",
    ),
    row(
        "promptContextMaxBytes",
        count(64, 1_048_576, |s| &mut s.prompt_context_max_bytes),
        "Longest text of `context`, in bytes.",
    ),
    row(
        "requireGitWorkdir",
        flag(|s| &mut s.require_git_workdir),
        "Whether a service's working folder must lie in a git worktree.",
    ),
    row(
        "gitWorktreeMaxParentDepth",
        count(0, 100, |s| &mut s.git_worktree_max_parent_depth),
        "How many parents of the working folder are searched for `.git`.",
    ),
    row(
        "executableAllowlist",
        Field::Words(|s| &mut s.executable_allowlist),
        "Programs that a spec or a command healthcheck may run, by base name.",
    ),
    row(
        "envPolicy",
        Field::Choice(EnvPolicy::CHOICE),
        "`allowlist` takes only listed keys and prefixes; `denylist` takes any POSIX-shaped key that no deny pattern matches.",
    ),
    row(
        "envKeyAllowlist",
        Field::Words(|s| &mut s.env_key_allowlist),
        "Environment keys that a spec may set under the policy `allowlist`.",
    ),
    row(
        "envKeyAllowlistPrefixes",
        Field::Words(|s| &mut s.env_key_allowlist_prefixes),
        "Prefixes of environment keys that a spec may set under the policy `allowlist`.",
    ),
    row(
        "envKeyDenyPatterns",
        Field::Patterns(|s| &mut s.env_key_deny_patterns),
        "Regular expressions, case ignored, of credential-shaped keys: refused under `denylist`, their values hidden in every output under both policies.",
    ),
    row(
        "envKeyDenyOverrides",
        Field::Words(|s| &mut s.env_key_deny_overrides),
        "Keys that are let through although a deny pattern matches them.",
    ),
    row(
        "passEnvKeys",
        Field::Words(|s| &mut s.pass_env_keys),
        "Environment keys that a service inherits from whoever accepts it, beside its own.",
    ),
    row(
        "executablePathPolicy",
        Field::Choice(ExecutablePathPolicy::CHOICE),
        "`trusted` demands that a command with a slash resolves into a folder of PATH or into the spec's worktree; `any` does not.",
    ),
    row(
        "healthcheckHosts",
        Field::Choice(HealthcheckHosts::CHOICE),
        "`loopback` refuses http healthchecks of any other address, when judged and when probed; `any` does not.",
    ),
    row(
        "listenerProof",
        Field::Choice(ListenerProof::CHOICE),
        "How sure a health pass must be that our own process answered: `prefer` (not provably another's), `require` (provably ours), `off`.",
    ),
    row(
        "stopGraceSec",
        number(0.0, 3600.0, |s| &mut s.stop_grace_sec),
        "Seconds between SIGTERM and SIGKILL when a service is stopped.",
    ),
    row(
        "lockTimeoutSec",
        number(0.0, 3600.0, |s| &mut s.lock_timeout_sec),
        "Seconds that a command waits for the lock of the state file before it gives up with exit code 8.",
    ),
    row(
        "probeMaxSec",
        number(0.5, 3600.0, |s| &mut s.probe_max_sec),
        "Longest time that one probe may take, in seconds.",
    ),
    row(
        "logLevel",
        Field::Choice(LogLevel::CHOICE),
        "How much `run` tells on stderr and in engine/managed.log of what it does, unless an option or MINIONS_LOG says it; read anew while it runs.",
    ),
    row(
        "outbox",
        Field::Outbox,
        "Where events are delivered: each sink gets every event that it takes, in order and at least once (docs/delivery.md).",
    ),
];

/// The row of `key`.
pub fn find(key: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.key == key)
}

impl Row {
    /// The setting's value in `settings`, as JSON.
    pub fn value(&self, settings: &Settings) -> Value {
        // The accessors are for writing; reading through a copy keeps one accessor per row.
        let mut copy = settings.clone();
        match &self.field {
            Field::Flag(at) => Value::from(*at(&mut copy)),
            Field::Count { at, .. } => Value::from(*at(&mut copy)),
            Field::Number { at, .. } => number_value(*at(&mut copy)),
            Field::Words(at) | Field::Patterns(at) => Value::from(at(&mut copy).clone()),
            Field::Choice(choice) => Value::from((choice.word)(settings)),
            Field::Outbox => sinks::value(&settings.outbox),
        }
    }

    /// What may stand there, for messages and docs: `a whole number from 1 to 100`.
    pub fn asked(&self) -> String {
        match &self.field {
            Field::Flag(_) => "true or false".to_owned(),
            Field::Count { min, max, .. } => format!("a whole number from {min} to {max}"),
            Field::Number { min, max, .. } => format!("a number from {min} to {max}"),
            Field::Words(_) => format!("a list of at most {WORDS_MAX} non-empty strings"),
            Field::Patterns(_) => format!("a list of at most {WORDS_MAX} regular expressions"),
            Field::Choice(choice) => {
                let words: Vec<String> = choice.words.iter().map(|word| format!("\"{word}\"")).collect();
                format!("one of {}", words.join(", "))
            }
            Field::Outbox => sinks::asked(),
        }
    }
}

/// A number as people write it: whole ones without a fraction.
fn number_value(number: f64) -> Value {
    let whole = number.fract() == 0.0 && (0.0..=DAY_SEC).contains(&number);
    #[expect(clippy::cast_possible_truncation, reason = "a whole number within a day of seconds, checked above")]
    if whole { Value::from(number as i64) } else { Value::from(number) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_stands_once_and_is_camel_case() {
        for (at, row) in ROWS.iter().enumerate() {
            assert!(row.key.bytes().all(|b| b.is_ascii_alphanumeric()), "{}", row.key);
            assert!(row.key.starts_with(|c: char| c.is_ascii_lowercase()), "{}", row.key);
            assert!(ROWS[at + 1..].iter().all(|other| other.key != row.key), "{} stands twice", row.key);
            assert!(row.doc.ends_with('.'), "{} has a sentence", row.key);
        }
    }

    #[test]
    fn every_field_of_the_settings_has_a_row() {
        let snake = |key: &str| {
            key.chars().fold(String::new(), |mut snake, c| {
                if c.is_ascii_uppercase() {
                    snake.push('_');
                }
                snake.push(c.to_ascii_lowercase());
                snake
            })
        };
        let shown = format!("{:#?}", Settings::default());
        let fields: Vec<&str> =
            shown.lines().filter(|line| line.starts_with("    ") && !line.starts_with("     ")).collect();
        let fields: Vec<&str> = fields.iter().filter_map(|line| line.trim().split_once(':')).map(|(f, _)| f).collect();
        let keys: Vec<String> = ROWS.iter().map(|row| snake(row.key)).collect();
        assert_eq!(fields, keys);
    }
}
