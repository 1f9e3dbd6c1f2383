//! The process table as Linux shows it. Impure: reads /proc.

#![cfg_attr(not(linux_calls), expect(dead_code, reason = "the portable snapshot serves there"))]

use std::fs::File;
use std::io::{self, Read};

use crate::base::error::tells_nothing;
use crate::service::{Identity, Liveness};

/// One process as seen at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// Process id.
    pub(super) pid: u32,
    /// Its parent's.
    pub(super) ppid: u32,
    /// It has ended and only waits to be reaped.
    pub(super) is_zombie: bool,
    /// When it started; see `Identity::start_ticks`.
    pub(super) start_ticks: u64,
}

/// The longest `/proc/PID/stat` line: 52 numbers of at most 20 digits and a name of 64 bytes stay well below.
const STAT_BYTES_MAX: usize = 2048;

/// Looks at one process; `None` if there is none of that pid.
#[expect(clippy::disallowed_methods, reason = "reads /proc, which is no file to be bounded or written")]
pub(super) fn see(pid: u32) -> io::Result<Option<Seen>> {
    let mut path = String::with_capacity(24);
    path.push_str("/proc/");
    path.push_str(&pid.to_string());
    path.push_str("/stat");
    let mut line = [0_u8; STAT_BYTES_MAX];
    match File::open(&path).and_then(|mut file| file.read(&mut line)) {
        Ok(length) => parse(pid, &line[..length]).map(Some),
        // ESRCH: it ended between open and read.
        Err(gone) if is_gone(&gone) => Ok(None),
        Err(other) => Err(other),
    }
}

/// Looks at every process that this user can see, in no order.
pub(super) fn see_all() -> io::Result<Vec<Seen>> {
    let mut all = Vec::with_capacity(256);
    for entry in std::fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|text| text.parse::<u32>().ok()) else { continue };
        // One that cannot be read is not ours to judge; the caller checks that we ourselves are listed.
        match see(pid) {
            Ok(Some(seen)) => all.push(seen),
            // A listing with holes that are ours proves nothing.
            Err(error) if tells_nothing(&error) => return Err(error),
            Ok(None) | Err(_) => {}
        }
    }
    Ok(all)
}

/// The kernel's id of this boot.
pub(super) fn boot_id() -> io::Result<String> {
    let bytes = crate::base::files::read_pseudo("/proc/sys/kernel/random/boot_id")?;
    Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
}

/// What can be said of a process recorded under another boot than this: no process outlives its boot.
pub(super) fn of_another_boot(_: &Identity, _: &str) -> Liveness {
    Liveness::Dead
}

/// Wall-clock time of a start time in clock ticks, by the boot time of /proc/stat; about a second exact.
pub(super) fn started_at_ms(start_ticks: u64) -> io::Result<i64> {
    let text = crate::base::files::read_pseudo("/proc/stat")?;
    let text = String::from_utf8_lossy(&text);
    let boot_seconds: i64 = text
        .lines()
        .find_map(|line| line.strip_prefix("btime "))
        .and_then(|seconds| seconds.trim().parse().ok())
        .ok_or_else(|| io::Error::other("/proc/stat has no btime line"))?;
    let ticks_per_second = rustix::param::clock_ticks_per_second().max(1);
    let since_boot_ms = i64::try_from(start_ticks.saturating_mul(1000) / ticks_per_second).unwrap_or(i64::MAX);
    Ok(boot_seconds.saturating_mul(1000).saturating_add(since_boot_ms))
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error())
}

/// Reads state (field 3), parent (4) and start time (22) of proc_pid_stat(5). The name (2) may hold anything, blanks
/// and brackets included, so fields are counted from the last bracket.
fn parse(pid: u32, line: &[u8]) -> io::Result<Seen> {
    let odd = || io::Error::new(io::ErrorKind::InvalidData, format!("/proc/{pid}/stat reads like nothing we know"));
    let close = line.iter().rposition(|byte| *byte == b')').ok_or_else(odd)?;
    let mut fields = line[close + 1..].split(|byte| *byte == b' ').filter(|field| !field.is_empty());
    let state = fields.next().ok_or_else(odd)?;
    let ppid = number(fields.next()).ok_or_else(odd)?;
    // Field 5 comes next, so 22 is 17 further on.
    let start_ticks = number(fields.nth(17)).ok_or_else(odd)?;
    let is_zombie = matches!(state, b"Z" | b"X" | b"x");
    Ok(Seen { pid, ppid: u32::try_from(ppid).map_err(|_| odd())?, is_zombie, start_ticks })
}

fn number(field: Option<&[u8]>) -> Option<u64> {
    std::str::from_utf8(field?).ok()?.trim_end().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_blanks_does_not_shift_the_fields() {
        let line = b"77 (a) b (c) S 5 77 77 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 123456 1 1\n";
        let expected = Seen { pid: 77, ppid: 5, is_zombie: false, start_ticks: 123_456 };
        assert_eq!(parse(77, line).expect("well formed"), expected);
    }

    #[test]
    fn torn_lines_are_errors() {
        for line in [&b""[..], b"77", b"77 (x)", b"77 (x) S 5", b"77 (x) S a 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1"] {
            assert!(parse(77, line).is_err(), "{line:?}");
        }
    }
}
