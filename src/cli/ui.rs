//! The only file that prints. Data goes to stdout; notes, progress and errors go to stderr. Impure: it asks whether the
//! two are terminals, and reads NO_COLOR.

use std::cell::Cell;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};

use crate::base::error::{Error, Result};
use crate::base::redact;
use crate::view::timeline::Signs;
use crate::view::{escape, table, wire};

use super::diagnostics;
use super::global::{Format, Global, When};

/// How a command speaks.
pub(crate) struct Ui {
    /// How data is shown.
    pub(crate) format: Format,
    /// -1: errors only, 0: notes, 1 and up: more.
    verbosity: i8,
    color_stdout: bool,
    color_stderr: bool,
    /// Whoever read stdout is gone: what follows is not written, and that is no error.
    is_closed: Cell<bool>,
}

impl Ui {
    /// Speaks as the options say.
    pub(crate) fn new(global: &Global) -> Self {
        let verbosity = if global.quiet { -1 } else { i8::try_from(global.verbose).unwrap_or(i8::MAX) };
        Self {
            format: global.format,
            verbosity,
            color_stdout: color(global.color, || is_terminal(&io::stdout())),
            color_stderr: color(global.color, || is_terminal(&io::stderr())),
            is_closed: Cell::new(false),
        }
    }

    /// Speaks without options having been understood: `format` is what the command line seems to ask for.
    pub(crate) fn plain(format: Format) -> Self {
        Self {
            format,
            verbosity: 0,
            color_stdout: false,
            color_stderr: color(None, || is_terminal(&io::stderr())),
            is_closed: Cell::new(false),
        }
    }

    /// Whether JSON is asked for.
    pub(crate) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Whether nothing but errors is to be said.
    pub(crate) fn is_quiet(&self) -> bool {
        self.verbosity < 0
    }

    /// Whether stdout is a terminal, which other people's text must not command.
    pub(crate) fn is_terminal(&self) -> bool {
        is_terminal(&io::stdout())
    }

    /// How tables are drawn on stdout: fitted to a terminal, in full elsewhere.
    pub(crate) fn table_style(&self) -> table::Style {
        let width = is_terminal(&io::stdout()).then(|| {
            let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
            Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
        });
        table::Style { width: width.flatten(), color: self.color_stdout }
    }

    /// What pictures are drawn with: ASCII where the locale says that nothing else is shown.
    pub(crate) fn signs(&self) -> Signs {
        if speaks_utf8() { Signs::Blocks } else { Signs::Ascii }
    }

    /// Writes text to stdout, with nothing secret in it. A reader that is gone is no error.
    pub(crate) fn data(&self, text: impl AsRef<str>) -> Result<()> {
        let text = text.as_ref();
        if redact::has_secret(text) { self.bytes(redact::urls(text)) } else { self.bytes(text) }
    }

    /// The same for what is shown byte for byte (a service's own log, a script) or has been looked through piece by piece (a list
    /// of thousands of records).
    pub(crate) fn bytes(&self, text: impl AsRef<[u8]>) -> Result<()> {
        if self.is_closed.get() {
            return Ok(());
        }
        match write_out(text.as_ref()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.is_closed.set(true);
                Ok(())
            }
            written => written.map_err(|error| Error::io("cannot write to stdout", error)),
        }
    }

    /// Whether whoever reads stdout has taken all that was written to it so far.
    pub(crate) fn is_heard(&self) -> bool {
        !self.is_closed.get()
    }

    /// Waits for `pause`, or until whoever reads stdout is gone. Says whether somebody still reads.
    pub(crate) fn wait_for_reader(&self, pause: Duration) -> bool {
        let stdout = io::stdout();
        let mut fds = [PollFd::new(&stdout, PollFlags::empty())];
        let timeout = rustix::event::Timespec::try_from(pause).ok();
        let woken = poll(&mut fds, timeout.as_ref());
        // An interrupted wait is a short one; poll(2) reports the far end's closing as an error without being asked.
        let is_gone =
            woken.is_ok_and(|count| count > 0) && fds[0].revents().intersects(PollFlags::ERR | PollFlags::HUP);
        !is_gone && !self.is_closed.get()
    }

    /// Says something on the way to stderr, unless --quiet.
    pub(crate) fn note(&self, text: &str) {
        if self.verbosity >= 0 {
            self.say(text);
        }
    }

    /// An error that ends the command: on stderr in words, and with JSON as an object on stdout too.
    pub(crate) fn error(&self, error: &Error) {
        self.say(&format!("{}\n[{}, exit {}]", self.words(error), error.code, error.kind.exit_code()));
        diagnostics::keep_error(&format!("{} [{}, exit {}]", error.chain(), error.code, error.kind.exit_code()));
        if self.is_json() {
            // The exit code says it all the same if stdout takes nothing.
            self.data(wire::error(error)).unwrap_or_default();
        }
    }

    /// A failure that is part of a report which is on stdout already: said in words only.
    pub(crate) fn failure(&self, error: &Error) {
        self.say(&format!("{}\n[{}]", self.words(error), error.code));
        diagnostics::keep_error(&format!("{} [{}]", error.chain(), error.code));
    }

    /// The sentence and the hint.
    fn words(&self, error: &Error) -> String {
        let (start, end) = self.paint("\x1b[1;31m");
        let message = escape::line(&redact::urls(&error.chain())).into_owned();
        let hint = error.hint.as_deref().map(|hint| format!("\n  hint: {}", escape::line(hint))).unwrap_or_default();
        format!("{start}error:{end} {message}{hint}")
    }

    /// Progress on a terminal's stderr, from any thread; silent elsewhere and with --quiet.
    pub(crate) fn progress(&self) -> ProgressLines {
        ProgressLines { is_shown: self.verbosity >= 0 && is_terminal(&io::stderr()) }
    }

    fn paint(&self, start: &'static str) -> (&'static str, &'static str) {
        if self.color_stderr { (start, "\x1b[0m") } else { ("", "") }
    }

    /// One write per message, so that commands side by side do not cut into each other's lines.
    fn say(&self, text: &str) {
        write_err(&format!("{}\n", redact::urls(text)));
    }
}

/// Says how a long command gets on, a line at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProgressLines {
    is_shown: bool,
}

impl ProgressLines {
    /// One line.
    pub(crate) fn say(self, text: &str) {
        if self.is_shown {
            write_err(&format!("{}\n", escape::line(&redact::urls(text))));
        }
    }
}

/// Writes one line of diagnostics to stderr.
pub(super) fn diagnostic(line: &str) {
    write_err(line);
}

fn write_out(bytes: &[u8]) -> io::Result<()> {
    #[cfg(debug_assertions)]
    if let Some(world) = crate::base::world::here() {
        world.print(crate::base::world::Stream::Out, bytes);
        return Ok(());
    }
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush())
}

fn write_err(text: &str) {
    #[cfg(debug_assertions)]
    if let Some(world) = crate::base::world::here() {
        return world.print(crate::base::world::Stream::Err, text.as_bytes());
    }
    // Nobody is left to be told that stderr is closed or full.
    io::stderr().lock().write_all(text.as_bytes()).unwrap_or_default();
}

/// Whether `stream` is a terminal. A simulated world has none.
fn is_terminal(stream: &impl IsTerminal) -> bool {
    #[cfg(debug_assertions)]
    if crate::base::world::here().is_some() {
        return false;
    }
    stream.is_terminal()
}

/// Whether the locale is a UTF-8 one, by the first of the three variables that says anything (POSIX, 8.2). Where none does, as
/// under cron and in most containers, UTF-8 is what files and terminals are in nowadays.
#[expect(clippy::disallowed_methods, reason = "the environment is read at the doors")]
fn speaks_utf8() -> bool {
    let said = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(std::env::var_os).find(|value| !value.is_empty());
    said.is_none_or(|said| {
        let said = said.to_string_lossy().to_ascii_lowercase();
        said.contains("utf-8") || said.contains("utf8")
    })
}

/// Whether to paint: as asked, else not with a non-empty NO_COLOR, else on a terminal.
#[expect(clippy::disallowed_methods, reason = "the environment is read at the doors")]
fn color(when: Option<When>, is_terminal: impl Fn() -> bool) -> bool {
    match when {
        Some(When::Always) => true,
        Some(When::Never) => false,
        Some(When::Auto) => is_terminal(),
        None => std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && is_terminal(),
    }
}
