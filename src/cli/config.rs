//! `config`: the settings in force and where each comes from.

use serde_json::Value;

use crate::config::{Loaded, Settings, Source, table};
use crate::view::table::{Cell, Paint, draw};
use crate::view::{escape, wire};

use super::Door;
use super::exit::{End, Outcome};

/// Show every setting: the value in force and where it comes from
///
/// Settings stand in config.json under the root, under the key path engine.managedSpawn; docs/configuration.md has
/// what each does.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: minions managed config --format json")]
pub(super) struct Args {}

/// Shows the settings.
pub(super) fn run(args: &Args, door: &Door) -> Outcome {
    let Args {} = args;
    let (_, loaded) = door.settings()?;
    door.ui.data(if door.ui.is_json() { json(&loaded) } else { text(&loaded, door) })?;
    Ok(End::Done)
}

fn json(loaded: &Loaded) -> String {
    let defaults = Settings::default();
    let items: Vec<_> = table::ROWS
        .iter()
        .map(|row| {
            let (source, file) = match loaded.source(row) {
                Source::Default => ("default", None),
                Source::File(path) => ("file", Some(path.display().to_string())),
            };
            wire::SettingJson {
                key: row.key,
                value: row.value(&loaded.settings),
                default: row.value(&defaults),
                source,
                file,
            }
        })
        .collect();
    wire::settings(&items, &loaded.file.display().to_string())
}

fn text(loaded: &Loaded, door: &Door) -> String {
    let rows: Vec<[Cell; 3]> = table::ROWS
        .iter()
        .map(|row| {
            let source = match loaded.source(row) {
                Source::Default => Cell::plain("default"),
                Source::File(path) => {
                    Cell { text: escape::line(&path.display().to_string()).into_owned(), paint: Paint::Doubtful }
                }
            };
            [Cell::plain(row.key), Cell::plain(shown(&row.value(&loaded.settings))), source]
        })
        .collect();
    draw(["KEY", "VALUE", "SOURCE"], &rows, door.ui.table_style())
}

/// Words as they are, lists as words: a table is for reading.
fn shown(value: &Value) -> String {
    let text = match value {
        Value::Array(words) => words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        Value::String(word) => word.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    };
    escape::line(&text).into_owned()
}
