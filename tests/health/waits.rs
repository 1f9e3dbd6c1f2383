//! The wait for the first pass.

use std::os::fd::AsFd as _;
use std::process::Command;
use std::time::{Duration, Instant};

use minions_managed::config::Settings;
use minions_managed::health::{ExitFd, Wait, WaitOutcome, wait_all, wait_first};
use minions_managed::service::Healthcheck;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::ports::free_port;
use crate::support::{Lives, Naughty, http, naughty, shell, target};

/// Far more than anything here takes on a busy machine; it fails loudly instead of hanging.
const GENEROUS: Duration = Duration::from_secs(8);

fn wait(check: &Healthcheck) -> WaitOutcome {
    let began = Instant::now();
    let outcome = wait_first(check, &target(), &Settings::default(), &Lives);
    assert!(began.elapsed() < GENEROUS, "{check:?} took {:?}", began.elapsed());
    outcome
}

#[test]
fn a_server_that_binds_late_is_seen_soon_after() {
    let port = free_port();
    let check = Healthcheck { interval_s: 60.0, ..http(format!("http://localhost:{port}/"), 200) };
    let _late = Naughty::start_late(port, 150);
    let outcome = wait(&check);
    let WaitOutcome::Healthy { after, .. } = outcome else { panic!("{outcome:?}") };
    assert!(after >= Duration::from_millis(100) && after < Duration::from_secs(5), "{after:?}");
}

#[test]
fn a_server_that_answers_otherwise_is_asked_again_every_interval() {
    let server = Naughty::start("ready-after", &["2"]);
    let outcome = wait(&http(server.url(), 200));
    let WaitOutcome::Healthy { after, .. } = outcome else { panic!("{outcome:?}") };
    assert!(after >= Duration::from_millis(200), "two intervals of 0.1 s: {after:?}");
}

#[test]
fn a_service_that_becomes_ready_within_a_long_interval_is_not_missed() {
    let server = Naughty::start("ready-after", &["1"]);
    let check = Healthcheck { interval_s: 60.0, timeout_s: 0.5, ..http(server.url(), 200) };
    assert!(matches!(wait(&check), WaitOutcome::Healthy { .. }));
}

#[test]
fn what_never_passes_ends_with_the_time_and_the_last_words() {
    let check = |check: Healthcheck, part: &str| {
        let outcome = wait(&Healthcheck { timeout_s: 0.5, ..check });
        let WaitOutcome::TimedOut { after, last } = outcome else { panic!("{outcome:?}") };
        assert!(after >= Duration::from_millis(500), "{after:?}");
        assert!(last.sentence().contains(part), "{last}");
    };
    let hang = Naughty::start("hang", &[]);
    check(http(hang.url(), 200), "did not answer within");
    let broken = Naughty::start("http", &["500"]);
    check(http(broken.url(), 200), "status 500, expected 200");
    check(http(format!("http://127.0.0.1:{}/", free_port()), 200), "connection refused at 127.0.0.1");
    check(shell("exit 7", ""), "exit status 7");
}

#[test]
fn what_can_never_pass_is_not_waited_for() {
    let outcome = wait(&http("https://localhost/", 200));
    assert!(matches!(outcome, WaitOutcome::Hopeless(_)), "{outcome:?}");
}

#[test]
fn the_wait_ends_with_the_service_also_in_the_middle_of_a_probe() {
    let hang = Naughty::start("hang", &[]);
    let nobody = http(format!("http://127.0.0.1:{}/", free_port()), 200);
    for check in [http(hang.url(), 200), nobody, shell("sleep 600", ""), shell("exit 1", "")] {
        let check = Healthcheck { timeout_s: 60.0, interval_s: 60.0, ..check };
        let mut service = Command::new(naughty()).args(["exit", "1", "100"]).spawn().expect("it starts");
        let pidfd = pidfd_open(Pid::from_child(&service), PidfdFlags::empty()).expect("a pidfd");
        let began = Instant::now();
        let outcome = wait_first(&check, &target(), &Settings::default(), &ExitFd(pidfd.as_fd()));
        assert!(matches!(outcome, WaitOutcome::Exited { .. }), "{outcome:?}");
        assert!(began.elapsed() < Duration::from_secs(4), "{check:?} took {:?}", began.elapsed());
        service.wait().expect("our own child");
    }
}

#[test]
fn many_are_waited_for_side_by_side() {
    // Each takes half a second; one after the other they would take 25.
    let check = shell("sleep 0.5; echo ok", "ok");
    let waits = [Wait { check: &check, target: target(), exit: &Lives }; 50];
    let began = Instant::now();
    let outcomes = wait_all(&waits, &Settings::default());
    assert_eq!(outcomes.len(), 50);
    assert!(outcomes.iter().all(|outcome| matches!(outcome, WaitOutcome::Healthy { .. })), "{outcomes:?}");
    assert!(began.elapsed() < GENEROUS, "{:?}", began.elapsed());
}
