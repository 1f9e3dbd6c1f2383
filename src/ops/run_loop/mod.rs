//! `run`: the loop, one per root by a lease. Each tick does what time has made due, in steps: the settings are read anew, all is
//! swept, who is due is probed, pending sidecars are taken. Between two ticks it sleeps in one system call.
//!
//! It owns nothing that lives: services are their shims', and whatever it does any other command may do at the same time. So
//! it may be killed at any moment, and two of them would do no harm; the lease keeps them from doing everything twice.
//! docs/design/loop.md has the reasons.

mod acceptor;
mod beat;
mod lease;
mod liveness;
mod said;
mod tick;

pub use beat::Pace;

use std::ffi::OsString;
use std::time::{Duration, Instant};

use crate::base::clock::{EpochMs, monotonic};
use crate::base::error::{Error, Result};
use crate::base::ids::AgentName;
use crate::lifecycle::sweep::Step;
use crate::process::Interrupt;

use super::context::Context;
use super::deliver::SinkReport;
use super::facts;
use super::probe::Probed;
use super::sweep;

/// The name of this verb at the lock and in claims.
pub const VERB: &str = "run";

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// The time between two ticks; `None`: by the settings, see [`interval`].
    pub interval: Option<Duration>,
    /// What stands behind this program's name in a command that accepts the sidecars of agents; their names follow.
    pub accept: Vec<OsString>,
    /// Whether those commands may write to stdout.
    pub has_output: bool,
}

/// Something that the loop has done, or could not do, for whoever watches it.
#[derive(Debug)]
pub enum News<'a> {
    /// It has the lease, and begins.
    Began {
        /// Its pid.
        pid: u32,
        /// Between two ticks.
        interval: Duration,
        /// Whose lease was taken over, in words.
        taken_over: Option<&'a str>,
    },
    /// The settings are others than before.
    Resettled,
    /// A sweep found something due.
    Swept(&'a sweep::Report),
    /// Something else that was due is done.
    Done(&'a Step),
    /// A service's health is another than was recorded.
    Flipped(&'a Probed),
    /// The sidecars of these agents are being decided by a command of its own.
    Accepting {
        /// Whose.
        agents: &'a [AgentName],
        /// That command's pid.
        pid: u32,
    },
    /// A sink has taken events, or refuses them.
    Delivered(&'a SinkReport),
    /// Something could not be done; the loop goes on. Said when it happens first, and again each time that it has happened
    /// twice as often in a row.
    Failed {
        /// Why.
        error: &'a Error,
        /// How often in a row, by now.
        times: u32,
    },
}

/// Receives the news.
pub type OnNews<'a> = &'a dyn Fn(News<'_>);

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Ticks that were done.
    pub ticks: u64,
    /// Things that could not be done, in all ticks together.
    pub failures: u64,
}

/// Runs until `pace` says that somebody has asked for the end. Errors end it: `lease-held` (exit 7) with its holder, before
/// anything is done, `lease-lost` (exit 7) if another loop has taken it over meanwhile, and what keeps it from having a lease
/// at all. What fails in a tick ends nothing.
pub fn run(context: Context, request: &Request, pace: &mut dyn Pace, on_news: OnNews<'_>) -> Result<Ended> {
    let me = facts::own_identity()?;
    let span = request.interval.unwrap_or(interval(&context));
    let (lease, taken_over) = lease::take(&context, me, span, EpochMs::now())?;
    on_news(News::Began { pid: crate::base::ids::own_pid(), interval: span, taken_over: taken_over.as_deref() });
    let mut ticker = tick::Ticker::new(context, request, lease, on_news);
    let driven = beat::drive(pace, |pace| ticker.tick(pace));
    let failures = ticker.failures();
    ticker.release();
    Ok(Ended { ticks: driven?, failures })
}

/// The time between two ticks that follows from the settings: a sixth of `healthBackoffSec`, at least a second and at most a
/// minute. So a service is probed when it is due or half a tick beside that, a pending sidecar waits for some seconds, and an
/// idle loop costs next to nothing.
pub fn interval(context: &Context) -> Duration {
    (context.health_backoff() / 6).clamp(Duration::from_secs(1), Duration::from_secs(60))
}

/// The pace of a real loop: the monotonic clock, one system call to sleep in, and SIGTERM or SIGINT to end it.
#[derive(Debug)]
pub struct RealPace {
    began: Instant,
    interrupt: Interrupt,
}

impl RealPace {
    /// Catches the signals from here on.
    pub fn new() -> Result<Self> {
        let interrupt = Interrupt::new().map_err(|error| Error::io("cannot catch signals", error))?;
        Ok(Self { began: monotonic(), interrupt })
    }
}

impl Pace for RealPace {
    fn now(&self) -> Duration {
        crate::base::clock::since(self.began)
    }

    fn is_asked(&self) -> bool {
        self.interrupt.is_asked()
    }

    fn sleep(&mut self, span: Duration) {
        self.interrupt.sleep(span);
    }
}
