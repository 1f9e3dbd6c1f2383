//! The rules of the house, checked on the files themselves. Each rule is a function over files in memory that returns
//! what is wrong, so that a test can show that it does find what it forbids.

mod docs;
mod house;
mod rooms;

use std::path::Path;
use std::process::Command;

/// A file of the project.
pub(crate) struct File {
    /// From the project's folder, with slashes.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// Whether it is Rust of the program itself.
    pub(crate) fn is_source(&self) -> bool {
        self.path.starts_with("src/") && self.path.ends_with(".rs")
    }

    /// Its lines outside of its test module, each with its number, comments and what stands in strings taken out.
    pub(crate) fn code(&self) -> Vec<(usize, String)> {
        let body = self.text.find("#[cfg(test)]\nmod ").map_or(self.text.as_str(), |end| &self.text[..end]);
        body.lines().enumerate().map(|(at, line)| (at + 1, without_text(line))).collect()
    }
}

/// A line without its comment and without what stands between double quotes.
fn without_text(line: &str) -> String {
    let mut code = String::new();
    let mut in_text = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if in_text => drop(chars.next()),
            // A quote as a character literal opens nothing.
            '"' if !code.ends_with('\'') || in_text => in_text = !in_text,
            '/' if !in_text && chars.peek() == Some(&'/') => break,
            _ if !in_text => code.push(c),
            _ => {}
        }
    }
    code
}

/// Every file that git tracks or would track, as far as it is text.
#[expect(clippy::disallowed_methods, reason = "the project's own files are what is checked")]
fn project() -> Vec<File> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    // A checkout that belongs to another user (a container's) is read all the same.
    let args = ["-c", "safe.directory=*", "ls-files", "-co", "--exclude-standard", "-z"];
    let listed = Command::new("git").args(args).current_dir(dir).output();
    let listed = String::from_utf8(listed.expect("git lists the files").stdout).expect("paths are UTF-8");
    let paths = listed.split('\0').filter(|path| !path.is_empty());
    let files: Vec<File> =
        paths.filter_map(|path| Some(File::new(path, &std::fs::read_to_string(dir.join(path)).ok()?))).collect();
    assert!(files.iter().any(|file| file.path == "src/lib.rs"), "the files of the project are seen");
    files
}

/// Fails with every complaint of `rule` about the project.
pub(crate) fn check(rule: impl Fn(&[File]) -> Vec<String>) {
    let complaints = rule(&project());
    assert!(complaints.is_empty(), "\n  {}\n", complaints.join("\n  "));
}

/// Fails unless `rule` finds exactly `expected` wrong with a file.
pub(crate) fn finds(rule: impl Fn(&[File]) -> Vec<String>, path: &str, text: &str, expected: &[&str]) {
    assert_eq!(rule(&[File::new(path, text)]), expected, "{path}: {text}");
}

#[test]
fn strings_comments_and_tests_are_no_code() {
    let file = File::new("src/a.rs", "a(\"x // \\\" y\"); // z\nb('\"');\n#[cfg(test)]\nmod tests { c }\n");
    assert_eq!(file.code(), [(1, "a(); ".to_owned()), (2, "b('\"');".to_owned())]);
}
