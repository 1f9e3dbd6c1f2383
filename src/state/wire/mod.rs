//! The state file's JSON, both ways. A change here is a change of contract (section 5).
//!
//! Records are read and written in one pass, without a tree of values between (`read`, `write`, `object`).

mod carried;
mod evidence;
mod glimpse;
mod lifecycle;
mod object;
mod parts;
mod read;
mod write;

use serde_json::{Map, Value};

use crate::service::Record;

pub(super) use evidence::{
    AtRestFile, AtRestRecord, ExitFile, LaunchFile, LaunchOrders, LaunchRecord, ServiceFile, ShimFile,
};
pub use glimpse::{Glimpse, OwnText};
pub(super) use read::{Unparsed, document_from_bytes};
pub(super) use write::{document_to_bytes, malformed_to_bytes};

/// A record as it is written: every known key in the order of `Field::ALL`, then the unknown ones.
#[derive(Clone, Copy, Debug)]
pub struct RecordJson<'a>(pub &'a Record);

/// The record as a JSON object, as it stands in the state file.
pub fn record_to_json(record: &Record) -> Map<String, Value> {
    match serde_json::to_value(RecordJson(record)) {
        Ok(Value::Object(map)) => map,
        Ok(_) | Err(_) => unreachable!("a record is written as an object whose keys are strings"),
    }
}

/// Reads one record. The error says which key is wrong and how.
pub fn record_from_json(value: Value) -> Result<Record, String> {
    read::record(value).map_err(|error| error.to_string())
}

/// The keys of a record, each once: reading, writing, schema and tests go by this table. Those after `last_exit` are the
/// lifecycle's, absent where they say nothing.
macro_rules! fields {
    ($($variant:ident $word:literal)*) => {
        /// A key of a record that this version knows.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Field { $($variant),* }

        impl Field {
            /// The key itself.
            const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }

            /// The field of that key.
            fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

fields! {
    Name "name"
    Pid "pid"
    OwnerAgent "owner_agent"
    OwnerWi "owner_wi"
    OwnerProject "owner_project"
    Cmd "cmd"
    Args "args"
    Cwd "cwd"
    Env "env"
    Ports "ports"
    Attrs "attrs"
    Healthcheck "healthcheck"
    StartedAt "started_at"
    TtlExpiresAt "ttl_expires_at"
    LastHealthAt "last_health_at"
    Healthy "healthy"
    Alive "alive"
    LogPath "log_path"
    DeclaredName "declared_name"
    Worktree "worktree"
    Generation "generation"
    SpecHash "spec_hash"
    TtlMinutes "ttl_minutes"
    Status "status"
    RunId "run_id"
    Process "process"
    ResolvedCmd "resolved_cmd"
    PassedEnv "passed_env"
    HealthProof "health_proof"
    Claim "claim"
    Previous "previous"
    LastExit "last_exit"
    DependsOn "depends_on"
    Restart "restart"
    Activation "activation"
    IdleStopS "idle_stop_s"
    Stop "stop"
    FailuresInRow "failures_in_row"
    RecentStarts "recent_starts"
    Restarts "restarts"
    NextAt "next_at"
    UnhealthyInRow "unhealthy_in_row"
    LastUsedAt "last_used_at"
    UpdatedAt "updated_at"
    LastTransition "last_transition"
}
