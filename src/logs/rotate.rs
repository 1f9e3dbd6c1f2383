//! Rotation: the older part of a log becomes the previous log, and the log is made small in place. Impure: copies, cuts and
//! marks files.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::error::Kind;
use crate::base::files;
use crate::base::lock::FileLock;
use crate::base::steps::{self, reached};

use super::collapse;
use super::mark::{GAP, Mark, PartMark, Step};
use super::previous::{Previous, Zeros};

/// How far back from its end a log is searched for the end of a line: a longer one is torn.
const LINE_BYTES_MAX: u64 = 1 << 20;
/// Bytes compared at a time.
const BLOCK_BYTES: usize = 64 * 1024;

/// What became of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// It is not larger than allowed, or there is none; nothing was touched.
    NotDue,
    /// So many bytes went to the previous log. No line was lost or torn.
    Collapsed {
        /// The length of the previous log.
        bytes: u64,
    },
    /// So many bytes went to the previous log, and the file was truncated, since its file system cannot collapse files.
    /// What the service wrote between the last look at the length and the truncation, some microseconds, is lost.
    Truncated {
        /// The length of the previous log.
        bytes: u64,
    },
    /// Another rotation of it is under way; nothing was touched.
    Busy,
}

/// Rotates the log at `log` if it is longer than `bytes_max` bytes; one look at it if it is not. The log before the last
/// rotation, at `previous`, is replaced. Whatever fails, or is killed, at any point: no line is lost, and the next call goes
/// on. Errors: copying (a full disk), or a log whose marks a newer version has made; the log is then as it was.
pub fn rotate_if_due(log: &Path, previous: &Path, bytes_max: u64) -> io::Result<Rotation> {
    if !is_due(log.metadata(), bytes_max)? {
        return Ok(Rotation::NotDue);
    }
    let Some(_turn) = Turn::take(log)? else { return Ok(Rotation::Busy) };
    let file = match files::open_in_place(log) {
        // Whoever had the turn before us may have removed or rotated it.
        Ok(file) if file.metadata()?.len() > bytes_max => file,
        Ok(_) => return Ok(Rotation::NotDue),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Rotation::NotDue),
        Err(error) => return Err(error),
    };
    Rotator { log: &file, previous, part_path: suffixed(previous, ".part") }.rotate()
}

fn is_due(seen: io::Result<std::fs::Metadata>, bytes_max: u64) -> io::Result<bool> {
    match seen {
        Ok(seen) => Ok(seen.is_file() && seen.len() > bytes_max),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// `path` with `suffix` at its end.
pub(super) fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// The right to rotate one log. Its lock file is there only as long as the right is had, or its holder was killed. The log
/// itself is not locked: services may lock what they write to.
struct Turn {
    path: PathBuf,
    _lock: FileLock,
}

impl Turn {
    fn take(log: &Path) -> io::Result<Option<Self>> {
        let path = suffixed(log, ".lock");
        match FileLock::acquire(&path, Duration::ZERO, "rotate") {
            Ok(lock) => Ok(Some(Self { path, _lock: lock })),
            Err(error) if error.kind == Kind::LockTimeout => Ok(None),
            Err(error) => Err(io::Error::other(error.chain())),
        }
    }
}

impl Drop for Turn {
    /// Removes the lock file while it is still ours; whoever opened it before finds that it is no longer at its path.
    fn drop(&mut self) {
        drop(files::remove(&self.path));
    }
}

struct Rotator<'a> {
    log: &'a File,
    previous: &'a Path,
    part_path: PathBuf,
}

impl Rotator<'_> {
    fn rotate(&self) -> io::Result<Rotation> {
        let mark = match Mark::read(self.log)? {
            Some(mark) => match self.finish(mark)? {
                Finished::Cut(bytes) => return Ok(Rotation::Collapsed { bytes }),
                Finished::Whole(mark) => Some(self.borne_out(mark)?),
            },
            None => self.first_mark()?,
        };
        let part = files::create_over(&self.part_path)?;
        let rotated = match collapse::unit(&part)? {
            Some(unit) => self.collapse(&part, mark, unit),
            None => self.truncate(&part, mark),
        };
        // A part that was not renamed is of no use; the next rotation would write it over.
        files::remove(&self.part_path)?;
        rotated
    }

    /// Gives the log its first mark; `None` where the file system knows no such thing.
    fn first_mark(&self) -> io::Result<Option<Mark>> {
        let mark = Mark::first();
        match mark.write(self.log) {
            Ok(()) => Ok(Some(mark)),
            Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn collapse(&self, part: &File, mark: Option<Mark>, unit: u64) -> io::Result<Rotation> {
        let first = mark.map_or(0, |mark| mark.start - mark.base);
        let length = self.log.metadata()?.len();
        // Something must be left: a collapse may not reach the end.
        let whole_units = |bytes: u64| bytes.min(length.saturating_sub(1)) / unit * unit;
        let next = self.last_line_end(first, length)?.unwrap_or_else(|| whole_units(length));
        let cut = whole_units(next);
        if cut == 0 || next <= first {
            return Ok(Rotation::NotDue);
        }
        self.copy(part, first, next)?;
        let Some(mark) = mark else {
            self.publish(part, None)?;
            collapse::collapse(self.log, cut)?;
            reached(steps::Step::RotationCut);
            return Ok(Rotation::Collapsed { bytes: next - first });
        };
        let ends = mark.base + next;
        self.publish(part, Some(PartMark { id: mark.id, from: mark.start, to: ends }))?;
        let cutting = Mark { step: Step::Cutting, cut, ends, ..mark };
        cutting.write(self.log)?;
        reached(steps::Step::RotationMarked);
        self.cut(cutting)?;
        Ok(Rotation::Collapsed { bytes: next - first })
    }

    /// The rest of a rotation whose head is in the previous log.
    fn cut(&self, cutting: Mark) -> io::Result<()> {
        if self.log.metadata()?.len() <= cutting.cut {
            // Somebody else truncated it: what is in it now is in no other file.
            return self.forget(cutting).map(drop);
        }
        collapse::punch(self.log, cutting.cut)?;
        let punched = Mark { step: Step::Punched, ..cutting };
        punched.write(self.log)?;
        self.close_up(punched)
    }

    fn close_up(&self, punched: Mark) -> io::Result<()> {
        collapse::collapse(self.log, punched.cut)?;
        reached(steps::Step::RotationCut);
        self.whole(punched, punched.base + punched.cut, punched.ends).map(drop)
    }

    fn whole(&self, mark: Mark, base: u64, start: u64) -> io::Result<Mark> {
        let whole = Mark { step: Step::Whole, base, start, cut: 0, ..mark };
        whole.write(self.log)?;
        Ok(whole)
    }

    /// Takes the content as new: nothing is known of how it came to be.
    fn forget(&self, mark: Mark) -> io::Result<Mark> {
        let base = mark.ends.max(mark.base + mark.cut) + GAP;
        self.whole(mark, base, base)
    }

    /// Goes on where a rotation was cut short.
    fn finish(&self, mark: Mark) -> io::Result<Finished> {
        let bytes = mark.ends.saturating_sub(mark.start);
        match mark.step {
            Step::Whole => Ok(Finished::Whole(mark)),
            Step::Cutting if collapse::has_hole(self.log, mark.cut)? || self.head_is_copied(mark)? => {
                self.cut(mark)?;
                Ok(Finished::Cut(bytes))
            }
            Step::Cutting => self.forget(mark).map(Finished::Whole),
            Step::Punched if !collapse::has_hole(self.log, mark.cut)? => {
                self.whole(mark, mark.base + mark.cut, mark.ends).map(Finished::Whole)
            }
            Step::Punched if self.log.metadata()?.len() <= mark.cut => self.forget(mark).map(Finished::Whole),
            Step::Punched => {
                self.close_up(mark)?;
                Ok(Finished::Cut(bytes))
            }
            Step::Truncating if self.log.metadata()?.len() < mark.cut => self.forget(mark).map(Finished::Whole),
            // It may have been truncated and have grown again; copied once more, nothing is lost either way.
            Step::Truncating => {
                self.whole(Mark { ends: mark.start, ..mark }, mark.base, mark.start).map(Finished::Whole)
            }
        }
    }

    /// Whether the previous log holds all that the cut would take, but for what is punched already.
    fn head_is_copied(&self, mark: Mark) -> io::Result<bool> {
        let Some(previous) = Previous::open(self.previous, mark.id)? else { return Ok(false) };
        let first = mark.start - mark.base;
        let size = mark.cut.saturating_sub(first);
        Ok((previous.mark.from, previous.mark.to) == (mark.start, mark.ends)
            && previous.agrees((self.log, first), 0, size, Zeros::AreNothing)?)
    }

    /// `mark`, if the head that it speaks of is in the previous log; else one by which all there is is yet to be moved.
    fn borne_out(&self, mark: Mark) -> io::Result<Mark> {
        let first = mark.start - mark.base;
        let told = match Previous::open(self.previous, mark.id)? {
            Some(previous) => previous.bears_out(self.log, (0, first), mark.start)?,
            None => None,
        };
        Ok(if told == Some(true) { mark } else { Mark { start: mark.base, ..mark } })
    }

    fn truncate(&self, part: &File, mark: Option<Mark>) -> io::Result<Rotation> {
        let first = mark.map_or(0, |mark| mark.start - mark.base);
        let mut copied = self.copy_to_end(part, first)?;
        part.sync_all()?;
        // What came while the disk was waited for; so that the last round, after the rename, has little to do.
        copied = self.copy_to_end(part, copied)?;
        let part_mark = |mark: Mark, copied| PartMark { id: mark.id, from: mark.start, to: mark.base + copied };
        self.publish(part, mark.map(|mark| part_mark(mark, copied)))?;
        if let Some(mark) = mark {
            Mark { step: Step::Truncating, cut: copied, ends: mark.base + copied, ..mark }.write(self.log)?;
        }
        // No mark is made from here to the truncation: what is written after the last look is lost.
        for _ in 0..TRUNCATE_ROUNDS_MAX {
            let more = self.copy_to_end(part, copied)?;
            if more == copied {
                break;
            }
            copied = more;
        }
        reached(steps::Step::RotationMarked);
        self.log.set_len(0)?;
        reached(steps::Step::RotationCut);
        if let Some(mark) = mark {
            part_mark(mark, copied).write(part)?;
            let base = mark.base + copied + GAP;
            self.whole(Mark { ends: mark.base + copied, ..mark }, base, base)?;
        }
        Ok(Rotation::Truncated { bytes: copied - first })
    }

    /// Copies what the log has from `from` up to its end as it is now; returns how far that was.
    fn copy_to_end(&self, part: &File, from: u64) -> io::Result<u64> {
        let end = self.log.metadata()?.len().max(from);
        self.copy(part, from, end)?;
        Ok(end)
    }

    /// Copies the bytes from `from` to `to`.
    fn copy(&self, part: &File, from: u64, to: u64) -> io::Result<()> {
        let (mut source, mut target) = (self.log, part);
        source.seek(SeekFrom::Start(from))?;
        if io::copy(&mut source.take(to - from), &mut target)? == to - from {
            return Ok(());
        }
        Err(io::Error::other("it became shorter while it was copied"))
    }

    /// Makes `part` the previous log, for good: from here on, readers look for these lines there.
    fn publish(&self, part: &File, mark: Option<PartMark>) -> io::Result<()> {
        if let Some(mark) = mark {
            mark.write(part)?;
        }
        part.sync_all()?;
        reached(steps::Step::RotationCopied);
        files::rename_synced(&self.part_path, self.previous)?;
        reached(steps::Step::RotationPublished);
        Ok(())
    }

    /// Where the last whole line between `first` and `length` ends; `None` if the end of the file has none.
    fn last_line_end(&self, first: u64, length: u64) -> io::Result<Option<u64>> {
        let floor = first.max(length.saturating_sub(LINE_BYTES_MAX));
        let mut block = vec![0; BLOCK_BYTES];
        let mut end = length;
        while end > floor {
            let start = end.saturating_sub(BLOCK_BYTES as u64).max(floor);
            let size = usize::try_from(end - start).map_or(BLOCK_BYTES, |size| size.min(BLOCK_BYTES));
            self.log.read_exact_at(&mut block[..size], start)?;
            if let Some(at) = block[..size].iter().rposition(|byte| *byte == b'\n') {
                return Ok(Some(start + at as u64 + 1));
            }
            end = start;
        }
        Ok(None)
    }
}

/// Rounds of copying what came during the round before, ahead of a truncation: each is as short as what came was.
const TRUNCATE_ROUNDS_MAX: usize = 8;

/// What was left to do of an earlier rotation.
enum Finished {
    /// Its cut: so many bytes are in the previous log.
    Cut(u64),
    /// Nothing, or no more than a word: the log with this mark is whole.
    Whole(Mark),
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    /// The numbers on the whole lines of a file, which must all be lines of `line`.
    fn numbers(path: &Path) -> Vec<u64> {
        let text = String::from_utf8(files::read_bounded(path, 1 << 30).unwrap()).unwrap();
        text.lines().map(|line| line.trim_start_matches('x').parse().unwrap()).collect()
    }

    fn line(number: u64) -> String {
        format!("{}{number}\n", "x".repeat(usize::try_from(number % 97).unwrap()))
    }

    #[test]
    fn a_log_that_is_not_too_large_or_not_there_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (log, previous) = (dir.path().join("web.log"), dir.path().join("web.log.1"));
        let check = |bytes_max| assert_eq!(rotate_if_due(&log, &previous, bytes_max).unwrap(), Rotation::NotDue);
        check(0);
        files::write_atomic(&log, b"12345678\n", files::Durability::Cached).unwrap();
        check(9);
        check(u64::MAX);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        assert_eq!(rotate_if_due(dir.path(), &previous, 0).unwrap(), Rotation::NotDue, "a folder is no log");
    }

    #[test]
    fn two_rotations_at_once_are_one() {
        let dir = tempfile::tempdir().unwrap();
        let (log, previous) = (dir.path().join("web.log"), dir.path().join("web.log.1"));
        files::write_atomic(&log, line(9).repeat(10_000).as_bytes(), files::Durability::Cached).unwrap();
        let turn = Turn::take(&log).unwrap();
        assert_eq!(rotate_if_due(&log, &previous, 10).unwrap(), Rotation::Busy);
        assert!(!previous.exists());
        drop(turn);
        assert!(matches!(
            rotate_if_due(&log, &previous, 10).unwrap(),
            Rotation::Collapsed { .. } | Rotation::Truncated { .. }
        ));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2, "nothing but the two logs is left");
    }

    #[test]
    fn the_previous_log_has_whole_lines_and_what_follows_it_is_in_the_log() {
        let dir = tempfile::tempdir().unwrap();
        let (log, previous) = (dir.path().join("web.log"), dir.path().join("web.log.1"));
        let mut service = files::open_append(&log).unwrap();
        let mut next = 0;
        let mut expected = 0;
        for _ in 0..5 {
            while log.metadata().unwrap().len() <= 20_000 {
                service.write_all(line(next).as_bytes()).unwrap();
                next += 1;
            }
            let Rotation::Collapsed { bytes } = rotate_if_due(&log, &previous, 20_000).unwrap() else {
                return; // A temporary folder whose file system cannot collapse: see tests/services/rotation.rs.
            };
            assert_eq!(previous.metadata().unwrap().len(), bytes);
            let moved = numbers(&previous);
            assert_eq!(moved, (expected..expected + moved.len() as u64).collect::<Vec<_>>());
            expected += moved.len() as u64;
            assert!(log.metadata().unwrap().len() < 20_000 / 2);
        }
        assert_eq!(expected, next, "every line was whole when it was moved");
    }

    #[test]
    fn a_service_that_truncates_its_own_log_loses_no_line_that_it_writes_then() {
        let dir = tempfile::tempdir().unwrap();
        let (log, previous) = (dir.path().join("web.log"), dir.path().join("web.log.1"));
        let mut service = files::open_append(&log).unwrap();
        // All lines of one length: what comes anew has line ends where the old content had them.
        let lines = |numbers: std::ops::Range<u64>| numbers.map(|number| format!("{number:09}\n")).collect::<String>();
        let text = |path: &Path| String::from_utf8(files::read_bounded(path, 1 << 20).unwrap()).unwrap();
        service.write_all(lines(0..1000).as_bytes()).unwrap();
        assert_ne!(rotate_if_due(&log, &previous, 4096).unwrap(), Rotation::NotDue);
        service.set_len(0).unwrap();
        service.write_all(lines(1000..2000).as_bytes()).unwrap();
        assert_eq!(crate::logs::last_lines(&log, 1000).unwrap().join("\n") + "\n", lines(1000..2000));
        assert_ne!(rotate_if_due(&log, &previous, 4096).unwrap(), Rotation::NotDue);
        assert!(text(&previous) == lines(1000..2000), "from the first line that was written anew");
    }

    /// Does the first `steps` steps of a rotation that collapses, as if it were killed then.
    fn rotate_and_die(log: &Path, previous: &Path, steps: usize) {
        let file = files::open_in_place(log).unwrap();
        let rotator = Rotator { log: &file, previous, part_path: suffixed(previous, ".part") };
        let mark = Mark::read(&file).unwrap().unwrap_or_else(Mark::first);
        mark.write(&file).unwrap();
        let (first, length) = (mark.start - mark.base, file.metadata().unwrap().len());
        let next = rotator.last_line_end(first, length).unwrap().unwrap();
        let cut = next.min(length - 1) / 4096 * 4096;
        let middle = first + (next - first) / 2;
        let part = files::create_over(&rotator.part_path).unwrap();
        let cutting = Mark { step: Step::Cutting, cut, ends: mark.base + next, ..mark };
        let punched = Mark { step: Step::Punched, ..cutting };
        let all: [&dyn Fn() -> io::Result<()>; 7] = [
            &|| rotator.copy(&part, first, middle),
            &|| rotator.copy(&part, middle, next),
            &|| rotator.publish(&part, Some(PartMark { id: mark.id, from: mark.start, to: mark.base + next })),
            &|| cutting.write(&file),
            &|| collapse::punch(&file, cut),
            &|| punched.write(&file),
            &|| collapse::collapse(&file, cut),
        ];
        all.iter().take(steps).for_each(|step| step().unwrap());
    }

    #[test]
    fn a_rotation_killed_at_any_step_loses_nothing_and_the_next_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        if collapse::unit(&tempfile::tempfile_in(dir.path()).unwrap()).unwrap() != Some(4096) {
            return; // Here logs are truncated: see tests/services/rotation.rs.
        }
        let read = |follower: &mut crate::logs::Follower, text: &mut String| {
            follower.look_again().unwrap();
            loop {
                let bytes = follower.next_bytes().unwrap();
                text.push_str(std::str::from_utf8(&bytes).unwrap());
                if bytes.is_empty() {
                    return;
                }
            }
        };
        for (round, steps) in (0..).zip((0..8).chain(0..8)) {
            let log = dir.path().join(format!("{round}.log"));
            let previous = crate::logs::previous_of(&log);
            let mut service = files::open_append(&log).unwrap();
            let mut write = |numbers: std::ops::Range<u64>| {
                numbers.for_each(|number| service.write_all(line(number).as_bytes()).unwrap());
            };
            let expected = |numbers: std::ops::Range<u64>| numbers.map(line).collect::<String>();
            write(0..1000);
            let mut follower = crate::logs::Follower::open(&log, usize::MAX).unwrap();
            let mut followed = String::new();
            if round >= 8 {
                // Not the first rotation of this log.
                read(&mut follower, &mut followed);
                rotate_if_due(&log, &previous, 4096).unwrap();
            }
            write(1000..2000);
            rotate_and_die(&log, &previous, steps);
            write(2000..2100);
            let mut all = String::new();
            read(&mut crate::logs::Follower::open(&log, usize::MAX).unwrap(), &mut all);
            let oldest = if round >= 8 && steps > 2 { 1000 } else { 0 };
            assert!(all == expected(oldest..2100), "round {round}: each line once while it is half done");
            read(&mut follower, &mut followed);
            assert!(followed == expected(0..2100), "round {round}: followed while it is half done");
            rotate_if_due(&log, &previous, 4096).unwrap();
            write(2100..2200);
            read(&mut follower, &mut followed);
            assert!(followed == expected(0..2200), "round {round}: followed to the end");
            assert_eq!(follower.take_lost(), 0);
            assert!(log.metadata().unwrap().len() < 4096 * 3, "round {round}: it is small again");
        }
    }
}
