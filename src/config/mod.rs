//! The settings: their types and defaults (`settings`), the one table that describes them (`table`), how they are read
//! from `config.json` (`load`). Deliberately not here: what a setting means, which is its user's business.

mod choice;
pub mod docs;
mod load;
mod outbox;
mod settings;
mod sinks;
mod sinks_docs;
pub mod table;
mod wire;

pub use load::{Loaded, Source, from_bytes, load};
pub use outbox::{HeaderValue, Outbox, Sink, Target, Webhook};
pub use settings::{EnvPolicy, ExecutablePathPolicy, HealthcheckHosts, ListenerProof, LogLevel, Settings};
pub use sinks::KINDS as SINK_KINDS;
