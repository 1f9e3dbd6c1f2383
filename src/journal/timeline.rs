//! How each service stood over a stretch of time, from its events. Pure.

use std::collections::BTreeMap;

use crate::base::clock::EpochMs;
use crate::service::EventType;

use super::Line;

/// How a service stands, as far as people look at it. In the order of concern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// It is up, and its last probe passed.
    Healthy,
    /// Its process is there or about to be, and no probe has passed.
    Up,
    /// It is dead, or waits for its turn, and will be started.
    Backoff,
    /// There is no process, or no such service.
    Down,
}

impl Standing {
    /// Every standing.
    pub const ALL: [Self; 4] = [Self::Healthy, Self::Up, Self::Backoff, Self::Down];

    /// The word in output.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Up => "up",
            Self::Backoff => "backoff",
            Self::Down => "down",
        }
    }

    /// How a service stands after an event of this type; `None`: as before.
    const fn after(kind: EventType) -> Option<Self> {
        match kind {
            EventType::ServiceHealthy => Some(Self::Healthy),
            EventType::ServiceStarting
            | EventType::ServiceRunning
            | EventType::ServiceUnhealthy
            | EventType::ServiceRestarted
            | EventType::ServiceReplaced
            | EventType::ServiceAdopted
            | EventType::ServiceStopping => Some(Self::Up),
            EventType::ServiceQueued | EventType::ServiceBackoff => Some(Self::Backoff),
            EventType::ServiceExited
            | EventType::ServiceStopped
            | EventType::ServiceExpired
            | EventType::ServiceFailed
            | EventType::ServiceDropped => Some(Self::Down),
            EventType::ServiceRenewed
            | EventType::SidecarAccepted
            | EventType::SidecarRejected
            | EventType::SidecarCancelled
            | EventType::StateSetAside
            | EventType::JournalRepaired
            | EventType::JournalLost
            | EventType::DeliveryDropped
            | EventType::DeliveryDead
            | EventType::Fatal => None,
        }
    }
}

/// A stretch in which a service stood the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// From then.
    pub from: EpochMs,
    /// Until then, which is after `from`.
    pub to: EpochMs,
    /// How it stood.
    pub standing: Standing,
}

/// One service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its name.
    pub service: String,
    /// The project of its last event, as JSON writes it between its quotes.
    pub project_escaped: String,
    /// From the beginning of the window to its end, without a gap.
    pub spans: Vec<Span>,
    last: Standing,
    since: EpochMs,
    was_up: bool,
}

/// The services of a stretch of time, event by event.
#[derive(Debug)]
pub struct Timeline {
    from: EpochMs,
    to: EpochMs,
    rows: BTreeMap<String, Row>,
}

impl Timeline {
    /// From `from` to `to`, which must not be before it.
    pub fn new(from: EpochMs, to: EpochMs) -> Self {
        Self { from, to, rows: BTreeMap::new() }
    }

    /// Takes the next event, in the order of the journal. Its time counts from that of the one before it at the earliest; but an end that
    /// nobody saw when it came is drawn where it came.
    pub fn take(&mut self, line: &Line<'_>) {
        let Some(kind) = EventType::parse(line.kind) else { return };
        let Some(standing) = Standing::after(kind) else { return };
        if line.service.is_empty() {
            return;
        }
        let at = EpochMs(line.at).clamp(self.from, self.to);
        let row = self.rows.entry(line.service.to_owned()).or_insert_with(|| Row {
            service: line.service.to_owned(),
            project_escaped: String::new(),
            spans: Vec::new(),
            last: Standing::Down,
            since: self.from,
            was_up: false,
        });
        line.project_escaped.clone_into(&mut row.project_escaped);
        if kind == EventType::ServiceExited {
            row.go_back(at);
        }
        row.turn(at, standing);
        row.was_up |= EpochMs(line.at) >= self.from || standing != Standing::Down;
    }

    /// The services that stood other than down in the window, or had an event in it, by name.
    pub fn rows(self) -> Vec<Row> {
        let (from, to) = (self.from, self.to);
        let rows = self.rows.into_values().map(|mut row| {
            row.turn(to, row.last);
            row.close(to);
            row
        });
        rows.filter(|row| row.was_up && row.spans.iter().any(|span| span.standing != Standing::Down) && from < to)
            .collect()
    }
}

impl Row {
    fn turn(&mut self, at: EpochMs, standing: Standing) {
        if standing != self.last {
            self.close(at);
            self.last = standing;
        }
    }

    /// Takes back what was thought of the time after `at`.
    fn go_back(&mut self, at: EpochMs) {
        if at >= self.since {
            return;
        }
        while let Some(span) = self.spans.pop_if(|span| span.to > at) {
            self.last = span.standing;
            if span.from < at {
                self.spans.push(Span { to: at, ..span });
                break;
            }
        }
        self.since = at;
    }

    /// Ends the stretch that is under way.
    fn close(&mut self, at: EpochMs) {
        let at = at.max(self.since);
        match self.spans.last_mut() {
            Some(last) if last.standing == self.last => last.to = at,
            Some(_) | None if at > self.since => {
                self.spans.push(Span { from: self.since, to: at, standing: self.last });
            }
            Some(_) | None => {}
        }
        self.since = at;
    }

    /// How it stands at the end of the window.
    pub fn standing(&self) -> Standing {
        self.last
    }

    /// The worst standing of each of `cells` equal parts of the window: what is short shows all the same. That it was not there
    /// before it came is no concern.
    pub fn cells(&self, cells: usize) -> Vec<Standing> {
        let (Some(first), Some(last)) = (self.spans.first(), self.spans.last()) else { return Vec::new() };
        let whole = last.to.since(first.from).as_millis().max(1);
        let mut worst: Vec<Option<Standing>> = vec![None; cells];
        let place = |at: EpochMs| {
            let part = at.since(first.from).as_millis() * cells as u128;
            usize::try_from(part / whole).unwrap_or(usize::MAX)
        };
        let is_before = |span: &Span| span.from == first.from && span.standing == Standing::Down;
        for span in self.spans.iter().filter(|span| !is_before(span)) {
            // The end is no part of it.
            let end = EpochMs(span.to.0 - 1);
            for cell in worst.iter_mut().take(place(end) + 1).skip(place(span.from)) {
                *cell = (*cell).max(Some(span.standing));
            }
        }
        worst.into_iter().map(|cell| cell.unwrap_or(Standing::Down)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::{Draft, event_to_text};

    fn rows(events: &[(i64, EventType)]) -> Vec<Row> {
        let mut timeline = Timeline::new(EpochMs(100), EpochMs(200));
        for (seq, (at, kind)) in (1..).zip(events) {
            let draft = Draft { service: "web".into(), ..Draft::new(*kind, EpochMs(*at)) };
            timeline.take(&Line::of_json(&event_to_text(&draft.numbered(seq, "evt-1".into()))).unwrap());
        }
        timeline.rows()
    }

    fn check(events: &[(i64, EventType)], expected: &[(i64, i64, Standing)]) {
        let spans: Vec<(i64, i64, Standing)> = rows(events)
            .iter()
            .flat_map(|row| row.spans.iter().map(|span| (span.from.0, span.to.0, span.standing)))
            .collect();
        assert_eq!(spans, expected, "{events:?}");
    }

    #[test]
    fn spans_fill_the_window_whatever_came_before_it() {
        use EventType::{
            ServiceExited, ServiceHealthy, ServiceRenewed, ServiceRunning, ServiceStarting, ServiceStopping,
        };
        use Standing::{Down, Healthy, Up};
        check(&[], &[]);
        check(&[(50, ServiceHealthy)], &[(100, 200, Healthy)]);
        check(&[(50, ServiceHealthy), (60, ServiceExited)], &[]);
        check(
            &[
                (120, ServiceStarting),
                (125, ServiceRunning),
                (130, ServiceHealthy),
                (150, ServiceRenewed),
                (180, ServiceExited),
            ],
            &[(100, 120, Down), (120, 130, Up), (130, 180, Healthy), (180, 200, Down)],
        );
        // A clock that was set back.
        check(
            &[(150, ServiceHealthy), (140, ServiceExited), (145, ServiceHealthy)],
            &[(100, 145, Down), (145, 200, Healthy)],
        );
        // An end that the next sweep found.
        check(
            &[(110, ServiceHealthy), (180, ServiceStopping), (130, ServiceExited)],
            &[(100, 110, Down), (110, 130, Healthy), (130, 200, Down)],
        );
        check(&[(110, ServiceHealthy), (180, ServiceStopping), (50, ServiceExited)], &[]);
    }

    #[test]
    fn what_is_short_shows_in_its_cell() {
        use EventType::{ServiceBackoff, ServiceHealthy};
        let rows = rows(&[(50, ServiceHealthy), (149, ServiceBackoff), (150, ServiceHealthy)]);
        let words: Vec<&str> = rows[0].cells(4).into_iter().map(Standing::word).collect();
        assert_eq!(words, ["healthy", "backoff", "healthy", "healthy"]);
        assert_eq!((rows[0].cells(1), rows[0].standing()), (vec![Standing::Backoff], Standing::Healthy));
    }

    #[test]
    fn who_has_just_come_is_not_down_and_who_has_just_gone_is() {
        use EventType::{ServiceHealthy, ServiceStopped};
        let words = |events: &[(i64, EventType)]| -> Vec<&str> {
            rows(events)[0].cells(4).into_iter().map(Standing::word).collect()
        };
        assert_eq!(words(&[(199, ServiceHealthy)]), ["down", "down", "down", "healthy"]);
        assert_eq!(words(&[(50, ServiceHealthy), (199, ServiceStopped)]), ["healthy", "healthy", "healthy", "down"]);
    }
}
