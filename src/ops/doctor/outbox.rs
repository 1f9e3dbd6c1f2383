//! Deliveries: whether sinks take what they are sent, and whether what the settings say of them can work.

use crate::base::clock::EpochMs;
use crate::base::nearest::nearest;
use crate::base::span;
use crate::config::{HeaderValue, Target};
use crate::service::EventType;

use super::super::context::Context;
use super::super::outbox::{self, Standing};
use super::finding::{Area, Finding, counted};

/// What is known of one sink.
pub(super) struct Facts {
    name: String,
    /// How it stands; an error in words.
    standing: Result<Standing, String>,
    /// Patterns of its `types` that no event has.
    odd_types: Vec<String>,
    /// Variables that it wants and this environment has not.
    missing: Vec<String>,
}

pub(super) fn observe(context: &Context) -> Vec<Facts> {
    let sinks = &context.settings.outbox.sinks;
    let facts = sinks.iter().map(|sink| {
        let standing = outbox::status(context, std::slice::from_ref(&sink.name));
        let is_known = |pattern: &&String| EventType::ALL.iter().any(|kind| of_pattern(pattern, kind.word()));
        Facts {
            name: sink.name.clone(),
            standing: standing.map_err(|error| error.chain()).map(|mut all| all.remove(0)),
            odd_types: sink.types.iter().filter(|pattern| !is_known(pattern)).cloned().collect(),
            missing: missing(&sink.target, context),
        }
    });
    facts.collect()
}

fn of_pattern(pattern: &str, word: &str) -> bool {
    pattern == word || pattern.strip_suffix('*').is_some_and(|family| family.ends_with('.') && word.starts_with(family))
}

fn missing(target: &Target, context: &Context) -> Vec<String> {
    let headers = match target {
        Target::Webhook(webhook) => webhook.headers.as_slice(),
        Target::Command { .. } | Target::File { .. } => &[],
    };
    let is_set = |variable: &str| context.env.iter().any(|(key, value)| key == variable && !value.is_empty());
    let variables = headers.iter().filter_map(|(_, value)| match value {
        HeaderValue::Env(variable) => Some(variable),
        HeaderValue::Text(_) => None,
    });
    variables.filter(|variable| !is_set(variable)).cloned().collect()
}

pub(super) fn judge(facts: &[Facts], now: EpochMs) -> Vec<Finding> {
    let mut findings: Vec<Finding> = facts.iter().flat_map(|facts| judge_one(facts, now)).collect();
    if findings.is_empty() {
        let sinks = counted(facts.len(), "sink takes", "sinks take");
        let message = if facts.is_empty() {
            "events are delivered nowhere: the settings name no sink".to_owned()
        } else {
            format!("{sinks} what they are sent")
        };
        findings.push(Area::Outbox.ok("outbox-flows", message));
    }
    findings
}

fn judge_one(facts: &Facts, now: EpochMs) -> Vec<Finding> {
    let name = &facts.name;
    let mut findings = Vec::new();
    for pattern in &facts.odd_types {
        let near = nearest(pattern, EventType::ALL.iter().map(|kind| kind.word()));
        let hint = near.map_or("docs/events.md has every type".to_owned(), |near| format!("nearest: {near}"));
        let message = format!("sink `{name}` takes `{}`, which is the type of no event", pattern.escape_debug());
        findings.push(Area::Outbox.warning("sink-type-unknown", message).with_hint(hint));
    }
    if !facts.missing.is_empty() {
        let message = format!("sink `{name}` wants {}, which this environment has not", facts.missing.join(", "));
        let hint = "nothing is sent without it; whoever delivers (`run`, cron) must have it";
        findings.push(Area::Outbox.note("sink-variable-missing", message).with_hint(hint));
    }
    match &facts.standing {
        Err(why) => findings.push(Area::Outbox.warning("outbox-unreadable", why.as_str())),
        Ok(standing) => judge_standing(standing, now, &mut findings),
    }
    findings
}

fn judge_standing(standing: &Standing, now: EpochMs, findings: &mut Vec<Finding>) {
    let name = &standing.name;
    if standing.failures > 0 {
        let why = standing.position.last_error.as_deref().unwrap_or("nobody knows why");
        let since = standing
            .oldest_at
            .map_or_else(String::new, |at| format!(", the oldest of {} ago", span::short(now.since(at))));
        let waiting = counted(standing.waiting, "event waits", "events wait");
        let times = counted(usize::try_from(standing.failures).unwrap_or(usize::MAX), "time", "times");
        let message = format!("{waiting} for sink `{name}`{since}; it refused the first {times}: {why}");
        findings
            .push(Area::Outbox.warning("sink-refuses", message).with_hint("minions managed outbox drain tries it now"));
    }
    if standing.dead_letters > 0 {
        let letters = counted(standing.dead_letters, "dead letter", "dead letters");
        let hint = "minions managed outbox dead-letters says why; outbox retry tries them once more";
        findings.push(Area::Outbox.warning("dead-letters", format!("sink `{name}` has {letters}")).with_hint(hint));
    }
    if standing.position.dropped > 0 {
        let dropped = standing.position.dropped;
        let message = format!("{dropped} events were dropped because too many waited for sink `{name}`");
        findings.push(Area::Outbox.note("events-dropped", message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::position::Position;

    #[test]
    fn what_keeps_events_from_their_sinks_is_said() {
        let standing = |failures, dead_letters, dropped| Standing {
            name: "hook".into(),
            kind: "webhook",
            target: String::new(),
            waiting: 3,
            oldest_at: Some(EpochMs(0)),
            failures,
            retrying: 0,
            dead_letters,
            is_busy: false,
            position: Position { dropped, ..Position::default() },
        };
        let facts = |standing, odd_types: &[&str], missing: &[&str]| Facts {
            name: "hook".into(),
            standing,
            odd_types: odd_types.iter().map(|&one| one.to_owned()).collect(),
            missing: missing.iter().map(|&one| one.to_owned()).collect(),
        };
        let check = |facts: Vec<Facts>, expected: &[&str]| {
            let codes: Vec<&str> = judge(&facts, EpochMs(60_000)).iter().map(|finding| finding.code).collect();
            assert_eq!(codes, expected);
        };
        check(vec![], &["outbox-flows"]);
        check(vec![facts(Ok(standing(0, 0, 0)), &[], &[])], &["outbox-flows"]);
        check(vec![facts(Ok(standing(2, 1, 1)), &[], &[])], &["sink-refuses", "dead-letters", "events-dropped"]);
        check(vec![facts(Err("no".into()), &[], &[])], &["outbox-unreadable"]);
        check(vec![facts(Ok(standing(0, 0, 0)), &["x"], &["Y"])], &["sink-type-unknown", "sink-variable-missing"]);
    }

    #[test]
    fn patterns_are_of_a_type_or_of_none() {
        for (pattern, expected) in
            [("service.healthy", true), ("service.*", true), ("service*", false), ("servic.*", false), ("fatal", true)]
        {
            assert_eq!(EventType::ALL.iter().any(|kind| of_pattern(pattern, kind.word())), expected, "{pattern}");
        }
    }
}
