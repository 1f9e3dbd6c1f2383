//! What the services to be started wait for and is not started with them: it was up before, or cannot be started at all.

use crate::base::error::Result;
use crate::service::{Graph, Record, Spec};

use super::super::probe;
use super::Acceptance;
use super::claim::Item;

/// Marks those of `items`, one per spec, that wait for something which is settled and not up. What runs as declared counts
/// if it was healthy when last probed, else it is probed now, side by side.
pub(super) fn block(acceptance: &Acceptance<'_>, specs: &[Spec], items: &mut [Item]) -> Result<()> {
    let graph = Graph::new(specs.iter().map(|spec| (&*spec.name, &*spec.lifecycle.depends_on)));
    let is_settled = |place: &usize| matches!(items[*place], Item::Settled(_));
    let is_awaited = |place: &usize| graph.needed_by(*place).iter().any(|by| matches!(items[*by], Item::Start(..)));
    let settled: Vec<usize> = (0..items.len()).filter(|place| is_settled(place) && is_awaited(place)).collect();
    let is_down = observe_down(acceptance, items, &settled)?;
    for (place, item) in items.iter_mut().enumerate() {
        let needed = graph.needs(place).iter().find(|need| is_down.contains(need));
        if let (Item::Start(start, _), Some(needed)) = (item, needed) {
            start.blocked_by = Some(specs[*needed].name.clone());
        }
    }
    Ok(())
}

/// Those of `settled` that are not up and healthy.
fn observe_down(acceptance: &Acceptance<'_>, items: &[Item], settled: &[usize]) -> Result<Vec<usize>> {
    let (mut down, mut doubtful) = (Vec::new(), Vec::new());
    for place in settled {
        if let Item::Settled(report) = &items[*place] {
            match (&report.failure, report.healthy) {
                (None, Some(true)) => {}
                (Some(_), _) => down.push(*place),
                (None, Some(false) | None) => doubtful.push((*place, report.name.as_str())),
            }
        }
    }
    if doubtful.is_empty() {
        return Ok(down);
    }
    let document = acceptance.context.store().read()?;
    let records: Vec<Record> = doubtful.iter().filter_map(|(_, name)| document.find(name).cloned()).collect();
    let found = probe::probe(acceptance.context, &records, None);
    probe::record(acceptance.context, "accept", &found)?;
    let is_healthy = |name: &str| found.iter().any(|one| one.name == name && one.healthy == Some(true));
    down.extend(doubtful.iter().filter(|(_, name)| !is_healthy(name)).map(|(place, _)| *place));
    Ok(down)
}
