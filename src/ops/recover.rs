//! What to do with a record that a command left in the middle of its work: take the claim over, end whatever may live of
//! it, and remove it. Whoever dies here in turn leaves the same record with another maker, so that nothing is lost.

use crate::base::clock::EpochMs;
use crate::base::error::{Error, Result};
use crate::lifecycle::claim::Turn;
use crate::process;
use crate::service::{Claim, Identity, Record, Status};

use super::context::Context;
use super::{ending, facts};

/// Clears the record `name` for `verb`, if nobody else is at it by then.
pub fn clear(context: &Context, name: &str, verb: &str) -> Result<()> {
    let maker = process::own_identity().map_err(|error| Error::io("cannot look at this very process", error))?;
    let Some(record) = take_over(context, name, verb, &maker)? else { return Ok(()) };
    log::warn!("service `{name}` was left in the middle of its start or stop: what lives of it is ended");
    ending::end_both(&context.root, &record, context.stop_grace())?;
    context.store().change(verb, |document| {
        let is_ours = document
            .find(name)
            .and_then(|there| there.claim.as_ref())
            .is_some_and(|claim| claim.maker == maker && claim.verb == verb);
        if is_ours {
            document.remove(name);
        }
    })?;
    record.generation.iter().for_each(|generation| ending::forget(&context.root, name, generation));
    Ok(())
}

/// Marks the record as ours to clear, and returns it as it was; `None` if there is nothing to clear any more.
fn take_over(context: &Context, name: &str, verb: &str, maker: &Identity) -> Result<Option<Record>> {
    let changed = context.store().change(verb, |document| {
        let record = document.find_mut(name)?;
        let is_abandoned = record.claim.is_some() || record.previous.is_some();
        if !is_abandoned || facts::observe_turn(record) != Turn::Ours {
            return None;
        }
        let before = record.clone();
        record.status = Status::Stopping;
        record.claim = Some(Claim { maker: maker.clone(), verb: verb.to_owned(), at: EpochMs::now() });
        Some(before)
    })?;
    Ok(changed.value)
}
