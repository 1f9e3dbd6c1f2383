//! `demo`: a guided tour in a temporary root, with a real service of our own. Each step is done by the same use cases
//! that the commands use. Impure: kills the service, asks it over HTTP.

use std::time::Duration;

use serde_json::json;

use crate::base::error::{Error, Kind, Result};
use crate::process;
use crate::service::{EnvVars, Liveness, Record};

use super::accept::{Outcome, Progress, Report};
use super::demo_server::ask;
use super::demo_stage::{AGENT, PROJECT, Server, Stage};
use super::{live, stop, sweep};

/// What the tour tells, in order. Doors render it.
#[derive(Debug)]
pub enum Told<'a> {
    /// One line.
    Line(String),
    /// A file's text, or a program's answer.
    Text(&'a str),
    /// What became of a sidecar.
    Accepted(&'a Report),
    /// The records there are, each with how it was found.
    Listed(&'a [(Record, Liveness)]),
    /// What became of a sweep, or would.
    Swept(&'a sweep::Report),
    /// What became of a stop.
    Stopped(&'a stop::Report),
}

/// A killed process and its shim are gone much sooner.
const END_LIMIT: Duration = Duration::from_secs(10);

/// Gives the tour. `server` is the command line of the service: the program, and its arguments before the port.
pub fn run(server: Server<'_>, env: EnvVars, tell: &dyn Fn(Told<'_>)) -> Result<()> {
    let tour = Tour { stage: Stage::set(server, env)?, tell };
    tour.line(&format!("A temporary root and a git worktree are in {}", tour.stage.dir.path().display()));
    tour.declare()?;
    tour.look()?;
    tour.crash()?;
    tour.stop()
}

struct Tour<'a> {
    stage: Stage<'a>,
    tell: &'a dyn Fn(Told<'_>),
}

impl Tour<'_> {
    fn line(&self, text: &str) {
        (self.tell)(Told::Line(text.to_owned()));
    }

    /// A sidecar with mistakes, then a good one.
    fn declare(&self) -> Result<()> {
        let stage = &self.stage;
        self.line(&format!(
            "1. Agent {AGENT} declares a service, in agents/{AGENT}/managed-spawn.json, with two mistakes:"
        ));
        (self.tell)(Told::Text(&stage.declare(&json!({"ports": [80], "ttl_minutes": "soon"}))?));
        self.line(&format!("2. `minions managed accept {AGENT}` judges it, names every failure, starts nothing:"));
        self.accept(Outcome::Rejected)?;
        self.line("3. The agent mends it; it is accepted, started detached, and waited for until it is healthy:");
        stage.declare(&json!({}))?;
        self.accept(Outcome::Accepted)
    }

    /// What others see of the service.
    fn look(&self) -> Result<()> {
        let stage = &self.stage;
        let address = stage.address();
        self.line(&format!("4. It answers at {address}:"));
        let answer = ask(stage.port.number).map_err(|error| Error::io(format!("cannot ask {address}"), error))?;
        (self.tell)(Told::Text(&answer));
        self.line("5. `minions managed list` shows it to people:");
        (self.tell)(Told::Listed(&stage.records()?));
        self.line(&format!("6. `minions managed context --project {PROJECT}` tells the next agent's prompt of it:"));
        let request = live::Request { project: PROJECT.into(), worktree: None, names_root: false };
        let words = live::run(&stage.context, &request)?.words;
        if words.included != 1 {
            return Err(broken("the context does not tell of the service"));
        }
        (self.tell)(Told::Text(&words.text));
        self.line("7. Accepting the same again changes nothing:");
        stage.declare(&json!({}))?;
        self.accept(Outcome::Unchanged)
    }

    /// The service is killed, and a sweep finds that out.
    fn crash(&self) -> Result<()> {
        let stage = &self.stage;
        self.line("8. It crashes: SIGKILL, as when memory runs out. The list shows what is true:");
        kill(&stage.records()?)?;
        (self.tell)(Told::Listed(&stage.records()?));
        self.line("9. `minions managed sweep --dry-run` says what is due, and why:");
        let due = sweep::run(&stage.context, sweep::Request { is_dry_run: true, is_thorough: false })?;
        (self.tell)(Told::Swept(&due));
        self.line("10. `minions managed sweep`, which a timer runs, does it:");
        let swept = sweep::run(&stage.context, sweep::Request { is_dry_run: false, is_thorough: false })?;
        (self.tell)(Told::Swept(&swept));
        if !stage.records()?.is_empty() {
            return Err(broken("the sweep left a dead service in the list"));
        }
        self.line("11. What is wanted still is declared anew:");
        stage.declare(&json!({}))?;
        self.accept(Outcome::Accepted)
    }

    fn stop(&self) -> Result<()> {
        let stage = &self.stage;
        self.line("12. `minions managed stop hello` ends its whole tree and removes its record:");
        let records = stage.records()?;
        let stopped = stop::run(&stage.context, &["hello".to_owned()])?;
        (self.tell)(Told::Stopped(&stopped));
        let left = records.iter().filter_map(|(record, _)| record.generation.as_ref()).map(process::observe_marked);
        let left: usize = left.map(|found| found.map_or(1, |found| found.len())).sum();
        if left > 0 {
            return Err(broken("the stop left processes behind"));
        }
        self.line("   No process of it is left. The temporary root is removed.");
        Ok(())
    }

    /// Accepts what is declared, tells it, and checks that it came out so.
    fn accept(&self, outcome: Outcome) -> Result<()> {
        let report = self.stage.accept(&|progress| {
            if let Progress::Done { name, words, is_up: _ } = progress {
                self.line(&format!("   {name}: {words}"));
            }
        })?;
        (self.tell)(Told::Accepted(&report));
        if report.items.first().map(|item| item.outcome) == Some(outcome) {
            Ok(())
        } else {
            Err(broken(&format!("this step should have been `{}`", outcome.word())))
        }
    }
}

/// Kills the services of `records`, and waits until they and their shims are gone.
fn kill(records: &[(Record, Liveness)]) -> Result<()> {
    for process in records.iter().filter_map(|(record, _)| record.process.as_ref()) {
        let failed = |error: process::SignalError| Error::io("cannot kill the tour's own service", error);
        let shim = process::hold(&process.shim).map_err(failed)?;
        let service = process::hold(&process.service).map_err(failed)?;
        service.send(process::Signal::KILL).map_err(failed)?;
        for held in [service, shim] {
            if !held.wait_end(END_LIMIT).is_ok_and(|has_ended| has_ended) {
                return Err(broken("the killed service does not end"));
            }
        }
    }
    Ok(())
}

fn broken(what: &str) -> Error {
    Error::new(Kind::Unforeseen, "demo-broken", format!("the demo does not work here: {what}"))
        .with_hint("run it again with --verbose and tell us what it says")
}
