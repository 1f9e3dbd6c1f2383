//! What to do with a record that a command left in the middle of its work, before another command works on it: what a
//! sweep would do. Whoever dies here in turn leaves the same record with another maker, so that nothing is lost.

use crate::base::clock::EpochMs;
use crate::base::error::{Error, Kind, Result};
use crate::lifecycle::claim::Turn;
use crate::lifecycle::sweep::Action;

use super::context::Context;
use super::facts;
use super::sweep::{observe, perform};

/// Clears the record `name` for `verb`, if nobody else is at it by then: it is settled as running, or it has no process and no
/// claim, or it is gone. The error says why it can't be: `stop-unproven`, `stop-survivors`.
pub fn clear(context: &Context, name: &str, verb: &str) -> Result<()> {
    let document = context.store().read()?;
    let Some(record) = document.find(name).filter(|record| record.claim.is_some() || record.previous.is_some()) else {
        return Ok(());
    };
    if facts::observe_turn(record) != Turn::Ours {
        return Ok(());
    }
    let mut due = observe::observe(&context.root, std::slice::from_ref(record), EpochMs::now());
    for one in &mut due {
        log::warn!("service `{name}` was left by a command that is gone: {}", one.step.why);
        if matches!(one.step.action, Action::StartAgain(_)) && one.step.change.is_none() {
            // Whoever recovers it has plans of its own.
            one.step.action = Action::Free;
        }
        if one.step.action == Action::Keep {
            let message = format!("service `{name}` was left in the middle of its start or stop, and {}", one.step.why);
            return Err(Error::new(Kind::Unforeseen, "stop-unproven", message)
                .with_hint("run as the user who started it; its record stays"));
        }
    }
    let done = perform::perform(context, due, verb)?;
    done.into_iter().find_map(|done| done.error).map_or(Ok(()), Err)
}
