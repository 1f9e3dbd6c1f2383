//! What holds for every text: no panic, the reason is the first issue, and rules and schema agree on structure.

use std::sync::LazyLock;

use minions_managed::config::Settings;
use minions_managed::service::{check_expect_regex, expect_regex};
use minions_managed::sidecar::{
    Code, Expectations, Issue, Judge, System, Verdict, decide, decide_with_schema, excerpt, schema,
};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

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

static JUDGE: LazyLock<Judge> = LazyLock::new(|| Judge::new(&Settings::default()).unwrap());
static SCHEMA: LazyLock<jsonschema::Validator> =
    LazyLock::new(|| jsonschema::draft202012::new(&schema(&Settings::default())).unwrap());

fn verdict(text: &[u8]) -> Verdict {
    decide(text, &JUDGE, &Expectations::default(), &System::default())
}

/// Texts that are right, nearly right or wrong somewhere.
const TEXTS: &[&str] = &[
    "",
    " ",
    "a",
    "web",
    "Bad",
    "node",
    "perl",
    "http",
    "command",
    "never",
    "on-demand",
    "SIGKILL",
    "report",
    "http://localhost:3000/",
    "HTTPS://x",
    "http://",
    "ftp://x",
    "curl x",
    "ok",
    "(",
    "3000",
    "1e3",
    "80",
    "0x10",
    " 3000",
    "Infinity",
    "5.",
    ".5",
    "+5",
    "a\0b",
    "\n",
    "é",
];

/// What may stand where something else is asked: every type, and both sides of every limit.
fn boundaries() -> Vec<Value> {
    let others = [json!(null), json!(true), json!(false), json!([]), json!({}), json!([null]), json!({"a": 1})];
    let numbers = [
        0.0, -0.0, -1.0, 0.5, 1.0, 80.0, 99.0, 100.0, 599.0, 600.0, 600.5, 1023.0, 1024.0, 1440.0, 1440.5, 3600.0,
        3600.5,
    ]
    .into_iter()
    .chain([255.5, 3000.5, 65535.0, 65536.0, 86_400.0, 86_400.5, 1e300]);
    let integers = [
        -1,
        0,
        1,
        99,
        100,
        101,
        255,
        256,
        599,
        600,
        601,
        86_400,
        86_401,
        1023,
        1024,
        1440,
        1441,
        3600,
        3601,
        65535,
        65536,
        i64::MIN,
        i64::MAX,
    ];
    let lengths = [64, 65, 200, 201, 500, 501, 1000, 1001, 2100];
    let long = lengths.into_iter().flat_map(|count| ["x", "日", "𝒙", "\""].map(|text| json!(text.repeat(count))));
    let counts = [5, 6, 20, 21, 32, 33, 64, 65];
    let arrays = counts.into_iter().flat_map(|count| {
        [(0..count).map(|i| json!(3000 + i)).collect(), (0..count).map(|i| json!(format!("a{i}"))).collect::<Value>()]
    });
    let objects = [32, 33].map(|count| Value::Object((0..count).map(|i| (format!("VITE_{i}"), json!("v"))).collect()));
    let plain = others.into_iter().chain(numbers.map(|n| json!(n))).chain(integers.map(|n| json!(n)));
    plain.chain(TEXTS.iter().map(|text| json!(text))).chain(long).chain(arrays).chain(objects).collect()
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![9 => select(boundaries()), 1 => "\\PC{0,12}".prop_map(|text| json!(text))]
}

fn key() -> impl Strategy<Value = String> {
    let known = [
        "specs",
        "written_by",
        "wi_id",
        "name",
        "cmd",
        "args",
        "cwd",
        "env",
        "ports",
        "ttl_minutes",
        "attrs",
        "healthcheck",
        "type",
        "url",
        "expect_status",
        "shell",
        "expect_regex",
        "interval_s",
        "timeout_s",
        "depends_on",
        "restart",
        "policy",
        "backoff_s",
        "max_restarts",
        "success_exit_codes",
        "daily",
        "activation",
        "idle_stop_s",
        "stop",
        "signal",
        "grace_s",
        "failure_threshold",
        "on_unhealthy",
        "PORT",
        "VITE_A",
        "$schema",
        "",
    ];
    select(known.to_vec()).prop_map(str::to_owned)
}

/// Arbitrary JSON out of the words that matter here.
fn tree() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec((key(), inner), 0..8).prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

fn valid() -> Value {
    let http = json!({"type": "http", "url": "http://localhost:1/", "expect_status": 200, "interval_s": 1, "timeout_s": 5,
        "failure_threshold": 3, "on_unhealthy": "restart"});
    let command =
        json!({"type": "command", "cmd": "curl x", "args": ["x"], "shell": true, "expect_regex": "ok", "timeout_s": 5});
    let spec = |name: &str, healthcheck: &Value| {
        json!({"name": name, "cmd": "node", "args": ["x", "y"], "cwd": "", "env": {"PORT": "1"}, "ports": [3000, "3001"],
            "ttl_minutes": 60, "attrs": {"a": [1]}, "healthcheck": healthcheck})
    };
    let mut waiting = spec("web", &http);
    let more = json!({"depends_on": ["api"], "activation": "on-demand", "idle_stop_s": "60",
        "restart": {"policy": "on-failure", "backoff_s": [1, "2.5"], "reset_after_s": 60, "max_restarts": 3, "window_s": 60,
            "success_exit_codes": [0, 143], "jitter": true, "daily": true, "on_update": false},
        "stop": {"signal": "SIGINT", "grace_s": 1}});
    waiting.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"specs": [waiting, spec("api", &command)], "written_by": "a", "wi_id": "b"})
}

/// A valid sidecar of which a few values, picked anywhere, are replaced or taken out.
fn mutated() -> impl Strategy<Value = Value> {
    let change = (any::<prop::sample::Index>(), prop::option::weighted(0.8, leaf()));
    prop::collection::vec(change, 1..4).prop_map(|changes| {
        let mut value = valid();
        for (index, new) in changes {
            let mut pointers = Vec::new();
            collect(&value, String::new(), &mut pointers);
            let pointer = index.get(&pointers).clone();
            replace(&mut value, &pointer, new);
        }
        value
    })
}

fn collect(value: &Value, pointer: String, pointers: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, item)| collect(item, format!("{pointer}/{i}"), pointers));
        }
        Value::Object(map) => {
            let step = |key: &str| key.replace('~', "~0").replace('/', "~1");
            map.iter().for_each(|(key, item)| collect(item, format!("{pointer}/{}", step(key)), pointers));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    pointers.push(pointer);
}

fn replace(value: &mut Value, pointer: &str, new: Option<Value>) {
    match (new, pointer.rsplit_once('/')) {
        (Some(new), _) => *value.pointer_mut(pointer).unwrap() = new,
        (None, Some((parent, key))) => {
            if let Some(Value::Object(map)) = value.pointer_mut(parent) {
                map.shift_remove(key);
            }
        }
        (None, None) => {}
    }
}

fn is_within(inner: &str, outer: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The value at the issue's place is a decimal string, of which the schema does not know the range.
fn is_decimal_string(issue: &Issue, document: &Value) -> bool {
    let is_text =
        document.pointer(&issue.pointer).and_then(Value::as_str).is_some_and(|text| text.parse::<f64>().is_ok());
    NUMERIC.contains(&issue.code) && is_text
}

fn check_agreement(document: &Value) -> Result<(), TestCaseError> {
    let text = document.to_string();
    let verdict = verdict(text.as_bytes());
    let errors: Vec<String> = SCHEMA.iter_errors(document).map(|error| error.instance_path().to_string()).collect();
    for error in &errors {
        let is_told = verdict.issues.iter().any(|i| is_within(&i.pointer, error) || is_within(error, &i.pointer));
        prop_assert!(is_told, "only the schema refuses {error} of {document}");
    }
    for issue in verdict.issues.iter().filter(|issue| !BEYOND_SCHEMA.contains(&issue.code)) {
        let is_told = errors.iter().any(|e| is_within(&issue.pointer, e) || is_within(e, &issue.pointer));
        prop_assert!(
            is_told || is_decimal_string(issue, document),
            "only the rules refuse: {} of {document}",
            issue.reason
        );
    }
    Ok(())
}

/// What holds for the verdict on any bytes.
fn check_shape(bytes: &[u8]) -> Result<(), TestCaseError> {
    let verdict = verdict(bytes);
    prop_assert_eq!(verdict.reason(), verdict.issues.first().map(|issue| issue.reason.as_str()));
    prop_assert_eq!(verdict.is_valid(), verdict.sidecar.is_some());
    for issue in verdict.issues.iter().chain(&verdict.warnings) {
        prop_assert!(issue.line >= 1 && issue.column >= 1 && issue.span.start <= bytes.len(), "{issue:?}");
        prop_assert!(issue.reason.contains(issue.code.text()) && !issue.message.is_empty() && !issue.help.is_empty());
    }
    let in_order =
        verdict.issues.iter().filter(|issue| !issue.reason.contains("spec[")).map(|issue| issue.code as usize);
    prop_assert!(in_order.is_sorted());
    let text = String::from_utf8_lossy(bytes);
    prop_assert_eq!(
        excerpt(&text, "x.json", &verdict, false).is_empty(),
        verdict.is_valid() && verdict.warnings.is_empty()
    );
    Ok(())
}

/// Patterns out of the parts that are special somewhere.
fn pattern() -> impl Strategy<Value = String> {
    let parts = [
        "a",
        "日",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "{2}",
        "{2,}",
        "{,2}",
        "{1,0}",
        "*",
        "+",
        "?",
        "|",
        "^",
        "$",
        ".",
        "-",
        "&&",
        "\\",
        "\\d",
        "\\p",
        "\\pL",
        "\\p{",
        "\\p{Greek}",
        "\\P{x}",
        "\\x",
        "\\x{41}",
        "\\u0041",
        "\\1",
        "\\b",
        "\\b{start}",
        "(?",
        "(?i)",
        "(?-u)",
        "(?P<n>",
        "(?<n>",
        "(?=",
        "(?x)",
        "#",
        "[:alpha:]",
        "\"",
        ":",
        "\n",
    ];
    prop::collection::vec(select(parts.to_vec()), 0..8).prop_map(|parts| parts.concat())
}

proptest! {
    // PROPTEST_CASES=1000000 makes a fuzzer of it.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_get_a_verdict(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check_shape(&bytes)?;
    }

    #[test]
    fn a_pattern_passes_if_and_only_if_a_probe_can_compile_it(pattern in pattern()) {
        prop_assert_eq!(check_expect_regex(&pattern).err(), expect_regex(&pattern).err());
    }

    #[test]
    fn any_damage_to_a_valid_file_gets_a_verdict(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        length in any::<prop::sample::Index>(),
    ) {
        let mut bytes = valid().to_string().into_bytes();
        for (index, byte) in damage {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        check_shape(&bytes)?;
        bytes.truncate(length.index(bytes.len()));
        check_shape(&bytes)?;
    }

    #[test]
    fn schema_and_rules_agree_on_any_tree(document in tree()) {
        check_agreement(&document)?;
        check_shape(document.to_string().as_bytes())?;
    }

    #[test]
    fn schema_and_rules_agree_on_any_change_of_a_valid_sidecar(document in mutated()) {
        check_agreement(&document)?;
        let text = document.to_string();
        check_shape(text.as_bytes())?;
        let with_schema = decide_with_schema(text.as_bytes(), &JUDGE, &Expectations::default(), &System::default());
        prop_assert_eq!(with_schema, verdict(text.as_bytes()));
    }
}

#[test]
fn the_valid_sidecar_of_these_tests_is_valid() {
    assert_eq!(verdict(valid().to_string().as_bytes()).reason(), None);
}

#[test]
fn schema_and_rules_agree_on_every_boundary_at_every_place() {
    let mut pointers = Vec::new();
    collect(&valid(), String::new(), &mut pointers);
    for pointer in &pointers {
        for new in boundaries().into_iter().map(Some).chain([None]) {
            let mut document = valid();
            replace(&mut document, pointer, new);
            check_agreement(&document).unwrap();
        }
    }
}
