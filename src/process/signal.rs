//! The only sender of signals. It takes a proven identity and nothing else. Impure: signals processes.
//!
//! `hold` opens a pidfd and *then* checks that the pid still belongs to the identity: an identity keeps its pid from
//! its start to its end, so if it has the pid after the opening, the pidfd is its own (pidfd_open(2)), and a signal
//! through it can reach nobody else, whatever becomes of the pid.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal};

use crate::service::{Identity, Liveness, StopSignal};

use super::look::observe_liveness;
use super::namespace::counts_here;

/// Between two looks at a process of whose end the system does not tell.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A process that was alive and proven when it was taken hold of.
#[derive(Debug)]
pub struct Held {
    identity: Identity,
    /// `None` where the system has no pidfd; the identity is then checked again before each signal.
    pidfd: Option<OwnedFd>,
    /// In a simulated world, what stands for the pidfd.
    #[cfg(debug_assertions)]
    handle: Option<crate::base::world::Handle>,
}

/// Why a process could not be held or signalled.
#[derive(Debug)]
pub enum SignalError {
    /// It is proven gone; nothing was sent.
    Gone,
    /// It cannot be told whether it is still the same process; nothing was sent.
    Unproven,
    /// The system refused.
    Refused(io::Error),
}

impl fmt::Display for SignalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("the process is gone"),
            Self::Unproven => f.write_str("it cannot be proven that the process is still the same"),
            Self::Refused(why) => write!(f, "the system refused: {why}"),
        }
    }
}

impl std::error::Error for SignalError {}

/// Takes hold of the process that `identity` names.
pub fn hold(identity: &Identity) -> Result<Held, SignalError> {
    // That nobody has its pid here says nothing of one that has it elsewhere.
    if !matches!(counts_here(identity), Ok(true)) {
        let is_dead = observe_liveness(identity) == Liveness::Dead;
        return Err(if is_dead { SignalError::Gone } else { SignalError::Unproven });
    }
    let held = open(identity)?;
    match observe_liveness(identity) {
        Liveness::Alive => Ok(held),
        Liveness::Dead => Err(SignalError::Gone),
        Liveness::Unknown => Err(SignalError::Unproven),
    }
}

impl Held {
    /// Who it is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// A descriptor that becomes readable when it ends, where the system has such a thing.
    pub fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.pidfd.as_ref().map(AsFd::as_fd)
    }

    /// Sends `signal`.
    pub fn send(&self, signal: Signal) -> Result<(), SignalError> {
        #[cfg(debug_assertions)]
        if let (Some(world), Some(handle)) = (crate::base::world::here(), self.handle) {
            return world.send(handle, signal.as_raw()).then_some(()).ok_or(SignalError::Gone);
        }
        let sent = match &self.pidfd {
            Some(pidfd) => send_by_pidfd(pidfd, signal),
            None => self.send_by_pid(signal)?,
        };
        match sent {
            Ok(()) => Ok(()),
            Err(Errno::SRCH) => Err(SignalError::Gone),
            Err(why) => Err(SignalError::Refused(why.into())),
        }
    }

    /// Waits until it has ended, for at most `limit`; tells whether it has. A zombie has ended.
    pub fn wait_end(&self, limit: Duration) -> io::Result<bool> {
        #[cfg(debug_assertions)]
        if let (Some(world), Some(handle)) = (crate::base::world::here(), self.handle) {
            return Ok(world.wait_end(handle, limit));
        }
        match &self.pidfd {
            Some(pidfd) => wait_readable(pidfd, limit),
            None => self.wait_end_by_looking(limit),
        }
    }

    /// Without a pidfd there is a moment between the look and the signal; docs/platforms.md says so.
    fn send_by_pid(&self, signal: Signal) -> Result<Result<(), Errno>, SignalError> {
        match observe_liveness(&self.identity) {
            Liveness::Alive => Ok(rustix::process::kill_process(pid_of(&self.identity)?, signal)),
            Liveness::Dead => Err(SignalError::Gone),
            Liveness::Unknown => Err(SignalError::Unproven),
        }
    }

    /// Without a pidfd the end of a stranger's child can only be looked for.
    fn wait_end_by_looking(&self, limit: Duration) -> io::Result<bool> {
        let end = crate::base::clock::monotonic() + limit;
        loop {
            if observe_liveness(&self.identity) == Liveness::Dead {
                return Ok(true);
            }
            let left = end.saturating_duration_since(crate::base::clock::monotonic());
            if left.is_zero() {
                return Ok(false);
            }
            crate::base::clock::pause(left.min(LOOK_EVERY));
        }
    }
}

/// Waits until `identity` has ended, for at most `limit`, also where it could not be held: whether it is there is asked again and
/// again. Tells whether it is proven to have ended.
pub fn wait_end_unheld(identity: &Identity, limit: Duration) -> bool {
    let end = crate::base::clock::monotonic() + limit;
    loop {
        let left = end.saturating_duration_since(crate::base::clock::monotonic());
        match hold(identity) {
            Ok(held) => return held.wait_end(left).unwrap_or(false),
            Err(SignalError::Gone) => return true,
            Err(SignalError::Unproven | SignalError::Refused(_)) if left.is_zero() => return false,
            Err(SignalError::Unproven | SignalError::Refused(_)) => crate::base::clock::pause(left.min(LOOK_EVERY)),
        }
    }
}

/// Kills `child`, which nobody may have reaped yet, and the process group that it leads. It needs no other proof: until
/// it is reaped its pid, and with it its group's, can be nobody else's. What is gone is what we want, so that failures
/// mean nothing; a child that left its own group is ended by itself.
pub fn kill_unreaped(child: &mut std::process::Child) {
    let _ = rustix::process::kill_process_group(Pid::from_child(child), Signal::KILL);
    drop(child.kill());
}

/// Kills the child `pid` of this process, which nobody may have reaped yet: until then its pid is nobody else's.
pub fn kill_child(pid: u32) {
    #[cfg(debug_assertions)]
    if let Some(world) = crate::base::world::here() {
        world.hold(pid).map(|child| world.send(child, Signal::KILL.as_raw()));
        return;
    }
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // What is gone is what we want.
        let _ = rustix::process::kill_process(pid, Signal::KILL);
    }
}

/// Ends this very process as a SIGKILL from outside would: nothing is unwound. For the tests that crash it at a named step.
#[cfg(debug_assertions)]
pub fn kill_self() {
    let _ = rustix::process::kill_process(rustix::process::getpid(), Signal::KILL);
}

/// Opens a pidfd for whoever has the pid now.
fn open(identity: &Identity) -> Result<Held, SignalError> {
    let pid = pid_of(identity)?;
    let identity = identity.clone();
    #[cfg(debug_assertions)]
    if let Some(world) = crate::base::world::here() {
        let handle = Some(world.hold(identity.pid).ok_or(SignalError::Gone)?);
        return Ok(Held { identity, pidfd: None, handle });
    }
    Ok(Held {
        identity,
        pidfd: open_pidfd(pid)?,
        #[cfg(debug_assertions)]
        handle: None,
    })
}

/// The system's signal of that name.
pub fn signal_of(signal: StopSignal) -> Signal {
    match signal {
        StopSignal::Term => Signal::TERM,
        StopSignal::Int => Signal::INT,
        StopSignal::Quit => Signal::QUIT,
        StopSignal::Hup => Signal::HUP,
        StopSignal::Usr1 => Signal::USR1,
        StopSignal::Usr2 => Signal::USR2,
        StopSignal::Kill => Signal::KILL,
    }
}

fn pid_of(identity: &Identity) -> Result<Pid, SignalError> {
    // No process has such a pid, and 0 or a negative one would mean a whole group.
    i32::try_from(identity.pid).ok().and_then(Pid::from_raw).ok_or(SignalError::Gone)
}

#[cfg(linux_calls)]
fn open_pidfd(pid: Pid) -> Result<Option<OwnedFd>, SignalError> {
    match rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()) {
        Ok(pidfd) => Ok(Some(pidfd)),
        Err(Errno::SRCH) => Err(SignalError::Gone),
        // Kernels before 5.3, and sandboxes that filter the call.
        Err(Errno::NOSYS | Errno::PERM | Errno::ACCESS) => Ok(None),
        Err(why) => Err(SignalError::Refused(why.into())),
    }
}

#[cfg(not(linux_calls))]
fn open_pidfd(_pid: Pid) -> Result<Option<OwnedFd>, SignalError> {
    Ok(None)
}

#[cfg(linux_calls)]
fn send_by_pidfd(pidfd: &OwnedFd, signal: Signal) -> Result<(), Errno> {
    rustix::process::pidfd_send_signal(pidfd, signal)
}

#[cfg(not(linux_calls))]
fn send_by_pidfd(_pidfd: &OwnedFd, _signal: Signal) -> Result<(), Errno> {
    Err(Errno::NOSYS)
}

/// Waits until `fd` is readable, for at most `limit`, through interruptions.
pub(super) fn wait_readable(fd: &OwnedFd, limit: Duration) -> io::Result<bool> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let end = crate::base::clock::monotonic() + limit;
    loop {
        let left = end.saturating_duration_since(crate::base::clock::monotonic());
        let mut polled = [PollFd::new(fd, PollFlags::IN)];
        match poll(&mut polled, Timespec::try_from(left).ok().as_ref()) {
            Ok(ready) => return Ok(ready > 0),
            Err(Errno::INTR) => {}
            Err(why) => return Err(why.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a real process to be signalled")]
    fn sleeper() -> std::process::Child {
        std::process::Command::new("sleep").arg("1000").spawn().expect("sleep starts")
    }

    #[test]
    fn only_the_very_process_is_signalled() {
        let mut child = sleeper();
        let identity = super::super::observe_identity(child.id()).expect("a look").expect("it lives");
        let stranger = Identity { start_ticks: identity.start_ticks + 1, ..identity.clone() };
        assert!(matches!(hold(&stranger), Err(SignalError::Gone)));
        if let Some(here) = identity.pid_namespace {
            // Above every pid_max (proc(5)): here nobody has it.
            let elsewhere = Identity { pid: 1 << 30, pid_namespace: Some(here + 1), ..identity.clone() };
            assert!(matches!(hold(&elsewhere), Err(SignalError::Unproven)));
        }
        let held = hold(&identity).expect("it lives");
        assert!(!held.wait_end(Duration::ZERO).expect("a look"));
        held.send(Signal::KILL).expect("sent");
        assert!(held.wait_end(Duration::from_secs(20)).expect("a wait"));
        assert!(matches!(hold(&identity), Err(SignalError::Gone)), "a zombie is dead");
        child.wait().expect("reaped");
        assert!(matches!(held.send(Signal::TERM), Err(SignalError::Gone)));
    }

    #[test]
    fn pids_that_mean_groups_are_nobody() {
        for pid in [0, u32::MAX, 1 << 31] {
            let identity = Identity { pid, start_ticks: 1, boot_id: "b".into(), pid_namespace: None };
            assert!(matches!(hold(&identity), Err(SignalError::Gone)), "{pid}");
        }
    }
}
