//! `healthcheck`: probes services now, and records what came of it.

use crate::base::error::{Error, Kind, Result};
use crate::service::Record;
use crate::state::{Document, SetAside};

use super::context::Context;
use super::probe::{self, Probed};
use super::sweep::Done;
use super::sweep::due::restart_unhealthy;
use super::{find, follow};

/// Which services.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// By name; empty: every one.
    pub names: Vec<String>,
    /// Only those of this project.
    pub project: Option<String>,
}

/// What came of it.
#[derive(Debug)]
pub struct Report {
    /// One per service: in the order of the names, or by name.
    pub items: Vec<Probed>,
    /// They were asked for by name.
    pub is_named: bool,
    /// One per service that was started anew for its health.
    pub restarted: Vec<Done>,
    /// Why it could not be written down.
    pub unrecorded: Option<Error>,
    /// Something unreadable in the state file was put aside.
    pub set_aside: Option<SetAside>,
}

impl Report {
    /// The news that it is: none if all are healthy, else whether some are. Who is not known to be healthy is not. Who is
    /// stopped until somebody needs it counts only where it was asked for by name: whoever does wants to use it.
    pub fn kind(&self) -> Option<Kind> {
        let counted = || self.items.iter().filter(|item| self.is_named || !item.is_at_rest());
        match (counted().filter(|item| item.healthy == Some(true)).count(), counted().count()) {
            (healthy, all) if healthy == all => None,
            (0, _) => Some(Kind::NotHealthy),
            (_, _) => Some(Kind::PartlyHealthy),
        }
    }
}

/// Probes the services that are asked for, side by side. An unknown name is an error (`no-such-service`, exit 6), and
/// then nobody is probed. Who is unhealthy by its own threshold and wants to be started anew for that (`on_unhealthy`) is.
pub fn run(context: &Context, request: &Request) -> Result<Report> {
    let reading = context.store().read_or_recover("healthcheck")?;
    let newer = follow::caught_up(context, &reading.document, "healthcheck", false)?;
    let records = select(newer.as_ref().unwrap_or(&reading.document), request)?;
    let items = probe::probe(context, &records, None);
    let (set_aside, unrecorded) = match probe::record(context, "healthcheck", &items) {
        Ok(set_aside) => (set_aside, None),
        Err(error) => (None, Some(error)),
    };
    let names: Vec<&str> = items.iter().filter(|item| item.healthy == Some(false)).map(|item| &*item.name).collect();
    let restarted = restart_unhealthy(context, &names, "healthcheck")?;
    let is_named = !request.names.is_empty();
    Ok(Report { items, is_named, restarted, unrecorded, set_aside: reading.set_aside.or(set_aside) })
}

fn select(document: &Document, request: &Request) -> Result<Vec<Record>> {
    let is_asked = |record: &&Record| request.project.as_ref().is_none_or(|project| *project == record.owner.project);
    if request.names.is_empty() {
        let mut all: Vec<Record> = document.records.iter().filter(is_asked).cloned().collect();
        all.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        return Ok(all);
    }
    let mut named: Vec<Record> = Vec::with_capacity(request.names.len());
    for name in &request.names {
        let record = find::find(document, name)?;
        if !is_asked(&record) {
            let message = format!("service `{name}` is not of that project, but of `{}`", record.owner.project);
            return Err(Error::new(Kind::NotFound, "no-such-service", message)
                .with_hint("leave --project out, or name its project"));
        }
        if named.iter().all(|known| known.name != record.name) {
            named.push(record.clone());
        }
    }
    Ok(named)
}
