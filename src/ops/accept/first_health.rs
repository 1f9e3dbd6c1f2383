//! Waiting for the first health pass of one service that has just been started.

use std::os::fd::BorrowedFd;
use std::sync::OnceLock;
use std::time::Duration;

use crate::health::{self, ExitWatch, Target, WaitOutcome};
use crate::process::{Held, Table};
use crate::service::{Process, Proof, Record};
use crate::state::Document;

use super::super::families::Families;
use super::Acceptance;
use super::perform::{self, environment};

/// How the wait ended.
pub(super) enum FirstHealth {
    /// A probe passed.
    Passed {
        /// How long it took.
        after: Duration,
        /// Whose socket answered.
        proof: Proof,
    },
    /// The service ended before.
    Exited,
    /// It did not pass in time; why, in one sentence.
    Failed(String),
}

/// Waits for the first pass.
pub(super) fn wait(acceptance: &Acceptance<'_>, record: &Record, process: &Process) -> FirstHealth {
    // If it cannot be held it has ended, or cannot be seen; the watch then tells by looking.
    let Some(held) = perform::hold(process) else { return FirstHealth::Exited };
    let env = environment(record);
    let tree = || {
        let below = Table::observe().map(|table| table.descendants(process.shim.pid));
        below.unwrap_or_default().into_iter().map(|member| member.pid).collect()
    };
    let others = OnceLock::new();
    let other = |pid: u32| other_service(acceptance, &others, &record.name, pid);
    let target = Target {
        cwd: &record.spec.cwd,
        env: &env,
        search_path: acceptance.context.path(),
        service: Some(&process.service),
        tree: &tree,
        other: &other,
    };
    let outcome = health::wait_first(&record.spec.healthcheck, &target, &acceptance.context.settings, &Watch(&held));
    match outcome {
        WaitOutcome::Healthy { after, proof } => FirstHealth::Passed { after, proof },
        WaitOutcome::Exited { .. } => FirstHealth::Exited,
        WaitOutcome::TimedOut { last, .. } => {
            let limit = record.spec.healthcheck.timeout_s;
            FirstHealth::Failed(format!("not healthy within {limit} s: {last}"))
        }
        WaitOutcome::Hopeless(why) => FirstHealth::Failed(format!("it can never be healthy: {why}")),
    }
}

/// The managed service, other than `name`, that `pid` belongs to. The state is read once per wait, and only if somebody
/// asks: when the service's own process does not hold the socket.
fn other_service(acceptance: &Acceptance<'_>, read: &OnceLock<Document>, name: &str, pid: u32) -> Option<String> {
    let document = read.get_or_init(|| acceptance.context.store().read().unwrap_or_default());
    let owner = Families::observe(document).owner(pid)?;
    (owner.name != name).then(|| owner.name.clone())
}

/// The service's end, told by its pidfd, or by looking where there is none.
struct Watch<'a>(&'a Held);

impl ExitWatch for Watch<'_> {
    fn wait_exit(&self, span: Duration) -> bool {
        // A wait that fails tells nothing; the wait for health goes on to its own limit.
        self.0.wait_end(span).unwrap_or(false)
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.0.as_fd()
    }
}
