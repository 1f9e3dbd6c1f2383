//! The queue, for programs and for people.

use serde_json::{Value, json};

use crate::base::clock::EpochMs;
use crate::base::redact;
use crate::base::span;
use crate::ops::queue::{Item, Queue};
use crate::runs::Run;

use super::escape;
use super::runs::status;
use super::table::{Cell, Column, Style, draw};
use super::wire::line;

/// What stands where there is nothing to say.
const NONE: &str = "-";

/// `{"items": [{"agent", "project", "priority", "waiting_since", "status", "run_id", "why"}], "by_state": {…}, "by_lane": {…}}`.
pub fn list_json(queue: &Queue) -> String {
    let items: Vec<Value> = queue.items.iter().map(item_json).collect();
    line(&json!({ "items": items, "by_state": queue.by_state, "by_lane": queue.by_lane }))
}

fn item_json(item: &Item) -> Value {
    json!({
        "agent": item.pending.agent.as_str(),
        "project": item.project,
        "priority": item.pending.priority,
        "waiting_since": item.pending.since.0,
        "status": item.status.word(),
        "run_id": item.run_id,
        "why": item.why.as_deref().map(redact::urls),
    })
}

/// A line per sidecar, who is taken first on top.
pub fn table(queue: &Queue, now: EpochMs, style: Style) -> String {
    let columns = [
        Column::new("AGENT").cut_to(10),
        Column::new("STATUS").whole(),
        Column::new("PROJECT").cut_to(8).left_out(2),
        Column::new("PRIORITY").whole().left_out(3),
        Column::new("WAITS").whole().left_out(4),
        Column::new("WHY").left_out(1),
    ];
    let rows: Vec<[Cell; 6]> = queue.items.iter().map(|item| row(item, now)).collect();
    draw(columns, &rows, style)
}

fn row(item: &Item, now: EpochMs) -> [Cell; 6] {
    let text = |text: &str| Cell::plain(if text.is_empty() { NONE.into() } else { escape::line(text) });
    [
        Cell::plain(item.pending.agent.as_str()),
        status(item.status),
        text(&item.project),
        Cell::plain(item.pending.priority.to_string()),
        Cell::plain(span::short(now.since(item.pending.since))),
        text(&redact::urls(item.why.as_deref().unwrap_or_default())),
    ]
}

/// The run that was called off, as an object.
pub fn cancelled_json(run: &Run) -> String {
    line(&json!({ "agent": run.agent, "run_id": run.id, "status": run.status.word(), "reason": run.failure_message }))
}

/// The same for people.
pub fn cancelled_text(run: &Run) -> String {
    let reason = escape::line(run.failure_message.as_deref().unwrap_or_default()).into_owned();
    format!("{}: cancelled: {reason}\n", run.agent)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::base::ids::AgentName;
    use crate::ops::desk::Pending;
    use crate::runs::RunStatus;

    #[test]
    fn the_queue_is_a_row_for_each_and_its_counts() {
        let pending =
            |agent: &str, priority| Pending { agent: AgentName::parse(agent).unwrap(), priority, since: EpochMs(0) };
        let item = |agent: &str, priority, status| Item {
            pending: pending(agent, priority),
            status,
            project: String::new(),
            run_id: None,
            why: None,
        };
        let blocked = Item {
            why: Some("port\u{1b}[1m 80".into()),
            project: "shop".into(),
            ..item("kane", 0, RunStatus::Blocked)
        };
        let queue = Queue {
            items: vec![item("ripley", 5, RunStatus::Pending), blocked],
            by_state: BTreeMap::from([("blocked", 1), ("pending", 1)]),
            by_lane: BTreeMap::from([(String::new(), 1), ("shop".to_owned(), 1)]),
        };
        let expected = "AGENT   STATUS   PROJECT  PRIORITY  WAITS  WHY\n\
                        ripley  pending  -        5         1m     -\n\
                        kane    blocked  shop     0         1m     port\\u{1b}[1m 80\n";
        assert_eq!(table(&queue, EpochMs(60_000), Style::default()), expected);
        let text = list_json(&queue);
        assert!(
            text.ends_with("\"by_state\":{\"blocked\":1,\"pending\":1},\"by_lane\":{\"\":1,\"shop\":1}}\n"),
            "{text}"
        );
    }
}
