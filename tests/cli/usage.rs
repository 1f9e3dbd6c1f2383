//! Command lines, right and wrong.

use super::harness::{Place, ran};

#[test]
fn a_wrong_command_line_is_one_sentence_and_a_hint_and_ends_with_64_never_2() {
    let place = Place::new();
    let check = |line: &str, sentence: &str| {
        let args: Vec<&str> = line.split_whitespace().collect();
        let ran = ran(&mut place.command(&args));
        ran.expect(64, &format!("error: {sentence}"));
        assert!(ran.stdout.is_empty(), "{line}: {ran}");
        let lines: Vec<&str> = ran.stderr.lines().collect();
        assert!(matches!(lines[..], [_, hint, "[usage, exit 64]"] if hint.starts_with("  hint: ")), "{line}: {ran}");
    };
    check("", "a command is missing");
    check("managed", "a command is missing");
    check("frobnicate", "`frobnicate` is no command");
    check("managed lsit", "`lsit` is no command\n  hint: nearest: minions managed list");
    check("lsit", "`lsit` is no command\n  hint: nearest: minions managed list");
    check(
        "managed list --statsu x",
        "unexpected argument `--statsu` found\n  hint: a similar argument exists: `--status`",
    );
    check("managed list --status nice", "invalid value `nice` for `--status <S>` [possible values: queued, starting,");
    check("managed list extra", "unexpected argument `extra` found");
    check("managed stop", "the following required arguments were not provided: <NAME>");
    check("managed accept", "the following required arguments were not provided: <AGENT>");
    check("managed accept ripley --all", "the argument `[AGENT]...` cannot be used with `--all`");
    check("managed logs web -n many", "invalid value `many` for `--lines <N>`");
    check("managed logs web -f --previous", "the argument `--follow` cannot be used with `--previous`");
    check("managed config --format yaml", "invalid value `yaml` for `--format <FORMAT>`");
    check("managed config -qv", "the argument `--quiet` cannot be used with `--verbose...`");
    check("managed config --root", "a value is required for `--root <DIR>` but none was supplied");
}

#[test]
fn a_wrong_command_line_that_asks_for_json_gets_the_error_on_stdout_too() {
    let place = Place::new();
    for args in [["lsit", "--format", "json"], ["lsit", "--format=json", "-v"]] {
        let ran = place.run(&args);
        ran.expect(64, "error: `lsit` is no command");
        let error = &ran.json()["error"];
        assert_eq!(error["code"], "usage");
        assert_eq!(error["message"], "`lsit` is no command");
        assert_eq!(error["hint"], "nearest: minions managed list");
    }
}

#[test]
fn help_and_version_are_data_and_end_with_0() {
    let place = Place::new();
    let check = |line: &str, part: &str| {
        let args: Vec<&str> = line.split_whitespace().collect();
        let ran = ran(&mut place.command(&args));
        assert!(ran.code == 0 && ran.stdout.contains(part) && ran.stderr.is_empty(), "{line}: {ran}");
    };
    let version = format!("minions {}\n", env!("CARGO_PKG_VERSION"));
    for line in ["--version", "-V", "managed --version", "managed list --version"] {
        check(line, &version);
    }
    check("--help", "Usage: minions");
    check("managed --help", "  accept ");
    check("managed help list", "Usage: minions managed list");
}

#[test]
fn colour_is_never_there_for_a_pipe_unless_asked_for() {
    let place = Place::new();
    let painted = |args: &[&str], no_color: Option<&str>| {
        let mut command = place.command(args);
        if let Some(value) = no_color {
            command.env("NO_COLOR", value);
        }
        let ran = ran(&mut command);
        ran.stdout.contains('\x1b') || ran.stderr.contains('\x1b')
    };
    assert!(!painted(&["managed", "show", "nobody"], None));
    assert!(!painted(&["managed", "show", "nobody", "--color", "never"], None));
    assert!(!painted(&["managed", "show", "nobody", "--color", "auto"], Some("1")));
    assert!(painted(&["managed", "show", "nobody", "--color", "always"], Some("1")));
    assert!(!painted(&["managed", "lsit"], Some("1")));
}

#[test]
fn without_a_root_to_be_found_the_command_says_where_to_name_one() {
    let place = Place::new();
    let run = |home: Option<&str>, args: &[&str]| {
        let mut command = place.command(args);
        command.env_remove("HOME").env_remove("MINIONS_DIR").current_dir("/");
        if let Some(home) = home {
            command.env("HOME", home);
        }
        ran(&mut command)
    };
    for home in [None, Some("")] {
        run(home, &["managed", "config"]).expect(64, "no-root");
        assert_eq!(run(home, &["managed", "schema", "config"]).code, 0);
        assert_eq!(run(home, &["managed", "config", "--root", "/nonexistent"]).code, 0);
    }
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let place = Place::new();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = place.command(&["managed", "config"]);
    command.stdout(writer);
    let ran = ran(&mut command);
    assert!(ran.code == 0 && ran.stderr.is_empty(), "{ran}");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a device is opened for writing")]
fn a_full_stdout_is_said_and_ends_with_1() {
    let place = Place::new();
    let mut command = place.command(&["managed", "config"]);
    command.stdout(std::fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has /dev/full"));
    ran(&mut command).expect(1, "error: cannot write to stdout: No space left on device");
}
