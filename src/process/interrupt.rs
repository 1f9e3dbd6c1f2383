//! Being asked to end while asleep: SIGTERM and SIGINT, caught for a process that would rather finish its step. Impure:
//! catches signals, and sleeps in one system call.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};

use super::signal::wait_readable;

/// Catches both signals from its making to the end of the process; none that comes between two looks is lost.
#[derive(Debug)]
pub struct Interrupt {
    pipe: OwnedFd,
    is_asked: Arc<AtomicBool>,
}

impl Interrupt {
    /// Starts to catch them.
    pub fn new() -> io::Result<Self> {
        let (pipe, writer) = io::pipe()?;
        let is_asked = Arc::new(AtomicBool::new(false));
        #[cfg(debug_assertions)]
        if let Some(world) = crate::base::world::here() {
            world.catch_end();
            return Ok(Self { pipe: pipe.into(), is_asked });
        }
        for signal in [SIGTERM, SIGINT] {
            // The flag before the pipe: whoever is woken finds it set.
            signal_hook::flag::register(signal, Arc::clone(&is_asked))?;
            signal_hook::low_level::pipe::register(signal, writer.try_clone()?)?;
        }
        Ok(Self { pipe: pipe.into(), is_asked })
    }

    /// Whether somebody has asked.
    pub fn is_asked(&self) -> bool {
        #[cfg(debug_assertions)]
        if let Some(world) = crate::base::world::here() {
            return world.is_asked_to_end();
        }
        self.is_asked.load(Ordering::Acquire)
    }

    /// Sleeps for `span`, by the monotonic clock, or until somebody asks; whether somebody has.
    pub fn sleep(&self, span: Duration) -> bool {
        #[cfg(debug_assertions)]
        if let Some(world) = crate::base::world::here() {
            world.doze(span);
            return self.is_asked();
        }
        // What woke it is never read, so that it stays awake.
        if wait_readable(&self.pipe, span).is_err() {
            // For want of memory: no reason to spin.
            std::thread::park_timeout(span);
        }
        self.is_asked()
    }
}
