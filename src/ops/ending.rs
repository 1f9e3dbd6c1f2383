//! Ending one generation: the whole tree, with proof that none is left. Used by every verb that ends something.
//! Impure: removes the run folder of what it ended.

use std::time::Duration;

use crate::base::error::{Error, Kind, Result};
use crate::base::ids::Generation;
use crate::base::root::Root;
use crate::lifecycle::stop::{self, Way};
use crate::process::{self, Signal, SignalError, StopOutcome};
use crate::service::{ExitRecord, Identity, Process, Record};
use crate::state;

use super::facts;

/// How long beyond the grace a shim may take to kill its tree and write down the exit.
const SHIM_MARGIN: Duration = Duration::from_secs(5);

/// Ends the generation of `record`: by its shim, or without it if that is gone. On success no process of it is left;
/// the exit is what the shim wrote, `None` if nobody saw it. Errors: `stop-unproven` when it cannot be told who lives
/// (nothing was signalled), `stop-survivors` when something would not die.
pub fn end(root: &Root, record: &Record, grace: Duration) -> Result<Option<ExitRecord>> {
    let way = stop::way(record, &facts::for_stop(root, record));
    log::info!("service `{}` is ended: {way:?}", record.name);
    let generation = record.generation.as_ref();
    let known = record.process.as_ref();
    match way {
        Way::Forget => {}
        Way::AskShim => {
            ask_shim(&record.name, known, grace)?;
            // The shim went because it was alone, unless it was killed meanwhile: then this finds who is left.
            if stop::way(record, &facts::for_stop(root, record)) != Way::Forget {
                end_marked(&record.name, generation, known.map(|process| &process.service), grace)?;
            }
        }
        Way::EndMarked => end_marked(&record.name, generation, known.map(|process| &process.service), grace)?,
        Way::EndLegacy => {
            let pid = record.pid.unwrap_or_default();
            let identity = process::observe_identity(pid).map_err(|error| unproven(&record.name, error))?;
            end_marked(&record.name, None, identity.as_ref(), grace)?;
        }
        Way::Refuse => {
            let why = std::io::Error::other("the process cannot be seen, so it cannot be proven to be ours");
            return Err(unproven(&record.name, why));
        }
    }
    Ok(generation.and_then(|generation| read_exit(root, &record.name, generation)))
}

/// Ends the generation of `record` and the one that it was to replace, if a command died between the two. Returns how
/// the first ended.
pub fn end_both(root: &Root, record: &Record, grace: Duration) -> Result<Option<ExitRecord>> {
    let exit = end(root, record, grace)?;
    if let Some(previous) = &record.previous {
        let older = Record {
            generation: previous.generation.clone(),
            process: previous.process.clone(),
            pid: previous.process.as_ref().map(|process| process.service.pid),
            previous: None,
            ..record.clone()
        };
        end(root, &older, grace)?;
        previous.generation.iter().for_each(|generation| forget(root, &record.name, generation));
    }
    Ok(exit)
}

/// What the shim of a generation wrote about its end, if it did.
pub fn read_exit(root: &Root, name: &str, generation: &Generation) -> Option<ExitRecord> {
    state::read_exit(&root.run_dir(name, generation)).ok().flatten()
}

/// Removes what the shim of an ended generation left behind. What cannot be removed is found by the next sweep.
#[expect(clippy::disallowed_methods, reason = "the run folder of a generation that is proven gone")]
pub fn forget(root: &Root, name: &str, generation: &Generation) {
    let dir = root.run_dir(name, generation);
    drop(std::fs::remove_dir_all(&dir));
    // Fails, as it should, while another generation of that name has its folder there.
    drop(dir.parent().map(std::fs::remove_dir));
}

/// Asks the shim to end its tree and waits until it has gone.
fn ask_shim(name: &str, known: Option<&Process>, grace: Duration) -> Result<()> {
    let Some(process) = known else { return Ok(()) };
    let shim = match process::hold(&process.shim) {
        Ok(shim) => shim,
        Err(SignalError::Gone) => return Ok(()),
        Err(why @ (SignalError::Unproven | SignalError::Refused(_))) => return Err(unproven(name, why)),
    };
    // A shim that somebody has stopped takes its SIGTERM only once it goes on.
    match shim.send(Signal::TERM).and_then(|()| shim.send(Signal::CONT)) {
        Ok(()) | Err(SignalError::Gone) => {}
        Err(why @ (SignalError::Unproven | SignalError::Refused(_))) => return Err(unproven(name, why)),
    }
    if shim.wait_end(grace.saturating_add(SHIM_MARGIN)).map_err(|error| unproven(name, error))? {
        return Ok(());
    }
    Err(survivors(name, &format!("its shim (pid {}) is still at it", process.shim.pid)))
}

fn end_marked(name: &str, generation: Option<&Generation>, known: Option<&Identity>, grace: Duration) -> Result<()> {
    match process::stop_marked(generation, known, grace).map_err(|error| unproven(name, error))? {
        StopOutcome::Ended(_) => Ok(()),
        StopOutcome::Survivors(left) => {
            let pids: Vec<String> = left.iter().map(|identity| identity.pid.to_string()).collect();
            Err(survivors(name, &format!("these processes would not end: {}", pids.join(", "))))
        }
    }
}

fn unproven(name: &str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    let message = format!("cannot tell which processes of service `{name}` are alive, so none was signalled");
    Error { source: Some(source.into()), ..Error::new(Kind::Unforeseen, "stop-unproven", message) }
        .with_hint("run as the user who started it; its record stays")
}

fn survivors(name: &str, why: &str) -> Error {
    Error::new(Kind::Unforeseen, "stop-survivors", format!("service `{name}` is not ended: {why}"))
        .with_hint("its record stays; the next stop or sweep tries again")
}
