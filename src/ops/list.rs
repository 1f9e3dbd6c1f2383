//! `list`: the services that match, as they are right now.

use std::path::{Path, PathBuf};

use crate::base::error::Result;
use crate::base::redact::DenyPatterns;
use crate::service::{Record, Status};
use crate::state::{SetAside, etag_texts};

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
    pub items: Vec<Item>,
    /// Names this very list (contract section 5).
    pub etag: String,
    /// What had to be put aside; must be said (exit 9).
    pub set_aside: Option<SetAside>,
}

/// One service.
#[derive(Debug)]
pub struct Item {
    /// What is known of it.
    pub seen: Seen,
    /// The same as compact JSON, with nothing secret in it.
    pub json: String,
}

/// Lists the services that match `filter`. Takes no lock, unless the state file is unreadable.
pub fn run(context: &Context, filter: &Filter) -> Result<Listing> {
    let reading = context.store().read_or_recover("list")?;
    let worktree = filter.worktree.as_deref().map(resolved);
    let mut records: Vec<Record> = reading.document.records;
    records.retain(|record| is_match(record, filter, worktree.as_deref()));
    records.sort_by(|a, b| a.name.cmp(&b.name));
    let deny = DenyPatterns::new(&context.settings.env_key_deny_patterns);
    let items: Vec<Item> = records
        .into_iter()
        .map(|record| {
            let seen = shown::observe(record);
            let json = shown::json(&seen, &deny);
            Item { seen, json }
        })
        .collect();
    let etag = etag_texts(items.iter().map(|item| (item.seen.record.name.as_str(), item.json.as_str())));
    Ok(Listing { items, etag, set_aside: reading.set_aside })
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
