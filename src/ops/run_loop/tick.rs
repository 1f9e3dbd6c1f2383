//! One tick: its steps in their order. A step that fails is said, and the next one follows; whoever asks for the end waits for one
//! step at most.

use std::time::Duration;

use crate::base::clock::EpochMs;
use crate::base::error::{Error, Result};
use crate::config;
use crate::lifecycle::due::{last_use, next_due};
use crate::process;
use crate::service::Record;

use super::super::context::Context;
use super::super::deliver::{Deliverer, End};
use super::super::probe::{self, Probed};
use super::super::sweep::{self, due::restart_unhealthy};
use super::acceptor::Acceptor;
use super::beat::{Next, Pace};
use super::lease::Held;
use super::liveness::{Probes, distance};
use super::said::Said;
use super::{News, OnNews, Request, VERB, interval};

/// What lasts from tick to tick. All of it is bounded by how many services and agents there are.
pub(super) struct Ticker<'a> {
    context: Context,
    request: &'a Request,
    lease: Held,
    on_news: OnNews<'a>,
    probes: Probes,
    acceptor: Acceptor,
    deliverer: Deliverer,
    said: Said,
    failures: u64,
    /// The first tick looks more closely, as after a boot.
    is_first: bool,
    /// When the next thing becomes due that no tick need wait for.
    due_at: Option<EpochMs>,
}

/// What is done in a tick, one after the other.
type Step<'a> = fn(&mut Ticker<'a>, &dyn Pace) -> Result<()>;

impl<'a> Ticker<'a> {
    /// In this order.
    const STEPS: [Step<'a>; 5] = [Self::settle, Self::sweep, Self::probe, Self::accept, Self::deliver];

    /// Before the first tick.
    pub(super) fn new(context: Context, request: &'a Request, lease: Held, on_news: OnNews<'a>) -> Self {
        let (probes, acceptor, said) = (Probes::default(), Acceptor::default(), Said::default());
        Self {
            context,
            request,
            lease,
            on_news,
            probes,
            acceptor,
            deliverer: Deliverer::default(),
            said,
            failures: 0,
            is_first: true,
            due_at: None,
        }
    }

    /// Does all steps. Error: the lease is another's.
    pub(super) fn tick(&mut self, pace: &dyn Pace) -> Result<Next> {
        if let Err(error) = self.lease.keep(&self.context, self.interval(), EpochMs::now()) {
            if error.code == "lease-lost" {
                return Err(error);
            }
            self.fail(&error);
        }
        self.due_at = None;
        for step in Self::STEPS {
            if pace.is_asked() {
                break;
            }
            if let Err(error) = step(self, pace) {
                self.fail(&error);
            }
        }
        // What it has started lives on; what has ended of that is nobody else's to reap.
        process::reap_left();
        self.said.turn();
        self.is_first = false;
        let now = EpochMs::now();
        Ok(Next { interval: self.interval(), due_in: self.due_at.map(|at| at.since(now)) })
    }

    /// How many things could not be done.
    pub(super) fn failures(&self) -> u64 {
        self.failures
    }

    /// After the last tick.
    pub(super) fn release(self) {
        self.lease.release(&self.context);
    }

    fn interval(&self) -> Duration {
        self.request.interval.unwrap_or(interval(&self.context))
    }

    fn fail(&mut self, error: &Error) {
        self.failures += 1;
        if let Some(times) = self.said.note(error.chain()) {
            (self.on_news)(News::Failed { error, times });
        }
    }

    /// Reads the settings anew. With wrong ones it goes on by those that it has.
    fn settle(&mut self, _: &dyn Pace) -> Result<()> {
        let settings = config::load(&self.context.root.config())?.settings;
        if settings != self.context.settings {
            self.context.settings = settings;
            (self.on_news)(News::Resettled);
        }
        Ok(())
    }

    fn sweep(&mut self, _: &dyn Pace) -> Result<()> {
        let request = sweep::Request { is_dry_run: false, is_thorough: self.is_first };
        let report = sweep::run(&self.context, request)?;
        if is_news(&report) {
            (self.on_news)(News::Swept(&report));
        }
        if let Some(aside) = &report.set_aside {
            self.fail(&aside.to_error());
        }
        for error in report.errors() {
            self.fail(error);
        }
        Ok(())
    }

    fn probe(&mut self, pace: &dyn Pace) -> Result<()> {
        let records = self.context.store().read()?.records;
        let wall = EpochMs::now();
        self.due_at = next_moment(&records, self.context.health_backoff(), wall);
        let distance = distance(self.context.health_backoff(), self.interval());
        let due = self.probes.take_due(records, pace.now(), wall, distance);
        if due.is_empty() {
            return Ok(());
        }
        let found = probe::probe(&self.context, &due, None);
        let flipped: Vec<&Probed> =
            due.iter().zip(&found).filter(|(record, one)| one.flips(record)).map(|(_, one)| one).collect();
        flipped.iter().for_each(|probed| (self.on_news)(News::Flipped(probed)));
        if let Some(aside) = probe::record_within(&self.context, VERB, &found, distance)? {
            self.fail(&aside.to_error());
        }
        let names: Vec<&str> = flipped.iter().map(|probed| probed.name.as_str()).collect();
        for done in restart_unhealthy(&self.context, &names, VERB)? {
            match &done.error {
                None => (self.on_news)(News::Done(&done.step)),
                Some(error) => self.fail(error),
            }
        }
        Ok(())
    }

    fn accept(&mut self, pace: &dyn Pace) -> Result<()> {
        if let Some(accepting) = self.acceptor.take(&self.context, self.request, pace.now())? {
            (self.on_news)(News::Accepting { agents: &accepting.agents, pid: accepting.pid });
        }
        Ok(())
    }

    /// Sees to it that every sink has its deliverer, and tells what they have done since the last tick. A receiver that refuses is no
    /// failure of the loop: it is told as it is.
    fn deliver(&mut self, _: &dyn Pace) -> Result<()> {
        for report in self.deliverer.tick(&self.context)? {
            if let End::Failed(error) = &report.end {
                self.fail(error);
            } else {
                (self.on_news)(News::Delivered(&report));
            }
        }
        Ok(())
    }
}

/// Whether a sweep has found anything due.
fn is_news(report: &sweep::Report) -> bool {
    let figures = sweep::Stats { scanned: 0, malformed: 0, ..report.stats() };
    figures != sweep::Stats::default()
}

/// When the next of `records` has something due. What is due already was done in this tick, or waits for the next one.
fn next_moment(records: &[Record], backoff: Duration, now: EpochMs) -> Option<EpochMs> {
    let of_one = |record: &Record| {
        let by_use = last_use(record).and_then(|last| next_due(record, last, backoff)).map(|(_, at)| at);
        [record.ttl_expires_at, record.progress.next_at, by_use].into_iter().flatten().filter(|at| *at > now).min()
    };
    records.iter().filter_map(of_one).min()
}
