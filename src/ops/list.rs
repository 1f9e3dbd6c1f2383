//! `list`: the services that match, as they are right now.

use std::path::{Path, PathBuf};

use crate::base::error::Result;
use crate::base::parts::map_parts;
use crate::base::redact::DenyPatterns;
use crate::base::root::Root;
use crate::process;
use crate::service::{Liveness, Owner, Record, Status};
use crate::state::{SetAside, etag_of_array};

use super::context::Context;
use super::{passed_on, shown};

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

    /// Whether a service matches of which this is recorded; `top` is the filter's worktree with links resolved.
    pub(super) fn is_match(&self, owner: [&str; 3], worktree: Option<&str>, status: Status, top: Option<&str>) -> bool {
        let is = |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|wanted| wanted == value);
        let [project, agent, work_item] = owner;
        is(&self.project, project)
            && is(&self.agent, agent)
            && is(&self.work_item, work_item)
            && top.is_none_or(|wanted| worktree == Some(wanted))
            && self.status.is_none_or(|wanted| wanted == status)
    }
}

/// The services that match.
#[derive(Debug)]
pub struct Listing {
    /// In the order of the file; to move thousands of them would take longer than to look at them.
    records: Vec<Record>,
    /// Where each stands, and what was seen of it; sorted by name.
    order: Vec<(usize, Liveness)>,
    /// The same as one compact JSON array, with nothing secret in it.
    pub json: String,
    /// Names this very list (contract section 5).
    pub etag: String,
    /// What had to be put aside; must be said (exit 9).
    pub set_aside: Option<SetAside>,
}

impl Listing {
    /// The services as just observed, sorted by name.
    pub fn items(&self) -> impl Iterator<Item = (&Record, Liveness)> + Clone {
        self.order.iter().map(|(at, liveness)| (&self.records[*at], *liveness))
    }

    /// Whether no service matches.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}

/// The services that match, for who wants nothing but JSON.
#[derive(Debug)]
pub struct JsonListing {
    /// One compact JSON array, with nothing secret in it.
    pub json: String,
    /// Names this very list (contract section 5).
    pub etag: String,
    /// What had to be put aside; must be said (exit 9).
    pub set_aside: Option<SetAside>,
}

/// Fewer records than this are looked at by one thread: to start a second takes as long as it saves.
const THREADED_MIN: usize = 256;
/// Most threads that look at processes side by side.
const THREADS_MAX: usize = 8;
/// By so many bytes a record may be longer than the first one without the text's having to move.
const RECORD_SLACK_BYTES: usize = 64;

/// Lists the services that match `filter`. Takes no lock, unless the state file is unreadable.
pub fn run(context: &Context, filter: &Filter) -> Result<Listing> {
    let reading = context.store().read_or_recover("list")?;
    let worktree = filter.worktree.as_deref().map(resolved);
    let mut records: Vec<Record> = reading.document.records;
    records.retain(|record| is_match(record, filter, worktree.as_deref()));
    let deny = DenyPatterns::new(&context.settings.env_key_deny_patterns);
    let mut sorted: Vec<(usize, &mut Record)> = records.iter_mut().enumerate().collect();
    sorted.sort_unstable_by(|a, b| a.1.name.cmp(&b.1.name));
    let mut parts = observe_in_parts(&context.root, &mut sorted, &deny).into_iter();
    let Part { mut seen, mut json } = parts.next().expect("there is a first part");
    for part in parts {
        seen.extend(part.seen);
        json.push(b',');
        json.extend(part.json);
    }
    json.push(b']');
    let json = shown::into_text(json);
    let order = sorted.into_iter().map(|(at, _)| at).zip(seen).collect();
    Ok(Listing { records, order, etag: etag_of_array(&json), json, set_aside: reading.set_aside })
}

/// The same as JSON only, which needs no records where the state file's text can be passed on.
pub fn run_json(context: &Context, filter: &Filter) -> Result<JsonListing> {
    if let Some(text) = context.store().read_own_text() {
        let deny = DenyPatterns::new(&context.settings.env_key_deny_patterns);
        let texts = text.records();
        if let Some(json) = passed_on::to_json(&context.root, &texts, filter, &deny, threads(texts.len())) {
            return Ok(JsonListing { etag: etag_of_array(&json), json, set_aside: None });
        }
    }
    let Listing { records, order: _, json, etag, set_aside } = run(context, filter)?;
    // The process ends soon; to free thousands of records one by one first takes a tenth of the whole.
    std::mem::forget(records);
    Ok(JsonListing { json, etag, set_aside })
}

/// How many threads look at so many records.
fn threads(count: usize) -> usize {
    if count < THREADED_MIN { 1 } else { process::processors().clamp(1, THREADS_MAX) }
}

/// What came of some records in a row: their liveness, and their JSON with commas between. The first part's JSON starts
/// with the bracket of the whole array, so that the others can be appended to it as they are.
struct Part {
    seen: Vec<Liveness>,
    json: Vec<u8>,
}

/// Looks at the records' processes and writes them out, many of them side by side. At least one part, no other empty.
fn observe_in_parts(root: &Root, sorted: &mut [(usize, &mut Record)], deny: &DenyPatterns) -> Vec<Part> {
    let count = sorted.len();
    let threads = threads(count);
    if threads == 1 {
        return vec![observe_part(root, sorted, "[", count, deny)];
    }
    let size = count.div_ceil(threads);
    let parts: Vec<_> = sorted.chunks_mut(size).enumerate().collect();
    map_parts(parts, |(at, part)| match at {
        0 => observe_part(root, part, "[", count, deny),
        _ => observe_part(root, part, "", size, deny),
    })
}

/// Looks at `records` and writes them out after `opening`, into memory for `room` records.
fn observe_part(
    root: &Root,
    records: &mut [(usize, &mut Record)],
    opening: &str,
    room: usize,
    deny: &DenyPatterns,
) -> Part {
    let mut json = opening.as_bytes().to_vec();
    let mut seen = Vec::with_capacity(room);
    for (_, record) in records {
        if !seen.is_empty() {
            json.push(b',');
        }
        let liveness = shown::observe_in_place(root, record);
        shown::push_json(&mut json, record, liveness, deny);
        if seen.is_empty() {
            json.reserve(room.saturating_mul(json.len() + RECORD_SLACK_BYTES));
        }
        seen.push(liveness);
    }
    Part { seen, json }
}

fn is_match(record: &Record, filter: &Filter, top: Option<&str>) -> bool {
    let Owner { project, agent, work_item } = &record.owner;
    filter.is_match([project, agent, work_item], record.worktree.as_deref(), record.status, top)
}

/// `dir` absolute with links resolved; only absolute if it is not there (a worktree that was removed).
pub(super) fn resolved(dir: &Path) -> String {
    let path = dir.canonicalize().or_else(|_| std::path::absolute(dir)).unwrap_or_else(|_| dir.to_owned());
    path.to_string_lossy().trim_end_matches('/').to_owned()
}
