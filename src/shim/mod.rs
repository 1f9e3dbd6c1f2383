//! The parent of one service. A door: it is entered before any argument is parsed, and `life` decides. Impure: lives
//! with processes.
//!
//! The way of a shim: leave the caller's session and descriptors, become the reaper of all descendants, wait for the
//! word, start the service, answer, and sleep in one system call (`wait`) until the service ends, its time to live is
//! over or somebody asks for a stop. Then end the whole tree (`tree`), write down how it ended, and go. What it knows
//! is in its run folder, in files that carry a format version: it may outlive the program that started it.

mod life;
#[cfg(debug_assertions)]
mod steps;
mod tree;
mod wait;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use crate::base::clock::EpochMs;
use crate::base::files;
use crate::base::steps::{Step, reached};
use crate::process::{self, SHIM_ARG0, ServiceStart, ShimStart, answer, heard_go};
use crate::service::{ExitRecord, Identity};
use crate::state::{self, Launch, Started};

use life::{Action, Life};
use wait::Waiter;

/// Whether this process was started as a shim, and for which run folder.
pub fn invoked() -> Option<PathBuf> {
    let mut args = std::env::args_os();
    (args.next()? == SHIM_ARG0).then(|| args.next().map(PathBuf::from)).flatten()
}

/// The life of a shim, from its first moment to its last.
pub fn main(run_dir: &Path) -> ExitCode {
    #[cfg(debug_assertions)]
    steps::arm(run_dir);
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
        let service = start(run_dir, &launch)?;
        Ok((waiter, launch, service))
    });
    match started {
        Ok((waiter, launch, service)) => {
            let pid = service.pid;
            answer(&ShimStart::Started { service });
            reached(Step::ShimAnswered);
            live(run_dir, &launch, pid, &waiter)
        }
        Err(why) => {
            answer(&ShimStart::Refused(why));
            ExitCode::FAILURE
        }
    }
}

/// Starts the service and writes down who it and this shim are.
fn start(run_dir: &Path, launch: &Launch) -> Result<Identity, String> {
    let me = process::own_identity().map_err(|error| format!("the shim cannot see itself: {error}"))?;
    let log = files::open_append(Path::new(&launch.log_path))
        .map_err(|error| format!("the log `{}` cannot be opened: {error}", launch.log_path))?;
    let noted = |error: state::Error| crate::base::error::Error::from(error).chain();
    state::write_shim(run_dir, &me).map_err(noted)?;
    reached(Step::ShimNoted);
    let pid = process::start_service(&ServiceStart {
        program: Path::new(&launch.program),
        args: &launch.args,
        cwd: Some(Path::new(&launch.cwd)).filter(|cwd| !cwd.as_os_str().is_empty()),
        env: &launch.env,
        log: &log,
    })?;
    reached(Step::ShimForked);
    // A service that has ended already is a zombie of ours and still has its entry in the process table.
    let seen = process::observe_child_identity(pid).map_err(|error| format!("the service cannot be seen: {error}"));
    let written = seen.and_then(|service| {
        let started = Started { service: service.clone(), at: EpochMs::now() };
        state::write_service(run_dir, &started).map(|()| service).map_err(noted)
    });
    match &written {
        Ok(_) => reached(Step::ShimWritten),
        // A service that nobody could find again must not live.
        Err(_) => tree::kill_all(pid, &launch.generation),
    }
    written
}

/// Sleeps, and acts on what wakes it, until no descendant is left.
fn live(run_dir: &Path, launch: &Launch, main_pid: u32, waiter: &Waiter) -> ExitCode {
    let mut life = Life::new(Duration::from_millis(launch.grace_ms));
    let mut expires_at = launch.ttl_expires_at;
    let mut reaped = tree::Reaped::default();
    waiter.arm(expires_at);
    loop {
        let woken = waiter.wait([life.deadline(), reaped.deadline()].into_iter().flatten().min());
        if woken.reread
            && let Ok(Some(renewed)) = state::read_launch(run_dir)
        {
            expires_at = renewed.ttl_expires_at;
        }
        waiter.arm(expires_at);
        reaped.reap(main_pid, &launch.generation);
        let is_expired = expires_at.is_some_and(|at| EpochMs::now() >= at);
        let action = life.next(woken.stop, is_expired, reaped.main_exit.is_some());
        if let Some(exit) = reaped.main_exit
            && !reaped.is_recorded
        {
            reached(Step::ShimReaped);
            let record = ExitRecord { exit, cause: life.cause(), at: EpochMs::now() };
            // On a full disk the next turn tries again; after the last one the exit stays unknown.
            reaped.is_recorded = state::write_exit(run_dir, &record).is_ok();
            reached(Step::ShimExitWritten);
        }
        if reaped.is_alone {
            // By this, others know that none is left. If it fails, they look for themselves.
            drop(state::remove_shim(run_dir));
            reached(Step::ShimAlone);
            return ExitCode::SUCCESS;
        }
        match action {
            Action::Sleep => {}
            Action::Terminate => tree::terminate(&launch.generation),
            Action::Kill => tree::kill(&launch.generation),
        }
    }
}
