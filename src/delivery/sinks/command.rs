//! A program that gets each event on its stdin; exit code 0 means that it took it. Impure: runs a process in a group of its own,
//! and ends the whole group before it returns.

use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use crate::base::clock::monotonic;
use crate::base::redact::Secrets;
use crate::process::{kill_unreaped, resolve_program, seal_descriptors};
use crate::service::EnvVars;

use super::super::cloudevent::Message;
use super::{Refusal, Surroundings, words};

/// The part of its stderr that is kept for the sentence.
const STDERR_BYTES_MAX: usize = 4096;
/// How often we look whether it has ended, where the system has no pidfd to wait with, or it has closed its stderr.
const LOOK_PAUSE: Duration = Duration::from_millis(10);

/// A program, found.
pub(super) struct Command {
    program: PathBuf,
    args: Vec<String>,
    cwd: PathBuf,
    env: EnvVars,
    secrets: Secrets,
    limit: Duration,
}

impl Command {
    /// Looks `cmd` up on the deliverer's own PATH. It runs in the root's folder with the deliverer's environment.
    pub(super) fn new(cmd: &str, args: &[String], around: Surroundings<'_>, limit: Duration) -> Result<Self, Refusal> {
        let path = around.env.iter().find(|(key, _)| key == "PATH").map_or("", |(_, value)| value);
        let program =
            resolve_program(cmd, &around.root.to_string_lossy(), path).map_err(|why| Refusal::failed(words(&why)))?;
        let (env, secrets) = (around.env.clone(), around.secrets.clone());
        Ok(Self { program, args: args.to_vec(), cwd: around.root.to_owned(), env, secrets, limit })
    }

    /// Runs it once with `message` and a line end on its stdin.
    pub(super) fn send(&self, message: &Message) -> Result<(), Refusal> {
        let not_run = |error: io::Error| Refusal::because_of(&error, format!("it could not be run: {}", words(&error)));
        let deadline = monotonic() + self.limit;
        let mut running = self.start(message).map_err(not_run)?;
        if !running.watch(deadline).map_err(not_run)? {
            return Err(Refusal::failed(format!("it did not end within {:.1?}", self.limit)));
        }
        let status = running.end().map_err(not_run)?;
        // Before it is cut, which could halve a secret.
        judge(status, &self.secrets.hide(&String::from_utf8_lossy(&running.said)))
    }

    #[expect(clippy::disallowed_methods, reason = "a command sink is a command")]
    fn start(&self, message: &Message) -> io::Result<Running> {
        seal_descriptors();
        let mut command = std::process::Command::new(&self.program);
        command.args(&self.args).env_clear().envs(self.env.iter().map(|(key, value)| (key, value)));
        command.current_dir(&self.cwd).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
        // From here on the child is ended with its group whatever happens.
        let mut running = Running {
            child,
            reaped: None,
            handle: None,
            stdin: None,
            stderr: None,
            left: format!("{}\n", message.text).into_bytes(),
            said: Vec::new(),
        };
        running.handle = exit_handle(&running.child);
        running.stdin = pipe(stdin.map(OwnedFd::from))?;
        running.stderr = pipe(stderr.map(OwnedFd::from))?;
        Ok(running)
    }
}

fn judge(status: ExitStatus, said: &str) -> Result<(), Refusal> {
    let how = match (status.code(), status.signal()) {
        (Some(0), _) => return Ok(()),
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("ended by signal {signal}"),
        (None, None) => "ended in an unknown way".to_owned(),
    };
    let said = words(&said);
    Err(Refusal::failed(if said.is_empty() { how } else { format!("{how}; stderr: `{said}`") }))
}

/// A program that runs. Whatever way it is left, its whole group is ended and it is reaped.
struct Running {
    child: Child,
    /// Set once the child has been reaped; its pid is not ours from then on.
    reaped: Option<ExitStatus>,
    /// Becomes readable when the child ends.
    handle: Option<OwnedFd>,
    stdin: Option<std::fs::File>,
    stderr: Option<std::fs::File>,
    /// What is still to be written to its stdin.
    left: Vec<u8>,
    /// The start of what it wrote to its stderr.
    said: Vec<u8>,
}

impl Running {
    /// Feeds it until it ends; false if it did not before `deadline`.
    fn watch(&mut self, deadline: Instant) -> io::Result<bool> {
        loop {
            let left = deadline.saturating_duration_since(monotonic());
            if left.is_zero() {
                return Ok(false);
            }
            self.poll(left)?;
            // Whether it has ended is asked before reading: what it wrote before its end is then in the pipe.
            let has_ended = self.has_ended()?;
            self.write_available()?;
            self.read_available()?;
            if has_ended {
                return Ok(true);
            }
        }
    }

    fn poll(&self, left: Duration) -> io::Result<()> {
        let mut fds = Vec::with_capacity(3);
        fds.extend(self.stdin.as_ref().map(|pipe| PollFd::new(pipe, PollFlags::OUT)));
        fds.extend(self.stderr.as_ref().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        fds.extend(self.handle.as_ref().map(|handle| PollFd::new(handle, PollFlags::IN)));
        let span = if self.handle.is_some() { left } else { left.min(LOOK_PAUSE) };
        match poll(&mut fds, Timespec::try_from(span).ok().as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether it has ended. It is not reaped, so that its pid, and with it its group's, stays ours.
    fn has_ended(&self) -> io::Result<bool> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        Ok(waitid(WaitId::Pid(Pid::from_child(&self.child)), options)?.is_some())
    }

    /// Writes what the pipe takes; a program need not read what it is given.
    fn write_available(&mut self) -> io::Result<()> {
        while let Some(pipe) = &mut self.stdin {
            match pipe.write(&self.left) {
                Ok(count) => {
                    self.left.drain(..count);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.stdin = None,
                Err(error) => return Err(error),
            }
            if self.left.is_empty() {
                self.stdin = None;
            }
        }
        Ok(())
    }

    /// Takes what is there, at most a pipe's worth several times over, so that a program that never stops writing cannot keep us
    /// from looking at the clock.
    fn read_available(&mut self) -> io::Result<()> {
        let mut chunk = [0_u8; 4096];
        for _ in 0..64 {
            let Some(pipe) = &mut self.stderr else { return Ok(()) };
            match pipe.read(&mut chunk) {
                Ok(0) => self.stderr = None,
                Ok(count) => {
                    let room = STDERR_BYTES_MAX.saturating_sub(self.said.len());
                    self.said.extend_from_slice(&chunk[..count.min(room)]);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Ends what is left of the group, then reaps.
    fn end(&mut self) -> io::Result<ExitStatus> {
        if let Some(status) = self.reaped {
            return Ok(status);
        }
        kill_unreaped(&mut self.child);
        let status = self.child.wait()?;
        self.reaped = Some(status);
        Ok(status)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // An error here means that somebody else reaped our child; then there is nothing left to end.
        self.end().ok();
    }
}

/// Our end of a pipe, which never blocks.
fn pipe(end: Option<OwnedFd>) -> io::Result<Option<std::fs::File>> {
    let Some(end) = end else { return Ok(None) };
    rustix::io::ioctl_fionbio(&end, true)?;
    Ok(Some(end.into()))
}

/// A descriptor that becomes readable when `child` ends; `None` where the system has none.
fn exit_handle(child: &Child) -> Option<OwnedFd> {
    #[cfg(linux_calls)]
    return rustix::process::pidfd_open(Pid::from_child(child), rustix::process::PidfdFlags::empty()).ok();
    #[cfg(not(linux_calls))]
    {
        let _ = child;
        None
    }
}
