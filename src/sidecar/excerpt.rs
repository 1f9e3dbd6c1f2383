//! The verdict as a compiler would show it: each issue with the lines of the file that it is about.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use regex::Regex;

use crate::base::redact;

use super::rules::is_ours;
use super::{Code, Issue, Verdict};

/// At most this many issues, and as many warnings, are shown with their lines; of the rest the number.
const SHOWN_MAX: usize = 20;
/// Longer texts are not quoted: their lines are no help to anyone.
const QUOTED_BYTES_MAX: usize = 256 * 1024;

/// Shows the issues and warnings of `verdict` on the text of `file_name`, in colour if `color`. Env values, and
/// credentials in URLs and headers, are masked. Empty if there is nothing to show.
pub fn excerpt(text: &str, file_name: &str, verdict: &Verdict, color: bool) -> String {
    let masked = if text.len() <= QUOTED_BYTES_MAX { masked(text) } else { String::new() };
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let mut blocks = Vec::new();
    for (level, issues) in [(Level::ERROR, &verdict.issues), (Level::WARNING, &verdict.warnings)] {
        for issue in issues.iter().take(SHOWN_MAX) {
            let title = level.clone().primary_title(&issue.message).id(issue.code.text());
            let group = match quoted(&masked, file_name, issue) {
                Some(snippet) => title.element(snippet),
                None => title.element(annotate_snippets::Origin::path(file_name)),
            };
            blocks.push(renderer.render(&[group.element(Level::HELP.message(&issue.help))]));
        }
        if let Some(more) = issues.len().checked_sub(SHOWN_MAX + 1) {
            blocks.push(format!("… and {} more", more + 1));
        }
    }
    blocks.join("\n\n")
}

/// The lines of an issue; `None` where it is about the whole text or cannot be quoted.
fn quoted<'a>(
    text: &'a str,
    file_name: &'a str,
    issue: &'a Issue,
) -> Option<Snippet<'a, annotate_snippets::Annotation<'a>>> {
    let is_quotable = issue.span.end <= text.len()
        && !matches!(issue.code, Code::TooLarge | Code::NotUtf8)
        && text.is_char_boundary(issue.span.start)
        && text.is_char_boundary(issue.span.end)
        && !text.trim().is_empty();
    // A value of many lines is shown by its first.
    let first_line = text.get(issue.span.clone()).and_then(|value| value.lines().next()).map_or(0, str::len);
    let span = issue.span.start..issue.span.start + first_line;
    is_quotable.then(|| Snippet::source(text).path(file_name).annotation(AnnotationKind::Primary.span(span)))
}

/// `text` with every env value, and all that `base::redact` knows by its shape, replaced by asterisks, byte for byte, so that places stay.
fn masked(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let values = super::source::env_values(text).unwrap_or_else(|| loose_values(text));
    for span in values.into_iter().chain(redact::spans(text)) {
        bytes[span].fill(b'*');
    }
    // Only whole characters were replaced, by ASCII.
    String::from_utf8(bytes).unwrap_or_default()
}

/// Where a text that is no document has what may be env values: string values of keys that are none of ours.
fn loose_values(text: &str) -> Vec<Range<usize>> {
    // A string may lack its end, as in a torn file.
    let Ok(pair) = Regex::new(r#""([^"\\\n]*)"\s*:\s*"((?:[^"\\]|\\.)*)"#) else { return Vec::new() };
    let values = pair.captures_iter(text).filter(|found| !is_ours(&found[1]));
    values.filter_map(|found| found.get(2)).map(|value| value.range()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;
    use crate::sidecar::{Expectations, Judge, System, decide};

    fn shown(text: &str) -> String {
        let judge = Judge::new(&Settings::default()).unwrap();
        let verdict = decide(text.as_bytes(), &judge, &Expectations::default(), &System::default());
        excerpt(text, "x/managed-spawn.json", &verdict, false)
    }

    #[test]
    fn an_issue_is_shown_on_its_line_with_a_caret_and_help() {
        let text = "{\"specs\": [{\n  \"name\": \"Bad\",\n  \"cmd\": \"node\",\n  \"healthcheck\": {\"type\": \"http\", \
                    \"url\": \"http://x/\", \"expect_status\": 200, \"timeout_s\": 5},\n  \"cwd\": \"\"}]}";
        let expected = "\
error[name-not-kebab-case]: the name `Bad` is not kebab-case
 --> x/managed-spawn.json:2:11
  |
2 |   \"name\": \"Bad\",
  |           ^^^^^
  |
  = help: use lower-case letters, digits and single hyphens between them, such as \"web-1\"";
        assert!(shown(text).starts_with(expected), "{}", shown(text));
    }

    #[test]
    fn secrets_are_masked_whether_the_file_parses_or_not() {
        let good = r#"{"specs": [{"name": "B", "env": {"PORT": "s3cret\\é"}, "cmd": "node http://u:s3cret@h/?token=s3cret Bearer s3cret"}]}"#;
        for text in [good.to_owned(), good.replace("}]}", ""), good.replace("}, \"cmd\"", "} \"cmd\"")] {
            assert!(shown(&text).contains("PORT"), "{}", shown(&text));
            assert!(!shown(&text).contains("s3cret"), "{}", shown(&text));
        }
    }
}
