//! The simulated machine: processes, pids, signals, two clocks, ports. It knows nothing of what runs on it but the little models
//! of services; whose turn it is is `sim.rs`'s to say.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use minions_managed::base::ids::Generation;
use minions_managed::base::world::{Ended, Inside, Listener, Process};

use crate::model::{Event, Model};
use crate::proc::{Kind, Proc, Shim};

/// A process, never used twice, also where its pid is.
pub(crate) type Uid = u64;
/// The first process, which reaps whoever has no other parent.
const INIT: Uid = 1;
/// The numbers of signals (signal(7)).
pub(crate) const HUP: i32 = 1;
pub(crate) const KILL: i32 = 9;
pub(crate) const SEGV: i32 = 11;
pub(crate) const TERM: i32 = 15;
pub(crate) const CONT: i32 = 18;
pub(crate) const STOP: i32 = 19;
/// The first pid that is given out after a boot, and the last before they begin anew.
const PID_FIRST: u32 = 100;
const PID_LAST: u32 = 32_000;
/// Clock ticks (`sysconf(_SC_CLK_TCK)`).
const TICK: Duration = Duration::from_millis(10);
/// What `boot_id` says of each boot; one machine has no more.
const BOOTS: [&str; 12] = [
    "boot-0", "boot-1", "boot-2", "boot-3", "boot-4", "boot-5", "boot-6", "boot-7", "boot-8", "boot-9", "boot-10",
    "boot-11",
];

/// The machine.
#[derive(Debug)]
pub(crate) struct Machine {
    boot: usize,
    pub(crate) wall_ms: i64,
    pub(crate) uptime: Duration,
    next_uid: Uid,
    next_pid: u32,
    procs: BTreeMap<Uid, Proc>,
    pids: BTreeMap<u32, Uid>,
    /// What will happen, by when.
    events: BTreeSet<(Duration, u64, Uid, Event)>,
    next_event: u64,
    /// When a service of that name ended last.
    pub(crate) deaths: BTreeMap<String, Duration>,
    /// How often a service of that name has been started.
    births: BTreeMap<String, u32>,
    /// Ports that somebody is connected to, and the services at their other ends.
    connections: BTreeMap<u16, Uid>,
    /// Who has a thread and has ended, for `sim.rs` to unwind.
    pub(crate) felled: Vec<Uid>,
    /// What must never happen and did.
    pub(crate) complaints: Vec<String>,
}

impl Machine {
    /// Just booted.
    pub(crate) fn new() -> Self {
        let mut machine = Self {
            boot: 0,
            wall_ms: 1_800_000_000_000,
            uptime: Duration::from_secs(1000),
            next_uid: INIT,
            next_pid: 1,
            procs: BTreeMap::new(),
            pids: BTreeMap::new(),
            events: BTreeSet::new(),
            next_event: 0,
            deaths: BTreeMap::new(),
            births: BTreeMap::new(),
            connections: BTreeMap::new(),
            felled: Vec::new(),
            complaints: Vec::new(),
        };
        machine.boot_up();
        machine
    }

    fn boot_up(&mut self) {
        self.next_pid = 1;
        let init = self.start(0, Kind::Bystander, Inside::default(), String::new());
        assert_eq!(self.procs[&init].pid, 1);
        self.next_pid = PID_FIRST;
    }

    /// Everything ends at once, and another boot begins.
    pub(crate) fn reboot(&mut self) {
        let all: Vec<Uid> = self.procs.keys().copied().collect();
        let felled: Vec<Uid> = all.into_iter().filter(|uid| self.procs[uid].has_thread()).collect();
        self.felled.extend(felled);
        self.procs.clear();
        self.pids.clear();
        self.events.clear();
        self.deaths.clear();
        self.boot = (self.boot + 1) % BOOTS.len();
        self.pass(Duration::from_secs(20));
        self.uptime = Duration::from_secs(5);
        self.boot_up();
    }

    pub(crate) fn boot_id(&self) -> &'static str {
        BOOTS[self.boot]
    }

    /// Starts a process with the next free pid.
    pub(crate) fn start(&mut self, parent: Uid, kind: Kind, inside: Inside, name: String) -> Uid {
        let pid = loop {
            let pid = self.next_pid;
            self.next_pid = if pid >= PID_LAST { PID_FIRST } else { pid + 1 };
            if !self.pids.contains_key(&pid) {
                break pid;
            }
        };
        self.start_as(pid, parent, kind, inside, name)
    }

    fn start_as(&mut self, pid: u32, parent: Uid, kind: Kind, inside: Inside, name: String) -> Uid {
        let uid = self.next_uid;
        self.next_uid += 1;
        let start_ticks = u64::try_from(self.uptime.as_nanos() / TICK.as_nanos()).expect("a few centuries");
        let proc = Proc {
            pid,
            parent,
            start_ticks,
            kind,
            inside,
            name,
            ended: None,
            is_stopped: false,
            has_pending_term: false,
        };
        self.pids.insert(pid, uid);
        self.procs.insert(uid, proc);
        uid
    }

    /// Gives `pid` to a bystander, if it is free; it starts at a later tick than whoever had it.
    pub(crate) fn start_bystander(&mut self, pid: u32) -> bool {
        if pid <= 1 || self.pids.contains_key(&pid) {
            return false;
        }
        self.pass(TICK);
        let args = vec!["/usr/bin/bystander".to_owned()];
        self.start_as(pid, INIT, Kind::Bystander, Inside { args, ..Inside::default() }, String::new());
        true
    }

    pub(crate) fn start_command(&mut self, args: Vec<String>) -> Uid {
        self.start_child(INIT, Kind::command(), args)
    }

    pub(crate) fn start_child(&mut self, parent: Uid, kind: Kind, args: Vec<String>) -> Uid {
        self.start(parent, kind, inside(args, "/".into(), None), String::new())
    }

    /// A shim or a follower, for the run folder of a service.
    pub(crate) fn start_for(&mut self, parent: Uid, kind: Kind, arg0: &str, run_dir: &str) -> Uid {
        let name = run_dir.rsplit('/').nth(1).unwrap_or("").to_owned();
        self.start(parent, kind, inside(vec![arg0.into(), run_dir.into()], "/".into(), None), name)
    }

    /// Starts a service below its shim. A second living generation of its name is a complaint.
    pub(crate) fn start_service(&mut self, shim: Uid, model: Model, inside: Inside, name: &str) -> Uid {
        let has_other = |other: &Proc| other.is_service() && other.name == name;
        let other = self.living().find(|other| has_other(other) && other.inside.mark != inside.mark);
        if let Some(other) = other.map(|other| other.inside.mark.clone()) {
            self.complaints.push(format!("two generations of `{name}` live at once: {other:?} and {:?}", inside.mark));
        }
        let (cwd, mark) = (inside.cwd.clone(), inside.mark.clone());
        let births = self.births.entry(name.to_owned()).or_default();
        *births += 1;
        let events = model.events(*births);
        let descendant = model.descendant;
        let uid = self.start(shim, Kind::Service(model), inside, name.to_owned());
        for (after, event) in events {
            self.expect(uid, after, event);
        }
        if let Some(is_deaf) = descendant {
            // It has left its parent already, so that it is its reaper's.
            let inside = Inside { args: vec!["/usr/bin/left-behind".into()], cwd, mark };
            self.start(shim, Kind::Descendant { is_deaf }, inside, name.to_owned());
        }
        uid
    }

    fn expect(&mut self, uid: Uid, after: Duration, event: Event) {
        self.next_event += 1;
        self.events.insert((self.uptime + after, self.next_event, uid, event));
    }

    /// When the next thing happens by itself.
    pub(crate) fn next_event(&self) -> Option<Duration> {
        self.events.first().map(|event| event.0)
    }

    /// Lets time pass, and what is due by then happen.
    pub(crate) fn pass(&mut self, span: Duration) {
        let until = self.uptime + span;
        while let Some((at, ..)) = self.events.first().copied().filter(|event| event.0 <= until) {
            let (.., uid, event) = self.events.pop_first().expect("just seen");
            self.advance_to(at);
            self.happen(uid, event);
        }
        self.advance_to(until);
    }

    fn advance_to(&mut self, uptime: Duration) {
        let before = self.uptime.as_millis();
        self.uptime = self.uptime.max(uptime);
        self.wall_ms += i64::try_from(self.uptime.as_millis() - before).expect("short");
    }

    fn happen(&mut self, uid: Uid, event: Event) {
        let Some(proc) = self.procs.get_mut(&uid).filter(|proc| proc.ended.is_none()) else { return };
        let Kind::Service(model) = &mut proc.kind else { return };
        if let Some(ended) = model.happen(event) {
            self.end(uid, ended);
        }
    }

    /// Everybody who has not ended.
    pub(crate) fn living(&self) -> impl Iterator<Item = &Proc> {
        self.procs.values().filter(|proc| proc.ended.is_none())
    }

    pub(crate) fn get(&self, uid: Uid) -> Option<&Proc> {
        self.procs.get(&uid)
    }

    pub(crate) fn is_alive(&self, uid: Uid) -> bool {
        self.procs.get(&uid).is_some_and(|proc| proc.ended.is_none())
    }

    pub(crate) fn shim(&mut self, uid: Uid) -> Option<&mut Shim> {
        self.procs.get_mut(&uid)?.as_shim_mut()
    }

    /// The pid of `uid`; 0 if it is gone.
    pub(crate) fn pid(&self, uid: Uid) -> u32 {
        self.procs.get(&uid).map_or(0, |proc| proc.pid)
    }

    pub(crate) fn by_pid(&self, pid: u32) -> Option<Uid> {
        self.pids.get(&pid).copied()
    }

    /// As the process table shows it.
    pub(crate) fn seen(&self, uid: Uid) -> Option<Process> {
        let proc = self.procs.get(&uid)?;
        let parent = self.procs.get(&proc.parent).map_or(0, |parent| parent.pid);
        Some(Process { pid: proc.pid, parent, is_zombie: proc.ended.is_some(), start_ticks: proc.start_ticks })
    }

    pub(crate) fn all_seen(&self) -> Vec<Process> {
        self.pids.values().filter_map(|uid| self.seen(*uid)).collect()
    }

    /// Whose environment names `generation`.
    pub(crate) fn marked(&self, generation: &Generation) -> impl Iterator<Item = &Proc> {
        self.living().filter(move |proc| proc.inside.mark.as_ref() == Some(generation))
    }

    pub(crate) fn uid_of(&self, is_it: impl Fn(&Proc) -> bool) -> Option<Uid> {
        self.procs.iter().find(|(_, proc)| proc.ended.is_none() && is_it(proc)).map(|(uid, _)| *uid)
    }

    /// Sends a signal, as the kernel does; says whether anybody was there. Only shims and what they started may get one.
    pub(crate) fn send(&mut self, uid: Uid, signal: i32) -> bool {
        let Some(proc) = self.procs.get_mut(&uid) else { return false };
        if matches!(proc.kind, Kind::Bystander | Kind::Command(_) | Kind::Follower) {
            let told = format!("pid {} got signal {signal}, and is none of ours: {:?}", proc.pid, proc.inside.args);
            self.complaints.push(told);
        }
        self.deliver(uid, signal);
        true
    }

    /// The same from somebody who may.
    pub(crate) fn deliver(&mut self, uid: Uid, signal: i32) {
        let Some(proc) = self.procs.get_mut(&uid).filter(|proc| proc.ended.is_none()) else { return };
        match signal {
            KILL => return self.end(uid, Ended::Signal(KILL)),
            STOP => return proc.is_stopped = true,
            CONT => {
                proc.is_stopped = false;
                if !std::mem::take(&mut proc.has_pending_term) {
                    return;
                }
            }
            TERM if proc.is_stopped => return proc.has_pending_term = true,
            _ => {}
        }
        let signal = if signal == CONT { TERM } else { signal };
        match (&mut proc.kind, signal) {
            (Kind::Shim(shim), TERM) => shim.stop = true,
            (Kind::Shim(shim), HUP) => shim.reread = true,
            (Kind::Command(caught), TERM) if caught.is_caught => caught.is_asked = true,
            (Kind::Service(model), TERM) => match model.asked_to_end() {
                Some(Duration::ZERO) => self.end(uid, Ended::Signal(TERM)),
                Some(after) => self.expect(uid, after, Event::Exit(0)),
                None => {}
            },
            (Kind::Descendant { is_deaf: true }, TERM) => {}
            (_, _) => self.end(uid, Ended::Signal(signal)),
        }
    }

    /// A process is over: whatever it left changes its parent, and who must die with it does.
    pub(crate) fn end(&mut self, uid: Uid, ended: Ended) {
        let Some(proc) = self.procs.get_mut(&uid).filter(|proc| proc.ended.is_none()) else { return };
        proc.ended = Some(ended);
        let parent = proc.parent;
        self.felled.extend(proc.has_thread().then_some(uid));
        match &mut proc.kind {
            Kind::Command(_) | Kind::Bystander | Kind::Follower | Kind::Descendant { .. } => {}
            Kind::Shim(shim) => drop(shim.answer.get_or_insert_default()),
            Kind::Service(_) => drop(self.deaths.insert(proc.name.clone(), self.uptime)),
        }
        for shim in self.procs.values_mut().filter_map(Proc::as_shim_mut).filter(|shim| shim.maker == uid) {
            shim.word.get_or_insert_default();
        }
        let children: Vec<Uid> =
            self.procs.iter().filter(|(_, other)| other.parent == uid).map(|(child, _)| *child).collect();
        for child in children {
            let orphan = self.procs.get_mut(&child).expect("just seen");
            orphan.parent = INIT;
            // PR_SET_PDEATHSIG, which a service has and what it started has not (prctl(2)).
            let dies = orphan.is_service();
            if orphan.ended.is_some() {
                self.forget(child);
            } else if dies {
                self.end(child, Ended::Signal(KILL));
            }
        }
        if parent == INIT || !self.is_alive(parent) {
            self.forget(uid);
        } else if let Some(shim) = self.shim(parent) {
            shim.child = true;
        }
    }

    fn forget(&mut self, uid: Uid) {
        if let Some(proc) = self.procs.remove(&uid) {
            self.pids.remove(&proc.pid);
        }
    }

    /// Reaps a child of `parent`: `Err` if it has none at all.
    pub(crate) fn reap(&mut self, parent: Uid) -> Result<Option<(u32, Ended)>, ()> {
        let mut children = self.procs.iter().filter(|(_, proc)| proc.parent == parent).peekable();
        children.peek().ok_or(())?;
        let Some((uid, pid, ended)) = children.find_map(|(uid, proc)| Some((*uid, proc.pid, proc.ended?))) else {
            return Ok(None);
        };
        self.forget(uid);
        Ok(Some((pid, ended)))
    }

    /// Reaps the child `pid` of `parent`, if it has ended; says whether it has.
    pub(crate) fn reap_one(&mut self, parent: Uid, pid: u32) -> bool {
        let is_it = |uid: &Uid| self.procs.get(uid).is_some_and(|proc| proc.parent == parent && proc.ended.is_some());
        let ended = self.by_pid(pid).filter(is_it);
        ended.into_iter().for_each(|uid| self.forget(uid));
        ended.is_some()
    }

    /// Reaps the shims that `parent` has started.
    pub(crate) fn reap_shims(&mut self, parent: Uid) {
        let is_it = |proc: &Proc| proc.parent == parent && proc.ended.is_some() && proc.as_shim().is_some();
        let ended: Vec<Uid> = self.procs.iter().filter(|(_, proc)| is_it(proc)).map(|(uid, _)| *uid).collect();
        ended.into_iter().for_each(|uid| self.forget(uid));
    }

    /// From here on the command `uid` remembers SIGTERM.
    pub(crate) fn catch_end(&mut self, uid: Uid) {
        if let Some(Proc { kind: Kind::Command(caught), .. }) = self.procs.get_mut(&uid) {
            caught.is_caught = true;
        }
    }

    /// Whether the command `uid` has caught a SIGTERM.
    pub(crate) fn is_asked_to_end(&self, uid: Uid) -> bool {
        self.procs.get(&uid).is_some_and(|proc| matches!(&proc.kind, Kind::Command(caught) if caught.is_asked))
    }

    /// Somebody connects to `port`, if anybody listens there; says whether anybody does.
    pub(crate) fn connect(&mut self, port: u16) -> bool {
        let listens = |proc: &Proc| proc.as_service().is_some_and(|model| model.is_ready && model.port == Some(port));
        let server = self.uid_of(listens);
        self.connections.extend(server.map(|server| (port, server)));
        server.is_some()
    }

    /// Nobody is connected to `port` any more.
    pub(crate) fn disconnect(&mut self, port: u16) {
        self.connections.remove(&port);
    }

    /// The ports that somebody is connected to: a connection ends with whoever has taken it.
    pub(crate) fn connected_ports(&self) -> Vec<u16> {
        self.connections.iter().filter(|(_, server)| self.is_alive(**server)).map(|(port, _)| *port).collect()
    }

    /// Everybody who listens.
    pub(crate) fn listeners(&self) -> Vec<Listener> {
        let listening = self.procs.iter().filter(|(_, proc)| proc.ended.is_none()).filter_map(|(uid, proc)| {
            let model = proc.as_service()?;
            let port = model.port.filter(|_| model.is_ready)?;
            let local = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
            Some(Listener { local, inode: uid + 1_000_000, pids: vec![proc.pid] })
        });
        listening.collect()
    }

    /// The service that listens on `port`, unless it is stopped.
    pub(crate) fn listener(&self, port: u16) -> Option<&Model> {
        let models = self.living().filter(|proc| !proc.is_stopped).filter_map(Proc::as_service);
        models.into_iter().find(|model| model.is_ready && model.port == Some(port))
    }

    /// The service of `generation`.
    pub(crate) fn model_of(&self, generation: &Generation) -> Option<&Model> {
        self.marked(generation).find_map(Proc::as_service)
    }

    /// What stands in the process table, for transcripts.
    pub(crate) fn table(&self) -> String {
        self.procs.values().filter(|proc| proc.pid != 1).map(|proc| proc.words() + "\n").collect()
    }
}

/// Where a service's own files would be.
pub(crate) fn inside(args: Vec<String>, cwd: PathBuf, mark: Option<Generation>) -> Inside {
    Inside { args, cwd, mark }
}
