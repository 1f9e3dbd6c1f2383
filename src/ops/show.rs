//! `show`: one service whole, with the end of its log.

use std::path::Path;

use crate::base::clock::EpochMs;
use crate::base::error::Result;
use crate::base::redact::{DenyPatterns, REDACTED};
use crate::lifecycle::claim::Turn;
use crate::logs;
use crate::service::{EnvVars, ExitRecord, Record};
use crate::state::SetAside;

use super::context::Context;
use super::shown::{self, Seen};
use super::trees::Trees;
use super::{ending, facts, find};

/// Lines of the log that are shown beside the record.
const LOG_LINES: usize = 10;

/// One service.
#[derive(Debug)]
pub struct Service {
    /// What is known of it.
    pub seen: Seen,
    /// The same as compact JSON, with nothing secret in it.
    pub json: String,
    /// Its own environment, the values of denied keys hidden.
    pub env: EnvVars,
    /// How it ended, if it did and anybody saw it, be that in the record yet or not.
    pub exit: Option<ExitRecord>,
    /// Who is at it, or was in the middle of it and died.
    pub work: Option<Work>,
    /// The last lines of its log, user info in URLs hidden; empty if there is none.
    pub log_tail: Vec<String>,
    /// What had to be put aside; must be said (exit 9).
    pub set_aside: Option<SetAside>,
}

/// What a command does, or did, with a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// What: `stop`, `renew` …
    pub verb: String,
    /// That command's pid.
    pub pid: u32,
    /// Since when.
    pub since: EpochMs,
    /// Whether it is still at it; else the next command that meets the record takes over.
    pub is_under_way: bool,
}

/// The living processes of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// Without its shim; sorted.
    pub pids: Vec<u32>,
    /// What they have in main memory together; `None`: not to be seen.
    pub memory_bytes: Option<u64>,
}

impl Service {
    /// Looks for the service's processes, also for those whose shim is gone. `None` if the process table cannot be seen. Takes
    /// longer than all the rest.
    pub fn observe_tree(&self) -> Option<Tree> {
        let trees = Trees::observe_with_marks().ok()?;
        let record = &self.seen.record;
        Some(Tree { pids: trees.members(record), memory_bytes: trees.memory(record) })
    }
}

/// Shows the service of that name; `no-such-service` (exit 6) if there is none.
pub fn run(context: &Context, name: &str) -> Result<Service> {
    let reading = context.store().read_or_recover("show")?;
    let seen = shown::observe(&context.root, find::find(&reading.document, name)?.clone());
    let deny = DenyPatterns::new(&context.settings.env_key_deny_patterns);
    let json = shown::json(&seen, &deny);
    let log_tail = logs::last_lines(Path::new(&seen.record.log_path), LOG_LINES).unwrap_or_default();
    let secrets = shown::secrets(&seen.record, &context.settings.env_key_deny_patterns);
    let log_tail = log_tail.iter().map(|line| secrets.hide(line)).collect();
    let shown = |key: &str, value: &str| if deny.is_match(key) { REDACTED.to_owned() } else { value.to_owned() };
    let record = &seen.record;
    let env = record.spec.env.iter().map(|(key, value)| (key.clone(), shown(key, value))).collect();
    let written = record.generation.as_ref().and_then(|generation| ending::read_exit(&context.root, name, generation));
    let (exit, work) = (record.last_exit.or(written), work(record));
    Ok(Service { seen, json, env, exit, work, log_tail, set_aside: reading.set_aside })
}

fn work(record: &Record) -> Option<Work> {
    let claim = record.claim.as_ref()?;
    let is_under_way = facts::observe_turn(record) != Turn::Ours;
    Some(Work { verb: claim.verb.clone(), pid: claim.maker.pid, since: claim.at, is_under_way })
}
