//! `schema`: prints the JSON Schemas that are committed in schemas/.

use clap::ValueEnum;

use crate::base::error::{Error, Kind};

use super::Door;
use super::exit::{End, Outcome};

/// Print a JSON Schema (draft 2020-12)
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: minions managed schema sidecar > managed-spawn.schema.json")]
pub(super) struct Args {
    /// Which file it describes
    #[arg(value_enum, default_value_t = Which::Sidecar, value_name = "WHICH")]
    which: Which,
}

/// The files that have a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Which {
    /// What an agent declares: agents/AGENT/managed-spawn.json
    Sidecar,
    /// The state file: engine/managed-processes.json
    State,
    /// The settings: config.json
    Config,
    /// A line of the journal: engine/managed-events.jsonl
    Event,
}

impl Which {
    /// The schema's text; `None` if this version has none.
    const fn text(self) -> Option<&'static str> {
        match self {
            Self::Config => Some(include_str!("../../schemas/config.schema.json")),
            Self::State => Some(include_str!("../../schemas/state.schema.json")),
            Self::Sidecar => Some(include_str!("../../schemas/managed-spawn.schema.json")),
            Self::Event => None,
        }
    }
}

/// Prints the schema.
pub(super) fn run(args: &Args, door: &Door) -> Outcome {
    let text = args.which.text().ok_or_else(|| {
        let name = args.which.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        Error::new(Kind::NotFound, "schema-missing", format!("this version has no schema of `{name}`"))
            .with_hint("it has: sidecar, state, config")
    })?;
    door.ui.bytes(text)?;
    Ok(End::Done)
}
