//! `accept`: decides sidecars and starts what they declare.

use std::path::PathBuf;

use crate::base::error::{Error, Kind};

use super::Door;
use super::exit::Outcome;

/// Decide agents' sidecars: start the services, wait for their first health, record them
///
/// A sidecar that is decided moves to managed-spawn.accepted.json or .rejected.json. Ends with 0 if every service is
/// healthy, 3 if a sidecar is invalid, 4 if none of its services became healthy, 5 if some did, 7 if a port is in use.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: minions managed accept ripley --project shop --work-item W-42")]
pub(super) struct Args {
    /// Agents whose sidecars to decide
    #[arg(value_name = "AGENT", required_unless_present = "all", conflicts_with = "all")]
    pub(super) agents: Vec<String>,
    /// Decide every agent's sidecar under the root
    #[arg(long)]
    pub(super) all: bool,
    /// Project that the services belong to
    #[arg(long, value_name = "P")]
    pub(super) project: Option<String>,
    /// Work item that the sidecar must be for, if it names one
    #[arg(long, value_name = "W")]
    pub(super) work_item: Option<String>,
    /// Folder in which every working folder must lie
    #[arg(long, value_name = "DIR")]
    pub(super) dispatch_root: Option<PathBuf>,
    /// Key under which the same sidecar is accepted only once
    #[arg(long, value_name = "KEY")]
    pub(super) idempotency_key: Option<String>,
    /// Fail if there is no sidecar
    #[arg(long)]
    pub(super) require: bool,
    /// Return once started, without waiting for health
    #[arg(long)]
    pub(super) no_wait: bool,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// Decides the agents' sidecars.
pub(super) fn run(args: &Args, _door: &Door) -> Outcome {
    let Args {
        agents: _,
        all: _,
        project: _,
        work_item: _,
        dispatch_root: _,
        idempotency_key: _,
        require: _,
        no_wait: _,
        dry_run: _,
    } = args;
    Err(not_built_yet("accept"))
}

/// The answer of a command whose use case is not there yet.
pub(super) fn not_built_yet(command: &str) -> Error {
    Error::new(Kind::Unforeseen, "not-built-yet", format!("`{command}` is not built yet"))
}
