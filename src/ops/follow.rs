//! The follower: brings the record of one service up to what its shim's files tell, and waits for the first health of what the shim
//! has started. A door of its own, entered before any argument is parsed: the shim starts it and goes on. Whoever kills it
//! loses nothing: the next follower, or the next sweep, reads the same files. Impure: ends with an exit code.

use std::path::Path;
use std::process::ExitCode;

use crate::base::clock::EpochMs;
use crate::base::error::{Error, Kind, Result};
use crate::base::ids::Generation;
use crate::base::root::Root;
use crate::base::steps::{Step, reached};
use crate::config;
use crate::lifecycle::health::{Finding, note};
use crate::lifecycle::transitions::{Input, apply};
use crate::service::{Record, Status};
use crate::state::Document;

use super::chain;
use super::context::Context;
use super::start::first_health::{self, FirstHealth};

/// Its name at the lock.
const VERB: &str = "follow";

/// The life of a follower of the shim that is, or was, in `run_dir`.
pub fn main(run_dir: &Path) -> ExitCode {
    reached(Step::FollowBorn);
    // Nobody hears a follower. What it could not do, the next sweep does and says.
    match follow(run_dir) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn follow(run_dir: &Path) -> Result<()> {
    let no_run_dir = || Error::new(Kind::Usage, "usage", format!("`{}` is no run folder", run_dir.display()));
    let (root, name, generation) = parts(run_dir).ok_or_else(no_run_dir)?;
    // Settings that cannot be read are no reason to leave a record untrue; whoever calls a command is told of them.
    let settings = config::load(&root.config()).map(|loaded| loaded.settings).unwrap_or_default();
    let context = Context { root, settings, env: Vec::new() };
    let noted = note_newest(&context, &name, &generation)?;
    reached(Step::FollowNoted);
    match noted.filter(|record| record.status == Status::Running) {
        Some(record) => await_health(&context, &record),
        None => Ok(()),
    }
}

/// The root, the name and the generation that a run folder tells: `engine/managed-run/NAME/GENERATION`.
fn parts(run_dir: &Path) -> Option<(Root, String, Generation)> {
    let generation = Generation::parse(run_dir.file_name()?.to_str()?)?;
    let named = run_dir.parent()?;
    let name = named.file_name()?.to_str()?.to_owned();
    let root = Root::at(named.ancestors().nth(3)?);
    (root.run_dir(&name, &generation) == run_dir).then_some((root, name, generation))
}

/// Brings the record up, if it is about this shim and nobody else is at it; the record as it is then.
fn note_newest(context: &Context, name: &str, generation: &Generation) -> Result<Option<Record>> {
    let changed = context.store().change(VERB, |document| {
        let there = document.find_mut(name).filter(|there| there.is_kin(Some(generation)))?;
        // Read under the lock: of two that write, the later one knows more.
        *there = chain::observe_newer(&context.root, there, EpochMs::now())?;
        Some(there.clone())
    })?;
    Ok(changed.value)
}

/// Waits for the first health, as whoever starts a service does, and writes down that it came. One that does not come is seen by
/// whoever probes later.
fn await_health(context: &Context, record: &Record) -> Result<()> {
    let Some(process) = &record.process else { return Ok(()) };
    let FirstHealth::Passed { after: _, proof } = first_health::wait(context, record, process) else { return Ok(()) };
    reached(Step::FollowProbed);
    let now = EpochMs::now();
    context.store().change(VERB, |document| {
        let is_it = |there: &&mut Record| {
            there.generation == record.generation && there.status == Status::Running && there.claim.is_none()
        };
        if let Some(there) = document.find_mut(&record.name).filter(is_it)
            && note(there, Finding::Passed(proof), now, context.health_backoff())
        {
            // It runs, so that the move is legal; the words are all that it changes.
            let _legal = apply(there, Input::FirstHealthy, now, "its first probe passed");
        }
    })?;
    Ok(())
}

/// The document, with every record brought up whose follower has not come to it: written down, unless `is_dry_run`. `None`: there
/// is none such.
pub(super) fn caught_up(
    context: &Context,
    document: &Document,
    verb: &str,
    is_dry_run: bool,
) -> Result<Option<Document>> {
    let now = EpochMs::now();
    let newer: Vec<Record> =
        document.records.iter().filter_map(|record| chain::observe_newer(&context.root, record, now)).collect();
    if newer.is_empty() {
        return Ok(None);
    }
    if is_dry_run {
        let mut shown = document.clone();
        newer.into_iter().for_each(|record| shown.put(record));
        return Ok(Some(shown));
    }
    let changed = context.store().change(verb, |fresh| {
        for record in &newer {
            if let Some(there) = fresh.find_mut(&record.name)
                && let Some(newest) = chain::observe_newer(&context.root, there, now)
            {
                *there = newest;
            }
        }
    })?;
    Ok(Some(changed.after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_folder_tells_its_root_and_nothing_else_does() {
        let generation = Generation::new(EpochMs(1_000));
        let root = Root::at("/r");
        let dir = root.run_dir("web", &generation);
        assert_eq!(parts(&dir), Some((root, "web".to_owned(), generation.clone())));
        for odd in [format!("/r/engine/other/web/{generation}"), "/r/engine/managed-run/web".into(), "/".into()] {
            assert_eq!(parts(Path::new(&odd)), None, "{odd}");
        }
    }
}
