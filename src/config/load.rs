//! Reads the settings: `config.json` over the defaults, every wrong value reported at once.
//!
//! Every command does this first, so the good case is one bounded read and one pass over our own keys; nothing is
//! compiled or validated that the file does not set.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::base::error::{Error, Kind, Result};
use crate::base::excerpt::excerpt;
use crate::base::files;
use crate::base::nearest::nearest;

use super::Settings;
use super::sinks;
use super::table::{self, Field, KEY_PATH, Row, WORDS_MAX};
use super::wire;

/// Largest `config.json` that is read, in bytes: other programs' keys share the file, and every command reads it.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Longest part of a value that an error shows, in characters.
const SHOWN_CHARS_MAX: usize = 60;

/// The settings in force.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Their values.
    pub settings: Settings,
    /// The file that was looked at, whether or not it is there.
    pub file: PathBuf,
    /// The keys whose values come from that file; all others are defaults.
    pub from_file: BTreeSet<&'static str>,
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source<'a> {
    /// Built in.
    Default,
    /// This file.
    File(&'a Path),
}

impl Loaded {
    /// Where the value of `row` comes from.
    pub fn source(&self, row: &Row) -> Source<'_> {
        if self.from_file.contains(row.key) { Source::File(&self.file) } else { Source::Default }
    }
}

/// Reads the settings from `file`; defaults where there is no such file. The error (code `config-unreadable` or
/// `config-invalid`, exit 1) names every wrong key.
pub fn load(file: &Path) -> Result<Loaded> {
    let bytes = match files::read_bounded(file, FILE_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Loaded { settings: Settings::default(), file: file.to_owned(), from_file: BTreeSet::new() });
        }
        Err(error) => return Err(unreadable(file, &error.to_string())),
    };
    from_bytes(file, &bytes)
}

/// Reads the settings out of the bytes of `file`, as [`load`] does; the file itself is not looked at.
pub fn from_bytes(file: &Path, bytes: &[u8]) -> Result<Loaded> {
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(unreadable(file, &format!("it is larger than {FILE_BYTES_MAX} bytes")));
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return Err(unreadable(file, "it is no UTF-8 text")) };
    let ours = wire::our_part(text).map_err(|why| unreadable(file, &why))?;
    let (settings, from_file) = apply(&ours).map_err(|faults| invalid(file, &faults))?;
    Ok(Loaded { settings, file: file.to_owned(), from_file })
}

/// Lays `ours` over the defaults. The error holds one clause per wrong key.
fn apply(ours: &Map<String, Value>) -> std::result::Result<(Settings, BTreeSet<&'static str>), Vec<String>> {
    let mut settings = Settings::default();
    let mut from_file = BTreeSet::new();
    let mut faults = Vec::new();
    for (key, value) in ours {
        match table::find(key) {
            None => faults.push(unknown(key)),
            Some(row) => match set(row, &mut settings, value) {
                Ok(()) => {
                    from_file.insert(row.key);
                }
                Err(more) => faults.extend(more),
            },
        }
    }
    if settings.default_ttl_minutes > settings.max_ttl_minutes {
        if from_file.contains("defaultTtlMinutes") {
            faults.push(format!(
                "`defaultTtlMinutes` is {}, which is above `maxTtlMinutes`, {}",
                settings.default_ttl_minutes, settings.max_ttl_minutes
            ));
        }
        settings.default_ttl_minutes = settings.max_ttl_minutes;
    }
    if faults.is_empty() { Ok((settings, from_file)) } else { Err(faults) }
}

/// Stores `value` in the field of `row`; the error is a clause for each fault: the key, what it is and what is asked.
fn set(row: &Row, settings: &mut Settings, value: &Value) -> std::result::Result<(), Vec<String>> {
    let wrong = || vec![format!("`{}` is {}, but must be {}", row.key, shown(value), row.asked())];
    match &row.field {
        Field::Flag(at) => *at(settings) = value.as_bool().ok_or_else(wrong)?,
        Field::Count { at, min, max } => {
            *at(settings) = whole(value).filter(|count| (min..=max).contains(&count)).ok_or_else(wrong)?;
        }
        Field::Number { at, min, max } => {
            *at(settings) = value.as_f64().filter(|number| (min..=max).contains(&number)).ok_or_else(wrong)?;
        }
        Field::Words(at) => *at(settings) = words(value).ok_or_else(wrong)?,
        Field::Patterns(at) => {
            let patterns = words(value).ok_or_else(wrong)?;
            if let Some((pattern, why)) = patterns.iter().find_map(|p| Some((p, pattern_fault(p)?))) {
                let (key, pattern) = (row.key, excerpt(pattern, SHOWN_CHARS_MAX));
                let why = excerpt(&why, 200);
                return Err(vec![format!("`{key}` holds `{pattern}`, which is no regular expression: {why}")]);
            }
            *at(settings) = patterns;
        }
        Field::Choice(choice) => {
            let known = value.as_str().is_some_and(|word| (choice.set)(settings, word));
            known.then_some(()).ok_or_else(wrong)?;
        }
        Field::Outbox => settings.outbox = sinks::read(value)?,
    }
    Ok(())
}

/// A whole number, also one that is written with a fraction of nothing, as the schema takes it: `5.0`.
fn whole(value: &Value) -> Option<u64> {
    let number = || value.as_f64().filter(|number| number.fract() == 0.0);
    // Minus nothing is nothing. A whole double prints as an integer.
    value.as_u64().or_else(|| (number()? + 0.0).to_string().parse().ok())
}

/// The strings of a list; `None` if it is no list, too long, or holds anything but non-empty strings.
fn words(value: &Value) -> Option<Vec<String>> {
    let list = value.as_array().filter(|list| list.len() <= WORDS_MAX)?;
    list.iter().map(|word| word.as_str().filter(|word| !word.is_empty()).map(str::to_owned)).collect()
}

/// Why `pattern` does not compile, on one line; `None` if it does.
fn pattern_fault(pattern: &str) -> Option<String> {
    let fault = regex::RegexBuilder::new(pattern).case_insensitive(true).build().err()?;
    let text = fault.to_string();
    // The regex crate draws the pattern with a caret; the reason is its last line.
    Some(text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned())
}

/// A value as an error shows it: short, on one line, harmless.
fn shown(value: &Value) -> String {
    excerpt(&value.to_string(), SHOWN_CHARS_MAX)
}

fn unknown(key: &str) -> String {
    let key_shown: String = key.escape_debug().take(80).collect();
    match nearest(key, table::ROWS.iter().map(|row| row.key)) {
        Some(known) => format!("`{key_shown}` is no setting (nearest: `{known}`)"),
        None => format!("`{key_shown}` is no setting"),
    }
}

fn unreadable(file: &Path, why: &str) -> Error {
    Error::new(
        Kind::Unforeseen,
        "config-unreadable",
        format!("cannot read the settings in `{}`: {why}", file.display()),
    )
    .with_hint("mend or move the file; without it every setting has its default")
}

fn invalid(file: &Path, faults: &[String]) -> Error {
    let path = KEY_PATH.join(".");
    let count =
        if faults.len() == 1 { "a wrong setting".to_owned() } else { format!("{} wrong settings", faults.len()) };
    let list = faults.join("; ");
    Error::new(Kind::Unforeseen, "config-invalid", format!("`{}` has {count} under `{path}`: {list}", file.display()))
        .with_hint("every setting with its type and default: minions managed config")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(json: &str) -> std::result::Result<(Settings, BTreeSet<&'static str>), Vec<String>> {
        apply(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn every_default_written_out_is_taken_and_changes_nothing() {
        let defaults = Settings::default();
        let all: Map<String, Value> =
            table::ROWS.iter().map(|row| (row.key.to_owned(), row.value(&defaults))).collect();
        let (settings, from_file) = apply(&all).unwrap();
        assert_eq!(settings, defaults);
        assert_eq!(from_file.len(), table::ROWS.len());
    }

    #[test]
    fn values_in_errors_are_one_short_harmless_line() {
        let bytes = include_bytes!("../../fixtures/settings/invisible-characters.json");
        let message = from_bytes(Path::new("config.json"), bytes).expect_err("faulty").message;
        for part in ["`enabled` is \"\\u{7f}\\u{9b}31m\"", "holds `a\\n(`", "http://[redacted]@h/"] {
            assert!(message.contains(part), "{message}");
        }
        assert!(!message.contains(char::is_control), "{message:?}");
        let long = format!("{{\"envKeyDenyPatterns\": [\"({}\"]}}", "x".repeat(9000));
        let fault = &applied(&long).expect_err("faulty")[0];
        assert!(fault.contains("x…`") && fault.len() < 400, "{fault}");
    }

    #[test]
    fn a_key_that_means_something_to_the_parser_means_nothing_here() {
        let bytes = include_bytes!("../../fixtures/settings/key-of-a-parser.json");
        let error = from_bytes(Path::new("config.json"), bytes).expect_err("an object is no number");
        assert!(error.message.contains("`maxTtlMinutes` is {"), "{}", error.message);
    }

    #[test]
    fn a_whole_number_may_have_a_fraction_of_nothing() {
        let bytes = include_bytes!("../../fixtures/settings/whole-number.json");
        assert_eq!(from_bytes(Path::new("config.json"), bytes).unwrap().settings.git_worktree_max_parent_depth, 5);
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(whole(&serde_json::from_str(text).unwrap()), expected, "{text}");
        };
        for (text, number) in [("5", 5), ("5.0", 5), ("1e3", 1000), ("-0", 0), ("-0.0", 0)] {
            check(text, Some(number));
        }
        for text in ["5.5", "-1", "-1.0", "1e300", "\"5\"", "null"] {
            check(text, None);
        }
    }

    #[test]
    fn every_key_refuses_every_value_of_another_type() {
        let values = ["null", "true", "-1", "0.05", "1e300", "\"\"", "\"x\"", "[1]", "[\"\"]", "{}"];
        for row in table::ROWS {
            for value in values {
                let fits = match &row.field {
                    Field::Flag(_) => value == "true",
                    Field::Number { min, .. } => value == "0.05" && *min == 0.0,
                    Field::Outbox => value == "{}",
                    Field::Count { .. } | Field::Words(_) | Field::Patterns(_) | Field::Choice(_) => false,
                };
                let result = applied(&format!("{{\"{}\": {value}}}", row.key));
                assert_eq!(result.is_ok(), fits, "{} = {value}", row.key);
                if let Err(faults) = result {
                    assert_eq!(
                        faults,
                        [format!("`{}` is {}, but must be {}", row.key, shown(&value.parse().unwrap()), row.asked())]
                    );
                }
            }
        }
    }

    #[test]
    fn ranges_hold_at_both_ends() {
        for row in table::ROWS {
            let (inside, outside) = match &row.field {
                Field::Count { min, max, .. } => (
                    vec![min.to_string(), max.to_string()],
                    vec![min.wrapping_sub(1).to_string(), (max + 1).to_string()],
                ),
                Field::Number { min, max, .. } => {
                    (vec![min.to_string(), max.to_string()], vec![(min - 0.01).to_string(), (max + 0.01).to_string()])
                }
                Field::Flag(_) | Field::Words(_) | Field::Patterns(_) | Field::Choice(_) | Field::Outbox => continue,
            };
            // A default may not be above the maximum that stands in the same file.
            let beside = if row.key == "defaultTtlMinutes" { ", \"maxTtlMinutes\": 525600" } else { "" };
            let check = |value: &String| applied(&format!("{{\"{}\": {value}{beside}}}", row.key)).is_ok();
            assert!(inside.iter().all(check), "{} takes {inside:?}", row.key);
            assert!(!outside.iter().any(check), "{} refuses {outside:?}", row.key);
        }
    }

    #[test]
    fn all_faults_are_named_at_once_with_the_nearest_known_key() {
        let faults = applied(r#"{"maxTtlMinute": 5, "enabled": "yes", "zzz": 1}"#).unwrap_err();
        assert_eq!(
            faults,
            [
                "`maxTtlMinute` is no setting (nearest: `maxTtlMinutes`)",
                "`enabled` is \"yes\", but must be true or false",
                "`zzz` is no setting",
            ]
        );
    }

    #[test]
    fn a_pattern_that_does_not_compile_is_named_with_the_reason() {
        let faults = applied(r#"{"envKeyDenyPatterns": ["_OK", "(_X"]}"#).unwrap_err();
        assert_eq!(faults, ["`envKeyDenyPatterns` holds `(_X`, which is no regular expression: unclosed group"]);
    }

    #[test]
    fn the_default_time_to_live_keeps_below_a_lower_maximum() {
        let (settings, from_file) = applied(r#"{"maxTtlMinutes": 60}"#).unwrap();
        assert_eq!((settings.default_ttl_minutes, from_file.len()), (60, 1));
        assert!(applied(r#"{"maxTtlMinutes": 60, "defaultTtlMinutes": 61}"#).is_err());
    }

    #[test]
    fn default_deny_patterns_compile() {
        for pattern in Settings::default().env_key_deny_patterns {
            assert_eq!(pattern_fault(&pattern), None, "{pattern}");
        }
    }

    #[test]
    fn other_programs_keys_are_skipped_and_broken_files_are_one_sentence() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config.json");
        let check = |bytes: &[u8], expected: Option<&str>| {
            files::write_atomic(&file, bytes, files::Durability::Cached).unwrap();
            match (load(&file), expected) {
                (Ok(_), None) => {}
                (Err(error), Some(part)) => {
                    assert!(error.message.contains(part) && !error.message.contains('\n'), "{}", error.message);
                }
                (loaded, _) => panic!("{:?} gave {loaded:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(40)])),
            }
        };
        assert_eq!(load(&dir.path().join("none.json")).unwrap().settings, Settings::default());
        check(br#"{"other": [1, {"enabled": 5}], "engine": {"x": 1, "managedSpawn": {"enabled": false}}}"#, None);
        check(br#"{"engine": null}"#, None);
        check(br#"{"engine": {"managedSpawn": null}}"#, None);
        check(b"{}", None);
        check(b"", Some("the file is no valid JSON"));
        check(b"[]", Some("the file is no JSON object"));
        check(br#"{"engine": {"managedSpawn": {"enab"#, Some("the file is no valid JSON"));
        check(br#"{"engine": 5}"#, Some("`engine` is no JSON object"));
        check(br#"{"engine": {"managedSpawn": []}}"#, Some("`engine.managedSpawn` is no JSON object"));
        check(b"{\"a\": \"\xff\"}", Some("no UTF-8"));
        check(&vec![b' '; usize::try_from(FILE_BYTES_MAX).unwrap() + 1], Some("larger than"));
        assert!(load(dir.path()).unwrap_err().message.contains("Is a directory"));
    }
}
