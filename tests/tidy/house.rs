//! How files look: their length, their first line, what they may not hold.

use super::{File, check, finds};

/// Longest Rust file, in lines.
const LINES_MAX: usize = 500;

/// Words that no code may hold, with the files that may all the same, and why not.
const FORBIDDEN: &[(&str, &[&str], &str)] = &[
    ("unsafe ", &["src/process/"], "unsafe code lives in process/"),
    ("::kill_process", &["src/process/signal.rs"], "process/signal is the only sender of signals"),
    ("pidfd_send_signal", &["src/process/signal.rs"], "process/signal is the only sender of signals"),
    ("println!", &[], "cli/ui.rs alone prints, with errors handled"),
    ("print!(", &[], "cli/ui.rs alone prints, with errors handled"),
    ("dbg!(", &[], "left over"),
    // The shim answers its starter on stdout; that is no message to anyone else.
    ("stdout()", &["src/cli/ui.rs", "src/process/spawn.rs"], "cli/ui.rs alone prints"),
    // A shim puts it in the place of its pipes, and writes nothing there.
    ("stderr()", &["src/cli/ui.rs", "src/process/spawn.rs"], "cli/ui.rs alone prints"),
    (
        "process::id()",
        &["src/base/ids.rs", "src/health/ports.rs"],
        "base::ids::own_pid, which a simulated world knows too",
    ),
    (".elapsed()", &["src/base/"], "base::clock::since, which a simulated world knows too"),
    ("todo!(", &[], "unfinished"),
    ("unimplemented!(", &[], "unfinished"),
    ("#[allow(", &[], "`expect` with a reason, which goes when it is no longer needed"),
    (".unwrap()", &[], "handle it, or say with `expect` why it cannot be"),
];

fn forbidden(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| file.is_source()) {
        for (line, code) in file.code() {
            for (word, allowed, why) in FORBIDDEN {
                if code.contains(word) && !allowed.iter().any(|prefix| file.path.starts_with(prefix)) {
                    complaints.push(format!("{}:{line}: `{}`: {why}", file.path, word.trim()));
                }
            }
        }
    }
    complaints
}

/// Where the switch by which tests crash the program may be named at all, and by what.
const CRASH_SWITCH: [&str; 3] = ["kill_self", "mod steps;", "steps::arm("];

/// Code that names the crash switch and is there in ordinary builds too.
fn crash_switch(files: &[File]) -> Vec<String> {
    let is_own = |path: &str| path.ends_with("/steps.rs");
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| file.is_source() && !is_own(&file.path)) {
        let mut before = String::new();
        for (line, code) in file.code() {
            let names = CRASH_SWITCH.iter().any(|word| code.contains(word));
            // The names of the steps are everywhere.
            let is_names = file.path == "src/base/mod.rs";
            if names && !is_names && !before.contains("#[cfg(debug_assertions)]") {
                complaints.push(format!("{}:{line}: the crash switch is for debug builds only", file.path));
            }
            before = code;
        }
    }
    complaints
}

/// Where a simulated world may stand in the system's place in ordinary builds too. `base/steps.rs` and `shim/steps.rs` are in debug
/// builds as a whole.
fn world_switch(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| file.is_source() && !file.path.ends_with("/steps.rs")) {
        let mut before = String::new();
        for (line, code) in file.code() {
            let is_switch = if file.path == "src/base/world.rs" {
                code.starts_with("mod ") || code.starts_with("pub use ")
            } else {
                ["world::here()", "world::enter("].iter().any(|word| code.contains(word))
            };
            if is_switch && !before.contains("#[cfg(debug_assertions)]") {
                complaints.push(format!("{}:{line}: the simulated world is for debug builds only", file.path));
            }
            before = code;
        }
    }
    complaints
}

fn lengths(files: &[File]) -> Vec<String> {
    let rust = files.iter().filter(|file| file.path.ends_with(".rs"));
    rust.filter(|file| file.text.lines().count() > LINES_MAX)
        .map(|file| format!("{}: more than {LINES_MAX} lines", file.path))
        .collect()
}

fn headers(files: &[File]) -> Vec<String> {
    let rust = files.iter().filter(|file| file.path.ends_with(".rs"));
    rust.filter(|file| !file.text.starts_with("//! "))
        .map(|file| format!("{}: no `//!` line first", file.path))
        .collect()
}

/// Files that use what clippy.toml bans, without saying so in their first lines.
fn impure(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| file.is_source()) {
        let bans = file.code().iter().any(|(_, code)| code.contains("clippy::disallowed_methods"));
        let head: String = file.text.lines().take_while(|line| line.starts_with("//!")).collect();
        if bans && !head.contains("Impure: ") {
            complaints.push(format!("{}: uses banned calls and does not open with `Impure: …`", file.path));
        }
    }
    complaints
}

/// What ties the project to one machine or one registry. The words are put together here so that this file holds none.
fn places(files: &[File]) -> Vec<String> {
    let words = [
        ["/wo", "rk/"].concat(),
        ["/ro", "ot/."].concat(),
        ["/tm", "p/bash"].concat(),
        ["arti", "factory"].concat(),
        ["registry.npm", "js"].concat(),
        ["static.crates", ".io"].concat(),
        ["index.crates", ".io"].concat(),
    ];
    let mut complaints = Vec::new();
    for file in files {
        for (at, line) in file.text.lines().enumerate() {
            if let Some(word) = words.iter().find(|word| line.contains(word.as_str())) {
                complaints.push(format!("{}:{}: `{word}` is a place of one machine", file.path, at + 1));
            }
        }
    }
    complaints
}

/// Test files in a folder that no test crate includes would never run.
fn orphans(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files {
        let Some(inner) = file.path.strip_prefix("tests/").and_then(|path| path.strip_suffix(".rs")) else { continue };
        let Some((folder, name)) = inner.rsplit_once('/') else { continue };
        if name == "main" || folder == "bin" {
            continue;
        }
        let roots = [format!("tests/{folder}.rs"), format!("tests/{folder}/main.rs")];
        // What several crates share is included by its path.
        let by_path = format!("#[path = \"../{folder}/{name}.rs\"]");
        let is_line =
            |root: &File, wanted: &str| root.text.lines().any(|line| line.trim_start_matches("pub ").trim() == wanted);
        let is_included = files.iter().any(|root| {
            is_line(root, &by_path) || (roots.contains(&root.path) && is_line(root, &format!("mod {name};")))
        });
        if !is_included {
            complaints.push(format!("{}: no test crate includes it", file.path));
        }
    }
    complaints
}

#[test]
fn code_holds_nothing_that_is_forbidden() {
    check(forbidden);
    finds(forbidden, "src/ops/x.rs", "unsafe { f() }\n", &["src/ops/x.rs:1: `unsafe`: unsafe code lives in process/"]);
    finds(forbidden, "src/process/x.rs", "unsafe { f() }\n", &[]);
    finds(
        forbidden,
        "src/view/x.rs",
        "a\n\neprintln!();\n",
        &["src/view/x.rs:3: `println!`: cli/ui.rs alone prints, with errors handled"],
    );
    finds(forbidden, "src/view/x.rs", "let a = \"println!\"; // dbg!(\n", &[]);
    finds(forbidden, "src/view/x.rs", "#[cfg(test)]\nmod tests { f().unwrap() }\n", &[]);
    finds(
        forbidden,
        "src/view/x.rs",
        "f().unwrap()\n",
        &["src/view/x.rs:1: `.unwrap()`: handle it, or say with `expect` why it cannot be"],
    );
}

#[test]
fn the_crash_switch_is_in_debug_builds_only() {
    check(crash_switch);
    let told = |line| format!("src/cli/x.rs:{line}: the crash switch is for debug builds only");
    finds(crash_switch, "src/cli/x.rs", "a\n    ops::steps::arm(&env);\n", &[told(2).as_str()]);
    finds(crash_switch, "src/cli/x.rs", "#[cfg(debug_assertions)]\nops::steps::arm(&env);\n", &[]);
}

#[test]
fn the_simulated_world_is_in_debug_builds_only() {
    check(world_switch);
    let told = |path, line| format!("{path}:{line}: the simulated world is for debug builds only");
    let switch = "    if let Some(world) = super::world::here() {\n";
    finds(world_switch, "src/base/x.rs", switch, &[told("src/base/x.rs", 1).as_str()]);
    finds(world_switch, "src/base/x.rs", &format!("#[cfg(debug_assertions)]\n{switch}"), &[]);
    let whole = "#[cfg(debug_assertions)]\npub use simulated::here;\nmod simulated {\n";
    finds(world_switch, "src/base/world.rs", whole, &[told("src/base/world.rs", 3).as_str()]);
}

#[test]
fn files_are_short() {
    check(lengths);
    finds(lengths, "src/x.rs", &"a\n".repeat(LINES_MAX), &[]);
    finds(lengths, "tests/x.rs", &"a\n".repeat(LINES_MAX + 1), &["tests/x.rs: more than 500 lines"]);
}

#[test]
fn files_say_first_what_they_are() {
    check(headers);
    finds(headers, "src/x.rs", "use a;\n//! Late.\n", &["src/x.rs: no `//!` line first"]);
}

#[test]
fn files_that_touch_the_world_say_so() {
    check(impure);
    let uses = "#[expect(clippy::disallowed_methods, reason = \"r\")]\nfn f() {}\n";
    finds(
        impure,
        "src/x.rs",
        &format!("//! Reads.\n{uses}"),
        &["src/x.rs: uses banned calls and does not open with `Impure: …`"],
    );
    finds(impure, "src/x.rs", &format!("//! Reads. Impure: opens files.\n{uses}"), &[]);
}

#[test]
fn no_file_names_a_place_of_one_machine() {
    check(places);
    let text = ["see /wo", "rk/x"].concat();
    assert_eq!(places(&[File::new("README.md", &text)]).len(), 1);
}

#[test]
fn every_test_file_is_included() {
    check(orphans);
    finds(orphans, "tests/cli/x.rs", "", &["tests/cli/x.rs: no test crate includes it"]);
    let shared =
        [File::new("tests/a/main.rs", "#[path = \"../common/x.rs\"]\nmod x;\n"), File::new("tests/common/x.rs", "")];
    assert_eq!(orphans(&shared), Vec::<String>::new());
    let both = [File::new("tests/cli.rs", "mod x;\n"), File::new("tests/cli/x.rs", "")];
    assert_eq!(orphans(&both), Vec::<String>::new());
}
