//! Where a story is played: a machine, a root, an agent's working folder, programs that are only names.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::check;
use crate::declare::spec;
use crate::faults::Faults;
use crate::machine::{CONT, KILL, STOP, TERM, Uid};
use crate::proc::Proc;
use crate::promises::Promises;
use crate::script::{Act, Whom};
use crate::sim::{Goal, Manner, STEPS_MAX, Sim};

/// No command takes longer.
const COMMAND_MAX: Duration = Duration::from_secs(20 * 60);
/// By then a shim that is at it has ended its tree.
const QUIET: Duration = Duration::from_secs(7);
/// So often `reconcile` is called while services end during it.
const RECONCILES_MAX: usize = 8;
/// So often a follower is given so much time to write down what has happened.
const SETTLING_MAX: usize = 40;
const SETTLING: Duration = Duration::from_millis(50);
/// What `doctor` says of a full disk is not asked for here; short figures make short stories.
const STOP_GRACE_SEC: f64 = 0.5;

/// A stage.
pub(crate) struct Stage {
    pub(crate) sim: Arc<Sim>,
    /// Removed when the story is over.
    _dir: tempfile::TempDir,
    promises: Promises,
    /// Commands that were begun and whose end nobody has seen.
    begun: Vec<(Uid, String)>,
    /// What is wrong, once something is: the story ends there.
    pub(crate) complaints: Vec<String>,
}

impl Stage {
    pub(crate) fn new(seed: u64, manner: Manner) -> Self {
        let memory = Path::new("/dev/shm");
        let mut builder = tempfile::Builder::new();
        let builder = builder.prefix("minions-sim-");
        let dir = if memory.is_dir() { builder.tempdir_in(memory) } else { builder.tempdir() }.expect("a folder");
        let top = dir.path().canonicalize().expect("it is there");
        std::fs::create_dir_all(top.join("work/.git")).expect("a worktree");
        std::fs::create_dir_all(top.join("root/agents")).expect("a root");
        std::fs::create_dir_all(top.join("bin")).expect("a folder");
        let program = top.join("bin/node");
        std::fs::write(&program, "").expect("a program");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("its mode");
        let settings = json!({"engine": {"managedSpawn": {"stopGraceSec": STOP_GRACE_SEC}}});
        std::fs::write(top.join("root/config.json"), settings.to_string()).expect("settings");
        Self {
            sim: Sim::new(&top, seed, manner),
            _dir: dir,
            promises: Promises::default(),
            begun: Vec::new(),
            complaints: Vec::new(),
        }
    }

    fn top(&self) -> &Path {
        &self.sim.dir
    }

    /// Performs one act, and returns what is to be seen of it.
    pub(crate) fn perform(&mut self, act: &Act) -> String {
        self.promises.hear(act);
        let shown = match act {
            Act::Declare { agent, ttl_minutes, specs } => {
                let work = self.top().join("work");
                let specs: Vec<Value> = specs.iter().map(|words| spec(words, *ttl_minutes, &work)).collect();
                // Which sidecar it is; nobody asks what it says.
                let schema = format!("schema-{}", self.promises.written);
                self.write_sidecar(agent, &json!({"$schema": schema, "specs": specs}).to_string())
            }
            Act::Sidecar { agent, text } => self.write_sidecar(agent, text),
            Act::Run(words) => self.run(words),
            Act::Begin(words) => {
                let uid = self.begin(words);
                self.begun.push((uid, words.join(" ")));
                String::new()
            }
            Act::Steps(count) => {
                self.sim.run(Goal { done: None, named: None, steps: *count, within: Duration::from_secs(5) });
                String::new()
            }
            Act::Until(step) => {
                self.sim.run(Goal { done: None, named: Some(*step), steps: STEPS_MAX, within: COMMAND_MAX });
                String::new()
            }
            Act::Join => self.join(),
            Act::Die(death) => {
                self.sim.lock().death = Some(death.clone());
                String::new()
            }
            Act::Connect(port) => {
                let is_taken = self.sim.lock().machine.connect(*port);
                if is_taken { String::new() } else { "refused\n".to_owned() }
            }
            Act::Disconnect(port) => {
                self.sim.lock().machine.disconnect(*port);
                String::new()
            }
            Act::AskLoops => {
                self.ask_loops();
                String::new()
            }
            Act::Freeze(whom) => self.signal(whom, STOP),
            Act::Thaw(whom) => self.signal(whom, CONT),
            Act::Kill(whom) => self.signal(whom, KILL),
            Act::Reuse(name) => self.reuse(name),
            Act::Wait(span) => self.wait(*span),
            Act::Clock(by) => {
                self.sim.lock().machine.wall_ms += by;
                self.wait(Duration::ZERO)
            }
            Act::Reboot => {
                self.sim.lock().machine.reboot();
                self.sim.bury();
                String::new()
            }
            Act::Fault(fault) => {
                self.sim.lock().faults = *fault;
                String::new()
            }
            Act::Tear(bytes) => self.tear(*bytes),
            Act::Processes => self.sim.lock().machine.table(),
            Act::State => check::shown(&self.sim),
            Act::Peace => self.peace(),
        };
        let told = std::mem::take(&mut self.sim.lock().machine.complaints);
        self.complaints.extend(told);
        self.plain(&shown)
    }

    /// The lines of the journal, for messages.
    pub(crate) fn journal(&self) -> String {
        std::fs::read_to_string(self.top().join("root/engine/managed-events.jsonl")).unwrap_or_default()
    }

    /// The same words wherever the stage stands.
    fn plain(&self, text: &str) -> String {
        let top = self.top().to_string_lossy().into_owned();
        text.replace(&format!("{top}/root"), "ROOT").replace(&top, "")
    }

    fn write_sidecar(&mut self, agent: &str, text: &str) -> String {
        let dir = self.top().join("root/agents").join(agent);
        std::fs::create_dir_all(&dir).expect("the agent's folder");
        std::fs::write(dir.join("managed-spawn.json"), text).expect("its sidecar");
        self.promises.hear_sidecar(agent, text);
        String::new()
    }

    /// The words of a command; `WORK` is the working folder.
    fn args(&self, words: &[String]) -> Vec<String> {
        let work = self.top().join("work").to_string_lossy().into_owned();
        words.iter().map(|word| word.replace("WORK", &work)).collect()
    }

    pub(crate) fn begin(&mut self, words: &[String]) -> Uid {
        let args = self.args(words);
        self.sim.start_command(&args)
    }

    fn run(&mut self, words: &[String]) -> String {
        let uid = self.begin(words);
        self.finish(uid)
    }

    /// Lets a command come to its end; what it printed, and how it ended.
    pub(crate) fn finish(&mut self, uid: Uid) -> String {
        self.sim.run(Goal { done: Some(uid), named: None, steps: STEPS_MAX, within: COMMAND_MAX });
        let is_there = self.sim.lock().machine.is_alive(uid);
        if is_there && self.sim.lock().machine.complaints.is_empty() {
            let words = self.sim.lock().machine.get(uid).map(|proc| proc.inside.args.join(" ")).unwrap_or_default();
            let waits = self.sim.lock().waits();
            self.complaints.push(format!("`{words}` does not come to an end: {waits}"));
        }
        let (printed, code) = self.sim.outcome(uid);
        match code {
            Some(0) => printed,
            Some(code) => format!("{printed}exit {code}\n"),
            None => format!("{printed}killed\n"),
        }
    }

    fn join(&mut self) -> String {
        self.signal(&Whom::Commands, CONT);
        self.ask_loops();
        let begun = std::mem::take(&mut self.begun);
        begun.into_iter().map(|(uid, words)| format!("{words}:\n{}", self.finish(uid))).collect()
    }

    fn wait(&mut self, span: Duration) -> String {
        let until = self.sim.lock().machine.uptime + span;
        self.sim.run(Goal { done: None, named: None, steps: STEPS_MAX, within: span });
        // Where nobody had anything to do before.
        let mut inner = self.sim.lock();
        let left = until.saturating_sub(inner.machine.uptime);
        inner.machine.pass(left);
        drop(inner);
        self.sim.run(Goal { done: None, named: None, steps: STEPS_MAX, within: Duration::ZERO });
        String::new()
    }

    fn signal(&self, whom: &Whom, signal: i32) -> String {
        let mut inner = self.sim.lock();
        let machine = &inner.machine;
        let victims: Vec<Uid> = match whom {
            Whom::Commands => inner.commands(),
            Whom::Service(name) => machine.uid_of(|proc| proc.is_service() && proc.name == *name).into_iter().collect(),
            Whom::Shim(name) => {
                machine.uid_of(|proc| proc.as_shim().is_some() && proc.name == *name).into_iter().collect()
            }
        };
        for victim in victims {
            inner.machine.deliver(victim, signal);
        }
        drop(inner);
        self.sim.bury();
        String::new()
    }

    /// Pids of what is dead by then go to bystanders.
    fn reuse(&mut self, name: &str) -> String {
        let mut inner = self.sim.lock();
        let is_it = |proc: &&Proc| proc.name == name && (proc.is_service() || proc.as_shim().is_some());
        let pids: Vec<u32> = inner.machine.living().filter(is_it).map(|proc| proc.pid).collect();
        drop(inner);
        self.signal(&Whom::Shim(name.to_owned()), KILL);
        self.signal(&Whom::Service(name.to_owned()), KILL);
        inner = self.sim.lock();
        for pid in pids {
            inner.machine.start_bystander(pid);
        }
        String::new()
    }

    fn tear(&self, bytes: u64) -> String {
        let path = self.top().join("root/engine/managed-processes.json");
        if let Ok(file) = std::fs::OpenOptions::new().write(true).open(path) {
            let length = file.metadata().map_or(0, |seen| seen.len());
            file.set_len(bytes.min(length)).expect("it is cut");
        }
        String::new()
    }

    /// SIGTERM to every loop.
    fn ask_loops(&self) {
        let mut inner = self.sim.lock();
        for uid in inner.commands() {
            if inner.machine.get(uid).is_some_and(Proc::is_loop) {
                inner.machine.deliver(uid, TERM);
            }
        }
    }

    /// Whoever is at it comes to an end, `reconcile` runs undisturbed, and then all of it must be true.
    fn peace(&mut self) -> String {
        self.sim.lock().faults = Faults::None;
        self.sim.lock().death = None;
        drop(self.join());
        // Whom a loop has started.
        let others = self.sim.lock().commands();
        others.into_iter().for_each(|uid| drop(self.finish(uid)));
        for _ in 0..RECONCILES_MAX {
            let began = self.sim.lock().machine.uptime;
            let uid = self.begin(&["reconcile".to_owned()]);
            let told = self.finish(uid);
            self.wait(QUIET);
            self.settle();
            if !self.complaints.is_empty() {
                return told;
            }
            let code = self.sim.outcome(uid).1;
            if code != Some(9) && check::is_quiet(&self.sim, began) {
                if code != Some(0) {
                    self.complaints.push(format!("`reconcile` ends with {code:?}: {told}"));
                }
                let wrong = check::of_peace(&self.sim, &mut self.promises);
                self.complaints.extend(wrong);
                return String::new();
            }
        }
        // A service that ends again and again is nothing that `reconcile` could put right.
        String::new()
    }

    /// Lets followers write down what they have to.
    fn settle(&self) {
        for _ in 0..SETTLING_MAX {
            if self.sim.lock().is_told() {
                return;
            }
            self.sim.run(Goal { done: None, named: None, steps: STEPS_MAX, within: SETTLING });
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.sim.end();
    }
}
