//! JSON to records and documents: in one pass while all is well, entry by entry once something is wrong.

use std::fmt;

use serde::de::{DeserializeOwned, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::base::clock::EpochMs;
use crate::base::json::{Plain, PlainObject, from_slice_to_depth};
use crate::service::{Activation, Healthcheck, Lifecycle, Owner, Progress, Proof, Record, Spec, Status, is_kebab_case};
use crate::state::{Carried, DEPTH_MAX, Document, Malformed, VERSION};

use super::Field;
use super::carried::{self, CarriedEvents};
use super::lifecycle::{RestartIn, StopIn, TransitionIn};
use super::object::{Key, Unknown, named, required};
use super::parts::{ClaimIn, Env, ExitIn, HealthcheckIn, Pid, PreviousIn, ProcessIn, generation};

/// What a legacy record that knows neither its TTL nor its end means: the default of `defaultTtlMinutes`.
const TTL_MINUTES: u64 = 240;

/// Why the bytes are no state file.
#[derive(Debug, PartialEq)]
pub(in crate::state) struct Unparsed {
    /// What is wrong, and where.
    pub(in crate::state) why: String,
    /// The version that the file claims, if that much can be read.
    pub(in crate::state) version: Option<u64>,
}

/// Reads the whole file. Entries that are no records come back as malformed; of two of one name the later is.
pub(in crate::state) fn document_from_bytes(bytes: &[u8]) -> Result<Document, Unparsed> {
    if let Ok(whole) = serde_json::from_slice::<Whole>(bytes) {
        let Whole { version, revision, records, carried, unknown } = whole;
        let document = Document { version, revision, records, malformed: Vec::new(), carried, unknown };
        if document.shared_name().is_none() {
            return Ok(document);
        }
    }
    by_entry(bytes)
}

/// Reads one record.
pub(super) fn record(value: Value) -> Result<Record, serde_json::Error> {
    serde_json::from_value::<OneRecord>(value).map(|one| one.0)
}

/// The slow way, for a file that is not all right.
fn by_entry(bytes: &[u8]) -> Result<Document, Unparsed> {
    let unparsed = |why: String, version| Unparsed { why, version };
    let Plain(value) = from_slice_to_depth(bytes, DEPTH_MAX).map_err(|why| unparsed(why, None))?;
    let Value::Object(mut unknown) = value else {
        return Err(unparsed(format!("it holds {}, not an object", kind_of(&value)), None));
    };
    let version = whole_number(unknown.shift_remove("version"), VERSION)
        .map_err(|why| unparsed(format!("`version` {why}"), None))?;
    let revision = whole_number(unknown.shift_remove("revision"), 0)
        .map_err(|why| unparsed(format!("`revision` {why}"), Some(version)))?;
    // It is about the text alone (`glimpse`), and that is not all right.
    drop(unknown.shift_remove("sum"));
    let entries = match unknown.shift_remove("specs") {
        Some(Value::Array(entries)) => entries,
        Some(other) => return Err(unparsed(format!("`specs` is {}, not an array", kind_of(&other)), Some(version))),
        None => return Err(unparsed("`specs` is missing".to_owned(), Some(version))),
    };
    let (carried, malformed) = carried::by_entry(unknown.shift_remove("seq"), unknown.shift_remove("unjournaled"));
    let mut document = Document { version, revision, records: Vec::new(), malformed, carried, unknown };
    let mut names = std::collections::HashSet::new();
    for (at, value) in entries.into_iter().enumerate() {
        let why = match record(value.clone()) {
            Ok(record) if names.insert(record.name.clone()) => {
                document.records.push(record);
                continue;
            }
            Ok(record) => format!("the name `{}` stands twice", record.name),
            Err(error) => error.to_string(),
        };
        document.malformed.push(Malformed { pointer: format!("/specs/{at}"), why, value });
    }
    Ok(document)
}

fn whole_number(value: Option<Value>, absent: u64) -> Result<u64, String> {
    match value {
        None | Some(Value::Null) => Ok(absent),
        Some(value) => value.as_u64().ok_or_else(|| format!("is {}, not a whole number", kind_of(&value))),
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// A file in which every entry is a record.
struct Whole {
    version: u64,
    revision: u64,
    records: Vec<Record>,
    carried: Carried,
    unknown: Unknown,
}

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Whole;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Whole, A::Error> {
                let (mut version, mut revision, mut specs, mut unknown) = (None, None, None, Map::new());
                let (mut seq, mut events) = (None, CarriedEvents::default());
                while let Some(key) = map.next_key::<Key<'de>>()? {
                    match key.0.as_ref() {
                        "version" => version = map.next_value::<Option<u64>>()?,
                        "revision" => revision = map.next_value::<Option<u64>>()?,
                        "specs" => specs = Some(map.next_value::<Vec<OneRecord>>()?),
                        "seq" => seq = map.next_value::<Option<u64>>()?,
                        "unjournaled" => events = map.next_value()?,
                        "sum" => drop(map.next_value::<IgnoredAny>()?),
                        _ => drop(unknown.insert(key.0.into_owned(), map.next_value::<Plain>()?.0)),
                    }
                }
                let records = specs.ok_or_else(|| A::Error::missing_field("specs"))?;
                Ok(Whole {
                    version: version.unwrap_or(VERSION),
                    revision: revision.unwrap_or(0),
                    records: records.into_iter().map(|one| one.0).collect(),
                    carried: carried::of(seq.unwrap_or(0), events).map_err(A::Error::custom)?,
                    unknown,
                })
            }
        }
        from.deserialize_map(Keys)
    }
}

/// A record, read by the table of fields.
struct OneRecord(Record);

impl<'de> Deserialize<'de> for OneRecord {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = OneRecord;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a record (an object)")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<OneRecord, A::Error> {
                let mut draft = Draft::default();
                while let Some(key) = map.next_key::<Key<'de>>()? {
                    match Field::parse(&key.0) {
                        Some(field) => draft.take(field, &mut map)?,
                        None => drop(draft.unknown.insert(key.0.into_owned(), map.next_value::<Plain>()?.0)),
                    }
                }
                draft.finish().map(OneRecord).map_err(A::Error::custom)
            }
        }
        from.deserialize_map(Fields)
    }
}

/// A record under way: what must be there is an `Option`, all else has the meaning of absence as its default.
#[derive(Default)]
struct Draft {
    name: Option<String>,
    declared_name: Option<String>,
    cmd: Option<String>,
    args: Vec<String>,
    cwd: String,
    env: Option<Env>,
    ports: Vec<u16>,
    attrs: Map<String, Value>,
    healthcheck: Option<Healthcheck>,
    ttl_minutes: Option<u64>,
    owner: Owner,
    worktree: Option<String>,
    generation: Option<crate::base::ids::Generation>,
    spec_hash: String,
    status: Option<Status>,
    healthy: bool,
    alive: bool,
    pid: Option<u32>,
    process: Option<crate::service::Process>,
    started_at: Option<i64>,
    ttl_expires_at: Option<i64>,
    last_health_at: Option<i64>,
    health_proof: Option<Proof>,
    log_path: String,
    run_id: Option<String>,
    resolved_cmd: String,
    passed_env: Option<Env>,
    claim: Option<crate::service::Claim>,
    previous: Option<crate::service::Previous>,
    last_exit: Option<crate::service::ExitRecord>,
    lifecycle: Lifecycle,
    progress: Progress,
    unknown: Unknown,
}

impl Draft {
    /// Takes the value of `field`; null counts as absent everywhere.
    fn take<'de, A: MapAccess<'de>>(&mut self, field: Field, map: &mut A) -> Result<(), A::Error> {
        match field {
            Field::Name => self.name = value(field, map)?,
            Field::Pid => self.pid = value::<A, Pid>(field, map)?.map(|pid| pid.0),
            Field::OwnerAgent => self.owner.agent = or_empty(field, map)?,
            Field::OwnerWi => self.owner.work_item = or_empty(field, map)?,
            Field::OwnerProject => self.owner.project = or_empty(field, map)?,
            Field::Cmd => self.cmd = value(field, map)?,
            Field::Args => self.args = or_empty(field, map)?,
            Field::Cwd => self.cwd = or_empty(field, map)?,
            Field::Env => self.env = value(field, map)?,
            Field::Ports => self.ports = or_empty(field, map)?,
            Field::Attrs => self.attrs = or_empty::<A, PlainObject>(field, map)?.0,
            Field::Healthcheck => {
                self.healthcheck = self.part(field, map, HealthcheckIn::into_parts)?;
            }
            Field::StartedAt => self.started_at = value(field, map)?,
            Field::TtlExpiresAt => self.ttl_expires_at = value(field, map)?,
            Field::LastHealthAt => self.last_health_at = value(field, map)?,
            Field::Healthy => self.healthy = or_empty(field, map)?,
            Field::Alive => self.alive = or_empty(field, map)?,
            Field::LogPath => self.log_path = or_empty(field, map)?,
            Field::DeclaredName => self.declared_name = value(field, map)?,
            Field::Worktree => self.worktree = value(field, map)?,
            Field::Generation => self.generation = of_field(field, generation(value(field, map)?))?,
            Field::SpecHash => self.spec_hash = or_empty(field, map)?,
            Field::TtlMinutes => self.ttl_minutes = value(field, map)?,
            Field::Status => self.status = word(field, map, Status::parse)?,
            Field::RunId => self.run_id = value(field, map)?,
            Field::Process => self.process = self.part(field, map, ProcessIn::into_parts)?,
            Field::ResolvedCmd => self.resolved_cmd = or_empty(field, map)?,
            Field::PassedEnv => self.passed_env = value(field, map)?,
            Field::HealthProof => self.health_proof = word(field, map, Proof::parse)?,
            Field::Claim => self.claim = self.part(field, map, ClaimIn::into_parts)?,
            Field::Previous => self.previous = self.part(field, map, PreviousIn::into_parts)?,
            Field::LastExit => self.last_exit = self.part(field, map, ExitIn::into_parts)?,
            Field::DependsOn => self.lifecycle.depends_on = or_empty(field, map)?,
            Field::Restart => self.lifecycle.restart = self.part(field, map, RestartIn::into_parts)?,
            Field::Activation => {
                self.lifecycle.activation = word(field, map, Activation::parse)?.unwrap_or_default();
            }
            Field::IdleStopS => self.lifecycle.idle_stop_s = value(field, map)?,
            Field::Stop => self.lifecycle.stop = self.part(field, map, StopIn::into_parts)?.unwrap_or_default(),
            Field::FailuresInRow => self.progress.failures_in_row = or_empty(field, map)?,
            Field::RecentStarts => {
                self.progress.recent_starts = or_empty::<A, Vec<i64>>(field, map)?.into_iter().map(EpochMs).collect();
            }
            Field::Restarts => self.progress.restarts = or_empty(field, map)?,
            Field::NextAt => self.progress.next_at = moment(field, map)?,
            Field::UnhealthyInRow => self.progress.unhealthy_in_row = or_empty(field, map)?,
            Field::LastUsedAt => self.progress.last_used_at = moment(field, map)?,
            Field::UpdatedAt => self.progress.updated_at = moment(field, map)?,
            Field::LastTransition => {
                self.progress.last_transition = self.part(field, map, TransitionIn::into_parts)?;
            }
        }
        Ok(())
    }

    /// An object inside the record; keys that it has beyond the known ones are kept under its own key.
    fn part<'de, A: MapAccess<'de>, W: DeserializeOwned, T>(
        &mut self,
        field: Field,
        map: &mut A,
        into_parts: impl FnOnce(W) -> Result<(T, Unknown), String>,
    ) -> Result<Option<T>, A::Error> {
        // Of a key that stands twice the last value counts, and with it what is kept of that.
        self.unknown.shift_remove(field.word());
        let Some(wire) = value::<A, W>(field, map)? else { return Ok(None) };
        let (part, unknown) = of_field(field, into_parts(wire))?;
        if !unknown.is_empty() {
            self.unknown.insert(field.word().to_owned(), Value::Object(unknown));
        }
        Ok(Some(part))
    }

    fn finish(self) -> Result<Record, String> {
        let name = required(self.name, Field::Name.word())?;
        // Names become parts of paths: nothing but kebab-case may pass.
        if !is_kebab_case(&name) {
            return Err(format!("the name `{}` is not kebab-case", name.escape_debug()));
        }
        let ttl_minutes = self.ttl_minutes.unwrap_or_else(|| match (self.started_at, self.ttl_expires_at) {
            (Some(start), Some(end)) if end > start => {
                u64::try_from(end.saturating_sub(start) / 60_000).unwrap_or(0).max(1)
            }
            _ => TTL_MINUTES,
        });
        let cmd = required(self.cmd, Field::Cmd.word())?;
        let spec = Spec {
            name: self.declared_name.unwrap_or_else(|| name.clone()),
            args: self.args,
            cwd: self.cwd,
            env: self.env.map_or_else(Vec::new, |env| env.0),
            ports: self.ports,
            ttl_minutes,
            attrs: self.attrs,
            healthcheck: required(self.healthcheck, Field::Healthcheck.word())?,
            lifecycle: self.lifecycle,
            cmd,
        };
        Ok(Record {
            name,
            spec,
            owner: self.owner,
            worktree: self.worktree,
            generation: self.generation,
            spec_hash: self.spec_hash,
            // A predecessor's record knows no status: what it recorded was running.
            status: self.status.unwrap_or(Status::Running),
            healthy: self.healthy,
            alive: self.alive,
            pid: self.pid,
            process: self.process,
            started_at: self.started_at.map(EpochMs),
            ttl_expires_at: self.ttl_expires_at.map(EpochMs),
            last_health_at: self.last_health_at.map(EpochMs),
            health_proof: self.health_proof,
            log_path: self.log_path,
            run_id: self.run_id,
            resolved_cmd: self.resolved_cmd,
            passed_env: self.passed_env.map_or_else(Vec::new, |env| env.0),
            claim: self.claim,
            previous: self.previous,
            last_exit: self.last_exit,
            progress: self.progress,
            unknown: self.unknown,
        })
    }
}

/// The value of `field`, or `None` for null. Errors name the field.
fn value<'de, A: MapAccess<'de>, T: Deserialize<'de>>(field: Field, map: &mut A) -> Result<Option<T>, A::Error> {
    named(field.word(), map.next_value::<Option<T>>())
}

fn or_empty<'de, A: MapAccess<'de>, T: Deserialize<'de> + Default>(field: Field, map: &mut A) -> Result<T, A::Error> {
    value(field, map).map(Option::unwrap_or_default)
}

fn moment<'de, A: MapAccess<'de>>(field: Field, map: &mut A) -> Result<Option<EpochMs>, A::Error> {
    Ok(value::<A, i64>(field, map)?.map(EpochMs))
}

fn word<'de, A: MapAccess<'de>, T>(
    field: Field,
    map: &mut A,
    parse: fn(&str) -> Option<T>,
) -> Result<Option<T>, A::Error> {
    let Some(word) = value::<A, String>(field, map)? else { return Ok(None) };
    let known = parse(&word).ok_or_else(|| format!("`{}` is no such word", word.escape_debug()));
    of_field(field, known.map(Some))
}

/// The same result, its error with the field's key in front.
fn of_field<T, E: serde::de::Error>(field: Field, made: Result<T, String>) -> Result<T, E> {
    named(field.word(), made.map_err(E::custom))
}
