//! `renew`: a new time to live from now. Claim, perform, settle: the state has the new end before the shim is told of it, so
//! that whoever finds the claim of a command that died can tell the shim ([`arm`]).
//!
//! What was declared (`ttl_minutes`) stays, since a restart gives that in full again; `ttl_expires_at` is what changes.

use std::time::Duration;

use crate::base::clock::EpochMs;
use crate::base::error::{Error, Kind, Result};
use crate::base::ids::Generation;
use crate::base::root::Root;
use crate::base::steps::{Step, reached};
use crate::lifecycle::claim::Turn;
use crate::process::{self, Signal, SignalError};
use crate::service::{Claim, Identity, Liveness, Record, Status};
use crate::state::{self, Launch, SetAside};

use super::context::Context;
use super::{chain, facts, find};

/// The name of this verb in claims.
pub const VERB: &str = "renew";

/// So often orders are looked for that move on meanwhile: each further time needs another life of the service.
const MOVES_MAX: usize = 10;
/// How long beyond its grace a service whose time ran out while it was renewed is waited for.
const FATE_MARGIN: Duration = Duration::from_secs(1);

/// What came of it.
#[derive(Debug)]
pub struct Renewed {
    /// The record's name.
    pub name: String,
    /// Its pid.
    pub pid: Option<u32>,
    /// Minutes that it was given, from `at`.
    pub ttl_minutes: u64,
    /// When it was renewed.
    pub at: EpochMs,
    /// When it ends now.
    pub expires_at: EpochMs,
    /// When it would have ended; `None`: never.
    pub expired_at_before: Option<EpochMs>,
    /// Something unreadable in the state file was put aside.
    pub set_aside: Option<SetAside>,
}

/// Gives the service `name` `ttl_minutes` from now, what it declared if `None`. Errors: `ttl-invalid` and `ttl-too-long`
/// (exit 64), `no-such-service` (exit 6), and exit 7 with nothing changed: `claimed` by another command, or
/// `nothing-to-renew` because it does not run.
pub fn run(context: &Context, name: &str, ttl_minutes: Option<u64>) -> Result<Renewed> {
    if let Some(minutes) = ttl_minutes {
        check(minutes, context.settings.max_ttl_minutes)?;
    }
    let maker = facts::own_identity()?;
    let Claimed { before, record, ttl_minutes, at, set_aside } = claim(context, name, ttl_minutes, &maker)?;
    reached(Step::RenewClaimed);
    let performed = arm(&context.root, &record).and_then(|()| await_fate(context, &before));
    if performed.is_err() {
        // What the shim goes by is what the record will say; if it cannot be told that either, it goes by it already.
        drop(arm(&context.root, &before));
    }
    reached(Step::RenewArmed);
    settle(context, &before, &maker, performed.is_ok())?;
    performed?;
    log::info!("service `{name}` is renewed for {ttl_minutes} minutes");
    let expires_at = record.ttl_expires_at.unwrap_or(at);
    let Record { name, pid, ttl_expires_at: expired_at_before, .. } = before;
    Ok(Renewed { name, pid, ttl_minutes, at, expires_at, expired_at_before, set_aside })
}

/// A renewal that is in the state and not yet performed.
struct Claimed {
    /// The record as it was.
    before: Record,
    /// The record with its new end and our claim.
    record: Record,
    ttl_minutes: u64,
    at: EpochMs,
    set_aside: Option<SetAside>,
}

fn claim(context: &Context, name: &str, ttl_minutes: Option<u64>, maker: &Identity) -> Result<Claimed> {
    let at = EpochMs::now();
    let changed = context.store().change(VERB, |document| {
        let there = find::find(document, name)?;
        let before = chain::observe_newer(&context.root, there, at).unwrap_or_else(|| there.clone());
        if let Some(refusal) = refusal(&before) {
            return Err(refusal);
        }
        // A limit that was lowered after the spec was accepted holds for what is given from now on.
        let minutes = ttl_minutes.unwrap_or(before.spec.ttl_minutes.clamp(1, context.settings.max_ttl_minutes));
        let ttl_expires_at = Some(at.plus(Duration::from_secs(minutes.saturating_mul(60))));
        let claim = Some(Claim { maker: maker.clone(), verb: VERB.into(), at });
        let record = Record { ttl_expires_at, claim, ..before.clone() };
        document.put(record.clone());
        Ok((before, record, minutes))
    })?;
    let (before, record, ttl_minutes) = changed.value?;
    Ok(Claimed { before, record, ttl_minutes, at, set_aside: changed.set_aside })
}

/// Tells the shim of `record` when its time is over, by `record.ttl_expires_at`. May be done again at any time. A record
/// without a shim (a legacy one), or whose shim is gone, has nobody to be told: the sweep ends it by its record. Error:
/// `shim-untold`, if the shim lives and goes by what it was told before.
pub fn arm(root: &Root, record: &Record) -> Result<()> {
    let (Some(generation), Some(process)) = (&record.generation, &record.process) else { return Ok(()) };
    let shim = match process::hold(&process.shim) {
        Ok(shim) => shim,
        Err(SignalError::Gone) => return Ok(()),
        Err(why @ (SignalError::Unproven | SignalError::Refused(_))) => return Err(untold(record, why)),
    };
    order(root, record, generation)?;
    reached(Step::RenewOrdered);
    match shim.send(Signal::HUP) {
        Ok(()) | Err(SignalError::Gone) => Ok(()),
        Err(why @ (SignalError::Unproven | SignalError::Refused(_))) => Err(untold(record, why)),
    }
}

/// Writes the new end into the shim's orders, which move on with it when it gives its service another life meanwhile.
fn order(root: &Root, record: &Record, generation: &Generation) -> Result<()> {
    // The state is rebuilt from this file when it is lost: by then no command is at the record.
    let settled = Record { claim: None, ..record.clone() };
    let mut left = MOVES_MAX;
    loop {
        left -= 1;
        let newest = state::newest_life(root, &record.name, generation).unwrap_or_else(|| generation.clone());
        let dir = root.run_dir(&record.name, &newest);
        let no_orders = || untold(record, std::io::Error::other(format!("`{}` holds no orders", dir.display())));
        let ordered = state::read_launch(&dir)?.ok_or_else(no_orders).and_then(|orders| {
            let orders = Launch { ttl_expires_at: record.ttl_expires_at, ..orders };
            Ok(state::rewrite_launch(&dir, &orders, &settled)?)
        });
        if ordered.is_ok() || left == 0 || dir.is_dir() {
            return ordered;
        }
    }
}

fn untold(record: &Record, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    let message = format!("cannot tell the shim of service `{}` its new time to live", record.name);
    Error { source: Some(source.into()), ..Error::new(Kind::Unforeseen, "shim-untold", message) }
        .with_hint("its time to live is as it was; run as the user who started it")
}

/// Checks what was asked for against the settings.
fn check(ttl_minutes: u64, ttl_max: u64) -> Result<()> {
    let error = match ttl_minutes {
        0 => Error::new(Kind::Usage, "ttl-invalid", "a time to live of 0 minutes is none"),
        minutes if minutes > ttl_max => {
            let message = format!("a time to live of {minutes} minutes is over the limit of {ttl_max} (maxTtlMinutes)");
            Error::new(Kind::Usage, "ttl-too-long", message)
        }
        _ => return Ok(()),
    };
    Err(error.with_hint(format!("give minutes from 1 to {ttl_max}, or leave --ttl out for what the service declared")))
}

/// Why `record` cannot be renewed now.
fn refusal(record: &Record) -> Option<Error> {
    let name = &record.name;
    if let Turn::Theirs { pid, verb } = facts::observe_turn(record) {
        let message = format!("service `{name}` is being worked on by `minions managed {verb}` (pid {pid})");
        return Some(
            Error::new(Kind::Conflict, "claimed", message)
                .with_hint("nothing was changed; wait for that command to end and try again"),
        );
    }
    let why = match (record.status, facts::observe_service(record)) {
        (Status::Running, Liveness::Alive | Liveness::Unknown) => return None,
        (Status::Running, Liveness::Dead) => "its process has ended".to_owned(),
        (
            status @ (Status::Queued
            | Status::Starting
            | Status::Backoff
            | Status::Stopping
            | Status::Stopped
            | Status::Failed),
            _,
        ) => format!("it is `{}`", status.word()),
    };
    Some(nothing_to_renew(name, &why))
}

fn nothing_to_renew(name: &str, why: &str) -> Error {
    Error::new(
        Kind::Conflict,
        "nothing-to-renew",
        format!("service `{name}` does not run, so it has no time left: {why}"),
    )
    .with_hint(format!("it gets its full time to live with a new start: minions managed restart {name}"))
}

/// Whether the shim heard in time. Told before the old end, it goes by the new one; else it may have begun to end its tree,
/// and then the service's end is near.
fn await_fate(context: &Context, before: &Record) -> Result<()> {
    let is_late = before.ttl_expires_at.is_some_and(|end| EpochMs::now() >= end);
    let (true, Some(process)) = (is_late, &before.process) else { return Ok(()) };
    let too_late = || nothing_to_renew(&before.name, "its time to live was over already");
    match process::hold(&process.service) {
        Ok(service) => {
            let limit = context.stop_grace().saturating_add(FATE_MARGIN);
            let has_ended = service.wait_end(limit).map_err(|error| untold(before, error))?;
            if has_ended { Err(too_late()) } else { Ok(()) }
        }
        Err(SignalError::Gone) => Err(too_late()),
        Err(why @ (SignalError::Unproven | SignalError::Refused(_))) => Err(untold(before, why)),
    }
}

/// Takes the claim back, and the new time with it if nobody could be told of it.
fn settle(context: &Context, before: &Record, maker: &Identity, is_renewed: bool) -> Result<()> {
    context.store().change(VERB, |document| {
        let is_ours = |claim: &Claim| claim.maker == *maker && claim.verb == VERB;
        let there = document.find_mut(&before.name).filter(|there| there.claim.as_ref().is_some_and(is_ours));
        if let Some(there) = there {
            there.claim = None;
            if !is_renewed {
                there.ttl_expires_at = before.ttl_expires_at;
            }
        }
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_at_least_a_minute_and_within_the_limit() {
        let code = |minutes| check(minutes, 1440).err().map(|error| (error.kind, error.code));
        let cases = [
            (0, Some((Kind::Usage, "ttl-invalid"))),
            (1, None),
            (1440, None),
            (1441, Some((Kind::Usage, "ttl-too-long"))),
            (u64::MAX, Some((Kind::Usage, "ttl-too-long"))),
        ];
        for (minutes, expected) in cases {
            assert_eq!(code(minutes), expected, "{minutes}");
        }
        assert!(check(1441, 1440).is_err_and(|error| error.message.contains("1440")), "the limit is named");
    }
}
