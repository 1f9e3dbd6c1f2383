//! `events`: what happened, from the journal and from what the state file carries for it.

use std::collections::HashSet;
use std::ops::{ControlFlow, RangeInclusive};

use crate::base::error::{Error, Result};
use crate::base::root::Root;
use crate::journal::{Cursor, Filter, Line, Log, ReaderName};
use crate::state::{Carried, CarriedEvent, Store};

use super::context::Context;
use super::news::Sight;

/// Where reading begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the oldest of the last events that match, so many as the limit says.
    Last,
    /// After the event of this number.
    After(u64),
}

/// So many events are looked at first for the last that match: some five megabytes, a hundredth of a second.
const PART: u64 = 16_384;

/// Which events.
#[derive(Clone, Debug)]
pub struct Request {
    /// Where reading begins.
    pub start: Start,
    /// Most events that are returned.
    pub limit: usize,
    /// What they must be like.
    pub filter: Filter,
}

/// Events that were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Each as its compact JSON, oldest first.
    pub items: Vec<String>,
    /// The number after which to go on: everything up to it has been looked at.
    pub next: u64,
    /// Numbers of events that are nowhere.
    pub gaps: Vec<RangeInclusive<u64>>,
    /// Lines of the journal that make no sense.
    pub bad_lines: u64,
    /// Whether the limit ended it, so that there may be more at once.
    pub is_limited: bool,
}

/// Finds events. Takes no lock and changes nothing.
pub fn run(context: &Context, request: &Request) -> Result<Found> {
    let source = Source::observe(context);
    match request.start {
        Start::After(after) => source.after(after, request.limit, &request.filter),
        Start::Last if request.filter.is_empty() => {
            let back = u64::try_from(request.limit).unwrap_or(u64::MAX);
            let after = source.last_seq()?.saturating_sub(back);
            // More may have come meanwhile.
            let mut found = source.after(after, usize::MAX, &request.filter)?;
            found.items.drain(..found.items.len().saturating_sub(request.limit));
            Ok(found)
        }
        Start::Last => source.last_matching(request.limit, &request.filter),
    }
}

/// Where `reader` goes on.
pub fn reader_start(context: &Context, reader: &ReaderName) -> Result<Start> {
    place_of(&Source::observe(context), context, reader).map(Start::After)
}

/// The number of the last event that `reader` has read. A place beyond the last event is that in another journal, which somebody has
/// removed since: then all of this one is new.
fn place_of(source: &Source, context: &Context, reader: &ReaderName) -> Result<u64> {
    let Cursor { seq } = Cursor::read(&context.root, reader)?;
    let last = source.last_seq()?;
    if seq > last {
        log::warn!("reader `{reader}` was at event {seq}, and the last one is {last}: it begins anew");
        return Ok(0);
    }
    Ok(seq)
}

/// Marks that `reader` has read up to the event of number `seq`.
pub fn mark_read(root: &Root, reader: &ReaderName, seq: u64) -> Result<()> {
    Cursor { seq }.write(root, reader)
}

/// The services that have had an event that `reader` has not read.
pub fn unread(context: &Context, reader: &ReaderName) -> Result<HashSet<String>> {
    let source = Source::observe(context);
    let after = place_of(&source, context, reader)?;
    let mut services = HashSet::new();
    source.scan(after, &mut |line| {
        if !line.service.is_empty() && !services.contains(line.service) {
            services.insert(line.service.to_owned());
        }
        ControlFlow::Continue(())
    })?;
    Ok(services)
}

/// The events of one acceptance.
pub(super) fn of_run(context: &Context, run_id: &str) -> Result<Found> {
    let mut items = Vec::new();
    let found = Source::observe(context).scan(0, &mut |line| {
        if line.is_of_run(run_id) {
            items.push(line.json());
        }
        ControlFlow::Continue(())
    })?;
    Ok(Found { items, ..found })
}

/// The journal, and the state file's events beside it. What the journal lost in a crash stands there still.
pub(super) struct Source {
    log: Log,
    /// Read before the journal: whatever the state file has let go of by then, the journal has.
    carried: Carried,
}

impl Source {
    pub(super) fn observe(context: &Context) -> Self {
        Self::of(&context.store(), context.journal())
    }

    /// The same for one who says by other words that the state file cannot be read.
    pub(super) fn observe_quietly(context: &Context) -> Self {
        let carried = context.store().read().map(|document| document.carried).unwrap_or_default();
        Self { log: context.journal(), carried }
    }

    /// A state file that cannot be read does not keep anyone from the journal, and is said.
    fn of(store: &Store, log: Log) -> Self {
        let carried = store.read().map(|document| document.carried).unwrap_or_else(|error| {
            log::warn!("the newest events may be missing, for {error}");
            Carried::default()
        });
        Self { log, carried }
    }

    /// How many events the state file has and the journal lacks; none where that cannot be told.
    pub(super) fn lacking(&self) -> usize {
        let last = self.log.last_seq().unwrap_or(u64::MAX);
        self.carried.events.iter().filter(|event| event.seq > last).count()
    }

    fn last_seq(&self) -> Result<u64> {
        let journal = self.log.last_seq().map_err(unreadable)?;
        Ok(journal.max(self.carried.seq))
    }

    /// Hands every event after number `after` to `take`, oldest first and each once, until it breaks: those of the journal, and
    /// what it lacks at its end or in the middle as far as the state file has it. `items` of what is returned is empty.
    pub(super) fn scan(&self, after: u64, take: &mut dyn FnMut(&Line<'_>) -> ControlFlow<()>) -> Result<Found> {
        let mut next = after;
        let scanned = self.log.scan(after, &mut |line| {
            self.hand_carried(&mut next, line.seq, take)?;
            next = line.seq;
            take(line)
        });
        let scanned = scanned.map_err(unreadable)?;
        let end =
            if scanned.is_stopped { ControlFlow::Break(()) } else { self.hand_carried(&mut next, u64::MAX, take) };
        let mut gaps: Vec<RangeInclusive<u64>> = scanned.gaps.iter().flat_map(|gap| self.uncarried(gap)).collect();
        // Behind the journal's end; where it was not read to its end, nothing is known of that.
        if let Some(first) = self.carried.events.first()
            && !scanned.is_stopped
            && scanned.last > 0
            && scanned.last < first.seq.saturating_sub(1)
        {
            gaps.push(scanned.last + 1..=first.seq - 1);
        }
        Ok(Found { items: Vec::new(), next, gaps, bad_lines: scanned.bad_lines, is_limited: end.is_break() })
    }

    /// Hands the state file's events after number `next` and before `end` to `take`, and moves `next` on.
    fn hand_carried(
        &self,
        next: &mut u64,
        end: u64,
        take: &mut dyn FnMut(&Line<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if next.saturating_add(1) == end {
            return ControlFlow::Continue(());
        }
        for CarriedEvent { seq, json } in self.carried.events.iter().filter(|event| event.seq < end) {
            if *seq > *next {
                *next = *seq;
                Line::of_json(json).map_or(ControlFlow::Continue(()), |line| take(&line))?;
            }
        }
        ControlFlow::Continue(())
    }

    /// The parts of `gap` that the state file does not fill.
    fn uncarried(&self, gap: &RangeInclusive<u64>) -> Vec<RangeInclusive<u64>> {
        let (Some(first), Some(last)) = (self.carried.events.first(), self.carried.events.last()) else {
            return vec![gap.clone()];
        };
        let before = *gap.start()..=(*gap.end()).min(first.seq.saturating_sub(1));
        let behind = (*gap.start()).max(last.seq.saturating_add(1))..=*gap.end();
        [before, behind].into_iter().filter(|part| !part.is_empty()).collect()
    }

    fn after(&self, after: u64, limit: usize, filter: &Filter) -> Result<Found> {
        if limit == 0 {
            return Ok(Found { next: after, is_limited: true, ..Found::default() });
        }
        let mut items = Vec::new();
        let found = self.scan(after, &mut |line| {
            if filter.is_match(line) {
                items.push(line.json());
            }
            if items.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok(Found { items, ..found })
    }

    /// The last events that match: parts of the journal from its end backwards, each four times as long as the one before, until
    /// there are enough. So what happens often is found without reading the rest.
    fn last_matching(&self, limit: usize, filter: &Filter) -> Result<Found> {
        let (last, oldest) = (self.last_seq()?, self.log.oldest().map_err(unreadable)?);
        let (mut whole, mut until, mut length) = (Found { next: last, ..Found::default() }, u64::MAX, PART);
        loop {
            // What has been removed for its age is nothing that is missing.
            let after = Some(until.min(last).saturating_sub(length)).filter(|after| *after >= oldest).unwrap_or(0);
            let part = self.part(after, until, filter)?;
            whole = Found {
                next: whole.next.max(part.next.min(until)),
                items: [part.items, whole.items].concat(),
                gaps: joined(&part.gaps, until, whole.gaps),
                bad_lines: part.bad_lines + whole.bad_lines,
                is_limited: false,
            };
            if whole.items.len() >= limit || after == 0 {
                whole.items.drain(..whole.items.len().saturating_sub(limit));
                return Ok(whole);
            }
            (until, length) = (after, length.saturating_mul(4));
        }
    }

    /// The events after number `after` and up to `until` that match.
    fn part(&self, after: u64, until: u64, filter: &Filter) -> Result<Found> {
        let mut items = Vec::new();
        let found = self.scan(after, &mut |line| {
            if line.seq > until {
                return ControlFlow::Break(());
            }
            if filter.is_match(line) {
                items.push(line.json());
            }
            if line.seq == until { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok(Found { items, ..found })
    }
}

/// The gaps of two parts of the journal that meet behind number `until`: what is missing on both sides of it is one gap.
fn joined(before: &[RangeInclusive<u64>], until: u64, behind: Vec<RangeInclusive<u64>>) -> Vec<RangeInclusive<u64>> {
    let mut gaps: Vec<RangeInclusive<u64>> =
        before.iter().map(|gap| *gap.start()..=(*gap.end()).min(until)).filter(|gap| !gap.is_empty()).collect();
    for gap in behind {
        match gaps.last_mut() {
            Some(last) if last.end().checked_add(1) == Some(*gap.start()) => *last = *last.start()..=*gap.end(),
            Some(_) | None => gaps.push(gap),
        }
    }
    gaps
}

fn unreadable(error: std::io::Error) -> Error {
    Error::io("cannot read the journal", error)
}

/// Reads on and on from some number, each event once.
#[derive(Debug)]
pub struct Follower<'a> {
    context: &'a Context,
    filter: Filter,
    next: u64,
    /// How the files looked when there was nothing new.
    seen: Option<[Sight; 2]>,
}

/// Most events that are returned at once to who follows.
const BATCH_MAX: usize = 1000;

impl<'a> Follower<'a> {
    /// Goes on after number `next`.
    pub fn new(context: &'a Context, filter: Filter, next: u64) -> Self {
        Self { context, filter, next, seen: None }
    }

    /// The events that have come since, possibly none. Nothing is read while neither the journal nor the state has changed.
    pub fn news(&mut self) -> Result<Found> {
        let looks = [self.context.root.events(), self.context.root.state()].map(|path| Sight::of(&path));
        if self.seen == Some(looks) {
            return Ok(Found { next: self.next, ..Found::default() });
        }
        let found = Source::observe(self.context).after(self.next, BATCH_MAX, &self.filter)?;
        self.next = found.next;
        self.seen = Some(looks).filter(|_| !found.is_limited);
        Ok(found)
    }
}
