//! `release`: stops what lives in a folder, and looks again until nothing of ours is there.

use std::path::{Path, PathBuf};

use crate::base::error::{Error, Kind, Result};
use crate::base::ids::Generation;
use crate::base::steps::{Step, reached};
use crate::process::{self, Manners, Remains, StopOutcome};
use crate::service::StopSignal;
use crate::state::{self, SetAside};

use super::context::Context;
use super::ending::{self, Target};
use super::holders::{self, Stranger};
use super::stop::{self, Choice, Stopped};

/// The name of this verb in claims.
const VERB: &str = "release";
/// So often it is looked and stopped: each further round needs a service that was started there meanwhile.
const ROUNDS_MAX: usize = 10;

/// What came of it.
#[derive(Debug)]
pub struct Report {
    /// The folder, links resolved as far as they are there.
    pub dir: PathBuf,
    /// Whether there is such a folder.
    pub is_there: bool,
    /// What was stopped, or would not be.
    pub items: Vec<Stopped>,
    /// Nothing of ours is left there: looked for after the last stop.
    pub is_released: bool,
    /// Processes of others that work there, which were not touched; at most ten.
    pub strangers: Vec<Stranger>,
    /// Something unreadable in the state file was put aside.
    pub set_aside: Option<SetAside>,
}

/// Stops every service that lives in or below `dir`, side by side, and looks again. What could not be stopped keeps its
/// record and is told in the report. Errors: exit 7, if another command is at one of them; `still-held` (exit 7), if services
/// were started there again and again; those of `holders`.
pub fn run(context: &Context, dir: &Path) -> Result<Report> {
    let mut items: Vec<Stopped> = Vec::new();
    let mut set_aside = None;
    // Of what was stopped here, a process might go by its mark alone.
    let mut ours: Vec<Generation> = Vec::new();
    for _ in 0..ROUNDS_MAX {
        let seen = holders::look(context, dir, VERB)?;
        reached(Step::ReleaseLooked);
        set_aside = seen.set_aside.or(set_aside);
        let is_ended = end_unrecorded(context, &seen.unrecorded, &ours)?;
        let has_failed = items.iter().any(|item| item.error.is_some());
        if seen.items.is_empty() && is_ended || has_failed {
            let is_released = !has_failed;
            let (dir, is_there, strangers) = (seen.dir, seen.is_there, seen.strangers);
            return Ok(Report { dir, is_there, items, is_released, strangers, set_aside });
        }
        let lives: Vec<(String, Option<Generation>)> =
            seen.items.into_iter().map(|holder| (holder.name, holder.generation)).collect();
        ours.extend(lives.iter().filter_map(|life| life.1.clone()));
        let stopped = stop::end_chosen(context, VERB, Choice::Lives(&lives), |_| Ok(()))
            .map_err(|error| if items.is_empty() { error } else { after_some(error) })?;
        set_aside = stopped.set_aside.or(set_aside);
        items.extend(stopped.items);
    }
    let message = format!("services are started in `{}` again and again while they are stopped", dir.display());
    Err(Error::new(Kind::Conflict, "still-held", message).with_hint("end what starts them, then try again"))
}

/// The error of a later round: what others hint would not be true.
fn after_some(error: Error) -> Error {
    error.with_hint("the services that lived there before are stopped already; try again")
}

/// Ends processes in the folder that are in no record's generation but certainly ours: of one that was stopped here, or whose
/// shim left its files under this root. Says whether there was none.
fn end_unrecorded(context: &Context, unrecorded: &[(Generation, Vec<u32>)], ours: &[Generation]) -> Result<bool> {
    if unrecorded.is_empty() {
        return Ok(true);
    }
    let left_files = state::observe_left(&context.root, |_| state::Known::Other)?.generations;
    let mut was_none = true;
    for (generation, pids) in unrecorded {
        let left = left_files.iter().find(|(_, left)| left.is_kin(generation));
        if left.is_none() && !ours.iter().any(|one| one.is_kin(generation)) {
            continue;
        }
        was_none = false;
        log::warn!("generation {generation} is in no record and lives: pids {pids:?} are ended");
        if let Some((name, left)) = left {
            // Its shim may live, and would start it again.
            ending::end_target(&context.root, &Target::of_generation(&context.root, name, left), context.stop_grace())?;
            continue;
        }
        let manners = Manners { signal: StopSignal::default(), grace: context.stop_grace() };
        let outcome = process::stop_marked(Remains { generation: Some(generation), known: None, group: None }, manners)
            .map_err(|error| Error::io(format!("cannot end what is left of generation {generation}"), error))?;
        if let StopOutcome::Survivors(left) = outcome {
            let pids: Vec<String> = left.iter().map(|identity| identity.pid.to_string()).collect();
            let message = format!("processes of a service without a record would not end: {}", pids.join(", "));
            return Err(Error::new(Kind::Unforeseen, "stop-survivors", message)
                .with_hint("the next release or sweep tries again"));
        }
    }
    Ok(was_none)
}
