//! Whose socket answered.

use minions_managed::config::{ListenerProof, Settings};
use minions_managed::health::{Attempt, Cut, Target, probe_once};
use minions_managed::process::observe_identity;
use minions_managed::service::{Identity, Proof};

use crate::support::{Naughty, http, target};
use crate::weaker::weaker;

fn identity(of: &Naughty) -> Identity {
    observe_identity(of.child.id()).expect("a process table").expect("it lives")
}

/// A service whose process is provably younger than `than`: by at least one clock tick.
fn younger(than: &Identity, start: impl Fn() -> Naughty) -> Naughty {
    (0..1000)
        .map(|_| start())
        .find(|candidate| identity(candidate).start_ticks > than.start_ticks)
        .expect("ten milliseconds pass")
}

fn attempt(url: &str, policy: ListenerProof, target: &Target<'_>) -> Attempt {
    let settings = Settings { listener_proof: policy, ..Settings::default() };
    probe_once(&http(url, 200), target, &settings, Cut::default())
}

/// What `prefer`, `require` and `off` make of the same answer: a proof, or a part of the sentence of the failure.
fn check(url: &str, target: &Target<'_>, expected: [Result<Proof, &str>; 3]) {
    let unproven = [Ok(Proof::Unverified), Err("it is not proven"), Ok(Proof::Unverified)];
    let expected = if weaker("whose socket answered a probe") { unproven } else { expected };
    let policies = [ListenerProof::Prefer, ListenerProof::Require, ListenerProof::Off];
    for (policy, expected) in policies.into_iter().zip(expected) {
        match (attempt(url, policy, target), expected) {
            (Attempt::Passed(got), Ok(wanted)) => assert_eq!(got, wanted, "{policy:?}"),
            (Attempt::Failed(got), Err(part)) => assert!(got.sentence().contains(part), "{policy:?}: {got}"),
            (got, expected) => panic!("{policy:?}: {got:?}, expected {expected:?}"),
        }
    }
}

#[test]
fn the_services_own_listener_is_proof() {
    for host in ["127.0.0.1", "0.0.0.0", "::", "::1"] {
        let service = Naughty::start_on(host, "http", &[]);
        let identity = identity(&service);
        let target = Target { service: Some(&identity), ..target() };
        let url = format!("http://localhost:{}/", service.address.port());
        check(&url, &target, [Ok(Proof::Tree), Ok(Proof::Tree), Ok(Proof::Unverified)]);
    }
}

#[test]
fn a_listener_of_the_services_helper_is_proof() {
    let service = Naughty::start("http-helper", &[]);
    let identity = identity(&service);
    // Found without the process table: strangers do not slow it down.
    let tree = || panic!("nobody had to look at the whole tree");
    let target = Target { service: Some(&identity), tree: &tree, ..target() };
    check(&service.url(), &target, [Ok(Proof::Tree), Ok(Proof::Tree), Ok(Proof::Unverified)]);
}

#[test]
fn a_listener_that_only_the_tree_knows_is_proof() {
    // An orphan: it descends from the service's shim, no longer from the service.
    let service = Naughty::start("hang", &[]);
    let orphan = Naughty::start("http", &[]);
    let identity = identity(&service);
    let tree = || vec![orphan.child.id()];
    let target = Target { service: Some(&identity), tree: &tree, ..target() };
    check(&orphan.url(), &target, [Ok(Proof::Tree), Ok(Proof::Tree), Ok(Proof::Unverified)]);
}

#[test]
fn a_listener_that_is_older_than_the_service_fails_the_probe_and_is_named() {
    let stranger = Naughty::start("http", &[]);
    let service = younger(&identity(&stranger), || Naughty::start("hang", &[]));
    let identity = identity(&service);
    let target = Target { service: Some(&identity), ..target() };
    let named = format!("pid {} `", stranger.child.id());
    check(&stranger.url(), &target, [Err(&named), Err(&named), Ok(Proof::Unverified)]);
    check(
        &stranger.url(),
        &target,
        [Err("older than this service"), Err("another process answers"), Ok(Proof::Unverified)],
    );
}

#[test]
fn an_older_stranger_is_named_with_command_and_folder_on_whichever_address_it_listens() {
    let folder = std::env::current_dir().expect("a folder");
    for (host, asked) in [
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),
        ("0.0.0.0", "localhost"),
        ("::", "127.0.0.1"),
        ("::", "[::1]"),
        ("::1", "[::1]"),
    ] {
        let stranger = Naughty::start_on(host, "http", &[]);
        let service = younger(&identity(&stranger), || Naughty::start("hang", &[]));
        let identity = identity(&service);
        let target = Target { service: Some(&identity), ..target() };
        let url = format!("http://{asked}:{}/", stranger.address.port());
        let named = format!("pid {} `{} http ", stranger.child.id(), crate::support::naughty().display());
        let placed = format!("` in {}, which is older", folder.display());
        check(&url, &target, [Err(&named), Err(&named), Ok(Proof::Unverified)]);
        check(&url, &target, [Err(&placed), Err(&placed), Ok(Proof::Unverified)]);
    }
}

#[test]
fn a_stranger_on_the_nearer_address_fails_the_probe_of_that_address_alone() {
    // It has 127.0.0.1, and the service the IPv6 wildcard of the same port, which answers for all other addresses.
    let stranger = Naughty::start("http", &[]);
    let port = stranger.address.port();
    if Naughty::try_start_on("::", port).is_none() {
        // This kernel takes the IPv6 wildcard for the whole port.
        return;
    }
    let service = younger(&identity(&stranger), || Naughty::try_start_on("::", port).expect("it did a moment ago"));
    let identity = identity(&service);
    let target = Target { service: Some(&identity), ..target() };
    let named = format!("pid {} `", stranger.child.id());
    let on = |host: &str| format!("http://{host}:{port}/");
    check(&on("127.0.0.1"), &target, [Err(&named), Err(&named), Ok(Proof::Unverified)]);
    check(&on("[::1]"), &target, [Ok(Proof::Tree), Ok(Proof::Tree), Ok(Proof::Unverified)]);
}

#[test]
fn workers_of_the_service_that_share_its_port_are_proof_whichever_answers() {
    let service = Naughty::start_sharing(0);
    let workers: Vec<Naughty> = (0..3).map(|_| Naughty::start_sharing(service.address.port())).collect();
    let identity = identity(&service);
    let tree = || workers.iter().map(|worker| worker.child.id()).collect();
    let target = Target { service: Some(&identity), tree: &tree, ..target() };
    for _ in 0..16 {
        check(&service.url(), &target, [Ok(Proof::Tree), Ok(Proof::Tree), Ok(Proof::Unverified)]);
    }
}

#[test]
fn beyond_loopback_any_answer_counts_and_proves_nothing() {
    // The address by which this machine would reach another; nothing is sent.
    let asked = std::net::UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
        socket.connect("192.0.2.1:9")?;
        socket.local_addr()
    });
    let Some(own) = asked.ok().map(|local| local.ip()).filter(|ip| !ip.is_loopback() && !ip.is_unspecified()) else {
        return;
    };
    let stranger = Naughty::start_on("0.0.0.0", "http", &[]);
    let service = younger(&identity(&stranger), || Naughty::start("hang", &[]));
    let identity = identity(&service);
    let target = Target { service: Some(&identity), ..target() };
    let url = format!("http://{own}:{}/", stranger.address.port());
    check(&url, &target, [Ok(Proof::Unverified), Ok(Proof::Unverified), Ok(Proof::Unverified)]);
}

#[test]
fn a_listener_of_another_managed_service_fails_the_probe_and_is_named() {
    let service = Naughty::start("hang", &[]);
    let stranger = Naughty::start("http", &[]);
    let identity = identity(&service);
    let pid = stranger.child.id();
    let other = |asked: u32| (asked == pid).then(|| "db-3fa9".to_owned());
    let target = Target { service: Some(&identity), other: &other, ..target() };
    check(&stranger.url(), &target, [Err("(service `db-3fa9`)"), Err("(service `db-3fa9`)"), Ok(Proof::Unverified)]);
}

#[test]
fn a_younger_stranger_passes_unverified_but_is_no_proof() {
    let service = Naughty::start("hang", &[]);
    let stranger = Naughty::start("http", &[]);
    let identity = identity(&service);
    let target = Target { service: Some(&identity), ..target() };
    check(&stranger.url(), &target, [Ok(Proof::Unverified), Err("it is not proven"), Ok(Proof::Unverified)]);
}

#[test]
fn without_a_known_service_nothing_is_proven() {
    let server = Naughty::start("http", &[]);
    check(&server.url(), &target(), [Ok(Proof::Unverified), Err("it is not proven"), Ok(Proof::Unverified)]);
}

#[test]
fn the_nearer_listener_is_the_one_that_counts() {
    // A stranger holds the IPv6 wildcard, the service 127.0.0.1 on the same port: the service answers.
    let stranger = Naughty::start_on("::", "http", &["500"]);
    let Some(service) = Naughty::try_start_at(stranger.address.port(), "http") else {
        // This kernel takes the IPv6 wildcard for the whole port; then there is nothing nearer.
        return;
    };
    let identity = identity(&service);
    let target = Target { service: Some(&identity), ..target() };
    check(&service.url(), &target, [Ok(Proof::Tree), Ok(Proof::Tree), Ok(Proof::Unverified)]);
}

#[test]
fn of_two_that_share_a_port_the_one_that_answered_is_known() {
    let stranger = Naughty::start_sharing(0);
    let service = younger(&identity(&stranger), || Naughty::start_sharing(stranger.address.port()));
    let identity = identity(&service);
    let target = Target { service: Some(&identity), ..target() };
    if weaker("whose socket answered a probe") {
        return check(
            &stranger.url(),
            &target,
            [Ok(Proof::Unverified), Err("it is not proven"), Ok(Proof::Unverified)],
        );
    }
    let named = format!("pid {} `", stranger.child.id());
    let (mut passed, mut failed) = (0, 0);
    // The kernel deals connections out by a hash of their ports: 64 to one side would be a chance of 1 in 2^63.
    for _ in 0..64 {
        let answer = attempt(&stranger.url(), ListenerProof::Prefer, &target);
        let is_named = matches!(&answer, Attempt::Failed(failure) if failure.sentence().contains(&named));
        assert!(is_named || answer == Attempt::Passed(Proof::Tree), "{answer:?}");
        if is_named {
            failed += 1
        } else {
            passed += 1
        }
        // One of two is a stranger's, so that no single answer is proof enough for `require`.
        let strict = attempt(&stranger.url(), ListenerProof::Require, &target);
        assert!(matches!(&strict, Attempt::Failed(failure) if failure.sentence().contains(&named)), "{strict:?}");
    }
    assert!(passed > 0 && failed > 0, "{passed} passed, {failed} failed");
}
