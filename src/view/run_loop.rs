//! What the loop does, a line each, and how it ended.

use serde_json::json;

use crate::base::ids::AgentName;
use crate::base::redact;
use crate::base::span;
use crate::ops::run_loop::{Ended, News};

use super::escape;
use super::outbox::report_line;
use super::sweep::done_lines;
use super::wire::line;

/// Lines for people; `None` for what is an error, which is said elsewhere.
pub fn words(news: &News<'_>) -> Option<String> {
    Some(match news {
        News::Began { pid, interval, taken_over } => {
            let over = taken_over.map(|whose| format!("; the lease was that of {whose}")).unwrap_or_default();
            format!("the loop runs: pid {pid}, a tick every {}{over}\n", span::precise(*interval))
        }
        News::Resettled => "the settings have changed\n".to_owned(),
        News::Swept(report) => done_lines(report),
        News::Done(step) => format!("{}: {}: {}\n", step.name, step.action.word(), escape::line(&step.why)),
        News::Flipped(probed) => match &probed.error {
            None => format!("{}: healthy\n", probed.name),
            Some(why) => format!("{}: unhealthy: {}\n", probed.name, redact::urls(&escape::line(why))),
        },
        News::Accepting { agents, pid } => {
            let names: Vec<&str> = agents.iter().map(AgentName::as_str).collect();
            format!("pending sidecars are being decided by pid {pid}: {}\n", names.join(", "))
        }
        News::Delivered(report) => format!("sink {}\n", report_line(report)),
        News::Failed { .. } => return None,
    })
}

/// `{"pid", "ticks", "failures"}`.
pub fn ended_json(ended: Ended) -> String {
    let Ended { ticks, failures } = ended;
    line(&json!({ "pid": crate::base::ids::own_pid(), "ticks": ticks, "failures": failures }))
}

/// One line.
pub fn ended_text(ended: Ended) -> String {
    let ticks = if ended.ticks == 1 { "tick" } else { "ticks" };
    format!("the loop has ended after {} {ticks}; services live on\n", ended.ticks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_loop_says_who_it_is_and_how_it_ended() {
        let began = |interval_ms, taken_over| {
            words(&News::Began { pid: 7, interval: Duration::from_millis(interval_ms), taken_over })
        };
        assert_eq!(began(5000, None).as_deref(), Some("the loop runs: pid 7, a tick every 5s\n"));
        assert_eq!(
            began(100, Some("pid 6, which is dead")).as_deref(),
            Some("the loop runs: pid 7, a tick every 0.1s; the lease was that of pid 6, which is dead\n")
        );
        let agents = ["ripley", "dallas"].map(|name| AgentName::parse(name).unwrap());
        let accepting = words(&News::Accepting { agents: &agents, pid: 8 });
        assert_eq!(accepting.as_deref(), Some("pending sidecars are being decided by pid 8: ripley, dallas\n"));
        let ended = Ended { ticks: 1, failures: 0 };
        assert_eq!(ended_text(ended), "the loop has ended after 1 tick; services live on\n");
    }
}
