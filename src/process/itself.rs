//! This program, started once more for a command that is to outlast whoever wanted it. Impure: starts processes.

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use super::spawn::own_program;

/// A command of ours in a process of its own, in its own process group: what a terminal sends to the group of whoever started it
/// (an interrupt) does not reach it.
#[derive(Debug)]
pub struct OwnCommand {
    /// `None` in a simulated world.
    child: Option<Child>,
    pid: u32,
}

impl OwnCommand {
    /// Starts this program with `args`, in the same environment and folder. stdin is the null device, stderr the caller's, and so
    /// is stdout if `has_output`.
    #[expect(clippy::disallowed_methods, reason = "the one place where the program starts itself as a command")]
    pub fn start<S: AsRef<OsStr>>(args: &[S], has_output: bool) -> io::Result<Self> {
        #[cfg(debug_assertions)]
        if let Some(world) = crate::base::world::here() {
            let args: Vec<_> = args.iter().map(|arg| arg.as_ref().to_owned()).collect();
            return Ok(Self { child: None, pid: world.start_command(&args)? });
        }
        let stdout = if has_output { Stdio::inherit() } else { Stdio::null() };
        let mut command = Command::new(own_program()?);
        command.arg0("minions").args(args).stdin(Stdio::null()).stdout(stdout).process_group(0);
        let child = command.spawn()?;
        Ok(Self { pid: child.id(), child: Some(child) })
    }

    /// Its pid.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether it has ended; once it has, it is reaped by this. What cannot be told counts as not yet.
    pub fn has_ended(&mut self) -> bool {
        #[cfg(debug_assertions)]
        if let Some(world) = crate::base::world::here() {
            return world.has_ended(self.pid);
        }
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(Some(_))))
    }
}
