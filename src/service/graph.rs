//! Who waits for whom: the order in which services are started, and, backwards, stopped. Pure, and total: also a graph
//! with a circle, as a state file edited by hand may have it, has an order.

use std::collections::HashMap;

/// Services, each by its place in the list that the graph was made of, and what each waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Graph {
    /// For each, the places of those that must be healthy first: each once, ascending.
    needs: Vec<Vec<usize>>,
}

impl Graph {
    /// The graph of services, each with its name and the names that it waits for. A name that none has is left out: what
    /// is not there cannot be waited for. Of two services of one name the first is meant.
    pub fn new<'a>(services: impl Iterator<Item = (&'a str, &'a [String])> + Clone) -> Self {
        let mut places: HashMap<&str, usize> = HashMap::new();
        for (place, (name, _)) in services.clone().enumerate() {
            places.entry(name).or_insert(place);
        }
        let needs =
            services.map(|(_, names)| names.iter().filter_map(|name| places.get(name.as_str()).copied()).collect());
        Self::of(needs.collect())
    }

    /// The graph in which each service waits for those places.
    pub fn of(mut needs: Vec<Vec<usize>>) -> Self {
        let count = needs.len();
        for list in &mut needs {
            list.retain(|need| *need < count);
            list.sort_unstable();
            list.dedup();
        }
        Self { needs }
    }

    /// What the service at `place` waits for itself.
    pub fn needs(&self, place: usize) -> &[usize] {
        self.needs.get(place).map_or(&[], Vec::as_slice)
    }

    /// Who waits for the service at `place` itself, ascending.
    pub fn needed_by(&self, place: usize) -> Vec<usize> {
        (0..self.needs.len()).filter(|other| self.needs[*other].contains(&place)).collect()
    }

    /// All that must be up before the services at `places`, those themselves included, in the order of starting.
    pub fn closure(&self, places: &[usize]) -> Vec<usize> {
        let mut is_in = vec![false; self.needs.len()];
        let mut left = places.to_vec();
        while let Some(place) = left.pop() {
            if let Some(seen) = is_in.get_mut(place).filter(|seen| !**seen) {
                *seen = true;
                left.extend(self.needs(place));
            }
        }
        self.levels().into_iter().flatten().filter(|place| is_in[*place]).collect()
    }

    /// The order of starting: services of one level do not wait for each other, only for those of earlier levels; each
    /// level ascending. Backwards it is the order of stopping. What is in a circle, or waits for one, comes last, in one
    /// level: no order of it is right, but all of it must be somewhere.
    pub fn levels(&self) -> Vec<Vec<usize>> {
        let mut levels: Vec<Vec<usize>> = Vec::new();
        let mut is_placed = vec![false; self.needs.len()];
        loop {
            let is_ready = |place: &usize| !is_placed[*place] && self.needs[*place].iter().all(|need| is_placed[*need]);
            let level: Vec<usize> = (0..self.needs.len()).filter(is_ready).collect();
            if level.is_empty() {
                break;
            }
            level.iter().for_each(|place| is_placed[*place] = true);
            levels.push(level);
        }
        let rest: Vec<usize> = (0..self.needs.len()).filter(|place| !is_placed[*place]).collect();
        levels.extend(Some(rest).filter(|rest| !rest.is_empty()));
        levels
    }

    /// The circles: each the way from a service back to it, as short as there is one, without the service again at the
    /// end; a service that waits for itself is one alone. Who is in a circle stands in one of them at least.
    pub fn cycles(&self) -> Vec<Vec<usize>> {
        let mut is_told = vec![false; self.needs.len()];
        let mut cycles = Vec::new();
        for place in 0..self.needs.len() {
            if is_told[place] {
                continue;
            }
            if let Some(cycle) = self.way_back(place) {
                cycle.iter().for_each(|place| is_told[*place] = true);
                cycles.push(cycle);
            }
        }
        cycles
    }

    /// The shortest way from `start` back to it; of two the one of lower places.
    fn way_back(&self, start: usize) -> Option<Vec<usize>> {
        let mut from: Vec<Option<usize>> = vec![None; self.needs.len()];
        let mut queue = std::collections::VecDeque::from([start]);
        while let Some(place) = queue.pop_front() {
            for need in &self.needs[place] {
                if *need == start {
                    let way = std::iter::successors(Some(place), |place| from[*place].filter(|_| *place != start));
                    let mut way: Vec<usize> = way.collect();
                    way.reverse();
                    return Some(way);
                }
                if from[*need].is_none() {
                    from[*need] = Some(place);
                    queue.push_back(*need);
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every graph of up to four services: each may wait for any, itself included.
    fn all() -> impl Iterator<Item = Graph> {
        (0..=4_usize).flat_map(|count| {
            (0..1_u32 << (count * count)).map(move |bits| {
                let is_set = |at: usize, need: usize| bits >> (at * count + need) & 1 == 1;
                Graph::of((0..count).map(|at| (0..count).filter(|need| is_set(at, *need)).collect()).collect())
            })
        })
    }

    /// Whether the service at `from` waits for that at `to` by one step or more: Warshall's closure, as the oracle.
    fn reach(graph: &Graph) -> Vec<Vec<bool>> {
        let count = graph.needs.len();
        let mut reach: Vec<Vec<bool>> =
            (0..count).map(|at| (0..count).map(|to| graph.needs(at).contains(&to)).collect()).collect();
        for via in 0..count {
            for from in 0..count {
                for to in 0..count {
                    reach[from][to] |= reach[from][via] && reach[via][to];
                }
            }
        }
        reach
    }

    #[test]
    fn every_service_stands_in_one_level_after_all_that_it_waits_for() {
        for graph in all() {
            let (levels, reach) = (graph.levels(), reach(&graph));
            let level_of = |place| levels.iter().position(|level| level.contains(&place)).unwrap();
            let mut placed: Vec<usize> = levels.concat();
            placed.sort_unstable();
            assert_eq!(placed, (0..graph.needs.len()).collect::<Vec<_>>(), "{graph:?}");
            for place in 0..graph.needs.len() {
                // What waits for a circle has no order; all else has, and stands no later than it must.
                let is_stuck = (0..graph.needs.len()).any(|to| reach[to][to] && (to == place || reach[place][to]));
                let earliest = graph.needs(place).iter().map(|need| level_of(*need) + 1).max().unwrap_or(0);
                match is_stuck {
                    true => assert_eq!(level_of(place), levels.len() - 1, "{graph:?}"),
                    false => assert_eq!(level_of(place), earliest, "{graph:?}"),
                }
            }
        }
    }

    #[test]
    fn circles_are_found_if_there_are_any_and_are_ways() {
        for graph in all() {
            let (cycles, reach) = (graph.cycles(), reach(&graph));
            let circular: Vec<usize> = (0..graph.needs.len()).filter(|place| reach[*place][*place]).collect();
            assert_eq!(cycles.is_empty(), circular.is_empty(), "{graph:?}");
            for cycle in &cycles {
                for (at, place) in cycle.iter().enumerate() {
                    let next = cycle[(at + 1) % cycle.len()];
                    assert!(graph.needs(*place).contains(&next), "{graph:?}: {cycle:?}");
                }
            }
            for place in circular {
                assert!(cycles.iter().any(|cycle| cycle.contains(&place)), "{graph:?}");
            }
        }
    }

    #[test]
    fn closure_is_all_that_is_reached_in_the_order_of_levels() {
        for graph in all() {
            for (place, reached) in reach(&graph).iter().enumerate() {
                let expected = |other: &usize| *other == place || reached[*other];
                let order = graph.levels().concat();
                let expected: Vec<usize> = order.into_iter().filter(expected).collect();
                assert_eq!(graph.closure(&[place]), expected, "{graph:?}");
                let needed_by: Vec<usize> =
                    (0..graph.needs.len()).filter(|other| graph.needs(*other).contains(&place)).collect();
                assert_eq!(graph.needed_by(place), needed_by);
            }
        }
    }

    #[test]
    fn names_become_places() {
        let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let (web, api, db) = (names(&["api", "elsewhere"]), names(&["db", "db"]), names(&[]));
        let graph = Graph::new([("web", &*web), ("api", &*api), ("db", &*db), ("db", &*web)].into_iter());
        assert_eq!(graph, Graph::of(vec![vec![1], vec![2], vec![], vec![1]]));
        assert_eq!(graph.levels(), [vec![2], vec![1], vec![0, 3]]);
        assert_eq!(graph.closure(&[1]), [2, 1]);
        assert_eq!(Graph::of(vec![vec![9]]).cycles(), Vec::<Vec<usize>>::new());
    }

    #[test]
    fn circle_is_as_short_as_there_is_one() {
        let check = |needs: &[&[usize]], expected: &[&[usize]]| {
            assert_eq!(Graph::of(needs.iter().map(|list| list.to_vec()).collect()).cycles(), expected);
        };
        check(&[&[1], &[0]], &[&[0, 1]]);
        check(&[&[0]], &[&[0]]);
        check(&[&[1, 2], &[2], &[0]], &[&[0, 2], &[1, 2, 0]]);
        check(&[&[1], &[2], &[1]], &[&[1, 2]]);
        check(&[&[1], &[0], &[3], &[2]], &[&[0, 1], &[2, 3]]);
    }
}
