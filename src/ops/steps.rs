//! Death and delay at a named step of a command, for the tests that crash it there. Not in ordinary builds.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::base::steps::{self, Step};
use crate::process;
use crate::service::EnvVars;

/// `STEP` or `STEP:N`: the process kills itself when it reaches the step for the N-th time.
const CRASH_AT: &str = "MINIONS_CRASH_AT";
/// `STEP`: the thread that reaches it panics.
const PANIC_AT: &str = "MINIONS_PANIC_AT";
/// `STEP=PIPE`: the thread that reaches the step first waits there until somebody has opened and closed that named pipe.
const PAUSE_AT: &str = "MINIONS_PAUSE_AT";

/// `FILE`: the wall clock is off by as many milliseconds as that file says.
const CLOCK: &str = "MINIONS_CLOCK";

/// Does what the environment asks for.
pub fn arm(env: &EnvVars) {
    let value = |key: &str| env.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str());
    if let Some(file) = value(CLOCK) {
        crate::base::clock::set::follow(file.into());
    }
    if let Some(asked) = value(CRASH_AT) {
        let (word, nth) = asked.split_once(':').unwrap_or((asked, "1"));
        at(word, nth.parse().unwrap_or(1), process::kill_self);
    } else if let Some(word) = value(PANIC_AT) {
        at(word, 1, || panic!("asked to panic at a step"));
    } else if let Some((word, pipe)) = value(PAUSE_AT).and_then(|asked| asked.split_once('=')) {
        let pipe = PathBuf::from(pipe);
        at(word, 1, move || steps::wait_at(&pipe));
    }
}

fn at(word: &str, nth: u32, act: impl Fn() + Send + Sync + 'static) {
    let Some(step) = Step::ALL.iter().copied().find(|step| step.word() == word) else { return };
    let times = AtomicU32::new(0);
    steps::arm(Box::new(move |reached| {
        if reached == step && times.fetch_add(1, Ordering::SeqCst) + 1 == nth {
            act();
        }
    }));
}
