//! A root that is shared with containers: their processes have pids of their own, which are others' outside, or nobody's. Nobody
//! there is ended or forgotten from outside while it lives, nor stays in its record for ever once its container is gone.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::faults::skipped;
use crate::support::{Ran, World, is_alive, own_claim, pid_of, ran, variable, wait_for};
use crate::weaker::weaker;

/// A process table of its own, with a first process that buries orphans and lives until it is killed.
struct Container {
    unshare: Child,
    /// Its first process, by its pid outside.
    first: u32,
}

impl Container {
    /// `None` where none may be made, which is said.
    fn start() -> Option<Self> {
        if weaker("who a process is") {
            return None;
        }
        let flags = ["-rm", "--pid", "--fork", "--mount-proc", "--kill-child"];
        let tried = Command::new("unshare").args(flags).arg("true").output();
        if !tried.is_ok_and(|tried| tried.status.success()) {
            skipped("SKIPPED: no process table of its own may be made here");
            return None;
        }
        let script = "while :; do sleep 100000 & wait; done";
        let mut unshare = Command::new("unshare");
        let unshare = unshare.args(flags).args(["sh", "-c", script]).process_group(0).spawn().expect("unshare runs");
        let first = || children(unshare.id()).first().copied();
        // It is ready once it has its own mounts, and has begun to wait.
        wait_for("the container is up", || first().is_some_and(|first| !children(first).is_empty()));
        let first = first().expect("it is up");
        Some(Self { unshare, first })
    }

    /// `program` as it would be started inside.
    fn command(&self, program: &Command) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--preserve-credentials", "-U", "-m", "-p", "-t", &self.first.to_string()]);
        command.arg(program.get_program()).args(program.get_args()).env_clear();
        command.envs(program.get_envs().filter_map(|(key, value)| Some((key, value?))));
        command
    }

    /// Runs a command of ours inside.
    fn run(&self, world: &World, args: &[&str]) -> Ran {
        ran(&mut self.command(&world.command(args)))
    }
}

impl Drop for Container {
    /// Everybody inside goes with the first process.
    fn drop(&mut self) {
        let group = rustix::process::Pid::from_child(&self.unshare);
        rustix::process::kill_process_group(group, rustix::process::Signal::KILL).expect("our own child");
        self.unshare.wait().expect("our own child");
        wait_for("the container is gone", || !is_alive(self.first));
    }
}

fn children(pid: u32) -> Vec<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

fn namespace_of(pid: impl std::fmt::Display) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(format!("/proc/{pid}/ns/pid")).expect("a process of ours").ino()
}

/// Declares and starts `specs` inside.
fn accept_inside(container: &Container, world: &World, specs: &[Value]) {
    world.declare("ripley", specs);
    container.run(world, &["accept", "ripley", "--project", "shop"]).ended(0);
}

/// Fails unless every generation of `before` lives, and its record is as it was.
fn expect_untouched(world: &World, before: &[Value], story: &str) {
    let generations: Vec<&str> = before.iter().filter_map(|record| record["generation"].as_str()).collect();
    assert_eq!(world.live_generations(), generations, "{story}");
    assert_eq!(world.records(), before, "{story}");
}

#[test]
fn a_service_in_a_container_is_neither_dropped_nor_signalled_from_outside() {
    let world = World::new();
    let Some(container) = Container::start() else { return };
    accept_inside(&container, &world, &[world.shell("web", "exec sleep 1000")]);
    let before = world.records();
    let its_own = &before[0]["process"]["pid_namespace"];
    assert_eq!(*its_own, json!(namespace_of(container.first)), "{}", before[0]);
    assert_ne!(*its_own, json!(namespace_of("self")));
    for words in ["sweep", "reconcile", "healthcheck", "list", "doctor", "context --project shop", "holders WORK"] {
        let work = world.dir.path().join("work").display().to_string();
        let line: Vec<String> = words.split(' ').map(|word| word.replace("WORK", &work)).collect();
        let told = world.run(&line.iter().map(String::as_str).collect::<Vec<_>>());
        expect_untouched(&world, &before, &format!("`{words}`: {told:?}"));
    }
    // What it is declared as is there already, as far as anybody can tell: nothing is started beside it.
    world.declare("ripley", &[world.shell("web", "exec sleep 1000")]);
    let told = world.run(&["accept", "ripley", "--project", "shop"]);
    assert_eq!(world.live_generations().len(), 1, "{told:?}");
    // Nobody can tell its shim anything, nor end it.
    for args in [&["renew", "web"][..], &["restart", "web"], &["ensure", "web"]] {
        let told = world.run(args);
        let now = world.record("web");
        assert!(told.code != Some(0) || args[0] == "ensure", "{told:?}");
        for key in ["generation", "process", "ttl_expires_at", "status"] {
            assert_eq!(now[key], before[0][key], "{key}, {told:?}");
        }
        assert_eq!((world.live_generations().len(), &now["claim"]), (1, &Value::Null), "{told:?}");
    }
    // One that asks for its end is told why not; the next sweep inside does it.
    let told = world.run(&["stop", "web"]);
    assert!(told.code == Some(1) && told.stderr.contains("another pid namespace"), "{told:?}");
    assert_eq!(world.live_generations().len(), 1, "{told:?}");
    assert_eq!(world.record("web")["status"], "stopping");
    container.run(&world, &["sweep"]).ended(0);
    assert_eq!((world.records(), world.live_generations()), (vec![], vec![]));
}

#[test]
fn a_service_whose_container_is_gone_is_dropped_or_brought_back_by_the_next_sweep() {
    let world = World::new();
    for is_from_another_container in [false, true] {
        let Some(container) = Container::start() else { return };
        let mut steady = world.shell("steady", "exec sleep 1000");
        steady["restart"] = json!({"policy": "always", "backoff_s": [0]});
        accept_inside(&container, &world, &[world.shell("plain", "exec sleep 1000"), steady]);
        let before = world.records();
        drop(container);
        wait_for("its services are gone with it", || world.live_generations().is_empty());
        let other = if is_from_another_container { Container::start() } else { None };
        let run = |args: &[&str]| match &other {
            Some(other) => other.run(&world, args),
            None => world.run(args),
        };
        run(&["reconcile"]).ended(0);
        wait_for("what is to come back is back", || {
            run(&["sweep"]).ended(0);
            world.records().iter().all(|record| record["status"] == "running")
        });
        let records = world.records();
        assert_eq!(records.len(), 1, "{records:?}");
        let steady = world.record("steady");
        assert_ne!(steady["generation"], before[1]["generation"]);
        assert_eq!(world.live_generations(), [steady["generation"].as_str().expect("a generation")]);
        run(&["stop", "steady"]).ended(0);
    }
}

#[test]
fn a_service_in_a_container_whose_shim_is_killed_is_not_taken_for_alive_for_ever() {
    let world = World::new();
    let Some(container) = Container::start() else { return };
    accept_inside(&container, &world, &[world.shell("web", "exec sleep 1000")]);
    // By their pids outside.
    let shim = world.shims()[0];
    crate::support::kill(shim);
    wait_for("the service dies with its shim", || world.live_generations().is_empty());
    world.run(&["sweep"]).ended(0);
    assert_eq!(world.records(), Vec::<Value>::new());
}

#[test]
fn a_container_that_has_a_root_of_its_own_at_the_same_path_keeps_its_services() {
    let world = World::new();
    let Some(container) = Container::start() else { return };
    let other = world.dir.path().join("other");
    std::fs::create_dir_all(&other).unwrap();
    std::fs::copy(world.root().join("config.json"), other.join("config.json")).unwrap();
    let mut mount = Command::new("mount");
    mount.arg("--bind").args([&other, &world.root()]);
    let mounted = ran(&mut container.command(&mount));
    assert_eq!(mounted.code, Some(0), "{mounted:?}");
    world.declare("ripley", &[world.shell("web", "exec sleep 1000")]);
    let agents = |root: &Path| root.join("agents");
    std::fs::rename(agents(&world.root()), agents(&other)).unwrap();
    container.run(&world, &["accept", "ripley", "--project", "shop"]).ended(0);
    let lives = world.live_generations();
    assert_eq!((lives.len(), world.records().len()), (1, 0));
    // Ours has been at work too, and knows nothing of that one.
    world.declare("parker", &[world.shell("ours", "exec sleep 1000")]);
    world.run(&["accept", "parker", "--project", "shop"]).ended(0);
    world.run(&["reconcile"]).ended(0);
    world.run(&["stop", "ours"]).ended(0);
    assert_eq!(world.live_generations(), lives);
    container.run(&world, &["stop", "web"]).ended(0);
    assert!(world.live_generations().is_empty());
}

#[test]
fn where_the_process_table_is_another_namespaces_nothing_is_started_nor_dropped() {
    let world = World::new();
    if weaker("who a process is") || Container::start().is_none() {
        return;
    }
    world.declare("ripley", &[world.shell("ours", "exec sleep 1000")]);
    world.run(&["accept", "ripley", "--project", "shop"]).ended(0);
    let before = world.records();
    world.declare("ripley", &[world.shell("web", "exec sleep 1000")]);
    for args in [&["accept", "ripley"][..], &["sweep"], &["reconcile"], &["stop", "ours"]] {
        let minions = world.command(args);
        let mut command = Command::new("unshare");
        command.args(["-r", "--pid", "--fork"]).arg(minions.get_program()).args(minions.get_args()).env_clear();
        command.envs(minions.get_envs().filter_map(|(key, value)| Some((key, value?))));
        let told = ran(command.stdin(Stdio::null()));
        assert!(matches!(told.code, Some(0 | 1)), "{told:?}");
        assert!(told.code == Some(0) || told.stderr.contains("another pid namespace"), "{told:?}");
        expect_untouched(&world, &before, &format!("{args:?}: {told:?}"));
    }
}

#[test]
fn a_claim_from_a_container_stands_for_as_long_as_it_may_take_and_then_lapses() {
    let world = World::new();
    if weaker("who a process is") {
        return;
    }
    world.declare("ripley", &[world.shell("web", "exec sleep 1000")]);
    world.run(&["accept", "ripley", "--project", "shop"]).ended(0);
    let service = pid_of(&world.record("web"));
    let claimed = |ago_ms: i64| {
        let mut state = world.state();
        let mut claim = own_claim("renew");
        claim["pid_namespace"] = json!(1);
        claim["at"] = json!(minions_managed::base::clock::EpochMs::now().0 - ago_ms);
        state["specs"][0]["claim"] = claim;
        std::fs::write(world.root().join("engine/managed-processes.json"), state.to_string()).unwrap();
    };
    claimed(60_000);
    let told = world.run(&["renew", "web"]).ended(7);
    assert!(told.stderr.contains("is being worked on by"), "{told:?}");
    world.run(&["sweep"]).ended(0);
    assert!(world.record("web")["claim"].is_object());
    claimed(3_600_000);
    world.run(&["sweep"]).ended(0);
    let record = world.record("web");
    assert_eq!((&record["claim"], pid_of(&record)), (&Value::Null, service), "{record}");
    assert!(variable(service, "MINIONS_MANAGED_NAME").is_some());
}
