//! The root folder: where it was found, whose it is, who may do what in it.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::base::files;
use crate::base::root::{Origin, Root};

use super::Surroundings;
use super::finding::{Area, Finding, counted};

/// Bits of a mode by which others than the owner may do anything (chmod(1)).
const OTHERS: u32 = 0o077;
/// Bits by which everybody may write, and those by which the group may.
const ALL_WRITE: u32 = 0o002;
const GROUP_WRITE: u32 = 0o020;
/// The bit by which only its owner may rename or remove a file in a folder, as in /tmp.
const STICKY: u32 = 0o1000;

pub(super) struct Facts {
    dir: PathBuf,
    origin: Origin,
    /// Who runs this.
    me: u32,
    what: What,
    /// Folders that took no temporary file, each with the system's reason.
    unwritable: Vec<(PathBuf, io::Error)>,
    /// What lies in the root and by whom it may be read or written, where that is more than its owner.
    open: Vec<(PathBuf, u32)>,
}

enum What {
    Folder { mode: u32, owner: u32 },
    Other,
    Missing,
    Hidden(io::Error),
}

pub(super) fn observe(place: &Surroundings) -> Facts {
    let root = &place.root;
    let dir = root.dir().to_owned();
    let what = match std::fs::metadata(&dir) {
        Ok(meta) if meta.is_dir() => What::Folder { mode: meta.mode() & 0o7777, owner: meta.uid() },
        Ok(_) => What::Other,
        Err(error) if error.kind() == io::ErrorKind::NotFound => What::Missing,
        Err(error) => What::Hidden(error),
    };
    let written = [dir.clone(), root.agents(), root.engine(), root.runs(), root.run(), root.inbox()];
    let is_folder = matches!(what, What::Folder { .. });
    let unwritable = written
        .into_iter()
        .filter(|folder| is_folder && folder.exists())
        .filter_map(|folder| files::try_write(&folder).err().map(|error| (folder, error)))
        .collect();
    let me = rustix::process::geteuid().as_raw();
    Facts { dir, origin: place.origin, me, what, unwritable, open: open(root) }
}

/// What is ours, or names programs to run, and open to others.
fn open(root: &Root) -> Vec<(PathBuf, u32)> {
    let engine = std::fs::read_dir(root.engine()).into_iter().flatten().flatten().map(|entry| entry.path());
    let ours = [root.dir().to_owned(), root.config(), root.agents(), root.engine(), root.inbox()];
    let seen = ours.into_iter().chain(engine).filter_map(|path| {
        let mode = std::fs::symlink_metadata(&path).ok().filter(|meta| !meta.is_symlink())?.mode() & 0o7777;
        Some((path, mode)).filter(|(_, mode)| mode & OTHERS != 0)
    });
    seen.collect()
}

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let Facts { dir, origin, me, what, unwritable, open } = facts;
    let found_by = match origin {
        Origin::Option => "named by --root",
        Origin::Variable => "named by MINIONS_DIR",
        Origin::Above => "the nearest .minions folder",
        Origin::Home => "in the home folder, for want of another",
    };
    let (mode, owner) = match what {
        What::Folder { mode, owner } => (*mode, *owner),
        What::Missing => {
            let message = format!("there is no root yet at `{}` ({found_by})", dir.display());
            let hint = "the first accept makes it; if services were started before, they are under another root: \
                        --root DIR, or MINIONS_DIR";
            return vec![Area::Root.note("root-missing", message).at(dir).with_hint(hint)];
        }
        What::Other => {
            let message = format!("the root `{}` ({found_by}) is no folder", dir.display());
            let hint = "move it out of the way, or name another root: --root DIR, or MINIONS_DIR";
            return vec![Area::Root.error("root-not-a-folder", message).at(dir).with_hint(hint)];
        }
        What::Hidden(error) => {
            let message = format!("the root `{}` ({found_by}) cannot be looked at: {error}", dir.display());
            let hint = "run as the user who owns it, or name another root";
            return vec![Area::Root.error("root-unreadable", message).at(dir).with_hint(hint)];
        }
    };
    let message = format!("the root is `{}` ({found_by}), mode {mode:04o}", dir.display());
    let mut findings = vec![Area::Root.ok("root-found", message).at(dir)];
    if owner != *me {
        let message = format!("the root belongs to the user {owner}, and this is the user {me}");
        let hint = "run as its owner: files made by another user are not theirs to change";
        findings.push(Area::Root.warning("root-of-another-user", message).at(dir).with_hint(hint));
    }
    findings.extend(unwritable.iter().map(|(folder, error)| unwritable_folder(folder, error)));
    findings.extend(open_to_others(dir, mode, open));
    findings
}

fn unwritable_folder(folder: &Path, error: &io::Error) -> Finding {
    let message = format!("nothing can be written in `{}`: {error}", folder.display());
    let is = |kinds: &[io::ErrorKind]| kinds.contains(&error.kind());
    let hint = if is(&[io::ErrorKind::ReadOnlyFilesystem]) {
        "mount it for writing, or name another root"
    } else if is(&[io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded]) {
        "free some space on its file system"
    } else {
        "give it back to the user who runs this: chown, chmod 700"
    };
    Area::Root.error("root-unwritable", message).at(folder).with_hint(hint)
}

/// Whoever may write here may have programs run as us; whoever may read sees what services write.
fn open_to_others(dir: &Path, mode: u32, open: &[(PathBuf, u32)]) -> Vec<Finding> {
    let close = || format!("close it: chmod -R go= {}", dir.display());
    let is_for_all = |mode: u32| mode & ALL_WRITE != 0 && mode & STICKY == 0;
    let mut findings = Vec::new();
    // Behind a closed root nobody gets anywhere.
    if mode & OTHERS == 0 {
        return findings;
    }
    if let Some((path, mode)) = open.iter().find(|(_, mode)| is_for_all(*mode)) {
        let message = format!(
            "every user may write to `{}` (mode {mode:04o}), and so have programs run as this one",
            path.display()
        );
        findings.push(Area::Root.error("root-open-to-all", message).at(path).with_hint(close()));
    } else if let Some((path, mode)) = open.iter().find(|(_, mode)| mode & GROUP_WRITE != 0) {
        let message = format!("the group may write to `{}` (mode {mode:04o})", path.display());
        findings.push(Area::Root.warning("root-open-to-group", message).at(path).with_hint(close()));
    }
    let readable = open.iter().filter(|(path, mode)| path != dir && mode & 0o044 != 0).count();
    if readable > 0 {
        let message = format!(
            "others may read {} of ours here, which may tell what services are given and write",
            counted(readable, "file or folder", "files and folders")
        );
        findings.push(Area::Root.warning("files-readable", message).at(dir).with_hint(close()));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(mode: u32) -> Facts {
        Facts {
            dir: "/r".into(),
            origin: Origin::Variable,
            me: 1000,
            what: What::Folder { mode, owner: 1000 },
            unwritable: Vec::new(),
            open: Vec::new(),
        }
    }

    fn check(facts: &Facts, expected: &[&str]) {
        let codes: Vec<&str> = judge(facts).iter().map(|finding| finding.code).collect();
        assert_eq!(codes, expected);
    }

    #[test]
    fn a_root_is_judged_by_what_it_is() {
        check(&facts(0o700), &["root-found"]);
        check(&Facts { what: What::Missing, ..facts(0) }, &["root-missing"]);
        check(&Facts { what: What::Other, ..facts(0) }, &["root-not-a-folder"]);
        check(&Facts { what: What::Hidden(io::ErrorKind::PermissionDenied.into()), ..facts(0) }, &["root-unreadable"]);
        check(&Facts { me: 0, ..facts(0o700) }, &["root-found", "root-of-another-user"]);
        let unwritable = vec![("/r/engine".into(), io::ErrorKind::PermissionDenied.into())];
        check(&Facts { unwritable, ..facts(0o700) }, &["root-found", "root-unwritable"]);
    }

    #[test]
    fn what_others_may_do_counts_only_where_the_root_lets_them_in() {
        let open = |mode: u32, path: &str, bits: u32| Facts { open: vec![(path.into(), bits)], ..facts(mode) };
        check(&open(0o700, "/r/engine", 0o777), &["root-found"]);
        check(&open(0o755, "/r", 0o755), &["root-found"]);
        check(&open(0o755, "/r/engine", 0o755), &["root-found", "files-readable"]);
        check(&open(0o755, "/r/engine", 0o711), &["root-found"]);
        check(&open(0o775, "/r", 0o775), &["root-found", "root-open-to-group"]);
        check(&open(0o777, "/r", 0o777), &["root-found", "root-open-to-all"]);
        check(&open(0o1777, "/r", 0o1777), &["root-found", "root-open-to-group"]);
    }
}
