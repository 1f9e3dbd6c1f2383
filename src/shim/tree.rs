//! The shim's descendants: asking them to end, killing them, reaping them. Impure: signals processes.
//!
//! As the reaper of all descendants (PR_SET_CHILD_SUBREAPER, prctl(2)) the shim is alone exactly when it has no child
//! left: whoever loses its parent becomes its child, whatever session or group it moved to. Elsewhere orphans are strays,
//! which are known by their generation's mark, and nobody tells of their end: the shim looks for them.

use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Signal, WaitOptions, WaitStatus};

use crate::base::clock::{monotonic, pause};
use crate::base::ids::{Generation, own_pid};
use crate::process::{Held, Table, hold, kill_child, observe_strays, signal_of};
use crate::service::{Exit, StopSignal};

use super::follower::Follower;

/// The time between two looks for strays, while nobody else of the tree is left.
const STRAYS_PAUSE: Duration = Duration::from_millis(20);

/// Between two rounds of killing all: a kill is carried out in less.
const KILL_ALL_PAUSE: Duration = Duration::from_millis(1);
/// As many rounds, so several seconds: whoever is left then sits in an uninterruptible call, or cannot be seen.
const KILL_ALL_ROUNDS_MAX: u32 = 5000;

/// What has been reaped so far.
#[derive(Debug, Default)]
pub(super) struct Reaped {
    /// How the service itself ended, once it has.
    pub(super) main_exit: Option<Exit>,
    /// That is written down.
    pub(super) is_recorded: bool,
    /// No descendant is left.
    pub(super) is_alone: bool,
    /// Strays are left, and no child.
    has_strays: bool,
}

impl Reaped {
    /// When to look again, if nothing will tell of the next end.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.has_strays.then(|| monotonic() + STRAYS_PAUSE)
    }

    /// Reaps every child that has ended.
    pub(super) fn reap(&mut self, main_pid: u32, generation: &Generation, follower: &mut Follower) {
        loop {
            match wait_child() {
                Ok(Some((pid, exit))) => {
                    if !follower.note_end(pid) && pid == main_pid {
                        self.main_exit = Some(exit);
                    }
                }
                Ok(None) => {
                    // What descends from the follower alone is none of the service's.
                    self.is_alone = follower.is_only_child();
                    return;
                }
                Err(Errno::CHILD) => {
                    // Without a listing there may be some.
                    self.has_strays = observe_strays(generation).map_or(true, |strays| !strays.is_empty());
                    self.is_alone = !self.has_strays;
                    return;
                }
                Err(Errno::INTR) => {}
                // No other error is possible for these arguments (wait(2)); looking again at the next turn is safe.
                Err(_) => return,
            }
        }
    }
}

/// Reaps one child that has ended: its pid and how.
fn wait_child() -> Result<Option<(u32, Exit)>, Errno> {
    #[cfg(debug_assertions)]
    if let Some(world) = crate::base::world::here() {
        use crate::base::world::Ended;
        let reaped = world.reap().map_err(|_| Errno::CHILD)?;
        let exit = |ended: Ended| match ended {
            Ended::Code(code) => Exit::Code(code),
            Ended::Signal(signal) => Exit::Signal(signal),
        };
        return Ok(reaped.map(|(pid, ended)| (pid, exit(ended))));
    }
    let reaped = rustix::process::wait(WaitOptions::NOHANG)?;
    // A pid is positive.
    Ok(reaped.map(|(pid, status)| (pid.as_raw_nonzero().get().unsigned_abs(), exit_of(status))))
}

fn exit_of(status: WaitStatus) -> Exit {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Unknown,
    }
}

/// Asks every descendant to end, by `signal`.
pub(super) fn terminate(generation: &Generation, follower: &Follower, signal: StopSignal) {
    let tree = observe_tree(generation, follower);
    send_all(&tree, signal_of(signal));
    // A stopped process takes its signal only once it goes on.
    send_all(&tree, Signal::CONT);
}

/// Kills every descendant that is there now; the caller repeats it until none is left.
pub(super) fn kill(generation: &Generation, follower: &Follower) {
    // All are frozen before the first is killed, so that none forks meanwhile.
    let tree = observe_tree(generation, follower);
    send_all(&tree, Signal::STOP);
    send_all(&observe_tree(generation, follower), Signal::KILL);
}

/// Kills until none is left, when there is no time for manners. The service itself dies even where the process table cannot
/// be seen; if there are others then, whoever asked for the start finds them by their mark.
pub(super) fn kill_all(main_pid: u32, generation: &Generation, follower: &mut Follower) {
    let mut reaped = Reaped::default();
    for _ in 0..KILL_ALL_ROUNDS_MAX {
        kill(generation, follower);
        if reaped.main_exit.is_none() {
            kill_child(main_pid);
        }
        // Nothing else tells of the end of children here.
        pause(KILL_ALL_PAUSE);
        reaped.reap(main_pid, generation, follower);
        if reaped.is_alone {
            return;
        }
    }
}

/// Every descendant but the follower and those below it.
fn observe_tree(generation: &Generation, follower: &Follower) -> Vec<Held> {
    // Without a listing nobody can be signalled; the next turn looks again.
    let Ok(table) = Table::observe() else { return Vec::new() };
    let mut tree = table.descendants(own_pid());
    if let Some(pid) = follower.pid() {
        let its_own = table.descendants(pid);
        tree.retain(|identity| identity.pid != pid && !its_own.contains(identity));
    }
    tree.extend(observe_strays(generation).unwrap_or_default());
    tree.iter().filter_map(|identity| hold(identity).ok()).collect()
}

fn send_all(tree: &[Held], signal: Signal) {
    for held in tree {
        // Gone is what we want; a refusal (a set-user-id program) is tried again at the next turn.
        drop(held.send(signal));
    }
}
