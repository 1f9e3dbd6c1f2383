//! The settings: one table (`settings`), how it is read from `config.json` (`load`).

mod settings;

pub use settings::{EnvPolicy, ExecutablePathPolicy, HealthcheckHosts, ListenerProof, Settings};
