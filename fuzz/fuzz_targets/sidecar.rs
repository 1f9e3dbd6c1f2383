//! Any bytes as a sidecar: they get a verdict that hangs together, and what is valid survives the state file.
#![no_main]

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use minions_managed::base::redact::DenyPatterns;
use minions_managed::config::{EnvPolicy, ExecutablePathPolicy, HealthcheckHosts, Settings};
use minions_managed::service::{Owner, Progress, Record, Spec, Status, spec_hash, spec_json};
use minions_managed::sidecar::{
    Code, Expectations, GitMark, Issue, Judge, PathKind, Surroundings, Verdict, decide, decide_with_schema, excerpt,
    schema, verdict_json,
};
use minions_managed::state::{Document, record_from_json, record_to_json};
use serde_json::{Value, json};

/// What an env value must hold to be looked for where it may not be.
const CANARY: &str = "s3cret";

/// Codes of which the schema knows nothing: settings, folders, other specs and other engines decide them.
const BEYOND_SCHEMA: &[Code] = &[
    Code::CmdNotOnAllowlist,
    Code::InvalidWorkdir,
    Code::EnvKeyNotOnAllowlist,
    Code::EnvKeyMalformed,
    Code::AttrsTooLarge,
    Code::HealthcheckUrlInvalid,
    Code::HealthcheckExpectRegexInvalid,
    Code::HealthcheckCmdNotOnAllowlist,
    Code::DuplicateName,
    Code::DependsOnUnknown,
    Code::DependsOnCycle,
];

/// Codes of fields that take a number or a decimal string; the schema knows the range of the former only.
const NUMERIC: &[Code] = &[
    Code::PortInvalid,
    Code::TtlInvalid,
    Code::TtlTooLong,
    Code::HealthcheckTimeoutInvalid,
    Code::HealthcheckIntervalInvalid,
    Code::HealthcheckExpectStatusInvalid,
    Code::HealthcheckFailureThresholdInvalid,
    Code::RestartBackoffInvalid,
    Code::RestartResetAfterInvalid,
    Code::RestartMaxRestartsInvalid,
    Code::RestartWindowInvalid,
    Code::RestartSuccessExitCodesInvalid,
    Code::IdleStopInvalid,
    Code::StopGraceInvalid,
];

/// A file system that is a function of the path: no file is touched, and a finding is the same on every machine.
struct Inert(Vec<PathBuf>);

impl Surroundings for Inert {
    fn kind(&self, path: &Path) -> PathKind {
        match path.as_os_str().len() % 8 {
            0 => PathKind::Other,
            1 => PathKind::Missing,
            _ => PathKind::Folder,
        }
    }

    fn resolved(&self, path: &Path) -> Option<PathBuf> {
        (self.kind(path) != PathKind::Missing).then(|| Path::new("/").join(path))
    }

    fn git_mark(&self, folder: &Path) -> GitMark {
        match folder.as_os_str().len() % 4 {
            0 => GitMark::OtherFile,
            1 => GitMark::Worktree,
            _ => GitMark::Absent,
        }
    }

    fn path_folders(&self) -> &[PathBuf] {
        &self.0
    }
}

struct Court {
    lenient: Judge,
    strict: Judge,
    schema: jsonschema::Validator,
    deny: DenyPatterns,
    world: Inert,
}

static COURT: LazyLock<Court> = LazyLock::new(|| {
    let settings = Settings::default();
    let strict = Settings {
        env_policy: EnvPolicy::Denylist,
        executable_path_policy: ExecutablePathPolicy::Trusted,
        healthcheck_hosts: HealthcheckHosts::Loopback,
        max_specs_per_file: 2,
        max_args_count: 1,
        max_env_vars: 1,
        max_attrs_bytes: 20,
        ..settings.clone()
    };
    Court {
        lenient: Judge::new(&settings).expect("the defaults hold patterns that compile"),
        strict: Judge::new(&strict).expect("the same patterns"),
        schema: jsonschema::draft202012::new(&schema(&settings)).expect("the schema compiles"),
        deny: DenyPatterns::new(&settings.env_key_deny_patterns),
        world: Inert(vec!["/usr/bin".into()]),
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    minions_fuzz::mutate(data, size, max_size, seed)
});

fuzz_target!(
    init: minions_fuzz::plant("sidecar", minions_fuzz::sidecars()),
    |bytes: &[u8]| {
        let court = &*COURT;
        let nobody = Expectations::default();
        let somebody =
            Expectations { agent: Some("ripley"), work_item: Some("W-1"), dispatch_root: Some(Path::new("/repo")) };
        let verdict = decide(bytes, &court.lenient, &nobody, &court.world);
        coherent(bytes, &verdict, false, court);
        let with_schema = decide_with_schema(bytes, &court.lenient, &nobody, &court.world);
        assert_eq!(with_schema, verdict, "the schema has nothing to add");
        agreed(bytes, &verdict, court);
        coherent(bytes, &decide_with_schema(bytes, &court.strict, &somebody, &court.world), true, court);
        if let Some(sidecar) = &verdict.sidecar {
            let specs: Vec<Value> = sidecar.specs.iter().map(spec_json).collect();
            let again = json!({"specs": specs, "written_by": sidecar.written_by, "wi_id": sidecar.wi_id}).to_string();
            let again = decide(again.as_bytes(), &court.lenient, &nobody, &court.world);
            assert_eq!(again.sidecar.as_ref(), Some(sidecar), "what is normalized is a sidecar: {:?}", again.reason());
            sidecar.specs.iter().for_each(kept_by_the_state);
        }
    }
);

/// What holds for every verdict.
fn coherent(bytes: &[u8], verdict: &Verdict, color: bool, court: &Court) {
    assert_eq!(verdict.reason(), verdict.issues.first().map(|issue| issue.reason.as_str()));
    assert_eq!(verdict.is_valid(), verdict.issues.is_empty());
    assert_eq!(verdict.is_valid(), verdict.sidecar.is_some());
    for issue in verdict.issues.iter().chain(&verdict.warnings) {
        assert!(issue.reason.contains(issue.code.text()) && !issue.message.is_empty() && !issue.help.is_empty());
        assert!(!issue.message.contains(char::is_control), "{issue:?}");
        placed(bytes, issue);
    }
    let of_the_whole = verdict.issues.iter().filter(|issue| !issue.reason.contains("spec["));
    assert!(of_the_whole.map(|issue| issue.code as usize).is_sorted(), "{:?}", verdict.issues);

    let text = String::from_utf8_lossy(bytes);
    let shown = excerpt(&text, "x.json", verdict, color);
    assert_eq!(shown.is_empty(), verdict.is_valid() && verdict.warnings.is_empty());
    assert!(!shown.contains(CANARY) || !is_secret_only(&text), "{shown}");
    let shown = verdict_json("x.json", Some("ripley"), verdict, &court.deny);
    assert_eq!(shown["valid"], json!(verdict.is_valid()));
    assert_eq!(shown["reason"], json!(verdict.reason()));
    assert_eq!(shown["issues"].as_array().map(Vec::len), Some(verdict.issues.len()));
    assert_eq!(shown["specs"].is_null(), !verdict.is_valid());
}

/// Line and column are where the span begins, and all of it lies inside the text.
fn placed(bytes: &[u8], issue: &Issue) {
    assert!(issue.span.start <= issue.span.end && issue.span.end <= bytes.len(), "{issue:?}");
    let before = &bytes[..issue.span.start];
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    assert_eq!(issue.line, before.iter().filter(|byte| **byte == b'\n').count() + 1, "{issue:?}");
    let columns = before[line_start..].iter().filter(|byte| !matches!(byte, 0x80..=0xbf)).count();
    assert_eq!(issue.column, columns + 1, "{issue:?}");
}

/// Whether the canary stands in env values only, so that no excerpt may show it.
fn is_secret_only(text: &str) -> bool {
    let Some(document) = minions_fuzz::value(text.as_bytes()) else { return false };
    let specs = document["specs"].as_array().into_iter().flatten();
    let values = specs.filter_map(|spec| spec["env"].as_object()).flat_map(|env| env.values());
    let hidden: usize = values.filter_map(Value::as_str).map(|value| value.matches(CANARY).count()).sum();
    hidden == text.matches(CANARY).count()
}

fn is_within(inner: &str, outer: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What the rules say of structure, the schema says too. (The other way round is `decide_with_schema`.)
fn agreed(bytes: &[u8], verdict: &Verdict, court: &Court) {
    let Some(document) = minions_fuzz::value(bytes) else { return };
    let mut told = verdict.issues.iter().filter(|issue| !BEYOND_SCHEMA.contains(&issue.code)).peekable();
    if told.peek().is_none_or(|issue| matches!(issue.code, Code::TooDeep | Code::TooLarge)) {
        return;
    }
    let errors: Vec<String> =
        court.schema.iter_errors(&document).map(|error| error.instance_path().to_string()).collect();
    for issue in told {
        let value = document.pointer(&issue.pointer).and_then(Value::as_str);
        let is_decimal = NUMERIC.contains(&issue.code) && value.is_some_and(|text| text.parse::<f64>().is_ok());
        let is_told = errors.iter().any(|at| is_within(&issue.pointer, at) || is_within(at, &issue.pointer));
        assert!(is_told || is_decimal, "only the rules refuse: {}", issue.reason);
    }
}

/// A spec that was accepted comes back from the state file as it was.
fn kept_by_the_state(spec: &Spec) {
    let record = Record {
        name: spec.name.clone(),
        spec: spec.clone(),
        owner: Owner::default(),
        worktree: None,
        generation: None,
        spec_hash: spec_hash(spec),
        status: Status::Queued,
        healthy: false,
        alive: false,
        pid: None,
        process: None,
        started_at: None,
        ttl_expires_at: None,
        last_health_at: None,
        health_proof: None,
        log_path: String::new(),
        run_id: None,
        resolved_cmd: spec.cmd.clone(),
        passed_env: Vec::new(),
        claim: None,
        previous: None,
        last_exit: None,
        progress: Progress::default(),
        unknown: serde_json::Map::new(),
    };
    let again = record_from_json(Value::Object(record_to_json(&record)));
    assert_eq!(again.as_ref(), Ok(&record), "a record by itself");
    let document = Document { records: vec![record], ..Document::default() };
    assert_eq!(document.fault(), None);
    assert_eq!(Document::from_bytes(&document.to_bytes()), Ok(document), "a record in the state file");
}
