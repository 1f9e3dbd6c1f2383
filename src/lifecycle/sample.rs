//! A record for tests.

use crate::base::clock::EpochMs;
use crate::service::{Attrs, Claim, Healthcheck, Identity, Lifecycle, Owner, Probe, Progress, Record, Spec, Status};

/// A service `web` of project `shop`, without a process.
pub(crate) fn record(status: Status) -> Record {
    let probe = Probe::Http { url: "http://localhost:1/".into(), expect_status: 200 };
    let spec = Spec {
        name: "web".into(),
        cmd: "node".into(),
        args: Vec::new(),
        cwd: String::new(),
        env: Vec::new(),
        ports: Vec::new(),
        ttl_minutes: 1,
        attrs: Attrs::new(),
        healthcheck: Healthcheck { timeout_s: 1.0, ..Healthcheck::of(probe) },
        lifecycle: Lifecycle::default(),
    };
    Record {
        name: "web".into(),
        spec,
        owner: Owner { project: "shop".into(), ..Owner::default() },
        worktree: None,
        generation: None,
        spec_hash: String::new(),
        status,
        healthy: false,
        alive: false,
        pid: None,
        process: None,
        started_at: None,
        ttl_expires_at: None,
        last_health_at: None,
        health_proof: None,
        log_path: String::new(),
        run_id: None,
        resolved_cmd: String::new(),
        passed_env: Vec::new(),
        claim: None,
        previous: None,
        last_exit: None,
        progress: Progress::default(),
        unknown: serde_json::Map::new(),
    }
}

/// The same with the claim of a command that does `verb`.
pub(crate) fn claimed(record: Record, verb: &str) -> Record {
    let maker = Identity { pid: 7, start_ticks: 1, boot_id: "b".into(), pid_namespace: None };
    Record { claim: Some(Claim { maker, verb: verb.into(), at: EpochMs(1) }), ..record }
}
