//! Records and documents to JSON, streamed: no tree of values is built.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::base::clock::EpochMs;
use crate::base::ids::Generation;
use crate::service::{Lifecycle, Progress, Proof, lifecycle_json};
use crate::state::{Carried, Document, Malformed, etag};

use super::glimpse::{SUM_END, SUM_OPENING};
use super::lifecycle::{Declared, TransitionOut};
use super::parts::{ClaimOut, EnvRef, ExitOut, HealthcheckOut, PreviousOut, ProcessOut};
use super::{Field, RecordJson};

/// A guess at a record's bytes, so that the buffer grows seldom.
const RECORD_BYTES: usize = 1400;

/// The whole file: a record on each line, and at the end the sum of all before it, by which `glimpse` knows the text as
/// ours. Ends with a line break, so that it is a text file.
pub(in crate::state) fn document_to_bytes(document: &Document) -> Vec<u8> {
    let Document { version, revision, records, malformed: _, carried, unknown } = document;
    let mut bytes = Vec::with_capacity(records.len() * RECORD_BYTES + 256);
    bytes.extend_from_slice(format!(r#"{{"version":{version},"revision":{revision},"specs":["#).as_bytes());
    for (at, record) in records.iter().enumerate() {
        bytes.extend_from_slice(if at == 0 { b"\n" } else { b",\n" });
        push(&mut bytes, &RecordJson(record));
    }
    bytes.extend_from_slice(if records.is_empty() { b"]" } else { b"\n]" });
    push_carried(&mut bytes, carried);
    for (key, value) in unknown {
        bytes.push(b',');
        push(&mut bytes, key);
        bytes.push(b':');
        push(&mut bytes, value);
    }
    let sum = etag::sum(&bytes);
    bytes.extend_from_slice([SUM_OPENING, &sum, SUM_END].concat().as_bytes());
    bytes
}

/// `,"seq":7,"unjournaled":[…]`, an event on each line; nothing where there was no event yet. The closing bracket stands on the
/// last event's line: one on a line of its own ends the records, for `glimpse`.
fn push_carried(bytes: &mut Vec<u8>, carried: &Carried) {
    if carried.seq == 0 {
        return;
    }
    bytes.extend_from_slice(format!(r#","seq":{},"unjournaled":["#, carried.seq).as_bytes());
    for (at, event) in carried.events.iter().enumerate() {
        bytes.extend_from_slice(if at == 0 { b"\n" } else { b",\n" });
        bytes.extend_from_slice(event.json.as_bytes());
    }
    bytes.push(b']');
}

fn push<T: Serialize + ?Sized>(bytes: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(bytes, value).expect("memory takes every byte, and keys are strings");
}

/// Entries that were set aside: an array of `{"pointer":"/specs/3","why":"…","value":…}`.
pub(in crate::state) fn malformed_to_bytes(malformed: &[Malformed]) -> Vec<u8> {
    let entries: Vec<Value> = malformed
        .iter()
        .map(|Malformed { pointer, why, value }| serde_json::json!({"pointer": pointer, "why": why, "value": value}))
        .collect();
    let mut bytes = Value::Array(entries).to_string().into_bytes();
    bytes.push(b'\n');
    bytes
}

impl Serialize for RecordJson<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let record = self.0;
        let mut map = Keys { map: to.serialize_map(None)?, unknown: &record.unknown };
        map.put(Field::Name, &record.name)?;
        map.put(Field::Pid, &record.pid)?;
        map.put(Field::OwnerAgent, &record.owner.agent)?;
        map.put(Field::OwnerWi, &record.owner.work_item)?;
        map.put(Field::OwnerProject, &record.owner.project)?;
        map.put(Field::Cmd, &record.spec.cmd)?;
        map.put(Field::Args, &record.spec.args)?;
        map.put(Field::Cwd, &record.spec.cwd)?;
        map.put(Field::Env, &EnvRef(&record.spec.env))?;
        map.put(Field::Ports, &record.spec.ports)?;
        map.put(Field::Attrs, &record.spec.attrs)?;
        map.put(Field::Healthcheck, &HealthcheckOut(&record.spec.healthcheck, map.more(Field::Healthcheck)))?;
        map.put(Field::StartedAt, &millis(record.started_at))?;
        map.put(Field::TtlExpiresAt, &millis(record.ttl_expires_at))?;
        map.put(Field::LastHealthAt, &millis(record.last_health_at))?;
        map.put(Field::Healthy, &record.healthy)?;
        map.put(Field::Alive, &record.alive)?;
        map.put(Field::LogPath, &record.log_path)?;
        map.put(Field::DeclaredName, &record.spec.name)?;
        map.put(Field::Worktree, &record.worktree)?;
        map.put(Field::Generation, &record.generation.as_ref().map(Generation::as_str))?;
        map.put(Field::SpecHash, &record.spec_hash)?;
        map.put(Field::TtlMinutes, &record.spec.ttl_minutes)?;
        map.put(Field::Status, record.status.word())?;
        map.put(Field::RunId, &record.run_id)?;
        let more = map.more(Field::Process);
        map.put(Field::Process, &record.process.as_ref().map(|process| ProcessOut(process, more)))?;
        map.put(Field::ResolvedCmd, &record.resolved_cmd)?;
        map.put(Field::PassedEnv, &EnvRef(&record.passed_env))?;
        map.put(Field::HealthProof, &record.health_proof.map(Proof::word))?;
        let more = map.more(Field::Claim);
        map.put(Field::Claim, &record.claim.as_ref().map(|claim| ClaimOut(claim, more)))?;
        let more = map.more(Field::Previous);
        map.put(Field::Previous, &record.previous.as_ref().map(|previous| PreviousOut(previous, more)))?;
        let more = map.more(Field::LastExit);
        map.put(Field::LastExit, &record.last_exit.as_ref().map(|exit| ExitOut(exit, more)))?;
        map.put_lifecycle(&record.spec.lifecycle)?;
        map.put_progress(&record.progress)?;
        map.end()
    }
}

fn millis(at: Option<EpochMs>) -> Option<i64> {
    at.map(|at| at.0)
}

/// An object under way, and the unknown keys of its record. Those under a known key belong into that key's object.
struct Keys<'a, M> {
    map: M,
    unknown: &'a Map<String, Value>,
}

impl<'a, M: SerializeMap> Keys<'a, M> {
    fn put<T: Serialize + ?Sized>(&mut self, field: Field, value: &T) -> Result<(), M::Error> {
        self.map.serialize_entry(field.word(), value)
    }

    /// What was declared, as far as it says anything.
    fn put_lifecycle(&mut self, lifecycle: &Lifecycle) -> Result<(), M::Error> {
        let declared = lifecycle_json(lifecycle);
        for field in [Field::DependsOn, Field::Restart, Field::Activation, Field::IdleStopS, Field::Stop] {
            match (declared.get(field.word()), self.more(field)) {
                (Some(value), more) => self.put(field, &Declared(value, more))?,
                (None, Some(more)) => self.put(field, more)?,
                (None, None) => {}
            }
        }
        Ok(())
    }

    /// What has become of the service, as far as anything has.
    fn put_progress(&mut self, progress: &Progress) -> Result<(), M::Error> {
        self.put_some(Field::FailuresInRow, (progress.failures_in_row > 0).then_some(progress.failures_in_row))?;
        let starts: Vec<i64> = progress.recent_starts.iter().map(|at| at.0).collect();
        self.put_some(Field::RecentStarts, (!starts.is_empty()).then_some(starts))?;
        self.put_some(Field::Restarts, (progress.restarts > 0).then_some(progress.restarts))?;
        self.put_some(Field::NextAt, millis(progress.next_at))?;
        self.put_some(Field::UnhealthyInRow, (progress.unhealthy_in_row > 0).then_some(progress.unhealthy_in_row))?;
        self.put_some(Field::LastUsedAt, millis(progress.last_used_at))?;
        self.put_some(Field::UpdatedAt, millis(progress.updated_at))?;
        let more = self.more(Field::LastTransition);
        let last = progress.last_transition.as_ref().map(|transition| TransitionOut(transition, more));
        self.put_some(Field::LastTransition, last)
    }

    fn put_some<T: Serialize>(&mut self, field: Field, value: Option<T>) -> Result<(), M::Error> {
        value.map_or(Ok(()), |value| self.put(field, &value))
    }

    fn more(&self, field: Field) -> Option<&'a Value> {
        if self.unknown.is_empty() { None } else { self.unknown.get(field.word()) }
    }

    fn end(mut self) -> Result<M::Ok, M::Error> {
        for (key, value) in self.unknown.iter().filter(|(key, _)| Field::parse(key).is_none()) {
            self.map.serialize_entry(key, value)?;
        }
        self.map.end()
    }
}
