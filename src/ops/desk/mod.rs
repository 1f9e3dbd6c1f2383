//! The desk at which sidecars are decided: who has an agent's lease decides its sidecar, as one run, and nobody else does
//! meanwhile. What a command that died has left there is finished or opened again by whoever comes next: docs/design/queue.md.
//!
//! Deliberately not here: the decision itself (`ops::accept`, `ops::queue`).

mod aside;
mod left;
mod pending;
mod text;

pub(super) use aside::has_abandoned;
pub(super) use left::{Left, told_of};
pub use pending::{Pending, pending};
pub(super) use text::Text;

use std::time::Duration;

use crate::base::clock::EpochMs;
use crate::base::error::{Error, Kind, Result};
use crate::base::ids::AgentName;
use crate::base::span;
use crate::base::steps::{Step, reached};
use crate::lifecycle::lease::{self, Claimable, Lease};
use crate::process::observe_liveness;
use crate::runs::{Entry, FailureClass, Leases, Place, Run, RunInput, RunStatus, RunStore};
use crate::service::Identity;

use super::context::Context;

/// The desk of one root, for one command.
pub(super) struct Desk<'a> {
    context: &'a Context,
    leases: Leases,
    /// Every run; those of an agent are written only by who has its lease.
    pub(super) runs: RunStore,
    /// This very process.
    me: Identity,
    /// The command's name, at the lock.
    verb: &'static str,
}

/// An agent's lease that this process has.
#[derive(Clone, Debug)]
pub(super) struct Held {
    /// Whose sidecar.
    pub(super) agent: AgentName,
    /// The run that it is for.
    pub(super) run_id: String,
    /// That run was there before: blocked, or left by who is dead or late.
    is_found: bool,
    since: EpochMs,
}

/// Who wants a lease, and what for.
#[derive(Debug)]
pub(super) struct Ask<'a> {
    /// Whose sidecar is to be decided.
    pub(super) agent: &'a AgentName,
    /// The id of the run, if there is none to be taken up.
    pub(super) run_id: &'a str,
    /// The idempotency key.
    pub(super) key: Option<&'a str>,
    /// How long it may take.
    pub(super) span: Duration,
}

/// What came of asking.
#[derive(Debug)]
pub(super) enum Taken {
    /// The lease is ours.
    Ours(Held),
    /// Somebody else decides it.
    Theirs(Entry),
}

impl<'a> Desk<'a> {
    /// For the process `me` and its command `verb`.
    pub(super) fn new(context: &'a Context, me: Identity, verb: &'static str) -> Self {
        let leases = Leases::new(&context.root, context.lock_timeout());
        Self { context, leases, runs: RunStore::new(&context.root), me, verb }
    }

    /// Takes the lease, if nobody has it who may be at it still. Error: `idempotency-key-in-use` (exit 7), if another agent's sidecar
    /// is being decided under the same key.
    pub(super) fn take(&self, ask: &Ask<'_>) -> Result<Taken> {
        let now = EpochMs::now();
        let is_theirs = |entry: &Entry| self.judge(entry, now) == Claimable::Theirs;
        self.leases.change(self.verb, |entries| {
            let at = entries.iter().position(|entry| entry.agent == ask.agent.as_str());
            if let Some(theirs) = at.map(|at| &entries[at]).filter(|entry| is_theirs(entry)) {
                return Ok(Taken::Theirs(theirs.clone()));
            }
            let has_key = |entry: &&Entry| entry.key.is_some() && entry.key.as_deref() == ask.key && is_theirs(entry);
            if let Some(other) = entries.iter().find(has_key) {
                return Err(key_in_use(other, now));
            }
            let found = at.map(|at| entries.remove(at).run_id);
            let is_found = found.is_some();
            let run_id = found.unwrap_or_else(|| ask.run_id.to_owned());
            let lease = Lease { holder: self.me.clone(), since: now, expires_at: now.plus(ask.span) };
            let key = ask.key.map(str::to_owned);
            let agent = ask.agent.to_string();
            entries.push(Entry { agent, run_id: run_id.clone(), key, since: now, lease: Some(lease) });
            Ok(Taken::Ours(Held { agent: ask.agent.clone(), run_id, is_found, since: now }))
        })
    }

    /// What stands at the desk, without the lock.
    pub(super) fn entries(&self) -> Result<Vec<Entry>> {
        self.leases.read()
    }

    /// What the lease of `entry` means for this process.
    pub(super) fn judge(&self, entry: &Entry, now: EpochMs) -> Claimable {
        lease::judge(entry.lease.as_ref(), &self.me, observe_liveness, now)
    }

    /// Whether the lease is still ours. Error: `lease-lost` (exit 7).
    pub(super) fn check(&self, held: &Held) -> Result<()> {
        self.entry_mut(held, &mut self.leases.read()?).map(|_| ())
    }

    fn entry_mut<'e>(&self, held: &Held, entries: &'e mut [Entry]) -> Result<&'e mut Entry> {
        let is_ours = |entry: &&mut Entry| {
            let holder = entry.lease.as_ref().map(|lease| &lease.holder);
            entry.agent == held.agent.as_str() && entry.since == held.since && holder == Some(&self.me)
        };
        entries.iter_mut().find(is_ours).ok_or_else(|| lost(held))
    }

    /// Writes down a run that is new, as that of the lease. `open`, the run that was found there, ends undecided for it.
    pub(super) fn begin(&self, held: &mut Held, open: Option<&Run>, run: &Run) -> Result<()> {
        if held.run_id != run.id {
            self.end_open(held, open, RunInput::Replaced)?;
            self.leases.change(self.verb, |entries| {
                self.entry_mut(held, entries)?.run_id.clone_from(&run.id);
                Ok(())
            })?;
            held.run_id.clone_from(&run.id);
        }
        self.runs.begin(run)
    }

    /// Takes up the run that was found there.
    pub(super) fn take_up(&self, held: &Held, open: &Run, edit: impl FnOnce(&mut Run)) -> Result<()> {
        let input = match open.status {
            RunStatus::Claimed => RunInput::TakenOver,
            RunStatus::Pending
            | RunStatus::Blocked
            | RunStatus::Completed
            | RunStatus::Failed
            | RunStatus::Cancelled => RunInput::Claimed,
        };
        self.runs.change(&held.run_id, input, edit).map(drop)
    }

    /// Ends the run, if the lease is ours: of two who think so one is right. From here on it never changes.
    pub(super) fn end(&self, held: &Held, input: RunInput, edit: impl FnOnce(&mut Run)) -> Result<Run> {
        self.leases.change(self.verb, |entries| {
            self.entry_mut(held, entries)?;
            self.runs.change(&held.run_id, input, edit)
        })
    }

    /// The run cannot be decided now: it waits for the next try, and the lease is given back.
    pub(super) fn block(&self, held: &Held, input: RunInput, edit: impl FnOnce(&mut Run)) -> Result<()> {
        self.leases.change(self.verb, |entries| {
            let entry = self.entry_mut(held, entries)?;
            self.runs.change(&held.run_id, input, edit)?;
            (entry.lease, entry.key, entry.since) = (None, None, EpochMs::now());
            Ok(())
        })
    }

    /// The sidecar is gone from its place: `open`, a run that was found at the lease and decided nothing, ends, and the lease is
    /// given back.
    pub(super) fn close(&self, held: &Held, open: Option<&Run>, input: RunInput) -> Result<()> {
        self.end_open(held, open, input)?;
        self.release(held);
        Ok(())
    }

    fn end_open(&self, held: &Held, open: Option<&Run>, input: RunInput) -> Result<()> {
        let Some(open) = open else { return Ok(()) };
        self.leases.change(self.verb, |entries| {
            self.entry_mut(held, entries)?;
            let undecided = |run: &mut Run| {
                (run.outcome, run.specs) = (None, Vec::new());
                run.failure_kind = Some(FailureClass::Cancelled);
                run.failure_message = Some(input.meaning().to_owned());
            };
            self.runs.change(&open.id, input, undecided).map(drop)
        })
    }

    /// Gives the lease back: its sidecar is decided, and aside. What fails here is as good as done, for the holder will be proven
    /// dead, and the next one finds nothing left to do.
    pub(super) fn release(&self, held: &Held) {
        let released = self.leases.change(self.verb, |entries| {
            self.entry_mut(held, entries)?;
            entries.retain(|entry| entry.agent != held.agent.as_str());
            Ok(())
        });
        if let Err(error) = released {
            log::warn!("the lease of agent `{}` is not given back: {}", held.agent, error.chain());
        }
        reached(Step::QueueReleased);
    }

    /// What it was taken for has failed with `error`: the run, if it is not decided, waits for the next try. One that has ended
    /// keeps its lease: whoever comes next finds its holder dead, and brings the sidecar to its place.
    pub(super) fn give_up(&self, held: &Held, error: &Error) {
        if error.code == LOST {
            return;
        }
        let given_up = || -> Result<()> {
            match self.runs.find_readable(&held.run_id)?.map(|run| run.status) {
                Some(RunStatus::Claimed) => self.block(held, RunInput::Blocked, |run| {
                    run.failure_kind = Some(FailureClass::Infra);
                    run.failure_message = Some(crate::base::redact::urls(&error.chain()));
                }),
                Some(RunStatus::Blocked) => self.let_wait(held),
                Some(RunStatus::Completed | RunStatus::Failed | RunStatus::Cancelled) => Ok(()),
                Some(RunStatus::Pending) | None => {
                    self.release(held);
                    Ok(())
                }
            }
        };
        if let Err(second) = given_up() {
            log::warn!("the lease of agent `{}` stays with this process: {}", held.agent, second.chain());
        }
    }

    /// Gives the lease back, and leaves the run as it is: blocked.
    pub(super) fn let_wait(&self, held: &Held) -> Result<()> {
        self.leases.change(self.verb, |entries| {
            self.entry_mut(held, entries)?.lease = None;
            Ok(())
        })
    }

    /// Moves the decided sidecar to where it goes, if the lease is still ours.
    pub(super) fn move_aside(&self, held: &Held, decided: &[u8], place: Place) -> Result<()> {
        self.check(held)?;
        let name = aside::HeldName { maker: &self.me, run_id: &held.run_id };
        aside::move_aside(&self.context.root, &held.agent, &name, (decided, place))
    }

    /// The sidecar of the lease's agent as it stands; `None`: there is none.
    pub(super) fn read(&self, held: &Held) -> Result<Option<Text>> {
        Text::read(&self.context.root.sidecar(&held.agent))
    }
}

/// The code of a lease that another has by now.
const LOST: &str = "lease-lost";

fn lost(held: &Held) -> Error {
    let message = format!("another command decides the sidecar of agent `{}` by now", held.agent);
    Error::new(Kind::Conflict, LOST, message).with_hint(
        "this one was stopped for longer than its lease; what it has started is recorded, and the other one goes on from there",
    )
}

fn key_in_use(other: &Entry, now: EpochMs) -> Error {
    let message = format!("the idempotency key is in use: {}", words(other, now));
    Error::new(Kind::Conflict, "idempotency-key-in-use", message)
        .with_hint("nothing was done; try again once that one has ended, or use another key")
}

/// Who decides an agent's sidecar, in words.
pub(super) fn words(entry: &Entry, now: EpochMs) -> String {
    let since = span::short(now.since(entry.since));
    let agent = &entry.agent;
    match &entry.lease {
        Some(lease) => format!("pid {} decides the sidecar of agent `{agent}` since {since}", lease.holder.pid),
        None => format!("the sidecar of agent `{agent}` waits for another try since {since}"),
    }
}
