//! The last lines of a log, of one generation only.

use std::path::Path;

use crate::logs;

/// Contract section 6 and the alert: this many lines.
pub(super) const LINES_MAX: usize = 20;

/// The last lines after the position `from`, which [`logs::end`] told before the generation wrote anything. A log that
/// cannot be read has none; one that ends before that is another one by now and is read from its start.
pub(super) fn tail(log_path: &Path, from: u64) -> Vec<String> {
    logs::lines_after(log_path, from, LINES_MAX).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::files;

    #[test]
    fn only_the_last_lines_of_the_generation_are_told() {
        let dir = tempfile::tempdir().expect("a folder");
        let log = dir.path().join("web.log");
        let write =
            |text: &str| files::write_atomic(&log, text.as_bytes(), files::Durability::Cached).expect("written");
        assert!(tail(&log, 0).is_empty(), "there is no log yet");
        write("old\nnew 1\nnew 2");
        assert_eq!(tail(&log, 4), ["new 1", "new 2"]);
        assert_eq!(tail(&log, 999), ["old", "new 1", "new 2"], "rotated meanwhile");
        let many: String = (0..100).map(|n| format!("{n}\n")).collect();
        write(&many);
        let expected: Vec<String> = (80..100).map(|n| n.to_string()).collect();
        assert_eq!(tail(&log, 0), expected);
    }
}
