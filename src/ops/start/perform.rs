//! Performing one claimed start: the shim gets its orders, the old generation ends, the shim gets its word.

use std::path::Path;

use crate::base::clock::EpochMs;
use crate::base::error::Error;
use crate::base::files;
use crate::base::ids::Generation;
use crate::base::steps::{Step, reached};
use crate::logs;
use crate::process::{MINIONS_GENERATION, MINIONS_NAME, ShimStart};
use crate::service::{EnvVars, ExitRecord, Process, Record};
use crate::state::{self, Launch};

use super::super::ending;
use super::{Start, Starter};

/// What came of a start.
pub(super) enum Performed {
    /// The service runs.
    Started {
        /// Who it and its shim are.
        process: Process,
        /// When it was spawned.
        at: EpochMs,
        /// The position at which its log ended before it wrote anything.
        log_from: u64,
    },
    /// It could not be started; nothing of the new generation lives.
    Refused(String),
    /// It could not be started, and what came of it in the meantime would not end.
    NewLives(Error),
    /// The new generation could not get its orders, so that the old one was left as it is.
    Spared {
        /// The record of the old one.
        old: Box<Record>,
        /// Why not.
        why: Error,
    },
    /// The generation to be replaced would not end, so nothing was started.
    OldLives(Error),
    /// What it waits for is not up, so that nothing was done, and an old generation was left as it is.
    Blocked {
        /// The record of the old one, if there is one.
        old: Option<Box<Record>>,
        /// The declared name of what it waits for.
        needed: String,
    },
}

/// Performs nothing of `start`, since `needed` is not up.
pub(super) fn refrain(start: Start, needed: String) -> Performed {
    // It has had no word, so it goes by itself even if waiting for it fails.
    drop(start.shim.dismiss());
    Performed::Blocked { old: start.old.map(Box::new), needed }
}

/// Performs `start`, whose shim is used up by it.
pub(super) fn perform(starter: &Starter<'_>, start: Start) -> Performed {
    let Start { record, generation, old, shim, blocked_by: _, awaits: _ } = start;
    let shim_identity = shim.identity().clone();
    // All that needs room on the disk comes before the end of what runs.
    if let Err(error) = order(starter, &record, &generation) {
        // It has had no word, so it goes by itself even if waiting for it fails.
        drop(shim.dismiss());
        return match old {
            Some(old) => Performed::Spared { old: Box::new(old), why: error },
            None => Performed::Refused(error.chain()),
        };
    }
    if let Some(old) = &old
        && let Err(error) = end_old(starter, old)
    {
        drop(shim.dismiss());
        return Performed::OldLives(error);
    }
    // A log that cannot be read has no tail either.
    let log_from = logs::end(Path::new(&record.log_path)).unwrap_or(0);
    match shim.go() {
        Ok(ShimStart::Started { service }) => {
            reached(Step::StartStarted);
            let process = Process { service, shim: shim_identity };
            Performed::Started { process, at: EpochMs::now(), log_from }
        }
        Ok(ShimStart::Refused(why)) => Performed::Refused(why),
        // It may have started the service before it died, and that may have left its parent: the mark finds it.
        Err(error) => match ending::end(&starter.context.root, &record, starter.context.stop_grace()) {
            Ok(_) => Performed::Refused(format!("the shim failed: {error}")),
            Err(left) => Performed::NewLives(left),
        },
    }
}

fn end_old(starter: &Starter<'_>, old: &Record) -> Result<(), Error> {
    let root = &starter.context.root;
    ending::end(root, old, starter.context.stop_grace())?;
    if let Some(generation) = &old.generation {
        ending::forget(root, &old.name, generation);
    }
    reached(Step::StartOldEnded);
    Ok(())
}

/// Writes the shim's orders, with the record beside them, before it has its word: from then on the service can be found.
/// What the shim will have to write gets its room, and its log is known to take output.
fn order(starter: &Starter<'_>, record: &Record, generation: &Generation) -> Result<(), Error> {
    let log_path = Path::new(&record.log_path);
    if let Some(dir) = log_path.parent() {
        files::create_dir(dir).map_err(|error| Error::io(format!("cannot make `{}`", dir.display()), error))?;
    }
    files::open_append(log_path)
        .map_err(|error| Error::io(format!("the log `{}` cannot be opened", record.log_path), error))?;
    let stop = record.spec.lifecycle.stop;
    let grace = stop.grace(starter.context.stop_grace());
    let launch = Launch {
        name: record.name.clone(),
        generation: generation.clone(),
        program: record.resolved_cmd.clone(),
        args: record.spec.args.clone(),
        cwd: record.spec.cwd.clone(),
        env: environment(record),
        log_path: record.log_path.clone(),
        ttl_expires_at: record.ttl_expires_at,
        grace_ms: u64::try_from(grace.as_millis()).unwrap_or(u64::MAX),
        stop_signal: stop.signal(),
        restart: record.spec.lifecycle.restart.clone(),
        progress: record.progress.clone(),
    };
    let run_dir = starter.context.root.run_dir(&record.name, generation);
    state::write_launch(&run_dir, &launch, record)?;
    state::write_reserves(&run_dir)?;
    reached(Step::StartOrdered);
    Ok(())
}

/// The service's whole environment: what is passed on, overridden by its own, and its marks.
pub(in crate::ops) fn environment(record: &Record) -> EnvVars {
    let marks = [
        (MINIONS_NAME.to_owned(), record.name.clone()),
        (MINIONS_GENERATION.to_owned(), record.generation.as_ref().map(ToString::to_string).unwrap_or_default()),
    ];
    let mut env: EnvVars = Vec::new();
    for (key, value) in record.passed_env.iter().chain(&record.spec.env).chain(&marks) {
        match env.iter_mut().find(|(known, _)| known == key) {
            Some(there) => there.1.clone_from(value),
            None => env.push((key.clone(), value.clone())),
        }
    }
    env
}

/// Undoes a start: ends whatever lives of the generation. Used when the claim no longer stands, and when the service is
/// not healthy.
pub(super) fn undo(starter: &Starter<'_>, record: &Record) -> Result<Option<ExitRecord>, Error> {
    let root = &starter.context.root;
    let exit = ending::end(root, record, starter.context.stop_grace())?;
    if let Some(generation) = &record.generation {
        ending::forget(root, &record.name, generation);
    }
    reached(Step::StartUndone);
    Ok(exit)
}
