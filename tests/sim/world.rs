//! The machine as one process sees it: what stands behind the program's doors.

use std::cell::Cell;
use std::ffi::OsString;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use minions_managed::base::ids::Generation;
use minions_managed::base::steps::Step;
use minions_managed::base::world::{
    Answer, Birth, Ended, FileAct, Handle, Inside, Listener, Process, Stream, Woken, World,
};
use minions_managed::process::{FOLLOWER_ARG0, MINIONS_GENERATION, MINIONS_NAME, SHIM_ARG0};

use crate::check;
use crate::machine::{Uid, inside};
use crate::model::Model;
use crate::proc::Kind;
use crate::role::Role;
use crate::sim::{Inner, Sim, Wait};

/// What a process has for eyes and hands.
pub(crate) struct Eyes {
    sim: Arc<Sim>,
    me: Uid,
    /// The state file was about to be replaced at the last step, so that it is to be judged at this one.
    is_state_new: Cell<bool>,
    /// The check itself reads files, which are no steps.
    is_checking: Cell<bool>,
}

impl Eyes {
    pub(crate) fn new(sim: Arc<Sim>, me: Uid) -> Self {
        Self { sim, me, is_state_new: Cell::new(false), is_checking: Cell::new(false) }
    }

    /// A step, and then `act`, before anybody else has a turn. A process that unwinds does nothing any more.
    fn at<T>(&self, wait: Wait, named: Option<Step>, nothing: T, act: impl FnOnce(&mut Inner) -> T) -> T {
        if std::thread::panicking() || self.is_checking.get() {
            return nothing;
        }
        if self.is_state_new.replace(false) {
            self.is_checking.set(true);
            let complaints = check::of_state(&self.sim);
            self.is_checking.set(false);
            self.sim.lock().machine.complaints.extend(complaints);
        }
        act(&mut self.sim.step(self.me, wait, named))
    }

    /// Starts a shim or a follower for `run_dir`.
    fn start_for(&self, run_dir: &Path, (kind, arg0): (Kind, &str), role: fn(String) -> Role) -> io::Result<u32> {
        let (uid, pid, name) = self.look(Err(io::ErrorKind::Other.into()), |inner| {
            inner.faults.of_processes(true)?;
            let uid = inner.machine.start_for(self.me, kind, arg0, &run_dir.to_string_lossy());
            let name = inner.machine.get(uid).map(|proc| proc.name.clone()).unwrap_or_default();
            Ok::<(Uid, u32, String), io::Error>((uid, inner.machine.pid(uid), name))
        })?;
        self.sim.live_for(uid, role(name), run_dir.to_owned());
        Ok(pid)
    }

    fn look<T>(&self, nothing: T, look: impl FnOnce(&mut Inner) -> T) -> T {
        self.at(Wait::None, None, nothing, look)
    }
}

impl World for Eyes {
    fn now_ms(&self) -> i64 {
        self.sim.lock().machine.wall_ms
    }

    fn uptime(&self) -> Duration {
        self.sim.lock().machine.uptime
    }

    fn pause(&self, span: Duration) {
        let until = self.uptime() + span;
        self.at(Wait::Until(until), None, (), |_| ());
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        let mut inner = self.sim.lock();
        inner.random += 1;
        let number = inner.random.to_be_bytes();
        for (byte, digit) in bytes.iter_mut().rev().zip(number.iter().rev().chain(std::iter::repeat(&0))) {
            *byte = *digit;
        }
    }

    fn reached(&self, step: Step) {
        self.at(Wait::None, Some(step), (), |_| ());
    }

    fn touch(&self, act: FileAct, path: &Path) -> io::Result<()> {
        if self.is_checking.get() {
            return Ok(());
        }
        let gone = || Err(io::Error::other("this process is dead"));
        let done = self.at(Wait::None, None, gone(), |inner| inner.faults.touch(act, path));
        if act == FileAct::Rename && path.ends_with("engine/managed-processes.json") {
            self.is_state_new.set(true);
        }
        done
    }

    fn print(&self, _: Stream, bytes: &[u8]) {
        self.look((), |inner| inner.print(self.me, &String::from_utf8_lossy(bytes)));
    }

    fn environment(&self) -> Vec<(String, String)> {
        let path = self.sim.dir.join("bin").to_string_lossy().into_owned();
        [("PATH", path.as_str()), ("HOME", "/home/agent"), ("LANG", "C.UTF-8")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .to_vec()
    }

    fn own_pid(&self) -> u32 {
        self.sim.lock().machine.get(self.me).map_or(0, |me| me.pid)
    }

    fn boot_id(&self) -> &'static str {
        self.sim.lock().machine.boot_id()
    }

    fn process(&self, pid: u32) -> io::Result<Option<Process>> {
        self.look(Ok(None), |inner| {
            inner.faults.of_processes(false)?;
            Ok(inner.machine.by_pid(pid).and_then(|uid| inner.machine.seen(uid)))
        })
    }

    fn processes(&self) -> io::Result<Vec<Process>> {
        self.look(Ok(Vec::new()), |inner| {
            inner.faults.of_processes(false)?;
            Ok(inner.machine.all_seen())
        })
    }

    fn inside(&self, pid: u32) -> Option<Inside> {
        self.look(None, |inner| {
            let proc = inner.machine.by_pid(pid).and_then(|uid| inner.machine.get(uid));
            proc.filter(|proc| proc.ended.is_none()).map(|proc| proc.inside.clone())
        })
    }

    fn hold(&self, pid: u32) -> Option<Handle> {
        self.look(None, |inner| inner.machine.by_pid(pid).map(Handle))
    }

    fn send(&self, held: Handle, signal: i32) -> bool {
        self.look(false, |inner| inner.machine.send(held.0, signal))
    }

    fn wait_end(&self, held: Handle, limit: Duration) -> bool {
        let until = self.uptime().saturating_add(limit);
        self.at(Wait::End(held.0, until), None, true, |inner| !inner.machine.is_alive(held.0))
    }

    fn start_shim(&self, run_dir: &Path) -> io::Result<u32> {
        self.start_for(run_dir, (Kind::shim(self.me), SHIM_ARG0), Role::Shim)
    }

    fn tell_shim(&self, pid: u32, word: &[u8]) {
        self.look((), |inner| {
            let shim = inner.machine.by_pid(pid).and_then(|uid| inner.machine.shim(uid));
            if let Some(shim) = shim {
                shim.word.get_or_insert_with(|| word.to_vec());
            }
        });
    }

    fn hear_shim(&self, pid: u32) -> Vec<u8> {
        let Some(uid) = self.sim.lock().machine.by_pid(pid) else { return Vec::new() };
        self.at(Wait::Answer(uid), None, Vec::new(), |inner| {
            inner.machine.shim(uid).and_then(|shim| shim.answer.clone()).unwrap_or_default()
        })
    }

    fn hear_maker(&self) -> Vec<u8> {
        self.at(Wait::Word, None, Vec::new(), |inner| {
            inner.machine.shim(self.me).and_then(|shim| shim.word.clone()).unwrap_or_default()
        })
    }

    fn answer_maker(&self, line: &[u8]) {
        self.look((), |inner| {
            if let Some(shim) = inner.machine.shim(self.me) {
                shim.answer.get_or_insert_with(|| line.to_vec());
            }
        });
    }

    fn sleep(&self, at_ms: Option<i64>, limit: Option<Duration>) -> Woken {
        let until = limit.map(|limit| self.uptime() + limit);
        self.at(Wait::Sleep(at_ms, until), None, Woken::default(), |inner| {
            let Some(shim) = inner.machine.shim(self.me) else { return Woken::default() };
            shim.child = false;
            Woken { stop: std::mem::take(&mut shim.stop), reread: std::mem::take(&mut shim.reread) }
        })
    }

    fn start_service(&self, birth: &Birth<'_>) -> io::Result<u32> {
        self.look(Err(io::ErrorKind::Other.into()), |inner| {
            inner.faults.of_processes(true)?;
            let value = |key: &str| birth.env.iter().find(|(known, _)| known == key).map(|(_, value)| value.clone());
            let mark = value(MINIONS_GENERATION).and_then(|word| Generation::parse(&word));
            let program = birth.program.to_string_lossy().into_owned();
            let args = std::iter::once(program).chain(birth.args.iter().cloned()).collect();
            let name = value(MINIONS_NAME).unwrap_or_default();
            let inside = inside(args, PathBuf::from(birth.cwd), mark);
            let uid = inner.machine.start_service(self.me, Model::parse(birth.args), inside, &name);
            Ok(inner.machine.pid(uid))
        })
    }

    fn start_follower(&self, run_dir: &Path) -> io::Result<u32> {
        self.start_for(run_dir, (Kind::Follower, FOLLOWER_ARG0), Role::Follower)
    }

    fn start_command(&self, args: &[OsString]) -> io::Result<u32> {
        let args = args.iter().map(|arg| arg.to_string_lossy().into_owned());
        let line: Vec<String> = std::iter::once("minions".to_owned()).chain(args).collect();
        let (uid, pid) = self.look(Err(io::ErrorKind::Other.into()), |inner| {
            inner.faults.of_processes(true)?;
            let uid = inner.machine.start_child(self.me, Kind::command(), line.clone());
            Ok::<(Uid, u32), io::Error>((uid, inner.machine.pid(uid)))
        })?;
        self.sim.live_as_command(uid, self.me, line);
        Ok(pid)
    }

    fn has_ended(&self, pid: u32) -> bool {
        self.look(false, |inner| inner.machine.reap_one(self.me, pid))
    }

    fn reap_shims(&self) {
        self.look((), |inner| inner.machine.reap_shims(self.me));
    }

    fn catch_end(&self) {
        self.look((), |inner| inner.machine.catch_end(self.me));
    }

    fn is_asked_to_end(&self) -> bool {
        self.sim.lock().machine.is_asked_to_end(self.me)
    }

    fn doze(&self, span: Duration) {
        let until = self.uptime().saturating_add(span);
        self.at(Wait::Asked(until), None, (), |_| ());
    }

    fn connected_ports(&self) -> Vec<u16> {
        self.look(Vec::new(), |inner| inner.machine.connected_ports())
    }

    fn reap(&self) -> io::Result<Option<(u32, Ended)>> {
        let none = || io::Error::from(io::ErrorKind::NotFound);
        self.look(Err(none()), |inner| inner.machine.reap(self.me).map_err(|()| none()))
    }

    fn listeners(&self) -> Vec<Listener> {
        self.look(Vec::new(), |inner| inner.machine.listeners())
    }

    fn ask(&self, server: SocketAddr, limit: Duration) -> Answer {
        let asked = self.look(None, |inner| Some(inner.machine.listener(server.port())?.clone()));
        let client = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 50_000);
        match asked {
            None => Answer::Refused,
            Some(model) if model.is_silent => {
                self.pause(limit);
                Answer::Silent
            }
            Some(model) => Answer::Status { status: model.status, client },
        }
    }

    fn probe(&self, _program: &str, env: &[(String, String)], limit: Duration) -> Option<(i32, String)> {
        let mark =
            env.iter().find(|(key, _)| key == MINIONS_GENERATION).and_then(|(_, word)| Generation::parse(word))?;
        let found = self.look(None, |inner| inner.machine.model_of(&mark).cloned());
        match found {
            Some(model) if model.is_silent => {
                self.pause(limit);
                None
            }
            Some(model) if model.is_ready && model.status == 200 => Some((0, "ok\n".to_owned())),
            Some(_) | None => Some((1, String::new())),
        }
    }
}
