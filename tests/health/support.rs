//! What the tests of this room share: a naughty service that is ended with the test, and a healthcheck in one line.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use minions_managed::config::Settings;
use minions_managed::health::{Attempt, Cut, ExitWatch, Target, probe_once};
use minions_managed::service::{Healthcheck, Probe};
use rustix::process::{Pid, Signal, kill_process_group};

/// A naughty service, ended when dropped.
pub(crate) struct Naughty {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
}

impl Naughty {
    /// Starts it in `mode` on a port that the kernel gives, and waits until it listens.
    pub(crate) fn start(mode: &str, more: &[&str]) -> Self {
        Self::start_on("127.0.0.1", mode, more)
    }

    pub(crate) fn start_on(host: &str, mode: &str, more: &[&str]) -> Self {
        Self::try_start(host, mode, 0, more, false).expect("it listens")
    }

    /// Starts a server that shares its port with others of its kind.
    pub(crate) fn start_sharing(port: u16) -> Self {
        Self::try_start("127.0.0.1", "http", port, &[], true).expect("it listens")
    }

    /// Starts it on 127.0.0.1 at `port`; `None` if the system does not give it the port.
    pub(crate) fn try_start_at(port: u16, mode: &str) -> Option<Self> {
        Self::try_start("127.0.0.1", mode, port, &[], false)
    }

    /// Starts it on `host` at `port`; `None` if the system does not give it that.
    pub(crate) fn try_start_on(host: &str, port: u16) -> Option<Self> {
        Self::try_start(host, "http", port, &[], false)
    }

    /// Starts it on 127.0.0.1 at `port`, to listen only after `delay_ms`; does not wait for that.
    pub(crate) fn start_late(port: u16, delay_ms: u64) -> Self {
        let args = [&port.to_string(), "200", &delay_ms.to_string()];
        let child = Command::new(naughty())
            .arg("http")
            .args(args)
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("the naughty service starts");
        Self { child, address: SocketAddr::from(([127, 0, 0, 1], port)) }
    }

    fn try_start(host: &str, mode: &str, port: u16, more: &[&str], shares: bool) -> Option<Self> {
        let mut command = Command::new(naughty());
        if shares {
            command.env("NAUGHTY_SHARES", "1");
        }
        let mut child = command
            .args([mode, &port.to_string()])
            .args(more)
            .env("NAUGHTY_HOST", host)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("the naughty service starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        let Ok(address) = line.trim().rsplit(' ').next().unwrap_or_default().parse() else {
            child.wait().expect("our own child");
            return None;
        };
        Some(Self { child, address })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/health", self.address)
    }
}

impl Drop for Naughty {
    fn drop(&mut self) {
        // With its helpers: it leads a group of its own, and is not reaped yet.
        kill_process_group(Pid::from_child(&self.child), Signal::KILL).expect("our own group");
        self.child.wait().expect("our own child");
    }
}

/// The naughty service's program: cargo puts examples beside the tests' own folder.
pub(crate) fn naughty() -> PathBuf {
    let mut path = std::env::current_exe().expect("our own path");
    path.pop();
    path.pop();
    let path = path.join("examples").join("naughty");
    assert!(path.exists(), "`cargo test` builds it; with `--test` run `cargo build --examples` first");
    path
}

pub(crate) fn http(url: impl Into<String>, expect_status: u16) -> Healthcheck {
    let probe = Probe::Http { url: url.into(), expect_status };
    Healthcheck { interval_s: 0.1, timeout_s: 10.0, ..Healthcheck::of(probe) }
}

pub(crate) fn shell(cmd: &str, expect_regex: &str) -> Healthcheck {
    let probe = Probe::Command { cmd: cmd.into(), args: None, shell: true, expect_regex: expect_regex.into() };
    Healthcheck { interval_s: 0.1, timeout_s: 10.0, ..Healthcheck::of(probe) }
}

/// A target of which nothing is known.
pub(crate) fn target() -> Target<'static> {
    Target {
        cwd: "/",
        env: &[],
        search_path: "/usr/local/bin:/usr/bin:/bin",
        service: None,
        tree: &Vec::new,
        other: &|_| None,
    }
}

/// One probe with default settings.
pub(crate) fn probe(check: &Healthcheck) -> Attempt {
    probe_once(check, &target(), &Settings::default(), Cut::default())
}

/// The probe's failure, which must hold `part`.
pub(crate) fn fails_with(check: &Healthcheck, part: &str) {
    let attempt = probe(check);
    let sentence = match &attempt {
        Attempt::Passed(_) => panic!("it passed: {check:?}"),
        Attempt::Refused(failure) | Attempt::Failed(failure) | Attempt::Hopeless(failure) => failure.sentence(),
    };
    assert!(sentence.contains(part), "`{sentence}` does not hold `{part}`");
    assert!(!sentence.contains('\n') && sentence.chars().count() < 700, "{sentence}");
}

/// A service that never ends.
pub(crate) struct Lives;

impl ExitWatch for Lives {
    fn wait_exit(&self, span: Duration) -> bool {
        std::thread::sleep(span);
        false
    }
}
