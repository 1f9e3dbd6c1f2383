//! Records and roots that the tests of the state are made of.
#![expect(clippy::unwrap_used, reason = "a sample that cannot be made is a broken test")]

use std::time::Duration;

use minions_managed::base::clock::EpochMs;
use minions_managed::base::ids::Generation;
use minions_managed::base::root::Root;
use minions_managed::service::{
    Activation, Claim, Exit, ExitCause, ExitRecord, Healthcheck, Identity, Lifecycle, OnUnhealthy, Owner, Previous,
    Probe, Process, Progress, Proof, Record, RestartMode, RestartPolicy, Spec, Status, StopPolicy, StopSignal,
    Transition,
};
use minions_managed::state::Store;
use serde_json::json;

/// A root of its own, gone with the folder. In memory where there is such a place: hundreds of writes with two syncs each
/// would otherwise wait for a disk that all tests share.
pub(crate) fn root() -> (tempfile::TempDir, Root) {
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let root = Root::at(dir.path());
    (dir, root)
}

/// A store that waits long enough for any machine.
pub(crate) fn store(root: &Root) -> Store {
    Store::new(root, Duration::from_secs(60))
}

/// The processes of a generation, with pids that nobody has.
pub(crate) fn process(pid: u32) -> Process {
    let identity = |pid| Identity {
        pid,
        start_ticks: 4711,
        boot_id: "3b7b5f1e-5a0b-4c0e-8f0a-0d1d0c8b7a11".into(),
        pid_namespace: None,
    };
    Process { service: identity(pid), shim: identity(pid + 1) }
}

/// Lifecycle fields of which none is as when absent.
pub(crate) fn lifecycle() -> Lifecycle {
    Lifecycle {
        depends_on: vec!["db".into()],
        restart: Some(RestartPolicy { mode: RestartMode::OnFailure, jitter: true, ..RestartPolicy::default() }),
        activation: Activation::OnDemand,
        idle_stop_s: Some(900.0),
        stop: StopPolicy { signal: Some(StopSignal::Int), grace_s: Some(2.5) },
    }
}

/// A memory in which every field holds something.
fn progress() -> Progress {
    Progress {
        failures_in_row: 2,
        recent_starts: vec![EpochMs(3), EpochMs(5)],
        restarts: 4,
        next_at: Some(EpochMs(8)),
        unhealthy_in_row: 1,
        last_used_at: Some(EpochMs(9)),
        updated_at: Some(EpochMs(10)),
        last_transition: Some(Transition {
            at: EpochMs(11),
            from: Some(Status::Starting),
            to: Status::Running,
            input: "spawned".into(),
            why: "accepted".into(),
        }),
    }
}

/// A record in which every field holds something.
pub(crate) fn record(name: &str) -> Record {
    Record {
        name: name.into(),
        spec: Spec {
            name: "web".into(),
            cmd: "npm".into(),
            args: vec!["run".into(), "dev \"quoted\" \u{1f980}".into()],
            cwd: "/repo".into(),
            env: vec![("VITE_HOST".into(), "127.0.0.1".into()), ("CI".into(), "1".into())],
            ports: vec![3001, 65535],
            ttl_minutes: 240,
            attrs: json!({"base_url": "http://localhost:3001", "deep": {"z": [1, 2.5, null], "a": true}})
                .as_object()
                .unwrap()
                .clone(),
            healthcheck: Healthcheck {
                interval_s: 0.5,
                timeout_s: 60.0,
                probe: Probe::Http { url: "http://localhost:3001/health".into(), expect_status: 200 },
                failure_threshold: 5,
                on_unhealthy: OnUnhealthy::Restart,
            },
            lifecycle: lifecycle(),
        },
        owner: Owner { agent: "ripley".into(), work_item: "W-42".into(), project: "shop".into() },
        worktree: Some("/repo".into()),
        generation: Some(Generation::parse("g019a0c0ffee0123456789abc").unwrap()),
        spec_hash: "da39a3ee5e6b4b0d3255bfef95601890afd80709".into(),
        status: Status::Running,
        healthy: true,
        alive: true,
        pid: Some(0x7fff_0000),
        process: Some(process(0x7fff_0000)),
        started_at: Some(EpochMs(1_795_172_866_000)),
        ttl_expires_at: Some(EpochMs(1_795_187_266_000)),
        last_health_at: Some(EpochMs(1_795_172_867_000)),
        health_proof: Some(Proof::Tree),
        log_path: "/root/engine/managed-logs/web.log".into(),
        run_id: Some("run-019a0c0ffee0123456789abc".into()),
        resolved_cmd: "/usr/bin/npm".into(),
        passed_env: vec![("PATH".into(), "/usr/bin".into())],
        claim: Some(Claim { maker: process(77).service, verb: "accept".into(), at: EpochMs(5) }),
        previous: Some(Previous {
            generation: None,
            process: Some(process(99)),
            legacy_pid: Some(98),
            started_at: Some(EpochMs(97)),
        }),
        last_exit: Some(ExitRecord { exit: Exit::Signal(9), cause: ExitCause::Own, at: EpochMs(6) }),
        progress: progress(),
        unknown: json!({"from_tomorrow": {"keep": ["me"]}}).as_object().unwrap().clone(),
    }
}
