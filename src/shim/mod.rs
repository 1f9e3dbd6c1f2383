//! The parent of one service. A door: it is entered before any argument is parsed, and `life` decides. Impure: lives
//! with processes.
//!
//! The way of a shim: leave the caller's session and descriptors, become the reaper of all descendants, wait for the
//! word, start the service, answer, and sleep in one system call (`wait`) until the service ends, its time to live is
//! over or somebody asks for a stop. Then end the whole tree (`tree`), write down how it ended, and go; or, where the
//! service is to be started again, begin another life of it (`service`) and have the record follow (`follower`):
//! docs/design/restarts.md. What it knows is in its run folder, in files that carry a format version: it may outlive the
//! program that started it.

mod follower;
mod life;
mod service;
#[cfg(debug_assertions)]
mod steps;
mod tree;
mod wait;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use crate::base::clock::{EpochMs, monotonic};
use crate::base::steps::{Step, reached};
use crate::process::{self, FOLLOWER_ARG0, SHIM_ARG0, ShimStart, answer, heard_go};
use crate::state::{self, Ended, Next};

use follower::Follower;
use life::{Action, Life, Seen};
use service::{Began, Service};
use wait::Waiter;

/// Between two attempts to write down how a life has ended: the system has no room or no descriptor for it, which seldom is over
/// sooner.
const REWRITE_PAUSE: Duration = Duration::from_secs(1);

/// As what else than a command this process was started, and for which run folder.
#[derive(Debug)]
pub enum Invoked {
    /// As a shim.
    Shim(PathBuf),
    /// By a shim, so that the record follows it.
    Follower(PathBuf),
}

/// Whether this process was started by ourselves, for something else than a command.
pub fn invoked() -> Option<Invoked> {
    let mut args = std::env::args_os();
    let name = args.next()?;
    let (is_shim, is_follower) = (name == SHIM_ARG0, name == FOLLOWER_ARG0);
    let run_dir = args.next().map(PathBuf::from).filter(|_| is_shim || is_follower)?;
    #[cfg(debug_assertions)]
    steps::arm(&run_dir);
    Some(if is_shim { Invoked::Shim(run_dir) } else { Invoked::Follower(run_dir) })
}

/// The life of a shim, from its first moment to its last.
pub fn main(run_dir: &Path) -> ExitCode {
    let prepared = process::become_shim().and_then(|()| Waiter::new());
    reached(Step::ShimBorn);
    if !heard_go() {
        return ExitCode::FAILURE;
    }
    reached(Step::ShimHeard);
    let prepared = prepared.map_err(|error| format!("the shim cannot make itself ready: {error}"));
    let started = prepared.and_then(|waiter| {
        let launch = state::read_launch(run_dir).map_err(|error| crate::base::error::Error::from(error).chain())?;
        let launch = launch.ok_or_else(|| format!("`{}` holds no orders", run_dir.display()))?;
        let me = process::own_identity().map_err(|error| format!("the shim cannot see itself: {error}"))?;
        // Who shares the root from another pid namespace cannot see us by our pid. It is held before anybody can know us.
        let lifeline = me.pid_namespace.map(|_| state::hold_lifeline(run_dir)).transpose().map_err(service::noted)?;
        state::write_shim(run_dir, &me).map_err(service::noted)?;
        reached(Step::ShimNoted);
        let (service, identity) = Service::begin(run_dir, launch)?;
        Ok((waiter, service, identity, lifeline))
    });
    match started {
        Ok((waiter, service, identity, _lifeline)) => {
            answer(&ShimStart::Started { service: identity });
            reached(Step::ShimAnswered);
            Shim::new(service, waiter).live()
        }
        Err(why) => {
            answer(&ShimStart::Refused(why));
            ExitCode::FAILURE
        }
    }
}

/// A shim whose service has been started.
struct Shim {
    service: Service,
    waiter: Waiter,
    life: Life,
    reaped: tree::Reaped,
    /// How the present life has ended, once it has.
    ended: Option<Ended>,
    follower: Follower,
    expires_at: Option<EpochMs>,
}

impl Shim {
    fn new(service: Service, waiter: Waiter) -> Self {
        let launch = service.launch();
        let (life, expires_at) = (Life::new(Duration::from_millis(launch.grace_ms)), launch.ttl_expires_at);
        let (reaped, follower) = (tree::Reaped::default(), Follower::default());
        Self { service, waiter, life, reaped, ended: None, follower, expires_at }
    }

    /// Sleeps, and acts on what wakes it, until no descendant is left and no life is to come.
    fn live(mut self) -> ExitCode {
        self.waiter.arm(self.expires_at);
        loop {
            let seen = self.sleep();
            self.note_end(seen);
            let is_over = match self.life.next(seen, monotonic()) {
                Action::Sleep => false,
                Action::Terminate => {
                    tree::terminate(self.service.generation(), &self.follower, self.service.launch().stop_signal);
                    false
                }
                Action::Kill => {
                    self.service.kill_group();
                    tree::kill(self.service.generation(), &self.follower);
                    false
                }
                Action::Await => {
                    self.follower.want(self.service.dir());
                    false
                }
                Action::Begin => self.begin_next(),
                Action::Leave => true,
            };
            if is_over {
                return self.leave();
            }
            self.follower.catch_up(self.service.dir());
        }
    }

    /// Sleeps until something happens, and looks what.
    fn sleep(&mut self) -> Seen {
        let rewrite = self.unwritten().map(|_| monotonic() + REWRITE_PAUSE);
        let deadline = [self.life.deadline(), self.reaped.deadline(), rewrite].into_iter().flatten().min();
        let woken = self.waiter.wait(deadline);
        if woken.reread
            && let Ok(Some(renewed)) = state::read_launch(self.service.dir())
        {
            self.expires_at = renewed.ttl_expires_at;
        }
        let is_expired = self.expires_at.is_some_and(|at| EpochMs::now() >= at);
        // What is over is remembered by `life`, and would wake it again at once, for as long as the tree takes to end.
        self.waiter.arm(self.expires_at.filter(|_| !is_expired));
        self.reaped.reap(self.service.main_pid(), self.service.generation(), &mut self.follower);
        Seen {
            is_asked: woken.stop,
            is_expired,
            has_ended: self.reaped.main_exit.is_some(),
            is_alone: self.reaped.is_alone,
        }
    }

    /// Judges the end of the life as soon as it is seen, and writes it down; tries again where that failed.
    fn note_end(&mut self, seen: Seen) {
        match (self.unwritten().cloned(), self.reaped.main_exit) {
            (Some(ended), _) => {
                self.write_down(ended);
                if self.reaped.is_recorded {
                    // The one that was to tell of this end found nothing.
                    self.follower.want(self.service.dir());
                }
            }
            (None, Some(exit)) if self.ended.is_none() => {
                reached(Step::ShimReaped);
                self.write_down(self.service.judge(exit, self.life.cause(), self.life.is_last(seen)));
            }
            (None, _) => {}
        }
    }

    /// The end that could not be written down yet.
    fn unwritten(&self) -> Option<&Ended> {
        self.ended.as_ref().filter(|_| !self.reaped.is_recorded)
    }

    /// Writes down how a life has ended, and goes by it.
    fn write_down(&mut self, ended: Ended) {
        // If it fails the next turn tries again; after the last one the exit stays unknown.
        self.reaped.is_recorded = self.service.note_end(&ended);
        reached(Step::ShimExitWritten);
        self.decide(ended);
    }

    /// Goes by what was decided with the end of a life.
    fn decide(&mut self, ended: Ended) {
        match ended.next {
            Next::Again { at } => self.life.decide_again(monotonic() + at.since(EpochMs::now())),
            Next::Over | Next::GaveUp { .. } => {}
        }
        self.ended = Some(ended);
    }

    /// Begins another life; says whether the shim is to leave.
    fn begin_next(&mut self) -> bool {
        match self.service.begin_next(&mut self.follower) {
            Began::Up => {
                (self.reaped, self.ended) = (tree::Reaped::default(), None);
                self.life.begun();
                self.follower.want(self.service.dir());
            }
            Began::Barred => return true,
            Began::Refused(why) => {
                self.reaped = tree::Reaped::default();
                self.life.refused(monotonic());
                self.write_down(self.service.judge_refusal(why));
            }
        }
        false
    }

    /// The last act.
    fn leave(mut self) -> ExitCode {
        self.service.remove_group();
        // By this, others know that none is left. If it fails, they look for themselves.
        drop(state::remove_shim(self.service.dir()));
        reached(Step::ShimAlone);
        if matches!(self.ended, Some(Ended { next: Next::GaveUp { .. }, .. })) {
            self.follower.want_last(self.service.dir());
        }
        ExitCode::SUCCESS
    }
}
