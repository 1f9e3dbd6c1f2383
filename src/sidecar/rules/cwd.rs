//! `cwd`: a folder in a git worktree, and inside the dispatch root where one is given (contract section 3).

use std::path::{Path, PathBuf};

use super::{Trial, is_longer};
use crate::service::limits::CWD_CHARS_MAX;
use crate::sidecar::codes::Code;
use crate::sidecar::notes::shown;
use crate::sidecar::spot::{Fields, Spot};
use crate::sidecar::surroundings::{PathKind, top_of};

/// What a working folder came to: `None` if it is fine, else why not and what to do.
pub(super) type Workdir = Option<(String, &'static str)>;

/// The folder as text; empty if it is absent or no string.
pub(super) fn text(fields: &Fields<'_>) -> String {
    fields.get("cwd").and_then(|spot| spot.node.text()).map(std::borrow::Cow::into_owned).unwrap_or_default()
}

pub(super) fn judge(trial: &mut Trial<'_>, fields: &Fields<'_>) -> String {
    let spot = fields.place("cwd");
    let cwd = match fields.get("cwd").map(|spot| spot.node.text()) {
        None => String::new(),
        Some(Some(text)) => text.into_owned(),
        Some(None) => {
            let message = format!("`cwd` of {} is no string", trial.notes.who());
            trial.fail(&spot, Code::CwdNotString, message, "give the working folder as an absolute path in quotes");
            return String::new();
        }
    };
    if cwd.is_empty() {
        let message = format!("{} has no working folder, so it belongs to no worktree", trial.notes.who());
        let help = "give the worktree's folder as `cwd`".to_owned();
        trial.notes.warn((&spot, spot.span()), Code::NoCwd, message, help);
        return cwd;
    }
    let too_long = is_longer(&cwd, CWD_CHARS_MAX);
    if too_long {
        let message = format!("`cwd` of {} is longer than {CWD_CHARS_MAX} characters", trial.notes.who());
        trial.fail(&spot, Code::CwdTooLong, message, "work in a folder with a shorter path");
    }
    let has_nul = cwd.contains('\0');
    if has_nul {
        let message = format!("`cwd` of {} holds a NUL character", trial.notes.who());
        trial.fail(&spot, Code::CwdHasNul, message, "take the NUL out: no folder has such a name");
    }
    if !too_long && !has_nul {
        folder(trial, &spot, &cwd);
    }
    cwd
}

fn folder(trial: &mut Trial<'_>, spot: &Spot<'_>, cwd: &str) {
    let known = trial.last_workdir.as_ref().filter(|(last, _)| last == cwd).map(|(_, workdir)| workdir.clone());
    let workdir = known.unwrap_or_else(|| look(trial, cwd));
    if let Some((why, help)) = &workdir {
        let message =
            format!("the working folder {} of {} will not do: {}", shown(cwd), trial.notes.who(), plain(why, cwd));
        trial.fail(spot, Code::InvalidWorkdir.of(why), message, *help);
    }
    trial.last_workdir = Some((cwd.to_owned(), workdir));
}

/// `why` without the folder, which the sentence names already.
fn plain<'w>(why: &'w str, cwd: &str) -> &'w str {
    why.strip_suffix(cwd).map_or(why, |head| head.trim_end_matches(": ").trim_end_matches(" at "))
}

fn look(trial: &Trial<'_>, cwd: &str) -> Workdir {
    let path = Path::new(cwd);
    let dispatch_root = trial.expectations.dispatch_root;
    if !trial.judge.settings.require_git_workdir && dispatch_root.is_none() {
        return None;
    }
    let refuse = |why: String, help: &'static str| Some((why, help));
    match trial.world.kind(path) {
        PathKind::Missing => {
            return refuse(format!("directory does not exist: {cwd}"), "create the folder, or name one that exists");
        }
        PathKind::Other => return refuse(format!("path is not a directory: {cwd}"), "name the folder that holds it"),
        PathKind::Folder => {}
    }
    if trial.judge.settings.require_git_workdir {
        match top_of(trial.world, path, trial.judge.settings.git_worktree_max_parent_depth) {
            Ok(Some(_)) => {}
            Ok(None) => {
                let why = format!("no .git directory or worktree pointer at {cwd}");
                return refuse(why, "work in a git worktree, or in a folder not too deep below its top");
            }
            Err(()) => {
                let why = format!(".git file present but not a worktree pointer (no \"gitdir:\" prefix): {cwd}");
                return refuse(why, "repair the .git file (git worktree repair), or work in another worktree");
            }
        }
    }
    let root = dispatch_root?;
    let is_inside = match (trial.world.resolved(path), trial.world.resolved(root)) {
        (Some(folder), Some(root)) => folder.starts_with::<PathBuf>(root),
        _ => false,
    };
    if is_inside {
        return None;
    }
    refuse(
        format!("cwd outside the dispatch root {}: {cwd}", root.display()),
        "work inside the folder that was assigned",
    )
}
