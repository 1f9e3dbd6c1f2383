//! The verdict as a compiler would show it: each issue with the lines of the file that it is about.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use super::{Code, Issue, Verdict};

/// At most this many issues, and as many warnings, are shown with their lines; of the rest the number.
const SHOWN_MAX: usize = 20;
/// Longer texts are not quoted: their lines are no help to anyone.
const QUOTED_BYTES_MAX: usize = 256 * 1024;

/// Shows the issues and warnings of `verdict` on the text of `file_name`, in colour if `color`. Env values, and user
/// info of URLs, are masked. Empty if there is nothing to show.
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

/// `text` with every env value and every URL's user info replaced by asterisks, byte for byte, so that places stay.
fn masked(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let mut rest = 0;
    while let Some(at) = text[rest..].find("://") {
        let start = rest + at + 3;
        let end = text[start..].find(['/', '?', '#', '"', '\\', ' ', '\n']).map_or(text.len(), |length| start + length);
        if let Some(sign) = text[start..end].rfind('@') {
            bytes[start..start + sign].fill(b'*');
        }
        rest = end;
    }
    for span in super::source::env_values(text) {
        bytes[span].fill(b'*');
    }
    // Only whole characters were replaced, by ASCII.
    String::from_utf8(bytes).unwrap_or_default()
}
