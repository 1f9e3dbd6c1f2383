//! Diagnostics: what happened on the way, for whoever looks for a fault. One line per record on stderr, greppable:
//! `minions[PID] LEVEL room: words`. Ops and rooms speak by the `log` crate's macros and never print. Impure: reads
//! MINIONS_LOG.

use log::{LevelFilter, Log, Metadata, Record};

use crate::base::error::{Error, Kind, Result};
use crate::base::ids::own_pid;
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

/// Starts diagnostics at the level that the options ask for, else MINIONS_LOG, else warnings. Errors: a level of
/// MINIONS_LOG that is none (exit 64).
pub(super) fn start(global: &Global) -> Result<()> {
    let level = match (global.quiet, global.verbose) {
        (true, _) => LevelFilter::Error,
        (false, 0) => from_environment()?,
        (false, 1) => LevelFilter::Info,
        (false, 2) => LevelFilter::Debug,
        (false, _) => LevelFilter::Trace,
    };
    // It fails only where a logger is set already: then this is no program of its own, and that one may speak.
    if log::set_logger(&Stderr).is_ok() {
        log::set_max_level(level);
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the environment is read at the doors")]
fn from_environment() -> Result<LevelFilter> {
    let Some(asked) = std::env::var_os("MINIONS_LOG").filter(|asked| !asked.is_empty()) else {
        return Ok(LevelFilter::Warn);
    };
    let asked = asked.to_string_lossy();
    LEVELS.iter().find(|(name, _)| asked.eq_ignore_ascii_case(name)).map(|(_, level)| *level).ok_or_else(|| {
        let names: Vec<&str> = LEVELS.iter().map(|(name, _)| *name).collect();
        let message = format!("MINIONS_LOG is `{}`, which is no level", escape::line(&asked));
        Error::new(Kind::Usage, "usage", message).with_hint(format!("say one of {}", names.join(", ")))
    })
}

/// Writes each record as one line.
struct Stderr;

impl Log for Stderr {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let room = record.target().strip_prefix("minions_managed::").unwrap_or(record.target());
        let words = record.args().to_string();
        let line = format!("minions[{}] {} {room}: {}\n", own_pid(), record.level(), escape::line(&words));
        ui::diagnostic(&line);
    }

    fn flush(&self) {}
}
