//! Who lives in a folder, for programs and for people.

use std::path::Path;

use serde_json::{Value, json};

use crate::base::redact;
use crate::ops::holders::{Hold, Holder, Report, Stranger, Why};

use super::escape;
use super::record::text;
use super::table::{Cell, Style, draw};
use super::wire::line;

/// Longest command line that is shown of somebody else's process, in characters.
const COMMAND_CHARS_MAX: usize = 100;

/// `{"items": [{"name", "project", "pid", "why"}], "others": [{"pid", "command"}]}`; `why` is a sentence.
pub fn json(report: &Report) -> String {
    let item = |holder: &Holder| json!({ "name": holder.name, "project": holder.project, "pid": holder.pid, "why": why(holder) });
    let items: Vec<Value> = report.items.iter().map(item).collect();
    line(&json!({ "items": items, "others": others_json(&report.strangers) }))
}

/// A row per service; nothing if there is none.
pub fn table(report: &Report, style: Style) -> String {
    if report.items.is_empty() {
        return String::new();
    }
    let row = |holder: &Holder| {
        let pid = holder.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
        [text(&holder.name), text(&holder.project), Cell::plain(pid), text(&why(holder))]
    };
    let rows: Vec<[Cell; 4]> = report.items.iter().map(row).collect();
    draw(["NAME", "PROJECT", "PID", "WHY"], &rows, style)
}

/// What is said beside the table.
pub fn notes(report: &Report) -> Vec<String> {
    let mut notes = Vec::new();
    if report.items.is_empty() {
        notes.push(nobody(&report.dir, report.is_there));
    }
    for (generation, pids) in &report.unrecorded {
        let pids = pids.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
        notes.push(format!("there are processes of generation {generation}, which is in no record: pid {pids}"));
    }
    notes.extend(others(&report.strangers));
    notes
}

/// That no service of ours is there.
pub(super) fn nobody(dir: &Path, is_there: bool) -> String {
    let gone = if is_there { "" } else { " (there is no such folder)" };
    format!("nothing of ours lives in `{}`{gone}", escape::line(&dir.to_string_lossy()))
}

/// Who else is there.
pub(super) fn others(strangers: &[Stranger]) -> Option<String> {
    if strangers.is_empty() {
        return None;
    }
    let each = strangers.iter().map(|stranger| format!("\n  pid {}: {}", stranger.pid, command(stranger)));
    Some(format!("processes that are not ours work there:{}", each.collect::<String>()))
}

/// The same for programs.
pub(super) fn others_json(strangers: &[Stranger]) -> Vec<Value> {
    strangers.iter().map(|stranger| json!({ "pid": stranger.pid, "command": command(stranger) })).collect()
}

/// A stranger's command line: short, harmless, without user info of URLs.
fn command(stranger: &Stranger) -> String {
    let short: String = redact::urls(&stranger.command).chars().take(COMMAND_CHARS_MAX).collect();
    escape::line(&short).into_owned()
}

fn why(holder: &Holder) -> String {
    holder.why.iter().map(reason).collect::<Vec<_>>().join("; ")
}

fn reason(why: &Why) -> String {
    match why {
        Why::Cwd(path) => format!("its working folder is {path}"),
        Why::Worktree(path) => format!("its worktree is {path}"),
        Why::Process { pid, hold: Hold::Cwd, path } => format!("process {pid} works in {path}"),
        Why::Process { pid, hold: Hold::Program, path } => format!("process {pid} runs {path}"),
        Why::Process { pid, hold: Hold::Open, path } => format!("process {pid} has {path} open"),
        Why::More(count) => format!("and {count} more of its processes"),
    }
}
