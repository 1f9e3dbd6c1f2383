//! Whether a service is healthy: one probe (`http`, `command`), the wait for the first pass (`schedule`, `wait`), whose
//! socket answered (`proof`), and who holds the ports that a service wants (`ports`).
//!
//! This room does not know records: whose a pid is, which process is the service and what else is managed, the caller
//! says in a [`Target`]. Nothing here writes anything down.

mod address;
mod command;
mod http;
pub mod ports;
mod proof;
mod schedule;
mod side_by_side;
mod transport;
mod wait;

use std::fmt;
use std::os::fd::BorrowedFd;
use std::time::Duration;

pub use side_by_side::{PROBES_AT_ONCE_MAX, side_by_side, side_by_side_with_stack};
pub use wait::{Cut, ExitFd, Wait, WaitOutcome, probe_once, wait_all, wait_first};

use crate::base::error::tells_nothing;
use crate::service::{Identity, Proof};

/// What a probe must know of the service beside its healthcheck.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    /// The folder in which command probes run; empty: the root folder, where a service without one runs too.
    pub cwd: &'a str,
    /// The service's whole environment, for command probes. Nothing is added to it.
    pub env: &'a [(String, String)],
    /// Where the program of a command probe is looked up: the supervisor's own PATH, never the one in `env`.
    pub search_path: &'a str,
    /// The service's process; `None` when it is not known (a legacy record).
    pub service: Option<&'a Identity>,
    /// Pids of the service's whole tree. Asked only when the service's own process does not hold the socket.
    pub tree: &'a (dyn Fn() -> Vec<u32> + Sync),
    /// The name of the other managed service in whose tree a pid is, if it is in any.
    pub other: &'a (dyn Fn(u32) -> Option<String> + Sync),
}

/// Tells when the service that is being waited for has ended.
pub trait ExitWatch: Sync {
    /// Sleeps for `span`, or less if the service ends; says whether it has ended.
    fn wait_exit(&self, span: Duration) -> bool;

    /// A descriptor that becomes readable when the service ends (a pidfd), so that a probe can be cut short too.
    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// Why a probe did not pass: one sentence without a period, other people's text in it escaped and cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    sentence: String,
    is_ours: bool,
}

impl Failure {
    fn new(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), is_ours: false }
    }

    /// The same because of `error`, which may say that it is we who cannot ask: for want of open files, processes or memory.
    fn because_of(error: &std::io::Error, sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), is_ours: tells_nothing(error) }
    }

    /// Whether it is the prober who lacked something: then it says nothing of the service.
    pub fn is_ours(&self) -> bool {
        self.is_ours
    }

    /// The sentence.
    pub fn sentence(&self) -> &str {
        &self.sentence
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

/// What came of one probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// It passed; whose socket answered is known as far as `Proof` says.
    Passed(Proof),
    /// Nobody listens on a loopback address: nothing was sent, and asking again at once costs nobody anything.
    Refused(Failure),
    /// It was asked, or could not be, and this is no pass.
    Failed(Failure),
    /// No probe of this healthcheck can ever pass.
    Hopeless(Failure),
}
