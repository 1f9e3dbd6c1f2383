//! Failures that nobody may see: a panic, and the end of a command that nobody watches. Each is an event of type `fatal`; where
//! not even that can be written, stderr and the exit code say so.

use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::{Mutex, Once};

use crate::base::error::{Error, Kind};
use crate::base::root::Root;
use crate::ops::fatal;

use super::exit::Outcome;
use super::{Command, Door, run};

/// What the last panic said, and where it was.
static PANIC: Mutex<Option<String>> = Mutex::new(None);

/// Runs `command`. A panic becomes an error with exit code 1: locks are free again by then, for it unwinds.
pub(super) fn told(command: Command, door: &Door) -> Outcome {
    let name = name(&command);
    let is_unwatched = command.is_unwatched();
    let outcome = guarded(command, door, &name);
    if let Err(error) = &outcome
        && (error.code == "panic" || is_unwatched && is_worth_telling(error))
    {
        tell(&name, error, door);
    }
    outcome
}

fn guarded(command: Command, door: &Door, name: &str) -> Outcome {
    // There a process that is killed unwinds, and must not go on.
    #[cfg(debug_assertions)]
    if crate::base::world::here().is_some() {
        return run(command, door);
    }
    hear_panics();
    panic::catch_unwind(AssertUnwindSafe(|| run(command, door))).unwrap_or_else(|_| Err(panicked(name)))
}

/// A command line or a name that was wrong was typed by somebody, and another who is at it already is nobody's failure.
fn is_worth_telling(error: &Error) -> bool {
    !matches!(error.kind, Kind::Usage | Kind::NotFound | Kind::Conflict)
}

fn tell(name: &str, error: &Error, door: &Door) {
    let told = Root::locate(door.root.as_deref()).and_then(|root| fatal::tell(&root, name, error.code, &error.chain()));
    if let Err(why) = told {
        log::error!("this failure is in no event: {}", why.chain());
    }
}

/// Keeps what a panic says, beside what the usual hook prints.
fn hear_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            hear(info);
            usual(info);
        }));
    });
}

fn hear(info: &PanicHookInfo<'_>) {
    let words = info.payload_as_str().unwrap_or("no words");
    let place = info.location().map(|place| format!(" ({}:{})", place.file(), place.line())).unwrap_or_default();
    if let Ok(mut heard) = PANIC.lock() {
        // The first is the cause of those that follow.
        heard.get_or_insert_with(|| format!("{words}{place}"));
    }
}

fn panicked(name: &str) -> Error {
    let heard = PANIC.lock().ok().and_then(|mut heard| heard.take()).unwrap_or_else(|| "no words".to_owned());
    let message = format!("`{name}` panicked, which is a fault of this program: {heard}");
    Error::new(Kind::Unforeseen, "panic", message)
        .with_hint("minions managed reconcile puts right what it left; please report it with the output of doctor")
}

/// The command as it is typed.
fn name(command: &Command) -> String {
    let shown = format!("{command:?}");
    let word = shown.split('(').next().unwrap_or_default();
    word.char_indices().fold(String::new(), |mut name, (at, c)| {
        if at > 0 && c.is_ascii_uppercase() {
            name.push('-');
        }
        name.push(c.to_ascii_lowercase());
        name
    })
}
