//! The four files of one generation's run folder, and the one beside these folders, format version 1. A shim may outlive the program that started it, so
//! these change by addition only.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::base::clock::EpochMs;
use crate::base::ids::Generation;
use crate::base::json::Plain;
use crate::service::{Identity, Progress, Record, StopSignal, restart_json};
use crate::state::evidence::{Ended, Launch, Next, Started};

use super::lifecycle::{RestartIn, stop_signal};
use super::parts::{Env, EnvRef, Pid, code_and_signal, exit_record, generation};
use super::{RecordJson, record_from_json};

/// The format of all four files.
const VERSION: u64 = 1;

/// `launch.json` as it is written.
#[derive(Serialize)]
pub(in crate::state) struct LaunchFile<'a> {
    version: u64,
    name: &'a str,
    generation: &'a str,
    program: &'a str,
    args: &'a [String],
    cwd: &'a str,
    env: EnvRef<'a>,
    log_path: &'a str,
    ttl_expires_at: Option<i64>,
    grace_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_signal: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    restart: Option<Value>,
    #[serde(skip_serializing_if = "is_zero")]
    failures_in_row: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    recent_starts: Vec<i64>,
    #[serde(skip_serializing_if = "is_zero")]
    restarts: u64,
    record: RecordJson<'a>,
}

fn is_zero<N: Default + PartialEq>(number: &N) -> bool {
    *number == N::default()
}

impl<'a> LaunchFile<'a> {
    pub(in crate::state) fn new(launch: &'a Launch, record: RecordJson<'a>) -> Self {
        Self {
            version: VERSION,
            name: &launch.name,
            generation: launch.generation.as_str(),
            program: &launch.program,
            args: &launch.args,
            cwd: &launch.cwd,
            env: EnvRef(&launch.env),
            log_path: &launch.log_path,
            ttl_expires_at: launch.ttl_expires_at.map(|at| at.0),
            grace_ms: launch.grace_ms,
            stop_signal: Some(launch.stop_signal)
                .filter(|signal| *signal != StopSignal::default())
                .map(StopSignal::word),
            restart: launch.restart.as_ref().map(restart_json),
            failures_in_row: launch.progress.failures_in_row,
            recent_starts: launch.progress.recent_starts.iter().map(|at| at.0).collect(),
            restarts: launch.progress.restarts,
            record,
        }
    }
}

/// `launch.json` as the shim reads it: the record in it is skipped, not kept in memory.
#[derive(Deserialize)]
pub(in crate::state) struct LaunchOrders {
    version: u64,
    name: String,
    generation: String,
    program: String,
    args: Vec<String>,
    cwd: String,
    env: Env,
    log_path: String,
    ttl_expires_at: Option<i64>,
    grace_ms: u64,
    stop_signal: Option<String>,
    restart: Option<RestartIn>,
    // No flattened struct: it would hold every other key of the file in memory, the record too.
    #[serde(default)]
    failures_in_row: u32,
    #[serde(default)]
    recent_starts: Vec<i64>,
    #[serde(default)]
    restarts: u64,
}

impl LaunchOrders {
    pub(in crate::state) fn into_launch(self) -> Result<Launch, String> {
        known(self.version)?;
        Ok(Launch {
            name: self.name,
            generation: generation(Some(self.generation))?.ok_or("no generation")?,
            program: self.program,
            args: self.args,
            cwd: self.cwd,
            env: self.env.0,
            log_path: self.log_path,
            ttl_expires_at: self.ttl_expires_at.map(EpochMs),
            grace_ms: self.grace_ms,
            stop_signal: self.stop_signal.map_or(Ok(StopSignal::default()), stop_signal)?,
            // What a later version says beyond is not this one's to keep: the orders are written anew from the record.
            restart: self.restart.map(RestartIn::into_parts).transpose()?.map(|(restart, _)| restart),
            progress: Progress {
                failures_in_row: self.failures_in_row,
                recent_starts: self.recent_starts.into_iter().map(EpochMs).collect(),
                restarts: self.restarts,
                ..Progress::default()
            },
        })
    }
}

/// The record in `launch.json`.
#[derive(Deserialize)]
pub(in crate::state) struct LaunchRecord {
    pub(in crate::state) record: Plain,
}

/// `shim.json`: who the shim is.
#[derive(Deserialize, Serialize)]
pub(in crate::state) struct ShimFile {
    version: u64,
    pid: Pid,
    start_ticks: u64,
    boot_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pid_namespace: Option<u64>,
}

impl ShimFile {
    pub(in crate::state) fn new(shim: &Identity) -> Self {
        let Identity { pid, start_ticks, boot_id, pid_namespace } = shim.clone();
        Self { version: VERSION, pid: Pid(pid), start_ticks, boot_id, pid_namespace }
    }

    pub(in crate::state) fn into_identity(self) -> Result<Identity, String> {
        known(self.version)?;
        let Self { version: _, pid, start_ticks, boot_id, pid_namespace } = self;
        Ok(Identity { pid: pid.0, start_ticks, boot_id, pid_namespace })
    }
}

/// `service.json`: who the service is, since when, and in which life.
#[derive(Deserialize, Serialize)]
pub(in crate::state) struct ServiceFile {
    version: u64,
    pid: Pid,
    start_ticks: u64,
    boot_id: String,
    started_at: i64,
    generation: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pid_namespace: Option<u64>,
}

impl ServiceFile {
    pub(in crate::state) fn new(started: &Started) -> Self {
        let Identity { pid, start_ticks, boot_id, pid_namespace } = started.service.clone();
        let generation = Some(started.generation.to_string());
        let started_at = started.at.0;
        Self { version: VERSION, pid: Pid(pid), start_ticks, boot_id, started_at, generation, pid_namespace }
    }

    /// `its_own` is the generation of a file that does not say.
    pub(in crate::state) fn into_started(self, its_own: Option<Generation>) -> Result<Started, String> {
        known(self.version)?;
        let Self { pid, start_ticks, boot_id, pid_namespace, .. } = &self;
        let (pid, start_ticks, boot_id) = (pid.0, *start_ticks, boot_id.clone());
        let service = Identity { pid, start_ticks, boot_id, pid_namespace: *pid_namespace };
        let generation = generation(self.generation)?.or(its_own).ok_or("no generation")?;
        Ok(Started { service, at: EpochMs(self.started_at), generation })
    }
}

/// `exit.json`: how a life ended, and what follows. Without `next` nothing does.
#[derive(Deserialize, Serialize)]
pub(in crate::state) struct ExitFile {
    version: u64,
    code: Option<i32>,
    signal: Option<i32>,
    cause: String,
    at: i64,
    generation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gave_up: Option<String>,
    #[serde(default, skip_serializing_if = "is_zero")]
    failures_in_row: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    recent_starts: Vec<i64>,
    #[serde(default, skip_serializing_if = "is_zero")]
    restarts: u64,
}

impl ExitFile {
    pub(in crate::state) fn new(ended: &Ended) -> Self {
        let Ended { generation, exit, refusal, next, progress } = ended;
        let (code, signal) = code_and_signal(exit.exit);
        let (next_at, gave_up) = match next {
            Next::Over => (None, None),
            Next::Again { at } => (Some(at.0), None),
            Next::GaveUp { why } => (None, Some(why.clone())),
        };
        Self {
            version: VERSION,
            code,
            signal,
            cause: exit.cause.word().to_owned(),
            at: exit.at.0,
            generation: Some(generation.to_string()),
            refusal: refusal.clone(),
            next_at,
            gave_up,
            failures_in_row: progress.failures_in_row,
            recent_starts: progress.recent_starts.iter().map(|at| at.0).collect(),
            restarts: progress.restarts,
        }
    }

    /// `its_own` is the generation of a file that does not say.
    pub(in crate::state) fn into_ended(self, its_own: Option<Generation>) -> Result<Ended, String> {
        known(self.version)?;
        let next = match (self.next_at, self.gave_up) {
            (Some(at), _) => Next::Again { at: EpochMs(at) },
            (None, Some(why)) => Next::GaveUp { why },
            (None, None) => Next::Over,
        };
        Ok(Ended {
            generation: generation(self.generation)?.or(its_own).ok_or("no generation")?,
            exit: exit_record(self.code, self.signal, &self.cause, self.at)?,
            refusal: self.refusal,
            next,
            progress: Progress {
                failures_in_row: self.failures_in_row,
                recent_starts: self.recent_starts.into_iter().map(EpochMs).collect(),
                restarts: self.restarts,
                next_at: self.next_at.map(EpochMs),
                ..Progress::default()
            },
        })
    }
}

/// `at-rest.json`: the record of a service without a process.
#[derive(Serialize)]
pub(in crate::state) struct AtRestFile<'a> {
    version: u64,
    record: RecordJson<'a>,
}

impl<'a> AtRestFile<'a> {
    pub(in crate::state) fn new(record: RecordJson<'a>) -> Self {
        Self { version: VERSION, record }
    }
}

/// The same as it is read.
#[derive(Deserialize)]
pub(in crate::state) struct AtRestRecord {
    version: u64,
    record: Plain,
}

impl AtRestRecord {
    pub(in crate::state) fn into_record(self) -> Result<Record, String> {
        known(self.version)?;
        record_from_json(self.record.0)
    }
}

/// Whether the format is the one that we know.
fn known(version: u64) -> Result<(), String> {
    if version == VERSION { Ok(()) } else { Err(format!("format version {version}; this program knows {VERSION}")) }
}
