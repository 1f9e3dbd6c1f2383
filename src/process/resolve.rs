//! Which program a command means. Impure: looks at files.

use std::path::{Path, PathBuf};

use crate::base::error::tells_nothing;

use super::spawn::system_words;

/// Resolves `cmd` as exec would: one with a slash is a path, a relative one from `cwd`; one without is looked up in the
/// folders of `search_path`. Links are not followed. `Err` says what was looked for and where, for people.
pub fn resolve_program(cmd: &str, cwd: &str, search_path: &str) -> Result<PathBuf, String> {
    if cmd.contains('/') {
        let path = Path::new(cwd).join(cmd);
        return if is_program(&path)? { Ok(path) } else { Err(format!("there is no program at `{}`", path.display())) };
    }
    // A relative folder of PATH would mean another program in each working folder.
    for dir in std::env::split_paths(search_path).filter(|dir| dir.is_absolute()) {
        let path = dir.join(cmd);
        if is_program(&path)? {
            return Ok(path);
        }
    }
    Err(format!("there is no program `{cmd}` on the supervisor's PATH ({search_path})"))
}

/// `Err`: it cannot be told, so that another of that name further on must not take its place.
fn is_program(path: &Path) -> Result<bool, String> {
    use rustix::fs::{Access, access};
    match std::fs::metadata(path) {
        Ok(meta) => Ok(meta.is_file() && access(path, Access::EXEC_OK).is_ok()),
        Err(error) if tells_nothing(&error) => {
            Err(format!("`{}` cannot be looked at: {}", path.display(), system_words(&error)))
        }
        Err(_) => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_as_exec_would() {
        let dir = tempfile::tempdir().expect("a folder");
        let tool = dir.path().join("tool");
        crate::base::files::write_atomic(&tool, b"#!/bin/sh\n", crate::base::files::Durability::Cached)
            .expect("written");
        let here = dir.path().to_str().expect("UTF-8");
        assert!(resolve_program("tool", "/", here).is_err(), "it cannot be executed yet");
        rustix::fs::chmod(&tool, rustix::fs::Mode::from_raw_mode(0o700)).expect("chmod");
        assert_eq!(resolve_program("tool", "/", &format!("/nowhere:{here}")).expect("on PATH"), tool);
        assert_eq!(resolve_program("./tool", here, "").expect("from cwd"), Path::new(here).join("./tool"));
        assert!(resolve_program("tool", here, "").is_err(), "the working folder is no part of PATH");
        assert!(resolve_program(&format!("{here}/none"), "/", "").is_err());
    }
}
