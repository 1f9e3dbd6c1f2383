//! A command probe: an allowed program, how it is run, and the output that counts.

use super::{Trial, args, cmd, is_longer, non_empty};
use crate::service::limits::{EXPECT_REGEX_CHARS_MAX, PROBE_CMD_CHARS_MAX};
use crate::service::{Probe, check_expect_regex};
use crate::sidecar::allowlist::first_word;
use crate::sidecar::codes::Code;
use crate::sidecar::notes::shown;
use crate::sidecar::spot::Fields;

pub(super) fn judge(trial: &mut Trial<'_>, fields: &Fields<'_>, folder: &str) -> Probe {
    let cmd = line(trial, fields);
    let shell = shell(trial, fields);
    let args = args::judge(trial, fields, &args::PROBE);
    let expect_regex = pattern(trial, fields);
    allowed(trial, fields, (&cmd, folder));
    Probe::Command { cmd, args, shell, expect_regex }
}

fn line(trial: &mut Trial<'_>, fields: &Fields<'_>) -> String {
    let spot = fields.place("cmd");
    let Some(line) = non_empty(fields.get("cmd").as_ref()) else {
        let message = format!("the healthcheck of {} has no command", trial.notes.who());
        trial.fail(&spot, Code::HealthcheckCmdMissing, message, "give the command line of the probe as `cmd`");
        return String::new();
    };
    if is_longer(&line, PROBE_CMD_CHARS_MAX) {
        let message =
            format!("the probe's command of {} is longer than {PROBE_CMD_CHARS_MAX} characters", trial.notes.who());
        trial.fail(&spot, Code::HealthcheckCmdTooLong, message, "put the probe into a script and name the script");
    }
    if line.contains('\0') {
        let message = format!("the probe's command of {} holds a NUL character", trial.notes.who());
        trial.fail(&spot, Code::HealthcheckCmdHasNul, message, "take the NUL out: no program can be given one");
    }
    line.into_owned()
}

fn shell(trial: &mut Trial<'_>, fields: &Fields<'_>) -> bool {
    let shell = fields.get("shell").and_then(|spot| spot.node.boolean());
    if shell.is_none() {
        let message = format!("`shell` of the healthcheck of {} is neither true nor false", trial.notes.who());
        let help = "true runs the command by sh -c, false without a shell; there is no default";
        trial.fail(&fields.place("shell"), Code::HealthcheckShellNotBoolean, message, help);
    }
    shell.unwrap_or_default()
}

fn pattern(trial: &mut Trial<'_>, fields: &Fields<'_>) -> String {
    let spot = fields.place("expect_regex");
    let Some(pattern) = non_empty(fields.get("expect_regex").as_ref()) else {
        let message = format!("the healthcheck of {} does not say which output counts", trial.notes.who());
        trial.fail(
            &spot,
            Code::HealthcheckExpectRegexMissing,
            message,
            "give a regular expression, such as \"^ready\"",
        );
        return String::new();
    };
    if is_longer(&pattern, EXPECT_REGEX_CHARS_MAX) {
        let message =
            format!("`expect_regex` of {} is longer than {EXPECT_REGEX_CHARS_MAX} characters", trial.notes.who());
        trial.fail(&spot, Code::HealthcheckExpectRegexTooLong, message, "match a shorter part of the output");
        return pattern.into_owned();
    }
    if let Err(why) = check_expect_regex(&pattern) {
        let message =
            format!("`expect_regex` {} of {} is no pattern that we take: {why}", shown(&pattern), trial.notes.who());
        let help = "write it in the syntax of https://docs.rs/regex, which has no look-around and no back-references";
        trial.fail(&spot, Code::HealthcheckExpectRegexInvalid.of(&why), message, help);
    }
    pattern.into_owned()
}

/// The first word of the command line must be an allowed program, whether a shell runs it or not.
fn allowed(trial: &mut Trial<'_>, fields: &Fields<'_>, (line, folder): (&str, &str)) {
    if line.is_empty() {
        return;
    }
    let spot = fields.place("cmd");
    let word = first_word(line);
    if !trial.judge.commands.has(word) {
        let message = format!("the probe's command {} of {} is not allowed", shown(word), trial.notes.who());
        let help = cmd::allowed(trial, word);
        trial.fail(&spot, Code::HealthcheckCmdNotOnAllowlist.of(word), message, help);
    }
    cmd::trusted(trial, &spot, (word, folder), Code::HealthcheckCmdPathNotTrusted);
}
