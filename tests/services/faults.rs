//! What the system may do to commands: every command under every fault says what is wrong, where and what to do, with the right
//! exit code; no running service is touched, none is lost; and once the fault is gone all is true and works again.

use std::process::Command;

use serde_json::Value;

use crate::support::{Ran, World, is_alive, pid_of, ran, shim_of};

/// Two services that run, and an agent whose sidecar is pending.
pub(crate) struct Patient {
    pub(crate) world: World,
}

/// Commands that change something.
pub(crate) const WRITERS: [&str; 6] =
    ["accept new", "stop web", "restart web", "renew web --ttl 5", "release WORK", "remove-project shop"];
/// Commands that write only what is news; there is none.
pub(crate) const LOOKERS: [&str; 3] = ["sweep", "reconcile", "healthcheck"];
/// Commands that only read.
pub(crate) const READERS: [&str; 5] = ["list", "show web", "context --project shop", "logs web", "holders WORK"];
/// Every command, by what it does.
pub(crate) const ALL: [&[&str]; 4] = [&WRITERS, &LOOKERS, &READERS, &["doctor"]];

/// In place of an exit code: what else this machine lacks decides.
pub(crate) const ANY: i32 = -1;

/// What commands are to end with under a fault, and a part of what they then say.
pub(crate) struct Row<'a>(pub(crate) &'a [&'a str], pub(crate) i32, pub(crate) &'a str);

/// A fault that can come and go.
pub(crate) struct Fault<'a> {
    pub(crate) apply: &'a dyn Fn(),
    pub(crate) lift: &'a dyn Fn(),
    /// Runs one command line under it.
    pub(crate) run: &'a dyn Fn(&[String]) -> Ran,
}

/// Runs a test as the program of a namespace of its own, where it may mount and is alone: this very test again, by its name.
/// Where there may be none, says so.
pub(crate) fn in_namespace(name: &str, flags: &[&str], body: fn()) {
    const INSIDE: &str = "MINIONS_TEST_INSIDE";
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    let tried = Command::new("unshare").args(flags).arg("true").output();
    if !tried.is_ok_and(|tried| tried.status.success()) {
        skipped("SKIPPED: no namespace of its own may be made here");
        return;
    }
    let inside = Command::new("unshare")
        .args(flags)
        // A shell as the first process of a process table of its own: it buries the orphans.
        .args(["sh", "-c", "\"$@\"; exit $?", "sh"])
        .arg(std::env::current_exe().expect("this program"))
        .args(["--exact", name, "--nocapture", "--include-ignored"])
        .env(INSIDE, "1")
        .output()
        .expect("unshare runs");
    let said = [inside.stdout, inside.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(inside.status.success() && said.contains("1 passed"), "{said}");
    said.lines().filter(|line| line.contains("SKIPPED")).for_each(skipped);
}

/// Says what is not tried.
#[expect(clippy::print_stderr, reason = "what is not tried is said")]
pub(crate) fn skipped(why: &str) {
    eprintln!("{why}");
}

impl Patient {
    pub(crate) fn new() -> Self {
        Self::on(World::new())
    }

    /// On a small file system of its own.
    pub(crate) fn mounted(options: &str) -> Self {
        let world = World::new();
        let root = world.root();
        let config = std::fs::read(root.join("config.json")).expect("settings");
        mount(&["-t", "tmpfs", "-o", options, "none", root.to_str().expect("UTF-8")]);
        std::fs::write(root.join("config.json"), config).expect("room");
        Self::on(world)
    }

    fn on(world: World) -> Self {
        let patient = Self { world };
        patient.revive();
        patient
    }

    /// Declares and accepts what does not run.
    pub(crate) fn revive(&self) {
        for name in ["web", "api"] {
            if !self.world.records().iter().any(|record| record["name"] == name) {
                self.world.declare(name, &[self.world.shell(name, "exec sleep 1000")]);
                self.world.run(&["accept", name, "--project", "shop"]).ended(0);
            }
        }
        self.world.declare("new", &[self.world.shell("new", "exec sleep 1000")]);
    }

    /// A command line, with the worktree's path in place of WORK.
    pub(crate) fn line(&self, words: &str) -> Vec<String> {
        let work = self.world.dir.path().join("work").display().to_string();
        words.split(' ').map(|word| if word == "WORK" { work.clone() } else { word.to_owned() }).collect()
    }

    /// Every command of `rows` under `fault`: all of them are in the table. The two services live on in their own processes,
    /// and as soon as the fault is over `reconcile` finds nothing amiss and the records are as they were. What is done in spite
    /// of the fault is done truly.
    pub(crate) fn check(&self, fault: &Fault<'_>, rows: &[Row<'_>]) {
        let count: usize = rows.iter().map(|row| row.0.len()).sum();
        assert_eq!(count, ALL.iter().map(|part| part.len()).sum::<usize>(), "every command stands in the table");
        self.check_rows(fault, rows);
    }

    /// The same of some commands.
    pub(crate) fn check_rows(&self, fault: &Fault<'_>, rows: &[Row<'_>]) {
        for Row(lines, code, part) in rows {
            for words in *lines {
                self.revive();
                self.check_one(fault, words, *code, part);
            }
        }
        self.revive();
        self.world.run(&["restart", "web", "api"]).ended(0);
        self.world.run(&["stop", "api"]).ended(0);
        self.check_truth("all is over");
    }

    fn check_one(&self, fault: &Fault<'_>, words: &str, code: i32, part: &str) {
        let before = self.world.records();
        (fault.apply)();
        let ran = (fault.run)(&self.line(words));
        (fault.lift)();
        let all = format!("{}{}", ran.stdout, ran.stderr);
        assert!(code == ANY || ran.code == Some(code), "`{words}` ended with {:?}: {all}", ran.code);
        assert!(all.contains(part), "`{words}` does not say `{part}`: {all}");
        assert!(!all.contains("panicked") && !all.contains(".tmp-"), "`{words}`: {all}");
        if code == 1 && words != "doctor" {
            let has = |start: &str| ran.stderr.lines().any(|line| line.starts_with(start));
            assert!(has("error: ") && has("  hint: "), "`{words}` says what is wrong and what to do: {all}");
        }
        self.world.run(&["reconcile"]).ended(0);
        self.check_truth(words);
        if code == 0 && WRITERS.contains(&words) {
            return;
        }
        let still_so = |record: &Value| is_alive(pid_of(record)) && is_alive(shim_of(record));
        assert!(before.iter().all(still_so), "`{words}` cost a service: {all}");
        assert_eq!(unprobed(self.world.records()), unprobed(before), "`{words}`: {all}");
    }

    /// Every record's processes live, and every generation that lives is in a record.
    pub(crate) fn check_truth(&self, words: &str) {
        let records = self.world.records();
        let mut known: Vec<String> =
            records.iter().filter_map(|record| record["generation"].as_str().map(str::to_owned)).collect();
        known.sort();
        assert_eq!(self.world.live_generations(), known, "after `{words}`");
        for record in &records {
            assert!(record["status"] == "running" && is_alive(pid_of(record)), "after `{words}`: {record}");
        }
    }
}

/// Records without what probes write.
fn unprobed(mut records: Vec<Value>) -> Vec<Value> {
    for record in &mut records {
        for key in ["last_health_at", "healthy", "health_proof"] {
            record[key] = Value::Null;
        }
    }
    records.sort_by_key(|record| record["name"].to_string());
    records
}

pub(crate) fn mount(args: &[&str]) {
    let done = Command::new("mount").args(args).output().expect("mount runs");
    assert!(done.status.success(), "{done:?}");
}

/// Runs commands of `patient` as they are.
pub(crate) fn plainly(patient: &Patient) -> impl Fn(&[String]) -> Ran {
    |line| ran(patient.world.command(&[]).args(line))
}

/// Runs commands of `patient` by way of `program`: `program ARGS… minions managed …`.
pub(crate) fn by_way_of<'a>(
    patient: &'a Patient,
    program: &'a str,
    args: &'a [&'a str],
) -> impl Fn(&[String]) -> Ran + 'a {
    move |line| {
        let minions = patient.world.command(&[]);
        let mut command = Command::new(program);
        command.args(args).arg(minions.get_program()).args(minions.get_args()).args(line).env_clear();
        command.envs(minions.get_envs().filter_map(|(key, value)| Some((key, value?))));
        ran(&mut command)
    }
}
