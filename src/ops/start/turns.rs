//! Whose turn it is among the starts of one command: each comes after those that it waits for, and not at all if one of
//! them is not up. Impure: blocks threads.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::lifecycle::order;
use crate::service::{Graph, Record};

use super::{Outside, Starter};

/// The starts of one command, by their places.
pub(super) struct Turns<'a> {
    records: &'a [Record],
    graph: Graph,
    /// Of each, once it is decided: whether it is up.
    is_up: Mutex<Vec<Option<bool>>>,
    news: Condvar,
}

impl<'a> Turns<'a> {
    /// The starts of `records`.
    pub(super) fn new(records: &'a [Record]) -> Self {
        let is_up = Mutex::new(vec![None; records.len()]);
        Self { records, graph: order::graph(records), is_up, news: Condvar::new() }
    }

    /// The places in the order in which they are to be taken up: whoever is taken up waits only for earlier ones, so that
    /// also a single thread comes to its end.
    pub(super) fn order(&self) -> Vec<usize> {
        self.graph.levels().concat()
    }

    /// Whether another start waits for that at `place`.
    pub(super) fn is_awaited(&self, place: usize) -> bool {
        !self.graph.needed_by(place).is_empty()
    }

    /// Waits until all that the start at `place` waits for is up. The error is the declared name of the first that is not.
    pub(super) fn wait(&self, place: usize) -> Result<(), String> {
        for need in self.graph.needs(place).iter().filter(|need| self.comes_before(**need, place)) {
            let mut is_up = self.lock();
            loop {
                match is_up[*need] {
                    Some(true) => break,
                    Some(false) => return Err(self.records[*need].spec.name.clone()),
                    None => is_up = self.news.wait(is_up).unwrap_or_else(PoisonError::into_inner),
                }
            }
        }
        Ok(())
    }

    /// Takes up the start at `place`: what comes of it is told when the turn is over, and if that is never said, it is not up.
    pub(super) fn take(&self, place: usize) -> Turn<'_> {
        Turn { turns: self, place, is_up: false }
    }

    /// In a circle, as a state file edited by hand may have it, nobody waits for whom comes later.
    fn comes_before(&self, need: usize, place: usize) -> bool {
        let order = self.order();
        let at = |place: usize| order.iter().position(|other| *other == place);
        at(need) < at(place)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Option<bool>>> {
        self.is_up.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until each of `awaits`, none of which this command starts, is up. The error is the declared name of the first that is not.
pub(super) fn wait_outside(starter: &Starter<'_>, awaits: &[Arc<Outside>]) -> Result<(), String> {
    let lost = awaits.iter().find(|outside| !outside.is_up(starter.context, starter.verb));
    lost.map_or(Ok(()), |outside| Err(outside.declared.clone()))
}

/// One start under way. However its thread ends, whoever waits for it hears of it.
pub(super) struct Turn<'a> {
    turns: &'a Turns<'a>,
    place: usize,
    is_up: bool,
}

impl Turn<'_> {
    /// It is decided whether it is up.
    pub(super) fn ends(mut self, is_up: bool) {
        self.is_up = is_up;
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.turns.lock()[self.place] = Some(self.is_up);
        self.turns.news.notify_all();
    }
}
