//! The settings of contract section 2, typed, with their defaults.

use super::Outbox;

/// How env keys of a spec are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnvPolicy {
    /// Only keys on the allowlist or with an allowed prefix.
    Allowlist,
    /// Any POSIX-shaped key that matches no deny pattern (unless it is an override).
    Denylist,
}

/// Where a command with a slash may lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExecutablePathPolicy {
    /// Anywhere.
    Any,
    /// In a folder of PATH or in the spec's worktree, links followed.
    Trusted,
}

/// Which hosts a http probe may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthcheckHosts {
    /// Any host.
    Any,
    /// Loopback addresses only, judged after resolution.
    Loopback,
}

/// How much proof a health pass over loopback needs that our own service answered (contract section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenerProof {
    /// The listener must not be provably someone else's.
    Prefer,
    /// The listener must be in the service's own tree.
    Require,
    /// Any answer counts.
    Off,
}

/// How much the loop tells of what it does on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// What went wrong or may have.
    Warn,
    /// Nothing.
    Off,
    /// What failed.
    Error,
    /// What was done, too.
    Info,
    /// How it was done, too.
    Debug,
    /// All there is.
    Trace,
}

/// Every setting of `engine.managedSpawn`. Field names are the snake_case of the camelCase keys.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    missing_docs,
    reason = "each key is described by its row in config/table.rs, from which docs and schema are made"
)]
pub struct Settings {
    pub enabled: bool,
    pub max_specs_per_file: u64,
    pub max_name_length: u64,
    pub max_args_count: u64,
    pub max_env_vars: u64,
    pub max_attrs_bytes: u64,
    pub max_ttl_minutes: u64,
    pub default_ttl_minutes: u64,
    pub default_health_interval_sec: f64,
    pub health_backoff_sec: f64,
    pub sweep_every: u64,
    pub log_rotate_bytes: u64,
    pub journal_segment_bytes: u64,
    pub journal_segments_max: u64,
    pub queue_side_by_side_max: u64,
    pub runs_max: u64,
    pub boot_reconcile_max_ms: u64,
    pub prompt_context_max_bytes: u64,
    pub require_git_workdir: bool,
    pub git_worktree_max_parent_depth: u64,
    pub executable_allowlist: Vec<String>,
    pub env_policy: EnvPolicy,
    pub env_key_allowlist: Vec<String>,
    pub env_key_allowlist_prefixes: Vec<String>,
    pub env_key_deny_patterns: Vec<String>,
    pub env_key_deny_overrides: Vec<String>,
    pub pass_env_keys: Vec<String>,
    pub executable_path_policy: ExecutablePathPolicy,
    pub healthcheck_hosts: HealthcheckHosts,
    pub listener_proof: ListenerProof,
    pub stop_grace_sec: f64,
    pub lock_timeout_sec: f64,
    pub probe_max_sec: f64,
    pub log_level: LogLevel,
    pub outbox: Outbox,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            max_specs_per_file: 5,
            max_name_length: 64,
            max_args_count: 64,
            max_env_vars: 32,
            max_attrs_bytes: 2048,
            max_ttl_minutes: 1440,
            default_ttl_minutes: 240,
            default_health_interval_sec: 1.0,
            health_backoff_sec: 30.0,
            sweep_every: 30,
            log_rotate_bytes: 10_485_760,
            journal_segment_bytes: 8_388_608,
            journal_segments_max: 16,
            queue_side_by_side_max: 32,
            runs_max: 1000,
            boot_reconcile_max_ms: 2000,
            prompt_context_max_bytes: 2048,
            require_git_workdir: true,
            git_worktree_max_parent_depth: 6,
            executable_allowlist: words(
                "node bun npm npx pnpm yarn python python3 pip pip3 docker podman adb emulator gradle gradlew mvn pwsh \
                 powershell bash sh curl wget git",
            ),
            env_policy: EnvPolicy::Allowlist,
            env_key_allowlist: words(
                "NODE_ENV PORT HOST HOSTNAME DEBUG LOG_LEVEL CI TZ LANG LC_ALL PYTHONPATH PYTHONUNBUFFERED JAVA_HOME \
                 ANDROID_HOME ANDROID_SDK_ROOT GRADLE_OPTS NODE_OPTIONS PATH DATABASE_URL REDIS_URL BASE_URL BROWSER \
                 FORCE_COLOR NO_COLOR",
            ),
            env_key_allowlist_prefixes: words(
                "VITE_ NEXT_ NEXT_PUBLIC_ REACT_APP_ npm_config_ EXPO_ NUXT_ ASTRO_ STORYBOOK_ MINIONS_ CONSTELLATION_",
            ),
            env_key_deny_patterns: words(
                "^AWS_ ^AZURE_ ^GCP_ ^GH_TOKEN ^GITHUB_TOKEN ^OPENAI_ ^ANTHROPIC_ _SECRET _TOKEN _API_KEY _PASSWORD \
                 _PASSWD _PRIVATE_KEY _CREDENTIALS _AUTH _PAT ^SECRET ^TOKEN ^API_KEY ^PASSWORD ^PASSWD ^PRIVATE_KEY \
                 ^CREDENTIALS",
            ),
            env_key_deny_overrides: words("AWS_REGION AWS_DEFAULT_REGION AZURE_REGION GCP_REGION AWS_PROFILE"),
            pass_env_keys: words("PATH HOME USER LOGNAME SHELL LANG LC_ALL LC_CTYPE TZ TMPDIR TEMP TMP"),
            executable_path_policy: ExecutablePathPolicy::Any,
            healthcheck_hosts: HealthcheckHosts::Any,
            listener_proof: ListenerProof::Prefer,
            stop_grace_sec: 5.0,
            lock_timeout_sec: 10.0,
            probe_max_sec: 5.0,
            log_level: LogLevel::Warn,
            outbox: Outbox::default(),
        }
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}
