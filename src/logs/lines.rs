//! The last lines of a log, over its previous one if need be.

use std::io;
use std::path::Path;

use super::reader::{Found, Reader};

/// Bytes read at a time.
pub(super) const BLOCK_BYTES: usize = 64 * 1024;

/// Most bytes that [`last_lines`] takes of a log: lines may be of any length.
const TAIL_BYTES_MAX: u64 = 64 * 1024;

/// The position after the last byte of the log at `path`, for [`lines_after`]; 0 if there is no log. It keeps its meaning
/// when the log is rotated.
pub fn end(path: &Path) -> io::Result<u64> {
    let Some(reader) = Reader::open(path)? else { return Ok(0) };
    Ok(reader.segments()?.last().map_or(0, |segment| segment.end))
}

/// The last `count` lines of the log at `path`, without line ends, whatever is no UTF-8 replaced; within 64 KiB of the
/// end. Error `NotFound` if there is none.
pub fn last_lines(path: &Path, count: usize) -> io::Result<Vec<String>> {
    lines_after(path, 0, count)
}

/// As [`last_lines`], but only of what stands after the position `from`. A log that ends before that is another one by
/// now, and counts from its start.
pub fn lines_after(path: &Path, from: u64, count: usize) -> io::Result<Vec<String>> {
    let reader = Reader::open(path)?.ok_or(io::ErrorKind::NotFound)?;
    let place = place_of(&reader, Wanted { count, from, bytes_max: TAIL_BYTES_MAX })?;
    let mut bytes = Vec::new();
    let mut position = place.start;
    while position < place.end {
        let left = usize::try_from(place.end - position).unwrap_or(usize::MAX);
        let mut block = vec![0; left.min(BLOCK_BYTES)];
        match reader.read_at(position, &mut block)? {
            Found::Bytes(read) => {
                bytes.extend_from_slice(&block[..read]);
                position += read as u64;
            }
            Found::Moved(to) | Found::Lost(to) if to > position => position = to,
            Found::Moved(_) | Found::Lost(_) | Found::End => break,
        }
    }
    Ok(String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect())
}

/// Which lines are looked for.
pub(super) struct Wanted {
    /// How many of the last ones; one without its end counts.
    pub(super) count: usize,
    /// Only from this position on.
    pub(super) from: u64,
    /// Only so many bytes from the end.
    pub(super) bytes_max: u64,
}

/// Where the lines are.
pub(super) struct Place {
    /// The position of the first one.
    pub(super) start: u64,
    /// The position after the last one.
    pub(super) end: u64,
}

/// Finds the last lines of what there is now.
pub(super) fn place_of(reader: &Reader, wanted: Wanted) -> io::Result<Place> {
    let mut segments = reader.segments()?;
    let end = segments.last().map_or(0, |segment| segment.end);
    let from = if wanted.from <= end { wanted.from } else { 0 };
    segments.retain_mut(|segment| {
        segment.start = segment.start.max(from);
        segment.start < segment.end
    });
    let closed_at = segments.last().map_or(0, |segment| segment.end);
    let mut start = end;
    let (mut lines, mut bytes) = (wanted.count, wanted.bytes_max);
    for segment in segments.into_iter().rev() {
        let mut at = segment.end;
        while at > segment.start && lines > 0 && bytes > 0 {
            let size = (at - segment.start).min(BLOCK_BYTES as u64).min(bytes);
            let block = read_whole(reader, at - size, size)?;
            let Some(block) = block else { return Ok(Place { start, end }) };
            for (offset, _) in block.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n') {
                let next = at - size + offset as u64 + 1;
                // The very last line end closes the last line; it starts no other.
                if next == closed_at {
                    continue;
                }
                lines -= 1;
                if lines == 0 {
                    // A line end that closes a segment is followed by the first line of the next one.
                    return Ok(Place { start: if next == segment.end { start } else { next }, end });
                }
            }
            at -= size;
            bytes -= size;
            start = at;
        }
    }
    Ok(Place { start, end })
}

/// The `size` bytes at `position`; `None` if they are no longer there.
fn read_whole(reader: &Reader, position: u64, size: u64) -> io::Result<Option<Vec<u8>>> {
    let mut block = vec![0; usize::try_from(size).unwrap_or(BLOCK_BYTES)];
    let mut filled = 0;
    while filled < block.len() {
        match reader.read_at(position + filled as u64, &mut block[filled..])? {
            Found::Bytes(read) => filled += read,
            Found::End | Found::Moved(_) | Found::Lost(_) => return Ok(None),
        }
    }
    Ok(Some(block))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::files::{Durability, write_atomic};
    use crate::logs::{Follower, Rotation, rotate_if_due};

    /// What a reader that does not follow is given.
    fn shown(path: &Path, count: usize) -> String {
        let mut follower = Follower::open(path, count).unwrap();
        let mut text = Vec::new();
        loop {
            let bytes = follower.next_bytes().unwrap();
            if bytes.is_empty() {
                return String::from_utf8(text).unwrap();
            }
            text.extend(bytes);
        }
    }

    #[test]
    fn the_last_lines_are_found_from_the_end_whatever_their_length() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let long = "x".repeat(BLOCK_BYTES);
        let check = |text: &str, count: usize, expected: &str| {
            write_atomic(&path, text.as_bytes(), Durability::Cached).unwrap();
            let got = shown(&path, count);
            assert!(got == expected, "{count} lines of {} bytes gave {} bytes", text.len(), got.len());
        };
        check("", 3, "");
        check("a\nb\nc\n", 0, "");
        check("a\nb\nc\n", 1, "c\n");
        check("a\nb\nc", 1, "c");
        check("a\nb\nc\n", 2, "b\nc\n");
        check("a\nb\nc\n", 3, "a\nb\nc\n");
        check("a\nb\nc\n", usize::MAX, "a\nb\nc\n");
        check("\n\n\n", 2, "\n\n");
        check(&format!("a\n{long}\nb\n"), 2, &format!("{long}\nb\n"));
        check(&format!("{long}\n{long}\n"), 1, &format!("{long}\n"));
        check(&format!("a\n{}", &long[1..]), 1, &long[1..]);
    }

    #[test]
    fn the_last_lines_reach_back_over_a_rotation_and_none_is_torn_or_doubled() {
        let dir = tempfile::tempdir().unwrap();
        let (path, previous) = (dir.path().join("log"), dir.path().join("log.1"));
        let text: Vec<String> = (0..3000).map(|number| format!("line {number}\n")).collect();
        let append = |lines: &[String]| {
            let mut log = crate::base::files::open_append(&path).unwrap();
            io::Write::write_all(&mut log, lines.concat().as_bytes()).unwrap();
        };
        append(&text[..1000]);
        assert_ne!(rotate_if_due(&path, &previous, 1).unwrap(), Rotation::NotDue);
        assert_eq!(shown(&path, 2), text[998..1000].concat(), "a log that is all in the previous one");
        append(&text[1000..1100]);
        for count in [1, 99, 100, 101, 500, 1100, 2000] {
            assert_eq!(shown(&path, count), text[1100_usize.saturating_sub(count)..1100].concat(), "{count}");
        }
        let mark = end(&path).unwrap();
        append(&text[1100..2000]);
        assert_ne!(rotate_if_due(&path, &previous, 1).unwrap(), Rotation::NotDue);
        append(&text[2000..2010]);
        assert_eq!(shown(&path, usize::MAX), text[1000..2010].concat(), "the first part is gone");
        assert_eq!(shown(&previous, usize::MAX), text[1000..2000].concat());
        let lines = |from, count| lines_after(&path, from, count).unwrap().join("\n") + "\n";
        assert_eq!(lines(0, 20), text[1990..2010].concat());
        assert_eq!(lines(mark, 5000), text[1100..2010].concat());
        assert_eq!(lines(end(&path).unwrap() + 1, 3), text[2007..2010].concat(), "it ends before that");
        assert_eq!(lines(end(&path).unwrap(), 3), "\n", "nothing has come since");
    }

    #[test]
    fn what_is_taken_of_a_log_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        assert_eq!(last_lines(&path, 3).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(end(&path).unwrap(), 0);
        write_atomic(&path, "x".repeat(200_000).as_bytes(), Durability::Cached).unwrap();
        let lines = last_lines(&path, 3).unwrap();
        assert_eq!((lines.len(), lines[0].len() as u64), (1, TAIL_BYTES_MAX));
        write_atomic(&path, b"a\xff\nb", Durability::Cached).unwrap();
        assert_eq!(last_lines(&path, 3).unwrap(), ["a\u{fffd}", "b"]);
    }
}
