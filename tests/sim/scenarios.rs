//! Stories as files: `tests/sim/scenarios/*.txt`. A line that begins with `> ` is an act (`script.rs`), what follows it is what was to
//! be seen; blank lines, and lines that begin with `# `, are for the reader. `UPDATE=1` writes what is seen anew.

use std::path::{Path, PathBuf};

use crate::script::Act;
use crate::sim::Manner;
use crate::stage::Stage;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sim/scenarios")
}

/// The story of `text` as it is played now.
fn played(name: &str, text: &str) -> String {
    let mut stage = Stage::new(1, Manner::InOrder);
    let mut shown = String::new();
    for line in text.lines() {
        if line.is_empty() || line.starts_with("# ") {
            shown.extend([line, "\n"]);
        }
        let Some(act) = line.strip_prefix("> ") else { continue };
        let act = Act::parse(act).unwrap_or_else(|why| panic!("{name}: {why}"));
        shown.extend([line, "\n", &indented(&stage.perform(&act))]);
        assert!(stage.complaints.is_empty(), "{name}: after `{line}`: {:#?}\n\n{shown}", stage.complaints);
    }
    shown
}

/// So that nothing that is printed looks like an act, a remark or a blank line.
fn indented(text: &str) -> String {
    text.lines().map(|line| if line.is_empty() { "    .\n".to_owned() } else { format!("    {line}\n") }).collect()
}

#[test]
fn every_story_goes_as_it_is_told() {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "txt"))
        .collect();
    files.sort();
    assert!(files.len() >= 12, "the scenarios are there");
    let is_update = std::env::var_os("UPDATE").is_some();
    let mut others = Vec::new();
    for path in &files {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let told = std::fs::read_to_string(path).unwrap();
        let played = played(&name, &told);
        if told != played && is_update {
            std::fs::write(path, &played).unwrap();
        } else if told != played {
            others.push(format!("{name} goes otherwise:\n{}", difference(&told, &played)));
        }
    }
    let hint = "if that is right: UPDATE=1 cargo test --test sim scenarios";
    assert!(others.is_empty(), "{}\n{hint}", others.join("\n"));
}

/// The lines from the first that differs on, some of each.
fn difference(told: &str, played: &str) -> String {
    let same = told.lines().zip(played.lines()).take_while(|(a, b)| a == b).count();
    let some = |text: &str, sign: &str| -> String {
        text.lines().skip(same).take(12).map(|line| format!("  {sign} {line}\n")).collect()
    };
    let before: String =
        told.lines().take(same).skip(same.saturating_sub(3)).map(|line| format!("    {line}\n")).collect();
    format!("  (line {})\n{before}{}{}", same + 1, some(told, "-"), some(played, "+"))
}
