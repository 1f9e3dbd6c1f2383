//! The smaller objects inside a record, each with its mirror type.

use std::fmt;
use std::time::Duration;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::object::{Unknown, object, required};
use crate::base::clock::EpochMs;
use crate::base::ids::Generation;
use crate::service::{
    Claim, EnvVars, Exit, ExitCause, ExitRecord, FAILURE_THRESHOLD, Healthcheck, Identity, OnUnhealthy, Previous,
    Probe, Process,
};

/// What a legacy healthcheck that does not say its times means: the defaults of the sidecar.
const INTERVAL_S: f64 = 1.0;
const TIMEOUT_S: f64 = 60.0;

/// An environment: an object of strings whose order is kept.
pub(super) struct Env(pub(super) EnvVars);

impl<'de> Deserialize<'de> for Env {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Env;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Env, A::Error> {
                let mut pairs: EnvVars = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, String>()? {
                    if pairs.iter().any(|(there, _)| *there == key) {
                        return Err(A::Error::custom(format!("the key `{key}` stands twice")));
                    }
                    pairs.push((key, value));
                }
                Ok(Env(pairs))
            }
        }
        from.deserialize_map(Pairs)
    }
}

/// A process id: positive, and small enough for the system's type. 0 and negative ones mean groups to kill(2), so that
/// they must never come from a file.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Pid(pub(super) u32);

impl<'de> Deserialize<'de> for Pid {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let pid = u32::deserialize(from)?;
        let good = pid > 0 && i32::try_from(pid).is_ok();
        if good { Ok(Self(pid)) } else { Err(D::Error::custom(format_args!("{pid} is no process id"))) }
    }
}

/// An identity from its values; the first two are named by their keys, the last two are where they count.
fn identity(
    pid_key: &str,
    pid: Option<Pid>,
    ticks_key: &str,
    start_ticks: Option<u64>,
    (boot_id, pid_namespace): (String, Option<u64>),
) -> Result<Identity, String> {
    let (pid, start_ticks) = (required(pid, pid_key)?.0, required(start_ticks, ticks_key)?);
    Ok(Identity { pid, start_ticks, boot_id, pid_namespace })
}

/// The same, borrowed, for writing.
pub(super) struct EnvRef<'a>(pub(super) &'a EnvVars);

impl Serialize for EnvRef<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

/// Seconds: a whole number is written as one.
struct Seconds(f64);

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match Duration::try_from_secs_f64(self.0) {
            Ok(whole) if self.0.fract() == 0.0 => to.serialize_u64(whole.as_secs()),
            Ok(_) | Err(_) => to.serialize_f64(self.0),
        }
    }
}

object! {
    /// A healthcheck of either type.
    HealthcheckIn {
        kind "type": String,
        url "url": String,
        expect_status "expect_status": u16,
        cmd "cmd": String,
        args "args": Vec<String>,
        shell "shell": bool,
        expect_regex "expect_regex": String,
        interval_s "interval_s": f64,
        timeout_s "timeout_s": f64,
        failure_threshold "failure_threshold": u32,
        on_unhealthy "on_unhealthy": String,
    }
}

impl HealthcheckIn {
    pub(super) fn into_parts(self) -> Result<(Healthcheck, Unknown), String> {
        let probe = match required(self.kind, "type")?.as_str() {
            "http" => Probe::Http {
                url: required(self.url, "url")?,
                expect_status: required(self.expect_status, "expect_status")?,
            },
            "command" => Probe::Command {
                cmd: required(self.cmd, "cmd")?,
                args: self.args,
                shell: self.shell.unwrap_or(false),
                expect_regex: required(self.expect_regex, "expect_regex")?,
            },
            other => return Err(format!("`{}` is no type of probe", other.escape_debug())),
        };
        let on_unhealthy = self.on_unhealthy.map_or(Ok(OnUnhealthy::default()), |word| {
            OnUnhealthy::parse(&word)
                .ok_or_else(|| format!("`on_unhealthy`: `{}` is no such word", word.escape_debug()))
        });
        let check = Healthcheck {
            interval_s: self.interval_s.unwrap_or(INTERVAL_S),
            timeout_s: self.timeout_s.unwrap_or(TIMEOUT_S),
            probe,
            failure_threshold: self.failure_threshold.unwrap_or(FAILURE_THRESHOLD),
            on_unhealthy: on_unhealthy?,
        };
        Ok((check, self.unknown))
    }
}

pub(super) struct HealthcheckOut<'a>(pub(super) &'a Healthcheck, pub(super) Option<&'a Value>);

impl Serialize for HealthcheckOut<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        match &self.0.probe {
            Probe::Http { url, expect_status } => {
                map.serialize_entry("type", "http")?;
                map.serialize_entry("url", url)?;
                map.serialize_entry("expect_status", expect_status)?;
            }
            Probe::Command { cmd, args, shell, expect_regex } => {
                map.serialize_entry("type", "command")?;
                map.serialize_entry("cmd", cmd)?;
                if let Some(args) = args {
                    map.serialize_entry("args", args)?;
                }
                map.serialize_entry("shell", shell)?;
                map.serialize_entry("expect_regex", expect_regex)?;
            }
        }
        map.serialize_entry("interval_s", &Seconds(self.0.interval_s))?;
        map.serialize_entry("timeout_s", &Seconds(self.0.timeout_s))?;
        if self.0.failure_threshold != FAILURE_THRESHOLD {
            map.serialize_entry("failure_threshold", &self.0.failure_threshold)?;
        }
        if self.0.on_unhealthy != OnUnhealthy::default() {
            map.serialize_entry("on_unhealthy", self.0.on_unhealthy.word())?;
        }
        rest(map, self.1)
    }
}

object! {
    /// The processes of a generation: the service's pid and start, and its shim's, of one boot.
    ProcessIn {
        pid "pid": Pid,
        start_ticks "start_ticks": u64,
        boot_id "boot_id": String,
        shim_pid "shim_pid": Pid,
        shim_start_ticks "shim_start_ticks": u64,
        pid_namespace "pid_namespace": u64,
    }
}

impl ProcessIn {
    pub(super) fn into_parts(self) -> Result<(Process, Unknown), String> {
        let place = (required(self.boot_id, "boot_id")?, self.pid_namespace);
        let shim = identity("shim_pid", self.shim_pid, "shim_start_ticks", self.shim_start_ticks, place.clone())?;
        let service = identity("pid", self.pid, "start_ticks", self.start_ticks, place)?;
        Ok((Process { service, shim }, self.unknown))
    }
}

pub(super) struct ProcessOut<'a>(pub(super) &'a Process, pub(super) Option<&'a Value>);

impl Serialize for ProcessOut<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Process { service, shim } = self.0;
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("pid", &service.pid)?;
        map.serialize_entry("start_ticks", &service.start_ticks)?;
        map.serialize_entry("boot_id", &service.boot_id)?;
        map.serialize_entry("shim_pid", &shim.pid)?;
        map.serialize_entry("shim_start_ticks", &shim.start_ticks)?;
        if let Some(pid_namespace) = service.pid_namespace {
            map.serialize_entry("pid_namespace", &pid_namespace)?;
        }
        rest(map, self.1)
    }
}

object! {
    /// Who is working on a record.
    ClaimIn {
        pid "pid": Pid,
        start_ticks "start_ticks": u64,
        boot_id "boot_id": String,
        verb "verb": String,
        at "at": i64,
        pid_namespace "pid_namespace": u64,
    }
}

impl ClaimIn {
    pub(super) fn into_parts(self) -> Result<(Claim, Unknown), String> {
        let place = (required(self.boot_id, "boot_id")?, self.pid_namespace);
        let maker = identity("pid", self.pid, "start_ticks", self.start_ticks, place)?;
        let at = EpochMs(required(self.at, "at")?);
        Ok((Claim { maker, verb: required(self.verb, "verb")?, at }, self.unknown))
    }
}

pub(super) struct ClaimOut<'a>(pub(super) &'a Claim, pub(super) Option<&'a Value>);

impl Serialize for ClaimOut<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("pid", &self.0.maker.pid)?;
        map.serialize_entry("start_ticks", &self.0.maker.start_ticks)?;
        map.serialize_entry("boot_id", &self.0.maker.boot_id)?;
        map.serialize_entry("verb", &self.0.verb)?;
        map.serialize_entry("at", &self.0.at.0)?;
        if let Some(pid_namespace) = self.0.maker.pid_namespace {
            map.serialize_entry("pid_namespace", &pid_namespace)?;
        }
        rest(map, self.1)
    }
}

object! {
    /// A generation that must be gone first.
    PreviousIn {
        generation "generation": String,
        process "process": ProcessIn,
        legacy_pid "pid": Pid,
        started_at "started_at": i64,
    }
}

impl PreviousIn {
    pub(super) fn into_parts(self) -> Result<(Previous, Unknown), String> {
        let mut unknown = self.unknown;
        let process = match self.process.map(ProcessIn::into_parts).transpose()? {
            Some((process, more)) => {
                if !more.is_empty() {
                    unknown.insert("process".to_owned(), Value::Object(more));
                }
                Some(process)
            }
            None => None,
        };
        let previous = Previous {
            generation: generation(self.generation)?,
            process,
            legacy_pid: self.legacy_pid.map(|pid| pid.0),
            started_at: self.started_at.map(EpochMs),
        };
        Ok((previous, unknown))
    }
}

pub(super) struct PreviousOut<'a>(pub(super) &'a Previous, pub(super) Option<&'a Value>);

impl Serialize for PreviousOut<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("generation", &self.0.generation.as_ref().map(Generation::as_str))?;
        let more = self.1.and_then(|unknown| unknown.get("process"));
        map.serialize_entry("process", &self.0.process.as_ref().map(|process| ProcessOut(process, more)))?;
        if let Some(pid) = self.0.legacy_pid {
            map.serialize_entry("pid", &pid)?;
        }
        if let Some(at) = self.0.started_at {
            map.serialize_entry("started_at", &at.0)?;
        }
        rest_but(map, self.1, Some("process"))
    }
}

object! {
    /// How a generation ended: `{"code":0,"signal":null,"cause":"own","at":1}`; neither code nor signal: nobody saw it.
    ExitIn {
        code "code": i32,
        signal "signal": i32,
        cause "cause": String,
        at "at": i64,
    }
}

impl ExitIn {
    pub(super) fn into_parts(self) -> Result<(ExitRecord, Unknown), String> {
        let cause = required(self.cause, "cause")?;
        Ok((exit_record(self.code, self.signal, &cause, required(self.at, "at")?)?, self.unknown))
    }
}

/// The exit that those four values tell of.
pub(super) fn exit_record(code: Option<i32>, signal: Option<i32>, cause: &str, at: i64) -> Result<ExitRecord, String> {
    let exit = match (code, signal) {
        (Some(code), None) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Unknown,
        (Some(_), Some(_)) => return Err("an exit has a code or a signal, not both".to_owned()),
    };
    let cause = ExitCause::parse(cause).ok_or_else(|| format!("`{}` is no cause of an exit", cause.escape_debug()))?;
    Ok(ExitRecord { exit, cause, at: EpochMs(at) })
}

/// The code and the signal of an exit, of which at most one is there.
pub(super) fn code_and_signal(exit: Exit) -> (Option<i32>, Option<i32>) {
    match exit {
        Exit::Code(code) => (Some(code), None),
        Exit::Signal(signal) => (None, Some(signal)),
        Exit::Unknown => (None, None),
    }
}

pub(super) struct ExitOut<'a>(pub(super) &'a ExitRecord, pub(super) Option<&'a Value>);

impl Serialize for ExitOut<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let (code, signal) = code_and_signal(self.0.exit);
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("code", &code)?;
        map.serialize_entry("signal", &signal)?;
        map.serialize_entry("cause", self.0.cause.word())?;
        map.serialize_entry("at", &self.0.at.0)?;
        rest(map, self.1)
    }
}

/// A generation that is absent, or one of ours.
pub(super) fn generation(word: Option<String>) -> Result<Option<Generation>, String> {
    word.map(|word| Generation::parse(&word).ok_or_else(|| format!("`{}` is no generation", word.escape_debug())))
        .transpose()
}

/// Ends an object with the keys that this version does not know.
pub(super) fn rest<M: SerializeMap>(map: M, unknown: Option<&Value>) -> Result<M::Ok, M::Error> {
    rest_but(map, unknown, None)
}

/// The same without `inner`, under which stand the unknown keys of an object further in.
fn rest_but<M: SerializeMap>(mut map: M, unknown: Option<&Value>, inner: Option<&str>) -> Result<M::Ok, M::Error> {
    let keys = unknown.and_then(Value::as_object).into_iter().flatten();
    for (key, value) in keys.filter(|(key, _)| Some(key.as_str()) != inner) {
        map.serialize_entry(key, value)?;
    }
    map.end()
}
