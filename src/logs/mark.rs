//! The marks that a rotation leaves on the files themselves, as extended attributes: they go where the file goes, are
//! replaced in one step, and reach the disk in the same order as the cut. Impure: reads and writes them.
//!
//! **Positions** count all bytes that a log ever held since its first rotation, so that they keep their meaning when the
//! head of the file goes.

use std::fs::File;
use std::io;

use rustix::fs::XattrFlags;
use rustix::io::Errno;

/// The attribute of a log: `1 ID STEP BASE START CUT ENDS`, hex numbers of 16 digits, so that a replacement never needs
/// more room than the mark before it had.
const LOG_MARK: &str = "user.minions.log";
/// The attribute of a previous log: `1 ID FROM TO`.
const PART_MARK: &str = "user.minions.log-part";
/// The version that both begin with.
const VERSION: &str = "1";
/// Longer than any mark.
const MARK_BYTES_MAX: usize = 128;

/// Between the positions of two contents of a log of which nobody knows how much lies between them: more than any log
/// grows to between two looks at it.
pub(super) const GAP: u64 = 1 << 40;

/// How far a rotation of a log has got. The steps are gone through in this order; whoever finds one in the middle knows by
/// it, and by the file, what was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// None is under way.
    Whole,
    /// The head is in the previous log; it may be a hole by now.
    Cutting,
    /// The head is a hole, or is gone: `has_hole` tells which.
    Punched,
    /// Everything is in the previous log; the file may have been truncated by now.
    Truncating,
}

/// What a log tells of itself. Until its first rotation it has no mark, which means `Whole` and 0 for everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// Tells this log from another one of the same name, before or after it.
    pub(super) id: u64,
    /// How far a rotation has got.
    pub(super) step: Step,
    /// The position of the file's first byte, before the cut that is under way.
    pub(super) base: u64,
    /// The position of its first line; what stands before that is the end of a line that the previous log has whole.
    pub(super) start: u64,
    /// How many bytes of the file the cut that is under way takes; 0 for `Whole`.
    pub(super) cut: u64,
    /// The position at which the previous log ends, once the rotation that is under way is done.
    pub(super) ends: u64,
}

impl Mark {
    /// The mark of a log that was never rotated.
    pub(super) fn first() -> Self {
        Self { id: random(), step: Step::Whole, base: 0, start: 0, cut: 0, ends: 0 }
    }

    /// Reads the mark of `log`; `None` if it has none, or if the file system knows no such thing.
    pub(super) fn read(log: &File) -> io::Result<Option<Self>> {
        let Some(text) = get(log, LOG_MARK)? else { return Ok(None) };
        Self::parse(&text).map(Some).ok_or_else(|| unknown(LOG_MARK, &text))
    }

    /// Replaces the mark of `log`.
    pub(super) fn write(&self, log: &File) -> io::Result<()> {
        set(log, LOG_MARK, &self.to_text())
    }

    fn to_text(self) -> String {
        let Self { id, step, base, start, cut, ends } = self;
        let step = match step {
            Step::Whole => "whole",
            Step::Cutting => "cutting",
            Step::Punched => "punched",
            Step::Truncating => "truncating",
        };
        format!("{VERSION} {id:016x} {step:10} {base:016x} {start:016x} {cut:016x} {ends:016x}")
    }

    fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let &[VERSION, id, step, base, start, cut, ends] = words.as_slice() else { return None };
        let step = match step {
            "whole" => Step::Whole,
            "cutting" => Step::Cutting,
            "punched" => Step::Punched,
            "truncating" => Step::Truncating,
            _ => return None,
        };
        let mark = Self { id: hex(id)?, step, base: hex(base)?, start: hex(start)?, cut: hex(cut)?, ends: hex(ends)? };
        // Sums of these must not overflow.
        let sane = [mark.base, mark.start, mark.cut, mark.ends].into_iter().all(|number| number < 1 << 62);
        (sane && mark.base <= mark.start).then_some(mark)
    }
}

/// What a previous log tells of itself: which positions of which log it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PartMark {
    /// The log's.
    pub(super) id: u64,
    /// The position of its first byte, which begins a line.
    pub(super) from: u64,
    /// The position after its last byte.
    pub(super) to: u64,
}

impl PartMark {
    /// Reads the mark of the previous log `part`; `None` if it has none.
    pub(super) fn read(part: &File) -> io::Result<Option<Self>> {
        let Some(text) = get(part, PART_MARK)? else { return Ok(None) };
        Self::parse(&text).map(Some).ok_or_else(|| unknown(PART_MARK, &text))
    }

    /// Replaces the mark of `part`.
    pub(super) fn write(&self, part: &File) -> io::Result<()> {
        let Self { id, from, to } = self;
        set(part, PART_MARK, &format!("{VERSION} {id:016x} {from:016x} {to:016x}"))
    }

    fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let &[VERSION, id, from, to] = words.as_slice() else { return None };
        let part = Self { id: hex(id)?, from: hex(from)?, to: hex(to)? };
        (part.from <= part.to && part.to < 1 << 62).then_some(part)
    }
}

fn hex(word: &str) -> Option<u64> {
    u64::from_str_radix(word, 16).ok()
}

fn random() -> u64 {
    let mut bytes = [0; 8];
    // Without randomness any number that differs does.
    let spare = u64::try_from(crate::base::clock::EpochMs::now().0).unwrap_or(1);
    crate::base::ids::fill_random(&mut bytes).map_or(spare, |()| u64::from_ne_bytes(bytes))
}

fn get(file: &File, name: &str) -> io::Result<Option<String>> {
    let mut value = [0; MARK_BYTES_MAX];
    match rustix::fs::fgetxattr(file, name, &mut value) {
        Ok(length) => Ok(Some(String::from_utf8_lossy(&value[..length]).into_owned())),
        Err(error) if error == NO_ATTRIBUTE || error == Errno::NOTSUP => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(target_os = "linux")]
const NO_ATTRIBUTE: Errno = Errno::NODATA;
#[cfg(not(target_os = "linux"))]
const NO_ATTRIBUTE: Errno = Errno::NOATTR;

fn set(file: &File, name: &str, text: &str) -> io::Result<()> {
    Ok(rustix::fs::fsetxattr(file, name, text.as_bytes(), XattrFlags::empty())?)
}

fn unknown(name: &str, text: &str) -> io::Error {
    io::Error::other(format!("its attribute `{name}` is none that this version knows: `{}`", text.escape_debug()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_read_back_and_all_have_one_length() {
        for step in [Step::Whole, Step::Cutting, Step::Punched, Step::Truncating] {
            let mark = Mark { id: u64::MAX, step, base: 1, start: 2, cut: 3, ends: (1 << 62) - 1 };
            assert_eq!(Mark::parse(&mark.to_text()), Some(mark));
            assert_eq!(mark.to_text().len(), Mark::first().to_text().len());
        }
    }

    #[test]
    fn what_is_no_mark_is_not_taken_for_one() {
        let check = |text: &str| assert_eq!(Mark::parse(text), None, "{text:?}");
        check("");
        check("2 0 whole 0 0 0 0");
        check("1 0 whole 0 0 0");
        check("1 0 whole 0 0 0 0 0");
        check("1 0 half 0 0 0 0");
        check("1 0 whole -1 0 0 0");
        check("1 0 whole 5 4 0 0");
        check("1 0 whole 0 ffffffffffffffff 0 0");
        assert_eq!(PartMark::parse("1 0 5 4"), None);
        assert_eq!(PartMark::parse("1 0 4 5"), Some(PartMark { id: 0, from: 4, to: 5 }));
    }

    #[test]
    fn a_file_bears_its_mark_and_one_without_has_none() {
        let file = tempfile::tempfile_in(std::env::temp_dir()).unwrap();
        assert_eq!(Mark::read(&file).unwrap(), None);
        let mark = Mark::first();
        // A temporary folder without attributes proves nothing here.
        if mark.write(&file).is_ok() {
            assert_eq!(Mark::read(&file).unwrap(), Some(mark));
            set(&file, LOG_MARK, "nonsense").unwrap();
            assert!(Mark::read(&file).unwrap_err().to_string().contains("`nonsense`"));
        }
    }
}
