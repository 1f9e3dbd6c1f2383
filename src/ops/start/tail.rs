//! The last lines of a log, of one generation only. Impure: reads the log.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use crate::base::files;

/// Contract section 6 and the alert: this many lines.
pub(super) const LINES_MAX: usize = 20;
/// Beyond this many bytes from the end nothing is read: 20 lines of up to 3 KiB.
const BYTES_MAX: u64 = 64 << 10;

/// The last lines after byte `from`, without line ends, invalid UTF-8 replaced. A log that cannot be read has none; one
/// that is shorter than `from` was rotated meanwhile and is read from its start.
pub(super) fn tail(log_path: &Path, from: u64) -> Vec<String> {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = files::open_read(log_path)?;
        let length = file.metadata()?.len();
        let start = if from <= length { from } else { 0 };
        file.seek(SeekFrom::Start(start.max(length.saturating_sub(BYTES_MAX))))?;
        let mut bytes = Vec::new();
        file.take(BYTES_MAX).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES_MAX)..].iter().map(|line| (*line).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
