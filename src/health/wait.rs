//! The wait for a service's first pass, and single probes. Impure: the thin loop around `schedule`.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::base::clock::{monotonic, since};
use crate::config::Settings;
use crate::service::{Healthcheck, Probe, Proof};

use super::address::{self, Endpoint};
use super::command::CommandProbe;
use super::http::{self, ConnectFailure, Limit};
use super::schedule::{History, Next, Schedule};
use super::side_by_side::{PROBES_AT_ONCE_MAX, side_by_side};
use super::{Attempt, ExitWatch, Failure, Target, proof};

/// How the wait for the first pass ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WaitOutcome {
    /// A probe passed.
    Healthy {
        /// How long it took.
        after: Duration,
        /// Whose socket answered.
        proof: Proof,
    },
    /// `timeout_s` is over.
    TimedOut {
        /// How long we waited.
        after: Duration,
        /// What the last probe said.
        last: Failure,
    },
    /// No probe of this healthcheck can ever pass, so nobody waited.
    Hopeless(Failure),
    /// The service ended.
    Exited {
        /// How long after the wait began.
        after: Duration,
    },
}

/// A healthcheck made ready: parsed, split and compiled once.
struct Prober<'a> {
    ask: Ask,
    target: &'a Target<'a>,
    settings: &'a Settings,
}

enum Ask {
    Http { endpoint: Endpoint, expect_status: u16 },
    Command(CommandProbe),
}

impl<'a> Prober<'a> {
    fn new(check: &Healthcheck, target: &'a Target<'a>, settings: &'a Settings) -> Result<Self, Failure> {
        let ask = match &check.probe {
            Probe::Http { url, expect_status } => {
                Ask::Http { endpoint: address::parse(url)?, expect_status: *expect_status }
            }
            Probe::Command { cmd, args, shell, expect_regex } => {
                Ask::Command(CommandProbe::new(cmd, args.as_deref(), *shell, expect_regex)?)
            }
        };
        Ok(Self { ask, target, settings })
    }

    fn attempt(&self, limit: Duration, exit: Option<BorrowedFd<'_>>) -> Attempt {
        let limit = Limit { deadline: monotonic() + limit, whole: limit, exit };
        match &self.ask {
            Ask::Http { endpoint, expect_status } => self.attempt_http(endpoint, *expect_status, limit),
            Ask::Command(command) => match command.run(self.target, limit) {
                Ok(()) => Attempt::Passed(Proof::Unverified),
                Err(failure) => Attempt::Failed(failure),
            },
        }
    }

    fn attempt_http(&self, endpoint: &Endpoint, expect_status: u16, limit: Limit<'_>) -> Attempt {
        let addresses = match endpoint.observe_addresses(limit.whole) {
            Ok(addresses) => addresses,
            Err(failure) => return Attempt::Failed(failure),
        };
        if let Err(failure) = address::check_hosts(&addresses, self.settings.healthcheck_hosts) {
            return Attempt::Hopeless(failure);
        }
        #[cfg(debug_assertions)]
        if let Some(world) = crate::base::world::here() {
            return self.ask_in(&*world, &addresses, expect_status, limit);
        }
        let connection = match http::connect(&addresses, limit.deadline) {
            Ok(connection) => connection,
            Err(ConnectFailure::Refused(failure)) => return Attempt::Refused(failure),
            Err(ConnectFailure::Failed(failure)) => return Attempt::Failed(failure),
        };
        let ends = connection.ends;
        let answer = http::ask(connection, endpoint, limit, |status| self.judge(ends, status, expect_status));
        match answer.and_then(|judged| judged) {
            Ok(proof) => Attempt::Passed(proof),
            Err(failure) => Attempt::Failed(failure),
        }
    }

    /// What a status is worth, while the connection is open.
    fn judge(&self, ends: proof::Ends, status: u16, expect_status: u16) -> Result<Proof, Failure> {
        if status != expect_status {
            return Err(Failure::new(format!("status {status}, expected {expect_status}")));
        }
        if address::is_loopback(ends.peer.ip()) {
            return proof::observe(self.settings.listener_proof, ends, self.target);
        }
        Ok(Proof::Unverified)
    }

    /// The same in a simulated world, which has no wires.
    #[cfg(debug_assertions)]
    fn ask_in(
        &self,
        world: &dyn crate::base::world::World,
        addresses: &[std::net::SocketAddr],
        expect_status: u16,
        limit: Limit<'_>,
    ) -> Attempt {
        use crate::base::world::Answer;
        let Some(&peer) = addresses.first() else { return Attempt::Failed(Failure::new("there is no address")) };
        match world.ask(peer, limit.deadline.saturating_duration_since(monotonic())) {
            Answer::Refused => Attempt::Refused(Failure::new(format!("connection refused at {peer}"))),
            Answer::Silent => {
                Attempt::Failed(Failure::new(format!("{peer} accepted but did not answer within {:.1?}", limit.whole)))
            }
            Answer::Status { status, client } => {
                match self.judge(proof::Ends { peer, local: client }, status, expect_status) {
                    Ok(proof) => Attempt::Passed(proof),
                    Err(failure) => Attempt::Failed(failure),
                }
            }
        }
    }
}

/// What ends a single probe before its own time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cut<'a> {
    /// The caller has no more time than this.
    pub within: Option<Duration>,
    /// Readable when the service ends (a pidfd).
    pub exit: Option<BorrowedFd<'a>>,
}

/// Probes once, outside of any wait, within `min(probeMaxSec, max(0.5 s, timeout_s))` or until it is cut short.
pub fn probe_once(check: &Healthcheck, target: &Target<'_>, settings: &Settings, cut: Cut<'_>) -> Attempt {
    match Prober::new(check, target, settings) {
        Ok(prober) => {
            let own = Schedule::new(check, settings).limit_alone();
            prober.attempt(cut.within.map_or(own, |within| within.min(own)), cut.exit)
        }
        Err(failure) => Attempt::Hopeless(failure),
    }
}

/// Probes at once, then every `interval_s` until a pass, `timeout_s`, or the service's end, of which `exit` tells. While
/// nobody listens on a loopback address it looks again much sooner, so that the pass comes within milliseconds of the
/// server's start.
pub fn wait_first(check: &Healthcheck, target: &Target<'_>, settings: &Settings, exit: &dyn ExitWatch) -> WaitOutcome {
    let prober = match Prober::new(check, target, settings) {
        Ok(prober) => prober,
        Err(failure) => return WaitOutcome::Hopeless(failure),
    };
    let schedule = Schedule::new(check, settings);
    let began = monotonic();
    let mut history = History::Fresh;
    let mut last = Failure::new("it was not probed");
    let mut pause = Duration::ZERO;
    loop {
        if exit.wait_exit(pause) {
            return WaitOutcome::Exited { after: since(began) };
        }
        let started = since(began);
        let limit = match schedule.next(history, started) {
            Next::GiveUp => return WaitOutcome::TimedOut { after: started, last },
            Next::Pause(span) => {
                pause = span;
                continue;
            }
            Next::Probe { limit } => limit,
        };
        let (now, failure) = match prober.attempt(limit, exit.as_fd()) {
            Attempt::Passed(_) if exit.wait_exit(Duration::ZERO) => {
                return WaitOutcome::Exited { after: since(began) };
            }
            Attempt::Passed(proof) => return WaitOutcome::Healthy { after: since(began), proof },
            Attempt::Hopeless(failure) => return WaitOutcome::Hopeless(failure),
            Attempt::Refused(failure) => (History::Refused { at: started }, failure),
            Attempt::Failed(failure) => (History::Asked { started, ended: since(began) }, failure),
        };
        (history, last, pause) = (now, failure, Duration::ZERO);
    }
}

/// One service to wait for.
#[derive(Clone, Copy)]
pub struct Wait<'a> {
    /// How to tell that it is healthy.
    pub check: &'a Healthcheck,
    /// What it is.
    pub target: Target<'a>,
    /// Tells of its end.
    pub exit: &'a dyn ExitWatch,
}

/// Waits for several services side by side; the outcomes are in the order of `waits`.
pub fn wait_all(waits: &[Wait<'_>], settings: &Settings) -> Vec<WaitOutcome> {
    side_by_side(waits, PROBES_AT_ONCE_MAX, |wait| wait_first(wait.check, &wait.target, settings, wait.exit))
}

/// The end of a service told by a descriptor that becomes readable with it: a pidfd, or a pipe that the service's parent
/// holds.
#[derive(Clone, Copy, Debug)]
pub struct ExitFd<'a>(pub BorrowedFd<'a>);

impl ExitWatch for ExitFd<'_> {
    fn wait_exit(&self, span: Duration) -> bool {
        let until = monotonic() + span;
        loop {
            let left = until.saturating_duration_since(monotonic());
            let mut fds = [PollFd::from_borrowed_fd(self.0, PollFlags::IN)];
            match poll(&mut fds, Timespec::try_from(left).ok().as_ref()) {
                Ok(0) => return false,
                Ok(_) => return true,
                // A signal that the program handles: the rest of the span is still to be slept.
                Err(rustix::io::Errno::INTR) => {}
                // Without a descriptor to wait with there is nothing to tell; a probe will see that the service is gone.
                Err(_) => return false,
            }
        }
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.0)
    }
}
