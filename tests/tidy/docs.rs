//! Docs that speak of the code: they must speak of all of it.

use super::{File, check};

fn text<'a>(files: &'a [File], path: &str) -> &'a str {
    files.iter().find(|file| file.path == path).map_or("", |file| &file.text)
}

/// The words of the table `commands!` in cli/mod.rs.
fn commands(files: &[File]) -> Vec<String> {
    let table = text(files, "src/cli/mod.rs").split_once("\ncommands! {").map_or("", |(_, rest)| rest);
    let table = table.split("\n}").next().unwrap_or_default();
    table.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The keys of config/table.rs.
fn settings(files: &[File]) -> Vec<String> {
    let table = text(files, "src/config/table.rs");
    let rows = table.split("row(").skip(1);
    rows.filter_map(|row| row.trim_start().strip_prefix('"')?.split('"').next()).map(str::to_owned).collect()
}

fn undocumented(files: &[File]) -> Vec<String> {
    let lacks = |path: &str, heading: &str| !text(files, path).lines().any(|line| line == format!("## `{heading}`"));
    let commands = commands(files).into_iter().filter(|name| lacks("docs/commands.md", name));
    let settings = settings(files).into_iter().filter(|key| lacks("docs/configuration.md", key));
    commands
        .map(|name| format!("docs/commands.md has no section `{name}`"))
        .chain(settings.map(|key| format!("docs/configuration.md has no section `{key}`")))
        .collect()
}

/// What docs/platforms.md says that the tests do not, and the other way round: tests that a row names must be there, and what a
/// test calls weaker must be a row.
fn unshown(files: &[File]) -> Vec<String> {
    let table = text(files, "docs/platforms.md").lines().filter(|line| line.starts_with("| "));
    let rows: Vec<Vec<&str>> = table.map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect()).collect();
    let rust: Vec<&File> = files.iter().filter(|file| file.path.ends_with(".rs")).collect();
    let is_test = |name: &str| rust.iter().any(|file| file.text.contains(&format!("fn {name}()")));
    let mut complaints = Vec::new();
    for row in rows.iter().skip(1) {
        let [what, _, _, tests] = row.as_slice() else {
            complaints.push(format!("docs/platforms.md: `{}` has not four columns", row[0]));
            continue;
        };
        let lost = tests.split('`').skip(1).step_by(2).filter(|name| !is_test(name));
        complaints.extend(lost.map(|name| format!("docs/platforms.md: `{what}` is shown by no test `{name}`")));
    }
    for file in rust.iter().filter(|file| !file.path.starts_with("tests/tidy/")) {
        let asked = file.text.split("weaker(\"").skip(1).filter_map(|rest| rest.split('"').next());
        let unknown = asked.filter(|asked| *asked != "…" && !rows.iter().any(|row| row[0] == *asked));
        complaints.extend(unknown.map(|asked| format!("{}: docs/platforms.md has no row `{asked}`", file.path)));
    }
    complaints
}

/// Folders and files at the top of src/ that ARCHITECTURE.md does not name.
fn unmapped(files: &[File]) -> Vec<String> {
    let mut rooms: Vec<&str> =
        files.iter().filter_map(|file| file.path.strip_prefix("src/")?.split('/').next()).collect();
    rooms.sort_unstable();
    rooms.dedup();
    let map = text(files, "ARCHITECTURE.md");
    let is_named = |room: &str| map.contains(&format!("`{room}`")) || map.contains(&format!("`{room}/`"));
    rooms
        .into_iter()
        .filter(|room| !is_named(room))
        .map(|room| format!("ARCHITECTURE.md does not name `{room}`"))
        .collect()
}

/// Commands that print JSON of which `schema` has nothing: the tour prints none, and a schema describes itself.
fn undescribed(files: &[File]) -> Vec<String> {
    let described: Vec<&str> =
        text(files, "src/cli/schema.rs").lines().filter(|line| line.contains("/// The output of")).collect();
    let is_described = |word: &str| {
        let words = [format!("`{word}`"), format!("`{word} ")];
        described.iter().any(|line| words.iter().any(|word| line.contains(word)))
    };
    let commands = commands(files).into_iter().filter(|word| !["demo", "schema"].contains(&word.as_str()));
    let undescribed = commands.filter(|word| !is_described(word));
    undescribed.map(|word| format!("the output of `{word}` has no schema")).collect()
}

/// Schemas of outputs that no test compares with a real one.
fn unchecked(files: &[File]) -> Vec<String> {
    let table = text(files, "src/view/schemas/mod.rs").split("output(\"").skip(1);
    let words = table.filter_map(|row| row.split('"').next());
    let is_checked = |word: &str| {
        let tests = files.iter().filter(|file| file.path.starts_with("tests/services/"));
        tests.into_iter().any(|file| file.text.contains(&format!("check(\"{word}\", ")))
    };
    let unchecked = words.filter(|word| !is_checked(word));
    unchecked.map(|word| format!("no test compares the schema `{word}` with an output")).collect()
}

#[test]
fn every_output_has_a_schema_that_a_test_compares_with_it() {
    check(undescribed);
    check(unchecked);
    let commands = "\ncommands! {\n    Stop stop \"stop\"\n    Show show \"show\"\n    Demo demo \"demo\"\n}";
    let files = [
        File::new("src/cli/mod.rs", commands),
        File::new("src/cli/schema.rs", "    /// The output of `stop`\n"),
        File::new("src/view/schemas/mod.rs", "output(\"stop\", f),\noutput(\"show\", f),"),
        File::new("tests/services/a.rs", "check(\"show\", &print());"),
    ];
    assert_eq!(undescribed(&files), ["the output of `show` has no schema"]);
    assert_eq!(unchecked(&files), ["no test compares the schema `stop` with an output"]);
}

/// Links between the project's own pages that lead nowhere.
fn broken_links(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with(".md")) {
        let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for target in file.text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = target.split('#').next().unwrap_or_default();
            if path.is_empty() || path.contains("://") {
                continue;
            }
            let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
            for part in path.split('/') {
                match part {
                    ".." => drop(parts.pop()),
                    "." | "" => {}
                    part => parts.push(part),
                }
            }
            let path = parts.join("/");
            let is_there = files.iter().any(|other| other.path == path || other.path.starts_with(&format!("{path}/")));
            if !is_there {
                complaints.push(format!("{}: the link `{target}` leads nowhere", file.path));
            }
        }
    }
    complaints
}

/// Tests that docs/guarantees.md names and that are nowhere: words of at least three parts in backticks, with or without a file.
fn unknown_tests(files: &[File]) -> Vec<String> {
    let is_there = |name: &str| {
        files.iter().any(|file| file.path.starts_with("tests/") && file.text.contains(&format!("fn {name}(")))
    };
    let quoted = text(files, "docs/guarantees.md").split('`').skip(1).step_by(2);
    let names = quoted.filter_map(|word| word.rsplit("::").next()).filter(|word| word.matches('_').count() > 2);
    let unknown = names.filter(|name| !is_there(name));
    unknown.map(|name| format!("docs/guarantees.md names the test `{name}`, which is not there")).collect()
}

#[test]
fn tests_that_show_a_guarantee_are_there() {
    check(unknown_tests);
    let files = [
        File::new("docs/guarantees.md", "`a.rs::one_is_not_two`, `three_is_not_two_either` and `service_name`"),
        File::new("tests/services/a.rs", "fn one_is_not_two() {"),
    ];
    assert_eq!(
        unknown_tests(&files),
        ["docs/guarantees.md names the test `three_is_not_two_either`, which is not there"]
    );
}

#[test]
fn every_command_and_setting_is_documented() {
    check(undocumented);
    let files = [
        File::new(
            "src/cli/mod.rs",
            "\ncommands! {\n    List list \"list\"\n    RemoveProject x \"remove-project\"\n}\n",
        ),
        File::new("src/config/table.rs", "row(\"aKey\", x)\nrow(\n \"bKey\""),
        File::new("docs/commands.md", "## `list`\n"),
        File::new("docs/configuration.md", "## `aKey`\n"),
    ];
    assert_eq!(
        undocumented(&files),
        ["docs/commands.md has no section `remove-project`", "docs/configuration.md has no section `bKey`"]
    );
}

#[test]
fn the_documented_commands_and_settings_are_really_read_from_the_code() {
    check(|files| {
        let is_seen =
            commands(files).contains(&"list".to_owned()) && settings(files).contains(&"stopGraceSec".to_owned());
        if is_seen {
            Vec::new()
        } else {
            vec!["commands and settings are written otherwise than this test reads".into()]
        }
    });
}

#[test]
fn what_is_weaker_elsewhere_is_a_row_with_tests_that_are_there() {
    check(unshown);
    let table =
        "| what | Linux | elsewhere | shown by |\n|---|---|---|---|\n| a | b | c | `t` `lost` |\n| d | e | f |\n";
    let files =
        [File::new("docs/platforms.md", table), File::new("tests/x.rs", "fn t() { weaker(\"a\") || weaker(\"d e\") }")];
    assert_eq!(
        unshown(&files),
        [
            "docs/platforms.md: `a` is shown by no test `lost`",
            "docs/platforms.md: `d` has not four columns",
            "tests/x.rs: docs/platforms.md has no row `d e`",
        ]
    );
}

#[test]
fn the_map_names_every_room() {
    check(unmapped);
    let files = [File::new("src/cellar/mod.rs", ""), File::new("ARCHITECTURE.md", "`base/`")];
    assert_eq!(unmapped(&files), ["ARCHITECTURE.md does not name `cellar`"]);
}

#[test]
fn links_between_pages_lead_somewhere() {
    check(broken_links);
    let files = [File::new("docs/a.md", "[x](../README.md) [y](b.md#c) [z](https://x.y)"), File::new("README.md", "")];
    assert_eq!(broken_links(&files), ["docs/a.md: the link `b.md#c` leads nowhere"]);
}
