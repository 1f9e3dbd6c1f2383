//! Taking pending sidecars: by a command of its own, `accept AGENT…`, so that a service which takes an hour until it is healthy
//! keeps nothing else waiting, and the end of the loop does not cut an acceptance in two.

use std::collections::HashMap;
use std::ffi::OsString;
use std::time::Duration;

use crate::base::error::{Error, Result};
use crate::base::ids::AgentName;
use crate::process::OwnCommand;

use super::super::accept::pending;
use super::super::context::Context;
use super::Request;

/// How many such commands may run side by side; each takes all who wait when it starts.
const COMMANDS_MAX: usize = 8;

/// Who is being decided, and who was.
#[derive(Debug, Default)]
pub(super) struct Acceptor {
    running: Vec<(OwnCommand, Vec<AgentName>)>,
    /// Agents whose sidecars are pending although a command has been at them, with when that began.
    tried: HashMap<AgentName, Duration>,
}

/// A command that was started.
#[derive(Debug)]
pub(super) struct Accepting {
    pub(super) agents: Vec<AgentName>,
    pub(super) pid: u32,
}

impl Acceptor {
    /// Starts a command for all whose sidecars are pending and whom no command is at; `None` if there are none. A sidecar that a
    /// command has left in its place is tried anew after `healthBackoffSec`: whatever was in its way may have gone.
    pub(super) fn take(&mut self, context: &Context, request: &Request, now: Duration) -> Result<Option<Accepting>> {
        self.running.retain_mut(|(command, _)| !command.has_ended());
        if !context.settings.enabled {
            return Ok(None);
        }
        let pending = pending(context)?;
        self.tried.retain(|agent, _| pending.contains(agent));
        let is_at = |agent: &AgentName| self.running.iter().any(|(_, agents)| agents.contains(agent));
        let is_recent = |agent: &AgentName| {
            self.tried.get(agent).is_some_and(|began| now.saturating_sub(*began) < context.health_backoff())
        };
        let agents: Vec<AgentName> = pending.into_iter().filter(|agent| !is_at(agent) && !is_recent(agent)).collect();
        if agents.is_empty() || self.running.len() >= COMMANDS_MAX {
            return Ok(None);
        }
        let names = agents.iter().map(|agent| OsString::from(agent.as_str()));
        let args: Vec<OsString> = request.accept.iter().cloned().chain(names).collect();
        let command = OwnCommand::start(&args, request.has_output)
            .map_err(|error| Error::io("cannot start a command that accepts sidecars", error))?;
        let pid = command.pid();
        self.tried.extend(agents.iter().map(|agent| (agent.clone(), now)));
        self.running.push((command, agents.clone()));
        Ok(Some(Accepting { agents, pid }))
    }
}
