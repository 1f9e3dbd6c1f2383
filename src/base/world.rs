//! The seam at which a simulated world may stand in the system's place, for the thread that entered it: time, processes,
//! signals, pipes, sockets, what is printed, and faults of files. Only debug builds have it, which the tests run; an ordinary
//! build has nothing of it but [`touch`], which does nothing.
//!
//! Doors, and nobody else, ask [`here`]: the functions that alone touch the system. What they return without a world is what
//! the system says. Files are real ones: what renames and locks mean is the kernel's to say (docs/design/simulator.md).

#[cfg(not(debug_assertions))]
use std::{io, path::Path};

/// What is about to be done with a file or folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileAct {
    /// It is opened as it is, for reading or for changes in place.
    Open,
    /// It is made, or opened for writing if it is there.
    Make,
    /// Bytes are written to it.
    Write,
    /// It is synced.
    Sync,
    /// It gets another name, or its name another file.
    Rename,
    /// It is removed.
    Remove,
    /// It is locked.
    Lock,
}

/// Says what is about to be done with `path`. In a simulated world the process may die here, or the disk may be full.
#[cfg(not(debug_assertions))]
#[inline]
pub fn touch(_act: FileAct, _path: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(debug_assertions)]
pub use simulated::{
    Answer, Birth, Ended, Entered, Handle, Inside, Listener, Process, Stream, Woken, World, enter, here, touch,
};

/// What the simulator implements.
#[cfg(debug_assertions)]
mod simulated {
    use std::cell::RefCell;
    use std::ffi::OsString;
    use std::fs::File;
    use std::io;
    use std::net::SocketAddr;
    use std::path::{Path, PathBuf};
    use std::rc::Rc;
    use std::time::Duration;

    use super::FileAct;
    use crate::base::ids::Generation;
    use crate::base::steps::Step;

    /// The system as one process sees it. Every method may let other processes go on first, and may be the last that this process
    /// calls: then it unwinds. While it unwinds, methods do nothing and tell nothing.
    pub trait World {
        /// Wall-clock time in milliseconds since 1970.
        fn now_ms(&self) -> i64;
        /// Time since the boot.
        fn uptime(&self) -> Duration;
        /// Does nothing for `span`.
        fn pause(&self, span: Duration);
        /// Fills `bytes` with what looks random.
        fn fill_random(&self, bytes: &mut [u8]);
        /// This process got to `step`.
        fn reached(&self, step: Step);
        /// This process is about to do `act` to `path`. An error is the system's refusal.
        fn touch(&self, act: FileAct, path: &Path) -> io::Result<()>;
        /// This process writes to its `stream`.
        fn print(&self, stream: Stream, bytes: &[u8]);
        /// The environment that this process was started with.
        fn environment(&self) -> Vec<(String, String)>;

        /// The pid of this process.
        fn own_pid(&self) -> u32;
        /// The id of this boot.
        fn boot_id(&self) -> &'static str;
        /// The process that has `pid`.
        fn process(&self, pid: u32) -> io::Result<Option<Process>>;
        /// Every process, by pid.
        fn processes(&self) -> io::Result<Vec<Process>>;
        /// What `pid` runs, and where; `None` if it is gone.
        fn inside(&self, pid: u32) -> Option<Inside>;

        /// Takes hold of the very process that has `pid` (pidfd_open(2)); `None` if there is none.
        fn hold(&self, pid: u32) -> Option<Handle>;
        /// Sends the signal of that number; says whether the process was there.
        fn send(&self, held: Handle, signal: i32) -> bool;
        /// Waits until it has ended, for at most `limit`; says whether it has.
        fn wait_end(&self, held: Handle, limit: Duration) -> bool;

        /// Starts a shim for `run_dir`, as a child of this process; returns its pid.
        fn start_shim(&self, run_dir: &Path) -> io::Result<u32>;
        /// Writes `word` to the shim `pid` and closes the pipe; an empty word only closes it.
        fn tell_shim(&self, pid: u32, word: &[u8]);
        /// What the shim `pid` answers, to the end: nothing, if it dies before.
        fn hear_shim(&self, pid: u32) -> Vec<u8>;
        /// As a shim: waits for the maker's word; empty if it closed the pipe.
        fn hear_maker(&self) -> Vec<u8>;
        /// As a shim: answers the maker.
        fn answer_maker(&self, line: &[u8]);
        /// As a shim: sleeps until a signal, `at` by the wall clock, or for `limit`.
        fn sleep(&self, at_ms: Option<i64>, limit: Option<Duration>) -> Woken;
        /// As a shim: starts a service as a child of this process; returns its pid.
        fn start_service(&self, birth: &Birth<'_>) -> io::Result<u32>;
        /// As a shim: starts a follower for `run_dir`, as a child of this process; returns its pid.
        fn start_follower(&self, run_dir: &Path) -> io::Result<u32>;
        /// As a shim: reaps a child that has ended, with its pid; `Ok(None)` if none has, and an error if there is no child.
        fn reap(&self) -> io::Result<Option<(u32, Ended)>>;

        /// As a command: starts this program once more, as a child of this process, with `args` behind its name; returns its pid.
        fn start_command(&self, args: &[OsString]) -> io::Result<u32>;
        /// As a command: whether its child `pid` has ended; once it has, it is reaped by this.
        fn has_ended(&self, pid: u32) -> bool;
        /// As a command: reaps every shim that it has started and that has ended.
        fn reap_shims(&self);
        /// As a command: from here on SIGTERM ends nothing, and is remembered.
        fn catch_end(&self);
        /// As a command: whether a SIGTERM has come since.
        fn is_asked_to_end(&self) -> bool;
        /// As a command: sleeps for `span`, or until a SIGTERM has come.
        fn doze(&self, span: Duration);

        /// Everybody who listens.
        fn listeners(&self) -> Vec<Listener>;
        /// The ports that somebody is connected to, ascending.
        fn connected_ports(&self) -> Vec<u16>;
        /// Asks whoever listens at `server` by HTTP, for at most `limit`.
        fn ask(&self, server: SocketAddr, limit: Duration) -> Answer;
        /// Runs the command `program` with a service's environment `env` as a probe, for at most `limit`: its exit status and its
        /// stdout, or `None` if it did not end.
        fn probe(&self, program: &str, env: &[(String, String)], limit: Duration) -> Option<(i32, String)>;
    }

    /// Where something is printed.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Stream {
        /// Data.
        Out,
        /// Words.
        Err,
    }

    /// One process as the process table shows it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Process {
        /// Its id.
        pub pid: u32,
        /// Its parent's.
        pub parent: u32,
        /// It has ended and waits to be reaped.
        pub is_zombie: bool,
        /// Clock ticks between the boot and its start, a hundred a second.
        pub start_ticks: u64,
    }

    /// What can be seen of a process's inside.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Inside {
        /// Its command line.
        pub args: Vec<String>,
        /// Its working folder.
        pub cwd: PathBuf,
        /// The generation that its environment names.
        pub mark: Option<Generation>,
    }

    /// A process that somebody holds, whatever becomes of its pid.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Handle(pub u64);

    /// A service to be started.
    #[derive(Debug)]
    pub struct Birth<'a> {
        /// The program.
        pub program: &'a Path,
        /// Its arguments.
        pub args: &'a [String],
        /// Its working folder.
        pub cwd: &'a Path,
        /// Its whole environment.
        pub env: &'a [(String, String)],
        /// Where its output goes.
        pub log: &'a File,
    }

    /// How a process ended.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Ended {
        /// By itself, with this code.
        Code(i32),
        /// By the signal of this number.
        Signal(i32),
    }

    /// What woke a shim.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Woken {
        /// SIGTERM.
        pub stop: bool,
        /// SIGHUP.
        pub reread: bool,
    }

    /// A socket that takes connections.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Listener {
        /// Where.
        pub local: SocketAddr,
        /// The number by which its holders are found.
        pub inode: u64,
        /// Who holds it.
        pub pids: Vec<u32>,
    }

    /// What came of a question by HTTP.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Answer {
        /// Nobody listens.
        Refused,
        /// Somebody does, and did not answer in time.
        Silent,
        /// This status. `client` is our end of the connection.
        Status {
            /// The figure.
            status: u16,
            /// Where we asked from.
            client: SocketAddr,
        },
    }

    thread_local! {
        static HERE: RefCell<Option<Rc<dyn World>>> = const { RefCell::new(None) };
    }

    /// The world that this thread is in; `None`: the real one.
    pub fn here() -> Option<Rc<dyn World>> {
        // Late in a thread's end there is nothing to be asked any more.
        HERE.try_with(|here| here.borrow().clone()).ok().flatten()
    }

    /// Leaves the world when it is dropped.
    #[derive(Debug)]
    pub struct Entered(());

    /// Puts this thread into `world`, until the result is dropped. Work that is done side by side elsewhere is done on this thread
    /// alone, one part after the other.
    pub fn enter(world: Rc<dyn World>) -> Entered {
        HERE.with(|here| *here.borrow_mut() = Some(world));
        Entered(())
    }

    impl Drop for Entered {
        fn drop(&mut self) {
            HERE.with(|here| here.borrow_mut().take());
        }
    }

    /// Says what is about to be done with `path`. In a simulated world the process may die here, or the disk may be full.
    pub fn touch(act: FileAct, path: &Path) -> io::Result<()> {
        here().map_or(Ok(()), |world| world.touch(act, path))
    }
}
