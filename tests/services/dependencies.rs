//! Services that depend on others: started after them, stopped before them, and not started without them.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::{World, is_alive, pid_of, wait_for};

/// The services of one test and the files by which they tell what they do, in a folder of their own.
struct Family {
    world: World,
    dir: PathBuf,
}

impl Family {
    fn new() -> Self {
        let world = World::new();
        let dir = world.dir.path().join("told");
        std::fs::create_dir_all(&dir).unwrap();
        Self { world, dir }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn told(&self, name: &str) -> String {
        std::fs::read_to_string(self.file(name)).unwrap_or_default()
    }

    /// A service that waits for `needs`. It ends with 9 where one of these was not healthy when it was started, is healthy at its
    /// second probe only, and writes its name into `order` when it is asked to end.
    fn service(&self, name: &str, needs: &[&str]) -> Value {
        let dir = self.dir.display();
        let check: String = needs.iter().map(|need| format!("test -f {dir}/{need}-healthy || exit 9; ")).collect();
        let script = format!(
            "{check}trap 'echo {name} >> {dir}/order; exit 0' TERM; echo up >> {dir}/{name}-up; while :; do sleep 1000; done"
        );
        let probe = format!(
            "test -f {dir}/{name}-up || exit 1; test -f {dir}/{name}-probed && test ! -f {dir}/{name}-sick && \
             touch {dir}/{name}-healthy && echo ok; touch {dir}/{name}-probed"
        );
        let mut spec = self.world.shell(name, &script);
        spec["depends_on"] = json!(needs);
        spec["healthcheck"] = json!({"type": "command", "cmd": format!("sh -c '{probe}'"), "shell": true, "expect_regex": "ok",
                "interval_s": 0.1, "timeout_s": 30, "failure_threshold": 1});
        spec
    }

    /// One that ends at once and is never healthy.
    fn broken(&self, name: &str) -> Value {
        let mut spec = self.world.shell(name, "exit 3");
        spec["healthcheck"]["cmd"] = json!("sh -c false");
        spec
    }

    fn accept(&self, specs: &[Value], more: &[&str], code: i32) -> Value {
        self.world.declare("ripley", specs);
        let (ended, report) = self.world.accept("ripley", &[&["--project", "shop"], more].concat());
        assert_eq!(ended, Some(code), "{report}");
        report
    }

    /// Forgets which services were healthy.
    fn forget(&self) {
        for entry in std::fs::read_dir(&self.dir).unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
    }
}

/// The part of a report that is about the service of that declared name.
fn of<'a>(report: &'a Value, name: &str) -> &'a Value {
    let found = report["specs"].as_array().unwrap().iter().find(|spec| spec["declared_name"] == name);
    found.unwrap_or_else(|| panic!("no `{name}` in {report}"))
}

#[test]
fn each_is_started_once_all_that_it_needs_is_healthy_whatever_the_order_of_the_file() {
    let family = Family::new();
    let specs = [
        family.service("web", &["api", "db"]),
        family.service("api", &["db"]),
        family.service("db", &[]),
        family.service("mail", &["db"]),
    ];
    let report = family.accept(&specs, &[], 0);
    for name in ["web", "api", "db", "mail"] {
        assert_eq!((&of(&report, name)["action"], &of(&report, name)["healthy"]), (&json!("spawned"), &json!(true)));
        assert_eq!(family.world.record(name)["status"], "running");
    }
    // A restart of several keeps to the order too, and tells nobody who was not named.
    let mail = family.world.record("mail");
    family.forget();
    family.world.run(&["restart", "web", "api", "db"]).ended(0);
    assert_eq!(family.told("web-up"), "up\n");
    assert_eq!(family.world.record("mail")["generation"], mail["generation"]);
}

#[test]
fn without_waiting_for_all_it_waits_for_what_others_need() {
    let family = Family::new();
    let report = family.accept(&[family.service("web", &["db"]), family.service("db", &[])], &["--no-wait"], 0);
    assert_eq!((&of(&report, "db")["healthy"], &of(&report, "web")["healthy"]), (&json!(true), &json!(null)));
    assert!(family.file("db-healthy").exists() && is_alive(pid_of(&family.world.record("web"))));
}

#[test]
fn what_needs_something_that_fails_is_not_started_and_says_what_it_was() {
    let family = Family::new();
    let specs = [
        family.service("top", &["web"]),
        family.service("web", &["mail", "db"]),
        family.broken("db"),
        family.service("mail", &[]),
    ];
    let report = family.accept(&specs, &[], 5);
    assert_eq!(
        (&report["outcome"], &report["failure_class"]),
        (&json!("partial"), &json!("managed-spawn-healthcheck-failed"))
    );
    for (name, error) in [("web", "dependency-failed (db)"), ("top", "dependency-failed (web)")] {
        let spec = of(&report, name);
        assert_eq!((&spec["error"], &spec["action"], &spec["pid"]), (&json!(error), &json!("none"), &json!(null)));
        assert!(!family.file(&format!("{name}-up")).exists());
    }
    let names: Vec<Value> = family.world.records().iter().map(|record| record["name"].clone()).collect();
    assert_eq!(names, ["mail"]);
    assert_eq!(family.world.shims().len(), 1, "no shim waits for a word that never comes");
    let report = family.accept(&[family.service("web", &["db"]), family.broken("db")], &[], 4);
    assert_eq!(report["outcome"], "failed");
}

#[test]
fn what_was_to_be_replaced_goes_on_where_what_it_needs_fails() {
    let family = Family::new();
    family.accept(&[family.service("web", &["db"]), family.service("db", &[])], &[], 0);
    let before = family.world.record("web");
    let mut changed = family.service("web", &["db"]);
    changed["ttl_minutes"] = json!(7);
    let report = family.accept(&[changed, family.broken("db")], &[], 4);
    assert_eq!(of(&report, "web")["error"], "dependency-failed (db)");
    assert_eq!(of(&report, "web")["pid"], before["pid"], "it lives, though it is not what was asked for");
    assert_eq!(family.world.record("web"), before);
    assert!(is_alive(pid_of(&before)));
    assert!(!family.world.records().iter().any(|record| record["name"] == "db"));
}

#[test]
fn what_runs_as_declared_counts_if_it_is_healthy_and_else_is_probed() {
    let family = Family::new();
    let specs = [family.service("web", &["db"]), family.service("db", &[])];
    family.accept(&specs, &[], 0);
    let db = family.world.record("db");
    family.world.run(&["stop", "web"]).ended(0);
    std::fs::write(family.file("db-sick"), "").unwrap();
    // It was healthy when last looked at, which is what counts.
    family.accept(&specs, &[], 0);
    family.world.run(&["stop", "web"]).ended(0);
    family.world.run(&["healthcheck", "db"]).ended(4);
    let report = family.accept(&specs, &[], 5);
    assert_eq!(
        (&of(&report, "web")["error"], &of(&report, "db")["action"]),
        (&json!("dependency-failed (db)"), &json!("unchanged"))
    );
    std::fs::remove_file(family.file("db-sick")).unwrap();
    let report = family.accept(&specs, &[], 0);
    assert_eq!(of(&report, "web")["action"], "spawned");
    assert_eq!(family.world.record("db")["generation"], db["generation"]);
    assert_eq!(family.world.record("db")["healthy"], true, "the probe is written down");
}

/// `accept --no-wait` of `db` alone, whose probes fail until `db-sick` goes; it is up, and nobody waits for its health.
fn coming_up(family: &Family, change: impl Fn(&mut Value)) -> [Value; 2] {
    let mut db = family.service("db", &[]);
    change(&mut db);
    std::fs::write(family.file("db-sick"), "").unwrap();
    family.accept(std::slice::from_ref(&db), &["--no-wait"], 0);
    assert_eq!(family.world.record("db")["last_health_at"], Value::Null);
    [family.service("web", &["db"]), db]
}

/// Runs `command` to its end; once `is_waiting` and a probe of `db` later, `db` becomes healthy.
fn heal_while(family: &Family, mut command: std::process::Command, is_waiting: impl Fn() -> bool) -> Value {
    let command = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    wait_for("it waits", is_waiting);
    std::fs::remove_file(family.file("db-probed")).unwrap_or_default();
    wait_for("db is probed once more", || family.file("db-probed").exists());
    assert!(!family.file("web-up").exists(), "it is not started without what it needs");
    std::fs::remove_file(family.file("db-sick")).unwrap();
    let ended = command.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    serde_json::from_slice(&ended.stdout).unwrap()
}

#[test]
fn what_is_still_coming_up_is_waited_for_by_an_accept_of_those_that_need_it() {
    let family = Family::new();
    let [web, db] = coming_up(&family, |_| {});
    let before = family.world.record("db");
    family.world.declare("ripley", &[web, db, family.service("mail", &["db"]), family.service("alone", &[])]);
    let accept = family.world.command(&["accept", "ripley", "--project", "shop", "--format", "json"]);
    let is_claimed = || family.world.records().iter().any(|one| one["name"] == "web" && one["status"] == "starting");
    // Who needs nothing does not wait with them.
    let report = heal_while(&family, accept, || is_claimed() && family.file("alone-healthy").exists());
    for (name, action) in [("web", "spawned"), ("mail", "spawned"), ("alone", "spawned"), ("db", "unchanged")] {
        assert_eq!(of(&report, name)["action"], action, "{report}");
    }
    assert_eq!(family.world.record("db")["generation"], before["generation"]);
    assert_eq!(family.world.record("db")["healthy"], true);
}

#[test]
fn what_is_still_coming_up_is_waited_for_by_an_ensure_of_one_that_needs_it() {
    let family = Family::new();
    let [web, db] = coming_up(&family, |_| {});
    let lazy = |mut spec: Value| {
        spec["activation"] = json!("on-demand");
        spec
    };
    family.accept(&[lazy(web), db], &[], 0);
    let before = family.world.record("db");
    let is_asked = || std::fs::remove_file(family.file("db-probed")).is_ok();
    let ensure = family.world.command(&["ensure", "web", "--format", "json"]);
    std::fs::remove_file(family.file("db-probed")).unwrap_or_default();
    let told = heal_while(&family, ensure, is_asked);
    assert_eq!((&told["action"], &told["dependencies"][0]["action"]), (&json!("started"), &json!("awaited")), "{told}");
    assert_eq!(family.world.record("db")["generation"], before["generation"]);
}

#[test]
fn what_its_own_shim_has_just_started_again_is_waited_for() {
    for verb in ["accept", "ensure"] {
        let family = Family::new();
        let [mut web, db] = coming_up(&family, |db| db["restart"] = json!({"policy": "always", "backoff_s": [0]}));
        let before = family.world.record("db");
        crate::restarts::await_life(&before);
        crate::support::kill(pid_of(&before));
        wait_for("it is up again", || {
            let now = family.world.record("db");
            now["status"] == "running" && now["generation"] != before["generation"]
        });
        let after = family.world.record("db");
        let args = if verb == "accept" {
            family.world.declare("ripley", &[web, db]);
            vec!["accept", "ripley", "--project", "shop", "--format", "json"]
        } else {
            web["activation"] = json!("on-demand");
            family.accept(&[web, db], &[], 0);
            vec!["ensure", "web", "--format", "json"]
        };
        heal_while(&family, family.world.command(&args), || true);
        assert_eq!(family.world.record("db")["generation"], after["generation"], "{verb}");
        assert!(family.file("web-healthy").exists(), "{verb}");
    }
}

#[test]
fn what_does_not_come_up_in_its_own_time_fails_those_that_need_it() {
    let family = Family::new();
    let [web, db] = coming_up(&family, |db| db["healthcheck"]["timeout_s"] = json!(1));
    let report = family.accept(&[web, db], &[], 5);
    assert_eq!(of(&report, "web")["error"], "dependency-failed (db)");
    assert!(!family.file("web-up").exists() && is_alive(pid_of(&family.world.record("db"))));
    assert_eq!(family.world.shims().len(), 1, "no shim waits for a word that never comes");
}

#[test]
fn who_waits_when_accept_is_killed_is_as_if_it_had_never_been_asked_for() {
    let family = Family::new();
    let specs = |minutes: u32| {
        let mut web = family.service("web", &["db"]);
        web["ttl_minutes"] = json!(minutes);
        [web, family.service("db", &[])]
    };
    let kill_accept = |specs: &[Value]| {
        family.world.declare("ripley", specs);
        let mut accept = family.world.command(&["accept", "ripley", "--project", "shop"]).spawn().unwrap();
        // The first probe has been made, and the next ones will not pass.
        wait_for("db is probed", || family.file("db-probed").exists());
        accept.kill().unwrap();
        accept.wait().unwrap();
        wait_for("whoever had no word goes", || {
            family.world.shims().iter().all(|shim| family.world.shim_is_settled(*shim))
        });
        family.world.run(&["sweep"]).ended(0);
    };
    std::fs::write(family.file("db-sick"), "").unwrap();
    kill_accept(&specs(5));
    assert!(!family.world.records().iter().any(|record| record["name"] == "web"), "its sidecar is still pending");
    assert!(!family.file("web-up").exists());
    std::fs::remove_file(family.file("db-sick")).unwrap();
    family.accept(&specs(5), &[], 0);

    // What was to be replaced was not touched yet.
    let before = family.world.record("web");
    family.world.run(&["stop", "db"]).ended(0);
    family.forget();
    std::fs::write(family.file("db-sick"), "").unwrap();
    kill_accept(&specs(7));
    let after = family.world.record("web");
    assert_eq!(
        (&after["generation"], &after["status"], &after["claim"]),
        (&before["generation"], &json!("running"), &json!(null))
    );
    assert!(is_alive(pid_of(&before)));
    std::fs::remove_file(family.file("db-sick")).unwrap();
    let report = family.accept(&specs(7), &[], 0);
    assert_eq!(of(&report, "web")["action"], "replaced");
}

#[test]
fn on_demand_waits_until_it_is_needed() {
    let family = Family::new();
    let lazy = |mut spec: Value| {
        spec["activation"] = json!("on-demand");
        spec
    };
    let db = lazy(family.service("db", &[]));
    let planned = {
        family.world.declare("ripley", std::slice::from_ref(&db));
        family.world.accept("ripley", &["--project", "shop", "--dry-run"]).1
    };
    assert_eq!(of(&planned, "db")["action"], "queued");
    let report = family.accept(std::slice::from_ref(&db), &[], 0);
    let spec = of(&report, "db");
    assert_eq!((&report["outcome"], &spec["action"]), (&json!("accepted"), &json!("queued")));
    assert_eq!((&spec["pid"], &spec["healthy"], &spec["error"]), (&json!(null), &json!(null), &json!(null)));
    let record = family.world.record("db");
    assert_eq!(
        (&record["status"], &record["pid"], &record["process"]),
        (&json!("stopped"), &json!(null), &json!(null))
    );
    assert!(record["ttl_expires_at"].is_i64() && record["activation"] == "on-demand", "{record}");
    assert_eq!(family.world.processes(), Vec::<u32>::new());

    let report = family.accept(std::slice::from_ref(&db), &[], 0);
    assert_eq!((&report["outcome"], &of(&report, "db")["action"]), (&json!("unchanged"), &json!("unchanged")));
    let mut other = db.clone();
    other["ttl_minutes"] = json!(7);
    let report = family.accept(&[other], &[], 0);
    assert_eq!(
        (&of(&report, "db")["action"], &family.world.record("db")["ttl_minutes"]),
        (&json!("queued"), &json!(7))
    );

    // Who is started takes it along; who waits with it does not.
    let specs = [family.service("web", &["db"]), db.clone(), lazy(family.service("mail", &["db"]))];
    let report = family.accept(&specs, &[], 0);
    let actions = ["web", "db", "mail"].map(|name| of(&report, name)["action"].clone());
    assert_eq!(actions, ["spawned", "spawned", "queued"]);
    // What is up already is replaced by what is up, and what has died waits again.
    let mut other = db;
    other["ttl_minutes"] = json!(9);
    let report = family.accept(std::slice::from_ref(&other), &[], 0);
    assert_eq!(
        (&of(&report, "db")["action"], &family.world.record("db")["status"]),
        (&json!("replaced"), &json!("running"))
    );
    crate::support::kill_shim(&family.world.record("db"));
    let report = family.accept(&[other], &[], 0);
    assert_eq!(
        (&of(&report, "db")["action"], &family.world.record("db")["status"]),
        (&json!("queued"), &json!("stopped"))
    );
}

#[test]
fn whoever_ends_several_ends_dependents_first() {
    let ends: [&dyn Fn(&World); 4] = [
        &|world| drop(world.run(&["stop", "db", "web", "api"]).ended(0)),
        &|world| drop(world.run(&["remove-project", "shop"]).ended(0)),
        &|world| drop(world.run(&["release", world.dir.path().join("work").to_str().unwrap()]).ended(0)),
        &|world| {
            expire_all(world);
            world.run(&["sweep"]).ended(0);
        },
    ];
    for end in ends {
        let family = Family::new();
        let specs = [family.service("api", &["db"]), family.service("db", &[]), family.service("web", &["api"])];
        family.accept(&specs, &[], 0);
        end(&family.world);
        assert_eq!(family.told("order"), "web\napi\ndb\n");
        assert_eq!(family.world.records(), Vec::<Value>::new());
    }
}

/// Lets the time to live of all be over by the state; their shims have not heard of it.
fn expire_all(world: &World) {
    let mut state = world.state();
    for record in state["specs"].as_array_mut().unwrap() {
        record["ttl_expires_at"] = json!(1);
    }
    std::fs::write(world.root().join("engine/managed-processes.json"), state.to_string()).unwrap();
}

#[test]
fn who_depends_on_what_is_stopped_goes_on_and_is_told() {
    let family = Family::new();
    family.accept(
        &[family.service("web", &["db"]), family.service("db", &[]), family.service("mail", &["db"])],
        &[],
        0,
    );
    let stopped = family.world.run(&["stop", "db"]).ended(0);
    assert_eq!(stopped.stdout, "db: stopped, exit code 0\n");
    assert!(stopped.stderr.contains("`db` is stopped; `web`, `mail` depend on it and go on without it"), "{stopped:?}");
    let stopped = family.world.run(&["stop", "mail", "--format", "json"]).ended(0).json();
    assert_eq!(stopped["items"][0]["dependents"], json!([]));
    assert!(is_alive(pid_of(&family.world.record("web"))));
}
