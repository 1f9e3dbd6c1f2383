//! What a service is: the wish (`spec`, `policy`), what we know (`record`, `progress`), one life (`life`), whose it is (`scope`), who it is
//! to the system (`identity`), what happened to it (`event`). Plain data and pure functions; no files, no processes, no JSON.

mod event;
mod event_wire;
mod expect;
mod graph;
mod identity;
mod life;
pub mod limits;
mod policy;
mod progress;
mod record;
mod scope;
mod spec;
mod wire;

pub use event::{Draft, Event, EventType};
pub use event_wire::{event_from_json, event_to_json, event_to_text};
pub use expect::{check_expect_regex, expect_regex};
pub use graph::Graph;
pub use identity::{Identity, Liveness};
pub use life::{Exit, ExitCause, ExitRecord, Proof, Status};
pub use policy::{
    Activation, FAILURE_THRESHOLD, Lifecycle, OnUnhealthy, RestartMode, RestartPolicy, StopPolicy, StopSignal,
};
pub use progress::{Progress, Transition};
pub use record::{Claim, Owner, Previous, Process, Record};
pub use scope::{Scope, record_name};
pub use spec::{Attrs, EnvVars, Healthcheck, Probe, Spec, is_kebab_case};
pub use wire::{
    healthcheck_json, identity_from_json, identity_json, lifecycle_json, restart_json, spec_hash, spec_json,
};
