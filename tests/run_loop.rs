//! The loop over a long time: 100,000 ticks of it, as it is, on simulated time. A crate of its own, since what is measured is the
//! memory of the whole process.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test makes files and a server")]

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use minions_managed::base::root::Root;
use minions_managed::config::Settings;
use minions_managed::ops::context::Context;
use minions_managed::ops::run_loop::{self, Pace, Request};
use minions_managed::process;
use serde_json::json;

/// Half a year of ticks at their default distance is some three million; by this many a leak of a few bytes shows.
const TICKS: u64 = 100_000;
/// Ticks after which all that is kept is there.
const WARM_TICKS: u64 = 2_000;
/// A kibibyte for each 200 ticks would be more. The allocator's own ups and downs are below this.
const GROWTH_BYTES_MAX: u64 = 512 << 10;

/// A clock that only sleep moves, and that looks at the memory on its way.
struct Simulated {
    now: Cell<Duration>,
    sleeps: Cell<u64>,
    resident_warm: Cell<u64>,
}

impl Pace for Simulated {
    fn now(&self) -> Duration {
        self.now.get()
    }

    fn is_asked(&self) -> bool {
        self.sleeps.get() >= TICKS
    }

    fn sleep(&mut self, span: Duration) {
        assert!(!span.is_zero(), "no tick follows another without a pause");
        self.now.set(self.now.get() + span);
        self.sleeps.set(self.sleeps.get() + 1);
        if self.sleeps.get() == WARM_TICKS {
            self.resident_warm.set(resident());
        }
    }
}

fn resident() -> u64 {
    process::observe_memory(std::process::id()).unwrap().resident
}

/// A server that answers every request with 200, in this very process.
fn serve() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0_u8; 4096];
            assert!(stream.read(&mut request).unwrap() > 0);
            drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"));
        }
    });
    port
}

/// A root with one service that runs and is healthy: this very process.
fn write_state(root: &Root, port: u16) {
    let me = process::own_identity().unwrap();
    let identity = json!({
        "pid": me.pid, "start_ticks": me.start_ticks, "shim_pid": me.pid, "shim_start_ticks": me.start_ticks,
        "boot_id": me.boot_id,
    });
    let record = json!({
        "name": "me", "cmd": "sh", "args": [], "status": "running", "healthy": true, "alive": true, "pid": me.pid,
        "process": identity, "generation": format!("g{}", "0".repeat(24)), "ports": [port],
        "healthcheck": {"type": "http", "url": format!("http://127.0.0.1:{port}/"), "expect_status": 200},
    });
    std::fs::create_dir_all(root.engine()).unwrap();
    std::fs::write(root.state(), json!({"version": 1, "revision": 1, "specs": [record]}).to_string()).unwrap();
}

#[test]
fn memory_is_flat_over_a_hundred_thousand_ticks() {
    let dir = tempfile::tempdir().unwrap();
    let root = Root::at(dir.path());
    write_state(&root, serve());
    let context = Context { root: root.clone(), settings: Settings::default(), env: Vec::new() };
    let request = Request { interval: None, accept: Vec::new(), has_output: false };
    let mut pace = Simulated { now: Cell::new(Duration::ZERO), sleeps: Cell::new(0), resident_warm: Cell::new(0) };
    let ended = run_loop::run(context, &request, &mut pace, &|news| println!("{news:?}")).unwrap();
    assert_eq!((ended.ticks, ended.failures), (TICKS, 0));
    let (before, after) = (pace.resident_warm.get(), resident());
    println!("resident after {WARM_TICKS} ticks: {before} bytes; after {TICKS}: {after}");
    assert!(after <= before + GROWTH_BYTES_MAX, "{before} bytes, then {after}");
    assert!(!Path::new(&root.lease()).exists());
}
