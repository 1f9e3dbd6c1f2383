//! Alerts in Markdown, pure: what went wrong with a sidecar or a start, and what to do.

use std::fmt::Write as _;

/// One failure of a verdict.
#[derive(Clone, Copy, Debug)]
pub struct Failure<'a> {
    /// The contract's words: `spec[0]: port-invalid (80)`.
    pub reason: &'a str,
    /// The same in a sentence.
    pub message: &'a str,
    /// What would make it pass.
    pub help: &'a str,
}

/// A sidecar that was rejected.
#[derive(Clone, Copy, Debug)]
pub struct Rejection<'a> {
    /// Whose.
    pub agent: &'a str,
    /// Where the file is now.
    pub moved_to: &'a str,
    /// Everything that is wrong with it.
    pub failures: &'a [Failure<'a>],
    /// The text with each failure marked.
    pub excerpt: &'a str,
    /// The smallest sidecar that passes.
    pub smallest: &'a str,
}

/// A service that did not come up.
#[derive(Clone, Copy, Debug)]
pub struct FailedStart<'a> {
    /// The record's name.
    pub name: &'a str,
    /// Why, in a sentence.
    pub error: &'a str,
    /// Where its output is.
    pub log_path: &'a str,
    /// The last lines of that.
    pub log_tail: &'a [String],
}

/// The alert about a rejected sidecar.
pub fn rejection(rejection: &Rejection<'_>) -> String {
    let Rejection { agent, moved_to, failures, excerpt, smallest } = rejection;
    let count = failures.len();
    let mut text = format!("# The sidecar of agent {agent} was rejected\n\n");
    let things = if count == 1 { "failure" } else { "failures" };
    put(&mut text, format_args!("Nothing was started. The file is now at `{}`.\n\n", line(moved_to)));
    put(&mut text, format_args!("## {count} {things}\n\n"));
    for (number, failure) in failures.iter().enumerate() {
        let Failure { reason, message, help } = failure;
        put(&mut text, format_args!("{}. `{}`: {}\n", number + 1, line(reason), line(message)));
        put(&mut text, format_args!("   To pass: {}\n", line(help)));
    }
    text.push_str("\n## What was written\n\n");
    text.push_str(&fenced(excerpt));
    text.push_str("\n## The smallest sidecar that passes\n\n");
    text.push_str(&fenced(smallest));
    text.push_str("\nCheck the next one before the work ends: `minions managed validate`\n");
    text
}

/// The alert about services that did not come up.
pub fn failed_starts(agent: &str, starts: &[FailedStart<'_>]) -> String {
    let mut text = format!("# Services of agent {agent} did not come up\n");
    for FailedStart { name, error, log_path, log_tail } in starts {
        put(&mut text, format_args!("\n## {}\n\n{}\n", line(name), line(error)));
        if log_path.is_empty() {
            continue;
        }
        put(&mut text, format_args!("\nLog: `{}`\n", line(log_path)));
        if log_tail.is_empty() {
            text.push_str("\nIt wrote nothing.\n");
        } else {
            put(&mut text, format_args!("\nThe last {} lines:\n\n", log_tail.len()));
            text.push_str(&fenced(&log_tail.join("\n")));
        }
    }
    text
}

/// Other people's text as one line that ends no code span and commands no terminal.
fn line(text: &str) -> String {
    text.chars().flat_map(|c| if c == '`' { vec!['\''] } else { plain(c) }).collect()
}

/// Other people's text as a block of code whose fence is longer than any run of backticks in it.
fn fenced(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let body: String = text.chars().flat_map(|c| if c == '\n' || c == '\t' { vec![c] } else { plain(c) }).collect();
    format!("{fence}text\n{}\n{fence}\n", body.trim_end_matches('\n'))
}

/// A control character, or one that reorders or hides text, as its escape; anything else as it is: people read this.
fn plain(c: char) -> Vec<char> {
    let is_unseen =
        matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    if c.is_control() || is_unseen { c.escape_default().collect() } else { vec![c] }
}

fn put(text: &mut String, words: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = text.write_fmt(words);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_cannot_break_out_of_its_fence() {
        let log_tail = ["```", "# I am a heading", "\u{1b}[2J\u{202e}\u{2028}", "````"].map(str::to_owned);
        let start = FailedStart { name: "web", error: "exit code 1\n# fake", log_path: "/l", log_tail: &log_tail };
        let text = failed_starts("ripley", &[start]);
        let fence = "`````";
        let open = text.find(&format!("{fence}text\n")).expect("a fence");
        let close = text.rfind(&format!("\n{fence}\n")).expect("its end");
        assert!(open < text.find("# I am").expect("the log") && text.find("# I am").expect("the log") < close);
        assert!(!text.contains(['\u{1b}', '\u{202e}', '\u{2028}']), "{text}");
        assert!(text.contains("exit code 1\\n# fake"), "{text}");
    }
}
