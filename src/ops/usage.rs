//! Whether services are in use: by connections to their ports, which are looked at once for all, and by what was written down.

use std::cell::OnceCell;

use crate::lifecycle::due::{Use, last_use};
use crate::process;
use crate::service::Record;

/// One look at the connections of this machine, had when it is first needed.
#[derive(Debug, Default)]
pub(super) struct Usage {
    /// Ports that somebody is connected to; `None`: it cannot be told.
    connected: OnceCell<Option<Vec<u16>>>,
}

impl Usage {
    /// When `record` was used last. One that declares no port is used by `ensure` and `touch` alone.
    pub(super) fn observe(&self, record: &Record) -> Use {
        let written = last_use(record).map_or(Use::Unknown, Use::Last);
        if record.spec.ports.is_empty() {
            return written;
        }
        let connected = self.connected.get_or_init(|| {
            let observed = process::observe_connected_ports();
            observed.inspect_err(|error| log::info!("it cannot be told which services are in use: {error}")).ok()
        });
        match connected {
            None => Use::Unknown,
            Some(ports) if record.spec.ports.iter().any(|port| ports.binary_search(port).is_ok()) => Use::Now,
            Some(_) => written,
        }
    }
}
