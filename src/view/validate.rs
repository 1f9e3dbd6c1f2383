//! Verdicts, for programs and for people.

use crate::base::redact::DenyPatterns;
use crate::ops::validate::Item;
use crate::sidecar;

use super::escape;
use super::wire::line;

/// One array, an object per target in order (contract section 4).
pub fn report_json(items: &[Item], deny: &DenyPatterns) -> String {
    let verdicts: Vec<_> = items
        .iter()
        .map(|item| sidecar::verdict_json(&item.file, item.agent.as_ref().map(|a| a.as_str()), &item.verdict, deny))
        .collect();
    line(&verdicts)
}

/// A line per target, then its issues and warnings, each with the lines of the file that it is about.
pub fn report_text(items: &[Item], color: bool) -> String {
    let mut text = String::new();
    for item in items {
        text.push_str(&escape::line(&item.file));
        match (item.verdict.reason(), &item.verdict.sidecar) {
            (Some(reason), _) => text.extend([": invalid: ", &escape::line(reason), "\n"]),
            (None, Some(sidecar)) => text.extend([": valid, ", &services(sidecar.specs.len()), "\n"]),
            (None, None) => text.push_str(": valid\n"),
        }
        let source = String::from_utf8_lossy(&item.bytes);
        let excerpt = sidecar::excerpt(&source, &item.file, &item.verdict, color);
        if !excerpt.is_empty() {
            text.extend(["\n", &excerpt, "\n\n"]);
        }
    }
    text
}

fn services(count: usize) -> String {
    if count == 1 { "1 service".to_owned() } else { format!("{count} services") }
}
