//! Waiting for the first health pass of one service that has just been started.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use crate::health::{self, ExitWatch, WaitOutcome};
use crate::process::{self, Held, SignalError};
use crate::service::{Identity, Process, Proof, Record};

use super::super::context::Context;
use super::super::probe_target::Probing;

/// How the wait ended.
pub(in crate::ops) enum FirstHealth {
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
pub(in crate::ops) fn wait(context: &Context, record: &Record, process: &Process) -> FirstHealth {
    let watch = match process::hold(&process.service) {
        Ok(held) => Watch::Held(held),
        Err(SignalError::Gone) => return FirstHealth::Exited,
        Err(SignalError::Unproven | SignalError::Refused(_)) => Watch::Unheld(&process.service),
    };
    let settings = &context.settings;
    let outcome = Probing::new(context).with(record, Some(&process.service), |target| {
        health::wait_first(&record.spec.healthcheck, target, settings, &watch)
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

/// How the service's end is told.
enum Watch<'a> {
    /// By its pidfd, or by looking where there is none.
    Held(Held),
    /// It could not be held at first, which does not mean that it has ended.
    Unheld(&'a Identity),
}

impl ExitWatch for Watch<'_> {
    fn wait_exit(&self, span: Duration) -> bool {
        match self {
            // A wait that fails tells nothing; the wait for health goes on to its own limit.
            Self::Held(held) => held.wait_end(span).unwrap_or(false),
            Self::Unheld(identity) => process::wait_end_unheld(identity, span),
        }
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Held(held) => held.as_fd(),
            Self::Unheld(_) => None,
        }
    }
}
