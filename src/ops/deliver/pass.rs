//! One pass over one sink: its lock, its position, then one event after the other until nothing waits or one is refused.

use std::path::PathBuf;
use std::time::Duration;

use crate::base::clock::EpochMs;
use crate::base::error::{Error, Result};
use crate::base::files;
use crate::base::ids::fill_random;
use crate::base::lock::FileLock;
use crate::base::redact::{DenyPatterns, Secrets};
use crate::base::steps::{Step, reached};
use crate::config::Sink;
use crate::delivery::Source;
use crate::delivery::cloudevent::{self, Message};
use crate::delivery::dead::{self, Letter, Letters};
use crate::delivery::position::{Lane, Position};
use crate::delivery::schedule;
use crate::delivery::sinks::{Refusal, Sender, Surroundings};
use crate::delivery::waiting::Waiting;
use crate::service::Event;

use super::super::context::Context;
use super::{VERB, source};

/// What one pass over one sink needs.
pub struct Pass<'a, S> {
    /// The surroundings.
    pub context: &'a Context,
    /// Whom to deliver to.
    pub sink: &'a Sink,
    /// Where the events are.
    pub source: &'a S,
    /// Asked between two events; true ends the pass.
    pub is_asked_to_end: &'a dyn Fn() -> bool,
}

/// How a pass came to its end.
#[derive(Debug)]
pub enum End {
    /// Nothing waits any more.
    Idle,
    /// The sink refused the first event that waits.
    Refused {
        /// Why, in words.
        why: String,
        /// How often it has refused this event.
        failures: u32,
        /// How long to wait before it is asked again.
        wait: Duration,
    },
    /// We cannot ask it: a variable is not set, or there is a shortage of something. This counts as no failure of the event.
    Unready {
        /// What is missing.
        why: String,
    },
    /// Another deliverer is at it, in words.
    Busy(String),
    /// It was asked to end.
    Asked,
    /// Our own files could not be read or written.
    Failed(Error),
}

/// What came of a pass.
#[derive(Debug)]
pub struct SinkReport {
    /// The sink's name.
    pub name: String,
    /// How many events it took.
    pub delivered: u64,
    /// How many became dead letters.
    pub dead: u64,
    /// How many were dropped because too many waited.
    pub dropped: u64,
    /// How it ended.
    pub end: End,
    /// Where a position that could not be read was put.
    pub set_aside: Option<PathBuf>,
}

impl<S: Source> Pass<'_, S> {
    /// Makes the pass.
    pub fn run(&self) -> SinkReport {
        let mut report = SinkReport {
            name: self.sink.name.clone(),
            delivered: 0,
            dead: 0,
            dropped: 0,
            end: End::Idle,
            set_aside: None,
        };
        report.end = match FileLock::acquire(&self.context.root.outbox_lock(&self.sink.name), Duration::ZERO, VERB) {
            Ok(lock) => self.deliver(lock, &mut report).unwrap_or_else(End::Failed),
            Err(busy) if busy.code == "lock-timeout" => End::Busy(busy.message),
            Err(error) => End::Failed(error),
        };
        report
    }

    fn deliver(&self, lock: FileLock, report: &mut SinkReport) -> Result<End> {
        let found = Position::take(&self.context.root.outbox_position(&self.sink.name))?;
        if let Some(aside) = &found.set_aside {
            log::warn!(
                "the position of sink `{}` was unreadable and is set aside as `{}`",
                report.name,
                aside.display()
            );
        }
        report.set_aside = found.set_aside;
        let mut work = Work { pass: self, lock, position: found.position, sender: None, report };
        work.check_position()?;
        if let Some(end) = work.retry()? {
            return Ok(end);
        }
        loop {
            let waiting = Waiting::first(self.source, self.sink, work.position.acked)?;
            if let Some(end) = work.go_through(waiting)? {
                return Ok(end);
            }
        }
    }
}

/// What is at hand during a pass.
struct Work<'a, S> {
    pass: &'a Pass<'a, S>,
    lock: FileLock,
    position: Position,
    sender: Option<Sender>,
    report: &'a mut SinkReport,
}

impl<S: Source> Work<'_, S> {
    /// A position beyond the last event is that of another journal: then all of this one is new.
    fn check_position(&mut self) -> Result<()> {
        let last = self.pass.source.last_seq()?;
        if self.position.acked > last {
            let acked = std::mem::take(&mut self.position.acked);
            log::warn!("sink `{}` was at event {acked}, and the last one is {last}: it begins anew", self.report.name);
            self.position.tried = None;
            self.write()?;
        }
        Ok(())
    }

    /// Sends the dead letters that are tried once more. `None`: there are none left.
    fn retry(&mut self) -> Result<Option<End>> {
        let path = self.pass.context.root.outbox_retry(&self.pass.sink.name);
        let Letters { letters, .. } = Letters::read(&path)?;
        if letters.is_empty() {
            return Ok(None);
        }
        self.finish_retry(&letters)?;
        let retried = self.position.retried;
        for letter in letters.into_iter().filter(|letter| letter.event.seq > retried) {
            if let Some(end) = self.step(Lane::Retry, &letter.event)? {
                return Ok(Some(end));
            }
        }
        // The file goes first: a number without a file means nothing, and whoever writes a new file resets it before.
        files::remove(&path).map_err(|error| Error::io(format!("cannot remove `{}`", path.display()), error))?;
        self.position.retried = 0;
        self.write()?;
        Ok(None)
    }

    /// Letters that are tried once more are dead no more, also where `retry` was killed before it could say so.
    fn finish_retry(&self, letters: &[Letter]) -> Result<()> {
        let path = self.pass.context.root.outbox_dead(&self.pass.sink.name);
        let mut dead = Letters::read(&path)?;
        let count = dead.letters.len();
        let is_retried =
            |letter: &Letter| letters.iter().any(|other| other.event.seq == letter.event.seq && other.at == letter.at);
        dead.letters.retain(|letter| !is_retried(letter));
        if dead.letters.len() < count { dead.write(&path) } else { Ok(()) }
    }

    /// Sends what waits. `None`: all of it is done with, and there may be more by now.
    fn go_through(&mut self, waiting: Waiting) -> Result<Option<End>> {
        let before_first = waiting.before_first();
        if waiting.dropped > 0 || (waiting.events.is_empty() && before_first > self.position.acked) {
            self.position.acked = before_first;
            self.position.dropped += waiting.dropped;
            self.report.dropped += waiting.dropped;
            self.write()?;
        }
        if waiting.dropped > 0 {
            self.say_dropped(waiting.dropped)?;
        }
        if waiting.events.is_empty() {
            return Ok(Some(End::Idle));
        }
        for event in &waiting.events {
            if let Some(end) = self.step(Lane::Journal, event)? {
                return Ok(Some(end));
            }
        }
        Ok(None)
    }

    /// Sends one event. `None`: it is done with.
    fn step(&mut self, lane: Lane, event: &Event) -> Result<Option<End>> {
        if (self.pass.is_asked_to_end)() {
            return Ok(Some(End::Asked));
        }
        let message = cloudevent::message(event, &cloudevent::source(self.pass.context.root.dir()));
        let now = EpochMs::now();
        match self.send(&message) {
            Ok(()) => {
                reached(Step::DeliverySent);
                self.position.done(lane, event.seq);
                self.position.delivered += 1;
                self.position.last_delivered_at = Some(now);
                self.report.delivered += 1;
                self.write()?;
                Ok(None)
            }
            Err(Refusal::Unready(why)) => Ok(Some(End::Unready { why })),
            Err(Refusal::Failed(why)) => {
                let failures = self.position.fail(lane, event.seq, &why, now);
                log::info!("sink `{}` refused {} ({failures}): {why}", self.report.name, event.id);
                if schedule::is_dead(failures) {
                    self.bury(lane, event, failures, why)?;
                    return Ok(None);
                }
                let wait = schedule::wait_after(failures, share());
                self.position.next_at = Some(now.plus(wait));
                self.write()?;
                Ok(Some(End::Refused { why, failures, wait }))
            }
        }
    }

    fn send(&mut self, message: &Message) -> std::result::Result<(), Refusal> {
        if let Some(sender) = &mut self.sender {
            return sender.send(message);
        }
        let Context { root, settings, env } = self.pass.context;
        let secrets = Secrets::of(env, &DenyPatterns::new(&settings.env_key_deny_patterns));
        let around = Surroundings { root: root.dir(), engine: &root.engine(), env, secrets: &secrets };
        self.sender.insert(Sender::new(self.pass.sink, around)?).send(message)
    }

    /// Puts an event among the dead letters; the next one goes on.
    fn bury(&mut self, lane: Lane, event: &Event, failures: u32, error: String) -> Result<()> {
        let name = &self.report.name;
        log::warn!("sink `{name}` has refused {} {failures} times; it is a dead letter now: {error}", event.id);
        let letter = Letter { event: event.clone(), failures, error, at: EpochMs::now() };
        let dropped = dead::append(&self.pass.context.root.outbox_dead(name), &letter)?;
        if dropped > 0 {
            log::warn!("sink `{name}` has so many dead letters that the oldest {dropped} were dropped");
        }
        reached(Step::DeliveryDead);
        // Told before the position moves: who dies in between tells it twice, and loses nothing.
        source::tell_dead(self.pass.context, name, &letter);
        self.position.done(lane, event.seq);
        self.position.dead += 1;
        self.position.dead_dropped += dropped;
        self.report.dead += 1;
        self.write()
    }

    /// Tells of dropped events: the first at once, more of them only when there are many or an hour is over, or the telling itself
    /// would fill the queue.
    fn say_dropped(&mut self, count: u64) -> Result<()> {
        const COUNT_MIN: u64 = 500;
        const PAUSE: Duration = Duration::from_secs(3600);
        log::warn!(
            "{count} events were dropped: more than {} waited for sink `{}`",
            schedule::WAITING_MAX,
            self.report.name
        );
        let (unsaid, now) =
            (self.position.dropped - self.position.dropped_said.min(self.position.dropped), EpochMs::now());
        let is_long_ago = self.position.dropped_said_at.is_none_or(|at| now.since(at) >= PAUSE);
        if !is_long_ago && unsaid < COUNT_MIN {
            return Ok(());
        }
        source::tell_dropped(self.pass.context, &self.report.name, unsaid);
        self.position.dropped_said = self.position.dropped;
        self.position.dropped_said_at = Some(now);
        self.write()
    }

    fn write(&self) -> Result<()> {
        self.lock.check()?;
        self.position.write(&self.pass.context.root.outbox_position(&self.report.name))
    }
}

/// A random number from 0 to 1; without randomness the whole wait.
fn share() -> f64 {
    let mut byte = [255_u8];
    // What could not be filled stays as it is.
    fill_random(&mut byte).unwrap_or_default();
    f64::from(byte[0]) / 255.0
}
