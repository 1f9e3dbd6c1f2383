//! `list` as JSON from a state file that is just as we wrote it: the text of each record is passed on as it stands there,
//! with only `alive` as it is now. What it yields is, byte for byte, what the records themselves would.

use std::borrow::Cow;

use crate::base::parts::map_parts;
use crate::base::redact::{self, DenyPatterns};
use crate::base::root::Root;
use crate::service::Liveness;
use crate::state::Glimpse;

use super::list::{Filter, resolved};
use super::{facts, shown};

/// Stands in the text of every record with a restart policy, and perhaps of others.
const RESTART_KEY: &str = "\"restart\":";

/// The records of `texts` that match, as one compact JSON array sorted by name, nothing secret in it. `None` if one of
/// them is not as we write it. `threads` look at them side by side.
pub(super) fn to_json(
    root: &Root,
    texts: &[&str],
    filter: &Filter,
    deny: &DenyPatterns,
    threads: usize,
) -> Option<String> {
    let worktree = filter.worktree.as_deref().map(resolved);
    let worktree = worktree.as_deref();
    let size = texts.len().div_ceil(threads.max(1)).max(1);
    let parts = map_parts(texts.chunks(size).collect(), |part| look_at(root, part, filter, worktree, deny));
    let mut items = Vec::with_capacity(texts.len());
    for part in parts {
        items.extend(part?);
    }
    items.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let mut json = String::with_capacity(items.iter().map(|item| item.json.len() + 1).sum::<usize>() + 2);
    for (at, item) in items.iter().enumerate() {
        json.push(if at == 0 { '[' } else { ',' });
        json.push_str(&item.json);
    }
    json.push_str(if items.is_empty() { "[]" } else { "]" });
    // The process ends soon; to free thousands of texts one by one takes longer.
    std::mem::forget(items);
    Some(json)
}

/// A record that matches, as it is shown.
struct Item<'a> {
    name: Cow<'a, str>,
    json: Cow<'a, str>,
}

fn look_at<'a>(
    root: &Root,
    texts: &[&'a str],
    filter: &Filter,
    worktree: Option<&str>,
    deny: &DenyPatterns,
) -> Option<Vec<Item<'a>>> {
    let mut items = Vec::with_capacity(texts.len());
    for text in texts {
        let glimpse = Glimpse::new(text)?;
        if is_match(&glimpse, filter, worktree) {
            let json = json(root, &glimpse, deny)?;
            items.push(Item { name: glimpse.name, json });
        }
    }
    Some(items)
}

/// The record as it is shown now; made the ordinary way where more than `alive` may have to be other than it is written.
fn json<'a>(root: &Root, glimpse: &Glimpse<'a>, deny: &DenyPatterns) -> Option<Cow<'a, str>> {
    let liveness = facts::observe_process(glimpse.service.as_ref(), glimpse.legacy_pid, glimpse.started_at);
    let is_secret_bearing = glimpse.env_keys.iter().any(|key| deny.is_match(key)) || redact::has_secret(glimpse.text);
    // Its shim may have started it again since this was written.
    let may_lag = liveness != Liveness::Alive && glimpse.text.contains(RESTART_KEY);
    if liveness != Liveness::Unknown && !is_secret_bearing && !may_lag {
        return Some(glimpse.text_with(liveness == Liveness::Alive));
    }
    let mut record = glimpse.record()?;
    let liveness = shown::observe_in_place(root, &mut record);
    // One that cannot be told is shown as null.
    record.alive = liveness == Liveness::Alive;
    let mut json = Vec::new();
    shown::push_json(&mut json, &record, liveness, deny);
    Some(Cow::Owned(shown::into_text(json)))
}

fn is_match(glimpse: &Glimpse<'_>, filter: &Filter, worktree: Option<&str>) -> bool {
    let owner = glimpse.owner.each_ref().map(|part| part.as_ref());
    filter.is_match(owner, glimpse.worktree.as_deref(), glimpse.status, worktree)
}
