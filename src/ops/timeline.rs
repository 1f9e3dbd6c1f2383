//! `timeline`: how each service stood over the last hours.

use std::ops::ControlFlow;
use std::time::Duration;

use crate::base::clock::EpochMs;
use crate::base::error::{Error, Kind, Result};
use crate::journal::{Row, Timeline};

use super::context::Context;
use super::events::Source;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// Only the service of that name.
    pub service: Option<String>,
    /// How far back.
    pub span: Duration,
}

/// The picture as data.
#[derive(Debug)]
pub struct Report {
    /// The beginning of the window.
    pub from: EpochMs,
    /// Its end: now.
    pub to: EpochMs,
    /// Services that were there in it, by name.
    pub rows: Vec<Row>,
}

/// Reads the journal from its oldest event, since what was before the window says how a service stood at its beginning. A
/// service without any event is `no-such-service` (exit 6).
pub fn run(context: &Context, request: &Request) -> Result<Report> {
    let to = EpochMs::now();
    let span = i64::try_from(request.span.as_millis()).unwrap_or(i64::MAX);
    let from = EpochMs(to.0.saturating_sub(span).min(to.0 - 1));
    let mut timeline = Timeline::new(from, to);
    let mut is_known = false;
    Source::observe(context).scan(0, &mut |line| {
        if request.service.as_deref().is_none_or(|service| service == line.service) {
            is_known = true;
            timeline.take(line);
        }
        ControlFlow::Continue(())
    })?;
    if let (Some(service), false) = (&request.service, is_known) {
        let message = format!("the journal has no event of a service `{}`", service.escape_debug());
        return Err(Error::new(Kind::NotFound, "no-such-service", message)
            .with_hint("minions managed timeline shows those that it has"));
    }
    Ok(Report { from, to, rows: timeline.rows() })
}
