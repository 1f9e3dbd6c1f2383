//! What a command that is dead, or late, has left at an agent's lease: a decided sidecar that is not in its place is brought there;
//! what was not decided is open for whoever has the lease now.

use crate::base::clock::EpochMs;
use crate::base::error::Result;
use crate::base::redact;
use crate::runs::{Outcome, Place, Run, RunStatus};
use crate::service::{Draft, EventType};
use crate::state::Document;

use super::text::Text;
use super::{Desk, Held, aside};

/// What was left.
#[derive(Debug, Default)]
pub(in crate::ops) struct Left {
    /// A run that had ended, whose sidecar is in its place only now.
    pub(in crate::ops) finished: Option<Run>,
    /// A run that nobody has decided.
    pub(in crate::ops) open: Option<Run>,
}

impl Desk<'_> {
    /// Finishes what can be finished. Whoever dies in here leaves the same to the next.
    pub(in crate::ops) fn settle_left(&self, held: &Held) -> Result<Left> {
        let (root, agent) = (&self.context.root, &held.agent);
        let mut left = Left::default();
        for aside::Abandoned { path, run_id } in aside::abandoned(root, agent)? {
            let run = run_id.map(|id| self.runs.find_readable(&id)).transpose()?.flatten();
            let text = Text::read(&path)?;
            match run.zip(text).and_then(|(run, text)| Some((run.place_of(&text.mark)?, run))) {
                Some((place, run)) => {
                    self.tell(&run)?;
                    aside::finish(root, agent, &path, place)?;
                    left.finished = Some(run);
                }
                None => {
                    log::warn!("`{}` was left by a command that is gone: it is put back", path.display());
                    aside::give_back(root, agent, &path)?;
                }
            }
        }
        let Some(run) = self.runs.find_readable(&held.run_id)?.filter(|_| held.is_found) else { return Ok(left) };
        if !run.status.is_ended() {
            return Ok(Left { open: Some(run), ..left });
        }
        let text = self.read(held)?;
        let place = text.as_ref().and_then(|text| run.place_of(&text.mark));
        if let (Some(text), Some(place)) = (text, place) {
            self.tell(&run)?;
            self.move_aside(held, &text.bytes, place)?;
            left.finished = Some(run);
        }
        Ok(left)
    }

    /// Writes the event of a run whose maker may have died before it could.
    pub(in crate::ops) fn tell(&self, run: &Run) -> Result<()> {
        let Some(draft) = told_of(run) else { return Ok(()) };
        if !self.has_told(&run.id, draft.kind) {
            self.context.store().change(self.verb, |document: &mut Document| document.tell(draft))?;
        }
        Ok(())
    }

    /// Whether there is an event of that kind of that run. Reads the journal: for the rare cases in which somebody has died.
    pub(in crate::ops) fn has_told(&self, run_id: &str, kind: EventType) -> bool {
        let mark = format!("\"type\":\"{}\"", kind.word());
        let events = super::super::events::of_run(self.context, run_id);
        events.is_ok_and(|found| found.items.iter().any(|event| event.contains(&mark)))
    }
}

/// The event of a run that has ended with its sidecar refused or called off: no record tells of it. `None`: there is none to tell.
pub(in crate::ops) fn told_of(run: &Run) -> Option<Draft> {
    let kind = match (run.status, run.place()?) {
        (RunStatus::Cancelled, Place::Rejected) => EventType::SidecarCancelled,
        (_, Place::Rejected) => EventType::SidecarRejected,
        (_, Place::Accepted) => return None,
    };
    debug_assert_eq!(run.outcome, Some(Outcome::Rejected), "that is what leads there");
    let draft = Draft::new(kind, EpochMs::now());
    let (project, agent) = (run.project.clone(), run.agent.clone());
    let draft = Draft { project, agent, run_id: run.id.clone(), ..draft };
    Some(draft.with("reason", redact::urls(run.failure_message.as_deref().unwrap_or_default())))
}
