//! `doctor`: looks for the usual causes of trouble, and changes nothing. Each area looks at facts (`observe`) and judges
//! them (`judge`, pure), a file per area; every area has at least one finding, if only that all is well.
//!
//! Deliberately not here: any repair. What is found says which command does that.

mod clock;
mod finding;
mod journal;
mod lock;
mod outbox;
mod path;
mod queue;
mod records;
mod root;
mod settings;
mod space;
mod state;
mod system;
mod upkeep;

use std::path::PathBuf;
use std::time::Duration;

use crate::base::clock::EpochMs;
use crate::base::root::{Origin, Root};
use crate::service::EnvVars;
use crate::state::{Document, Store};

use super::context::Context;

pub use finding::{Area, Finding, Severity};

/// What a check-up starts from.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Where everything lives.
    pub root: Root,
    /// By what that was found.
    pub origin: Origin,
    /// The caller's environment.
    pub env: EnvVars,
    /// The program that runs, where the system can tell.
    pub program: Option<PathBuf>,
}

/// Everything that was found, area by area.
#[derive(Clone, Debug)]
pub struct Report {
    /// At least one per area, in the order of [`Area::ALL`].
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether nothing found is an error.
    pub fn is_ok(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity != Severity::Error)
    }

    /// How many findings have this severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }
}

/// Looks at everything. Settings that cannot be read are a finding, and the defaults stand for them.
pub fn run(place: &Surroundings) -> Report {
    let root = &place.root;
    let now = EpochMs::now();
    let loaded = settings::observe(root);
    let settings = loaded.as_ref().map_or_else(|_| Default::default(), |loaded| loaded.settings.clone());
    // Nothing is changed, so that no lock is waited for.
    let read = Store::new(root, Duration::ZERO).read();
    let nothing = Document::default();
    let document = read.as_ref().unwrap_or(&nothing);
    let context = Context { root: root.clone(), settings: settings.clone(), env: place.env.clone() };
    let seen = read.as_ref().ok().map(|document| records::observe(&context, document));
    let mut findings = Vec::new();
    findings.extend(root::judge(&root::observe(place)));
    findings.extend(space::judge(&space::observe(root)));
    findings.extend(lock::judge(&lock::observe(root, &settings)));
    findings.extend(state::judge(&state::observe(root, &read)));
    findings.extend(records::judge(seen.as_ref(), now));
    findings.extend(journal::judge(&journal::observe(&context), now));
    findings.extend(outbox::judge(&outbox::observe(&context), now));
    findings.extend(upkeep::judge(&upkeep::observe(root, &settings, document), now));
    findings.extend(queue::judge(&queue::observe(&context)));
    findings.extend(settings::judge(loaded.as_ref()));
    findings.extend(path::judge(&path::observe(place, &settings, document)));
    findings.extend(clock::judge(&clock::observe(root, document), now));
    findings.extend(system::judge(&system::observe()));
    Report { findings }
}
