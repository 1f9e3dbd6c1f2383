//! `schema`: prints the JSON Schemas that are committed in schemas/.

use clap::ValueEnum;

use super::Door;
use super::exit::{End, Outcome};

/// Print a JSON Schema (draft 2020-12)
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: minions managed schema sidecar > managed-spawn.schema.json")]
pub(super) struct Args {
    /// Which file or output it describes
    #[arg(value_enum, default_value_t = Which::Sidecar, value_name = "WHICH")]
    which: Which,
}

/// What has a schema.
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
    /// The output of `events`
    Events,
    /// The output of `timeline`
    Timeline,
    /// The output of `outbox status`
    OutboxStatus,
    /// The output of `outbox drain`
    OutboxDrain,
    /// The output of `outbox retry`
    OutboxRetry,
    /// The output of `outbox dead-letters`
    DeadLetters,
    /// The output of `runs`
    Runs,
    /// The output of `runs show`
    Run,
    /// The output of `queue`
    Queue,
    /// What a sink of `outbox` gets of an event
    Cloudevent,
}

impl Which {
    /// The schema's text.
    const fn text(self) -> &'static str {
        match self {
            Self::Config => include_str!("../../schemas/config.schema.json"),
            Self::State => include_str!("../../schemas/state.schema.json"),
            Self::Sidecar => include_str!("../../schemas/managed-spawn.schema.json"),
            Self::Event => include_str!("../../schemas/event.schema.json"),
            Self::Events => include_str!("../../schemas/events.schema.json"),
            Self::Timeline => include_str!("../../schemas/timeline.schema.json"),
            Self::OutboxStatus => include_str!("../../schemas/outbox-status.schema.json"),
            Self::OutboxDrain => include_str!("../../schemas/outbox-drain.schema.json"),
            Self::OutboxRetry => include_str!("../../schemas/outbox-retry.schema.json"),
            Self::DeadLetters => include_str!("../../schemas/dead-letters.schema.json"),
            Self::Runs => include_str!("../../schemas/runs.schema.json"),
            Self::Run => include_str!("../../schemas/run.schema.json"),
            Self::Queue => include_str!("../../schemas/queue.schema.json"),
            Self::Cloudevent => include_str!("../../schemas/cloudevent.schema.json"),
        }
    }
}

/// Prints the schema.
pub(super) fn run(args: &Args, door: &Door) -> Outcome {
    door.ui.bytes(args.which.text())?;
    Ok(End::Done)
}
