//! Programs: which the caller's PATH has, which the records need, and what is left of both under cron.

use std::path::{Path, PathBuf};

use crate::config::Settings;
use crate::process::resolve_program;
use crate::state::Document;

use super::Surroundings;
use super::finding::{Area, Finding, counted, listed};

/// The PATH of a crontab that sets none (crontab(5)).
const CRON_PATH: &str = "/usr/bin:/bin";

pub(super) struct Facts {
    /// Folders of PATH that are not absolute, which are never searched.
    relative: Vec<String>,
    has_path: bool,
    found: Vec<String>,
    missing: Vec<String>,
    /// Services with the program that their record names.
    programs: Vec<Program>,
    /// This program, if it is not the `minions` that cron's PATH finds.
    not_for_cron: Option<PathBuf>,
}

struct Program {
    service: String,
    /// As recorded; empty in a legacy record.
    recorded: String,
    is_there: bool,
    /// What the declared command means on the caller's PATH now, if that is another program.
    now: Option<PathBuf>,
    /// Whether the record holds the PATH that the first start had.
    has_path: bool,
}

pub(super) fn observe(place: &Surroundings, settings: &Settings, document: &Document) -> Facts {
    let path = place.env.iter().find(|(key, _)| key == "PATH").map(|(_, value)| value.as_str()).unwrap_or_default();
    let is_found = |word: &&String| resolve_program(word, "/", path).is_ok();
    let (found, missing): (Vec<_>, Vec<_>) = settings.executable_allowlist.iter().partition(is_found);
    let relative = path.split(':').filter(|dir| !Path::new(dir).is_absolute() && !path.is_empty());
    Facts {
        relative: relative.map(|dir| if dir.is_empty() { ".".to_owned() } else { dir.to_owned() }).collect(),
        has_path: !path.is_empty(),
        found: found.into_iter().cloned().collect(),
        missing: missing.into_iter().cloned().collect(),
        programs: document.records.iter().map(|record| program(record, path)).collect(),
        not_for_cron: place.program.as_ref().filter(|program| !is_crons(program)).cloned(),
    }
}

fn program(record: &crate::service::Record, path: &str) -> Program {
    let now = resolve_program(&record.spec.cmd, &record.spec.cwd, path).ok();
    Program {
        service: record.name.clone(),
        recorded: record.resolved_cmd.clone(),
        is_there: resolve_program(&record.resolved_cmd, "/", "").is_ok(),
        now: now.filter(|now| now.as_os_str() != record.resolved_cmd.as_str()),
        has_path: record.passed_env.iter().any(|(key, _)| key == "PATH"),
    }
}

/// Whether the `minions` that cron finds is this very program, links followed.
fn is_crons(program: &Path) -> bool {
    let crons = resolve_program("minions", "/", CRON_PATH).ok();
    crons.and_then(|crons| Some(crons.canonicalize().ok()? == program.canonicalize().ok()?)).unwrap_or(false)
}

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut findings = vec![of_allowlist(facts)];
    if !facts.relative.is_empty() {
        let message =
            format!("PATH has folders that are not absolute, which are not searched: {}", listed(&facts.relative));
        findings.push(Area::Path.note("path-relative", message));
    }
    findings.extend(of_programs(&facts.programs));
    if let Some(program) = &facts.not_for_cron {
        let message = format!("cron does not find this program: its PATH is {CRON_PATH}");
        let hint = format!("write the whole path in a crontab, {}, as docs/scheduling.md does", program.display());
        findings.push(Area::Path.note("cron-lacks-minions", message).at(program).with_hint(hint));
    }
    findings
}

fn of_allowlist(facts: &Facts) -> Finding {
    let Facts { has_path, found, missing, .. } = facts;
    let of_all = format!("{} of {} allowed programs", found.len(), found.len() + missing.len());
    if !has_path {
        let message = "there is no PATH: no command without a slash can be started";
        return Area::Path
            .error("path-missing", message)
            .with_hint("set PATH, such as PATH=/usr/local/bin:/usr/bin:/bin");
    }
    if found.is_empty() {
        let message = format!("PATH has {of_all}: no command without a slash can be started");
        return Area::Path.warning("path-lacks-all", message).with_hint("the setting is executableAllowlist");
    }
    let missing = if missing.is_empty() { String::new() } else { format!("; not {}", missing.join(" ")) };
    Area::Path.ok("path-has", format!("PATH has {of_all}: {}{missing}", found.join(" ")))
}

fn of_programs(programs: &[Program]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let named = |applies: fn(&Program) -> bool| -> Vec<&str> {
        programs.iter().filter(|program| applies(program)).map(|program| program.service.as_str()).collect()
    };
    let gone = named(|program| !program.recorded.is_empty() && !program.is_there);
    if let (false, Some(first)) =
        (gone.is_empty(), programs.iter().find(|one| Some(&one.service.as_str()) == gone.first()))
    {
        let message = format!(
            "{} no longer there, so that a restart fails: of {}",
            counted(gone.len(), "recorded program is", "recorded programs are"),
            listed(&gone)
        );
        let finding = Area::Path.warning("program-gone", message).at(Path::new(&first.recorded));
        findings.push(finding.with_hint("install it again, or declare the service anew"));
    }
    let elsewhere = named(|program| program.is_there && program.now.is_some());
    if let (false, Some(first)) =
        (elsewhere.is_empty(), programs.iter().find(|one| Some(&one.service.as_str()) == elsewhere.first()))
    {
        let now = first.now.as_ref().map(|now| now.display().to_string()).unwrap_or_default();
        let message = format!(
            "PATH has another program than {} recorded ({now}, not {}): {}",
            counted(elsewhere.len(), "service has", "services have"),
            first.recorded,
            listed(&elsewhere)
        );
        findings.push(Area::Path.note("program-elsewhere", message).with_hint("a restart takes the recorded one"));
    }
    let bare = named(|program| program.recorded.is_empty() || !program.has_path);
    if !bare.is_empty() {
        let message = format!(
            "{} neither program nor PATH recorded, so that a restart by cron takes cron's: {}",
            counted(bare.len(), "service has", "services have"),
            listed(&bare)
        );
        findings.push(Area::Path.warning("record-without-path", message).with_hint("accept it anew, with a PATH"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            relative: Vec::new(),
            has_path: true,
            found: vec!["sh".into()],
            missing: Vec::new(),
            programs: Vec::new(),
            not_for_cron: None,
        }
    }

    fn program() -> Program {
        Program { service: "web".into(), recorded: "/bin/sh".into(), is_there: true, now: None, has_path: true }
    }

    fn check(facts: &Facts, expected: &[&str]) {
        let codes: Vec<&str> = judge(facts).iter().map(|finding| finding.code).collect();
        assert_eq!(codes, expected);
    }

    #[test]
    fn a_path_is_judged_by_what_it_has() {
        check(&facts(), &["path-has"]);
        check(&Facts { missing: vec!["node".into()], ..facts() }, &["path-has"]);
        check(&Facts { found: Vec::new(), missing: vec!["node".into()], ..facts() }, &["path-lacks-all"]);
        check(&Facts { has_path: false, ..facts() }, &["path-missing"]);
        check(&Facts { relative: vec![".".into()], ..facts() }, &["path-has", "path-relative"]);
        check(&Facts { not_for_cron: Some("/opt/minions".into()), ..facts() }, &["path-has", "cron-lacks-minions"]);
    }

    #[test]
    fn recorded_programs_must_be_there_for_a_restart() {
        let check = |program: Program, expected: &[&str]| {
            let expected = [&["path-has"], expected].concat();
            check(&Facts { programs: vec![program], ..facts() }, &expected);
        };
        check(program(), &[]);
        check(Program { is_there: false, ..program() }, &["program-gone"]);
        check(Program { now: Some("/usr/bin/sh".into()), ..program() }, &["program-elsewhere"]);
        check(Program { has_path: false, ..program() }, &["record-without-path"]);
        check(Program { recorded: String::new(), is_there: false, ..program() }, &["record-without-path"]);
    }
}
