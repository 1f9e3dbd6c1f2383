//! What the rules ask the file system, and where a worktree's top is. Impure: `System` looks at files and folders.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::base::error::{Error, Result, tells_nothing};
use crate::base::files;

/// What a `.git` file of a linked worktree or submodule starts with (gitrepository-layout(5)), before a blank.
const GITDIR: &[u8] = b"gitdir:";
/// No `.git` file that is a pointer is longer than a path and its prefix.
const GIT_FILE_BYTES_MAX: u64 = 8192;

/// What stands at a path, links followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathKind {
    /// A folder.
    Folder,
    /// Something else.
    Other,
    /// Nothing that we can see.
    Missing,
}

/// What a folder's `.git` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GitMark {
    /// There is none.
    Absent,
    /// A folder, or a file that points to one: the folder is the top of a worktree.
    Worktree,
    /// A file of other text.
    OtherFile,
}

/// The few questions that rules ask about the world.
pub trait Surroundings {
    /// What stands at `path`.
    fn kind(&self, path: &Path) -> PathKind;
    /// `path` absolute and with links resolved; `None` if it leads nowhere.
    fn resolved(&self, path: &Path) -> Option<PathBuf>;
    /// What the `.git` of `folder` is.
    fn git_mark(&self, folder: &Path) -> GitMark;
    /// The folders of the supervisor's own PATH, in order.
    fn path_folders(&self) -> &[PathBuf];
}

/// The system that we run on. Where it refuses to tell, the answer is that nothing is there, and [`System::check`] says so
/// afterwards: what was judged by such an answer means nothing.
#[derive(Debug, Default)]
pub struct System {
    path_folders: Vec<PathBuf>,
    refused: Mutex<Option<Error>>,
}

impl System {
    /// The system, with the supervisor's own PATH as the environment has it. Relative and empty entries are left out:
    /// what they mean depends on where one stands.
    pub fn new(path: Option<&std::ffi::OsStr>) -> Self {
        let folders = path.map(|path| std::env::split_paths(path).filter(|folder| folder.is_absolute()).collect());
        Self { path_folders: folders.unwrap_or_default(), refused: Mutex::default() }
    }

    /// Fails if any answer since the last check was none, for want of open files or because a device fails: `io`.
    pub fn check(&self) -> Result<()> {
        self.refused.lock().ok().and_then(|mut refused| refused.take()).map_or(Ok(()), Err)
    }

    /// What the system answered about `path`; `None` if there is nothing, or nothing that we can see.
    fn answer<T>(&self, path: &Path, answer: io::Result<T>) -> Option<T> {
        match answer {
            Ok(answer) => Some(answer),
            Err(error) => {
                if tells_nothing(&error)
                    && let Ok(mut refused) = self.refused.lock()
                {
                    *refused = Some(Error::io(format!("cannot look at `{}`", path.display()), error));
                }
                None
            }
        }
    }
}

impl Surroundings for System {
    fn kind(&self, path: &Path) -> PathKind {
        match self.answer(path, std::fs::metadata(path)) {
            Some(meta) if meta.is_dir() => PathKind::Folder,
            Some(_) => PathKind::Other,
            None => PathKind::Missing,
        }
    }

    fn resolved(&self, path: &Path) -> Option<PathBuf> {
        self.answer(path, std::fs::canonicalize(path))
    }

    fn git_mark(&self, folder: &Path) -> GitMark {
        let mark = folder.join(".git");
        match self.kind(&mark) {
            PathKind::Folder => GitMark::Worktree,
            PathKind::Missing => GitMark::Absent,
            PathKind::Other
                if self.answer(&mark, files::read_bounded(&mark, GIT_FILE_BYTES_MAX)).is_some_and(is_pointer) =>
            {
                GitMark::Worktree
            }
            PathKind::Other => GitMark::OtherFile,
        }
    }

    fn path_folders(&self) -> &[PathBuf] {
        &self.path_folders
    }
}

fn is_pointer(bytes: Vec<u8>) -> bool {
    bytes.strip_prefix(GITDIR).and_then(<[u8]>::first).is_some_and(u8::is_ascii_whitespace)
}

/// The top folder of the worktree that `cwd` lies in, links resolved: `cwd` itself or one of its first `parents_max`
/// parents that holds a `.git` folder or pointer file. `None` if there is none, or `cwd` cannot be resolved. Errors: `io` where
/// that cannot be told.
pub fn worktree_top(cwd: &Path, parents_max: u64) -> Result<Option<PathBuf>> {
    let system = System::default();
    let top = top_of(&system, cwd, parents_max).ok().flatten();
    system.check().map(|()| top)
}

/// As [`worktree_top`], by anyone's eyes. `Err`: a `.git` file that is no pointer stands in the way.
pub(super) fn top_of(
    world: &dyn Surroundings,
    cwd: &Path,
    parents_max: u64,
) -> std::result::Result<Option<PathBuf>, ()> {
    let Some(start) = world.resolved(cwd) else { return Ok(None) };
    let reach = usize::try_from(parents_max).unwrap_or(usize::MAX).saturating_add(1);
    for folder in start.ancestors().take(reach) {
        match world.git_mark(folder) {
            GitMark::Worktree => return Ok(Some(folder.to_path_buf())),
            GitMark::OtherFile => return Err(()),
            GitMark::Absent => {}
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::create_dir_all;
    use std::os::unix::fs::symlink;

    fn write(path: &Path, text: &str) {
        files::write_atomic(path, text.as_bytes(), files::Durability::Cached).unwrap();
    }

    #[test]
    fn the_top_is_found_through_links_and_within_reach() {
        let temp = tempfile::tempdir().unwrap();
        let base = temp.path().canonicalize().unwrap();
        let repo = base.join("repo");
        create_dir_all(repo.join(".git")).unwrap();
        create_dir_all(repo.join("1/2/3")).unwrap();
        symlink(repo.join("1/2"), base.join("link")).unwrap();
        let check = |cwd: &str, parents_max: u64, expected: Option<&Path>| {
            assert_eq!(worktree_top(&base.join(cwd), parents_max).unwrap().as_deref(), expected, "{cwd} {parents_max}");
        };
        check("repo", 0, Some(&repo));
        check("repo/1/2/3", 3, Some(&repo));
        check("repo/1/2/3", 2, None);
        check("link/3", 6, Some(&repo));
        check("missing", 6, None);
    }

    #[test]
    fn a_git_file_counts_only_if_it_points_somewhere() {
        let temp = tempfile::tempdir().unwrap();
        let world = System::default();
        assert_eq!(world.git_mark(temp.path()), GitMark::Absent);
        let check = |text: &str, expected: GitMark| {
            write(&temp.path().join(".git"), text);
            assert_eq!(world.git_mark(temp.path()), expected, "{text:?}");
        };
        check("gitdir: /x/.git/worktrees/y\n", GitMark::Worktree);
        check("gitdir:\t/x", GitMark::Worktree);
        check("gitdir:/x", GitMark::OtherFile);
        check("gitdir:", GitMark::OtherFile);
        check("", GitMark::OtherFile);
        check("x gitdir: y", GitMark::OtherFile);
    }
}
