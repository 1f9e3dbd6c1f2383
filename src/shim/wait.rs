//! The one system call that a shim sleeps in: `poll` on the signals' pipe and the time-to-live timer. Impure.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGTERM};

use crate::base::clock::{EpochMs, monotonic};

/// What woke the shim. A child's end needs no flag: it reaps at every turn.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Woken {
    /// Somebody asked for a stop (SIGTERM).
    pub(super) stop: bool,
    /// The time to live has changed (SIGHUP).
    pub(super) reread: bool,
}

/// Signals and the timer, ready to be waited for.
#[derive(Debug)]
pub(super) struct Waiter {
    pipe: OwnedFd,
    timer: timer::Timer,
    stop: Arc<AtomicBool>,
    reread: Arc<AtomicBool>,
    /// What a simulated world has to know of the timer.
    #[cfg(debug_assertions)]
    armed: std::cell::Cell<Option<EpochMs>>,
}

impl Waiter {
    /// Catches the signals from here on; none that comes before the first wait is lost.
    pub(super) fn new() -> io::Result<Self> {
        let (pipe, writer) = pipe()?;
        let stop = Arc::new(AtomicBool::new(false));
        let reread = Arc::new(AtomicBool::new(false));
        let waiter = Self {
            pipe,
            timer: timer::Timer::new()?,
            stop,
            reread,
            #[cfg(debug_assertions)]
            armed: std::cell::Cell::default(),
        };
        // There no signal is the system's.
        #[cfg(debug_assertions)]
        if crate::base::world::here().is_some() {
            return Ok(waiter);
        }
        // Flags before the pipe: whoever is woken finds them set.
        signal_hook::flag::register(SIGTERM, Arc::clone(&waiter.stop))?;
        signal_hook::flag::register(SIGHUP, Arc::clone(&waiter.reread))?;
        for signal in [SIGCHLD, SIGTERM, SIGHUP] {
            signal_hook::low_level::pipe::register(signal, writer.try_clone()?)?;
        }
        Ok(waiter)
    }

    /// Lets the timer fire at `at`, by the wall clock, also over a suspend and when the clock is set; `None`: never, also where it
    /// has fired already.
    pub(super) fn arm(&self, at: Option<EpochMs>) {
        #[cfg(debug_assertions)]
        self.armed.set(at);
        self.timer.arm(at);
    }

    /// Sleeps until a signal, the timer or `deadline`.
    pub(super) fn wait(&self, deadline: Option<Instant>) -> Woken {
        let left = deadline.map(|at| at.saturating_duration_since(monotonic()));
        #[cfg(debug_assertions)]
        if let Some(world) = crate::base::world::here() {
            let crate::base::world::Woken { stop, reread } = world.sleep(self.armed.get().map(|at| at.0), left);
            return Woken { stop, reread };
        }
        let limit = self.timer.limit(left).and_then(|limit| Timespec::try_from(limit).ok());
        let mut polled = vec![PollFd::new(&self.pipe, PollFlags::IN)];
        polled.extend(self.timer.fd().map(|fd| PollFd::new(fd, PollFlags::IN)));
        // An interruption is a signal, which has set its flag; any other error ends in one more turn.
        let _ = poll(&mut polled, limit.as_ref());
        self.drain();
        Woken { stop: self.stop.swap(false, Ordering::AcqRel), reread: self.reread.swap(false, Ordering::AcqRel) }
    }

    fn drain(&self) {
        let mut bytes = [0_u8; 64];
        while matches!(rustix::io::read(&self.pipe, &mut bytes), Ok(read) if read > 0) {}
    }
}

/// A pipe that neither end waits at, and that no child inherits.
#[cfg(linux_calls)]
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    use rustix::pipe::PipeFlags;
    Ok(rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?)
}

/// A pipe that neither end waits at, and that no child inherits: marked in steps, while nothing else runs here yet.
#[cfg(not(linux_calls))]
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = std::io::pipe()?;
    rustix::io::ioctl_fionbio(&reader, true)?;
    rustix::io::ioctl_fionbio(&writer, true)?;
    Ok((reader.into(), writer.into()))
}

/// On Linux a descriptor that fires by the wall clock (timerfd_create(2)).
#[cfg(linux_calls)]
mod timer {
    use super::{Duration, EpochMs, OwnedFd, io};
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
    };

    #[derive(Debug)]
    pub(super) struct Timer(OwnedFd);

    impl Timer {
        pub(super) fn new() -> io::Result<Self> {
            Ok(Self(timerfd_create(TimerfdClockId::Realtime, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?))
        }

        /// Arming also clears an expiry that has been seen. A clock that is set wakes us too; the caller looks anew.
        pub(super) fn arm(&self, at: Option<EpochMs>) {
            let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
            // The kernel's clock is the one that it goes by, whatever tests have set ours to.
            #[cfg(debug_assertions)]
            let at = at.map(|at| EpochMs(at.0.saturating_sub(crate::base::clock::set::by_ms())));
            // A zero time disarms it.
            let ms = at.map_or(0, |at| at.0.max(1));
            let value = Timespec { tv_sec: ms / 1000, tv_nsec: (ms % 1000) * 1_000_000 };
            let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
            // It fails on bad arguments only.
            let _ = timerfd_settime(&self.0, flags, &Itimerspec { it_interval: zero, it_value: value });
        }

        pub(super) fn fd(&self) -> Option<&OwnedFd> {
            Some(&self.0)
        }

        pub(super) fn limit(&self, left: Option<Duration>) -> Option<Duration> {
            left
        }
    }
}

/// Elsewhere the wait itself is cut at the time to live, and once a second to notice a suspend.
#[cfg(not(linux_calls))]
mod timer {
    use super::{Duration, EpochMs, OwnedFd, io};
    use std::cell::Cell;

    #[derive(Debug)]
    pub(super) struct Timer(Cell<i64>);

    impl Timer {
        pub(super) fn new() -> io::Result<Self> {
            Ok(Self(Cell::new(i64::MAX)))
        }

        pub(super) fn arm(&self, at: Option<EpochMs>) {
            self.0.set(at.map_or(i64::MAX, |at| at.0));
        }

        pub(super) fn fd(&self) -> Option<&OwnedFd> {
            None
        }

        pub(super) fn limit(&self, left: Option<Duration>) -> Option<Duration> {
            if self.0.get() == i64::MAX {
                return left;
            }
            let to_live = EpochMs(self.0.get()).since(EpochMs::now()).min(Duration::from_secs(1));
            Some(left.map_or(to_live, |left| left.min(to_live)))
        }
    }
}
