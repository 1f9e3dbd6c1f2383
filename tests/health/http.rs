//! One http probe.

use std::time::{Duration, Instant};

use minions_managed::config::{HealthcheckHosts, Settings};
use minions_managed::health::{Attempt, Cut, probe_once};
use minions_managed::service::Healthcheck;

use crate::ports::free_port;
use crate::support::{Naughty, fails_with, http, probe, target};

fn passes(check: &Healthcheck) {
    let attempt = probe(check);
    assert!(matches!(attempt, Attempt::Passed(_)), "{attempt:?}");
}

#[test]
fn the_status_decides_and_nothing_else() {
    for status in ["200", "204", "404", "500", "599"] {
        let server = Naughty::start("http", &[status]);
        let wanted: u16 = status.parse().expect("a status");
        passes(&http(server.url(), wanted));
        fails_with(&http(server.url(), 201), &format!("status {status}, expected 201"));
    }
}

#[test]
fn localhost_is_found_on_either_family() {
    for host in ["127.0.0.1", "::1", "0.0.0.0", "::"] {
        let server = Naughty::start_on(host, "http", &[]);
        passes(&http(format!("http://localhost:{}/", server.address.port()), 200));
    }
}

#[test]
fn a_redirect_is_an_answer_and_is_not_followed() {
    let aim = Naughty::start("http", &["200"]);
    let server = Naughty::start("redirect", &[&aim.url()]);
    fails_with(&http(server.url(), 200), "status 302, expected 200");
    passes(&http(server.url(), 302));
}

#[test]
fn bodies_that_stall_or_never_end_do_not_hold_up_a_pass() {
    for mode in ["slow-body", "huge-body"] {
        let server = Naughty::start(mode, &[]);
        let began = Instant::now();
        passes(&http(server.url(), 200));
        assert!(began.elapsed() < Duration::from_secs(3), "{mode}: {:?}", began.elapsed());
    }
}

#[test]
fn what_is_no_answer_is_named() {
    let check = |mode: &str, part: &str| {
        let server = Naughty::start(mode, &[]);
        fails_with(&Healthcheck { timeout_s: 0.5, ..http(server.url(), 200) }, part);
    };
    check("hang", "did not answer within 500.0ms");
    check("slow-head", "did not answer within 500.0ms");
    check("hang-up", "closed the connection without an answer");
    check("garbage", "did not answer in HTTP");
    check("endless-head", "did not answer in HTTP: protocol: http parse resulted in too many headers");
}

#[test]
#[cfg(target_os = "linux")]
fn a_server_that_takes_no_connection_is_given_up_in_time() {
    use rustix::net::{AddressFamily, SocketType, bind, getsockname, listen, socket};
    // A listener that never accepts: once its queue is full, Linux drops who wants to connect.
    let full = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    bind(&full, &std::net::SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port");
    listen(&full, 0).expect("it listens");
    let address = std::net::SocketAddr::try_from(getsockname(&full).expect("an address")).expect("an address");
    let mut queue = Vec::new();
    while let Ok(stream) = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        queue.push(stream);
    }
    let began = Instant::now();
    fails_with(
        &Healthcheck { timeout_s: 0.5, ..http(format!("http://{address}/"), 200) },
        "no connection to 127.0.0.1",
    );
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

#[test]
fn nobody_listening_is_told_apart() {
    let port = free_port();
    let attempt = probe(&http(format!("http://localhost:{port}/"), 200));
    let Attempt::Refused(failure) = attempt else { panic!("{attempt:?}") };
    assert!(failure.sentence().starts_with(&format!("connection refused at 127.0.0.1:{port}")), "{failure}");
}

#[test]
fn what_can_never_pass_is_hopeless() {
    let check = |url: &str, hosts, part: &str| {
        let settings = Settings { healthcheck_hosts: hosts, ..Settings::default() };
        let attempt = probe_once(&http(url, 200), &target(), &settings, Cut::default());
        let Attempt::Hopeless(failure) = attempt else { panic!("{url}: {attempt:?}") };
        assert!(failure.sentence().contains(part), "{failure}");
    };
    check("https://localhost:1/", HealthcheckHosts::Any, "https probes are not supported");
    check("http://192.0.2.1/", HealthcheckHosts::Loopback, "healthcheck-url-not-loopback");
    check("nonsense", HealthcheckHosts::Any, "is no http address");
}

#[test]
fn proxy_variables_do_not_divert_a_probe() {
    // The environment of a process cannot be changed safely once it has threads, so this test runs itself again.
    const INNER: &str = "HEALTH_TEST_URL";
    if let Ok(url) = std::env::var(INNER) {
        return passes(&http(url, 200));
    }
    let server = Naughty::start("http", &[]);
    let proxy = Naughty::start("http", &["500"]);
    let mut again = std::process::Command::new(std::env::current_exe().expect("our own path"));
    again.args(["http::proxy_variables_do_not_divert_a_probe", "--exact", "--nocapture"]).env(INNER, server.url());
    for variable in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"] {
        again.env(variable, format!("http://{}", proxy.address));
    }
    let output = again.output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}
