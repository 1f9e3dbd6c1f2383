//! One command probe.

use std::io::Read as _;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use minions_managed::config::Settings;
use minions_managed::health::{Attempt, Cut, Target, probe_once};
use minions_managed::service::{Healthcheck, Probe};

use crate::support::{fails_with, probe, shell, target};

fn passes(check: &Healthcheck) {
    let attempt = probe(check);
    assert!(matches!(attempt, Attempt::Passed(_)), "{check:?}: {attempt:?}");
}

fn command(cmd: &str, args: Option<&[&str]>, expect_regex: &str) -> Healthcheck {
    let args = args.map(|args| args.iter().map(|&arg| arg.to_owned()).collect());
    let probe = Probe::Command { cmd: cmd.into(), args, shell: false, expect_regex: expect_regex.into() };
    Healthcheck { interval_s: 0.1, timeout_s: 10.0, ..Healthcheck::of(probe) }
}

#[test]
fn the_three_ways_to_write_a_command_are_one_command() {
    passes(&shell("x=1; echo \"a b $x\"", "^a b 1$"));
    passes(&command("echo", Some(&["a  b", "$x"]), r"^a  b \$x$"));
    passes(&command("echo 'a  b' \"$x\"", None, r"^a  b \$x$"));
    passes(&command("true", Some(&[]), ""));
}

#[test]
fn it_passes_by_exit_status_0_and_stdout() {
    passes(&shell("echo ok", "^ok$"));
    passes(&shell("printf 'a\\nok\\n'", "(?m)^ok$"));
    fails_with(&shell("echo ok >&2", "ok"), "stdout `` does not match `ok`");
    fails_with(&shell("echo no", "^ok$"), "stdout `no` does not match `^ok$`");
    fails_with(
        &shell("echo ok; printf 'it is\\033[31m broken\\n' >&2; exit 7", "ok"),
        "exit status 7; stderr: `it is\\u{1b}[31m broken`",
    );
    fails_with(&shell("kill -9 $$", ""), "ended by signal 9");
    fails_with(&shell("echo postgres://u:secret@h/; exit 1", ""), "exit status 1");
    fails_with(&shell("echo postgres://u:secret@h/", "^ok$"), "postgres://[redacted]@h/");
}

#[test]
fn what_cannot_run_is_said_with_the_reason() {
    fails_with(
        &command("no-such-program-here", None, ""),
        "there is no program `no-such-program-here` on the supervisor's PATH",
    );
    fails_with(&command("./none", Some(&[]), ""), "there is no program at `/./none`");
    fails_with(&command("/", Some(&[]), ""), "there is no program at `/`");
    let hopeless = |check: &Healthcheck| assert!(matches!(probe(check), Attempt::Hopeless(_)), "{check:?}");
    hopeless(&command("echo 'open", None, ""));
    hopeless(&command("  ", None, ""));
    hopeless(&command("echo", None, "("));
}

#[test]
fn much_output_neither_blocks_nor_fills_memory() {
    passes(&shell("head -c 8000000 /dev/zero; head -c 3000000 /dev/zero >&2", "^\0+$"));
    // Only the first MiB counts.
    fails_with(&shell("head -c 1048576 /dev/zero; echo ok", "ok"), "does not match");
    passes(&shell("head -c 1048574 /dev/zero; echo ok", "ok"));
}

#[test]
fn it_runs_in_the_services_folder_with_the_services_environment_and_nothing_else() {
    let dir = tempfile::tempdir().expect("a folder");
    let cwd = dir.path().canonicalize().expect("a path");
    let env = [("A".to_owned(), "1 2".to_owned())];
    let target = Target { cwd: cwd.to_str().expect("UTF-8"), env: &env, ..target() };
    let expect = format!("^A=1 2\nPWD={}\n", cwd.display());
    // A shell adds PWD, OLDPWD, SHLVL and _ of its own; the program is found on the supervisor's PATH all the same.
    let check = shell("/usr/bin/env | grep -v -e ^SHLVL= -e ^_= -e ^OLDPWD= | sort", &expect);
    let attempt = probe_once(&check, &target, &Settings::default(), Cut::default());
    assert!(matches!(attempt, Attempt::Passed(_)), "{attempt:?}");
    let attempt = probe_once(&command("cat", None, "^$"), &target, &Settings::default(), Cut::default());
    assert!(matches!(attempt, Attempt::Passed(_)), "stdin is empty: {attempt:?}");
}

#[test]
fn without_a_folder_it_runs_where_a_service_without_one_does() {
    let target = Target { cwd: "", ..target() };
    for check in [command("pwd", Some(&[]), "^/$"), command("./bin/sh", Some(&["-c", "pwd"]), "^/$")] {
        let attempt = probe_once(&check, &target, &Settings::default(), Cut::default());
        assert!(matches!(attempt, Attempt::Passed(_)), "{attempt:?}");
    }
}

#[test]
fn whatever_way_a_probe_ends_its_whole_group_ends() {
    let check = |script: &str, part: Option<&str>| {
        let dir = tempfile::tempdir().expect("a folder");
        let fifo = dir.path().join("life");
        let made = std::process::Command::new("mkfifo").arg(&fifo).status().expect("mkfifo runs");
        assert!(made.success());
        // The shell and its child hold the pipe's writing end until their death; end of file is the proof.
        let script = format!("exec 7>'{}'; sleep 600 & {script}", fifo.display());
        let reader = std::thread::spawn(move || {
            let mut read = Vec::new();
            std::fs::File::open(fifo).expect("a pipe").read_to_end(&mut read).map(|_| ())
        });
        let began = Instant::now();
        let check = Healthcheck { timeout_s: 0.5, ..shell(&script, "ok") };
        match part {
            Some(part) => fails_with(&check, part),
            None => passes(&check),
        }
        reader.join().expect("the reader ends").expect("end of file");
        assert!(began.elapsed() < Duration::from_secs(5), "{script}: {:?}", began.elapsed());
    };
    check("wait", Some("did not end within 500.0ms"));
    check("trap '' TERM INT HUP; wait", Some("did not end within"));
    check("echo ok", None);
    check("exit 3", Some("exit status 3"));
    check("exec >&- 2>&-; wait", Some("did not end within"));
}

#[test]
fn a_probe_inherits_no_descriptor_that_our_caller_left_open() {
    use rustix::io::{FdFlags, fcntl_setfd};
    let dir = tempfile::tempdir().expect("a folder");
    let left_open = UnixListener::bind(dir.path().join("socket")).expect("a socket");
    fcntl_setfd(&left_open, FdFlags::empty()).expect("the mark is taken off");
    // Three, and the one by which `ls` reads the folder.
    passes(&command("ls", Some(&["/proc/self/fd"]), "^0\n1\n2\n3\n$"));
}
