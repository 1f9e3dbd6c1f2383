//! Every code of a verdict, in the order of contract section 3: one table, from which reasons, docs and tests come.

/// Writes the enum and its table from one list of rows: variant, text, what it means.
macro_rules! codes {
    ($($variant:ident $text:literal $meaning:literal)*) => {
        /// What is wrong with a sidecar, or only odd.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = $meaning] $variant,)*
        }

        impl Code {
            /// Every code, in contract order; warnings stand last.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The stable word, as it stands in reasons.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// What the code means, one sentence.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }
        }
    };
}

codes! {
    TooLarge "too-large" "The file has more than 1 MiB."
    NotUtf8 "not-utf8" "The file's bytes are no UTF-8."
    JsonParse "json-parse" "The file is no JSON."
    TooDeep "too-deep" "Arrays and objects nest deeper than 128."
    NotAnObject "not-an-object" "The document, or an element of `specs`, is no object."
    SpecsMissing "specs-missing" "`specs` is absent or no array."
    SpecsEmpty "specs-empty" "`specs` holds nothing."
    SpecsTooMany "specs-too-many" "`specs` holds more than maxSpecsPerFile."
    NameMissing "name-missing" "`name` is absent, empty or no string."
    NameTooLong "name-too-long" "`name` is longer than maxNameLength."
    NameNotKebabCase "name-not-kebab-case" "`name` is not kebab-case."
    CmdMissing "cmd-missing" "`cmd` is absent, empty or no string."
    CmdTooLong "cmd-too-long" "`cmd` is longer than 200 characters."
    CmdHasNul "cmd-has-nul" "`cmd` holds a NUL character."
    CmdNotOnAllowlist "cmd-not-on-allowlist" "`cmd` is not on executableAllowlist."
    CmdPathNotTrusted "cmd-path-not-trusted" "`cmd` lies neither in a folder of PATH nor in the spec's worktree."
    ArgsNotArray "args-not-array" "`args` is no array."
    ArgsTooMany "args-too-many" "`args` holds more than maxArgsCount."
    ArgNotString "arg-not-string" "An argument is no string."
    ArgTooLong "arg-too-long" "An argument is longer than 500 characters."
    ArgHasNul "arg-has-nul" "An argument holds a NUL character."
    CwdNotString "cwd-not-string" "`cwd` is no string."
    CwdTooLong "cwd-too-long" "`cwd` is longer than 500 characters."
    CwdHasNul "cwd-has-nul" "`cwd` holds a NUL character."
    InvalidWorkdir "invalid-workdir" "`cwd` is no folder in which a service may run."
    EnvNotObject "env-not-object" "`env` is no object."
    EnvTooMany "env-too-many" "`env` holds more than maxEnvVars."
    EnvKeyNotOnAllowlist "env-key-not-on-allowlist" "An env key is neither allowed nor has an allowed prefix."
    EnvKeyMalformed "env-key-malformed" "An env key is no POSIX name."
    EnvKeyDenied "env-key-denied" "An env key looks like a credential's, which envPolicy `denylist` refuses."
    EnvValueNotString "env-value-not-string" "An env value is no string."
    EnvValueTooLong "env-value-too-long" "An env value is longer than 1000 characters."
    EnvValueHasNul "env-value-has-nul" "An env value holds a NUL character."
    PortsNotArray "ports-not-array" "`ports` is no array."
    PortsTooMany "ports-too-many" "`ports` holds more than 20."
    PortInvalid "port-invalid" "A port is no integer from 1024 to 65535."
    TtlInvalid "ttl-invalid" "`ttl_minutes` is no number of at least 1."
    TtlTooLong "ttl-too-long" "`ttl_minutes` is over maxTtlMinutes."
    AttrsNotObject "attrs-not-object" "`attrs` is no object."
    AttrsTooLarge "attrs-too-large" "`attrs` has more than maxAttrsBytes as compact JSON."
    HealthcheckMissing "healthcheck-missing" "`healthcheck` is absent or no object."
    HealthcheckTypeInvalid "healthcheck-type-invalid" "`healthcheck.type` is neither `http` nor `command`."
    HealthcheckTimeoutInvalid "healthcheck-timeout-invalid" "`timeout_s` is no number over 0 and at most 3600."
    HealthcheckIntervalInvalid "healthcheck-interval-invalid" "`interval_s` is no number over 0 and at most 600."
    HealthcheckUrlMissing "healthcheck-url-missing" "`url` is absent, empty or no string."
    HealthcheckUrlNotAbsolute "healthcheck-url-not-absolute" "`url` does not start with http:// or https://."
    HealthcheckUrlHasNul "healthcheck-url-has-nul" "`url` holds a NUL character."
    HealthcheckUrlInvalid "healthcheck-url-invalid" "`url` is no address."
    HealthcheckUrlNotLoopback "healthcheck-url-not-loopback" "`url` leads elsewhere than to this machine."
    HealthcheckExpectStatusMissing "healthcheck-expect-status-missing" "`expect_status` is absent."
    HealthcheckExpectStatusInvalid "healthcheck-expect-status-invalid" "`expect_status` is no integer from 100 to 599."
    HealthcheckCmdMissing "healthcheck-cmd-missing" "The probe's `cmd` is absent, empty or no string."
    HealthcheckCmdTooLong "healthcheck-cmd-too-long" "The probe's `cmd` is longer than 1000 characters."
    HealthcheckCmdHasNul "healthcheck-cmd-has-nul" "The probe's `cmd` holds a NUL character."
    HealthcheckShellNotBoolean "healthcheck-shell-not-boolean" "`shell` is neither true nor false."
    HealthcheckArgsNotArray "healthcheck-args-not-array" "The probe's `args` is no array."
    HealthcheckArgsTooMany "healthcheck-args-too-many" "The probe's `args` holds more than maxArgsCount."
    HealthcheckArgNotString "healthcheck-arg-not-string" "An argument of the probe is no string."
    HealthcheckArgTooLong "healthcheck-arg-too-long" "An argument of the probe is longer than 500 characters."
    HealthcheckArgHasNul "healthcheck-arg-has-nul" "An argument of the probe holds a NUL character."
    HealthcheckExpectRegexMissing "healthcheck-expect-regex-missing" "`expect_regex` is absent, empty or no string."
    HealthcheckExpectRegexTooLong "healthcheck-expect-regex-too-long" "`expect_regex` is longer than 500 characters."
    HealthcheckExpectRegexInvalid "healthcheck-expect-regex-invalid" "`expect_regex` is no regular expression that we take."
    HealthcheckCmdNotOnAllowlist "healthcheck-cmd-not-on-allowlist" "The probe's first word is not on executableAllowlist."
    HealthcheckCmdPathNotTrusted "healthcheck-cmd-path-not-trusted"
        "The probe's program lies neither in a folder of PATH nor in the spec's worktree."
    HealthcheckFailureThresholdInvalid "healthcheck-failure-threshold-invalid"
        "`failure_threshold` is no integer from 1 to 100."
    HealthcheckOnUnhealthyInvalid "healthcheck-on-unhealthy-invalid" "`on_unhealthy` is neither `restart` nor `report`."
    DependsOnNotArray "depends-on-not-array" "`depends_on` is no array."
    DependsOnTooMany "depends-on-too-many" "`depends_on` holds more than 20."
    DependsOnNameNotString "depends-on-name-not-string" "A name in `depends_on` is no string."
    RestartNotObject "restart-not-object" "`restart` is no object."
    RestartPolicyMissing "restart-policy-missing" "`restart` has no `policy`."
    RestartPolicyInvalid "restart-policy-invalid" "`restart.policy` is none of `never`, `on-failure`, `always`."
    RestartBackoffNotArray "restart-backoff-not-array" "`backoff_s` is no array."
    RestartBackoffEmpty "restart-backoff-empty" "`backoff_s` holds nothing."
    RestartBackoffTooMany "restart-backoff-too-many" "`backoff_s` holds more than 20."
    RestartBackoffInvalid "restart-backoff-invalid" "A wait in `backoff_s` is no number from 0 to 3600."
    RestartResetAfterInvalid "restart-reset-after-invalid" "`reset_after_s` is no number over 0 and at most 86400."
    RestartMaxRestartsInvalid "restart-max-restarts-invalid" "`max_restarts` is no integer from 0 to 100."
    RestartWindowInvalid "restart-window-invalid" "`window_s` is no number over 0 and at most 86400."
    RestartSuccessExitCodesNotArray "restart-success-exit-codes-not-array" "`success_exit_codes` is no array."
    RestartSuccessExitCodesTooMany "restart-success-exit-codes-too-many" "`success_exit_codes` holds more than 20."
    RestartSuccessExitCodesInvalid "restart-success-exit-codes-invalid"
        "A code in `success_exit_codes` is no integer from 0 to 255."
    RestartJitterNotBoolean "restart-jitter-not-boolean" "`jitter` is neither true nor false."
    RestartDailyNotBoolean "restart-daily-not-boolean" "`daily` is neither true nor false."
    RestartOnUpdateNotBoolean "restart-on-update-not-boolean" "`on_update` is neither true nor false."
    ActivationInvalid "activation-invalid" "`activation` is neither `always` nor `on-demand`."
    IdleStopInvalid "idle-stop-invalid" "`idle_stop_s` is no number over 0 and at most 86400."
    StopNotObject "stop-not-object" "`stop` is no object."
    StopSignalInvalid "stop-signal-invalid" "`stop.signal` is none of the signals that may ask a service to end."
    StopGraceInvalid "stop-grace-invalid" "`stop.grace_s` is no number from 0 to 600."
    DuplicateName "duplicate-name" "An earlier spec of the file has the same name."
    DependsOnUnknown "depends-on-unknown" "A name in `depends_on` is no service's of the file."
    DependsOnCycle "depends-on-cycle" "A service waits for itself, by way of those that it depends on."
    WrittenByNotString "written_by-not-string" "`written_by` is no string."
    WiIdNotString "wi_id-not-string" "`wi_id` is no string."
    WrittenByMismatch "written_by-mismatch" "Another agent wrote the file."
    WiIdMismatch "wi_id-mismatch" "The file was written for another work item."
    SchemaViolation "schema-violation" "The file breaks the JSON Schema where no rule speaks."
    UnknownKey "unknown-key" "A key that means nothing here; it is ignored."
    DuplicateKey "duplicate-key" "A key stands twice; the last value counts."
    IntervalOverTimeout "interval-over-timeout" "`interval_s` is longer than `timeout_s`, so that there is one probe only."
    HealthcheckHttps "healthcheck-https" "A https address cannot be probed: the program has no TLS."
    PortShared "port-shared" "Two specs declare the same port."
    PriorityInvalid "priority-invalid" "`priority` is no integer from -1000 to 1000, and counts as 0."
    NoEffect "no-effect" "A lifecycle field that changes nothing, as the others stand."
    NoCwd "no-cwd" "There is no `cwd`, so that the service belongs to no worktree."
}

/// docs/verdict.md: every code and what it means.
pub fn codes_markdown() -> String {
    let is_warning =
        |code: &Code| Code::ALL.iter().position(|c| c == code) >= Code::ALL.iter().position(|c| *c == Code::UnknownKey);
    let row = |code: &Code| format!("| `{}` | {} |\n", code.text(), code.meaning());
    let failures: String = Code::ALL.iter().filter(|code| !is_warning(code)).map(row).collect();
    let warnings: String = Code::ALL.iter().filter(|code| is_warning(code)).map(row).collect();
    format!(
        "# What a verdict can say\n\nWritten from `src/sidecar/codes.rs`. The reason of a failure in spec `i` is `spec[i]: CODE`, \
         with a detail in parentheses where there is one; a working folder's is `invalid-workdir: spec[i]: WHY`. The order here \
         is the order of issues; the first is the reason.\n\n\
         ## Failures\n\n| code | meaning |\n|---|---|\n{failures}\n## Warnings\n\n| code | meaning |\n|---|---|\n{warnings}"
    )
}

/// A code with what stands in parentheses behind it, or, for `json-parse` and `invalid-workdir`, behind a colon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Coded {
    pub(super) code: Code,
    pub(super) detail: Option<String>,
}

impl Code {
    /// The code with a detail. User info of URLs never gets into one.
    pub(super) fn of(self, detail: &str) -> Coded {
        Coded { code: self, detail: Some(crate::base::redact::urls(detail)) }
    }
}

impl From<Code> for Coded {
    fn from(code: Code) -> Self {
        Self { code, detail: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique() {
        let texts: std::collections::HashSet<&str> = Code::ALL.iter().map(|code| code.text()).collect();
        assert_eq!(texts.len(), Code::ALL.len());
    }
}
