//! A file of lines with a bound: what commands that nobody watches have to say is kept there. Impure by `base::files`.

use std::fs::Metadata;
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::files;
use super::ids::own_pid;

/// Size from which the file makes room: it becomes `….1`, whose place it takes.
const BYTES_MAX: u64 = 1 << 20;

/// Appends `line`, which ends with a line feed, to the file at `path`. The file and the part before it are at most a mebibyte each
/// (and one line). Where the folder is not there nothing is made: a mistyped root is no reason to found one.
pub fn append(path: &Path, line: &str) -> io::Result<()> {
    let mut file = files::open_append_regular(path)?;
    let metadata = file.metadata()?;
    if metadata.len() >= BYTES_MAX {
        make_room(path, &metadata)?;
        file = files::open_append_regular(path)?;
    }
    // One write, so that commands side by side do not cut into each other's lines.
    file.write_all(line.as_bytes())
}

/// Where the lines before the last change of files are.
pub fn previous(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    name.into()
}

/// Moves the full file away. Two commands may find it full at once: each takes what is there under a name of its own first, and who
/// finds another file than the full one in hand gives its lines back.
fn make_room(path: &Path, full: &Metadata) -> io::Result<()> {
    let mut taken = path.as_os_str().to_owned();
    taken.push(format!(".{}", own_pid()));
    let taken = PathBuf::from(taken);
    match files::rename_synced(path, &taken) {
        // The other one was faster.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        done => done?,
    }
    let lines = files::open_read(&taken)?;
    if lines.metadata()?.ino() == full.ino() {
        return files::rename_synced(&taken, &previous(path));
    }
    let bytes = files::read_bounded(&taken, 2 * BYTES_MAX)?;
    files::open_append_regular(path)?.write_all(&bytes)?;
    files::remove(&taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_bounded_and_keeps_the_newest_lines_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("managed.log");
        let line = |at: u32| format!("{at} {}\n", "x".repeat(1000));
        for at in 0..3000 {
            append(&path, &line(at)).unwrap();
        }
        let whole = [previous(&path), path.clone()].map(|path| files::read_bounded(&path, 4 << 20).unwrap());
        assert!(whole.iter().all(|part| part.len() as u64 <= BYTES_MAX + 1010));
        let text = String::from_utf8(whole.concat()).unwrap();
        let first: u32 = text.split(' ').next().unwrap().parse().unwrap();
        assert!((1..2000).contains(&first), "{first}");
        assert!(text.lines().zip(first..3000).all(|(found, at)| format!("{found}\n") == line(at)));
        assert_eq!(text.lines().count(), 3000 - first as usize);
    }

    #[test]
    fn lines_of_many_at_once_are_all_there_over_a_change_of_files() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("managed.log");
        append(&path, &format!("{}\n", "y".repeat(usize::try_from(BYTES_MAX).unwrap() - 2000))).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let path = &path;
                scope.spawn(move || {
                    (0..50).for_each(|at| append(path, &format!("{thread} {at} {}\n", "z".repeat(60))).unwrap())
                });
            }
        });
        let whole = [previous(&path), path].map(|path| files::read_bounded(&path, 4 << 20).unwrap());
        assert_eq!(String::from_utf8(whole.concat()).unwrap().lines().count(), 201);
    }

    #[test]
    fn no_folder_is_made() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("none/managed.log");
        assert_eq!(append(&path, "x\n").unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(!dir.path().join("none").exists());
    }
}
