//! Diagnostics: what happened on the way, for whoever looks for a fault. One line per record on stderr, greppable:
//! `minions[PID] LEVEL room: words`. Ops and rooms speak by the `log` crate's macros and never print. Commands that nobody
//! watches have the same lines, each with its time, in `engine/managed.log` too, and there the errors that they end with. Impure: reads
//! MINIONS_LOG.

use std::sync::OnceLock;

use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::base::clock::EpochMs;
use crate::base::error::{Error, Kind, Result};
use crate::base::ids::own_pid;
use crate::base::root::Root;
use crate::base::{files, kept_lines, redact, span};
use crate::view::escape;

use super::global::Global;
use super::ui;

/// The levels by name, for MINIONS_LOG.
const LEVELS: [(&str, LevelFilter); 6] = [
    ("off", LevelFilter::Off),
    ("error", LevelFilter::Error),
    ("warn", LevelFilter::Warn),
    ("info", LevelFilter::Info),
    ("debug", LevelFilter::Debug),
    ("trace", LevelFilter::Trace),
];

/// The level where neither the options nor the environment nor the settings say another.
const DEFAULT: LevelFilter = LevelFilter::Warn;

/// Where the lines of a command that nobody watches are kept.
static KEPT_IN: OnceLock<Root> = OnceLock::new();
/// Whether the options or the environment say the level: then the settings do not.
static IS_SAID: OnceLock<()> = OnceLock::new();

/// Starts diagnostics at the level that the options ask for, else MINIONS_LOG, else warnings. Errors: a level of
/// MINIONS_LOG that is none (exit 64).
pub(super) fn start(global: &Global) -> Result<()> {
    let level = match (global.quiet, global.verbose) {
        (true, _) => Some(LevelFilter::Error),
        (false, 0) => from_environment()?,
        (false, 1) => Some(LevelFilter::Info),
        (false, 2) => Some(LevelFilter::Debug),
        (false, _) => Some(LevelFilter::Trace),
    };
    if level.is_some() {
        // Only the first call sets it, and there is one.
        IS_SAID.set(()).unwrap_or_default();
    }
    // It fails only where a logger is set already: then this is no program of its own, and that one may speak.
    if log::set_logger(&Lines).is_ok() {
        log::set_max_level(level.unwrap_or(DEFAULT));
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the environment is read at the doors")]
fn from_environment() -> Result<Option<LevelFilter>> {
    let Some(asked) = std::env::var_os("MINIONS_LOG").filter(|asked| !asked.is_empty()) else {
        return Ok(None);
    };
    let asked = asked.to_string_lossy();
    let level = level_of(&asked).ok_or_else(|| {
        let names: Vec<&str> = LEVELS.iter().map(|(name, _)| *name).collect();
        let message = format!("MINIONS_LOG is `{}`, which is no level", escape::line(&asked));
        Error::new(Kind::Usage, "usage", message).with_hint(format!("say one of {}", names.join(", ")))
    })?;
    Ok(Some(level))
}

fn level_of(word: &str) -> Option<LevelFilter> {
    LEVELS.iter().find(|(name, _)| word.eq_ignore_ascii_case(name)).map(|(_, level)| *level)
}

/// Goes on at the level of the settings, unless the options or the environment say one. The loop asks for this at each tick, so that
/// somebody who looks for a fault need not end it.
pub(super) fn settle(word: &str) {
    if IS_SAID.get().is_none() {
        log::set_max_level(level_of(word).unwrap_or(DEFAULT));
    }
}

/// From here on lines are kept in the file under `root` too: nobody watches this command.
pub(super) fn keep(root: &Root) {
    // There one process is many commands, each with a root of its own.
    #[cfg(debug_assertions)]
    if crate::base::world::here().is_some() {
        return;
    }
    KEPT_IN.set(root.clone()).unwrap_or_default();
}

/// Keeps an error that the command ends with, or that its report tells, where lines are kept. On stderr it is already.
pub(super) fn keep_error(words: &str) {
    if log::max_level() >= Level::Error {
        kept(&line(Level::Error, "cli", words));
    }
}

fn line(level: Level, room: &str, words: &str) -> String {
    let words = redact::urls(words);
    format!("minions[{}] {level} {room}: {}\n", own_pid(), escape::line(&words))
}

/// Writes `line` into the file, with the time before it. What cannot be kept was on stderr.
fn kept(line: &str) {
    let Some(root) = KEPT_IN.get() else { return };
    let line = format!("{} {line}", span::utc(EpochMs::now().0));
    let written = kept_lines::append(&root.diagnostics(), &line);
    // A root that nobody has used yet gets its folder; a mistyped one is not founded by a line.
    let is_new = written.is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) && root.dir().is_dir();
    if is_new && files::create_dir(&root.engine()).is_ok() {
        kept_lines::append(&root.diagnostics(), &line).unwrap_or_default();
    }
}

/// Writes each record as one line.
struct Lines;

impl Log for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let room = record.target().strip_prefix("minions_managed::").unwrap_or(record.target());
        let line = line(record.level(), room, &record.args().to_string());
        ui::diagnostic(&line);
        kept(&line);
    }

    fn flush(&self) {}
}
