//! What commands have to say of trouble: on stderr, and where nobody watches in `engine/managed.log` too.

use super::harness::{Place, ran};

#[expect(clippy::disallowed_methods, reason = "the log is read to be compared")]
fn kept(place: &Place) -> String {
    std::fs::read_to_string(place.root().join("engine/managed.log")).unwrap_or_default()
}

#[test]
fn commands_that_nobody_watches_keep_what_they_end_with() {
    let place = Place::new();
    place
        .write("config.json", r#"{"engine": {"managedSpawn": {"maxTtlMinute": "http://u:hunter2@h/?token=hunter2"}}}"#);
    let mut lines = 0;
    for command in [&["sweep"][..], &["reconcile"], &["healthcheck"], &["run"], &["outbox", "drain"]] {
        place.run(command).expect(1, "[config-invalid, exit 1]");
        let text = kept(&place);
        lines += 1;
        assert_eq!(text.lines().count(), lines, "a line per record: {text}");
        let last = text.lines().last().unwrap_or_default();
        let is_whole = last.contains(" UTC minions[")
            && last.contains("] ERROR cli: ")
            && last.ends_with("[config-invalid, exit 1]");
        assert!(is_whole && !text.contains("hunter2"), "{last}");
    }
    for command in [&["list"][..], &["config"], &["outbox", "status"]] {
        place.run(command).expect(1, "[config-invalid, exit 1]");
    }
    assert_eq!(kept(&place).lines().count(), lines, "who types a command sees what it says");
}

#[test]
fn options_and_the_variable_say_how_much_is_told_and_kept() {
    let place = Place::new();
    let check = |args: &[&str], variable: &str, expected: bool| {
        let mut all = vec!["managed", "sweep"];
        all.extend(args);
        let before = kept(&place).len();
        let swept = ran(place.command(&all).env("MINIONS_LOG", variable));
        let told = swept.stderr.contains("] INFO cli: the root is ");
        let kept = kept(&place)[before..].contains("] INFO cli: the root is ");
        assert_eq!((swept.code, told, kept), (0, expected, expected), "{args:?} {variable} {swept}");
    };
    check(&[], "", false);
    check(&[], "info", true);
    check(&["-v"], "", true);
    check(&["-q"], "trace", false);
    check(&["-v"], "off", true);
}

#[test]
fn a_mistyped_root_is_not_founded_by_a_line() {
    let place = Place::new();
    let root = place.root().join("mistyped");
    let root = root.to_str().unwrap_or_default();
    let swept = ran(place.command(&["managed", "sweep", "--dry-run", "--root", root]).env("MINIONS_LOG", "info"));
    assert!(swept.stderr.contains("INFO") && !std::path::Path::new(root).exists(), "{swept}");
}
