//! What must hold once nothing is under way any more, against the process table and not by what the program says of itself.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{LIMIT, World, is_alive, pid_of, shim_of, variable, wait_for};
use crate::weaker::weaker;

/// The names of the services: one process, many that leave their parents, and one that will not hear.
pub(crate) const NAMES: [&str; 3] = ["plain", "scattered", "stubborn"];

pub(crate) fn specs(world: &World, ttl_minutes: u64) -> Vec<Value> {
    let scripts = [
        "exec sleep 1000",
        "setsid sleep 1001 & sh -c 'sleep 1002 & exit' & exec sleep 1003",
        "trap '' TERM; while :; do sleep 0.2; done",
    ];
    let mut specs: Vec<Value> = NAMES.iter().zip(scripts).map(|(name, script)| world.shell(name, script)).collect();
    for spec in &mut specs {
        spec["ttl_minutes"] = json!(ttl_minutes);
    }
    specs
}

/// Fails unless every record is true and everything that lives is in one. What was killed may be on its way out still (shims
/// without a word, a tree of a killed shim), so that it is looked again for a while.
pub(crate) fn expect_truth(world: &World, story: &str) {
    let deadline = Instant::now() + LIMIT;
    loop {
        let complaints = complaints(world);
        if complaints.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "{story}: {complaints:#?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits for the services of killed shims: each dies with its shim, but not in the same moment.
pub(crate) fn await_orphans(world: &World) {
    if weaker("a service whose shim is killed") {
        return;
    }
    let pid = |dir: &Path, file: &str| -> Option<u32> {
        let told: Value = serde_json::from_slice(&std::fs::read(dir.join(file)).ok()?).ok()?;
        told["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok())
    };
    let inside = |dir: &Path| std::fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
    for dir in inside(&world.root().join("engine/managed-run")).flat_map(|name| inside(&name.path())) {
        if let (Some(shim), Some(service)) = (pid(&dir.path(), "shim.json"), pid(&dir.path(), "service.json")) {
            wait_for("a service died with its shim", || is_alive(shim) || !is_alive(service));
        }
    }
}

/// Fails if the program's own invariants, by `doctor`, find anything wrong with a record.
pub(crate) fn expect_no_finding(world: &World, story: &str) {
    let found = findings(world);
    assert!(found.is_empty(), "{story}: {found:#?}");
}

/// What they find.
pub(crate) fn findings(world: &World) -> Vec<Value> {
    let report = world.run(&["doctor", "--format", "json"]).json();
    let may_lack_shim = weaker("a service whose shim is killed");
    let is_wrong = |one: &&Value| {
        let is_allowed = ["records-true", "record-unhealthy"].contains(&one["code"].as_str().unwrap());
        one["area"] == "records" && !is_allowed && !(may_lack_shim && one["code"] == "record-without-shim")
    };
    report["findings"].as_array().unwrap().iter().filter(is_wrong).cloned().collect()
}

/// Whether `record` says why a service that may have no process has none, and when it may have one again.
fn is_at_rest(record: &Value) -> bool {
    let has_none = record["pid"].is_null() && record["process"].is_null();
    let is_policed = record["restart"]["policy"].is_string() && record["restart"]["policy"] != "never";
    let is_on_demand = record["activation"] == "on-demand";
    let says_why = record["last_transition"]["why"].as_str().is_some_and(|why| !why.is_empty());
    has_none
        && match record["status"].as_str() {
            // What waits for its next start has no process; its shim, if it has one, waits as well.
            Some("backoff") => record["next_at"].is_i64(),
            Some("stopped") => is_on_demand,
            Some("failed") => (is_policed || is_on_demand) && says_why,
            _ => false,
        }
}

/// What is not as it should be, once nothing is under way any more.
pub(crate) fn complaints(world: &World) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut recorded = BTreeSet::new();
    let mut running = 0;
    let may_lack_shim = weaker("a service whose shim is killed");
    for record in world.records() {
        let name = record["name"].as_str().expect("a name").to_owned();
        // What has never been started has none.
        let generation = record["generation"].as_str().unwrap_or_default().to_owned();
        for key in ["claim", "previous"] {
            if !record[key].is_null() {
                complaints.push(format!("{name}: its `{key}` is left: {}", record[key]));
            }
        }
        let is_at_rest = is_at_rest(&record);
        let run_dir = world.root().join("engine/managed-run").join(&name).join(&generation);
        let service = record["pid"].as_u64().is_some_and(|_| is_alive(pid_of(&record)));
        let shim = record["process"].is_object() && is_alive(shim_of(&record));
        let is_its_own = || variable(pid_of(&record), "MINIONS_MANAGED_GENERATION").as_deref() == Some(&generation);
        let is_running = record["status"] == "running" && service && (shim || may_lack_shim) && is_its_own();
        running += usize::from(is_running);
        if !is_running && !is_at_rest {
            let exit = std::fs::read_to_string(run_dir.join("exit.json")).unwrap_or_default();
            let seen = format!("service alive: {service}, shim alive: {shim}, its exit: {exit}");
            complaints.push(format!("{name}: it is `{}`, and not as recorded; {seen}: {record}", record["status"]));
        }
        // What has no process has all that its shim left in its record.
        if !is_at_rest && !run_dir.join("launch.json").exists() {
            complaints.push(format!("{name}: its run folder is gone"));
        }
        recorded.extend(Some(generation).filter(|generation| !generation.is_empty()));
    }
    let living: BTreeSet<String> = world.live_generations().into_iter().collect();
    complaints.extend(living.difference(&recorded).map(|lost| format!("{lost} lives and is in no record")));
    let shims = world.shims().len();
    if shims > recorded.len() || shims < running && !may_lack_shim {
        complaints.push(format!("{shims} shims for {} records, of which {running} run", recorded.len()));
    }
    let run = world.root().join("engine/managed-run");
    for record in world.records() {
        let name = record["name"].as_str().expect("a name");
        let is_resting = ["backoff", "stopped", "failed"].iter().any(|status| record["status"] == *status);
        if is_resting && record["pid"].is_null() && !run.join(name).join("at-rest.json").exists() {
            complaints.push(format!("{name}: it is at rest, and there is no copy of its record"));
        }
    }
    for dir in std::fs::read_dir(&run).into_iter().flatten().filter_map(Result::ok) {
        let name = dir.file_name().to_string_lossy().into_owned();
        let is_recorded = world.records().iter().any(|record| record["name"] == *name);
        if !is_recorded && dir.path().join("at-rest.json").exists() {
            complaints.push(format!("{name}: there is a copy of its record, and no record"));
        }
    }
    let folders = run_folders(&world.root().join("engine/managed-run"));
    complaints.extend(folders.difference(&recorded).map(|left| format!("the folder of {left} is left")));
    complaints
}

/// The names of the folders of all generations.
fn run_folders(run: &Path) -> BTreeSet<String> {
    let inside = |dir: &Path| std::fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
    inside(run)
        .flat_map(|name| inside(&name.path()))
        // Beside them may be a copy of a record.
        .filter(|dir| dir.path().is_dir())
        .map(|dir| dir.file_name().to_string_lossy().into_owned())
        .collect()
}
