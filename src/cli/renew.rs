//! `renew`: a new time to live.

use crate::{ops, view};

use super::Door;
use super::exit::Outcome;

/// Give a running service a new time to live, from now
///
/// What it declared stays: a restart gives that in full again. A service that does not run has nothing to renew (exit 7).
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: minions managed renew web --ttl 60")]
pub(super) struct Args {
    /// The service's name
    #[arg(value_name = "NAME")]
    name: String,
    /// Minutes from now, at most maxTtlMinutes [default: what the service declared]
    #[arg(long, value_name = "M")]
    ttl: Option<u64>,
}

/// Renews the service.
pub(super) fn run(args: &Args, door: &Door) -> Outcome {
    let renewed = ops::renew::run(&door.context()?, &args.name, args.ttl)?;
    door.ui.data(if door.ui.is_json() { view::renew::json(&renewed) } else { view::renew::text(&renewed) })?;
    Ok(door.end(None, renewed.set_aside.as_ref()))
}
