//! Files that are written from tables in the code: each must be what the table says. `UPDATE=1 cargo test --test
//! generated` writes them anew.

#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test that reads and writes committed files")]

use std::path::Path;

use minions_managed::{cli, config, journal, lifecycle, runs, sidecar, view};

fn check(path: &str, expected: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(file.parent().expect("a file has a folder")).unwrap();
        std::fs::write(&file, expected).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(committed == expected, "{path} is not what its table says: UPDATE=1 cargo test --test generated");
}

#[test]
fn the_reference_of_settings_is_what_the_table_says() {
    check("docs/configuration.md", &config::docs::markdown());
}

#[test]
fn the_schema_of_settings_is_what_the_table_says() {
    let schema = serde_json::to_string_pretty(&config::docs::schema()).unwrap();
    check("schemas/config.schema.json", &format!("{schema}\n"));
}

#[test]
fn the_reference_of_verdicts_is_what_the_table_of_codes_says() {
    check("docs/verdict.md", &sidecar::codes_markdown());
}

#[test]
fn the_reference_of_commands_is_what_help_says() {
    check("docs/commands.md", &cli::reference::markdown());
}

#[test]
fn the_page_on_lifecycle_is_what_the_table_of_transitions_says() {
    check("docs/lifecycle.md", &lifecycle::drawn::markdown());
}

#[test]
fn the_page_on_runs_is_what_the_table_of_transitions_says() {
    check("docs/runs.md", &runs::docs::markdown());
}

#[test]
fn the_page_on_events_is_what_the_table_of_types_says() {
    check("docs/events.md", &journal::docs::markdown());
}

#[test]
fn the_schema_of_events_is_what_the_table_of_types_says() {
    let schema = serde_json::to_string_pretty(&journal::docs::schema()).unwrap();
    check("schemas/event.schema.json", &format!("{schema}\n"));
}

#[test]
fn the_schemas_of_outputs_are_what_their_table_says() {
    for output in view::schemas::OUTPUTS {
        let schema = serde_json::to_string_pretty(&output.schema()).unwrap();
        check(&format!("schemas/{}.schema.json", output.word), &format!("{schema}\n"));
    }
}
