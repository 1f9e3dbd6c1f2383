//! A failure that nobody may have been there to see is told as an event.

use std::time::Duration;

use crate::base::clock::EpochMs;
use crate::base::error::{Error, Result};
use crate::base::json::Plain;
use crate::base::redact;
use crate::base::root::Root;
use crate::config::{self, Settings};
use crate::service::{Draft, EnvVars, EventType, event_from_json};
use crate::state::Document;

use super::context::Context;

/// So long the lock is waited for at most, in seconds: whoever failed for want of it does not wait as long again.
const LOCK_TIMEOUT_SEC: f64 = 1.0;
/// The longest text of a failure, in characters.
const TEXT_CHARS_MAX: usize = 2000;

/// The same failure is told again after so long at the earliest: a sweep that fails every minute is no news.
const AGAIN: Duration = Duration::from_secs(3600);

/// Tells the journal under `root` that `command` failed. Settings that cannot be read are no reason not to. An error means that
/// the event is written nowhere: then stderr and the exit code must do.
pub fn tell(root: &Root, command: &str, code: &str, words: &str) -> Result<()> {
    let settings = config::load(&root.config()).map(|loaded| loaded.settings).unwrap_or_default();
    let lock_timeout_sec = settings.lock_timeout_sec.min(LOCK_TIMEOUT_SEC);
    let settings = Settings { lock_timeout_sec, ..settings };
    let context = Context { root: root.clone(), settings, env: EnvVars::new() };
    let now = EpochMs::now();
    let short: String = words.chars().take(TEXT_CHARS_MAX).collect();
    let draft = Draft::new(EventType::Fatal, now)
        .with("command", command)
        .with("code", code)
        .with("message", redact::urls(&short));
    let tell = |document: &mut Document| {
        let is_news = !document.carried.events.iter().any(|event| is_of(&event.json, &draft));
        if is_news {
            document.tell(draft);
        }
    };
    context.store().change(command, tell).map(drop).map_err(Error::from)
}

/// Whether an event of not long ago says the same.
fn is_of(json: &str, draft: &Draft) -> bool {
    let event = serde_json::from_str::<Plain>(json).ok().and_then(|plain| event_from_json(plain.0).ok());
    event.is_some_and(|event| event.kind == draft.kind && event.data == draft.data && draft.at.since(event.at) < AGAIN)
}
