//! What a path means, links resolved, also where it is there no more. Impure: reads links.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// Links that are followed in one path; the kernel gives up after as many (path_resolution(7)).
const LINKS_MAX: usize = 40;

/// `path` absolute, links resolved as far as they are there; what is not there is taken as written, so that a folder which
/// was removed is still known by the path that it had.
pub(super) fn resolve(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut left: VecDeque<OsString> = words(&path).collect();
    let mut resolved = PathBuf::from("/");
    let mut links = 0;
    while let Some(word) = left.pop_front() {
        if word == ".." {
            resolved.pop();
            continue;
        }
        let next = resolved.join(&word);
        match std::fs::read_link(&next) {
            Ok(target) if links < LINKS_MAX => {
                links += 1;
                if target.is_absolute() {
                    resolved = PathBuf::from("/");
                }
                for word in words(&target).rev() {
                    left.push_front(word);
                }
            }
            Ok(_) | Err(_) => resolved = next,
        }
    }
    resolved
}

/// The names that a path is made of, and `..`.
fn words(path: &Path) -> impl DoubleEndedIterator<Item = OsString> + '_ {
    path.components().filter_map(|component| match component {
        Component::Normal(word) => Some(word.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn what_is_there_is_resolved_and_what_is_not_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().canonicalize().unwrap();
        std::fs::create_dir_all(top.join("real/sub")).unwrap();
        symlink(top.join("real"), top.join("link")).unwrap();
        symlink("real/sub", top.join("near")).unwrap();
        symlink(top.join("gone/away"), top.join("dangling")).unwrap();
        symlink(top.join("round"), top.join("round")).unwrap();
        let check = |path: &str, expected: &str| assert_eq!(resolve(&top.join(path)), top.join(expected), "{path}");
        check("link/sub", "real/sub");
        check("near", "real/sub");
        check("near/..", "real");
        check("link/gone/deeper", "real/gone/deeper");
        check("dangling/x", "gone/away/x");
        check("real/./sub//", "real/sub");
        check("no/../real", "real");
        check("round/x", "round/x");
        assert_eq!(resolve(Path::new("/..")), Path::new("/"));
    }
}
