//! A log being read: first its end, then what is appended, over rotation and truncation.

use std::io;
use std::path::{Path, PathBuf};

use super::lines::{self, BLOCK_BYTES, Wanted};
use super::mark::GAP;
use super::reader::{Found, Reader};

/// Steps from place to place between two reads: a truncation and a loss are two.
const HOPS_MAX: usize = 8;

/// A log being read. Each line is given once, in order, whatever rotations come, as long as no two of them come between
/// two reads; then [`Follower::take_lost`] says how much went unread.
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    reader: Option<Reader>,
    position: u64,
    /// Where a reader ends that does not follow.
    stop_at: Option<u64>,
    is_in_line: bool,
    lost: u64,
}

impl Follower {
    /// Starts at the last `count` lines of the log at `path`, which need not be there yet.
    pub fn open(path: &Path, count: usize) -> io::Result<Self> {
        let reader = Reader::open(path)?;
        let wanted = Wanted { count, from: 0, bytes_max: u64::MAX };
        let place = reader.as_ref().map(|reader| lines::place_of(reader, wanted)).transpose()?;
        Ok(Self {
            path: path.to_owned(),
            reader,
            position: place.as_ref().map_or(0, |place| place.start),
            stop_at: Some(place.map_or(0, |place| place.end)),
            is_in_line: false,
            lost: 0,
        })
    }

    /// Whether there is a file.
    pub fn is_there(&self) -> bool {
        self.reader.is_some()
    }

    /// The next bytes, at most a block. Empty at the end as it was when the log was opened or [`Self::look_again`] was
    /// called last: a service that writes faster than we read must not keep us.
    pub fn next_bytes(&mut self) -> io::Result<Vec<u8>> {
        let Some(reader) = &self.reader else { return Ok(Vec::new()) };
        let mut block = vec![0; BLOCK_BYTES];
        for _ in 0..HOPS_MAX {
            let left = self.stop_at.map_or(u64::MAX, |stop| stop.saturating_sub(self.position));
            let size = usize::try_from(left).map_or(BLOCK_BYTES, |left| left.min(BLOCK_BYTES));
            if size == 0 {
                break;
            }
            match reader.read_at(self.position, &mut block[..size])? {
                Found::Bytes(read) => {
                    block.truncate(read);
                    self.position += read as u64;
                    self.is_in_line = block.last() != Some(&b'\n');
                    return Ok(block);
                }
                Found::End => break,
                Found::Moved(to) => self.position = to,
                Found::Lost(to) => {
                    // A gap between positions holds nothing that could be lost.
                    let lost = to.saturating_sub(self.position) % GAP;
                    self.lost += lost;
                    self.position = to;
                    if lost > 0 && std::mem::take(&mut self.is_in_line) {
                        return Ok(b"\n".to_vec());
                    }
                }
            }
        }
        Ok(Vec::new())
    }

    /// Looks whether more has come, or another file: a log that was removed and made anew is read from its start, once the
    /// old one is read to its end.
    pub fn look_again(&mut self) -> io::Result<()> {
        // While following there is no end: the next reads go as far as they can.
        self.stop_at = None;
        let Some(fresh) = Reader::open(&self.path)? else { return Ok(()) };
        let is_same = self.reader.as_ref().map_or(Ok(false), |reader| reader.is_same(&fresh))?;
        if is_same {
            return Ok(());
        }
        if let Some(reader) = &self.reader {
            // What was written to the old file after the last read comes first.
            let mut byte = [0];
            if !matches!(reader.read_at(self.position, &mut byte)?, Found::End) {
                return Ok(());
            }
        }
        self.position = fresh.segments()?.first().map_or(0, |segment| segment.start);
        self.reader = Some(fresh);
        Ok(())
    }

    /// How many bytes were rotated away before they were read, since this was asked last.
    pub fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::files::{self, Durability, write_atomic};
    use crate::logs::{previous_of, rotate_if_due};

    fn drained(follower: &mut Follower) -> String {
        let mut text = Vec::new();
        loop {
            let bytes = follower.next_bytes().unwrap();
            if bytes.is_empty() {
                return String::from_utf8(text).unwrap();
            }
            text.extend(bytes);
        }
    }

    /// What has come since the last look.
    fn news(follower: &mut Follower) -> String {
        follower.look_again().unwrap();
        drained(follower)
    }

    fn append(path: &Path, text: &str) {
        io::Write::write_all(&mut files::open_append(path).unwrap(), text.as_bytes()).unwrap();
    }

    #[test]
    fn following_goes_on_over_truncation_and_another_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut follower = Follower::open(&path, 10).unwrap();
        assert!(!follower.is_there());
        append(&path, "one\n");
        assert_eq!(news(&mut follower), "one\n");
        append(&path, "two\n");
        assert_eq!(news(&mut follower), "two\n");
        files::open_append(&path).unwrap().set_len(0).unwrap();
        append(&path, "3\n");
        assert_eq!(news(&mut follower), "3\n");
        write_atomic(&path, b"another file\n", Durability::Cached).unwrap();
        assert_eq!(news(&mut follower), "another file\n");
        files::remove(&path).unwrap();
        assert_eq!(news(&mut follower), "");
        append(&path, "made anew\n");
        assert_eq!(news(&mut follower), "made anew\n");
    }

    #[test]
    fn who_does_not_follow_ends_where_the_log_ended() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        append(&path, "one\n");
        let mut follower = Follower::open(&path, 10).unwrap();
        append(&path, "two\n");
        assert_eq!(drained(&mut follower), "one\n");
        assert_eq!(news(&mut follower), "two\n");
    }

    #[test]
    fn a_follower_is_given_each_line_once_wherever_in_a_line_the_cut_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut follower = Follower::open(&path, 10).unwrap();
        let mut expected = String::new();
        for round in 0..40_usize {
            // Lengths around the size of a block, so that cuts fall on, before and after line ends.
            let text = format!("{round}{}\n", "x".repeat(round * 13 % 50)).repeat(200 + round) + &"y".repeat(round);
            append(&path, &text);
            expected.push_str(&text);
            for is_before in [true, false] {
                // Sometimes before and after the rotation, sometimes only at one side of it.
                if if is_before { round % 3 > 0 } else { round % 2 > 0 || round % 3 == 0 } {
                    let more = news(&mut follower);
                    assert_eq!(expected.drain(..more.len()).collect::<String>(), more, "round {round}");
                }
                if is_before {
                    rotate_if_due(&path, &previous_of(&path), 4096).unwrap();
                }
            }
            assert_eq!(follower.take_lost(), 0, "round {round}");
        }
    }

    #[test]
    fn what_was_rotated_away_unread_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let block = "0123456789\n".repeat(1000);
        append(&path, &block);
        let mut follower = Follower::open(&path, 1).unwrap();
        assert_eq!(drained(&mut follower), "0123456789\n");
        append(&path, "torn");
        assert_eq!(news(&mut follower), "torn");
        for _ in 0..2 {
            append(&path, &format!("\n{block}"));
            rotate_if_due(&path, &previous_of(&path), 4096).unwrap();
        }
        append(&path, "last\n");
        let text = news(&mut follower);
        assert_eq!(text, format!("\n\n{block}last\n"), "a line end for the torn line, the previous log, the log");
        assert_eq!(follower.take_lost(), 1 + block.len() as u64);
        assert_eq!(follower.take_lost(), 0);
    }
}
