//! Waiting for the first health pass of one service that has just been started.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use crate::health::{self, ExitWatch, WaitOutcome};
use crate::process::Held;
use crate::service::{Process, Proof, Record};

use super::super::probe_target::Probing;
use super::Starter;
use super::perform;

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
pub(super) fn wait(starter: &Starter<'_>, record: &Record, process: &Process) -> FirstHealth {
    // If it cannot be held it has ended, or cannot be seen; the watch then tells by looking.
    let Some(held) = perform::hold(process) else { return FirstHealth::Exited };
    let settings = &starter.context.settings;
    let outcome = Probing::new(starter.context).with(record, Some(&process.service), |target| {
        health::wait_first(&record.spec.healthcheck, target, settings, &Watch(&held))
    });
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
