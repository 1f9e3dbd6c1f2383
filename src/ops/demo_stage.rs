//! The temporary world of the tour: a root, a git worktree, an agent. Impure: makes and removes a temporary folder.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::base::error::{Error, Result};
use crate::base::files::{self, Durability};
use crate::base::ids::AgentName;
use crate::base::root::Root;
use crate::config::Settings;
use crate::service::{EnvVars, Liveness, Record};

use super::accept::{self, Busy, Progress, Report, Request};
use super::context::Context;
use super::demo_server::{FreePort, free_port};
use super::{facts, stop};

/// The agent of the tour.
pub(super) const AGENT: &str = "ripley";
/// Its project.
pub(super) const PROJECT: &str = "demo";

/// The command line of the tour's service: the program, and its arguments before the port.
pub(super) type Server<'a> = (&'a Path, &'a [&'a str]);

/// The temporary world of the tour. Dropping it ends what lives in it.
pub(super) struct Stage<'a> {
    pub(super) dir: tempfile::TempDir,
    pub(super) context: Context,
    pub(super) port: FreePort,
    worktree: PathBuf,
    agent: AgentName,
    server: Server<'a>,
}

impl<'a> Stage<'a> {
    pub(super) fn set(server: Server<'a>, env: EnvVars) -> Result<Self> {
        let failed = |error: std::io::Error| Error::io("cannot make a temporary folder for the demo", error);
        let dir = tempfile::Builder::new().prefix("minions-demo-").tempdir().map_err(failed)?;
        let worktree = dir.path().join("worktree");
        files::create_dir(&worktree.join(".git")).map_err(failed)?;
        let own_name = server.0.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let mut settings = Settings::default();
        settings.executable_allowlist.push(own_name);
        let context = Context { root: Root::at(dir.path().join("root")), settings, env };
        let port = free_port().map_err(|error| Error::io("cannot find a free port", error))?;
        Ok(Self { dir, context, port, worktree, agent: AgentName::parse(AGENT)?, server })
    }

    /// Where the service answers.
    pub(super) fn address(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port.number)
    }

    /// Writes the sidecar of the service, with `changes` to its spec, and returns the text.
    pub(super) fn declare(&self, changes: &Value) -> Result<String> {
        let (url, port) = (self.address(), self.port.number);
        let port_text = port.to_string();
        let args: Vec<&str> = self.server.1.iter().copied().chain([port_text.as_str()]).collect();
        let mut spec = json!({
            "name": "hello",
            "cmd": self.server.0,
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

    /// Accepts what is declared; `progress` hears afterwards what happened on the way.
    pub(super) fn accept(&self, progress: &dyn Fn(Progress)) -> Result<Report> {
        let request = Request {
            project: PROJECT.into(),
            work_item: String::new(),
            dispatch_root: None,
            idempotency_key: None,
            is_required: true,
            waits: true,
            is_dry_run: false,
            busy: Busy::Refused,
        };
        let heard = std::sync::Mutex::new(Vec::new());
        let keep = |one: Progress| heard.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(one);
        let report = accept::run(&self.context, std::slice::from_ref(&self.agent), &request, &keep)?;
        let heard = heard.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        heard.into_iter().for_each(progress);
        Ok(report)
    }

    /// The records there are, each with how it is found now.
    pub(super) fn records(&self) -> Result<Vec<(Record, Liveness)>> {
        let records = self.context.store().read()?.records;
        Ok(records.into_iter().map(|record| (record.clone(), facts::observe_service(&record))).collect())
    }
}

impl Drop for Stage<'_> {
    /// A tour that breaks off must not leave its service behind.
    fn drop(&mut self) {
        let names = self.context.store().read().map(|document| document.records).unwrap_or_default();
        let names: Vec<String> = names.into_iter().map(|record| record.name).collect();
        if !names.is_empty() {
            drop(stop::run(&self.context, &names));
        }
    }
}
