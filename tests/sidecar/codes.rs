//! Every code of contract section 3 has a case that gets it, as the reason and at its place.

use std::collections::HashSet;
use std::path::Path;

use minions_managed::config::{EnvPolicy, ExecutablePathPolicy, HealthcheckHosts, Settings};
use minions_managed::service::lifecycle_json;
use minions_managed::sidecar::{Code, Expectations, Judge, System, Verdict, decide, decide_with_schema};
use serde_json::{Value, json};

use crate::place::Place;

/// What a case is: text as it is, or changes to the spec, its healthcheck or the document of a valid sidecar. A change
/// to `"absent"` takes the key out.
enum Given {
    Text(Vec<u8>),
    Spec(Value),
    Http(Value),
    Command(Value),
    Document(Value),
}
use Given::{Command, Document, Http, Spec, Text};

fn http() -> Value {
    json!({"type": "http", "url": "http://localhost:3001/", "expect_status": 200, "interval_s": 1, "timeout_s": 60})
}

fn command() -> Value {
    json!({"type": "command", "cmd": "curl x", "shell": true, "expect_regex": "ok", "interval_s": 1, "timeout_s": 60})
}

fn spec(healthcheck: &Value) -> Value {
    json!({
        "name": "web", "cmd": "node", "args": ["x"], "cwd": "{{GIT_ROOT}}/sub", "env": {"PORT": "1"}, "ports": [3001],
        "ttl_minutes": 60, "attrs": {}, "healthcheck": healthcheck,
    })
}

fn changed(mut value: Value, change: &Value) -> Value {
    let map = value.as_object_mut().unwrap();
    for (key, new) in change.as_object().unwrap() {
        if new == "absent" {
            map.shift_remove(key);
        } else {
            map.insert(key.clone(), new.clone());
        }
    }
    value
}

fn text(given: &Given) -> Vec<u8> {
    let specs = |spec: Value| json!({"specs": [spec], "written_by": "ripley", "wi_id": "W-1"});
    let document = match given {
        Text(text) => return text.clone(),
        Spec(change) => specs(changed(spec(&http()), change)),
        Http(change) => specs(spec(&changed(http(), change))),
        Command(change) => specs(spec(&changed(command(), change))),
        Document(change) => changed(specs(spec(&http())), change),
    };
    serde_json::to_vec_pretty(&document).unwrap()
}

fn verdict(place: &Place, given: &Given, settings: &Settings) -> Verdict {
    let judge = Judge::new(settings).unwrap();
    let bytes = match String::from_utf8(text(given)) {
        Ok(text) => place.fill(&text).into_bytes(),
        Err(error) => error.into_bytes(),
    };
    let expectations = Expectations { agent: Some("ripley"), work_item: Some("W-1"), dispatch_root: None };
    let world = System::new(Some("/usr/bin:/bin".as_ref()));
    let verdict = decide(&bytes, &judge, &expectations, &world);
    assert_eq!(verdict, decide_with_schema(&bytes, &judge, &expectations, &world), "rules and schema agree");
    verdict
}

fn x(count: usize) -> String {
    "x".repeat(count)
}

/// Reason, pointer of the place, and what gets it.
type Case = (&'static str, &'static str, Given);

fn text_cases() -> Vec<Case> {
    let named = |i: u32| changed(spec(&http()), &json!({"name": format!("web-{i}"), "ports": []}));
    let six: Vec<Value> = (0..6).map(named).collect();
    vec![
        ("too-large (>1048576B)", "", Text(vec![b' '; 1_048_577])),
        ("not-utf8", "", Text(b"{\"specs\": \"\xff\"}".to_vec())),
        ("json-parse: the file is empty", "", Text(b"".to_vec())),
        ("too-deep", "", Text(format!("{}{}", "[".repeat(129), "]".repeat(129)).into_bytes())),
        ("not-an-object", "", Text(b"[]".to_vec())),
        ("specs-missing", "/specs", Document(json!({"specs": {}}))),
        ("specs-missing", "/specs", Document(json!({"specs": "absent"}))),
        ("specs-empty", "/specs", Document(json!({"specs": []}))),
        ("specs-too-many (>5)", "/specs", Document(json!({"specs": six}))),
        ("spec[0]: not-an-object", "/specs/0", Document(json!({"specs": [7]}))),
        ("written_by-not-string", "/written_by", Document(json!({"written_by": 5}))),
        ("wi_id-not-string", "/wi_id", Document(json!({"wi_id": ["a"]}))),
        ("written_by-mismatch (ash)", "/written_by", Document(json!({"written_by": "ash"}))),
        ("wi_id-mismatch (W-2)", "/wi_id", Document(json!({"wi_id": "W-2"}))),
        ("spec[1]: duplicate-name (web)", "/specs/1/name", Document(json!({"specs": [spec(&http()), spec(&http())]}))),
    ]
}

fn spec_cases() -> Vec<Case> {
    let many: Vec<String> = vec!["a".into(); 65];
    let env: Value = (0..33).map(|i| (format!("VITE_{i}"), json!(""))).collect::<serde_json::Map<_, _>>().into();
    vec![
        ("spec[0]: name-missing", "/specs/0/name", Spec(json!({"name": "absent"}))),
        ("spec[0]: name-too-long (>64)", "/specs/0/name", Spec(json!({"name": x(65)}))),
        ("spec[0]: name-not-kebab-case (a_b)", "/specs/0/name", Spec(json!({"name": "a_b"}))),
        ("spec[0]: cmd-missing", "/specs/0/cmd", Spec(json!({"cmd": ""}))),
        ("spec[0]: cmd-too-long", "/specs/0/cmd", Spec(json!({"cmd": format!("/{}/node", x(200))}))),
        ("spec[0]: cmd-has-nul", "/specs/0/cmd", Spec(json!({"cmd": "x\0/node"}))),
        ("spec[0]: cmd-not-on-allowlist (perl)", "/specs/0/cmd", Spec(json!({"cmd": "perl"}))),
        ("spec[0]: args-not-array", "/specs/0/args", Spec(json!({"args": "x"}))),
        ("spec[0]: args-too-many (>64)", "/specs/0/args", Spec(json!({"args": many}))),
        ("spec[0]: arg-not-string", "/specs/0/args/1", Spec(json!({"args": ["a", 5]}))),
        ("spec[0]: arg-too-long", "/specs/0/args/0", Spec(json!({"args": [x(501)]}))),
        ("spec[0]: arg-has-nul", "/specs/0/args/0", Spec(json!({"args": ["\0"]}))),
        ("spec[0]: cwd-not-string", "/specs/0/cwd", Spec(json!({"cwd": 5}))),
        ("spec[0]: cwd-too-long", "/specs/0/cwd", Spec(json!({"cwd": x(501)}))),
        ("spec[0]: cwd-has-nul", "/specs/0/cwd", Spec(json!({"cwd": "/\0"}))),
        (
            "invalid-workdir: spec[0]: directory does not exist: {{MISSING}}",
            "/specs/0/cwd",
            Spec(json!({"cwd": "{{MISSING}}"})),
        ),
        (
            "invalid-workdir: spec[0]: path is not a directory: {{FILE}}",
            "/specs/0/cwd",
            Spec(json!({"cwd": "{{FILE}}"})),
        ),
        (
            "invalid-workdir: spec[0]: no .git directory or worktree pointer at {{NOT_GIT}}",
            "/specs/0/cwd",
            Spec(json!({"cwd": "{{NOT_GIT}}"})),
        ),
        (
            "invalid-workdir: spec[0]: .git file present but not a worktree pointer (no \"gitdir:\" prefix): {{BAD_GITFILE}}",
            "/specs/0/cwd",
            Spec(json!({"cwd": "{{BAD_GITFILE}}"})),
        ),
        ("spec[0]: env-not-object", "/specs/0/env", Spec(json!({"env": []}))),
        ("spec[0]: env-too-many (>32)", "/specs/0/env", Spec(json!({"env": env}))),
        ("spec[0]: env-key-not-on-allowlist (a/b)", "/specs/0/env/a~1b", Spec(json!({"env": {"a/b": ""}}))),
        ("spec[0]: env-key-not-on-allowlist (7)", "/specs/0/env/7", Spec(json!({"env": {"x": "", "10": "", "7": ""}}))),
        ("spec[0]: env-key-malformed (VITE_ )", "/specs/0/env/VITE_ ", Spec(json!({"env": {"VITE_ ": ""}}))),
        ("spec[0]: env-value-not-string (PORT)", "/specs/0/env/PORT", Spec(json!({"env": {"PORT": 1}}))),
        ("spec[0]: env-value-too-long (PORT)", "/specs/0/env/PORT", Spec(json!({"env": {"PORT": x(1001)}}))),
        ("spec[0]: env-value-has-nul (PORT)", "/specs/0/env/PORT", Spec(json!({"env": {"PORT": "\0"}}))),
        ("spec[0]: ports-not-array", "/specs/0/ports", Spec(json!({"ports": 3000}))),
        ("spec[0]: ports-too-many (>20)", "/specs/0/ports", Spec(json!({"ports": vec![3000; 21]}))),
        ("spec[0]: port-invalid (80)", "/specs/0/ports/1", Spec(json!({"ports": [3000, 80]}))),
        ("spec[0]: port-invalid (null)", "/specs/0/ports/0", Spec(json!({"ports": [null]}))),
        ("spec[0]: ttl-invalid", "/specs/0/ttl_minutes", Spec(json!({"ttl_minutes": 0.99}))),
        ("spec[0]: ttl-too-long (>1440min)", "/specs/0/ttl_minutes", Spec(json!({"ttl_minutes": "1441"}))),
        ("spec[0]: attrs-not-object", "/specs/0/attrs", Spec(json!({"attrs": []}))),
        ("spec[0]: attrs-too-large (>2048B)", "/specs/0/attrs", Spec(json!({"attrs": {"k": x(2041)}}))),
        ("spec[0]: healthcheck-missing", "/specs/0/healthcheck", Spec(json!({"healthcheck": []}))),
    ]
}

fn healthcheck_cases() -> Vec<Case> {
    let many: Vec<String> = vec!["a".into(); 65];
    let at = "/specs/0/healthcheck/";
    let cases = vec![
        ("failure-threshold-invalid", "failure_threshold", Http(json!({"failure_threshold": 0}))),
        ("failure-threshold-invalid", "failure_threshold", Http(json!({"failure_threshold": 1.5}))),
        ("on-unhealthy-invalid (stop)", "on_unhealthy", Command(json!({"on_unhealthy": "stop"}))),
        ("type-invalid (tcp)", "type", Http(json!({"type": "tcp"}))),
        ("type-invalid (undefined)", "type", Http(json!({"type": "absent"}))),
        ("type-invalid (null)", "type", Http(json!({"type": null}))),
        ("timeout-invalid", "timeout_s", Http(json!({"timeout_s": "absent"}))),
        ("timeout-invalid", "timeout_s", Http(json!({"timeout_s": 3600.1}))),
        ("interval-invalid", "interval_s", Http(json!({"interval_s": 0}))),
        ("url-missing", "url", Http(json!({"url": null}))),
        ("url-not-absolute", "url", Http(json!({"url": "localhost:3000"}))),
        ("url-has-nul", "url", Http(json!({"url": "http://x/\0"}))),
        ("url-invalid", "url", Http(json!({"url": "http://"}))),
        ("expect-status-missing", "expect_status", Http(json!({"expect_status": "absent"}))),
        ("expect-status-invalid", "expect_status", Http(json!({"expect_status": 600}))),
        ("cmd-missing", "cmd", Command(json!({"cmd": 5}))),
        ("cmd-too-long", "cmd", Command(json!({"cmd": format!("curl {}", x(1000))}))),
        ("cmd-has-nul", "cmd", Command(json!({"cmd": "curl \0"}))),
        ("shell-not-boolean", "shell", Command(json!({"shell": 0}))),
        ("args-not-array", "args", Command(json!({"args": {}}))),
        ("args-too-many (>64)", "args", Command(json!({"args": many}))),
        ("arg-not-string", "args/0", Command(json!({"args": [1]}))),
        ("arg-too-long", "args/0", Command(json!({"args": [x(501)]}))),
        ("arg-has-nul", "args/0", Command(json!({"args": ["\0"]}))),
        ("expect-regex-missing", "expect_regex", Command(json!({"expect_regex": ""}))),
        ("expect-regex-too-long", "expect_regex", Command(json!({"expect_regex": x(501)}))),
        ("expect-regex-invalid (unclosed group)", "expect_regex", Command(json!({"expect_regex": "("}))),
        ("cmd-not-on-allowlist (nc)", "cmd", Command(json!({"cmd": "nc -z x"}))),
    ];
    let whole = |(reason, key, given): (&str, &str, Given)| -> Case {
        (format!("spec[0]: healthcheck-{reason}").leak(), format!("{at}{key}").leak(), given)
    };
    cases.into_iter().map(whole).collect()
}

/// Changes to `restart` and `stop`, by key; then what stands in a spec itself.
fn lifecycle_cases() -> Vec<Case> {
    let restart = |key: &str, value: Value| {
        let policy = json!({"policy": "always"});
        Spec(json!({"restart": changed(policy, &json!({key: value}))}))
    };
    let many = |count: usize| json!(vec![1; count]);
    let of_restart = [
        ("policy-missing", "policy", json!("absent")),
        ("policy-missing", "policy", json!(null)),
        ("policy-invalid (often)", "policy", json!("often")),
        ("policy-invalid (true)", "policy", json!(true)),
        ("backoff-not-array", "backoff_s", json!(5)),
        ("backoff-empty", "backoff_s", json!([])),
        ("backoff-too-many (>20)", "backoff_s", many(21)),
        ("backoff-invalid (-1)", "backoff_s/1", json!([0, -1])),
        ("backoff-invalid (3600.5)", "backoff_s/0", json!(["3600.5"])),
        ("reset-after-invalid", "reset_after_s", json!(0)),
        ("max-restarts-invalid", "max_restarts", json!(101)),
        ("max-restarts-invalid", "max_restarts", json!("2.5")),
        ("window-invalid", "window_s", json!(86_401)),
        ("success-exit-codes-not-array", "success_exit_codes", json!(0)),
        ("success-exit-codes-too-many (>20)", "success_exit_codes", many(21)),
        ("success-exit-codes-invalid", "success_exit_codes/0", json!([256])),
        ("jitter-not-boolean", "jitter", json!("true")),
        ("daily-not-boolean", "daily", json!(1)),
        ("on-update-not-boolean", "on_update", json!([])),
    ];
    let whole = |(reason, key, value): (&str, &str, Value)| -> Case {
        let field = key.split('/').next().unwrap();
        let reason = format!("spec[0]: restart-{reason}").leak();
        (reason, format!("/specs/0/restart/{key}").leak(), restart(field, value))
    };
    let of_spec = vec![
        ("spec[0]: depends-on-not-array", "/specs/0/depends_on", Spec(json!({"depends_on": "db"}))),
        ("spec[0]: depends-on-too-many (>20)", "/specs/0/depends_on", pair(&json!(vec!["api"; 21]), &json!([]))),
        ("spec[0]: depends-on-name-not-string", "/specs/0/depends_on/1", pair(&json!(["api", 5]), &json!([]))),
        ("spec[0]: depends-on-unknown (db)", "/specs/0/depends_on/0", Spec(json!({"depends_on": ["db", "db"]}))),
        ("spec[1]: depends-on-unknown (wep)", "/specs/1/depends_on/1", pair(&json!([]), &json!(["web", "wep"]))),
        ("spec[0]: depends-on-cycle (web -> web)", "/specs/0/depends_on/0", Spec(json!({"depends_on": ["web"]}))),
        (
            "spec[0]: depends-on-cycle (web -> api -> web)",
            "/specs/0/depends_on/0",
            pair(&json!(["api"]), &json!(["web"])),
        ),
        ("spec[0]: restart-not-object", "/specs/0/restart", Spec(json!({"restart": "always"}))),
        ("spec[0]: activation-invalid (lazy)", "/specs/0/activation", Spec(json!({"activation": "lazy"}))),
        ("spec[0]: activation-invalid ([object Object])", "/specs/0/activation", Spec(json!({"activation": {}}))),
        ("spec[0]: idle-stop-invalid", "/specs/0/idle_stop_s", Spec(json!({"idle_stop_s": 0}))),
        ("spec[0]: stop-not-object", "/specs/0/stop", Spec(json!({"stop": 5}))),
        ("spec[0]: stop-signal-invalid (TERM)", "/specs/0/stop/signal", Spec(json!({"stop": {"signal": "TERM"}}))),
        ("spec[0]: stop-grace-invalid", "/specs/0/stop/grace_s", Spec(json!({"stop": {"grace_s": 600.1}}))),
    ];
    of_restart.into_iter().map(whole).chain(of_spec).collect()
}

/// A document of `web` and `api`, which depend on these.
fn pair(web: &Value, api: &Value) -> Given {
    let web = changed(spec(&http()), &json!({"depends_on": web}));
    let api = changed(spec(&http()), &json!({"name": "api", "ports": [], "depends_on": api}));
    Document(json!({"specs": [web, api]}))
}

fn cases_of_settings() -> Vec<(Settings, Case)> {
    let base = Settings::default;
    let denylist = Settings { env_policy: EnvPolicy::Denylist, ..base() };
    let trusted = Settings { executable_path_policy: ExecutablePathPolicy::Trusted, ..base() };
    let loopback = Settings { healthcheck_hosts: HealthcheckHosts::Loopback, ..base() };
    let (cmd, url) = ("/specs/0/healthcheck/cmd", "/specs/0/healthcheck/url");
    vec![
        (
            denylist,
            ("spec[0]: env-key-denied (MY_TOKEN)", "/specs/0/env/MY_TOKEN", Spec(json!({"env": {"MY_TOKEN": ""}}))),
        ),
        (
            trusted.clone(),
            ("spec[0]: cmd-path-not-trusted (/opt/none/node)", "/specs/0/cmd", Spec(json!({"cmd": "/opt/none/node"}))),
        ),
        (trusted, ("spec[0]: healthcheck-cmd-path-not-trusted (./curl)", cmd, Command(json!({"cmd": "./curl"})))),
        (loopback, ("spec[0]: healthcheck-url-not-loopback", url, Http(json!({"url": "http://10.0.0.1/"})))),
    ]
}

#[test]
fn every_failure_has_a_case_that_gets_it_as_the_only_issue_and_at_its_place() {
    let place = Place::new();
    let plain = text_cases().into_iter().chain(spec_cases()).chain(healthcheck_cases()).chain(lifecycle_cases());
    let cases: Vec<(Settings, Case)> =
        plain.map(|case| (Settings::default(), case)).chain(cases_of_settings()).collect();
    let mut seen: HashSet<Code> = HashSet::new();
    for (settings, (reason, pointer, given)) in &cases {
        let verdict = verdict(&place, given, settings);
        assert_eq!(verdict.reason(), Some(place.fill(reason).as_str()));
        assert_eq!(verdict.issues[0].pointer, *pointer, "{reason}");
        let others = verdict.issues.iter().filter(|issue| issue.code != verdict.issues[0].code).count();
        // Two env keys are wrong in one case; `{}` as a name brings no second failure.
        assert_eq!(others, 0, "{reason}: {:#?}", verdict.issues);
        assert!(verdict.sidecar.is_none() && verdict.issues.iter().all(|issue| !issue.message.is_empty()));
        assert_eq!(verdict.is_workdir_rejection(), reason.starts_with("invalid-workdir"), "{reason}");
        seen.insert(verdict.issues[0].code);
    }
    let unseen: Vec<&str> = failures().filter(|code| !seen.contains(code)).map(Code::text).collect();
    // That rules and schema never disagree is tested; so nothing can get this one.
    assert_eq!(unseen, ["schema-violation"]);
}

fn failures() -> impl Iterator<Item = Code> {
    Code::ALL.iter().copied().take_while(|code| *code != Code::UnknownKey)
}

#[test]
fn every_warning_has_a_case_and_is_no_failure() {
    let place = Place::new();
    let repeated = String::from_utf8(text(&Http(json!({})))).unwrap().replace("\"name\"", "\"name\": \"x\", \"name\"");
    let second = changed(spec(&http()), &json!({"name": "api"}));
    let cases: [(&str, Given); 12] = [
        ("spec[0]: unknown-key (prots)", Spec(json!({"prots": [1]}))),
        ("unknown-key (spec)", Document(json!({"spec": []}))),
        ("spec[0]: duplicate-key (name)", Text(repeated.into_bytes())),
        ("spec[0]: interval-over-timeout", Http(json!({"interval_s": 61}))),
        ("spec[0]: healthcheck-https", Http(json!({"url": "HTTPS://localhost/"}))),
        ("spec[1]: port-shared (3001)", Document(json!({"specs": [spec(&http()), second]}))),
        ("spec[0]: no-cwd", Spec(json!({"cwd": null}))),
        ("spec[0]: unknown-key (polizy)", Spec(json!({"restart": {"policy": "always", "polizy": 1}}))),
        ("spec[0]: unknown-key (grace)", Spec(json!({"stop": {"grace": 1}}))),
        ("spec[0]: no-effect (jitter)", Spec(json!({"restart": {"policy": "never", "daily": true, "jitter": true}}))),
        ("spec[0]: no-effect (idle_stop_s)", Spec(json!({"idle_stop_s": 60}))),
        ("spec[0]: no-effect (grace_s)", Spec(json!({"stop": {"signal": "SIGKILL", "grace_s": 1}}))),
    ];
    for (reason, given) in &cases {
        let verdict = verdict(&place, given, &Settings::default());
        assert_eq!(verdict.reason(), None, "{reason}");
        let warned: Vec<&str> = verdict.warnings.iter().map(|warning| warning.reason.as_str()).collect();
        assert_eq!(warned, [*reason]);
    }
    let check = |change: Value, expected: &str| {
        let verdict = verdict(&place, &Spec(change), &Settings::default());
        assert!(verdict.warnings[0].help.starts_with(expected), "{}", verdict.warnings[0].help);
    };
    check(json!({"prots": [1], "ports": "absent"}), "did you mean `ports`?");
    check(json!({"stop": {"signl": "SIGINT"}}), "did you mean `signal`?");
    check(json!({"prots": [1]}), "did you mean `ports`?");
    check(json!({"banana": 1}), "leave it out, or use one of: name, cmd");
}

#[test]
fn lifecycle_fields_and_editors_keys_are_no_surprise() {
    let place = Place::new();
    let nothing = json!({"depends_on": [], "restart": null, "activation": "always", "idle_stop_s": null, "stop": {}});
    let on_demand =
        json!({"activation": "on-demand", "idle_stop_s": "5", "restart": {"policy": "never", "daily": true}});
    let cases = [
        Spec(nothing),
        Spec(on_demand),
        pair(&json!(["api"]), &json!([])),
        Http(json!({"failure_threshold": 3, "on_unhealthy": "report"})),
        Command(json!({"args": ["-f"], "failure_threshold": 3})),
        Document(json!({"$schema": "x", "priority": 5})),
    ];
    for given in &cases {
        let verdict = verdict(&place, given, &Settings::default());
        assert_eq!((verdict.reason(), verdict.warnings.len()), (None, 0), "{:#?}", verdict.warnings);
    }
}

#[test]
fn lifecycle_fields_are_normalized() {
    let place = Place::new();
    let restart =
        json!({"policy": "on-failure", "backoff_s": ["0", 2.5, -0.0], "max_restarts": "3", "success_exit_codes": []});
    let given = Spec(json!({"restart": restart, "stop": {"grace_s": 0}, "depends_on": null}));
    let sidecar = verdict(&place, &given, &Settings::default()).sidecar.unwrap();
    let expected = json!({
        "restart": {
            "policy": "on-failure", "backoff_s": [0, 2.5, 0], "reset_after_s": 600, "max_restarts": 3, "window_s": 300,
            "success_exit_codes": [], "jitter": false, "daily": false, "on_update": false,
        },
        "stop": {"grace_s": 0},
    });
    assert_eq!(Value::Object(lifecycle_json(&sidecar.specs[0].lifecycle)).to_string(), expected.to_string());
    let sidecar = verdict(&place, &pair(&json!(["api", "api"]), &json!([])), &Settings::default()).sidecar.unwrap();
    assert_eq!(sidecar.specs[0].lifecycle.depends_on, ["api"]);
}

#[test]
fn examples_of_the_guide_are_valid_and_whole() {
    let guide = include_str!("../../docs/sidecar.md");
    let blocks: Vec<&str> = guide.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(blocks.len(), 2);
    for block in &blocks {
        let verdict = verdict(&Place::new(), &Text(block.as_bytes().to_vec()), &Settings::default());
        let beside: Vec<&Code> =
            verdict.warnings.iter().map(|warning| &warning.code).filter(|code| **code != Code::NoCwd).collect();
        assert_eq!((verdict.reason().filter(|reason| !reason.contains("wi_id-mismatch")), beside.len()), (None, 0));
    }
    // Every lifecycle field of the schema has its row.
    let schema: Value = serde_json::from_str(include_str!("../../schemas/managed-spawn.schema.json")).unwrap();
    for key in ["restart", "stop"] {
        for field in schema["$defs"][key]["properties"].as_object().unwrap().keys() {
            let is_told = ["", &format!("{key}.")].iter().any(|prefix| guide.contains(&format!("`{prefix}{field}`")));
            assert!(is_told, "{key}.{field}");
        }
    }
}

#[test]
fn every_circle_and_every_unknown_name_of_a_file_is_told_after_all_else() {
    let named =
        |name: &str, needs: &[&str]| changed(spec(&http()), &json!({"name": name, "ports": [], "depends_on": needs}));
    let specs = [
        named("a", &["b", "x"]),
        named("b", &["a"]),
        named("c", &["d", "a"]),
        named("d", &["c", "aa"]),
        changed(named("e", &[]), &json!({"cmd": "perl"})),
    ];
    let verdict = verdict(&Place::new(), &Document(json!({"specs": specs})), &Settings::default());
    let reasons: Vec<&str> = verdict.issues.iter().map(|issue| issue.reason.as_str()).collect();
    let expected = [
        "spec[4]: cmd-not-on-allowlist (perl)",
        "spec[0]: depends-on-unknown (x)",
        "spec[3]: depends-on-unknown (aa)",
        "spec[0]: depends-on-cycle (a -> b -> a)",
        "spec[2]: depends-on-cycle (c -> d -> c)",
    ];
    assert_eq!(reasons, expected);
    assert_eq!(verdict.issues[2].help, "did you mean `a`?");
    assert_eq!(verdict.issues[4].message, "service `c` waits for itself: `c -> d -> c`");
}

#[test]
fn every_issue_of_a_bad_file_is_told_with_line_and_column() {
    let text = "{\"specs\": [{\n  \"name\": \"Bad\",\n  \"ports\": [80, 443]\n}], \"wi_id\": 5}";
    let verdict = verdict(&Place::new(), &Text(text.into()), &Settings::default());
    let found: Vec<(&str, usize, usize)> =
        verdict.issues.iter().map(|issue| (issue.reason.as_str(), issue.line, issue.column)).collect();
    let expected = [
        ("spec[0]: name-not-kebab-case (Bad)", 2, 11),
        ("spec[0]: cmd-missing", 1, 12),
        ("spec[0]: port-invalid (80)", 3, 13),
        ("spec[0]: port-invalid (443)", 3, 17),
        ("spec[0]: healthcheck-missing", 1, 12),
        ("wi_id-not-string", 4, 14),
    ];
    assert_eq!(found, expected);
}

#[test]
fn the_dispatch_root_holds_the_folder_links_resolved() {
    let place = Place::new();
    let check = |cwd: &str, root: &str, expected: Option<&str>| {
        let text = place.fill(&String::from_utf8(text(&Spec(json!({"cwd": cwd})))).unwrap());
        let root = place.fill(root);
        let expectations = Expectations { dispatch_root: Some(Path::new(&root)), ..Expectations::default() };
        let judge = Judge::new(&Settings::default()).unwrap();
        let verdict = decide(text.as_bytes(), &judge, &expectations, &System::default());
        assert_eq!(verdict.reason(), expected.map(|reason| place.fill(reason)).as_deref());
    };
    check("{{GIT_ROOT}}/sub", "{{GIT_ROOT}}", None);
    check("{{GIT_ROOT}}/sub/..", "{{GIT_ROOT}}", None);
    let outside =
        |root: &str, cwd: &str| format!("invalid-workdir: spec[0]: cwd outside the dispatch root {root}: {cwd}");
    check("{{WORKTREE}}", "{{GIT_ROOT}}", Some(&outside("{{GIT_ROOT}}", "{{WORKTREE}}")));
    check(
        "{{GIT_ROOT}}/sub/../..//WORKTREE",
        "{{GIT_ROOT}}",
        Some(&outside("{{GIT_ROOT}}", "{{GIT_ROOT}}/sub/../..//WORKTREE")),
    );
    check("{{GIT_ROOT}}", "{{MISSING}}", Some(&outside("{{MISSING}}", "{{GIT_ROOT}}")));
}
