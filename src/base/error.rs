//! What went wrong, in the three parts that every door needs: a stable code, one sentence, and what to do.

use std::fmt;

/// Why a command ends as it does. One row per exit code of the contract (section 4); the numbers are an API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An unforeseen or I/O error.
    Unforeseen,
    /// The sidecar was rejected.
    InvalidSidecar,
    /// No service became healthy.
    NotHealthy,
    /// Some services became healthy, some did not.
    PartlyHealthy,
    /// No such service, agent or file.
    NotFound,
    /// Port in use, generation changed, lease held, key reused.
    Conflict,
    /// The lock was not had in time.
    LockTimeout,
    /// The state file was unreadable and has been set aside.
    StateSetAside,
    /// The command line was wrong.
    Usage,
}

impl Kind {
    /// The process exit code. 2 is never used: agent harnesses read it as "block".
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Unforeseen => 1,
            Self::InvalidSidecar => 3,
            Self::NotHealthy => 4,
            Self::PartlyHealthy => 5,
            Self::NotFound => 6,
            Self::Conflict => 7,
            Self::LockTimeout => 8,
            Self::StateSetAside => 9,
            Self::Usage => 64,
        }
    }
}

/// A failure as a door shows it. Rooms have error enums of their own and convert into this.
#[derive(Debug)]
pub struct Error {
    /// Decides the exit code.
    pub kind: Kind,
    /// Stable and greppable, kebab-case: `port-in-use`.
    pub code: &'static str,
    /// One lowercase sentence without a period: what is wrong and where. It does not repeat `source`.
    pub message: String,
    /// What to do about it, where there is something to say.
    pub hint: Option<String>,
    /// The cause, if another layer reported one.
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of `kind` with its code and sentence; add `hint` and `source` with the methods below.
    pub fn new(kind: Kind, code: &'static str, message: impl Into<String>) -> Self {
        Self { kind, code, message: message.into(), hint: None, source: None }
    }

    /// An I/O failure: `message` says what was being done to which path. Refusals of the system that people can do
    /// something about come with a hint.
    pub fn io(message: impl Into<String>, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let source = source.into();
        let hint = source.downcast_ref().and_then(hint_for).map(str::to_owned);
        Self { source: Some(source), hint, ..Self::new(Kind::Unforeseen, "io", message) }
    }

    /// The same error with a hint.
    #[must_use]
    pub fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The whole chain as one line, for a door: `message: cause: cause`.
    pub fn chain(&self) -> String {
        let mut line = self.message.clone();
        let mut next = std::error::Error::source(self);
        while let Some(cause) = next {
            line.push_str(": ");
            line.push_str(&cause.to_string());
            next = cause.source();
        }
        line
    }
}

/// Whether `error` says nothing of what was asked about: want of what any call needs (open files, processes, memory), or a
/// device that fails.
pub fn tells_nothing(error: &std::io::Error) -> bool {
    use rustix::io::Errno;
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(errno, Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::AGAIN | Errno::IO))
}

/// What to do about an error of the system, where there is something to do.
fn hint_for(source: &std::io::Error) -> Option<&'static str> {
    use rustix::io::Errno;
    use std::io::ErrorKind::{
        IsADirectory, NotADirectory, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull,
    };
    // What the standard library has no kind of its own for.
    match source.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::MFILE | Errno::NFILE) => {
            return Some("too many files are open: raise the limit (`ulimit -n`) or close some, and try again");
        }
        Some(Errno::AGAIN) => {
            return Some("no more processes may be started: raise the limit (`ulimit -u`) or end some, and try again");
        }
        Some(Errno::IO) => {
            return Some("the device or its file system fails: the system's log (`dmesg`) says more; try again then");
        }
        Some(_) | None => {}
    }
    let hints = [
        (StorageFull, "no space is left on the device: free some and try again; the file is as it was"),
        (QuotaExceeded, "the disk quota is used up: free some space and try again; the file is as it was"),
        (PermissionDenied, "run as the user who owns the root, or make the path theirs again"),
        (ReadOnlyFilesystem, "the file system is mounted read-only"),
        (NotADirectory, "a file stands where a folder is to be: move it away and try again"),
        (IsADirectory, "a folder stands where a file is to be: move it away and try again"),
    ];
    hints.into_iter().find(|(kind, _)| *kind == source.kind()).map(|(_, hint)| hint)
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|cause| cause as _)
    }
}

/// What ops and rooms return to doors.
pub type Result<T> = std::result::Result<T, Error>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_that_people_can_act_on_come_with_a_hint() {
        let check = |kind: std::io::ErrorKind, part: Option<&str>| {
            let error = Error::io("cannot write `x`", std::io::Error::from(kind));
            assert_eq!(error.hint.is_some(), part.is_some(), "{kind}");
            assert!(part.is_none_or(|part| error.hint.as_deref().is_some_and(|hint| hint.contains(part))), "{kind}");
        };
        check(std::io::ErrorKind::StorageFull, Some("no space is left"));
        check(std::io::ErrorKind::QuotaExceeded, Some("quota"));
        check(std::io::ErrorKind::PermissionDenied, Some("owns the root"));
        check(std::io::ErrorKind::ReadOnlyFilesystem, Some("read-only"));
        check(std::io::ErrorKind::NotADirectory, Some("a file stands where"));
        check(std::io::ErrorKind::IsADirectory, Some("a folder stands where"));
        check(std::io::ErrorKind::NotFound, None);
        let many =
            Error::io("cannot read `x`", std::io::Error::from_raw_os_error(rustix::io::Errno::MFILE.raw_os_error()));
        assert!(many.hint.is_some_and(|hint| hint.contains("ulimit -n")), "EMFILE");
        let none =
            Error::io("cannot start `x`", std::io::Error::from_raw_os_error(rustix::io::Errno::AGAIN.raw_os_error()));
        assert!(none.hint.is_some_and(|hint| hint.contains("ulimit -u")), "EAGAIN");
    }
}
