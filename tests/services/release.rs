//! Who lives in a folder, and that nobody of ours does after a release: by the test's own look at the process table.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{World, is_alive, kill_shim, pid_of, wait_for};
use crate::weaker::weaker;

/// Living processes whose working folder or program is in or below `dir`, as the kernel tells it.
fn there(dir: &Path) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").expect("the process table");
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let holds = |pid: &u32| {
        let link = |name: &str| std::fs::read_link(format!("/proc/{pid}/{name}")).unwrap_or_default();
        is_alive(*pid) && (link("cwd").starts_with(dir) || link("exe").starts_with(dir))
    };
    pids.filter(holds).collect()
}

/// A folder of the world, links resolved.
fn folder(world: &World, name: &str) -> PathBuf {
    world.worktree(name).canonicalize().expect("it was just made")
}

/// A spec of a shell script in the folder `cwd`.
fn shell_in(world: &World, name: &str, cwd: &Path, script: &str) -> Value {
    let mut spec = world.shell(name, script);
    spec["cwd"] = json!(cwd);
    spec
}

fn names(report: &Value) -> Vec<&str> {
    report["items"].as_array().expect("items").iter().filter_map(|item| item["name"].as_str()).collect()
}

#[test]
fn a_release_leaves_nothing_of_ours_however_it_came_there() {
    let world = World::new();
    let (top, other) = (folder(&world, "top"), folder(&world, "other"));
    let sub = top.join("sub/deep");
    std::fs::create_dir_all(&sub).unwrap();
    std::fs::copy("/bin/sleep", sub.join("naughty")).unwrap();
    let moved = format!("(cd {}; exec setsid sleep 1000) & exec sleep 1000", sub.display());
    let orphaned = format!("(setsid sh -c 'cd {}; sleep 1000 & wait' &) ; exec sleep 1000", sub.display());
    let open = format!("exec 3> {}/held; exec sleep 1000", top.display());
    let mut program = shell_in(&world, "program", &other, "");
    program["cmd"] = json!(sub.join("naughty"));
    program["args"] = json!(["1000"]);
    let at_home = shell_in(&world, "at-home", &other, "exec sleep 1000");
    world.declare("ripley", &[shell_in(&world, "declared", &top, "exec sleep 1000"), at_home]);
    world.declare("ash", &[shell_in(&world, "moved", &other, &moved), shell_in(&world, "orphaned", &other, &orphaned)]);
    world.declare("kane", &[program, shell_in(&world, "open", &other, &open)]);
    for agent in ["ripley", "ash", "kane"] {
        assert_eq!(world.accept(agent, &[]).0, Some(0), "{agent}");
    }
    // One each of `declared`, `moved` and `program`; of `orphaned` a shell and its child.
    wait_for("all are where they go", || there(&top).len() == 5 && top.join("held").exists());
    let holders = world.run(&["holders", top.to_str().unwrap(), "--format", "json"]).ended(0).json();
    let all = ["declared", "moved", "orphaned", "program", "open"];
    let seen = if weaker("who lives in a folder") { &all[..4] } else { &all[..] };
    assert_eq!(names(&holders), seen, "{holders}");
    let why = |at: usize| holders["items"][at]["why"].as_str().unwrap_or_default();
    assert!(why(0).starts_with(&format!("its working folder is {}", top.display())), "{holders}");
    assert!(why(1).ends_with(&format!(" works in {}", sub.display())), "{holders}");
    assert!(why(3).contains(&format!(" runs {}/naughty", sub.display())), "{holders}");
    let is_open = why(4).contains(&format!(" has {}/held open", top.display()));
    assert_ne!(is_open, weaker("who lives in a folder"), "{holders}");
    let released = world.run(&["release", top.to_str().unwrap(), "--format", "json"]).ended(0).json();
    assert_eq!(there(&top), Vec::<u32>::new());
    assert_eq!((released["released"].as_bool(), names(&released).len()), (Some(true), seen.len()), "{released}");
    let left = world.records();
    assert_eq!((left.len(), &left[0]["name"]), (6 - seen.len(), &json!("at-home")));
    assert!(is_alive(pid_of(&left[0])), "who lives elsewhere lives on");
    assert_eq!(world.live_generations().len(), 6 - seen.len());
}

#[test]
fn a_folder_is_the_same_by_every_path_that_leads_to_it() {
    let world = World::new();
    let top = folder(&world, "top");
    let sub = top.join("sub");
    let link = world.dir.path().join("link");
    std::os::unix::fs::symlink(&top, &link).unwrap();
    let check = |cwd: &Path, dir: &Path, is_deleted: bool| {
        std::fs::create_dir_all(&sub).unwrap();
        std::fs::create_dir_all(top.join(".git")).unwrap();
        world.declare("ripley", &[shell_in(&world, "s", cwd, "exec sleep 1000")]);
        assert_eq!(world.accept("ripley", &[]).0, Some(0), "{cwd:?}");
        wait_for("it is there", || !there(&top).is_empty());
        if is_deleted {
            std::fs::remove_dir_all(&top).unwrap();
        }
        let case = format!("{cwd:?}, released by {dir:?}");
        let released = world.run(&["release", dir.to_str().unwrap(), "--format", "json"]).ended(0).json();
        assert_eq!(names(&released), ["s"], "{case}: {released}");
        assert_eq!((there(&top), world.processes()), (Vec::new(), Vec::new()), "{case}");
        assert!(world.records().is_empty(), "{case}");
    };
    for is_deleted in [false, true] {
        check(&top, &top, is_deleted);
        check(&sub, &top, is_deleted);
        check(&sub, &sub, is_deleted);
        check(&sub, &link, is_deleted);
        check(&link.join("sub"), &sub, is_deleted);
        check(&link.join("sub"), &link.join("sub/../sub"), is_deleted);
    }
}

#[test]
fn who_lives_beside_or_above_the_folder_does_not_hold_it() {
    let world = World::new();
    let top = folder(&world, "top");
    let sub = top.join("sub");
    std::fs::create_dir_all(&sub).unwrap();
    std::fs::create_dir_all(top.join("sub-beside")).unwrap();
    world.declare(
        "ripley",
        &[
            shell_in(&world, "above", &top, "exec sleep 1000"),
            shell_in(&world, "beside", &top.join("sub-beside"), "exec sleep 1000"),
        ],
    );
    assert_eq!(world.accept("ripley", &[]).0, Some(0));
    for dir in [sub.clone(), sub.join("never/was"), world.dir.path().join("nowhere")] {
        let holders = world.run(&["holders", dir.to_str().unwrap()]).ended(0);
        assert!(holders.stdout.is_empty() && holders.stderr.contains("nothing of ours lives in"), "{holders:?}");
        assert_eq!(holders.stderr.contains("there is no such folder"), dir != sub, "{holders:?}");
        world.run(&["release", dir.to_str().unwrap()]).ended(0);
    }
    // The logs of all services are below the root: by them nobody lives there.
    let engine = world.root().join("engine");
    assert!(world.run(&["holders", engine.to_str().unwrap()]).ended(0).stdout.is_empty());
    assert_eq!(world.records().len(), 2);
    world.run(&["holders", ""]).ended(64);
}

#[test]
fn the_family_of_a_killed_shim_is_found_in_the_folder() {
    let world = World::new();
    let (top, other) = (folder(&world, "top"), folder(&world, "other"));
    let script = format!("(cd {}; exec setsid sleep 1000) & exec sleep 1000", top.display());
    world.declare("ripley", &[shell_in(&world, "s", &other, &script)]);
    assert_eq!(world.accept("ripley", &[]).0, Some(0));
    wait_for("its child is there", || there(&top).len() == 1);
    let record = world.record("s");
    kill_shim(&record);
    // Even if the record is lost with it: the shim's files are ours.
    for is_recorded in [true, false] {
        if !is_recorded {
            let mut state = world.state();
            state["specs"] = json!([]);
            std::fs::write(world.root().join("engine/managed-processes.json"), state.to_string()).unwrap();
        }
        let holders = world.run(&["holders", top.to_str().unwrap()]).ended(0);
        let text = if is_recorded { &holders.stdout } else { &holders.stderr };
        assert!(text.contains(&there(&top)[0].to_string()), "{holders:?}");
    }
    world.run(&["release", top.to_str().unwrap()]).ended(0);
    assert_eq!((there(&top), world.processes()), (Vec::new(), Vec::new()));
}

#[test]
fn strangers_in_the_folder_are_told_and_not_touched() {
    let world = World::new();
    let top = folder(&world, "top");
    world.declare("ripley", &[shell_in(&world, "s", &top, "exec sleep 1000")]);
    assert_eq!(world.accept("ripley", &[]).0, Some(0));
    let mut stranger = std::process::Command::new("sleep").arg("1000").current_dir(&top).spawn().unwrap();
    wait_for("both are there", || there(&top).len() == 2);
    let mut release = world.command(&["release", top.to_str().unwrap(), "--format", "json"]);
    let ran = crate::support::ran(release.current_dir(&top)).ended(0);
    assert_eq!(there(&top), [stranger.id()]);
    assert_eq!(ran.json()["others"], json!([{"pid": stranger.id(), "command": "sleep 1000"}]), "not this very command");
    assert!(ran.stderr.contains(&format!("pid {}: sleep 1000", stranger.id())), "{ran:?}");
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[test]
fn a_service_that_another_command_is_at_is_left_to_it() {
    let world = World::new();
    let top = folder(&world, "top");
    world.declare("ripley", &[shell_in(&world, "s", &top, "exec sleep 1000")]);
    assert_eq!(world.accept("ripley", &[]).0, Some(0));
    let mut state = world.state();
    let process = state["specs"][0]["process"].clone();
    // Any living process can be the maker of a claim: here the service itself.
    state["specs"][0]["claim"] = json!({
        "pid": process["pid"], "start_ticks": process["start_ticks"], "boot_id": process["boot_id"], "verb": "accept", "at": 1,
    });
    std::fs::write(world.root().join("engine/managed-processes.json"), state.to_string()).unwrap();
    let ran = world.run(&["release", top.to_str().unwrap()]).ended(7);
    assert!(ran.stderr.contains("`minions managed accept`"), "{ran:?}");
    assert_eq!(there(&top), [pid_of(&world.record("s"))]);
}

#[test]
fn services_that_are_accepted_meanwhile_are_released_or_accepted_after_the_last_look() {
    let world = World::new();
    let top = folder(&world, "top");
    for round in 0..5 {
        for agent in 0..4 {
            let spec = shell_in(&world, &format!("s-{agent}"), &top, "exec sleep 1000");
            world.declare(&format!("agent-{agent}"), &[spec]);
        }
        let spawn = |args: &[&str]| {
            let mut command = world.command(args);
            command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped()).spawn().unwrap()
        };
        let accepts: Vec<_> = (0..4).map(|agent| spawn(&["accept", &format!("agent-{agent}"), "--no-wait"])).collect();
        let release = spawn(&["release", top.to_str().unwrap()]).wait_with_output().unwrap();
        // Exit 7: an accept was at one of them at that moment.
        assert!(matches!(release.status.code(), Some(0 | 7)), "round {round}: {release:?}");
        for mut accept in accepts {
            accept.wait().unwrap();
        }
        world.run(&["release", top.to_str().unwrap()]).ended(0);
        assert_eq!((there(&top), world.processes()), (Vec::new(), Vec::new()), "round {round}");
        assert!(world.records().is_empty(), "round {round}");
    }
}

#[test]
fn a_release_or_a_removal_that_is_killed_at_any_moment_is_finished_by_the_next() {
    let world = World::new();
    let top = folder(&world, "top");
    for round in 0..24_u64 {
        world.declare("ripley", &["a", "b"].map(|name| shell_in(&world, name, &top, "exec sleep 1000")));
        assert_eq!(world.accept("ripley", &["--project", "shop", "--no-wait"]).0, Some(0), "round {round}");
        let top = top.to_str().unwrap();
        let args = if round % 2 == 0 { ["release", top] } else { ["remove-project", "shop"] };
        let mut command = world.command(&args);
        let quiet = command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let mut child = quiet.spawn().unwrap();
        // The moment itself is what is tried: from before the claim to after the end.
        std::thread::sleep(std::time::Duration::from_micros(round * 1500));
        child.kill().unwrap();
        child.wait().unwrap();
        world.run(&["release", top]).ended(0);
        assert_eq!((there(top.as_ref()), world.processes()), (Vec::new(), Vec::new()), "round {round}");
        assert!(world.records().is_empty(), "round {round}");
    }
}

#[test]
fn a_removed_project_leaves_neither_services_nor_logs_and_others_stay() {
    let world = World::new();
    let logs = world.root().join("engine/managed-logs");
    let log_names = || {
        let mut names: Vec<String> =
            std::fs::read_dir(&logs).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    for (agent, project, name) in [("ripley", "shop", "web"), ("ash", "shop", "api"), ("kane", "bank", "db")] {
        world.declare(agent, &[world.shell(name, "echo up; exec sleep 1000")]);
        assert_eq!(world.accept(agent, &["--project", project]).0, Some(0));
    }
    std::fs::write(logs.join("web.log.1"), "rotated").unwrap();
    let refused = world.run(&["remove-project", "shopp"]).ended(6);
    assert!(refused.stderr.contains("nearest: `shop`"), "{refused:?}");
    assert_eq!(log_names(), ["api.log", "db.log", "web.log", "web.log.1"]);
    let removed = world.run(&["remove-project", "shop", "--format", "json"]).ended(0).json();
    assert_eq!(names(&removed), ["web", "api"]);
    assert_eq!(log_names(), ["db.log"]);
    let left = world.records();
    assert_eq!((left.len(), &left[0]["name"]), (1, &json!("db")));
    assert!(is_alive(pid_of(&left[0])));
    assert_eq!(world.live_generations().len(), 1);
    world.run(&["remove-project", "shop"]).ended(6);
    world.declare("lambert", &[world.shell("free", "exec sleep 1000")]);
    assert_eq!(world.accept("lambert", &[]).0, Some(0));
    world.run(&["remove-project", ""]).ended(64);
    assert!(is_alive(pid_of(&world.record("free"))), "it has no project, which is no project either");
}
