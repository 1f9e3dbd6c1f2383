//! `list`: the services that match, as they are right now.

use std::path::{Path, PathBuf};

use crate::base::error::Result;
use crate::base::redact::DenyPatterns;
use crate::service::{Record, Status};
use crate::state::{SetAside, etag_of_array};

use super::context::Context;
use super::shown::{self, Seen};

/// Which services; every field that is set must match.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Their project.
    pub project: Option<String>,
    /// The agent that declared them.
    pub agent: Option<String>,
    /// Their work item.
    pub work_item: Option<String>,
    /// The top folder of their git worktree; links are resolved here.
    pub worktree: Option<PathBuf>,
    /// Where they stand in their life.
    pub status: Option<Status>,
}

impl Filter {
    /// Whether every service matches.
    pub fn is_empty(&self) -> bool {
        let Self { project, agent, work_item, worktree, status } = self;
        project.is_none() && agent.is_none() && work_item.is_none() && worktree.is_none() && status.is_none()
    }
}

/// The services that match.
#[derive(Debug)]
pub struct Listing {
    /// Sorted by name.
    pub items: Vec<Seen>,
    /// The same as one compact JSON array, with nothing secret in it.
    pub json: String,
    /// Names this very list (contract section 5).
    pub etag: String,
    /// What had to be put aside; must be said (exit 9).
    pub set_aside: Option<SetAside>,
}

/// Fewer records than this are looked at by one thread: to start a second takes longer than it saves.
const THREADED_MIN: usize = 64;
/// Most threads that look at processes side by side.
const THREADS_MAX: usize = 8;

/// Lists the services that match `filter`. Takes no lock, unless the state file is unreadable.
pub fn run(context: &Context, filter: &Filter) -> Result<Listing> {
    let reading = context.store().read_or_recover("list")?;
    let worktree = filter.worktree.as_deref().map(resolved);
    let mut records: Vec<Record> = reading.document.records;
    records.retain(|record| is_match(record, filter, worktree.as_deref()));
    records.sort_by(|a, b| a.name.cmp(&b.name));
    let deny = DenyPatterns::new(&context.settings.env_key_deny_patterns);
    let mut parts = observe_in_parts(records, &deny).into_iter();
    let Part { mut items, mut json } = parts.next().expect("there is a first part");
    for part in parts {
        items.extend(part.items);
        json.push(b',');
        json.extend(part.json);
    }
    json.push(b']');
    let json = shown::into_text(json);
    Ok(Listing { items, etag: etag_of_array(&json), json, set_aside: reading.set_aside })
}

/// Some of the records in a row: what was seen, and their JSON with commas between. The first part's JSON starts with
/// the bracket of the whole array, so that the others can be appended to it as they are.
struct Part {
    items: Vec<Seen>,
    json: Vec<u8>,
}

/// Looks at the records' processes and writes them out, many of them side by side. At least one part, no other empty.
fn observe_in_parts(mut records: Vec<Record>, deny: &DenyPatterns) -> Vec<Part> {
    if records.len() < THREADED_MIN {
        return vec![observe_part(records, "[", deny)];
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    let size = records.len().div_ceil(threads);
    let mut chunks = Vec::new();
    while records.len() > size {
        let rest = records.split_off(size);
        chunks.push(std::mem::replace(&mut records, rest));
    }
    chunks.push(records);
    let mut chunks = chunks.into_iter();
    let first = chunks.next().unwrap_or_default();
    std::thread::scope(|scope| {
        let others: Vec<_> = chunks.map(|chunk| scope.spawn(move || observe_part(chunk, "", deny))).collect();
        let first = observe_part(first, "[", deny);
        let others = others.into_iter().map(|thread| thread.join().expect("looking at a process does not panic"));
        std::iter::once(first).chain(others).collect()
    })
}

/// Looks at `records` and writes them out after `opening`.
fn observe_part(records: Vec<Record>, opening: &str, deny: &DenyPatterns) -> Part {
    let mut json = opening.as_bytes().to_vec();
    let mut items = Vec::with_capacity(records.len());
    for record in records {
        let seen = shown::observe(record);
        if !items.is_empty() {
            json.push(b',');
        }
        shown::push_json(&mut json, &seen, deny);
        items.push(seen);
    }
    Part { items, json }
}

fn is_match(record: &Record, filter: &Filter, worktree: Option<&str>) -> bool {
    let is = |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|wanted| wanted == value);
    is(&filter.project, &record.owner.project)
        && is(&filter.agent, &record.owner.agent)
        && is(&filter.work_item, &record.owner.work_item)
        && worktree.is_none_or(|wanted| record.worktree.as_deref() == Some(wanted))
        && filter.status.is_none_or(|wanted| record.status == wanted)
}

/// `dir` absolute with links resolved; only absolute if it is not there (a worktree that was removed).
fn resolved(dir: &Path) -> String {
    let path = dir.canonicalize().or_else(|_| std::path::absolute(dir)).unwrap_or_else(|_| dir.to_owned());
    path.to_string_lossy().trim_end_matches('/').to_owned()
}
