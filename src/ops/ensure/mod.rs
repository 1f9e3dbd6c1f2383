//! `ensure`: a service is up and healthy when this returns, and so is all that it depends on. Whoever finds it up is answered at
//! once; of many who find it down one starts it, and the others wait for what comes of that.

mod one;

use crate::base::error::{Error, Kind, Result};
use crate::lifecycle::order;
use crate::service::{Probe, Record};
use crate::state::{Document, SetAside};

use super::context::Context;
use super::find;
use super::start::{OnProgress, check_enabled};

/// The name of this verb at the lock and in claims.
pub const VERB: &str = "ensure";

/// A service that is up and healthy.
#[derive(Debug)]
pub struct Up {
    /// Its record, as it is now.
    pub record: Record,
    /// How it came to that.
    pub action: Action,
}

/// What had to be done for a service to be up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    None,
    /// It was started.
    Started,
    /// Its health, or what another command did, was waited for.
    Awaited,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 3] = [Self::None, Self::Started, Self::Awaited];

    /// The word in output.
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Started => "started",
            Self::Awaited => "awaited",
        }
    }
}

/// What came of it.
#[derive(Debug)]
pub struct Ensured {
    /// The service.
    pub up: Up,
    /// What it depends on, directly or not, in the order in which it was brought up.
    pub dependencies: Vec<Up>,
    /// Something unreadable in the state file was put aside.
    pub set_aside: Option<SetAside>,
}

/// Brings the service `name` up, what it depends on first, and marks it as used. Errors: `no-such-service` (exit 6), also of what
/// it depends on; `managed-spawn-healthcheck-failed` and what else a start may fail by (exit 4); `expired`, `port-in-use` and
/// `claimed`, where another command does not come to an end (exit 7).
pub fn run(context: &Context, name: &str, progress: OnProgress<'_>) -> Result<Ensured> {
    check_enabled(context)?;
    let reading = context.store().read_or_recover(VERB)?;
    let names = wanted(&reading.document, name)?;
    let mut all = Vec::with_capacity(names.len());
    for name in &names {
        all.push(one::bring_up(context, name, progress)?);
    }
    let up = all.pop().ok_or_else(|| find::no_such_service(&reading.document, name))?;
    Ok(Ensured { up, dependencies: all, set_aside: reading.set_aside })
}

/// Whom to bring up for `name`, in that order; it is the last.
fn wanted(document: &Document, name: &str) -> Result<Vec<String>> {
    find::find(document, name)?;
    let records = order::to_start(&document.records, name);
    for record in &records {
        let is_there = |declared: &String| {
            document.records.iter().any(|other| other.spec.name == *declared && other.scope() == record.scope())
        };
        if let Some(lost) = record.spec.lifecycle.depends_on.iter().find(|declared| !is_there(declared)) {
            let message = format!("service `{}` depends on `{lost}`, of which there is no record", record.name);
            return Err(Error::new(Kind::NotFound, "no-such-service", message)
                .with_hint("nothing was started; declare it again, and accept that"));
        }
    }
    Ok(records.into_iter().map(|record| record.name.clone()).collect())
}

/// Where the service of `record` is reached, as it says itself (`attrs.base_url`), or by the address of its http healthcheck
/// without its path.
pub fn base_url(record: &Record) -> Option<String> {
    if let Some(said) = record.spec.attrs.get("base_url").and_then(|said| said.as_str()) {
        return Some(said.to_owned());
    }
    match &record.spec.healthcheck.probe {
        Probe::Http { url, .. } => {
            let (scheme, rest) = url.split_once("://")?;
            let authority = rest.split(['/', '?', '#']).next()?;
            Some(format!("{scheme}://{authority}"))
        }
        Probe::Command { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::record_from_json;
    use serde_json::{Value, json};

    fn record(attrs: Value, check: Value) -> Record {
        record_from_json(json!({"name": "web", "cmd": "node", "attrs": attrs, "healthcheck": check})).expect("a record")
    }

    #[test]
    fn a_service_is_reached_where_it_says_or_where_it_is_probed() {
        let http = |url: &str| json!({"type": "http", "url": url, "expect_status": 200});
        let command = json!({"type": "command", "cmd": "true", "expect_regex": ""});
        let check = |attrs: Value, check: Value, expected: Option<&str>| {
            assert_eq!(base_url(&record(attrs, check)).as_deref(), expected);
        };
        check(json!({"base_url": "http://a/b"}), http("http://localhost:1/health"), Some("http://a/b"));
        check(json!({"base_url": 7}), http("http://localhost:1/health?x"), Some("http://localhost:1"));
        check(json!({}), http("http://[::1]:1"), Some("http://[::1]:1"));
        check(json!({}), command.clone(), None);
        check(json!({"base_url": "http://a"}), command, Some("http://a"));
    }

    #[test]
    fn what_it_depends_on_comes_first_and_must_be_there() {
        let mut web = record(json!({}), json!({"type": "command", "cmd": "true", "expect_regex": ""}));
        let mut db = web.clone();
        (db.name, db.spec.name) = ("db-1".into(), "db".into());
        web.spec.lifecycle.depends_on = vec!["db".into()];
        let document = |records: Vec<Record>| Document { records, ..Document::default() };
        assert_eq!(wanted(&document(vec![web.clone(), db]), "web").expect("both"), ["db-1", "web"]);
        let error = wanted(&document(vec![web]), "web").expect_err("it is gone");
        assert_eq!(error.kind, Kind::NotFound);
        assert!(error.message.contains("`db`"), "{}", error.message);
    }
}
