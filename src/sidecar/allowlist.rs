//! Which commands may be started: the match of contract section 3.

use std::collections::HashSet;

/// What Windows people put behind a command's name; it is ignored.
const SUFFIXES: [&str; 5] = [".exe", ".cmd", ".bat", ".ps1", ".sh"];

/// The allowed commands, lower-cased.
pub(super) struct Allowlist(HashSet<String>);

impl Allowlist {
    pub(super) fn new(commands: &[String]) -> Self {
        Self(commands.iter().map(|command| command.to_ascii_lowercase()).collect())
    }

    /// Whether the base name of `command` is an entry, without regard to ASCII case and to one suffix. Other letters
    /// are compared as they are, so that no look-alike passes.
    pub(super) fn has(&self, command: &str) -> bool {
        let base = base_name(command).to_ascii_lowercase();
        self.0.contains(&base)
            || SUFFIXES
                .iter()
                .find_map(|suffix| base.strip_suffix(suffix))
                .is_some_and(|stem| !stem.is_empty() && self.0.contains(stem))
    }
}

/// The last part of a path as basename(1) gives it: slashes at the end do not count.
fn base_name(command: &str) -> &str {
    let trimmed = command.trim_end_matches('/');
    trimmed.rsplit_once('/').map_or(trimmed, |(_, base)| base)
}

/// The first word of a command line, a quoted one taken whole. A quote that is not closed, or closed in the middle of
/// a word, is part of the word: a shell would join what follows, and the joined word is another program.
pub(super) fn first_word(line: &str) -> &str {
    let line = line.trim_start();
    for quote in ['"', '\''] {
        if let Some((word, rest)) = line.strip_prefix(quote).and_then(|inner| inner.split_once(quote))
            && !word.is_empty()
            && (rest.is_empty() || rest.starts_with(char::is_whitespace))
        {
            return word;
        }
    }
    line.split(char::is_whitespace).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_matches_by_base_name_case_and_suffix() {
        let list = Allowlist::new(&["node".into(), "Deploy.sh".into()]);
        let check = |command: &str, expected: bool| assert_eq!(list.has(command), expected, "{command:?}");
        for good in
            ["node", "NODE", "/usr/bin/node", "./node", "node.exe", "Node.CMD", "x/node.ps1", "node/", "deploy.sh"]
        {
            check(good, true);
        }
        for bad in [
            "",
            "/",
            "nodes",
            "node ",
            " node",
            "node|x",
            "C:node",
            "c:\\node",
            "./node/..",
            "node.exe.exe",
            ".exe",
            "node.py",
            "deploy",
            "nodе",
            "ｎode",
        ] {
            check(bad, false);
        }
    }

    #[test]
    fn the_first_word_is_what_a_shell_would_run() {
        let check = |line: &str, expected: &str| assert_eq!(first_word(line), expected, "{line:?}");
        check("curl -fsS x", "curl");
        check("  curl\tx", "curl");
        check("\"/opt/my tools/curl\" x", "/opt/my tools/curl");
        check("'curl'", "curl");
        check("\"curl x", "\"curl");
        check("\"curl\"evil", "\"curl\"evil");
        check("\"\" x", "\"\"");
        check(" ", "");
    }
}
