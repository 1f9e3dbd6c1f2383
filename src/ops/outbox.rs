//! `outbox`: how deliveries stand, what was refused for good, and another try for that. Delivering itself is `ops::deliver`.

use std::time::Duration;

use crate::base::clock::EpochMs;
use crate::base::error::{Error, Kind, Result};
use crate::base::lock::{self, FileLock, Sight};
use crate::base::redact;
use crate::base::steps::{Step, reached};
use crate::config::{Sink, Target};
use crate::delivery::Source as _;
use crate::delivery::dead::{Letter, Letters};
use crate::delivery::position::Position;
use crate::delivery::waiting::Waiting;

use super::context::Context;
use super::deliver::{Events, chosen};

/// How one sink stands.
#[derive(Debug)]
pub struct Standing {
    /// Its name.
    pub name: String,
    /// What it is: `webhook`, `command`, `file`.
    pub kind: &'static str,
    /// Where it leads, without secrets.
    pub target: String,
    /// How many events wait for it, those that are tried once more among them.
    pub waiting: usize,
    /// When the first of them happened.
    pub oldest_at: Option<EpochMs>,
    /// How often the first of them was refused.
    pub failures: u32,
    /// How many of those that wait are dead letters that are tried once more.
    pub retrying: usize,
    /// How many dead letters it has.
    pub dead_letters: usize,
    /// Whether a deliverer is at it now.
    pub is_busy: bool,
    /// How far it has come, and its figures.
    pub position: Position,
}

/// How the sinks of these names stand, in their order; all if there are none. Takes no lock.
pub fn status(context: &Context, names: &[String]) -> Result<Vec<Standing>> {
    chosen(context, names)?.into_iter().map(|sink| standing(context, sink)).collect()
}

fn standing(context: &Context, sink: &Sink) -> Result<Standing> {
    let root = &context.root;
    let position = Position::read(&root.outbox_position(&sink.name))?;
    let events = Events::of(context);
    let acked = if position.acked > events.last_seq()? { 0 } else { position.acked };
    let waiting = Waiting::gather(&events, sink, acked)?;
    let retrying = retrying(context, sink, &position)?;
    let dead = Letters::read(&root.outbox_dead(&sink.name))?;
    let first = retrying.first().map(|letter| &letter.event).or(waiting.events.front());
    let tried = [position.retry_tried, position.tried].into_iter().flatten();
    let is_busy = matches!(lock::observe(&root.outbox_lock(&sink.name), Duration::ZERO), Ok(Sight::Held { .. }));
    Ok(Standing {
        name: sink.name.clone(),
        kind: sink.target.word(),
        target: redact::urls(&target(sink)),
        waiting: retrying.len() + waiting.events.len(),
        oldest_at: first.map(|event| event.at),
        failures: tried
            .filter(|tried| first.is_some_and(|first| first.seq == tried.seq))
            .map(|tried| tried.failures)
            .max()
            .unwrap_or(0),
        retrying: retrying.len(),
        dead_letters: without(dead.letters, &retrying).len(),
        is_busy,
        position,
    })
}

/// Where a sink leads, in words.
fn target(sink: &Sink) -> String {
    match &sink.target {
        Target::Webhook(webhook) => webhook.url.clone(),
        Target::Command { cmd, .. } => cmd.clone(),
        Target::File { path } => path.clone(),
    }
}

/// The letters that are tried once more and are not done with.
fn retrying(context: &Context, sink: &Sink, position: &Position) -> Result<Vec<Letter>> {
    let Letters { letters, .. } = Letters::read(&context.root.outbox_retry(&sink.name))?;
    Ok(letters.into_iter().filter(|letter| letter.event.seq > position.retried).collect())
}

/// `letters` but those about events of `others`.
fn without(letters: Vec<Letter>, others: &[Letter]) -> Vec<Letter> {
    let is_there = |letter: &Letter| others.iter().any(|other| other.event.seq == letter.event.seq);
    letters.into_iter().filter(|letter| !is_there(letter)).collect()
}

/// The dead letters of one sink.
#[derive(Debug)]
pub struct DeadLetters {
    /// The sink's name.
    pub sink: String,
    /// In the order of their events.
    pub letters: Vec<Letter>,
}

/// The dead letters of the sinks of these names, all if there are none. Takes no lock.
pub fn dead_letters(context: &Context, names: &[String]) -> Result<Vec<DeadLetters>> {
    let of_sink = |sink: &Sink| {
        let position = Position::read(&context.root.outbox_position(&sink.name))?;
        let retrying = retrying(context, sink, &position)?;
        let Letters { letters, .. } = Letters::read(&context.root.outbox_dead(&sink.name))?;
        Ok(DeadLetters { sink: sink.name.clone(), letters: without(letters, &retrying) })
    };
    chosen(context, names)?.into_iter().map(of_sink).collect()
}

/// How many dead letters of a sink are tried once more.
#[derive(Debug)]
pub struct Retried {
    /// The sink's name.
    pub sink: String,
    /// How many.
    pub count: usize,
}

/// Puts dead letters of the sinks of these names, all if there are none, back before what waits; only those of these event ids, if
/// there are any. Errors: `no-such-letter` (exit 6) if an id is that of no dead letter, and then nothing is done; `lock-timeout`
/// (exit 8) while a deliverer is at the sink.
pub fn retry(context: &Context, names: &[String], ids: &[String]) -> Result<Vec<Retried>> {
    let all = dead_letters(context, names)?;
    let is_dead = |id: &String| all.iter().flat_map(|dead| &dead.letters).any(|letter| letter.event.id == *id);
    if let Some(id) = ids.iter().find(|id| !is_dead(id)) {
        let message = format!("no dead letter is about event `{}`", id.escape_debug());
        let hint = "every dead letter with its id: minions managed outbox dead-letters";
        return Err(Error::new(Kind::NotFound, "no-such-letter", message).with_hint(hint));
    }
    let with_letters = all.into_iter().filter(|dead| !dead.letters.is_empty());
    with_letters.map(|dead| retry_one(context, &dead.sink, ids)).collect()
}

/// Crash-safe by its order: the old file of retries counts as undone again, then it holds the new ones too, then they are dead no
/// more. Who dies in between leaves events that are sent twice, and none that is not sent.
fn retry_one(context: &Context, sink: &str, ids: &[String]) -> Result<Retried> {
    let root = &context.root;
    let lock = FileLock::acquire(&root.outbox_lock(sink), context.lock_timeout(), "retry")?;
    let (path, dead_path, retry_path) = (root.outbox_position(sink), root.outbox_dead(sink), root.outbox_retry(sink));
    let mut position = Position::take(&path)?.position;
    let mut dead = Letters::read(&dead_path)?;
    let is_chosen = |letter: &Letter| ids.is_empty() || ids.contains(&letter.event.id);
    let (chosen, left): (Vec<Letter>, Vec<Letter>) = dead.letters.into_iter().partition(is_chosen);
    let mut retry = Letters::read(&retry_path)?;
    retry.letters.retain(|letter| letter.event.seq > position.retried);
    // What was chosen counts: its failures begin anew.
    retry.letters = without(retry.letters, &chosen);
    let count = chosen.len();
    retry.letters.extend(chosen);
    retry.letters.sort_by_key(|letter| letter.event.seq);
    (position.retried, position.retry_tried) = (0, None);
    lock.check()?;
    position.write(&path)?;
    retry.write(&retry_path)?;
    reached(Step::DeliveryRetried);
    dead.letters = left;
    dead.write(&dead_path)?;
    Ok(Retried { sink: sink.to_owned(), count })
}
