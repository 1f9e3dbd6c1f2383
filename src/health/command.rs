//! One command probe: exit status 0, and stdout matches. Impure: runs a process in a group of its own, and ends the whole
//! group before it returns.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use regex::Regex;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use crate::base::clock::monotonic;
use crate::base::excerpt::excerpt;
use crate::process::{kill_unreaped, resolve_program, seal_descriptors};

use super::http::Limit;
use super::{Failure, Target};

/// Contract section 7: the part of stdout that is matched. What comes after it is read and thrown away, so that the
/// command is not stopped by a full pipe.
const STDOUT_BYTES_MAX: usize = 1 << 20;
/// The part of stderr that is kept for the sentence.
const STDERR_BYTES_MAX: usize = 4096;
/// How much of its output a sentence shows.
const OUTPUT_CHARS_MAX: usize = 200;
/// How much of its name or pattern a sentence shows.
const NAME_CHARS_MAX: usize = 100;
/// Where the shell is if the search path has none (POSIX leaves the place open; every system has it here).
const SHELL: &str = "/bin/sh";
/// How often we look whether the command has ended, where the system has no pidfd to wait with.
const LOOK_PAUSE: Duration = Duration::from_millis(10);

/// A command healthcheck, ready to run.
#[derive(Debug)]
pub(super) struct CommandProbe {
    program: String,
    args: Vec<String>,
    expect: Regex,
}

impl CommandProbe {
    /// Splits and compiles. The failures are for good: such a probe can never pass.
    pub(super) fn new(cmd: &str, args: Option<&[String]>, shell: bool, expect_regex: &str) -> Result<Self, Failure> {
        let expect = crate::service::expect_regex(expect_regex).map_err(|why| {
            Failure::new(format!("`{}` is no regular expression: {why}", excerpt(expect_regex, NAME_CHARS_MAX)))
        })?;
        let (program, args) = if shell {
            ("sh".to_owned(), vec!["-c".to_owned(), cmd.to_owned()])
        } else if let Some(args) = args {
            (cmd.to_owned(), args.to_vec())
        } else {
            let mut words = shlex::split(cmd).unwrap_or_default().into_iter();
            let shown = excerpt(cmd, NAME_CHARS_MAX);
            let program = words.next().ok_or_else(|| {
                Failure::new(format!("`{shown}` cannot be split into words: a quote is open, or there is none"))
            })?;
            (program, words.collect())
        };
        Ok(Self { program, args, expect })
    }

    /// Runs it once.
    pub(super) fn run(&self, target: &Target<'_>, limit: Limit<'_>) -> Result<(), Failure> {
        let shown = excerpt(&self.program, NAME_CHARS_MAX);
        let words = |why: String| format!("the probe `{shown}` could not be run: {why}");
        let not_run = |error: io::Error| Failure::because_of(&error, words(error.to_string()));
        let found = locate(&self.program, target);
        let path = found.map_err(|why| Failure::new(words(excerpt(&why, OUTPUT_CHARS_MAX))))?;
        #[cfg(debug_assertions)]
        if let Some(world) = crate::base::world::here() {
            let left = limit.deadline.saturating_duration_since(monotonic());
            let (code, stdout) = world.probe(&self.program, target.env, left).ok_or_else(|| self.late(limit))?;
            return self.judge(ExitStatus::from_raw(code << 8), stdout.as_bytes(), b"");
        }
        let mut running = self.start(&path, target).map_err(not_run)?;
        let ended = running.watch(limit).map_err(not_run)?;
        let status = match ended {
            Ended::Exited => running.end().map_err(not_run)?,
            Ended::OutOfTime => return Err(self.late(limit)),
            Ended::ServiceGone => return Err(Failure::new("the service ended while it was being probed")),
        };
        self.judge(status, &running.stdout.kept, &running.stderr.kept)
    }

    fn late(&self, limit: Limit<'_>) -> Failure {
        let shown = excerpt(&self.program, NAME_CHARS_MAX);
        Failure::new(format!("the probe `{shown}` did not end within {:.1?}", limit.whole))
    }

    #[expect(clippy::disallowed_methods, reason = "a command probe is a command")]
    fn start(&self, path: &Path, target: &Target<'_>) -> io::Result<Running> {
        seal_descriptors();
        let mut command = Command::new(path);
        command.arg0(&self.program).args(&self.args);
        command.env_clear().envs(target.env.iter().map(|(key, value)| (key, value)));
        command.current_dir(folder(target));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn()?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        // From here on the child is ended with its group whatever happens.
        let mut running = Running {
            child,
            reaped: None,
            handle: None,
            stdout: Captured::new(STDOUT_BYTES_MAX),
            stderr: Captured::new(STDERR_BYTES_MAX),
        };
        running.handle = exit_handle(&running.child);
        running.stdout.attach(stdout.map(OwnedFd::from))?;
        running.stderr.attach(stderr.map(OwnedFd::from))?;
        Ok(running)
    }

    fn judge(&self, status: ExitStatus, stdout: &[u8], stderr: &[u8]) -> Result<(), Failure> {
        if !status.success() {
            let how = match (status.code(), status.signal()) {
                (Some(code), _) => format!("exit status {code}"),
                (None, Some(signal)) => format!("ended by signal {signal}"),
                (None, None) => "ended in an unknown way".to_owned(),
            };
            let said = excerpt(&String::from_utf8_lossy(stderr), OUTPUT_CHARS_MAX);
            return Err(Failure::new(if said.is_empty() { how } else { format!("{how}; stderr: `{said}`") }));
        }
        let stdout = String::from_utf8_lossy(stdout);
        // Commands end their output with a newline that nobody means: `^ok$` is to match what `echo ok` prints.
        if self.expect.is_match(&stdout) || stdout.strip_suffix('\n').is_some_and(|text| self.expect.is_match(text)) {
            return Ok(());
        }
        Err(Failure::new(format!(
            "stdout `{}` does not match `{}`",
            excerpt(&stdout, OUTPUT_CHARS_MAX),
            excerpt(self.expect.as_str(), NAME_CHARS_MAX)
        )))
    }
}

/// Where the program is, looked up on the supervisor's own PATH; the shell is found without one too.
fn locate(program: &str, target: &Target<'_>) -> Result<PathBuf, String> {
    match resolve_program(program, folder(target), target.search_path) {
        Err(_) if program == "sh" => Ok(PathBuf::from(SHELL)),
        found => found,
    }
}

fn folder<'a>(target: &Target<'a>) -> &'a str {
    if target.cwd.is_empty() { "/" } else { target.cwd }
}

/// How watching a command came to its end.
enum Ended {
    Exited,
    OutOfTime,
    ServiceGone,
}

/// A probe that runs. Whatever way it is left, its whole group is ended and it is reaped.
struct Running {
    child: Child,
    /// Set once the child has been reaped; its pid is not ours from then on.
    reaped: Option<ExitStatus>,
    /// Becomes readable when the child ends.
    handle: Option<OwnedFd>,
    stdout: Captured,
    stderr: Captured,
}

impl Running {
    /// Collects output until the command ends, or the time or the service does.
    fn watch(&mut self, limit: Limit<'_>) -> io::Result<Ended> {
        loop {
            let left = limit.deadline.saturating_duration_since(monotonic());
            if left.is_zero() {
                return Ok(Ended::OutOfTime);
            }
            let service_gone = self.poll(left, limit.exit)?;
            // Whether it has ended is asked before reading: what it wrote before its end is then in the pipe.
            let has_ended = self.has_ended()?;
            self.stdout.read_available()?;
            self.stderr.read_available()?;
            if has_ended {
                return Ok(Ended::Exited);
            }
            if service_gone {
                return Ok(Ended::ServiceGone);
            }
        }
    }

    /// Sleeps until there is something to do; says whether the service has ended.
    fn poll(&self, left: Duration, exit: Option<BorrowedFd<'_>>) -> io::Result<bool> {
        let pipes = [&self.stdout.pipe, &self.stderr.pipe].into_iter().flatten().map(|pipe| pipe.as_fd());
        let mut fds: Vec<PollFd<'_>> = exit.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
        let own = pipes.chain(self.handle.as_ref().map(|handle| handle.as_fd()));
        fds.extend(own.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        let span = if self.handle.is_some() { left } else { left.min(LOOK_PAUSE) };
        match poll(&mut fds, Timespec::try_from(span).ok().as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(exit.is_some() && fds.first().is_some_and(|fd| !fd.revents().is_empty()))
    }

    /// Whether the command has ended. It is not reaped, so that its pid, and with it its group's, stays ours.
    fn has_ended(&self) -> io::Result<bool> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        Ok(waitid(WaitId::Pid(Pid::from_child(&self.child)), options)?.is_some())
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

/// The first bytes of an output; the rest is thrown away.
struct Captured {
    pipe: Option<std::fs::File>,
    kept: Vec<u8>,
    bytes_max: usize,
}

impl Captured {
    fn new(bytes_max: usize) -> Self {
        Self { pipe: None, kept: Vec::new(), bytes_max }
    }

    fn attach(&mut self, pipe: Option<OwnedFd>) -> io::Result<()> {
        if let Some(pipe) = pipe {
            rustix::io::ioctl_fionbio(&pipe, true)?;
            self.pipe = Some(pipe.into());
        }
        Ok(())
    }

    /// Takes what is there, at most a pipe's worth several times over, so that a command that never stops writing cannot
    /// keep us from looking at the clock.
    fn read_available(&mut self) -> io::Result<()> {
        let mut chunk = [0_u8; 16 * 1024];
        for _ in 0..64 {
            let Some(pipe) = &mut self.pipe else { return Ok(()) };
            match pipe.read(&mut chunk) {
                Ok(0) => self.pipe = None,
                Ok(count) => {
                    let room = self.bytes_max.saturating_sub(self.kept.len());
                    self.kept.extend_from_slice(&chunk[..count.min(room)]);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
