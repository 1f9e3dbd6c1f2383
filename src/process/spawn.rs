//! Spawning: a shim from a command, a service from its shim. Impure: starts processes.
//!
//! The shim is this very program under another name. Its stdin is the pipe on which its maker says `go` and its stdout
//! the pipe on which it answers, one line; it drops both before it settles down to wait.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::base::steps::{Step, reached};
use crate::service::Identity;

use super::cgroup::Cgroup;
use super::left;
use super::look::observe_identity;

/// The name that the program is called by when it is to be a shim; what `ps` shows.
pub const SHIM_ARG0: &str = "minions-shim";
/// The name that the program is called by when it is to bring a record up to what a shim has done; what `ps` shows.
pub const FOLLOWER_ARG0: &str = "minions-follow";
/// In a service's environment: the name of its record.
pub const MINIONS_NAME: &str = "MINIONS_MANAGED_NAME";
/// In a service's environment: its generation, the mark by which its processes are found.
pub const MINIONS_GENERATION: &str = "MINIONS_MANAGED_GENERATION";

/// What the maker writes to let the shim start its service.
const GO: &[u8] = b"go\n";
/// The longest answer: one line that holds one sentence.
const ANSWER_BYTES_MAX: u64 = 4096;

/// A shim that waits for its word; dropping it sends none, and it ends without having done anything.
#[derive(Debug)]
pub struct SpawnedShim {
    /// `None` in a simulated world.
    child: Option<Child>,
    identity: Identity,
}

/// What the shim answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShimStart {
    /// The service runs: its pid, and its start time in clock ticks.
    Started {
        /// Who the service is.
        service: Identity,
    },
    /// It could not be started; why, in the system's words.
    Refused(String),
}

/// A shim that starts a service has about a dozen files open, and whoever starts it as many: with fewer allowed it might find
/// that out only when an old generation has ended for the new one.
const FILES_MIN: u64 = 32;

/// Starts a shim for `run_dir`. It does nothing until [`SpawnedShim::go`]. Errors: `EMFILE` also where the limit of open files,
/// which shim and service inherit, is too low for a start.
#[expect(clippy::disallowed_methods, reason = "the one place that starts shims")]
pub fn start_shim(run_dir: &Path) -> io::Result<SpawnedShim> {
    #[cfg(debug_assertions)]
    if let Some(world) = crate::base::world::here() {
        let identity = observe_identity(world.start_shim(run_dir)?)?;
        let identity = identity.ok_or_else(|| io::Error::other("the shim ended at once"))?;
        return Ok(SpawnedShim { child: None, identity });
    }
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    if limit.is_some_and(|limit| limit < FILES_MIN) {
        return Err(rustix::io::Errno::MFILE.into());
    }
    let mut child = Command::new(own_program()?)
        .arg0(SHIM_ARG0)
        .arg(run_dir)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    match observe_identity(child.id()) {
        Ok(Some(identity)) => Ok(SpawnedShim { child: Some(child), identity }),
        problem => {
            // It has had no word, so it has done nothing; its stdin closes here and it ends.
            drop(child.stdin.take());
            let status = child.wait()?;
            problem?;
            Err(io::Error::other(format!("the shim ended at once: {status}")))
        }
    }
}

/// Starts a follower of the shim that this process is, for `run_dir`; its pid.
#[expect(clippy::disallowed_methods, reason = "the one place that starts followers")]
pub fn start_follower(run_dir: &Path) -> io::Result<u32> {
    #[cfg(debug_assertions)]
    if let Some(world) = crate::base::world::here() {
        return world.start_follower(run_dir);
    }
    let mut command = Command::new(own_program()?);
    command.arg0(FOLLOWER_ARG0).arg(run_dir).env_clear();
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    Ok(child.id())
}

impl SpawnedShim {
    /// Who the shim is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Lets it start its service, and waits for the answer: an exec, so milliseconds. The shim lives on.
    pub fn go(mut self) -> io::Result<ShimStart> {
        match self.tell(GO) {
            // What there is to hear then says that it has ended.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            told => told?,
        }
        reached(Step::StartTold);
        parse_answer(&self.hear()?, &self.identity)
    }

    fn tell(&mut self, word: &[u8]) -> io::Result<()> {
        #[cfg(debug_assertions)]
        if let Some(world) = crate::base::world::here() {
            world.tell_shim(self.identity.pid, word);
        }
        let stdin = self.child.as_mut().and_then(|child| child.stdin.take());
        stdin.map_or(Ok(()), |mut stdin| stdin.write_all(word))
    }

    fn hear(&mut self) -> io::Result<String> {
        #[cfg(debug_assertions)]
        if let Some(world) = crate::base::world::here() {
            let answer = world.hear_shim(self.identity.pid);
            return Ok(String::from_utf8_lossy(&answer).into_owned());
        }
        let mut answer = String::new();
        if let Some(stdout) = self.child.as_mut().and_then(|child| child.stdout.take()) {
            stdout.take(ANSWER_BYTES_MAX).read_to_string(&mut answer)?;
        }
        Ok(answer)
    }

    /// Sends it away without a word, and waits until it is gone.
    pub fn dismiss(mut self) -> io::Result<()> {
        self.tell(b"")?;
        #[cfg(debug_assertions)]
        if let Some(world) = crate::base::world::here() {
            world.hear_shim(self.identity.pid);
        }
        self.child.take().map_or(Ok(()), |mut child| child.wait().map(drop))
    }
}

impl Drop for SpawnedShim {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Without a word it leaves.
            drop(child.stdin.take());
            left::leave(child);
        }
    }
}

/// `shim` is who answers: its service is of the same boot and namespace.
fn parse_answer(answer: &str, shim: &Identity) -> io::Result<ShimStart> {
    let line = answer.strip_suffix('\n').ok_or_else(|| io::Error::other("the shim ended before it answered"))?;
    if let Some(why) = line.strip_prefix("refused ") {
        return Ok(ShimStart::Refused(why.to_owned()));
    }
    let mut words = line.split(' ');
    let started = (words.next() == Some("started"))
        .then(|| Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?)))
        .flatten()
        .filter(|_| words.next().is_none());
    match started {
        Some((pid, start_ticks)) => Ok(ShimStart::Started { service: Identity { pid, start_ticks, ..shim.clone() } }),
        None => Err(io::Error::other(format!("the shim answered `{}`", line.escape_debug()))),
    }
}

/// The line by which a shim answers its maker.
fn answer_line(start: &ShimStart) -> String {
    match start {
        ShimStart::Started { service } => format!("started {} {}\n", service.pid, service.start_ticks),
        ShimStart::Refused(why) => format!("refused {}\n", why.replace('\n', " ")),
    }
}

/// As a shim: waits for the maker's word. A maker that died or changed its mind closes the pipe without one.
pub fn heard_go() -> bool {
    #[cfg(debug_assertions)]
    if let Some(world) = crate::base::world::here() {
        return world.hear_maker() == GO;
    }
    let mut word = [0_u8; GO.len()];
    io::stdin().read_exact(&mut word).is_ok() && word == *GO
}

/// As a shim: answers the maker and lets go of both pipes.
pub fn answer(start: &ShimStart) {
    let line = answer_line(start);
    #[cfg(debug_assertions)]
    if let Some(world) = crate::base::world::here() {
        return world.answer_maker(line.as_bytes());
    }
    let mut stdout = io::stdout();
    // A maker that is gone is no reason to stop: the claim's recovery finds the service by our files.
    let told = stdout.write_all(line.as_bytes()).and_then(|()| stdout.flush());
    drop(told);
    drop_standard_streams();
}

/// The program that runs. On Linux by the link that holds even if the file was replaced meanwhile.
pub(super) fn own_program() -> io::Result<std::path::PathBuf> {
    if cfg!(linux_calls) { Ok("/proc/self/exe".into()) } else { std::env::current_exe() }
}

/// Turns this process, just started, into a shim: a session of its own, none of the caller's descriptors but the first
/// three, the reaper of all its descendants, and no working folder that somebody may want to remove.
pub fn become_shim() -> io::Result<()> {
    // There nothing is inherited.
    #[cfg(debug_assertions)]
    if crate::base::world::here().is_some() {
        return Ok(());
    }
    // EPERM: it leads a group already, as when started by hand from a shell; it is then detached enough.
    let _ = rustix::process::setsid();
    close_descriptors_from(3);
    rustix::process::chdir("/")?;
    name_and_adopt()
}

/// Lets go of both pipes. The null device stands in their place: the one that the maker gave for stderr, so that nothing has
/// to be opened, which might fail and leave the maker waiting for the end of the answer.
fn drop_standard_streams() {
    let null = std::io::stderr();
    for replaced in [rustix::stdio::dup2_stdin(&null), rustix::stdio::dup2_stdout(&null)] {
        let _ = replaced;
    }
}

#[cfg(linux_calls)]
fn name_and_adopt() -> io::Result<()> {
    rustix::thread::set_name(c"minions-shim")?;
    let me = rustix::process::getpid();
    rustix::process::set_child_subreaper(Some(me))?;
    Ok(())
}

#[cfg(not(linux_calls))]
fn name_and_adopt() -> io::Result<()> {
    Ok(())
}

#[cfg(linux_calls)]
#[expect(unsafe_code, reason = "closing descriptors that Rust does not know")]
fn close_descriptors_from(first: u32) {
    // SAFETY: called right after the start, before this process has opened anything of its own.
    let closed = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0_u32) };
    if closed == 0 {
        return;
    }
    // Kernels before 5.9: one by one, from the list that the kernel keeps.
    let open: Vec<i32> = std::fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|fd| u32::try_from(*fd).is_ok_and(|fd| fd >= first))
        .collect();
    for fd in open {
        // SAFETY: as above; a descriptor that is closed already is only an error that we ignore.
        unsafe { libc::close(fd) };
    }
}

#[cfg(not(linux_calls))]
#[expect(unsafe_code, reason = "closing descriptors that Rust does not know")]
fn close_descriptors_from(first: u32) {
    for fd in super::inherit::open_descriptors(first) {
        // SAFETY: called right after the start, before this process has opened anything of its own.
        unsafe { rustix::io::close(std::os::fd::AsRawFd::as_raw_fd(&fd)) };
    }
}

/// How a service is started.
#[derive(Debug)]
pub struct ServiceStart<'a> {
    /// The resolved program.
    pub program: &'a Path,
    /// Its arguments.
    pub args: &'a [String],
    /// Its working folder; `None`: the root folder.
    pub cwd: Option<&'a Path>,
    /// Its whole environment.
    pub env: &'a [(String, String)],
    /// Where stdout and stderr go.
    pub log: &'a File,
    /// The group that it is to be born in, if there is one.
    pub group: Option<&'a Cgroup>,
}

/// Starts a service as a child of this process: stdin null, a session of its own, and dead when this process is killed.
/// On failure the reason says what could not be done, in the system's words.
#[expect(clippy::disallowed_methods, reason = "the one place that starts services")]
pub fn start_service(start: &ServiceStart<'_>) -> Result<u32, String> {
    #[cfg(debug_assertions)]
    if let Some(world) = crate::base::world::here() {
        let ServiceStart { program, args, cwd, env, log, group: _ } = *start;
        let birth = crate::base::world::Birth { program, args, cwd: cwd.unwrap_or(Path::new("/")), env, log };
        return world.start_service(&birth).map_err(|error| explain(start, &error));
    }
    let log = |error: io::Error| format!("the log cannot be handed on: {error}");
    let mut command = Command::new(start.program);
    command
        .args(start.args)
        .env_clear()
        .envs(start.env.iter().map(|(key, value)| (key, value)))
        .current_dir(start.cwd.unwrap_or(Path::new("/")))
        .stdin(Stdio::null())
        .stdout(start.log.try_clone().map_err(log)?)
        .stderr(start.log.try_clone().map_err(log)?);
    before_exec(&mut command);
    let born = start.group.filter(|group| group.is_for_births()).and_then(|group| spawn_into(&mut command, group));
    born.unwrap_or_else(|| command.spawn().map(|child| child.id())).map_err(|error| explain(start, &error))
}

/// Starts `command` in `group`; `None` where the system cannot. Only for a process of one thread.
#[cfg(linux_calls)]
#[expect(unsafe_code, reason = "the standard library cannot start a process in a group")]
fn spawn_into(command: &mut Command, group: &Cgroup) -> Option<io::Result<u32>> {
    let (hear, tell) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).ok()?;
    let pid = fork_into(group.dir())?;
    if pid == 0 {
        let error = command.exec();
        let errno = error.raw_os_error().unwrap_or(libc::EIO);
        let _ = rustix::io::write(&tell, &errno.to_ne_bytes());
        // SAFETY: ends the child without running anything of its parent's.
        unsafe { libc::_exit(1) };
    }
    let pid = u32::try_from(pid).ok()?;
    drop(tell);
    let mut errno = [0; 4];
    match File::from(hear).read_exact(&mut errno) {
        // The pipe was closed by the exec.
        Err(_) => Some(Ok(pid)),
        Ok(()) => {
            let child = rustix::process::Pid::from_raw(i32::try_from(pid).ok()?);
            let _ = rustix::process::waitpid(child, rustix::process::WaitOptions::empty());
            Some(Err(io::Error::from_raw_os_error(i32::from_ne_bytes(errno))))
        }
    }
}

/// A fork but for the group: the child is born in that of the folder `dir`. 0 in the child, its pid in this process, which must have one
/// thread; `None` where the system cannot.
#[cfg(linux_calls)]
#[expect(unsafe_code, reason = "the standard library cannot start a process in a group")]
fn fork_into(dir: &Path) -> Option<i64> {
    use rustix::fs::{Mode, OFlags};
    use std::os::fd::AsRawFd;
    /// clone(2), Linux 5.7; wider than the C library's type for it.
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    let dir = rustix::fs::open(dir, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    // SAFETY: numbers and null pointers, for which zero is a value.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = CLONE_INTO_CGROUP;
    args.exit_signal = u64::try_from(libc::SIGCHLD).ok()?;
    args.cgroup = u64::try_from(dir.as_raw_fd()).ok()?;
    // SAFETY: the child is a copy of this process, of whose only thread it goes on, so that no lock is held for ever in it.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, std::ptr::from_mut(&mut args), size_of_val(&args)) };
    (pid >= 0).then_some(pid)
}

/// Whether a process that is born in the group of the folder `dir` lives: tried with one that ends at once. Linux 6.18 kills it at
/// its birth if that group, or the one that this process is in, was ever killed by `cgroup.kill`.
#[cfg(linux_calls)]
#[expect(unsafe_code, reason = "the child must end without running anything of its parent's")]
pub(super) fn lives_if_born_in(dir: &Path) -> bool {
    let Some(pid) = fork_into(dir) else { return false };
    if pid == 0 {
        // SAFETY: ends the child at once.
        unsafe { libc::_exit(0) };
    }
    let child = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    let waited = rustix::process::waitpid(child, rustix::process::WaitOptions::empty());
    matches!(waited, Ok(Some((_, status))) if status.exit_status() == Some(0))
}

#[cfg(not(linux_calls))]
pub(super) fn lives_if_born_in(_dir: &Path) -> bool {
    false
}

#[cfg(not(linux_calls))]
fn spawn_into(_command: &mut Command, _group: &Cgroup) -> Option<io::Result<u32>> {
    None
}

#[expect(unsafe_code, reason = "runs between fork and exec")]
fn before_exec(command: &mut Command) {
    let shim = rustix::process::getpid();
    // SAFETY: the closure makes system calls only; it neither allocates nor locks.
    unsafe {
        command.pre_exec(move || {
            rustix::process::setsid()?;
            #[cfg(linux_calls)]
            rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
            // The shim may have been killed before the line above took effect.
            if rustix::process::getppid() != Some(shim) {
                return Err(io::Error::from(rustix::io::Errno::CHILD));
            }
            Ok(())
        });
    }
}

/// Which of the steps between fork and exec failed cannot be told from the error alone: look which of them would.
fn explain(start: &ServiceStart<'_>, error: &io::Error) -> String {
    if let Some(cwd) = start.cwd
        && let Err(why) = std::fs::read_dir(cwd)
    {
        return format!("the working folder `{}` cannot be entered: {}", cwd.display(), system_words(&why));
    }
    let lacks_interpreter = error.kind() == io::ErrorKind::NotFound && start.program.exists();
    let hint = if lacks_interpreter { " (the interpreter in its first line is missing)" } else { "" };
    format!("`{}` cannot be started: {}{hint}", start.program.display(), system_words(error))
}

/// The system's words without Rust's `(os error N)`.
pub fn system_words(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_read_back_and_torn_ones_are_errors() {
        let service = Identity { pid: 7, start_ticks: 99, boot_id: "b".into(), pid_namespace: Some(1) };
        let shim = Identity { pid: 6, start_ticks: 98, ..service.clone() };
        for start in [ShimStart::Started { service }, ShimStart::Refused("no such file".into())] {
            assert_eq!(parse_answer(&answer_line(&start), &shim).expect("whole"), start);
        }
        for torn in ["", "started 7", "started 7 99", "started 7\n", "started 7 99 1\n", "hello\n"] {
            assert!(parse_answer(torn, &shim).is_err(), "{torn:?}");
        }
    }
}
