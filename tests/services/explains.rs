//! "Why is it (not) running?", asked about every kind of service: what `explain`, `show` and `list` answer, as a transcript that is
//! reviewed like code (`explains.txt`; `UPDATE=1` writes it). Moments and spans stand as words in it.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::{World, kill, kill_shim, pid_of, wait_for};

/// What was asked and answered.
struct Transcript<'a> {
    world: &'a World,
    text: String,
}

impl Transcript<'_> {
    fn head(&mut self, title: &str) {
        self.text.extend(["\n# ", title, "\n"]);
    }

    fn ask(&mut self, args: &[&str], code: i32) {
        let ran = self.world.run(args).ended(code);
        self.text.extend(["\n$ minions managed ", &args.join(" "), "\n"]);
        let shown = if args[0] == "show" { answer_of_show(&ran.stdout) } else { ran.stdout };
        let all = format!("{shown}{}", ran.stderr);
        self.text.extend(all.lines().map(|line| format!("{}\n", timeless(line).trim_end())));
    }
}

/// The part of `show` that answers why, and what next; the rest is what was declared.
fn answer_of_show(text: &str) -> String {
    let is_answer = |line: &&str| {
        ["status", "health ", "why", "ended", "restart", "if unhealthy", "activation", "needs"]
            .iter()
            .any(|label| line.starts_with(label))
    };
    let (facts, rest) =
        text.split_once("\n\nend of the log").unwrap_or((text.split("\nwhat next").next().unwrap(), ""));
    let answers: String = facts.lines().filter(is_answer).map(|line| format!("{line}\n")).collect();
    let rest = if rest.is_empty() { String::new() } else { format!("end of the log{rest}\n") };
    let next = text.split_once("\nwhat next:\n").map(|(_, next)| format!("what next:\n{next}")).unwrap_or_default();
    answers + rest.split("\nwhat next").next().unwrap() + &next
}

/// The line without what differs from run to run: moments and spans.
fn timeless(line: &str) -> String {
    let words = line.split_inclusive(' ').map(|word| {
        let core = word.trim_end();
        let (bare, tail) = core.split_at(core.trim_end_matches([')', ',', ':', ';']).len());
        let bare_start = bare.trim_start_matches('(');
        let open = &bare[..bare.len() - bare_start.len()];
        let blank = &word[core.len()..];
        let is_span = bare_start.len() > 1
            && bare_start.starts_with(|first: char| first.is_ascii_digit())
            && bare_start.ends_with(['s', 'm', 'h', 'd'])
            && bare_start.chars().all(|one| one.is_ascii_digit() || "smhd.".contains(one));
        let is_date = bare_start.len() == 10 && bare_start.starts_with("20") && bare_start.matches('-').count() == 2;
        let is_time = bare_start.len() == 8 && bare_start.matches(':').count() == 2;
        match (is_span, is_date, is_time) {
            (true, _, _) => format!("{open}SPAN{tail}{blank}"),
            (_, true, _) => format!("{open}DATE{tail}{blank}"),
            (_, _, true) => format!("{open}TIME{tail}{blank}"),
            (false, false, false) => word.to_owned(),
        }
    });
    // A span of two parts is one.
    words.collect::<String>().replace("SPAN SPAN", "SPAN")
}

fn edit(world: &World, name: &str, change: impl Fn(&mut Value)) {
    let mut state = world.state();
    state["specs"].as_array_mut().unwrap().iter_mut().filter(|record| record["name"] == name).for_each(change);
    world.put_state(state.to_string());
}

fn await_status(world: &World, name: &str, status: &str) {
    wait_for(&format!("`{name}` is `{status}`"), || world.record(name)["status"] == status);
}

/// All kinds at once, each in the state that its name says.
fn all_kinds(world: &World) {
    let spec = |name: &str, more: Value| {
        let mut spec = world.shell(name, &format!("echo {name} speaks; exec sleep 1000"));
        spec["healthcheck"]["cmd"] = json!("sh -c 'test ! -e sick && echo ok'");
        more.as_object().unwrap().iter().for_each(|(key, value)| spec[key] = value.clone());
        spec
    };
    let policy = |more: Value| {
        let mut policy = json!({"policy": "always"});
        more.as_object().unwrap().iter().for_each(|(key, value)| policy[key] = value.clone());
        json!({"restart": policy})
    };
    let mut sick = spec("sick", json!({}));
    sick["healthcheck"]["on_unhealthy"] = json!("restart");
    let accept = |specs: &[Value]| {
        world.declare("ripley", specs);
        let (code, report) = world.accept("ripley", &["--project", "shop"]);
        assert_eq!(code, Some(0), "{report}");
    };
    accept(&[
        spec("backoff", policy(json!({"backoff_s": [1000]}))),
        spec("given-up", policy(json!({"max_restarts": 0}))),
        spec("on-demand", json!({"activation": "on-demand"})),
        spec("idle", json!({"activation": "on-demand", "idle_stop_s": 60})),
        spec("daily", policy(json!({"daily": true}))),
    ]);
    accept(&[
        spec("over", json!({})),
        sick,
        spec("rebooted", policy(json!({}))),
        spec("db", policy(json!({"backoff_s": [1000]}))),
        spec("web", json!({"depends_on": ["db"]})),
    ]);
    accept(&[spec("stopped", json!({})), spec("dead", json!({}))]);
    for (name, status) in [("backoff", "backoff"), ("db", "backoff"), ("given-up", "failed")] {
        crate::restarts::await_life(&world.record(name));
        kill(pid_of(&world.record(name)));
        await_status(world, name, status);
    }
    world.run(&["ensure", "idle"]).ended(0);
    let long_ago = |record: &mut Value, hours: i64| {
        for key in ["started_at", "last_used_at"] {
            record[key] = json!(record["started_at"].as_i64().unwrap() - hours * 3_600_000);
        }
    };
    edit(world, "idle", |record| long_ago(record, 2));
    world.run(&["sweep"]).ended(0);
    await_status(world, "idle", "stopped");
    edit(world, "daily", |record| long_ago(record, 23));
    edit(world, "over", |record| record["ttl_expires_at"] = json!(record["started_at"].as_i64().unwrap() - 60_000));
    world.run(&["stop", "stopped"]).ended(0);
    kill(pid_of(&world.record("dead")));
    wait_for("its shim has gone", || !crate::support::is_alive(crate::support::shim_of(&world.record("dead"))));
    std::fs::write(world.dir.path().join("work/sick"), "").unwrap();
    world.run(&["healthcheck", "sick"]).ended(4);
    // As if the machine had been booted anew: what its shim wrote is of the boot before.
    let record = world.record("rebooted");
    kill_shim(&record);
    let run_dir = world.root().join("engine/managed-run/rebooted").join(record["generation"].as_str().unwrap());
    let other_boot = |text: String| {
        text.replace(record["process"]["boot_id"].as_str().unwrap(), "00000000-0000-0000-0000-000000000000")
    };
    for file in ["shim.json", "service.json"].map(|file| run_dir.join(file)) {
        std::fs::write(&file, other_boot(std::fs::read_to_string(&file).unwrap())).unwrap();
    }
    edit(world, "rebooted", |record| {
        record["process"]["boot_id"] = json!("00000000-0000-0000-0000-000000000000");
    });
}

#[test]
fn why_each_runs_or_does_not_is_answered_as_written() {
    let world = World::new();
    all_kinds(&world);
    let mut transcript = Transcript { world: &world, text: String::new() };
    for (title, name) in [
        ("It has failed, and its restart policy waits", "backoff"),
        ("Its restart policy has no start left", "given-up"),
        ("It is on demand, and nobody has needed it", "on-demand"),
        ("It was stopped since nobody used it", "idle"),
        ("Its daily restart comes next", "daily"),
        ("What it depends on waits for its next start", "web"),
        ("Its time to live is over, and nobody has ended it", "over"),
        ("Its probes begin to fail", "sick"),
        ("The machine was booted anew", "rebooted"),
        ("It has died, and has no restart policy", "dead"),
    ] {
        transcript.head(title);
        transcript.ask(&["explain", name], 0);
        transcript.ask(&["show", name], 0);
    }
    transcript.head("Somebody has stopped it");
    transcript.ask(&["explain", "stopped"], 6);
    transcript.ask(&["explain", "never-there"], 6);
    transcript.head("All of them");
    let listed = world.run(&["list"]).ended(0).stdout;
    let whys = listed.split_once("\n\n").map(|(_, whys)| whys).unwrap_or_default();
    transcript.text.extend(whys.lines().map(|line| format!("{}\n", timeless(line))));

    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/services/explains.txt");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &transcript.text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    for (at, (found, expected)) in transcript.text.lines().zip(expected.lines()).enumerate() {
        assert_eq!(found, expected, "line {} of explains.txt", at + 1);
    }
    assert_eq!(transcript.text.lines().count(), expected.lines().count());
}
