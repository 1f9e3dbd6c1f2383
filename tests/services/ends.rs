//! What a stop leaves: nothing.

use serde_json::json;

use crate::support::{World, is_alive, kill, kill_shim, pid_of, shim_of, stranger_to, wait_for};
use crate::weaker::weaker;

/// A script whose family is as scattered as it can be: a plain child, one in a session of its own, an orphan in a session
/// of its own, and one that ignores SIGTERM and forks on; it says so in `ready` once all are there.
pub(crate) fn scattered(world: &World) -> serde_json::Value {
    let ready = world.dir.path().join("ready");
    let script = format!(
        "sleep 1000 & setsid sleep 1000 & (setsid sleep 1000 &); \
         (setsid sh -c 'trap \"\" TERM; echo x > {ready}; while :; do sleep 0.01; done' &); \
         trap '' TERM; while :; do sleep 0.05; done",
        ready = ready.display()
    );
    let mut spec = world.shell("naughty", &script);
    spec["healthcheck"]["cmd"] = json!(format!("sh -c 'test -s {} && echo ok'", ready.display()));
    spec["healthcheck"]["interval_s"] = json!(0.1);
    spec
}

#[test]
fn a_stop_ends_every_descendant_whatever_session_it_moved_to() {
    let world = World::new();
    world.declare("ripley", &[scattered(&world)]);
    assert_eq!(world.accept("ripley", &[]).0, Some(0));
    assert!(world.processes().len() >= 6, "{:?}", world.processes());
    let stopped = world.run(&["stop", "naughty", "--format", "json"]).ended(0).json();
    assert_eq!(stopped["items"][0]["exit"]["signal"], 9, "it ignores SIGTERM: {stopped}");
    assert_eq!(world.processes(), Vec::<u32>::new());
    assert!(world.records().is_empty());
    assert!(!world.root().join("engine/managed-run/naughty").exists(), "the shim's files are gone");
}

#[test]
fn a_stop_finds_the_family_of_a_killed_shim() {
    let world = World::new();
    world.declare("ripley", &[scattered(&world)]);
    assert_eq!(world.accept("ripley", &[]).0, Some(0));
    let record = world.record("naughty");
    kill_shim(&record);
    assert!(!world.processes().is_empty(), "its orphans live on");
    let listed = world.run(&["list", "--format", "json"]).ended(0).json();
    assert_eq!(listed["items"][0]["alive"], false, "{listed}");
    world.run(&["stop", "naughty"]).ended(0);
    assert_eq!(world.processes(), Vec::<u32>::new());
}

#[test]
fn a_service_whose_shim_is_killed_dies_with_it_or_lives_in_its_record_until_a_stop_or_the_end_of_its_time() {
    for (verb, is_over) in [("stop", false), ("sweep", true)] {
        let world = World::new();
        world.declare("ripley", &[world.shell("s", "setsid sleep 1000 & exec sleep 1001")]);
        assert_eq!(world.accept("ripley", &[]).0, Some(0));
        let record = world.record("s");
        kill(shim_of(&record));
        let lives_on = weaker("a service whose shim is killed");
        wait_for("it dies unless it lives on", || lives_on || !is_alive(pid_of(&record)));
        let listed = world.run(&["list", "--format", "json"]).ended(0).json();
        assert_eq!(listed["items"][0]["alive"], lives_on, "{listed}");
        if lives_on {
            world.run(&["sweep"]).ended(0);
            assert!(is_alive(pid_of(&record)), "its time is not over");
        }
        if is_over && lives_on {
            let mut state = world.state();
            state["specs"][0]["ttl_expires_at"] = json!(1);
            std::fs::write(world.root().join("engine/managed-processes.json"), state.to_string()).expect("written");
        }
        let args = if verb == "stop" { vec!["stop", "s"] } else { vec!["sweep"] };
        world.run(&args).ended(0);
        assert_eq!(world.processes(), Vec::<u32>::new());
        assert!(world.records().is_empty());
    }
}

#[test]
fn what_a_service_leaves_behind_ends_with_it() {
    let world = World::new();
    let mut spec = world.shell("s", "(setsid sleep 1000 &) ; while [ ! -e go ]; do sleep 0.01; done; exit 5");
    spec["cwd"] = json!(world.worktree("work"));
    world.declare("ripley", &[spec]);
    assert_eq!(world.accept("ripley", &[]).0, Some(0));
    let record = world.record("s");
    std::fs::write(world.dir.path().join("work/go"), "").expect("written");
    wait_for("the shim ends the rest and goes", || !is_alive(shim_of(&record)));
    assert_eq!(world.processes(), Vec::<u32>::new());
    let exit =
        world.root().join("engine/managed-run/s").join(record["generation"].as_str().expect("one")).join("exit.json");
    let exit: serde_json::Value = serde_json::from_slice(&std::fs::read(exit).expect("an exit record")).expect("JSON");
    assert_eq!((&exit["code"], &exit["cause"]), (&json!(5), &json!("own")));
    world.run(&["stop", "s"]).ended(0);
    assert!(world.records().is_empty());
}

#[test]
fn a_stop_of_several_is_all_or_nothing_when_a_name_is_unknown() {
    let world = World::new();
    world.declare("ripley", &[world.shell("s", "exec sleep 1000")]);
    assert_eq!(world.accept("ripley", &[]).0, Some(0));
    let ran = world.run(&["stop", "s", "nobody"]).ended(6);
    assert!(ran.stderr.contains("`nobody`"), "{ran:?}");
    assert!(is_alive(pid_of(&world.record("s"))));
    assert_eq!(world.record("s")["status"], "running");
    world.run(&["stop", "s", "s"]).ended(0);
    assert_eq!(world.processes(), Vec::<u32>::new());
}

#[test]
fn a_recorded_pid_that_is_somebody_elses_is_not_signalled() {
    let world = World::new();
    world.declare("ripley", &[world.shell("s", "exec sleep 1000")]);
    assert_eq!(world.accept("ripley", &[]).0, Some(0));
    let record = world.record("s");
    kill(pid_of(&record));
    wait_for("the shim has gone", || !is_alive(shim_of(&record)));
    let mut innocent = stranger_to(&record);
    let path = world.root().join("engine/managed-processes.json");
    let mut state = world.state();
    state["specs"][0]["pid"] = json!(innocent.id());
    state["specs"][0]["process"]["pid"] = json!(innocent.id());
    state["specs"][0]["process"]["shim_pid"] = json!(innocent.id());
    std::fs::write(path, state.to_string()).expect("written");
    world.run(&["stop", "s"]).ended(0);
    assert!(innocent.try_wait().expect("a look").is_none(), "the innocent lives");
    assert!(world.records().is_empty());
    innocent.kill().expect("our own child");
    innocent.wait().expect("our own child");
}

#[test]
fn a_shim_that_was_frozen_is_woken_to_stop() {
    let world = World::new();
    world.declare("ripley", &[world.shell("s", "exec sleep 1000")]);
    assert_eq!(world.accept("ripley", &[]).0, Some(0));
    let record = world.record("s");
    crate::support::signal(shim_of(&record), rustix::process::Signal::STOP);
    crate::support::signal(pid_of(&record), rustix::process::Signal::STOP);
    world.run(&["stop", "s"]).ended(0);
    assert_eq!(world.processes(), Vec::<u32>::new());
}

/// The control group of a service, if it has one: a link in its run folder leads there.
fn group_of(world: &World, record: &serde_json::Value) -> Option<std::path::PathBuf> {
    let generation = record["generation"].as_str().expect("one");
    let name = record["name"].as_str().expect("one");
    std::fs::read_link(world.root().join("engine/managed-run").join(name).join(generation).join("cgroup")).ok()
}

fn naughty(world: &World, mode: &str) -> serde_json::Value {
    let mut spec = world.shell("s", "");
    (spec["cmd"], spec["args"]) = (json!(crate::support::naughty()), json!([mode]));
    spec
}

/// Pids of the naughty service, whatever they have made of their environment.
fn naughty_pids(world: &World, mode: &str) -> Vec<String> {
    let line = format!("{}\0{mode}\0", crate::support::naughty().display());
    let of = |entry: std::fs::DirEntry| {
        let found = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let cwd = std::fs::read_link(entry.path().join("cwd")).unwrap_or_default();
        (found.starts_with(line.as_bytes()) && cwd.starts_with(world.dir.path()))
            .then(|| entry.file_name().to_string_lossy().into_owned())
    };
    std::fs::read_dir("/proc").expect("listed").flatten().filter_map(of).collect()
}

#[test]
fn who_forks_and_ends_faster_than_anybody_can_look_ends_with_its_service() {
    if weaker("orphans of a service") {
        return;
    }
    let world = World::new();
    world.set(&json!({"stopGraceSec": 0.1}));
    for is_shim_killed in [false, true] {
        world.declare("ripley", &[naughty(&world, "runner")]);
        world.run(&["accept", "ripley"]).ended(0);
        let record = world.record("s");
        let group = group_of(&world, &record);
        if is_shim_killed && group.is_none() {
            crate::faults::skipped(
                "SKIPPED: no control group may be made here, by which a runner without a shim is found",
            );
            world.run(&["stop", "s"]).ended(0);
            continue;
        }
        if is_shim_killed {
            kill_shim(&record);
        }
        world.run(&["stop", "s"]).ended(0);
        assert!(!group.is_some_and(|group| group.exists()), "nobody is in its group, and it is gone");
        assert_eq!(naughty_pids(&world, "runner"), Vec::<String>::new());
    }
}

#[test]
fn without_control_groups_a_living_shim_ends_whoever_hides_or_runs_away() {
    let name = "ends::without_control_groups_a_living_shim_ends_whoever_hides_or_runs_away";
    if weaker("orphans of a service") {
        return;
    }
    crate::faults::in_namespace(name, &["-rm"], || {
        crate::faults::mount(&["-t", "tmpfs", "none", "/sys/fs/cgroup"]);
        for mode in ["runner", "recluse"] {
            let world = World::new();
            world.set(&json!({"stopGraceSec": 0.1}));
            world.declare("ripley", &[naughty(&world, mode)]);
            world.run(&["accept", "ripley"]).ended(0);
            assert_eq!(group_of(&world, &world.record("s")), None);
            world.run(&["stop", "s"]).ended(0);
            assert_eq!(naughty_pids(&world, mode), Vec::<String>::new());
        }
    });
}

#[test]
fn who_has_left_parent_and_mark_ends_with_a_killed_shims_group() {
    if weaker("orphans of a service") {
        return;
    }
    let world = World::new();
    world.set(&json!({"stopGraceSec": 0.1}));
    world.declare("ripley", &[naughty(&world, "recluse")]);
    world.run(&["accept", "ripley"]).ended(0);
    let record = world.record("s");
    let group = group_of(&world, &record);
    wait_for("it is alone", || naughty_pids(&world, "recluse").len() == 2);
    if group.is_some() {
        kill_shim(&record);
    } else {
        crate::faults::skipped("SKIPPED: no control group may be made here; its shim is left alive");
    }
    world.run(&["stop", "s"]).ended(0);
    assert_eq!(naughty_pids(&world, "recluse"), Vec::<String>::new());
    assert!(!group.is_some_and(|group| group.exists()), "nobody is in its group, and it is gone");
}

/// Makes `group` look as if nobody had changed it for minutes.
fn make_old(group: &std::path::Path) {
    let touched = std::process::Command::new("touch").args(["-d", "10 minutes ago"]).arg(group).status().unwrap();
    assert!(touched.success());
}

#[test]
fn an_empty_group_goes_with_the_next_reconcile_of_any_root_unless_its_shim_lives() {
    let (gone, waits, any) = (World::new(), World::new(), World::new());
    gone.declare("ripley", &[gone.shell("s", "exec sleep 1000")]);
    gone.run(&["accept", "ripley"]).ended(0);
    let Some(left) = group_of(&gone, &gone.record("s")) else {
        crate::faults::skipped("SKIPPED: no control group may be made here");
        return;
    };
    kill_shim(&gone.record("s"));
    std::fs::remove_dir_all(gone.root()).unwrap();
    let mut spec = waits.shell("s", "exec sleep 1000");
    spec["restart"] = json!({"policy": "always", "backoff_s": [1000]});
    waits.declare("ripley", &[spec]);
    waits.run(&["accept", "ripley"]).ended(0);
    let record = waits.record("s");
    let kept = group_of(&waits, &record).expect("groups may be made");
    crate::support::kill(pid_of(&record));
    wait_for("it waits for its next start", || waits.record("s")["status"] == "backoff");
    for _ in 0..2 {
        // A new one may be about to be locked.
        any.run(&["reconcile"]).ended(0);
        assert!(left.exists() && kept.exists());
    }
    [&left, &kept].into_iter().for_each(|group| make_old(group));
    any.run(&["sweep", "--dry-run"]).ended(0);
    assert!(left.exists());
    any.run(&["reconcile"]).ended(0);
    assert!(!left.exists(), "its shim was killed, and its root is gone");
    assert!(kept.exists(), "its shim lives");
}
