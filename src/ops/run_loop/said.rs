//! What the loop has said already: a fault that lasts is not said anew at every tick, nor forgotten.

use std::collections::HashMap;

/// The faults of the last tick and of the one under way, each with how often it came in a row.
#[derive(Debug, Default)]
pub(super) struct Said {
    before: HashMap<String, u32>,
    now: HashMap<String, u32>,
}

impl Said {
    /// Takes note of a fault of this tick; how often it has come in a row, if it is to be said: the first time, and again each
    /// time that it has come twice as often.
    pub(super) fn note(&mut self, words: String) -> Option<u32> {
        let times = self.before.get(&words).map_or(1, |before| before.saturating_add(1));
        let is_news = times.is_power_of_two() && !self.now.contains_key(&words);
        self.now.insert(words, times);
        is_news.then_some(times)
    }

    /// The tick is over: what did not come in it is forgotten.
    pub(super) fn turn(&mut self) {
        self.before = std::mem::take(&mut self.now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lasting_fault_is_said_at_first_and_each_time_it_has_come_twice_as_often() {
        let mut said = Said::default();
        let mut at = Vec::new();
        for tick in 1..=100 {
            at.extend(said.note("full".into()).map(|times| (tick, times)));
            assert_eq!(said.note("full".into()), None, "once per tick");
            said.turn();
        }
        assert_eq!(at, [(1, 1), (2, 2), (4, 4), (8, 8), (16, 16), (32, 32), (64, 64)]);
        said.turn();
        assert_eq!(said.note("full".into()), Some(1), "it had gone");
        assert_eq!(said.note("other".into()), Some(1));
    }
}
