//! What a check-up found, for programs and for people.

use serde_json::json;

use crate::ops::doctor::{Area, Finding, Report, Severity};

use super::escape;
use super::table::Paint;
use super::wire::line;

/// `{"findings": [{"area", "code", "severity", "message", "where", "hint"}], "ok": bool}`; `where` and `hint` may be null.
pub fn report_json(report: &Report) -> String {
    let findings: Vec<_> = report.findings.iter().map(finding_json).collect();
    line(&json!({ "findings": findings, "ok": report.is_ok() }))
}

fn finding_json(finding: &Finding) -> serde_json::Value {
    json!({
        "area": finding.area.word(),
        "code": finding.code,
        "severity": finding.severity.word(),
        "message": finding.message,
        "where": finding.place,
        "hint": finding.hint,
    })
}

/// A finding per line, with what to do below it, and a line that counts them.
pub fn report_text(report: &Report, color: bool) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        push_finding(&mut text, finding, color);
    }
    text.push_str(&summary(report, color));
    text
}

/// The sign that stands before the word, and the colour of both.
const fn mark(severity: Severity) -> (&'static str, Paint) {
    match severity {
        Severity::Ok => ("✓", Paint::Good),
        Severity::Note => ("·", Paint::Plain),
        Severity::Warning => ("!", Paint::Doubtful),
        Severity::Error => ("✗", Paint::Bad),
    }
}

/// As wide as the longest word of a severity.
const SEVERITY_WIDTH: usize = 7;

fn push_finding(text: &mut String, finding: &Finding, color: bool) {
    let area_width = Area::ALL.iter().map(|area| area.word().len()).max().unwrap_or_default();
    let (sign, paint) = mark(finding.severity);
    let head = paint.on(&format!("{sign} {:SEVERITY_WIDTH$}", finding.severity.word()), color);
    let message = escape::line(&finding.message);
    text.extend([head, format!("  {:area_width$}  {message}", finding.area.word())]);
    let below = " ".repeat(2 + SEVERITY_WIDTH + 2 + area_width + 2);
    if finding.severity == Severity::Ok {
        text.push('\n');
        return;
    }
    text.extend([" [", finding.code, "]\n"]);
    // A sentence that names the place already need not be followed by it.
    let place = finding.place.as_deref().filter(|place| !finding.message.contains(place));
    for (word, told) in [("where", place), ("hint", finding.hint.as_deref())] {
        if let Some(told) = told {
            text.extend([below.as_str(), word, ": ", &escape::line(told), "\n"]);
        }
    }
}

fn summary(report: &Report, color: bool) -> String {
    let count = |severity, one: &str, many: &str| {
        let count = report.count(severity);
        format!("{count} {}", if count == 1 { one } else { many })
    };
    let errors = count(Severity::Error, "error", "errors");
    let warnings = count(Severity::Warning, "warning", "warnings");
    let notes = count(Severity::Note, "note", "notes");
    let (word, paint) = if report.is_ok() { ("ok", Paint::Good) } else { ("not ok", Paint::Bad) };
    format!("\n{}: {errors}, {warnings}, {notes}\n", paint.on(word, color))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let finding = |severity, code, message: &str, hint: Option<&str>| Finding {
            area: Area::Lock,
            severity,
            code,
            message: message.to_owned(),
            place: Some("/r/lock".into()),
            hint: hint.map(str::to_owned),
        };
        Report {
            findings: vec![
                finding(Severity::Ok, "lock-free", "the lock can be had", None),
                finding(Severity::Error, "lock-held", "pid 7 \u{1b}[31mholds it", Some("end it")),
            ],
        }
    }

    #[test]
    fn people_get_sign_word_and_what_to_do() {
        let expected = "✓ ok       lock      the lock can be had\n\
                        ✗ error    lock      pid 7 \\u{1b}[31mholds it [lock-held]\n\
                        \x20                    where: /r/lock\n\
                        \x20                    hint: end it\n\
                        \nnot ok: 1 error, 0 warnings, 0 notes\n";
        assert_eq!(report_text(&report(), false), expected);
        let painted = report_text(&report(), true);
        assert!(painted.contains("\x1b[32m✓ ok     \x1b[0m") && painted.contains("\x1b[31mnot ok\x1b[0m"), "{painted}");
    }

    #[test]
    fn programs_get_every_finding_and_whether_one_is_an_error() {
        let json: serde_json::Value = serde_json::from_str(&report_json(&report())).expect("JSON");
        assert_eq!(json["ok"], false);
        let finding = json!({
            "area": "lock", "code": "lock-free", "severity": "ok", "message": "the lock can be had",
            "where": "/r/lock", "hint": null,
        });
        assert_eq!(json["findings"][0], finding);
    }
}
