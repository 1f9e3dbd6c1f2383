//! `config`, `schema`, and what a wrong config.json does to every command.

use super::harness::{Place, project};

#[test]
fn every_setting_is_shown_with_its_source() {
    let place = Place::new();
    let source = |json: &serde_json::Value, key: &str| {
        let items = json["items"].as_array().expect("items");
        items.iter().find(|item| item["key"] == key).expect("every key is shown").clone()
    };
    let before = place.run(&["config", "--format", "json"]).json();
    assert_eq!(source(&before, "maxTtlMinutes")["source"], "default");
    place.write("config.json", r#"{"other": 1, "engine": {"managedSpawn": {"maxTtlMinutes": 300}}}"#);
    let after = place.run(&["config", "--format", "json"]).json();
    let item = source(&after, "maxTtlMinutes");
    assert_eq!(item["value"], 300);
    assert_eq!(item["default"], 1440);
    assert_eq!(item["source"], "file");
    assert_eq!(item["file"], place.root().join("config.json").to_str().expect("UTF-8"));
    let table = place.run(&["config"]);
    assert!(
        table.stdout.lines().any(|line| line.starts_with("maxTtlMinutes ") && line.contains("config.json")),
        "{table}"
    );
}

#[test]
fn a_wrong_setting_stops_every_command_that_reads_settings() {
    let place = Place::new();
    let check = |config: &[u8], code: &str, part: &str| {
        place.write("config.json", config);
        for format in ["table", "json"] {
            let ran = place.run(&["config", "--format", format]);
            ran.expect(1, &format!("[{code}, exit 1]"));
            ran.expect(1, part);
            if format == "json" {
                assert_eq!(ran.json()["error"]["code"], code);
            }
        }
    };
    check(br#"{"engine": {"managedSpawn": {"maxTtlMinute": 5}}}"#, "config-invalid", "nearest: `maxTtlMinutes`");
    check(
        br#"{"engine": {"managedSpawn": {"enabled": 1, "sweepEvery": 0}}}"#,
        "config-invalid",
        "2 wrong settings under `engine.managedSpawn`: `enabled` is 1, but must be true or false; `sweepEvery` is 0",
    );
    check(br#"{"engine": {"managedSp"#, "config-unreadable", "no valid JSON: EOF");
    check(b"\xff\xfe", "config-unreadable", "no UTF-8");
}

#[test]
fn schemas_are_printed_as_committed() {
    let place = Place::new();
    let check = |args: &[&str], file: &str| {
        let printed = place.run(args);
        assert_eq!(printed.code, 0, "{printed}");
        assert_eq!(printed.stdout, read(file));
    };
    check(&["schema"], "schemas/managed-spawn.schema.json");
    check(&["schema", "sidecar"], "schemas/managed-spawn.schema.json");
    check(&["schema", "state"], "schemas/state.schema.json");
    check(&["schema", "config"], "schemas/config.schema.json");
    check(&["schema", "event"], "schemas/event.schema.json");
    for output in minions_managed::view::schemas::OUTPUTS {
        check(&["schema", output.word], &format!("schemas/{}.schema.json", output.word));
    }
}

#[test]
fn the_schema_of_settings_takes_what_loading_takes_and_refuses_what_it_refuses() {
    let schema = serde_json::from_str(&read("schemas/config.schema.json")).expect("JSON");
    let schema = jsonschema::draft202012::new(&schema).expect("a schema");
    let place = Place::new();
    let check = |ours: &str, good: bool| {
        let text = format!(r#"{{"other": [], "engine": {{"managedSpawn": {ours}}}}}"#);
        place.write("config.json", &text);
        assert_eq!(place.run(&["config"]).code == 0, good, "loading {ours}");
        assert_eq!(schema.is_valid(&text.parse().expect("JSON")), good, "the schema of {ours}");
    };
    for good in ["{}", "null", r#"{"stopGraceSec": 0.5}"#, r#"{"envPolicy": "denylist"}"#, r#"{"passEnvKeys": []}"#] {
        check(good, true);
    }
    for bad in ["[]", r#"{"x": 1}"#, r#"{"stopGraceSec": -1}"#, r#"{"envPolicy": "no"}"#, r#"{"passEnvKeys": [""]}"#] {
        check(bad, false);
    }
}

#[expect(clippy::disallowed_methods, reason = "a committed file is read to be compared")]
fn read(path: &str) -> String {
    std::fs::read_to_string(project().join(path)).expect("a committed file")
}
