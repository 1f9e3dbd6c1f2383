//! Services without a process that were lost with the state file: of each a copy of its record is left, from which it comes back;
//! and records that have no such copy yet.

use crate::base::clock::EpochMs;
use crate::base::error::Result;
use crate::base::root::Root;
use crate::lifecycle::orphan::{Action, decide_at_rest};
use crate::service::Record;
use crate::state::{self, Document};

use super::super::context::Context;
use super::orphans::in_the_way;
use super::report::Orphan;

/// One that was found, with what is due for it.
#[derive(Debug)]
pub(super) struct Lost {
    name: String,
    record: Option<Record>,
    action: Action,
    why: String,
}

/// What is due for each of `names`: of these there is a copy, and `document` has no record.
pub(super) fn observe(root: &Root, document: &Document, names: Vec<String>, now: EpochMs) -> Vec<Lost> {
    let look = |name: String| {
        let (record, why) = match state::read_at_rest(root, &name) {
            // Whoever it was of has been ended meanwhile.
            Ok(None) => return None,
            Ok(Some(record)) => (Some(record), String::new()),
            Err(error) => (None, error.to_string()),
        };
        let obstacle = record.as_ref().and_then(|record| in_the_way(document, record, now));
        let (action, why) = decide_at_rest(record.as_ref().map(|record| record.status).ok_or(why.as_str()), obstacle);
        Some(Lost { name, record, action, why })
    };
    names.into_iter().filter_map(look).collect()
}

/// Does what is due, in one change, where it is still so by then; what came of each, in their order.
pub(super) fn perform(context: &Context, lost: Vec<Lost>) -> Result<Vec<Orphan>> {
    if lost.iter().all(|one| one.action == Action::Keep) {
        return Ok(lost.into_iter().map(Lost::planned).collect());
    }
    let changed = context.store().change(super::VERB, |document| {
        let mut is_done = |one: &Lost| {
            let Some(record) = &one.record else { return false };
            // Under the lock nobody writes or removes a copy: one that has gone meanwhile was somebody's to end.
            let is_there = context.root.at_rest(&one.name).exists() && document.find(&one.name).is_none();
            match one.action {
                Action::Adopt if is_there && in_the_way(document, record, EpochMs::now()).is_none() => {
                    document.put(record.clone());
                    true
                }
                Action::Forget if is_there => state::forget_at_rest(&context.root, &one.name).is_ok(),
                Action::Adopt | Action::Forget | Action::Keep | Action::Stop => false,
            }
        };
        lost.iter().map(&mut is_done).collect::<Vec<_>>()
    })?;
    let tell = |(one, is_done): (Lost, bool)| Orphan { is_overtaken: !is_done, ..one.planned() };
    Ok(lost.into_iter().zip(changed.value).map(tell).collect())
}

/// Writes the copies that the records of `document` lack, as those of a predecessor's state file do. That one cannot be written is
/// no failure of a sweep: the state has the record.
pub(super) fn make_up(context: &Context, document: &Document) {
    if !state::lacking(&context.root, &document.records).is_empty()
        && let Err(error) = context.store().make_up_copies(super::VERB)
    {
        log::warn!("records without a process have no copy: {error}");
    }
}

impl Lost {
    /// Nothing has been done for it yet.
    pub(super) fn planned(self) -> Orphan {
        let generation = self.record.and_then(|record| record.generation).map(|own| own.to_string());
        Orphan {
            name: self.name,
            generation: generation.unwrap_or_default(),
            action: self.action,
            why: self.why,
            pid: None,
            was_alive: false,
            is_overtaken: false,
            error: None,
        }
    }
}
