//! How a service declares to be stopped, and that whoever stops it keeps to that.

use serde_json::json;

use crate::support::{World, kill_shim, wait_for};

/// A service that writes the name of the signal that it is asked to end by into `asked`.
fn listener(world: &World, stop: &serde_json::Value) -> serde_json::Value {
    let asked = world.dir.path().join("asked");
    let trap = |signal: &str| format!("trap 'echo {signal} >> {}; exit 0' {signal}; ", asked.display());
    let traps: String = ["TERM", "INT", "HUP", "USR1"].map(trap).concat();
    let up = world.dir.path().join("up");
    // What leaves the service's session is of its tree all the same, and is what is left where its shim is killed.
    let script = format!("{traps} touch {}; while :; do sleep 1000; done", up.display());
    let script_file = world.dir.path().join("listen.sh");
    std::fs::write(&script_file, script).unwrap();
    let mut spec = world.shell("web", &format!("setsid sh {} & exec sleep 1000", script_file.display()));
    spec["stop"] = stop.clone();
    spec["healthcheck"]["cmd"] = json!(format!("sh -c 'test -f {} && echo ok'", up.display()));
    spec["healthcheck"]["interval_s"] = json!(0.1);
    spec
}

#[test]
fn signal_that_it_declares_asks_it_to_end_with_its_shim_and_without() {
    let check = |stop: serde_json::Value, has_shim: bool, expected: &str| {
        let world = World::new();
        world.declare("ripley", &[listener(&world, &stop)]);
        assert_eq!(world.accept("ripley", &[]).0, Some(0));
        if !has_shim {
            kill_shim(&world.record("web"));
        }
        world.run(&["stop", "web"]).ended(0);
        let asked = std::fs::read_to_string(world.dir.path().join("asked")).unwrap_or_default();
        assert_eq!(asked, expected, "{stop} {has_shim}");
        wait_for("nothing is left", || world.processes().is_empty());
    };
    for has_shim in [true, false] {
        check(json!(null), has_shim, "TERM\n");
        check(json!({"signal": "SIGUSR1"}), has_shim, "USR1\n");
        check(json!({"signal": "SIGHUP", "grace_s": 30}), has_shim, "HUP\n");
        // It has no chance to say anything.
        check(json!({"signal": "SIGKILL"}), has_shim, "");
    }
}

#[test]
fn grace_that_it_declares_is_its_shims() {
    let world = World::new();
    let plain = world.shell("plain", "exec sleep 1000");
    let mut patient = world.shell("patient", "exec sleep 1000");
    patient["stop"] = json!({"grace_s": "2.5"});
    world.declare("ripley", &[plain, patient]);
    assert_eq!(world.accept("ripley", &[]).0, Some(0));
    for (name, grace_ms) in [("plain", 1000), ("patient", 2500)] {
        let generation = world.record(name)["generation"].as_str().unwrap().to_owned();
        let orders = world.root().join(format!("engine/managed-run/{name}/{generation}/launch.json"));
        let orders: serde_json::Value = serde_json::from_slice(&std::fs::read(orders).unwrap()).unwrap();
        assert_eq!(orders["grace_ms"], json!(grace_ms), "{name}");
    }
}
