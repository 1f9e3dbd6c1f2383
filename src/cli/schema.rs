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

/// Defines [`Which`]: the doc of each is its help, the word beside it names its file in schemas/.
macro_rules! schemas {
    ($($(#[$about:meta])* $which:ident $file:literal)*) => {
        /// What has a schema.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
        enum Which { $($(#[$about])* $which),* }

        impl Which {
            /// The schema's text.
            const fn text(self) -> &'static str {
                match self {
                    $(Self::$which => include_str!(concat!("../../schemas/", $file, ".schema.json"))),*
                }
            }
        }
    };
}

schemas! {
    /// What an agent declares: agents/AGENT/managed-spawn.json
    Sidecar "managed-spawn"
    /// The state file: engine/managed-processes.json
    State "state"
    /// The settings: config.json
    Config "config"
    /// A line of the journal: engine/managed-events.jsonl
    Event "event"
    /// What a command prints that fails, with --format json
    Error "error"
    /// The output of `list`
    List "list"
    /// The output of `show`
    Show "show"
    /// The output of `explain`
    Explain "explain"
    /// The output of `logs`
    Logs "logs"
    /// The output of `context`
    Context "context"
    /// The output of `hint`
    Hint "hint"
    /// The output of `config`
    Settings "settings"
    /// The output of `doctor`
    Doctor "doctor"
    /// The output of `validate`
    Validate "validate"
    /// The output of `accept`
    Accept "accept"
    /// The output of `ensure`
    Ensure "ensure"
    /// The output of `restart`
    Restart "restart"
    /// The output of `renew`
    Renew "renew"
    /// The output of `touch`
    Touch "touch"
    /// The output of `updated`
    Updated "updated"
    /// The output of `stop` and `remove-project`
    Stop "stop"
    /// The output of `holders`
    Holders "holders"
    /// The output of `release`
    Release "release"
    /// The output of `healthcheck`
    Healthcheck "healthcheck"
    /// The output of `sweep`
    Sweep "sweep"
    /// The output of `reconcile`
    Reconcile "reconcile"
    /// The output of `run`
    Run "run"
    /// The output of `events`
    Events "events"
    /// The output of `timeline`
    Timeline "timeline"
    /// The output of `outbox status`
    OutboxStatus "outbox-status"
    /// The output of `outbox drain`
    OutboxDrain "outbox-drain"
    /// The output of `outbox retry`
    OutboxRetry "outbox-retry"
    /// The output of `outbox dead-letters`
    DeadLetters "dead-letters"
    /// The output of `runs`
    Runs "runs"
    /// The output of `runs show`
    RunsShow "runs-show"
    /// The output of `queue`
    Queue "queue"
    /// The output of `queue cancel`
    QueueCancel "queue-cancel"
    /// The output of `man`
    Man "man"
    /// The output of `completions`
    Completions "completions"
    /// What a sink of `outbox` gets of an event
    Cloudevent "cloudevent"
}

/// Prints the schema.
pub(super) fn run(args: &Args, door: &Door) -> Outcome {
    door.ui.bytes(args.which.text())?;
    Ok(End::Done)
}
