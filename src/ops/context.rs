//! What every use case is handed: where everything lives, the settings in force, and the caller's environment.

use std::sync::Arc;
use std::time::Duration;

use crate::base::root::Root;
use crate::config::Settings;
use crate::journal::{Bounds, Log};
use crate::process;
use crate::service::EnvVars;
use crate::state::Store;

use super::telling::Teller;

/// The surroundings of one command.
#[derive(Clone, Debug)]
pub struct Context {
    /// Where everything lives.
    pub root: Root,
    /// The settings in force.
    pub settings: Settings,
    /// The caller's own environment; what is no UTF-8 is left out.
    pub env: EnvVars,
}

impl Context {
    /// Access to the state file.
    pub fn store(&self) -> Store {
        Store::new(&self.root, self.lock_timeout())
            .judging_by(process::observe_liveness)
            .telling(Arc::new(Teller::new(self.journal())))
    }

    /// How long the lock is waited for.
    pub fn lock_timeout(&self) -> Duration {
        seconds(self.settings.lock_timeout_sec)
    }

    /// The journal, to be read; what writes it is the store.
    pub fn journal(&self) -> Log {
        let segments_max = usize::try_from(self.settings.journal_segments_max).unwrap_or(usize::MAX);
        Log::new(&self.root, Bounds { segment_bytes: self.settings.journal_segment_bytes, segments_max })
    }

    /// The caller's PATH; empty when there is none.
    pub fn path(&self) -> &str {
        self.env.iter().find(|(key, _)| key == "PATH").map_or("", |(_, value)| value)
    }

    /// What services inherit beside their own environment: passEnvKeys as the caller has them.
    pub fn passed_env(&self) -> EnvVars {
        self.env.iter().filter(|(key, _)| self.settings.pass_env_keys.contains(key)).cloned().collect()
    }

    /// The time between SIGTERM and SIGKILL.
    pub fn stop_grace(&self) -> Duration {
        seconds(self.settings.stop_grace_sec)
    }

    /// How long a health pass counts as news.
    pub fn health_backoff(&self) -> Duration {
        seconds(self.settings.health_backoff_sec)
    }
}

/// A setting in seconds as a duration. Settings are finite and not negative (config/table).
fn seconds(value: f64) -> Duration {
    Duration::try_from_secs_f64(value).unwrap_or(Duration::MAX)
}
