//! Whose turn it is. Every command and every shim is a thread that runs only while it has the turn: at each call of the world (a
//! *step*) it may lose it to another, or die. One thread runs at a time, so that the same seed gives the same story.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use minions_managed::base::steps::Step;
use minions_managed::base::world::{self, Ended};

use crate::faults::Faults;
use crate::machine::{KILL, Machine, Uid};
use crate::numbers::Numbers;
use crate::role::{Death, Role};
use crate::world::Eyes;

/// What one step takes.
const STEP: Duration = Duration::from_micros(20);
/// Of so many steps, one gives the turn away while the process could go on.
const TURN_STEPS: u64 = 6;
/// Places in the line that are drawn; whoever is sent to its end gets one beyond.
const LINE: u64 = 1 << 32;
/// Of so many steps, one sends its process to the end of the line.
const DEMOTION_STEPS: u64 = 40;
/// For a process's thread; unoptimized code is generous with frames.
const STACK_BYTES: usize = 4 << 20;
/// More steps than this in one go, and something goes round in circles.
pub(crate) const STEPS_MAX: u64 = 200_000;

/// Unwinds the thread of a process that was killed.
struct Killed;

/// What a process waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Nothing.
    None,
    /// This moment after the boot.
    Until(Duration),
    /// The end of a process, or the moment.
    End(Uid, Duration),
    /// As a shim, its maker's word.
    Word,
    /// A shim's answer.
    Answer(Uid),
    /// As a command: SIGTERM, or this moment after the boot.
    Asked(Duration),
    /// As a shim: a signal, a child's end, a moment of the wall clock, or one after the boot.
    Sleep(Option<i64>, Option<Duration>),
}

/// How turns are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Each goes on as long as it can.
    InOrder,
    /// Each able process is as likely to be next as any other.
    Fair,
    /// Whoever is first in a line that is drawn goes on, until it must wait or is sent to the end of it: so some make no step for
    /// a long time (Burckhardt et al., "A randomized scheduler with probabilistic guarantees of finding bugs", 2010).
    Line,
}

/// One process that has a thread.
struct Task {
    turn: Arc<Condvar>,
    wait: Wait,
    is_felled: bool,
    is_done: bool,
    steps: u64,
    /// The named ones among them.
    named: Vec<Step>,
    /// Its place in the line: the smallest goes first.
    place: u64,
    role: Role,
    /// Who prints what it prints: itself, or the command that started it.
    printer: Uid,
    printed: String,
    code: Option<u8>,
}

/// Everything but the files.
pub(crate) struct Inner {
    pub(crate) machine: Machine,
    pub(crate) faults: Faults,
    pub(crate) manner: Manner,
    pub(crate) numbers: Numbers,
    pub(crate) random: u64,
    pub(crate) death: Option<Death>,
    /// Steps of all since the beginning.
    pub(crate) steps: u64,
    /// Turns given to another, of those.
    pub(crate) turns: u64,
    tasks: BTreeMap<Uid, Task>,
    /// How many have been sent to the end of the line.
    demotions: u64,
    /// `None`: the test's own thread.
    running: Option<Uid>,
    goal: Goal,
}

/// When the test wants the turn back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Goal {
    /// When this process has ended.
    pub(crate) done: Option<Uid>,
    /// After so many steps more.
    pub(crate) steps: u64,
    /// When somebody reaches this.
    pub(crate) named: Option<Step>,
    /// Nobody waits longer than this.
    pub(crate) within: Duration,
}

/// A simulated machine with the processes on it, and a folder.
pub(crate) struct Sim {
    inner: Mutex<Inner>,
    driver: Condvar,
    threads: Mutex<Vec<JoinHandle<()>>>,
    pub(crate) dir: PathBuf,
}

impl Sim {
    /// Just booted, in the folder `dir`.
    pub(crate) fn new(dir: &Path, seed: u64, manner: Manner) -> Arc<Self> {
        let inner = Inner {
            machine: Machine::new(),
            faults: Faults::default(),
            manner,
            numbers: Numbers::new(seed),
            random: 0,
            death: None,
            steps: 0,
            turns: 0,
            tasks: BTreeMap::new(),
            demotions: 0,
            running: None,
            goal: Goal { done: None, named: None, steps: 0, within: Duration::ZERO },
        };
        let (driver, threads) = (Condvar::new(), Mutex::default());
        Arc::new(Self { inner: Mutex::new(inner), driver, threads, dir: dir.to_owned() })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts `minions managed ARGS`; it does nothing before it has a turn.
    pub(crate) fn start_command(self: &Arc<Self>, args: &[String]) -> Uid {
        let root = self.dir.join("root");
        let mut line: Vec<String> = ["minions", "managed"].map(str::to_owned).to_vec();
        line.extend(args.iter().cloned());
        line.extend(["--root".to_owned(), root.to_string_lossy().into_owned()]);
        let uid = self.lock().machine.start_command(line.clone());
        self.live_as_command(uid, uid, line);
        uid
    }

    /// The command `line` is process `uid`, and prints as `printer`.
    pub(crate) fn live_as_command(self: &Arc<Self>, uid: Uid, printer: Uid, line: Vec<String>) {
        let line: Vec<std::ffi::OsString> = line.into_iter().map(Into::into).collect();
        self.start_thread(uid, Role::Command, printer, move || minions_managed::cli::run_line(&line));
    }

    /// A shim or a follower for `run_dir` is process `uid`.
    pub(crate) fn live_for(self: &Arc<Self>, uid: Uid, role: Role, run_dir: PathBuf) {
        let main = match role {
            Role::Follower(_) => minions_managed::ops::follow::main,
            Role::Shim(_) | Role::Command => minions_managed::shim::main,
        };
        self.start_thread(uid, role, uid, move || u8::from(main(&run_dir) != std::process::ExitCode::SUCCESS));
    }

    fn start_thread(self: &Arc<Self>, uid: Uid, role: Role, printer: Uid, main: impl FnOnce() -> u8 + Send + 'static) {
        let task = Task {
            turn: Arc::new(Condvar::new()),
            wait: Wait::None,
            is_felled: false,
            is_done: false,
            steps: 0,
            named: Vec::new(),
            place: 0,
            role,
            printer,
            printed: String::new(),
            code: None,
        };
        let mut inner = self.lock();
        let place = inner.numbers.below(LINE);
        inner.tasks.insert(uid, Task { place, ..task });
        drop(inner);
        let sim = Arc::clone(self);
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
        let thread = thread.spawn(move || sim.live(uid, main)).expect("a thread");
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
    }

    /// A process from its first turn to its end.
    fn live(self: &Arc<Self>, uid: Uid, main: impl FnOnce() -> u8) {
        let ended = catch_unwind(AssertUnwindSafe(|| {
            drop(self.await_turn(self.lock(), uid));
            let _here = world::enter(Rc::new(Eyes::new(Arc::clone(self), uid)));
            main()
        }));
        let mut inner = self.lock();
        match ended {
            Ok(code) => {
                inner.task(uid).code = Some(code);
                inner.machine.end(uid, Ended::Code(code.into()));
            }
            Err(payload) if payload.is::<Killed>() => {}
            Err(payload) => {
                let words = payload.downcast_ref::<String>().cloned();
                let words = words.or_else(|| payload.downcast_ref::<&str>().map(|words| (*words).to_owned()));
                inner.machine.complaints.push(format!("a panic: {}", words.unwrap_or_default()));
                inner.machine.end(uid, Ended::Signal(6));
            }
        }
        inner.task(uid).is_done = true;
        inner.pass_turn(&self.driver, None);
    }

    /// A step of process `me`, which then waits for `wait`. Does not return if it dies at it.
    pub(crate) fn step(&self, me: Uid, wait: Wait, named: Option<Step>) -> MutexGuard<'_, Inner> {
        let mut inner = self.lock();
        inner.count(me, named);
        inner.task(me).wait = wait;
        if inner.pass_turn(&self.driver, Some(me)) {
            return inner;
        }
        self.await_turn(inner, me)
    }

    fn await_turn<'a>(&self, mut inner: MutexGuard<'a, Inner>, me: Uid) -> MutexGuard<'a, Inner> {
        let turn = Arc::clone(&inner.task(me).turn);
        while inner.running != Some(me) {
            inner = turn.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        inner.task(me).wait = Wait::None;
        if inner.task(me).is_felled {
            drop(inner);
            resume_unwind(Box::new(Killed));
        }
        inner
    }

    /// Lets processes go on until `goal`.
    pub(crate) fn run(&self, goal: Goal) {
        let mut inner = self.lock();
        let within = inner.machine.uptime + goal.within;
        inner.goal = Goal { steps: inner.steps + goal.steps, within, ..goal };
        if inner.pass_turn(&self.driver, None) {
            return;
        }
        while inner.running.is_some() {
            inner = self.driver.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Whoever was killed is unwound, and nobody else goes on.
    pub(crate) fn bury(&self) {
        self.run(Goal { done: None, named: None, steps: 0, within: Duration::ZERO });
    }

    /// What a command has printed, and its exit code, if it has ended by itself.
    pub(crate) fn outcome(&self, uid: Uid) -> (String, Option<u8>) {
        let mut inner = self.lock();
        let task = inner.task(uid);
        (task.printed.clone(), task.code)
    }

    /// So many steps a process has made.
    pub(crate) fn steps_of(&self, uid: Uid) -> u64 {
        self.lock().task(uid).steps
    }

    /// The named ones among them, in order.
    pub(crate) fn named_steps_of(&self, uid: Uid) -> Vec<Step> {
        self.lock().task(uid).named.clone()
    }

    /// Everything dies and every thread ends.
    pub(crate) fn end(&self) {
        let mut inner = self.lock();
        let all: Vec<Uid> = inner.tasks.keys().copied().collect();
        for uid in all {
            inner.machine.deliver(uid, KILL);
        }
        drop(inner);
        self.bury();
        for thread in std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner)) {
            thread.join().expect("it catches its own panics");
        }
    }
}

impl Inner {
    fn task(&mut self, uid: Uid) -> &mut Task {
        self.tasks.get_mut(&uid).expect("a process with a thread")
    }

    pub(crate) fn print(&mut self, uid: Uid, text: &str) {
        let printer = self.task(uid).printer;
        self.task(printer).printed.push_str(text);
    }

    /// Who waits for what, for messages.
    pub(crate) fn waits(&self) -> String {
        let waits = self.tasks.iter().filter(|(_, task)| !task.is_done).map(|(uid, task)| {
            let pid = self.machine.get(*uid).map_or(0, |proc| proc.pid);
            format!("pid {pid}, {}: {:?}", task.role.words(), task.wait)
        });
        waits.collect::<Vec<_>>().join("; ")
    }

    /// So many steps all who are `role` have made.
    pub(crate) fn steps_of_all(&self, role: &Role) -> u64 {
        self.tasks.values().filter(|task| task.role == *role).map(|task| task.steps).sum()
    }

    /// Commands that have not ended.
    pub(crate) fn commands(&self) -> Vec<Uid> {
        let commands = self.tasks.iter().filter(|(_, task)| task.role == Role::Command && !task.is_done);
        commands.map(|(uid, _)| *uid).collect()
    }

    /// Nobody can go on now, and no follower has anything to write down but a first health.
    pub(crate) fn is_told(&self) -> bool {
        self.tasks.iter().filter(|(_, task)| !task.is_done).all(|(uid, task)| {
            let is_following = matches!(task.role, Role::Follower(_)) && !task.named.contains(&Step::FollowNoted);
            !is_following && !self.is_able(*uid, task)
        })
    }

    /// Counts a step of `me`, and lets it die there if that is planned.
    fn count(&mut self, me: Uid, named: Option<Step>) {
        self.steps += 1;
        self.machine.pass(STEP);
        let task = self.task(me);
        task.steps += 1;
        task.named.extend(named);
        let role = task.role.clone();
        let is_due = self.death.as_mut().is_some_and(|death| death.meets(&role, named));
        if named.is_some() && self.goal.named == named {
            self.goal.steps = 0;
        }
        if is_due {
            self.death = None;
            self.machine.deliver(me, KILL);
        }
    }

    /// Gives the turn to whoever is next; says whether that is who has it already (`me`; `None`: the test).
    fn pass_turn(&mut self, driver: &Condvar, me: Option<Uid>) -> bool {
        let next = self.choose(me);
        let is_felled = next.is_some_and(|next| self.task(next).is_felled);
        self.turns += u64::from(next != me);
        self.running = next;
        match next {
            Some(next) if Some(next) != me => self.task(next).turn.notify_one(),
            None if me.is_some() || !self.tasks.is_empty() => driver.notify_one(),
            Some(_) | None => {}
        }
        next == me && !is_felled
    }

    fn choose(&mut self, me: Option<Uid>) -> Option<Uid> {
        loop {
            for uid in std::mem::take(&mut self.machine.felled) {
                if let Some(task) = self.tasks.get_mut(&uid) {
                    task.is_felled = !task.is_done;
                }
            }
            // Who is killed goes first: its locks are free from that moment on.
            let felled = self.tasks.iter().find(|(_, task)| task.is_felled && !task.is_done);
            if let Some((uid, _)) = felled {
                return Some(*uid);
            }
            let is_done = self.goal.done.is_some_and(|uid| self.tasks.get(&uid).is_none_or(|task| task.is_done));
            if is_done || self.steps >= self.goal.steps || !self.machine.complaints.is_empty() {
                return None;
            }
            let able: Vec<Uid> =
                self.tasks.iter().filter(|(uid, task)| self.is_able(**uid, task)).map(|(uid, _)| *uid).collect();
            if !able.is_empty() {
                return self.one_of(&able, me);
            }
            let moment = self.next_moment().filter(|at| *at <= self.goal.within)?;
            let span = moment.saturating_sub(self.machine.uptime);
            self.machine.pass(span);
        }
    }

    fn one_of(&mut self, able: &[Uid], me: Option<Uid>) -> Option<Uid> {
        let mine = me.filter(|me| able.contains(me));
        match self.manner {
            Manner::InOrder => mine.or(able.first().copied()),
            Manner::Fair if mine.is_some() && self.numbers.below(TURN_STEPS) > 0 => mine,
            Manner::Fair => Some(self.numbers.one_of(able)),
            Manner::Line => {
                if let Some(me) = mine.filter(|_| self.numbers.below(DEMOTION_STEPS) == 0) {
                    self.demotions += 1;
                    self.task(me).place = LINE + self.demotions;
                }
                able.iter().copied().min_by_key(|uid| self.tasks[uid].place)
            }
        }
    }

    /// From here on turns are given as `number` says.
    pub(crate) fn draw(&mut self, number: u64) {
        self.numbers = Numbers::new(number);
        self.manner = if self.numbers.below(3) == 0 { Manner::Fair } else { Manner::Line };
        for task in self.tasks.values_mut() {
            task.place = self.numbers.below(LINE);
        }
    }

    fn is_able(&self, uid: Uid, task: &Task) -> bool {
        let machine = &self.machine;
        let shim = |uid: Uid| machine.get(uid).and_then(|proc| proc.as_shim());
        let is_over = |at: Duration| machine.uptime >= at;
        !task.is_done
            && machine.get(uid).is_none_or(|proc| !proc.is_stopped)
            && match task.wait {
                Wait::None => true,
                Wait::Until(at) => is_over(at),
                Wait::End(other, at) => !machine.is_alive(other) || is_over(at),
                Wait::Word => shim(uid).is_none_or(|shim| shim.word.is_some()),
                Wait::Answer(other) => shim(other).is_none_or(|shim| shim.answer.is_some()),
                Wait::Asked(at) => machine.is_asked_to_end(uid) || is_over(at),
                Wait::Sleep(at_ms, at) => {
                    shim(uid).is_none_or(|shim| shim.stop || shim.reread || shim.child)
                        || at_ms.is_some_and(|at_ms| machine.wall_ms >= at_ms)
                        || at.is_some_and(is_over)
                }
            }
    }

    /// When somebody can go on who cannot now.
    fn next_moment(&self) -> Option<Duration> {
        let machine = &self.machine;
        let wall = |at_ms: i64| {
            let left = u64::try_from(at_ms - machine.wall_ms).unwrap_or(0);
            machine.uptime + Duration::from_millis(left)
        };
        let goes_on = |uid: Uid| machine.get(uid).is_none_or(|proc| !proc.is_stopped);
        let waiting = self.tasks.iter().filter(|(uid, task)| !task.is_done && goes_on(**uid)).map(|(_, task)| task);
        let waits = waiting.filter_map(|task| match task.wait {
            Wait::Until(at) | Wait::End(_, at) | Wait::Asked(at) => Some(at),
            Wait::Sleep(at_ms, at) => at_ms.map(wall).into_iter().chain(at).min(),
            Wait::None | Wait::Word | Wait::Answer(_) => None,
        });
        waits.chain(machine.next_event()).min()
    }
}
