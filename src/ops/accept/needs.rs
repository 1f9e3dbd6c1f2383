//! What the services to be started wait for and is not started with them: it was up before, or cannot be started at all.

use std::collections::HashMap;
use std::sync::Arc;

use crate::service::{Graph, Spec};

use super::super::start::Outside;
use super::claim::Item;

/// What one that is settled means for those that need it.
enum Need {
    /// It was healthy when last probed.
    Up,
    /// It cannot be started.
    Down,
    /// It runs as declared; whoever needs it waits until it is healthy.
    Doubtful(Arc<Outside>),
}

/// Marks those of `items`, one per spec, that wait for something which is settled: what cannot be started blocks them, and what
/// runs and is not known to be healthy is waited for, each once for all who need it.
pub(super) fn settle(specs: &[Spec], items: &mut [Item]) {
    let graph = Graph::new(specs.iter().map(|spec| (&*spec.name, &*spec.lifecycle.depends_on)));
    let of_one = |(place, item): (usize, &Item)| match item {
        Item::Settled(report) => Some((
            place,
            match (&report.failure, report.healthy) {
                (Some(_), _) => Need::Down,
                (None, Some(true)) => Need::Up,
                (None, Some(false) | None) => {
                    Need::Doubtful(Arc::new(Outside::new(&report.name, &report.declared_name)))
                }
            },
        )),
        Item::Start(..) | Item::Declare(..) => None,
    };
    let settled: HashMap<usize, Need> = items.iter().enumerate().filter_map(of_one).collect();
    for (place, item) in items.iter_mut().enumerate() {
        let Item::Start(start, _) = item else { continue };
        for need in graph.needs(place) {
            match settled.get(need) {
                None | Some(Need::Up) => {}
                Some(Need::Down) => start.blocked_by = Some(specs[*need].name.clone()),
                Some(Need::Doubtful(outside)) => start.awaits.push(Arc::clone(outside)),
            }
        }
    }
}
