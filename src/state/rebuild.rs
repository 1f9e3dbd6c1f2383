//! The state made anew from what the shims know, when the file is lost.

use std::io;

use crate::base::root::Root;
use crate::service::{Identity, Liveness, Previous, Process, Record, Status};

use super::at_rest::{self, read_at_rest};
use super::evidence::{Evidence, is_refused, read_all};
use super::{Document, Error};

/// A document of every generation that is not proven gone: of each name the newest one; an older one that may still
/// live is its `previous`, so that recovery ends it first. And of every service that has no process and stays (`at_rest.rs`).
///
/// A generation is gone once its exit is recorded and neither its shim nor its service lives. One without an exit record
/// stays even if it is dead (a power cut ends both at once): what becomes of it is the next sweep's to decide.
pub(super) fn rebuild(root: &Root, liveness: fn(&Identity) -> Liveness) -> Result<Document, Error> {
    let mut document = Document::default();
    // By name and age: a newer generation of the same name comes after the older.
    for evidence in read_all(root)? {
        let alive = is_maybe_alive(&evidence, liveness);
        if evidence.exit.is_some() && !alive {
            continue;
        }
        if evidence.record.is_none() && is_refused(&evidence.dir) {
            // It may live. A state without it would say that it does not.
            let why = io::Error::other(evidence.unreadable.join("; "));
            return Err(Error::io("cannot rebuild the state from what the shims know", why));
        }
        let Some(mut record) = evidence.to_record(liveness) else { continue };
        if let Some(older) = document.remove(&record.name)
            && older.alive
        {
            record.previous = Some(Previous::of(&older));
        }
        document.records.push(record);
    }
    add_at_rest(root, &mut document)?;
    Ok(document)
}

/// Adds the records of services that have no process and stay. Where a shim knows something of that name, it knows more.
fn add_at_rest(root: &Root, document: &mut Document) -> Result<(), Error> {
    for name in at_rest::names(root)? {
        match read_at_rest(root, &name) {
            Ok(Some(record)) if !document.has_namesake(&record) => document.records.push(record),
            Ok(Some(_) | None) => {}
            // It may be there. A state without it would say that it is not.
            Err(error) if error.is_refusal() => return Err(error),
            Err(error) => log::warn!("the copy of the record of `{name}` makes no sense: {error}"),
        }
    }
    Ok(())
}

fn is_maybe_alive(evidence: &Evidence, liveness: fn(&Identity) -> Liveness) -> bool {
    let service = evidence.service.as_ref().map(|started| &started.service);
    is_any_unproven([service, evidence.shim.as_ref()], liveness)
}

/// Whether one of two processes is not proven dead.
fn is_any_unproven(pair: [Option<&Identity>; 2], liveness: fn(&Identity) -> Liveness) -> bool {
    pair.into_iter().flatten().any(|identity| liveness(identity) != Liveness::Dead)
}

impl Evidence {
    /// The record as it was ordered, brought up to what the other files tell; `None` if the orders cannot be read.
    pub fn to_record(&self, liveness: fn(&Identity) -> Liveness) -> Option<Record> {
        let mut record = self.record.clone()?;
        record.generation = Some(self.generation.clone());
        record.healthy = false;
        record.last_exit = self.exit.or(record.last_exit);
        record.process = None;
        record.pid = None;
        // It was there when this one was ordered; most often it has gone since.
        record.previous = record.previous.filter(|previous| {
            let process = previous.process.as_ref();
            process.is_some_and(|process| is_any_unproven([Some(&process.service), Some(&process.shim)], liveness))
        });
        record.alive = is_maybe_alive(self, liveness);
        if let Some(launch) = &self.launch {
            record.ttl_expires_at = launch.ttl_expires_at;
        }
        if let Some(started) = &self.service {
            record.started_at = Some(started.at);
            record.pid = Some(started.service.pid);
            record.process = self.shim.clone().map(|shim| Process { service: started.service.clone(), shim });
            // Whoever launched it either settled it or will: the service is there, which is all that a claim is about.
            record.status = Status::Running;
            record.claim = None;
        }
        Some(record)
    }
}
