//! `cmd`: a program on the allowlist, and in a trusted place where that is asked.

use std::path::Path;

use super::{Trial, is_longer, non_empty};
use crate::base::nearest::nearest;
use crate::config::ExecutablePathPolicy;
use crate::service::limits::CMD_CHARS_MAX;
use crate::sidecar::codes::Code;
use crate::sidecar::notes::shown;
use crate::sidecar::spot::{Fields, Spot};
use crate::sidecar::surroundings::top_of;

pub(super) fn judge(trial: &mut Trial<'_>, fields: &Fields<'_>, folder: &str) -> String {
    let spot = fields.place("cmd");
    let Some(cmd) = non_empty(fields.get("cmd").as_ref()) else {
        let message = format!("{} has no command", trial.notes.who());
        trial.fail(&spot, Code::CmdMissing, message, "give the program to start as `cmd`, its arguments as `args`");
        return String::new();
    };
    if is_longer(&cmd, CMD_CHARS_MAX) {
        let message = format!("the command of {} is longer than {CMD_CHARS_MAX} characters", trial.notes.who());
        trial.fail(&spot, Code::CmdTooLong, message, "put the program alone into `cmd`, its arguments into `args`");
    }
    if cmd.contains('\0') {
        let message = format!("the command of {} holds a NUL character", trial.notes.who());
        trial.fail(&spot, Code::CmdHasNul, message, "take the NUL out: no program can be started so");
    }
    if !trial.judge.commands.has(&cmd) {
        let message = format!("the command {} of {} is not allowed", shown(&cmd), trial.notes.who());
        let help = allowed(trial, &cmd);
        trial.fail(&spot, Code::CmdNotOnAllowlist.of(&cmd), message, help);
    }
    trusted(trial, &spot, (&cmd, folder), Code::CmdPathNotTrusted);
    cmd.into_owned()
}

/// What to use instead of a command that is not allowed.
pub(super) fn allowed(trial: &Trial<'_>, cmd: &str) -> String {
    let list = &trial.judge.settings.executable_allowlist;
    if let Some((program, _)) = cmd.split_once(char::is_whitespace)
        && trial.judge.commands.has(program)
    {
        return format!("put {} alone into `cmd` and the rest into `args`", shown(program));
    }
    match nearest(cmd, list.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`? allowed are: {}", list.join(", ")),
        None => format!("use one of: {} (setting executableAllowlist)", list.join(", ")),
    }
}

/// With executablePathPolicy `trusted`, a command with a slash must resolve into a folder of PATH or into the worktree
/// of the spec's working folder (contract section 2).
pub(super) fn trusted(trial: &mut Trial<'_>, spot: &Spot<'_>, (cmd, folder): (&str, &str), code: Code) {
    let asked = trial.judge.settings.executable_path_policy == ExecutablePathPolicy::Trusted;
    if !asked || !cmd.contains('/') || is_trusted(trial, cmd, folder) {
        return;
    }
    let message = format!("the command {} lies neither in a folder of PATH nor in the worktree", shown(cmd));
    let help = "name the program without a path, or use one inside the worktree of `cwd`";
    trial.fail(spot, code.of(cmd), message, help);
}

fn is_trusted(trial: &Trial<'_>, cmd: &str, folder: &str) -> bool {
    // A NUL never reaches the system; it has an issue of its own.
    if cmd.contains('\0') || folder.contains('\0') {
        return false;
    }
    let Some(program) = trial.world.resolved(&Path::new(folder).join(cmd)) else { return false };
    let in_path = || {
        let home = program.parent();
        trial.world.path_folders().iter().any(|known| home.is_some() && trial.world.resolved(known).as_deref() == home)
    };
    let in_worktree = || {
        let parents_max = trial.judge.settings.git_worktree_max_parent_depth;
        let top = if folder.is_empty() { Ok(None) } else { top_of(trial.world, Path::new(folder), parents_max) };
        top.ok().flatten().is_some_and(|top| program.starts_with(top))
    };
    in_path() || in_worktree()
}
