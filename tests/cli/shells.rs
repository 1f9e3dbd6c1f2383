//! What shells and manual readers take from us: completions are really completed, pages are really rendered. Where a shell
//! or a formatter is not installed, the test says so and looks at the others.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "files are written, programs are run, and what is not tried is said"
)]

use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::harness::Place;

/// Whether there is such a program, asked with an option that it knows.
fn is_there(program: &str) -> bool {
    let search = std::env::var("PATH").unwrap_or_default();
    let is_there = std::env::split_paths(&search).any(|dir| dir.join(program).is_file());
    if !is_there {
        println!("{program} is not installed: not tried");
    }
    is_there
}

/// What `shell` says to `script`, run where the completions of that shell stand in the file `completions`.
fn ask(shell: &str, script: &str) -> Option<Vec<String>> {
    if !is_there(shell) {
        return None;
    }
    let place = Place::new();
    let printed = place.run(&["completions", shell]);
    assert_eq!(printed.code, 0, "{printed}");
    place.write("completions", &printed.stdout);
    let mut command = Command::new(shell);
    command.args(["-c", script]).current_dir(place.root()).env("HOME", place.home()).stdin(Stdio::null());
    let Output { status, stdout, stderr } = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&stderr);
    assert!(status.success() && stderr.is_empty(), "{shell}: {status} {stderr}");
    let stdout = String::from_utf8_lossy(&stdout).into_owned();
    Some(stdout.lines().map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect())
}

/// The words that bash's own machinery offers for the last of `words`: the function that `complete` has registered is
/// called as readline calls it.
fn by_bash(words: &str) -> Option<Vec<String>> {
    let script = format!(
        "source ./completions; words=({words}); COMP_WORDS=(\"${{words[@]}}\"); COMP_CWORD=$((${{#words[@]}} - 1)); \
         function=$(complete -p minions | sed 's/.*-F \\([^ ]*\\).*/\\1/'); \
         $function minions \"${{words[-1]}}\" \"${{words[-2]}}\"; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    );
    ask("bash", &script)
}

#[test]
fn bash_and_fish_complete_commands_options_and_values() {
    let check = |words: &str, expected: &[&str], without: &str| {
        let fish = ask("fish", &format!("source ./completions; complete -C '{words}'"));
        for (shell, offered) in [("bash", by_bash(words)), ("fish", fish)] {
            let Some(offered) = offered else { continue };
            let is_offered = |word: &str| offered.iter().any(|one| one == word);
            assert!(expected.iter().all(|word| is_offered(word)), "{shell}: {words}: {offered:?}");
            assert!(!is_offered(without), "{shell}: {words}: {offered:?}");
        }
    };
    check("minions managed st", &["stop"], "list");
    check("minions managed l", &["list", "logs"], "stop");
    check("minions managed list --st", &["--status"], "--project");
    check("minions managed list --status r", &["running"], "failed");
    // The script for fish knows no values of what is no option.
    assert!(by_bash("minions managed completions z").is_none_or(|offered| offered == ["zsh"]));
}

#[test]
fn scripts_for_the_other_shells_are_taken_by_them() {
    // Sourced outside of completion, zsh's script registers itself by `compdef`, which a bare zsh lacks.
    ask("zsh", "compdef() { :; }; source ./completions; whence _minions");
    for shell in ["elvish", "powershell", "zsh"] {
        let printed = Place::new().run(&["completions", shell]);
        assert!(printed.code == 0 && printed.stdout.contains("accept"), "{shell}: {printed}");
    }
    let json = Place::new().run(&["completions", "bash", "--format", "json"]).json();
    assert_eq!(json["shell"], "bash");
    assert!(json["script"].as_str().is_some_and(|script| script.contains("_minions()")), "{json}");
    Place::new().run(&["completions", "tcsh"]).expect(64, "invalid value `tcsh`");
}

#[test]
fn every_manual_page_is_rendered_without_a_complaint() {
    let place = Place::new();
    let dir = place.root().join("man1");
    let written = place.run(&["man", "--dir", dir.to_str().unwrap()]);
    assert_eq!(written.code, 0, "{written}");
    let names: Vec<&Path> = written.stdout.lines().map(Path::new).collect();
    assert!(names.contains(&dir.join("minions-managed.1").as_path()), "{written}");
    assert!(names.contains(&dir.join("minions-managed-accept.1").as_path()), "{written}");
    let formatters: [(&str, &[&str]); 3] = [
        ("groff", &["-man", "-ww", "-z"]),
        ("man", &["--warnings", "-l"]),
        // A page without a date is a warning to mandoc; errors are what a reader would stumble over.
        ("mandoc", &["-T", "lint", "-W", "error"]),
    ];
    for (formatter, args) in formatters.into_iter().filter(|(formatter, _)| is_there(formatter)) {
        for page in &names {
            let mut command = Command::new(formatter);
            let Output { status, stderr, .. } = command.args(args).arg(page).env("MANROFFOPT", "-ww").output().unwrap();
            let stderr = String::from_utf8_lossy(&stderr);
            assert!(status.success() && stderr.is_empty(), "{formatter} {}: {stderr}", page.display());
        }
    }
}

#[test]
fn one_page_is_printed_and_a_wrong_name_is_told_the_nearest() {
    let place = Place::new();
    let page = |args: &[&str]| place.run(&[&["man"], args].concat());
    for part in [".TH MINIONS-MANAGED 1", ".SH COMMANDS", "\\fBaccept\\fR", ".SH \"EXIT STATUS\"", "MINIONS_LOG"] {
        assert!(page(&[]).stdout.contains(part), "{part}: {}", page(&[]));
    }
    let list = page(&["list"]);
    for part in [".TH MINIONS-MANAGED-LIST 1", ".SH EXAMPLES", "--status".replace('-', "\\-").as_str()] {
        assert!(list.stdout.contains(part), "{part}: {list}");
    }
    assert!(list.stdout.is_ascii(), "roff reads bytes");
    assert_eq!(page(&["list", "--format", "json"]).json()["name"], "minions-managed-list");
    page(&["lsit"]).expect(64, "`lsit` is no command\n  hint: nearest: minions managed man list");
}
