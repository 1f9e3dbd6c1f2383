//! Ends what is left of a generation whose shim is gone. Impure: signals processes.
//!
//! A living shim does this better (`shim/tree`): it is the reaper of all descendants, so it knows when none is left.

use std::io;
use std::time::Duration;

use rustix::process::Signal;

use crate::base::clock::{monotonic, pause};
use crate::base::ids::Generation;
use crate::service::{Identity, StopSignal};

use super::cgroup::Cgroup;
use super::look::{observe_identity, observe_liveness};
use super::signal::{Held, SignalError, hold, signal_of};
use super::table::observe_marked;
use crate::service::Liveness;

/// How long SIGKILL may take before we say that a process would not die: it is then in an uninterruptible call.
const KILL_LIMIT: Duration = Duration::from_secs(5);
/// Rounds of looking for newcomers before we give up: each needs a process that forks faster than we can look.
const ROUNDS_MAX: usize = 100;

/// Between two looks whether a group that was killed is empty.
const GROUP_PAUSE: Duration = Duration::from_millis(1);

/// What came of a stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopOutcome {
    /// None is left; these were signalled.
    Ended(Vec<u32>),
    /// These are alive still, or could not be judged.
    Survivors(Vec<Identity>),
}

/// How processes are asked to end before they are killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manners {
    /// What asks them.
    pub signal: StopSignal,
    /// How long they have from then on.
    pub grace: Duration,
}

/// By what the processes of a generation are found whose shim is gone.
#[derive(Clone, Copy, Debug)]
pub struct Remains<'a> {
    /// Those that carry its mark.
    pub generation: Option<&'a Generation>,
    /// Its main process, if it is still that very process.
    pub known: Option<&'a Identity>,
    /// Those that are in its group.
    pub group: Option<&'a Cgroup>,
}

/// Ends every process of `remains`: the signal that asks, the grace period, SIGKILL, then proof that none is left.
pub fn stop_marked(remains: Remains<'_>, manners: Manners) -> io::Result<StopOutcome> {
    let mut signalled = Vec::new();
    let first = remains.observe()?;
    send_all(&first, signal_of(manners.signal), &mut signalled);
    // A stopped process takes the signal only once it goes on.
    send_all(&first, Signal::CONT, &mut signalled);
    wait_all(&first, manners.grace)?;
    for _ in 0..ROUNDS_MAX {
        let left = remains.observe()?;
        if left.is_empty() && remains.has_empty_group()? {
            return Ok(StopOutcome::Ended(signalled));
        }
        // All at once where there is a group, so that nobody can fork meanwhile; else frozen processes cannot.
        remains.group.iter().for_each(|group| group.kill());
        send_all(&left, Signal::STOP, &mut signalled);
        send_all(&left, Signal::KILL, &mut signalled);
        if !wait_all(&left, KILL_LIMIT)? || !remains.await_empty_group(KILL_LIMIT)? {
            break;
        }
    }
    Ok(match remains.observe()? {
        none if none.is_empty() && remains.has_empty_group()? => StopOutcome::Ended(signalled),
        left => StopOutcome::Survivors(left),
    })
}

impl Remains<'_> {
    fn observe(&self) -> io::Result<Vec<Identity>> {
        let mut left = self.generation.map(observe_marked).transpose()?.unwrap_or_default();
        if let Some(known) = self.known
            && observe_liveness(known) != Liveness::Dead
            && !left.contains(known)
        {
            left.push(known.clone());
        }
        left.extend(self.observe_members()?.into_iter().filter(|member| !left.contains(member)).collect::<Vec<_>>());
        Ok(left)
    }

    /// Who is in the group. A pid that was in it may be a stranger's by the time its identity is read: only one that is in it
    /// afterwards too counts, so that the identity is a member's.
    fn observe_members(&self) -> io::Result<Vec<Identity>> {
        let Some(group) = self.group else { return Ok(Vec::new()) };
        let seen: Vec<Option<Identity>> =
            group.observe_members().into_iter().map(observe_identity).collect::<io::Result<_>>()?;
        let still = group.observe_members();
        Ok(seen.into_iter().flatten().filter(|member| still.contains(&member.pid)).collect())
    }

    fn has_empty_group(&self) -> io::Result<bool> {
        self.group.map_or(Ok(true), |group| group.observe_is_populated().map(|is_populated| !is_populated))
    }

    /// Waits until nobody is in the group, for at most `limit`: whom nobody could list has been killed with it.
    fn await_empty_group(&self, limit: Duration) -> io::Result<bool> {
        let end = monotonic() + limit;
        while !self.has_empty_group()? {
            if monotonic() >= end {
                return Ok(false);
            }
            pause(GROUP_PAUSE);
        }
        Ok(true)
    }
}

fn send_all(targets: &[Identity], signal: Signal, signalled: &mut Vec<u32>) {
    for held in targets.iter().filter_map(|target| hold(target).ok()) {
        let sent = held.send(signal);
        if !matches!(sent, Err(SignalError::Gone)) && !signalled.contains(&held.identity().pid) {
            signalled.push(held.identity().pid);
        }
    }
}

/// Waits until all have ended, for at most `limit` in all.
fn wait_all(targets: &[Identity], limit: Duration) -> io::Result<bool> {
    let end = monotonic() + limit;
    let mut all_ended = true;
    for held in targets.iter().filter_map(|target| hold(target).ok()).collect::<Vec<Held>>() {
        all_ended &= held.wait_end(end.saturating_duration_since(monotonic()))?;
    }
    Ok(all_ended)
}
