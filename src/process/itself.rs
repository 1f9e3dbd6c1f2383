//! This program, started once more for a command that is to outlast whoever wanted it. Impure: starts processes.

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use super::spawn::own_program;

/// A command of ours in a process of its own, in its own process group: what a terminal sends to the group of whoever started it
/// (an interrupt) does not reach it.
#[derive(Debug)]
pub struct OwnCommand(Child);

impl OwnCommand {
    /// Starts this program with `args`, in the same environment and folder. stdin is the null device, stderr the caller's, and so
    /// is stdout if `has_output`.
    #[expect(clippy::disallowed_methods, reason = "the one place where the program starts itself as a command")]
    pub fn start<S: AsRef<OsStr>>(args: &[S], has_output: bool) -> io::Result<Self> {
        let stdout = if has_output { Stdio::inherit() } else { Stdio::null() };
        let mut command = Command::new(own_program()?);
        command.arg0("minions").args(args).stdin(Stdio::null()).stdout(stdout).process_group(0);
        command.spawn().map(Self)
    }

    /// Its pid.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Whether it has ended; once it has, it is reaped by this. What cannot be told counts as not yet.
    pub fn has_ended(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(Some(_)))
    }
}
