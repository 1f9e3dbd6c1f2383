//! Which events are asked for.

use super::Line;

/// Which events; every field that is set must match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    service: Option<String>,
    /// As JSON writes it between its quotes: lines are compared as they stand.
    project_escaped: Option<String>,
    kind: Option<String>,
}

impl Filter {
    /// Events of the service of that name, of that project, and of that type: a whole word, or the part before a dot.
    pub fn new(service: Option<String>, project: Option<&str>, kind: Option<String>) -> Self {
        let escaped = |text: &str| {
            let json = serde_json::Value::from(text).to_string();
            json[1..json.len() - 1].to_owned()
        };
        Self { service, project_escaped: project.map(escaped), kind }
    }

    /// Whether every event matches.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the event of `line` matches.
    pub fn is_match(&self, line: &Line<'_>) -> bool {
        let is = |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|wanted| wanted == value);
        let is_kind =
            |wanted: &str| line.kind.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        is(&self.service, line.service)
            && is(&self.project_escaped, line.project_escaped)
            && self.kind.as_deref().is_none_or(is_kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::EpochMs;
    use crate::service::{Draft, EventType, event_to_text};

    #[test]
    fn every_field_narrows_and_a_type_may_be_named_by_its_first_part() {
        let draft = Draft {
            service: "web".into(),
            project: "a\"b".into(),
            ..Draft::new(EventType::ServiceRunning, EpochMs(1))
        };
        let json = event_to_text(&draft.numbered(1, "evt-1".into()));
        let line = Line::of_json(&json).unwrap();
        let check = |service: Option<&str>, project: Option<&str>, kind: Option<&str>, expected: bool| {
            let filter = Filter::new(service.map(str::to_owned), project, kind.map(str::to_owned));
            assert_eq!(filter.is_match(&line), expected, "{filter:?}");
            assert_eq!(filter.is_empty(), (service, project, kind) == (None, None, None));
        };
        check(None, None, None, true);
        check(Some("web"), Some("a\"b"), Some("service.running"), true);
        check(Some("we"), None, None, false);
        check(None, Some("a"), None, false);
        check(None, None, Some("service"), true);
        check(None, None, Some("serv"), false);
        check(None, None, Some("fatal"), false);
    }
}
