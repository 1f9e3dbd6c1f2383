//! `demo`: a guided tour in a temporary root, with a real service of our own. Each step is done by the same use cases
//! that the commands use. Impure: makes and removes a temporary folder, asks the service over HTTP.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::base::error::{Error, Kind, Result};
use crate::base::files::{self, Durability};
use crate::base::ids::AgentName;
use crate::base::root::Root;
use crate::config::Settings;
use crate::process;
use crate::service::{Liveness, Record};

use super::accept::{self, Outcome, Progress, Report, Request};
use super::context::Context;
use super::demo_server::{ask, free_port};
use super::{facts, stop};

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
    /// What became of a stop.
    Stopped(&'a stop::Report),
}

/// The agent of the tour.
const AGENT: &str = "ripley";

/// Gives the tour. `server` is the command line of the service: the program, and its arguments before the port.
pub fn run(server: (&Path, &[&str]), env: crate::service::EnvVars, tell: &dyn Fn(Told<'_>)) -> Result<()> {
    let stage = Stage::set(server.0, env)?;
    let line = |text: String| tell(Told::Line(text));
    line(format!("A temporary root and a git worktree are in {}", stage.dir.path().display()));
    let free = free_port().map_err(|error| Error::io("cannot find a free port", error))?;
    let port = free.number;

    line(format!("1. Agent {AGENT} declares a service, in agents/{AGENT}/managed-spawn.json, with two mistakes:"));
    let bad = stage.declare(server, port, &json!({"ports": [80], "ttl_minutes": "soon"}))?;
    tell(Told::Text(&bad));
    line("2. `minions managed accept ripley` judges it, names every failure, starts nothing:".into());
    let rejected = stage.accept()?;
    tell(Told::Accepted(&rejected));
    expect(&rejected, Outcome::Rejected)?;

    line("3. The agent mends it; it is accepted, started detached, and waited for until it is healthy:".into());
    stage.declare(server, port, &json!({}))?;
    let accepted = stage.accept_telling(&|progress| {
        if let Progress::Done { name, words, is_up: _ } = progress {
            line(format!("   {name}: {words}"));
        }
    })?;
    tell(Told::Accepted(&accepted));
    expect(&accepted, Outcome::Accepted)?;

    line(format!("4. It answers at http://127.0.0.1:{port}/:"));
    let answer = ask(port).map_err(|error| Error::io(format!("cannot ask 127.0.0.1:{port}"), error))?;
    tell(Told::Text(&answer));
    line("5. `minions managed list` shows it to the next agent:".into());
    let records = stage.context.store().read()?.records;
    let seen: Vec<(Record, Liveness)> =
        records.iter().map(|record| (record.clone(), facts::observe_service(record))).collect();
    tell(Told::Listed(&seen));

    line("6. Accepting the same again changes nothing:".into());
    stage.declare(server, port, &json!({}))?;
    let again = stage.accept()?;
    tell(Told::Accepted(&again));
    expect(&again, Outcome::Unchanged)?;

    line("7. `minions managed stop hello` ends its whole tree and removes its record:".into());
    let stopped = stop::run(&stage.context, &["hello".to_owned()])?;
    tell(Told::Stopped(&stopped));
    let left = records.iter().filter_map(|record| record.generation.as_ref()).map(process::observe_marked);
    let left: usize = left.map(|found| found.map_or(1, |found| found.len())).sum();
    if left > 0 {
        return Err(broken("the stop left processes behind"));
    }
    line("   No process of it is left. The temporary root is removed.".into());
    Ok(())
}

/// The temporary world of the tour. Dropping it ends what lives in it.
struct Stage {
    dir: tempfile::TempDir,
    worktree: PathBuf,
    context: Context,
    agent: AgentName,
}

impl Stage {
    fn set(program: &Path, env: crate::service::EnvVars) -> Result<Self> {
        let failed = |error: std::io::Error| Error::io("cannot make a temporary folder for the demo", error);
        let dir = tempfile::Builder::new().prefix("minions-demo-").tempdir().map_err(failed)?;
        let worktree = dir.path().join("worktree");
        files::create_dir(&worktree.join(".git")).map_err(failed)?;
        let own_name = program.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let mut settings = Settings::default();
        settings.executable_allowlist.push(own_name);
        let context = Context { root: Root::at(dir.path().join("root")), settings, env };
        Ok(Self { dir, worktree, context, agent: AgentName::parse(AGENT)? })
    }

    /// Writes the sidecar of a service on `port`, with `changes` to its spec, and returns the text.
    fn declare(&self, server: (&Path, &[&str]), port: u16, changes: &serde_json::Value) -> Result<String> {
        let url = format!("http://127.0.0.1:{port}/");
        let port_text = port.to_string();
        let args: Vec<&str> = server.1.iter().copied().chain([port_text.as_str()]).collect();
        let mut spec = json!({
            "name": "hello",
            "cmd": server.0,
            "args": args,
            "cwd": self.worktree,
            "ports": [port],
            "ttl_minutes": 5,
            "attrs": {"base_url": url},
            "healthcheck": {"type": "http", "url": url, "expect_status": 200, "timeout_s": 20},
        });
        for (key, value) in changes.as_object().into_iter().flatten() {
            spec[key] = value.clone();
        }
        let text = format!("{:#}\n", json!({"specs": [spec], "written_by": AGENT}));
        let path = self.context.root.sidecar(&self.agent);
        let written = files::create_dir(path.parent().unwrap_or(&path))
            .and_then(|()| files::write_atomic(&path, text.as_bytes(), Durability::Cached));
        written.map_err(|error| Error::io(format!("cannot write `{}`", path.display()), error))?;
        Ok(text)
    }

    fn accept(&self) -> Result<Report> {
        self.accept_telling(&|_| {})
    }

    fn accept_telling(&self, progress: &dyn Fn(Progress)) -> Result<Report> {
        let request = Request {
            project: "demo".into(),
            work_item: String::new(),
            dispatch_root: None,
            idempotency_key: None,
            is_required: true,
            waits: true,
            is_dry_run: false,
        };
        let heard = std::sync::Mutex::new(Vec::new());
        let keep = |one: Progress| heard.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(one);
        let report = accept::run(&self.context, std::slice::from_ref(&self.agent), &request, &keep)?;
        let heard = heard.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        heard.into_iter().for_each(progress);
        Ok(report)
    }
}

impl Drop for Stage {
    /// A tour that breaks off must not leave its service behind.
    fn drop(&mut self) {
        let names = self.context.store().read().map(|document| document.records).unwrap_or_default();
        let names: Vec<String> = names.into_iter().map(|record| record.name).collect();
        if !names.is_empty() {
            drop(stop::run(&self.context, &names));
        }
    }
}

fn expect(report: &Report, outcome: Outcome) -> Result<()> {
    let found = report.items.first().map(|item| item.outcome);
    if found == Some(outcome) {
        Ok(())
    } else {
        Err(broken(&format!("this step should have been `{}`", outcome.word())))
    }
}

fn broken(what: &str) -> Error {
    Error::new(Kind::Unforeseen, "demo-broken", format!("the demo does not work here: {what}"))
        .with_hint("run it again with --verbose and tell us what it says")
}
