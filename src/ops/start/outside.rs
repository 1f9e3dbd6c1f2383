//! Services that a start waits for and that are not started with it: they run already, and one that is just coming up is waited
//! for, within its own health timeout. Nobody here starts or ends one.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::base::clock::{EpochMs, monotonic};
use crate::base::error::Result;
use crate::lifecycle::ensure::{Prospect, prospect};
use crate::service::Record;

use super::super::context::Context;
use super::super::news::News;
use super::super::{facts, follow, probe};

/// The longest pause between two looks at one that its own shim is to start again: a follower that was killed tells nobody.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// One such service, waited for once however many starts need it.
#[derive(Debug)]
pub(crate) struct Outside {
    /// The record's name.
    name: String,
    /// The declared name, by which others need it.
    pub(super) declared: String,
    is_up: OnceLock<bool>,
}

impl Outside {
    /// The service of the record `name`, needed as `declared`.
    pub(crate) fn new(name: &str, declared: &str) -> Self {
        Self { name: name.to_owned(), declared: declared.to_owned(), is_up: OnceLock::new() }
    }

    /// Waits until it is healthy, or will not be: whoever comes first does, and the others wait for him.
    pub(super) fn is_up(&self, context: &Context, verb: &str) -> bool {
        *self.is_up.get_or_init(|| match wait(context, verb, &self.name) {
            Ok(Ok(())) => true,
            Ok(Err(why)) => {
                log::info!("service `{}`, which others need, is not up: {why}", self.name);
                false
            }
            Err(error) => {
                log::warn!("service `{}`, which others need, could not be waited for: {}", self.name, error.chain());
                false
            }
        })
    }
}

/// Waits; the inner error says why it is not up.
fn wait(context: &Context, verb: &str, name: &str) -> Result<std::result::Result<(), String>> {
    let news = News::of(&context.root);
    let mut end: Option<Instant> = None;
    loop {
        let sight = news.sight();
        let document = context.store().read()?;
        // Its shim may have started it again a moment ago.
        let newer = follow::caught_up(context, &document, verb, false)?;
        let Some(record) = newer.as_ref().unwrap_or(&document).find(name) else {
            return Ok(Err("its record has gone".to_owned()));
        };
        let now = EpochMs::now();
        let end = *end.get_or_insert_with(|| monotonic() + patience(record, now));
        let (until, why) = match prospect(record, &facts::for_sweep(&context.root, record), now) {
            Prospect::Up => return Ok(Ok(())),
            Prospect::Lost(why) => return Ok(Err(why)),
            Prospect::Ask { is_coming } => match ask(context, verb, record)? {
                None => return Ok(Ok(())),
                Some(why) if !is_coming => return Ok(Err(why)),
                Some(why) => (monotonic() + record.spec.healthcheck.interval(), why),
            },
            Prospect::Await(why) => (monotonic() + LOOK_EVERY, why),
        };
        if monotonic() >= end {
            return Ok(Err(format!("{why}, and its health timeout is over")));
        }
        news.wait(sight, until.min(end));
    }
}

/// Asks it once, and writes down what came of it; why it is not healthy.
fn ask(context: &Context, verb: &str, record: &Record) -> Result<Option<String>> {
    let found = probe::probe(context, std::slice::from_ref(record), None);
    probe::record(context, verb, &found)?;
    let healthy = found.first().is_some_and(|one| one.healthy == Some(true));
    let why = || found.first().and_then(|one| one.error.clone()).unwrap_or_else(|| "it could not be asked".to_owned());
    Ok((!healthy).then(why))
}

/// How long it is waited for: until it is started again, if it waits for that, and then for its own health timeout.
fn patience(record: &Record, now: EpochMs) -> Duration {
    let wait = record.progress.next_at.map(|at| at.since(now)).unwrap_or_default();
    record.spec.healthcheck.timeout().saturating_add(wait)
}
