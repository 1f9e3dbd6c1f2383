//! Delivers events to the sinks of the settings: a pass over one sink (`pass`), one over all of them (`drain`), and threads that
//! go on until they are told to end (`worker`), for the loop.
//!
//! Whoever delivers to a sink has its lock for as long as it does, so that two deliverers never interleave; the lock ends with its
//! holder. What a killed deliverer had sent and not noted is sent once more, under the same id.

mod pass;
mod source;
mod worker;

pub use pass::{End, Pass, SinkReport};
pub use source::Events;
pub use worker::Deliverer;

use crate::base::error::{Error, Kind, Result};
use crate::base::nearest::nearest;
use crate::base::parts::map_parts;
use crate::config::Sink;

use super::context::Context;

/// The name of this verb at locks.
pub const VERB: &str = "deliver";

/// Delivers what waits for the sinks of these names, all if there are none: side by side, each until nothing waits or an event is
/// refused. It heeds no wait that another deliverer is in. Errors: `no-such-sink` (exit 6).
pub fn drain(context: &Context, names: &[String]) -> Result<Vec<SinkReport>> {
    let sinks = chosen(context, names)?;
    Ok(map_parts(sinks, |sink| {
        let events = Events::of(context);
        Pass { context, sink, source: &events, is_asked_to_end: &|| false }.run()
    }))
}

/// The sinks of these names, in their order; all if there are none.
pub fn chosen<'a>(context: &'a Context, names: &[String]) -> Result<Vec<&'a Sink>> {
    let sinks = &context.settings.outbox.sinks;
    if names.is_empty() {
        return Ok(sinks.iter().collect());
    }
    names.iter().map(|name| sinks.iter().find(|sink| sink.name == *name).ok_or_else(|| unknown(name, sinks))).collect()
}

fn unknown(name: &str, sinks: &[Sink]) -> Error {
    let hint = match nearest(name, sinks.iter().map(|sink| sink.name.as_str())) {
        Some(near) => format!("nearest: `{near}`"),
        None if sinks.is_empty() => "there are none: they are declared in config.json, see docs/delivery.md".to_owned(),
        None => "every sink: minions managed outbox status".to_owned(),
    };
    Error::new(Kind::NotFound, "no-such-sink", format!("there is no sink `{}`", name.escape_debug())).with_hint(hint)
}
