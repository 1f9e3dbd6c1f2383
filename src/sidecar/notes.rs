//! Collects what rules have to say, in the order in which they say it, and finds line and column at the end.

use std::ops::Range;

use crate::base::excerpt::excerpt;

use super::Issue;
use super::codes::{Code, Coded};
use super::spot::Spot;

/// Longest part of a value that a message shows, in characters; reasons show it whole.
const SHOWN_CHARS_MAX: usize = 60;

/// Issues and warnings so far.
#[derive(Default)]
pub(super) struct Notes {
    pub(super) issues: Vec<Issue>,
    pub(super) warnings: Vec<Issue>,
    /// The spec that is being judged; `None` outside of any.
    pub(super) spec: Option<usize>,
    /// Its name, if it has one, as [`shown`].
    pub(super) name: Option<String>,
}

impl Notes {
    /// Notes a failure at `spot`: one sentence of what is wrong, and what would make it pass.
    pub(super) fn fail(&mut self, spot: &Spot<'_>, coded: impl Into<Coded>, message: String, help: impl Into<String>) {
        let issue = self.issue(coded.into(), (spot.pointer(), spot.span()), message, help.into());
        self.issues.push(issue);
    }

    /// Notes what is odd at `spot`, shown at `span`.
    pub(super) fn warn(
        &mut self,
        at: (&Spot<'_>, Range<usize>),
        coded: impl Into<Coded>,
        message: String,
        help: String,
    ) {
        let issue = self.issue(coded.into(), (at.0.pointer(), at.1), message, help);
        self.warnings.push(issue);
    }

    /// Notes a failure of the whole text.
    pub(super) fn fail_text(&mut self, span: Range<usize>, coded: impl Into<Coded>, message: String, help: &str) {
        let issue = self.issue(coded.into(), (String::new(), span), message, help.to_owned());
        self.issues.push(issue);
    }

    /// Who is being judged, for a sentence: "service `web`", or "`specs[0]`" while it has no name.
    pub(super) fn who(&self) -> String {
        match (&self.name, self.spec) {
            (Some(name), _) => format!("service {name}"),
            (None, Some(index)) => format!("`specs[{index}]`"),
            (None, None) => "the sidecar".to_owned(),
        }
    }

    fn issue(&self, coded: Coded, (pointer, span): (String, Range<usize>), message: String, help: String) -> Issue {
        let place = self.spec.map(|index| format!("spec[{index}]: ")).unwrap_or_default();
        let code = coded.code.text();
        let reason = match (coded.code, coded.detail) {
            (Code::InvalidWorkdir, detail) => format!("{code}: {place}{}", detail.unwrap_or_default()),
            (Code::JsonParse, detail) => format!("{code}: {}", detail.unwrap_or_default()),
            (_, Some(detail)) => format!("{place}{code} ({detail})"),
            (_, None) => format!("{place}{code}"),
        };
        Issue { code: coded.code, reason, message, help, pointer, line: 0, column: 0, span }
    }

    /// Fills in line and column of every issue and warning, in one pass over `text`.
    pub(super) fn locate(&mut self, text: &[u8]) {
        let mut all: Vec<&mut Issue> = self.issues.iter_mut().chain(&mut self.warnings).collect();
        all.sort_by_key(|issue| issue.span.start);
        let (mut line, mut column, mut at) = (1, 1, 0);
        for issue in all {
            let end = issue.span.start.min(text.len());
            for byte in &text[at..end] {
                match byte {
                    b'\n' => (line, column) = (line + 1, 1),
                    // A continuation byte of UTF-8 is no character of its own.
                    0x80..=0xbf => {}
                    _ => column += 1,
                }
            }
            at = end;
            (issue.line, issue.column) = (line, column);
        }
    }
}

/// A value for a sentence: in backticks, one line, harmless, cut to a length that reads, no URL's user info.
pub(super) fn shown(text: &str) -> String {
    format!("`{}`", excerpt(text, SHOWN_CHARS_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_lines_count_newlines() {
        let text = "{\n  \"é\": x\n}";
        let mut notes = Notes::default();
        for part in ["x", "}", "{"] {
            let start = text.find(part).unwrap();
            notes.fail_text(start..start + 1, Code::TooDeep, String::new(), "");
        }
        notes.locate(text.as_bytes());
        let places: Vec<(usize, usize)> = notes.issues.iter().map(|issue| (issue.line, issue.column)).collect();
        assert_eq!(places, [(2, 8), (3, 1), (1, 1)]);
    }

    #[test]
    fn shown_values_are_short_and_harmless() {
        assert_eq!(shown("a\u{1b}[1m"), "`a\\u{1b}[1m`");
        assert_eq!(shown(&"x".repeat(100)).chars().count(), SHOWN_CHARS_MAX + 3);
    }
}
