//! A file that gets each event as a line at its end. Impure by `base::files`.

use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::base::files;

use super::super::cloudevent::Message;
use super::{Refusal, words};

/// How our lines begin, by which a torn one is told from another program's.
const LINE_START: &[u8] = b"{\"specversion\"";
/// No event is longer; a torn line that is, is none of ours.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// An open file.
pub(super) struct File {
    file: std::fs::File,
    path: PathBuf,
}

impl File {
    /// Opens it, and makes it and its folder if need be. Files among our own (`engine`) are refused: a line more would break
    /// them.
    pub(super) fn new(path: &Path, engine: &Path) -> Result<Self, Refusal> {
        let shown = words(&path.display());
        let failed =
            |error: io::Error| Refusal::because_of(&error, format!("cannot open `{shown}`: {}", words(&error)));
        let dir = path.parent().ok_or_else(|| Refusal::failed(format!("`{shown}` is no file")))?;
        files::create_dir(dir).map_err(failed)?;
        let dir = dir.canonicalize().map_err(failed)?;
        if engine.canonicalize().is_ok_and(|engine| dir.starts_with(engine)) {
            return Err(Refusal::failed(format!("`{shown}` lies among this program's own files; take another folder")));
        }
        let file = files::open_append_regular(path).map_err(failed)?;
        Ok(Self { file, path: path.to_owned() })
    }

    /// Appends one line, whole or not at all, and safe from a power cut: the position that says so may be.
    pub(super) fn send(&mut self, message: &Message) -> Result<(), Refusal> {
        let failed = |error: io::Error| {
            let path = words(&self.path.display());
            Refusal::because_of(&error, format!("cannot append to `{path}`: {}", words(&error)))
        };
        let start = self.mend().map_err(failed)?;
        let line = format!("{}\n", message.text);
        match (&self.file).write(line.as_bytes()) {
            Ok(count) if count == line.len() => self.file.sync_data().map_err(failed),
            // The disk is full: what fitted is taken back.
            Ok(_) => {
                drop(self.file.set_len(start));
                Err(failed(io::ErrorKind::StorageFull.into()))
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Cuts off a line of ours that a killed deliverer left torn, and ends one of another program's. Returns where the next line
    /// begins.
    fn mend(&self) -> io::Result<u64> {
        let length = self.file.metadata()?.len();
        let reach = length.min(LINE_BYTES_MAX);
        let mut last = [b'\n'];
        if length > 0 {
            self.file.read_exact_at(&mut last, length - 1)?;
        }
        if last == [b'\n'] {
            return Ok(length);
        }
        let mut tail = vec![0; usize::try_from(reach).unwrap_or(0)];
        self.file.read_exact_at(&mut tail, length - reach)?;
        let start = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let torn = &tail[start..];
        let is_ours = torn.starts_with(LINE_START) || LINE_START.starts_with(torn);
        if is_ours {
            let whole = length - torn.len() as u64;
            self.file.set_len(whole)?;
            return Ok(whole);
        }
        (&self.file).write_all(b"\n")?;
        Ok(length + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_whatever_stood_before_them() {
        let dir = tempfile::tempdir().unwrap();
        let engine = dir.path().join("engine");
        let path = dir.path().join("deep/events.jsonl");
        let message = Message { id: "evt-1".into(), text: "{\"specversion\":\"1.0\"}".into() };
        let check = |before: &[u8], expected: &str| {
            files::create_dir(path.parent().unwrap()).unwrap();
            files::write_atomic(&path, before, files::Durability::Cached).unwrap();
            File::new(&path, &engine).unwrap().send(&message).unwrap();
            assert_eq!(String::from_utf8(files::read_bounded(&path, 999).unwrap()).unwrap(), expected);
        };
        check(b"", "{\"specversion\":\"1.0\"}\n");
        check(b"a\n", "a\n{\"specversion\":\"1.0\"}\n");
        check(b"a\n{\"specversion\":\"1", "a\n{\"specversion\":\"1.0\"}\n");
        check(b"{\"spec", "{\"specversion\":\"1.0\"}\n");
        check(b"a\nb", "a\nb\n{\"specversion\":\"1.0\"}\n");
    }

    #[test]
    fn our_own_files_are_no_sink() {
        let dir = tempfile::tempdir().unwrap();
        let engine = dir.path().join("engine");
        files::create_dir(&engine).unwrap();
        let refusal = File::new(&dir.path().join("engine/managed-processes.json"), &engine).err().unwrap();
        assert!(refusal.sentence().contains("own files"), "{refusal}");
        assert!(!engine.join("managed-processes.json").exists());
    }
}
