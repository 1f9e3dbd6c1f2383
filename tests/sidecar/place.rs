//! The folders that cases name as `{{…}}`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use tempfile::TempDir;

/// A temporary folder with one of each kind of working folder.
pub(crate) struct Place {
    _temp: TempDir,
    base: PathBuf,
}

const GIT_FILES: [(&str, &str); 2] =
    [("WORKTREE", "gitdir: /elsewhere/.git/worktrees/w\n"), ("BAD_GITFILE", "not a pointer\n")];

impl Place {
    /// Makes the folders. Outside of them no `.git` may stand above, as in any temporary folder.
    pub(crate) fn new() -> Self {
        let temp = TempDir::new().unwrap();
        let base = temp.path().canonicalize().unwrap();
        fs::create_dir_all(base.join("GIT_ROOT/.git")).unwrap();
        fs::create_dir_all(base.join("GIT_ROOT/sub")).unwrap();
        fs::create_dir_all(base.join("NOT_GIT/1/2/3/4/5/6/7")).unwrap();
        for (folder, text) in GIT_FILES {
            fs::create_dir_all(base.join(folder)).unwrap();
            write(base.join(folder).join(".git"), text);
        }
        write(base.join("FILE"), "x");
        symlink(base.join("nowhere"), base.join("DANGLING")).unwrap();
        Self { _temp: temp, base }
    }

    /// `text` with every placeholder replaced by its folder.
    pub(crate) fn fill(&self, text: &str) -> String {
        ["GIT_ROOT", "WORKTREE", "NOT_GIT", "FILE", "MISSING", "BAD_GITFILE", "DANGLING"]
            .iter()
            .fold(text.to_owned(), |text, name| {
                text.replace(&format!("{{{{{name}}}}}"), &self.base.join(name).display().to_string())
            })
    }
}

fn write(path: PathBuf, text: &str) {
    use std::io::Write as _;
    tempfile::NamedTempFile::new_in(path.parent().unwrap())
        .and_then(|mut file| file.write_all(text.as_bytes()).map(|()| file))
        .unwrap()
        .persist(path)
        .unwrap();
}
