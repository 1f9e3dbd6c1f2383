//! Bringing one service up: look, decide, do, until it is up or will not be.

use std::time::{Duration, Instant};

use crate::base::clock::{EpochMs, monotonic};
use crate::base::error::{Error, Kind, Result};
use crate::lifecycle::due::is_use_news;
use crate::lifecycle::ensure::{Next, Refusal, next};
use crate::lifecycle::health::is_fresh;
use crate::lifecycle::sweep::{Death, words};
use crate::service::{Record, Status};

use super::super::context::Context;
use super::super::news::{News, Sight};
use super::super::probe::{self, Probed};
use super::super::start::{Again, By, OnProgress, Only, again};
use super::super::{facts, find, follow};
use super::{Action, Up, VERB};

/// How long beyond a service's own time others may take that are at it: to end what was there, to start, to write.
const OTHERS_MARGIN: Duration = Duration::from_secs(10);
/// How long a service that has not passed a probe yet is left to whoever has started it, who asks it all the time.
const STARTER_ASKS: Duration = Duration::from_secs(2);

/// The longest pause between two looks at one that its own shim is at: a follower that was killed tells nobody.
const SHIM_LOOK_EVERY: Duration = Duration::from_secs(1);

/// One service on its way.
struct Way<'a> {
    context: &'a Context,
    name: &'a str,
    progress: OnProgress<'a>,
    news: News,
    action: Action,
    /// A start of it has been waited for.
    has_waited: bool,
    /// When waiting is over; known once its record is.
    end: Option<Instant>,
    /// When it is asked next; `None`: it has not been waited for yet.
    asks_at: Option<Instant>,
    /// What was in the way when it was looked at last.
    last: Option<Error>,
}

/// Brings the service `name` up.
pub(super) fn bring_up(context: &Context, name: &str, progress: OnProgress<'_>) -> Result<Up> {
    let news = News::of(&context.root);
    let (action, has_waited, end, asks_at, last) = (Action::None, false, None, None, None);
    let mut way = Way { context, name, progress, news, action, has_waited, end, asks_at, last };
    loop {
        let sight = way.news.sight();
        let document = context.store().read()?;
        // Its shim may have started it again a moment ago.
        let newer = follow::caught_up(context, &document, VERB, false)?;
        let record = find::find(newer.as_ref().unwrap_or(&document), name)?.clone();
        let end = *way.end.get_or_insert_with(|| monotonic() + patience(context, &record));
        let (facts, now) = (facts::for_sweep(&context.root, &record), EpochMs::now());
        let is_fresh = is_fresh(&record, now, context.health_backoff());
        match next(&record, &facts, is_fresh, way.has_waited, now) {
            Next::Up => return Ok(Up { record: used(context, record, now)?, action: way.action }),
            Next::Ask => way.ask(&record, sight, end)?,
            Next::Start => way.start(&record, sight, end)?,
            Next::Await { pid, verb } => {
                way.has_waited = true;
                way.last = Some(claimed(name, pid, &verb));
                way.wait(sight, end);
            }
            Next::AwaitShim => {
                way.last = Some(not_up(name, "its shim has not started it again".to_owned()));
                way.wait(sight, end.min(monotonic() + SHIM_LOOK_EVERY));
            }
            Next::Refuse(Refusal::Expired) => return Err(expired(name)),
            Next::Refuse(Refusal::Failed) => return Err(failed(&record)),
        }
        if monotonic() >= end {
            return Err(way.last.unwrap_or_else(|| not_up(name, "nothing came of waiting for it".to_owned())));
        }
    }
}

impl Way<'_> {
    /// Waits for a change of the state.
    fn wait(&mut self, sight: Sight, until: Instant) {
        self.action = if self.action == Action::Started { Action::Started } else { Action::Awaited };
        self.news.wait(sight, until);
    }

    /// Asks a service that is alive, or waits until it is to be asked. Whoever has just started one asks it all the time: many who
    /// wait for the same start need not ask it as well.
    fn ask(&mut self, record: &Record, sight: Sight, end: Instant) -> Result<()> {
        let interval = record.spec.healthcheck.interval();
        let first = if record.last_health_at.is_none() { STARTER_ASKS.max(interval) } else { Duration::ZERO };
        let asks_at = *self.asks_at.get_or_insert_with(|| monotonic() + first);
        if monotonic() < asks_at {
            self.has_waited = true;
            self.last = Some(not_up(self.name, "it has not passed a probe yet".to_owned()));
            self.wait(sight, asks_at.min(end));
            return Ok(());
        }
        let found = probe::probe(self.context, std::slice::from_ref(record), None);
        probe::record(self.context, VERB, &found)?;
        self.asks_at = Some(monotonic() + interval);
        if let Some(Probed { healthy: Some(false) | None, error, .. }) = found.first() {
            let why = error.clone().unwrap_or_else(|| "it could not be asked".to_owned());
            self.last = Some(not_up(self.name, why));
        }
        Ok(())
    }

    /// Starts it, and waits for its health; where another command was faster, that one's work is waited for.
    fn start(&mut self, record: &Record, sight: Sight, end: Instant) -> Result<()> {
        let names = [record.name.clone()];
        let only = Only::Life(record);
        let request = Again { names: &names, verb: VERB, by: By::Need, waits: true, is_all_or_none: false, only };
        let mut report = again(self.context, &request, self.progress)?;
        match report.items.pop().and_then(|item| item.error) {
            None => self.action = Action::Started,
            Some(error) if error.code == "claimed" => {
                self.last = Some(error);
                self.wait(sight, end);
            }
            Some(error) => return Err(error),
        }
        self.has_waited = true;
        Ok(())
    }
}

/// How long others are waited for that are at `record`.
fn patience(context: &Context, record: &Record) -> Duration {
    let grace = record.spec.lifecycle.stop.grace(context.stop_grace());
    record.spec.healthcheck.timeout().saturating_add(grace).saturating_add(OTHERS_MARGIN)
}

/// Marks `record` as used, where that is news; the record as it is then.
fn used(context: &Context, record: Record, now: EpochMs) -> Result<Record> {
    let backoff = context.health_backoff();
    if !is_use_news(&record, now, backoff) {
        return Ok(record);
    }
    let changed = context.store().change(VERB, |document| {
        if let Some(there) = document.find_mut(&record.name).filter(|there| is_use_news(there, now, backoff)) {
            there.progress.last_used_at = Some(now);
        }
    })?;
    Ok(changed.after.find(&record.name).cloned().unwrap_or(record))
}

fn claimed(name: &str, pid: u32, verb: &str) -> Error {
    let message =
        format!("service `{name}` is being worked on by `minions managed {verb}` (pid {pid}), without an end");
    Error::new(Kind::Conflict, "claimed", message).with_hint("nothing was done; see what that command waits for")
}

fn expired(name: &str) -> Error {
    Error::new(Kind::Conflict, "expired", format!("service `{name}` is not started: its time to live is over"))
        .with_hint(format!(
            "give it a full one: minions managed restart {name}; else the next sweep removes its record"
        ))
}

fn not_up(name: &str, why: String) -> Error {
    let message = format!("service `{name}` is not healthy: {why}");
    Error::new(Kind::NotHealthy, "managed-spawn-healthcheck-failed", message)
        .with_hint(format!("what it wrote: minions managed logs {name}"))
}

fn failed(record: &Record) -> Error {
    if record.status == Status::Running {
        return not_up(&record.name, "it ended before it had passed a probe".to_owned());
    }
    let last = record.progress.last_transition.as_ref().map(|last| last.why.clone());
    let exit = record.last_exit.map(|exit| words(&Death::Seen(exit)));
    not_up(&record.name, exit.or(last).unwrap_or_else(|| "its start has failed".to_owned()))
}
