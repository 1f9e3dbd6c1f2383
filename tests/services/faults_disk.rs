//! Disks that are full, fill up while a command is at work, or cannot be written. What needs a mount is done in a namespace.

use std::fs::File;
use std::io::Write as _;
use std::process::Command;

use serde_json::json;

use crate::faults::{Fault, LOOKERS, Patient, READERS, Row, WRITERS, in_namespace, mount, plainly};
use crate::support::{is_alive, kill, pid_of, shim_of, variable, wait_for};

const MOUNTS: [&str; 1] = ["-rm"];

/// Fills the file system of the root up but for `spare` blocks of 4096 bytes.
fn fill(patient: &Patient, spare: u64) {
    let mut filler = File::create(patient.world.root().join("filler")).expect("room for a name");
    let mut blocks = 0;
    while filler.write_all(&[0; 4096]).is_ok() {
        blocks += 1;
    }
    filler.set_len((blocks - spare.min(blocks)) * 4096).expect("shorter");
}

fn empty(patient: &Patient) {
    std::fs::remove_file(patient.world.root().join("filler")).expect("removed");
}

#[test]
fn a_full_disk_is_said_and_costs_no_service() {
    in_namespace("faults_disk::a_full_disk_is_said_and_costs_no_service", &MOUNTS, || {
        let patient = Patient::mounted("size=2m,mode=0700");
        let (apply, lift) = (|| fill(&patient, 0), || empty(&patient));
        patient.check(
            &Fault { apply: &apply, lift: &lift, run: &plainly(&patient) },
            &[
                Row(&WRITERS, 1, "No space left on device"),
                Row(&LOOKERS, 0, ""),
                Row(&READERS, 0, ""),
                Row(&["doctor"], 1, "[space-low]"),
            ],
        );
    });
}

#[test]
fn what_is_due_on_a_full_disk_is_said_and_done_once_there_is_room() {
    in_namespace("faults_disk::what_is_due_on_a_full_disk_is_said_and_done_once_there_is_room", &MOUNTS, || {
        let patient = Patient::mounted("size=2m,mode=0700");
        let [web, api] = ["web", "api"].map(|name| patient.world.record(name));
        fill(&patient, 0);
        kill(pid_of(&api));
        wait_for("its shim has gone", || !is_alive(shim_of(&api)));
        for verb in ["sweep", "reconcile", "healthcheck"] {
            let ran = patient.world.run(&[verb]);
            assert!(ran.code == Some(1) && ran.stderr.contains("No space left"), "{verb}: {ran:?}");
        }
        assert_eq!(patient.world.record("api"), api, "its record stays");
        empty(&patient);
        let report = patient.world.run(&["reconcile", "--format", "json"]).ended(0).json();
        assert_eq!(report["stats"]["dead_dropped"], 1);
        assert!(report.to_string().contains("signal 9 ended it"), "its exit was written down in spite of it: {report}");
        assert_eq!(patient.world.record("web")["process"], web["process"]);
        assert!(is_alive(pid_of(&web)));
    });
}

#[test]
fn a_disk_that_fills_up_at_any_write_of_a_command_costs_no_service() {
    in_namespace("faults_disk::a_disk_that_fills_up_at_any_write_of_a_command_costs_no_service", &MOUNTS, || {
        let patient = Patient::mounted("size=2m,mode=0700");
        for words in ["restart web", "accept web", "accept new", "renew web --ttl 7"] {
            let mut codes = Vec::new();
            for spare in 0..14 {
                patient.revive();
                // For `accept web`: another spec each time, so that it is replaced.
                let mut spec = patient.world.shell("web", "exec sleep 1000");
                spec["ttl_minutes"] = json!(100 + spare);
                patient.world.declare("web", &[spec]);
                fill(&patient, spare);
                let line = patient.line(words);
                let line: Vec<&str> = line.iter().map(String::as_str).chain(["--project", "shop"]).collect();
                let line = if words.starts_with("accept") { &line } else { &line[..line.len() - 2] };
                let ran = patient.world.run(line);
                let is_known = matches!(ran.code, Some(0))
                    || ran.stderr.contains("No space left")
                    || ran.stdout.contains("No space left");
                assert!(is_known, "{spare} blocks, `{words}`: {ran:?}");
                codes.push(ran.code);
                empty(&patient);
                patient.world.run(&["reconcile"]).ended(0);
                for name in ["web", "api"] {
                    assert!(
                        is_alive(pid_of(&patient.world.record(name))),
                        "{spare} blocks, `{words}` cost `{name}`: {ran:?}"
                    );
                }
                patient.check_truth(words);
                if words == "accept new" && patient.world.records().len() > 2 {
                    patient.world.run(&["stop", "new"]).ended(0);
                }
            }
            assert!(codes.contains(&Some(0)) && codes.contains(&Some(1)), "`{words}`, by spare blocks: {codes:?}");
        }
    });
}

#[test]
fn a_service_that_fills_the_disk_as_it_ends_is_started_anew_all_the_same() {
    in_namespace("faults_disk::a_service_that_fills_the_disk_as_it_ends_is_started_anew_all_the_same", &MOUNTS, || {
        let patient = Patient::mounted("size=2m,mode=0700");
        let filler = patient.world.root().join("filler");
        let script = format!("trap 'cat /dev/zero >>{}; exit' TERM; while :; do sleep 0.02; done", filler.display());
        patient.world.declare("hog", &[patient.world.shell("hog", &script)]);
        patient.world.run(&["accept", "hog", "--project", "shop"]).ended(0);
        let before = patient.world.record("hog");
        // What the old run folder frees is taken too: a writer beside it leaves nothing for anybody.
        let beside = format!("while :; do [ -e {0} ] && cat /dev/zero >>{0}; done 2>/dev/null", filler.display());
        let mut writer = Command::new("sh").args(["-c", &beside]).spawn().expect("sh starts");
        let ran = patient.world.run(&["restart", "hog"]);
        writer.kill().expect("our own child");
        writer.wait().expect("our own child");
        assert!(matches!(ran.code, Some(0)) || ran.stderr.contains("No space left"), "{ran:?}");
        assert!(!is_alive(pid_of(&before)), "it was ended: {ran:?}");
        empty(&patient);
        patient.world.run(&["reconcile"]).ended(0);
        let after = patient.world.record("hog");
        assert!(is_alive(pid_of(&after)) && after["generation"] != before["generation"], "{ran:?}");
        patient.check_truth("restart hog");
        patient.world.set(&json!({"stopGraceSec": 0}));
    });
}

#[test]
fn a_service_that_ends_again_and_again_on_a_full_disk_comes_back_each_time() {
    in_namespace(
        "faults_disk::a_service_that_ends_again_and_again_on_a_full_disk_comes_back_each_time",
        &MOUNTS,
        || {
            let patient = Patient::mounted("size=2m,mode=0700");
            let mut spec = patient.world.shell("phoenix", "exec sleep 1000");
            spec["restart"] = json!({"policy": "always", "backoff_s": [0]});
            patient.world.declare("phoenix", &[spec]);
            patient.world.run(&["accept", "phoenix", "--project", "shop"]).ended(0);
            let before = patient.world.record("phoenix");
            fill(&patient, 0);
            let mut pid = pid_of(&before);
            for _ in 0..8 {
                kill(pid);
                wait_for("it comes back", || child_of(shim_of(&before)).is_some_and(|child| child != pid));
                pid = child_of(shim_of(&before)).expect("it came back");
            }
            assert_eq!(patient.world.record("phoenix"), before, "there was no room to say so");
            empty(&patient);
            patient.world.run(&["reconcile"]).ended(0);
            patient.check_truth("the disk was full");
            assert!(is_alive(pid_of(&patient.world.record("phoenix"))));
        },
    );
}

/// The service of that shim: the child that bears a mark.
fn child_of(shim: u32) -> Option<u32> {
    let children = std::fs::read_to_string(format!("/proc/{shim}/task/{shim}/children")).unwrap_or_default();
    let pids = children.split_whitespace().map(|pid| pid.parse().expect("a pid"));
    pids.into_iter().find(|pid| is_alive(*pid) && variable(*pid, "MINIONS_MANAGED_GENERATION").is_some())
}

#[test]
fn a_read_only_root_is_said_and_costs_nothing() {
    in_namespace("faults_disk::a_read_only_root_is_said_and_costs_nothing", &MOUNTS, || {
        let patient = Patient::new();
        let root = patient.world.root().display().to_string();
        let apply = || {
            mount(&["--bind", &root, &root]);
            mount(&["-o", "remount,bind,ro", &root]);
        };
        let lift = || {
            let done = Command::new("umount").arg(&root).output().expect("umount runs");
            assert!(done.status.success(), "{done:?}");
        };
        patient.check(
            &Fault { apply: &apply, lift: &lift, run: &plainly(&patient) },
            &[
                Row(&WRITERS, 1, "Read-only file system"),
                Row(&LOOKERS, 0, ""),
                Row(&READERS, 0, ""),
                Row(&["doctor"], 1, "[space-read-only]"),
            ],
        );
    });
}
