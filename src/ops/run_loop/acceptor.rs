//! Taking pending sidecars: by a command of its own, `accept AGENT…`, so that a service which takes an hour until it is healthy
//! keeps nothing else waiting, and the end of the loop does not cut an acceptance in two.

use std::collections::HashMap;
use std::ffi::OsString;
use std::time::Duration;

use crate::base::clock::EpochMs;
use crate::base::error::{Error, Result};
use crate::base::ids::AgentName;
use crate::process::OwnCommand;
use crate::runs::RunStatus;

use super::super::context::Context;
use super::super::queue::{self, Item};
use super::Request;

/// Who is being decided, and who was.
#[derive(Debug, Default)]
pub(super) struct Acceptor {
    running: Vec<(OwnCommand, Vec<AgentName>)>,
    /// Agents whose sidecars are pending although a command has been sent to them.
    tried: HashMap<AgentName, Tried>,
}

/// When a command was sent to a sidecar, and which sidecar that was.
#[derive(Clone, Copy, Debug)]
struct Tried {
    at: Duration,
    since: EpochMs,
}

/// A command that was started.
#[derive(Debug)]
pub(super) struct Accepting {
    pub(super) agents: Vec<AgentName>,
    pub(super) pid: u32,
}

impl Acceptor {
    /// Starts a command for the first of those whose sidecars wait and whom nobody is at, as many as may be decided side by side;
    /// `None` if there are none. A sidecar that a command has left in its place is tried anew after `healthBackoffSec`: whatever was
    /// in its way may have gone.
    pub(super) fn take(&mut self, context: &Context, request: &Request, now: Duration) -> Result<Option<Accepting>> {
        self.running.retain_mut(|(command, _)| !command.has_ended());
        if !context.settings.enabled {
            return Ok(None);
        }
        let items = queue::list(context, None)?.items;
        let is_same = |agent: &AgentName, tried: &Tried| {
            items.iter().any(|item| item.pending.agent == *agent && item.pending.since == tried.since)
        };
        self.tried.retain(|agent, tried| is_same(agent, tried));
        let is_recent = |item: &Item| {
            let tried = self.tried.get(&item.pending.agent);
            tried.is_some_and(|tried| now.saturating_sub(tried.at) < context.health_backoff())
        };
        // Sent for, and perhaps not yet begun.
        let is_awaited = |item: &Item| {
            is_recent(item) && self.running.iter().any(|(_, agents)| agents.contains(&item.pending.agent))
        };
        let is_claimed = |item: &Item| item.status == RunStatus::Claimed;
        let under_way = items.iter().filter(|item| is_claimed(item) || is_awaited(item)).count();
        let most = usize::try_from(context.settings.queue_side_by_side_max).unwrap_or(usize::MAX);
        let waiting = items.iter().filter(|item| !is_claimed(item) && !is_recent(item));
        let chosen: Vec<(AgentName, Tried)> = waiting
            .take(most.saturating_sub(under_way))
            .map(|item| (item.pending.agent.clone(), Tried { at: now, since: item.pending.since }))
            .collect();
        if chosen.is_empty() {
            return Ok(None);
        }
        let agents: Vec<AgentName> = chosen.iter().map(|(agent, _)| agent.clone()).collect();
        let names = agents.iter().map(|agent| OsString::from(agent.as_str()));
        let args: Vec<OsString> = request.accept.iter().cloned().chain(names).collect();
        let command = OwnCommand::start(&args, request.has_output)
            .map_err(|error| Error::io("cannot start a command that accepts sidecars", error))?;
        let pid = command.pid();
        self.tried.extend(chosen);
        self.running.push((command, agents.clone()));
        Ok(Some(Accepting { agents, pid }))
    }
}
