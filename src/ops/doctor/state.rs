//! The state file: whether it can be read, and what was set aside of earlier ones.

use std::path::{Path, PathBuf};

use crate::base::root::Root;
use crate::state::{Document, Error, STATE_BYTES_MAX, VERSION};

use super::finding::{Area, Finding, counted, listed, sized};

/// From here on the file is near the length at which it is not written any more.
const BYTES_LARGE: u64 = STATE_BYTES_MAX / 2;

pub(super) struct Facts {
    path: PathBuf,
    /// `None` if there is no such file.
    bytes: Option<u64>,
    read: Result<Read, Problem>,
    /// Names of files that were set aside beside it.
    aside: Vec<String>,
}

struct Read {
    version: u64,
    revision: u64,
    records: usize,
    /// Where each malformed entry stands and why.
    malformed: Vec<String>,
}

struct Problem {
    is_newer: bool,
    is_set_aside_by_reconcile: bool,
    words: String,
}

pub(super) fn observe(root: &Root, read: &Result<Document, Error>) -> Facts {
    let path = root.state();
    let read = match read {
        Ok(document) => Ok(Read {
            version: document.version,
            revision: document.revision,
            records: document.records.len(),
            malformed: document.malformed.iter().map(|entry| format!("{}: {}", entry.pointer, entry.why)).collect(),
        }),
        Err(error) => Err(Problem {
            is_newer: matches!(error, Error::Newer { .. }),
            is_set_aside_by_reconcile: matches!(error, Error::Unreadable { .. }),
            words: words(error),
        }),
    };
    Facts { bytes: std::fs::metadata(&path).ok().map(|meta| meta.len()), aside: aside(&path), read, path }
}

fn words(error: &Error) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{error}{cause}")
}

/// Files named as the store names what it sets aside: `<file>.corrupt-<time>`, `<file>.malformed-<time>.json`.
fn aside(path: &Path) -> Vec<String> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let entries = path.parent().and_then(|dir| std::fs::read_dir(dir).ok()).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let is_aside = |found: &String| {
        found.strip_prefix(&name).is_some_and(|rest| rest.starts_with(".corrupt-") || rest.starts_with(".malformed-"))
    };
    let mut found: Vec<String> = names.filter(is_aside).collect();
    found.sort();
    found
}

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut findings = vec![of_file(facts)];
    if let (Ok(read), Some(bytes)) = (&facts.read, facts.bytes) {
        findings.extend(of_malformed(read).map(|finding| finding.at(&facts.path)));
        if bytes > BYTES_LARGE {
            let message = format!(
                "the state file has {}, and is not written any more beyond {}",
                sized(bytes),
                sized(STATE_BYTES_MAX)
            );
            let hint = "stop services that nobody needs, or use a root per project";
            findings.push(Area::State.warning("state-large", message).at(&facts.path).with_hint(hint));
        }
    }
    if let (false, Some(dir)) = (facts.aside.is_empty(), facts.path.parent()) {
        let message = format!(
            "{} set aside earlier: {}",
            counted(facts.aside.len(), "unreadable file", "unreadable files"),
            listed(&facts.aside)
        );
        let hint = "look whether something is missing in `minions managed list`, then remove them";
        findings.push(Area::State.note("state-set-aside", message).at(dir).with_hint(hint));
    }
    findings
}

fn of_file(facts: &Facts) -> Finding {
    let finding = match (&facts.read, facts.bytes) {
        (Ok(_), None) => Area::State.ok("state-missing", "there is no state file yet: no service has been recorded"),
        (Ok(read), Some(_)) if read.version > VERSION => newer(&format!(
            "the state file is of version {}, and this program knows {VERSION}: it is read, and not written",
            read.version
        )),
        (Ok(read), Some(bytes)) => Area::State.ok(
            "state-readable",
            format!(
                "the state file can be read: {}, revision {}, {}",
                counted(read.records, "record", "records"),
                read.revision,
                sized(bytes)
            ),
        ),
        (Err(problem), _) if problem.is_newer => newer(&problem.words),
        (Err(problem), _) if problem.is_set_aside_by_reconcile => Area::State
            .error("state-unreadable", problem.words.clone())
            .with_hint("`minions managed reconcile` sets it aside and rebuilds it from what the shims know"),
        (Err(problem), _) => Area::State
            .error("state-unreadable", problem.words.clone())
            .with_hint("it must be a regular file of the user who runs this"),
    };
    finding.at(&facts.path)
}

fn newer(message: &str) -> Finding {
    Area::State.error("state-newer", message).with_hint("use the newer `minions`; the file has not been touched")
}

fn of_malformed(read: &Read) -> Option<Finding> {
    let first = read.malformed.first()?;
    let message =
        format!("{} in the state file make no sense ({first})", counted(read.malformed.len(), "entry", "entries"));
    let hint = "`minions managed reconcile` sets them aside; the others go on";
    Some(Area::State.error("state-malformed", message).with_hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(version: u64, malformed: &[&str]) -> Result<Read, Problem> {
        let malformed = malformed.iter().map(|why| (*why).to_owned()).collect();
        Ok(Read { version, revision: 7, records: 2, malformed })
    }

    fn problem(is_newer: bool, is_set_aside_by_reconcile: bool) -> Result<Read, Problem> {
        Err(Problem { is_newer, is_set_aside_by_reconcile, words: "why".into() })
    }

    #[test]
    fn a_state_file_is_judged_by_how_it_was_read() {
        let check = |bytes: Option<u64>, read: Result<Read, Problem>, aside: &[&str], expected: &[&str]| {
            let aside = aside.iter().map(|name| (*name).to_owned()).collect();
            let facts = Facts { path: "/e/s".into(), bytes, read, aside };
            let codes: Vec<&str> = judge(&facts).iter().map(|finding| finding.code).collect();
            assert_eq!(codes, expected);
        };
        check(None, read(1, &[]), &[], &["state-missing"]);
        check(Some(9), read(1, &[]), &[], &["state-readable"]);
        check(Some(9), read(1, &["/specs/0: x"]), &[], &["state-readable", "state-malformed"]);
        check(Some(9), read(VERSION + 1, &[]), &[], &["state-newer"]);
        check(Some(9), problem(true, false), &[], &["state-newer"]);
        check(Some(9), problem(false, true), &[], &["state-unreadable"]);
        check(Some(9), problem(false, false), &["s.corrupt-1"], &["state-unreadable", "state-set-aside"]);
        check(Some(BYTES_LARGE + 1), read(1, &[]), &[], &["state-readable", "state-large"]);
    }
}
