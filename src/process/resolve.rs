//! Which program a command means. Impure: looks at files.

use std::path::{Path, PathBuf};

/// Resolves `cmd` as exec would: one with a slash is a path, a relative one from `cwd`; one without is looked up in the
/// folders of `search_path`. Links are not followed. `Err` says what was looked for and where, for people.
pub fn resolve_program(cmd: &str, cwd: &str, search_path: &str) -> Result<PathBuf, String> {
    if cmd.contains('/') {
        let path = Path::new(cwd).join(cmd);
        return if is_program(&path) { Ok(path) } else { Err(format!("there is no program at `{}`", path.display())) };
    }
    std::env::split_paths(search_path)
        // A relative folder of PATH would mean another program in each working folder.
        .filter(|dir| dir.is_absolute())
        .map(|dir| dir.join(cmd))
        .find(|path| is_program(path))
        .ok_or_else(|| format!("there is no program `{cmd}` on the supervisor's PATH ({search_path})"))
}

fn is_program(path: &Path) -> bool {
    use rustix::fs::{Access, access};
    path.is_file() && access(path, Access::EXEC_OK).is_ok()
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
