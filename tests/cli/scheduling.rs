//! The files of contrib/ have the form that cron, systemd and launchd ask for, call commands that exist with options that they
//! take, and stand in docs/scheduling.md as they are. That they work is tried by contrib/try-scheduling.sh.

#![expect(clippy::disallowed_methods, reason = "committed files are read")]

use minions_managed::cli::reference;

use super::harness::project;

fn read(path: &str) -> String {
    std::fs::read_to_string(project().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The lines of a file that are no comments.
fn effective(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.starts_with('#')).collect()
}

/// Fails unless the words are a command line of ours once the program's path is taken for the program.
fn check_words(words: &[&str]) {
    assert!(words[0].ends_with("/.local/bin/minions"), "the whole path of the program: {words:?}");
    let line = [&["minions"], &words[1..]].concat();
    reference::check_line(&line).unwrap_or_else(|error| panic!("{words:?}: {error}"));
}

/// Fails unless both commands are called, and nothing else.
fn check_commands(mut commands: Vec<&str>) {
    commands.sort_unstable();
    assert_eq!(commands, ["reconcile", "sweep"]);
}

/// What follows when a line of a crontab (crontab(5)) is due: the rest of the line, for a shell.
fn crontab_command(line: &str) -> &str {
    let fields = if line.starts_with('@') { 1 } else { 5 };
    let (schedule, command) = line.match_indices(' ').nth(fields - 1).map_or(("", ""), |(at, _)| line.split_at(at));
    assert!(["* * * * *", "@reboot"].contains(&schedule), "{line}");
    command.trim()
}

#[test]
fn the_crontab_calls_what_there_is_and_throws_away_nothing_but_data() {
    let text = read("contrib/cron/minions.crontab");
    assert!(text.ends_with('\n'), "cron ignores a last line without an end");
    let lines = effective(&text);
    let mut commands = Vec::new();
    for line in &lines {
        let command = crontab_command(line);
        assert!(!command.contains('%'), "cron takes a percent sign for a line end: {command}");
        let words: Vec<&str> = command.strip_suffix(" >/dev/null").expect("no data").split_whitespace().collect();
        check_words(&words);
        commands.push(words[2]);
    }
    check_commands(commands);
    let docs = read("docs/scheduling.md");
    assert!(docs.contains(&format!("```text\n{}\n```", lines.join("\n"))), "docs/scheduling.md has other lines");
}

/// The value of a key in a section of a unit file (systemd.syntax(7)); `None` unless it is there once.
fn unit_value<'a>(unit: &'a str, section: &str, key: &str) -> Option<&'a str> {
    let start = format!("[{section}]");
    let lines = unit.lines().skip_while(|line| *line != start).skip(1).take_while(|line| !line.starts_with('['));
    let mut values = lines.filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    values.next().filter(|_| values.next().is_none())
}

#[test]
fn the_units_call_what_there_is_and_leave_services_alive() {
    let mut commands = Vec::new();
    let docs = read("docs/scheduling.md");
    for name in ["sweep", "reconcile"] {
        let text = read(&format!("contrib/systemd/minions-{name}.service"));
        let value = |key| unit_value(&text, "Service", key).unwrap_or_else(|| panic!("{name}: no {key}"));
        assert_eq!((value("Type"), value("KillMode"), value("StandardOutput")), ("oneshot", "process", "null"));
        let words: Vec<&str> = value("ExecStart").split_whitespace().collect();
        assert!(words[0].starts_with("%h/"), "systemd takes whole paths: {words:?}");
        check_words(&words);
        commands.push(if words[2] == name { name } else { "another" });
        assert!(docs.contains(&effective(&text).join("\n")), "docs/scheduling.md has another minions-{name}.service");
    }
    check_commands(commands);
    let timer = read("contrib/systemd/minions-sweep.timer");
    assert_eq!(unit_value(&timer, "Timer", "OnCalendar"), Some("minutely"));
    assert_eq!(unit_value(&timer, "Install", "WantedBy"), Some("timers.target"));
    assert!(docs.contains(&effective(&timer).join("\n")), "docs/scheduling.md has another timer");
    let at_login = read("contrib/systemd/minions-reconcile.service");
    assert_eq!(unit_value(&at_login, "Install", "WantedBy"), Some("default.target"));
}

#[test]
fn the_unit_of_the_loop_calls_it_and_leaves_services_alive() {
    let text = read("contrib/systemd/minions-run.service");
    let value = |section, key| unit_value(&text, section, key).unwrap_or_else(|| panic!("no {key}"));
    let words: Vec<&str> = value("Service", "ExecStart").split_whitespace().collect();
    check_words(&words);
    assert_eq!(words[2], "run");
    assert_eq!((value("Service", "KillMode"), value("Service", "Restart")), ("process", "on-failure"));
    assert_eq!(value("Service", "RestartPreventExitStatus"), "7 64", "the lease is held, the command line is wrong");
    assert_eq!(value("Install", "WantedBy"), "default.target");
    let docs = read("docs/scheduling.md");
    assert!(docs.contains(&effective(&text).join("\n")), "docs/scheduling.md has another minions-run.service");
}

/// The elements of a property list (plist(5)) in order, each name with its text; fails unless they are well nested.
fn elements(plist: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open: Vec<String> = Vec::new();
    for part in plist.split('<').skip(1) {
        let (tag, text) = part.split_once('>').expect("a tag has an end");
        if tag.starts_with(['?', '!']) {
            continue;
        }
        if let Some(closed) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(closed), "well nested");
            continue;
        }
        let name = tag.trim_end_matches('/').split(' ').next().expect("a tag has a name").to_owned();
        if !tag.ends_with('/') {
            open.push(name.clone());
        }
        found.push((name, text.trim().to_owned()));
    }
    assert!(open.is_empty(), "every tag is closed: {open:?}");
    found
}

/// The texts of the elements that follow the key, up to the next one.
fn plist_values(elements: &[(String, String)], key: &str) -> Vec<(String, String)> {
    let is_key = |element: &&(String, String)| element.0 == "key";
    let after = elements.iter().skip_while(|one| !(is_key(one) && one.1 == key)).skip(1);
    after.take_while(|one| !is_key(one)).cloned().collect()
}

#[test]
fn the_property_lists_are_well_formed_and_call_what_there_is() {
    // Of launchd.plist(5), those that we use.
    let keys = [
        "Label",
        "ProgramArguments",
        "RunAtLoad",
        "StartInterval",
        "KeepAlive",
        "SuccessfulExit",
        "ThrottleInterval",
        "AbandonProcessGroup",
        "StandardOutPath",
        "StandardErrorPath",
    ];
    let mut commands = Vec::new();
    for name in ["sweep", "reconcile", "run"] {
        let text = read(&format!("contrib/launchd/local.minions.{name}.plist"));
        let elements = elements(&text);
        let strings = |key| plist_values(&elements, key).into_iter().map(|(_, text)| text).collect::<Vec<_>>();
        let named: Vec<&str> = elements.iter().filter(|one| one.0 == "key").map(|one| one.1.as_str()).collect();
        assert!(named.iter().all(|key| keys.contains(key)), "{named:?}");
        assert_eq!(strings("Label"), [format!("local.minions.{name}")], "the label is the file's name");
        assert_eq!(strings("StartInterval"), if name == "sweep" { vec!["60"] } else { Vec::new() });
        for flag in ["RunAtLoad", "AbandonProcessGroup"] {
            assert_eq!(plist_values(&elements, flag)[0].0, "true", "{flag}");
        }
        let words: Vec<String> = strings("ProgramArguments").into_iter().filter(|word| !word.is_empty()).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        check_words(&words);
        assert_eq!(words[2], name);
        // The loop stands in for both.
        commands.extend((name != "run").then_some(name));
        let kept = plist_values(&elements, "SuccessfulExit").first().map(|one| one.0.clone());
        assert_eq!(kept.as_deref(), (name == "run").then_some("false"), "started anew unless it was told to end");
        let paths = [strings("StandardErrorPath"), vec![words[0].to_owned()]].concat();
        assert!(paths.iter().all(|path| path.starts_with("/Users/YOU/")), "launchd expands nothing: {paths:?}");
    }
    check_commands(commands);
}

#[test]
fn the_checks_of_form_find_what_is_wrong() {
    assert!(reference::check_line(&["minions", "managed", "swep", "--quiet"]).is_err());
    assert!(reference::check_line(&["minions", "managed", "sweep", "--quite"]).is_err());
    assert_eq!(unit_value("[Service]\nA=1\n[Install]\nB=2\n", "Service", "B"), None);
    assert_eq!(unit_value("[Service]\nA=1\nA=2\n", "Service", "A"), None);
    assert!(std::panic::catch_unwind(|| elements("<plist><dict></plist>")).is_err());
    assert!(std::panic::catch_unwind(|| crontab_command("*/5 * * * * x")).is_err());
}

#[test]
fn every_command_that_the_page_shows_is_one() {
    for line in read("docs/scheduling.md").lines().filter_map(|line| line.strip_prefix("$ minions ")) {
        let words: Vec<&str> = line.split(" #").next().unwrap_or_default().split_whitespace().collect();
        let line = [&["minions"], &words[..]].concat();
        reference::check_line(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"));
    }
}
