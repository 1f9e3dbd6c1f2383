//! A run as JSON: its file, and an item of `runs` (contract section 9).

use serde_json::{Map, Value, json};

use crate::base::clock::EpochMs;
use crate::base::json::PlainObject;
use crate::lifecycle::runs::RunStatus;

use super::run::{Mark, Run, SpecReport, is_id};
use super::words::{FailureClass, Outcome, SpecAction};

/// The run as an object, its unknown keys last.
pub fn run_to_json(run: &Run) -> Value {
    let mut object = Map::new();
    let mut put = |key: &str, value: Value| drop(object.insert(key.to_owned(), value));
    put("id", json!(run.id));
    put("status", json!(run.status.word()));
    put("outcome", json!(run.outcome.map(Outcome::word)));
    put("failure_kind", json!(run.failure_kind.map(FailureClass::word)));
    put("failure_message", json!(run.failure_message));
    put("agent", json!(run.agent));
    put("project", json!(run.project));
    put("work_item", json!(run.work_item));
    put("idempotency_key", json!(run.idempotency_key));
    put("payload_hash", json!(run.payload_hash));
    put("text_hash", json!(run.sidecar.as_ref().map(|mark| &mark.text_hash)));
    put("written_at", json!(run.sidecar.as_ref().map(|mark| mark.written_at.0)));
    put("created_at", json!(run.created_at.0));
    put("updated_at", json!(run.updated_at.0));
    put("specs", run.specs.iter().map(spec_to_json).collect());
    object.extend(run.unknown.clone());
    Value::Object(object)
}

/// What became of one spec, as an object.
pub fn spec_to_json(spec: &SpecReport) -> Value {
    json!({
        "name": spec.name,
        "declared_name": spec.declared_name,
        "action": spec.action.word(),
        "why": spec.why,
        "pid": spec.pid,
        "healthy": spec.healthy,
        "error": spec.error,
        "log_path": spec.log_path,
        "log_tail": spec.log_tail,
        "failure": spec.failure.map(FailureClass::word),
    })
}

/// Reads a run; the error says what is wrong with it.
pub fn run_from_json(bytes: &[u8]) -> Result<Run, String> {
    let PlainObject(mut object) = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let mut fields = Fields { object: &mut object };
    let run = Run {
        id: fields.text("id").filter(|id| is_id(id)).ok_or("its `id` is none")?,
        status: fields.word("status", RunStatus::parse)?.ok_or("it has no `status`")?,
        outcome: fields.word("outcome", Outcome::parse)?,
        failure_kind: fields.word("failure_kind", FailureClass::parse)?,
        failure_message: fields.text("failure_message"),
        agent: fields.text("agent").ok_or("its `agent` is none")?,
        project: fields.text("project").unwrap_or_default(),
        work_item: fields.text("work_item").unwrap_or_default(),
        idempotency_key: fields.text("idempotency_key"),
        payload_hash: fields.text("payload_hash").unwrap_or_default(),
        sidecar: match (fields.text("text_hash"), fields.time("written_at")) {
            (Some(text_hash), Some(written_at)) => Some(Mark { text_hash, written_at }),
            (_, _) => None,
        },
        created_at: fields.time("created_at").ok_or("its `created_at` is no time")?,
        updated_at: fields.time("updated_at").ok_or("its `updated_at` is no time")?,
        specs: fields.specs()?,
        unknown: Map::new(),
    };
    Ok(Run { unknown: object, ..run })
}

/// The fields of a file, each taken out as it is read: what stays is unknown.
struct Fields<'a> {
    object: &'a mut Map<String, Value>,
}

impl Fields<'_> {
    fn text(&mut self, key: &str) -> Option<String> {
        match self.object.shift_remove(key) {
            Some(Value::String(text)) => Some(text),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) | None => None,
        }
    }

    fn time(&mut self, key: &str) -> Option<EpochMs> {
        self.object.shift_remove(key)?.as_i64().map(EpochMs)
    }

    fn word<T>(&mut self, key: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>, String> {
        let unknown =
            |word: &str| format!("its `{key}` is `{}`, which this version does not know", word.escape_debug());
        self.text(key).map(|word| parse(&word).ok_or_else(|| unknown(&word))).transpose()
    }

    fn specs(&mut self) -> Result<Vec<SpecReport>, String> {
        let specs = self.object.shift_remove("specs").unwrap_or_default();
        let specs = specs.as_array().ok_or("its `specs` are no list")?;
        specs.iter().map(|spec| spec_of(spec).ok_or_else(|| "one of its `specs` is none".to_owned())).collect()
    }
}

fn spec_of(spec: &Value) -> Option<SpecReport> {
    let text = |key: &str| spec[key].as_str().map(str::to_owned);
    Some(SpecReport {
        name: text("name")?,
        declared_name: text("declared_name")?,
        action: SpecAction::parse(spec["action"].as_str()?)?,
        why: text("why")?,
        pid: spec["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()),
        healthy: spec["healthy"].as_bool(),
        error: text("error"),
        log_path: text("log_path")?,
        log_tail: spec["log_tail"].as_array()?.iter().filter_map(|line| line.as_str().map(str::to_owned)).collect(),
        failure: spec["failure"].as_str().and_then(FailureClass::parse),
    })
}

#[cfg(test)]
mod tests {
    use super::super::run::sample;
    use super::*;

    #[test]
    fn a_run_is_read_back_as_written_with_what_nobody_here_knows() {
        let mut run = sample::run(1);
        run.specs.push(SpecReport {
            name: "web".into(),
            declared_name: "web".into(),
            action: SpecAction::Spawned,
            why: "it is new".into(),
            pid: Some(7),
            healthy: Some(false),
            error: Some("no".into()),
            log_path: "/x".into(),
            log_tail: vec!["a".into()],
            failure: Some(FailureClass::Healthcheck),
        });
        run.unknown.insert("$serde_json::private::RawValue".into(), json!("[1]"));
        let text = run_to_json(&run).to_string();
        assert_eq!(run_from_json(text.as_bytes()).unwrap(), run);
    }

    #[test]
    fn runs_of_before_are_read_and_what_is_none_is_said() {
        let text = run_to_json(&sample::run(1)).to_string();
        let mut object: Value = serde_json::from_str(&text).unwrap();
        for key in ["text_hash", "written_at", "outcome", "project", "work_item", "idempotency_key"] {
            object.as_object_mut().unwrap().remove(key);
        }
        assert_eq!(run_from_json(object.to_string().as_bytes()).unwrap().sidecar, None);
        let check = |key: &str, value: Value, part: &str| {
            let mut bad = object.clone();
            bad[key] = value;
            let why = run_from_json(bad.to_string().as_bytes()).unwrap_err();
            assert!(why.contains(part), "{why}");
        };
        check("id", json!("../x"), "`id`");
        check("status", json!("started"), "`started`");
        check("status", json!(1), "no `status`");
        check("specs", json!([{}]), "specs");
        check("created_at", json!("now"), "created_at");
        assert!(run_from_json(b"[]").is_err());
        assert!(run_from_json(b"").is_err());
    }
}
