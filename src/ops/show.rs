//! `show`: one service whole, with the end of its log.

use std::path::Path;

use crate::base::error::Result;
use crate::base::redact::{self, DenyPatterns};
use crate::logs;
use crate::state::SetAside;

use super::context::Context;
use super::find;
use super::shown::{self, Seen};

/// Lines of the log that are shown beside the record.
const LOG_LINES: usize = 10;

/// One service.
#[derive(Debug)]
pub struct Service {
    /// What is known of it.
    pub seen: Seen,
    /// The same as compact JSON, with nothing secret in it.
    pub json: String,
    /// The last lines of its log, user info in URLs hidden; empty if there is none.
    pub log_tail: Vec<String>,
    /// What had to be put aside; must be said (exit 9).
    pub set_aside: Option<SetAside>,
}

/// Shows the service of that name; `no-such-service` (exit 6) if there is none.
pub fn run(context: &Context, name: &str) -> Result<Service> {
    let reading = context.store().read_or_recover("show")?;
    let seen = shown::observe(find::find(&reading.document, name)?.clone());
    let deny = DenyPatterns::new(&context.settings.env_key_deny_patterns);
    let json = shown::json(&seen, &deny);
    let log_tail = logs::last_lines(Path::new(&seen.record.log_path), LOG_LINES).unwrap_or_default();
    let log_tail = log_tail.iter().map(|line| redact::urls(line)).collect();
    Ok(Service { seen, json, log_tail, set_aside: reading.set_aside })
}
