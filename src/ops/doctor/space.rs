//! The root's file system: whether there is room, and what it can do with logs and locks.

use std::io;
use std::path::{Path, PathBuf};

use crate::base::root::Root;
use crate::logs;

use super::finding::{Area, Finding, sized};

/// Below this nothing can be relied on: one state file of a thousand services takes about a megabyte, twice while it is
/// replaced, and services write logs.
const BYTES_LOW: u64 = 16 << 20;
/// Below this a service that writes much fills the rest before anyone looks.
const BYTES_SCARCE: u64 = 256 << 20;
/// A start makes about ten files and folders.
const FILES_LOW: u64 = 100;
const FILES_SCARCE: u64 = 2_000;
/// File systems of other machines (statfs(2)): NFS, SMB, CIFS, SMB2, FUSE's sshfs cannot be told from other FUSE.
#[cfg(linux_calls)]
const REMOTE: [u64; 4] = [0x6969, 0x517B, 0xFF53_4D42, 0xFE53_4D42];

pub(super) struct Facts {
    /// The folder that was asked: the root, or the nearest above it that is there.
    dir: PathBuf,
    room: io::Result<Room>,
    /// Whether the head of a file can be taken off in place; `None` if that could not be tried.
    collapses: Option<bool>,
}

struct Room {
    bytes: u64,
    /// `None` where the file system has no fixed number of files.
    files: Option<u64>,
    is_read_only: bool,
    is_remote: bool,
}

pub(super) fn observe(root: &Root) -> Facts {
    let dir = root.dir().ancestors().find(|dir| dir.is_dir()).unwrap_or(Path::new("/")).to_owned();
    // What cannot be tried in the root is not tried elsewhere: that would be another file system's answer.
    let collapses = (dir == root.dir()).then(|| logs::can_collapse(&dir).ok()).flatten();
    Facts { room: room(&dir), collapses, dir }
}

fn room(dir: &Path) -> io::Result<Room> {
    let seen = rustix::fs::statvfs(dir)?;
    Ok(Room {
        bytes: seen.f_bavail.saturating_mul(seen.f_frsize),
        files: (seen.f_files > 0).then_some(seen.f_favail),
        is_read_only: seen.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY),
        is_remote: is_remote(dir),
    })
}

#[cfg(linux_calls)]
fn is_remote(dir: &Path) -> bool {
    // The type is a 32-bit magic number in a wider, signed field.
    rustix::fs::statfs(dir).is_ok_and(|seen| REMOTE.contains(&(seen.f_type as u64 & 0xFFFF_FFFF)))
}

/// Elsewhere file systems are not told apart.
#[cfg(not(linux_calls))]
fn is_remote(_: &Path) -> bool {
    false
}

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let Facts { dir, room, collapses } = facts;
    let room = match room {
        Ok(room) => room,
        Err(error) => {
            let message = format!("the file system of the root cannot be asked for its room: {error}");
            return vec![Area::Space.warning("space-unknown", message).at(dir)];
        }
    };
    let mut findings = vec![of_bytes(room.bytes).at(dir)];
    findings.extend(room.files.and_then(of_files).map(|finding| finding.at(dir)));
    if room.is_read_only {
        let message = "the file system of the root is mounted read-only: nothing can be recorded";
        findings.push(Area::Space.error("space-read-only", message).at(dir).with_hint("mount it for writing"));
    }
    if room.is_remote {
        let message = "the root is on another machine's file system: locks and renames there depend on that machine";
        let hint = "use a root on a disk of this machine: --root DIR, or MINIONS_DIR";
        findings.push(Area::Space.warning("space-remote", message).at(dir).with_hint(hint));
    }
    if *collapses == Some(false) {
        let message = "this file system cannot take the head off a file: a log is copied and cut when it is rotated, and a \
                       line that a service writes between the two may be lost";
        findings.push(Area::Space.note("space-no-collapse", message).at(dir).with_hint("ext4 and xfs can"));
    }
    findings
}

fn of_bytes(bytes: u64) -> Finding {
    let hint = "free some: old logs are in engine/managed-logs/";
    match bytes {
        0..BYTES_LOW => Area::Space
            .error("space-low", format!("the file system of the root has {} left", sized(bytes)))
            .with_hint(hint),
        BYTES_LOW..BYTES_SCARCE => Area::Space
            .warning("space-scarce", format!("the file system of the root has only {} left", sized(bytes)))
            .with_hint(hint),
        BYTES_SCARCE.. => {
            Area::Space.ok("space-enough", format!("the file system of the root has {} left", sized(bytes)))
        }
    }
}

fn of_files(files: u64) -> Option<Finding> {
    let message = format!("the file system of the root can take {files} more files");
    let hint = "remove files there: it has no inodes left for more";
    match files {
        0..FILES_LOW => Some(Area::Space.error("files-low", message).with_hint(hint)),
        FILES_LOW..FILES_SCARCE => Some(Area::Space.warning("files-scarce", message).with_hint(hint)),
        FILES_SCARCE.. => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_judged_at_its_thresholds() {
        let check = |room: Room, collapses: Option<bool>, expected: &[&str]| {
            let facts = Facts { dir: "/r".into(), room: Ok(room), collapses };
            let codes: Vec<&str> = judge(&facts).iter().map(|finding| finding.code).collect();
            assert_eq!(codes, expected);
        };
        let room = |bytes, files| Room { bytes, files, is_read_only: false, is_remote: false };
        let plenty = || room(1 << 40, Some(1 << 20));
        check(plenty(), Some(true), &["space-enough"]);
        check(plenty(), None, &["space-enough"]);
        check(plenty(), Some(false), &["space-enough", "space-no-collapse"]);
        check(room(BYTES_LOW - 1, None), None, &["space-low"]);
        check(room(BYTES_LOW, None), None, &["space-scarce"]);
        check(room(BYTES_SCARCE - 1, None), None, &["space-scarce"]);
        check(room(BYTES_SCARCE, None), None, &["space-enough"]);
        check(room(1 << 40, Some(0)), None, &["space-enough", "files-low"]);
        check(room(1 << 40, Some(FILES_LOW)), None, &["space-enough", "files-scarce"]);
        check(room(1 << 40, Some(FILES_SCARCE)), None, &["space-enough"]);
        check(Room { is_read_only: true, ..plenty() }, None, &["space-enough", "space-read-only"]);
        check(Room { is_remote: true, ..plenty() }, None, &["space-enough", "space-remote"]);
    }
}
