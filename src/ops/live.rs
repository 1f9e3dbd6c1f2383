//! `context`: the live and healthy services of a project, told to an agent.

use std::path::PathBuf;

use crate::base::clock::EpochMs;
use crate::base::error::Result;
use crate::base::redact::DenyPatterns;
use crate::service::{Liveness, Record, Status};
use crate::state::SetAside;
pub use crate::text::context::{Form, Words};
use crate::text::context::{Live, Manner, words};

use super::context::Context;
use super::list::{self, Filter};

/// Which services, and how to speak of them.
#[derive(Clone, Debug)]
pub struct Request {
    /// Their project.
    pub project: String,
    /// The top folder of their git worktree; links are resolved. `None`: any.
    pub worktree: Option<PathBuf>,
    /// Whether the commands in the text must name the root.
    pub names_root: bool,
}

/// What there is to tell.
#[derive(Debug)]
pub struct Report {
    /// The text, at most promptContextMaxBytes long.
    pub words: Words,
    /// What had to be put aside; must be said (exit 9).
    pub set_aside: Option<SetAside>,
}

/// Tells which services of a project are live now and were healthy when last probed. Takes no lock, unless the state file
/// is unreadable.
pub fn run(context: &Context, request: &Request) -> Result<Report> {
    let filter = Filter {
        project: Some(request.project.clone()),
        worktree: request.worktree.clone(),
        status: Some(Status::Running),
        ..Filter::default()
    };
    let listing = list::run(context, &filter)?;
    let now = EpochMs::now();
    let services: Vec<Live<'_>> = listing
        .items()
        .filter(|(record, liveness)| is_usable(record, *liveness, now))
        .map(|(one, _)| live(one))
        .collect();
    let deny = DenyPatterns::new(&context.settings.env_key_deny_patterns);
    let root = context.root.dir().display().to_string();
    let manner = Manner {
        project: &request.project,
        root: request.names_root.then_some(root.as_str()),
        now,
        bytes_max: usize::try_from(context.settings.prompt_context_max_bytes).unwrap_or(usize::MAX),
        deny: &deny,
    };
    let words = words(&services, &manner);
    Ok(Report { words, set_aside: listing.set_aside })
}

/// Whether an agent may count on the service: there for certain, healthy, and not over its time.
fn is_usable(record: &Record, liveness: Liveness, now: EpochMs) -> bool {
    liveness == Liveness::Alive && record.healthy && record.ttl_expires_at.is_none_or(|end| end > now)
}

fn live(record: &Record) -> Live<'_> {
    Live {
        name: &record.name,
        pid: record.pid,
        ports: &record.spec.ports,
        attrs: &record.spec.attrs,
        log_path: &record.log_path,
        expires_at: record.ttl_expires_at,
    }
}
