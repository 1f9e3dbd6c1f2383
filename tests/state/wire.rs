//! Records to JSON and back.

use minions_managed::service::{Healthcheck, Lifecycle, Probe, Progress, Record, healthcheck_json, spec_json};
use minions_managed::state::{RecordJson, etag, etag_shown, record_from_json, record_to_json};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::samples::record;

#[test]
fn record_with_every_field_comes_back_as_it_was() {
    let record = record("web");
    let json = Value::Object(record_to_json(&record));
    assert_eq!(record_from_json(json).unwrap(), record);
}

#[test]
fn unknown_keys_of_inner_objects_are_kept() {
    let mut json = Value::Object(record_to_json(&record("web")));
    for inner in ["healthcheck", "process", "claim", "previous", "last_exit", "restart", "stop", "last_transition"] {
        json[inner]["from_tomorrow"] = json!([1]);
    }
    json["previous"]["process"]["from_tomorrow"] = json!({});
    let again = |json: &Value| Value::Object(record_to_json(&record_from_json(json.clone()).unwrap()));
    assert_eq!(again(&json), json);
    // Also where nothing else stands in the object.
    json["stop"] = json!({"from_tomorrow": 1});
    assert_eq!(again(&json), json);
}

#[test]
fn lifecycle_keys_are_absent_where_they_say_nothing() {
    let mut record = record("web");
    let keys = |record: &Record| record_to_json(record).keys().cloned().collect::<Vec<_>>();
    let all = keys(&record);
    (record.spec.lifecycle, record.progress) = (Lifecycle::default(), Progress::default());
    record.spec.healthcheck = Healthcheck::of(record.spec.healthcheck.probe);
    let few = keys(&record);
    let more: Vec<&String> = all.iter().filter(|key| !few.contains(key)).collect();
    assert_eq!(
        more,
        [
            "depends_on",
            "restart",
            "activation",
            "idle_stop_s",
            "stop",
            "failures_in_row",
            "recent_starts",
            "restarts",
            "next_at",
            "unhealthy_in_row",
            "last_used_at",
            "updated_at",
            "last_transition",
        ]
    );
    assert_eq!(record_to_json(&record)["healthcheck"].as_object().unwrap().len(), 5, "as ever");
    // Null says as little.
    let mut json = Value::Object(record_to_json(&record));
    more.iter().for_each(|key| json[key.as_str()] = Value::Null);
    assert_eq!(record_from_json(json).unwrap(), record);
}

#[test]
fn lifecycle_that_makes_no_sense_is_said_by_its_key() {
    let check = |key: &str, value: Value, part: &str| {
        let mut json = Value::Object(record_to_json(&record("web")));
        json[key] = value;
        let why = record_from_json(json).unwrap_err();
        assert!(why.starts_with(&format!("`{key}`: ")) && why.contains(part), "{why}");
    };
    check("restart", json!({}), "`policy` is missing");
    check("restart", json!({"policy": "often"}), "`often` is no such word");
    check("stop", json!({"signal": "TERM"}), "`TERM` is no such word");
    check("activation", json!("lazily"), "`lazily` is no such word");
    check("last_transition", json!({"at": 1, "to": "up", "input": "x"}), "`up` is no such word");
    check("recent_starts", json!([1.5]), "1.5");
}

#[test]
fn etag_does_not_depend_on_the_order() {
    let (a, b) = (record("a"), record("b"));
    assert_eq!(etag(&[&a, &b]), etag(&[&b, &a]));
    assert_eq!(etag(&[]), "97d170e1550eee4a", "the SHA-1 of []");
    assert_ne!(etag(&[&a]), etag(&[&b]));
}

/// Every leaf of the record's JSON, as a pointer.
fn leaves(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                leaves(value, &format!("{at}/{key}"), found);
            }
        }
        Value::Array(list) if !list.is_empty() => {
            for (index, value) in list.iter().enumerate() {
                leaves(value, &format!("{at}/{index}"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            found.push(at.to_owned());
        }
    }
}

#[test]
fn change_of_any_field_changes_the_etag() {
    let record = record("web");
    let json = Value::Object(record_to_json(&record));
    let before = etag(&[&record]);
    let mut pointers = Vec::new();
    leaves(&json, "", &mut pointers);
    assert!(pointers.len() > 50, "{}", pointers.len());
    for pointer in pointers {
        let mut changed = json.clone();
        let leaf = changed.pointer_mut(&pointer).unwrap();
        // Another value of the same kind, so that the record stays one.
        *leaf = match &*leaf {
            Value::Bool(flag) => json!(!flag),
            Value::Number(number) if number.is_u64() => json!(number.as_u64().unwrap() ^ 1),
            Value::Number(number) => json!(number.as_f64().unwrap() + 1.0),
            Value::String(word) => match (pointer.as_str(), word.as_str()) {
                ("/status" | "/last_transition/from" | "/last_transition/to", _) => json!("failed"),
                ("/restart/policy", _) => json!("always"),
                ("/activation", _) => continue, // the other word is the one that is absent: see the round trip
                ("/healthcheck/on_unhealthy", _) => continue,
                ("/stop/signal", _) => json!("SIGHUP"),
                ("/health_proof", _) => json!("unverified"),
                ("/last_exit/cause", _) => json!("asked"),
                ("/generation", _) => json!("g019a0c0ffee0123456789abd"),
                ("/healthcheck/type", _) => continue, // another type is another object: see the round trip
                _ => json!(format!("{word}x")),
            },
            Value::Null if pointer == "/previous/generation" => json!("g019a0c0ffee0123456789abd"),
            Value::Null if pointer == "/last_exit/code" => continue, // a code beside a signal is no exit
            Value::Null | Value::Array(_) | Value::Object(_) => json!([1]),
        };
        let read = record_from_json(changed).unwrap_or_else(|why| panic!("{pointer}: {why}"));
        assert_ne!(etag(&[&read]), before, "{pointer}");
    }
}

#[test]
fn etag_of_what_is_shown_is_that_of_its_json() {
    let records = ["b", "a", "c"].map(record);
    let shown: Vec<(&str, Value)> =
        records.iter().map(|record| (record.name.as_str(), Value::Object(record_to_json(record)))).collect();
    assert_eq!(etag_shown(&shown), etag(&records.each_ref()));
}

#[test]
fn healthcheck_is_written_as_in_the_normalized_spec() {
    let mut record = record("web");
    for _ in 0..2 {
        let json = Value::Object(record_to_json(&record));
        assert_eq!(json["healthcheck"], healthcheck_json(&record.spec.healthcheck));
        for (key, value) in spec_json(&record.spec).as_object().unwrap() {
            let key = if key == "name" { "declared_name" } else { key };
            assert_eq!(&json[key], value, "{key}");
        }
        record.spec.healthcheck.probe = Probe::Command {
            cmd: "curl".into(),
            args: Some(vec!["-f".into()]),
            shell: false,
            expect_regex: "ok".into(),
        };
    }
}

pub(crate) mod any {
    //! Records of any content.

    use minions_managed::base::clock::EpochMs;
    use minions_managed::base::ids::Generation;
    use minions_managed::service::{
        Activation, Claim, Exit, ExitCause, ExitRecord, Healthcheck, Identity, Lifecycle, OnUnhealthy, Owner, Previous,
        Probe, Process, Progress, Proof, Record, RestartMode, RestartPolicy, Spec, Status, StopPolicy, StopSignal,
        Transition,
    };
    use proptest::collection::{btree_map, vec};
    use proptest::option;
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    fn text() -> impl Strategy<Value = String> {
        proptest::string::string_regex("(?s).{0,12}").unwrap()
    }

    fn texts() -> impl Strategy<Value = Vec<(String, String)>> {
        btree_map(text(), text(), 0..4).prop_map(|map| map.into_iter().collect())
    }

    fn json() -> impl Strategy<Value = Value> {
        let number = any::<f64>().prop_filter("JSON has no infinities", |number| number.is_finite());
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            number.prop_map(Value::from),
            text().prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![vec(inner.clone(), 0..3).prop_map(Value::from), object(inner).prop_map(Value::Object)]
        })
    }

    fn object(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
        btree_map(text(), inner, 0..3).prop_map(|map| map.into_iter().collect())
    }

    fn time() -> impl Strategy<Value = Option<EpochMs>> {
        option::of(any::<i64>().prop_map(EpochMs))
    }

    fn generation() -> impl Strategy<Value = Option<Generation>> {
        option::of("g[0-9a-f]{24}".prop_map(|word| Generation::parse(&word).unwrap()))
    }

    fn pid() -> impl Strategy<Value = u32> {
        1..=0x7fff_ffff_u32
    }

    fn identity() -> impl Strategy<Value = Identity> {
        let place = (text(), option::of(any::<u64>()));
        (pid(), any::<u64>(), place).prop_map(|(pid, start_ticks, (boot_id, pid_namespace))| Identity {
            pid,
            start_ticks,
            boot_id,
            pid_namespace,
        })
    }

    fn process() -> impl Strategy<Value = Process> {
        (identity(), pid(), any::<u64>()).prop_map(|(service, pid, start_ticks)| {
            let shim = Identity { pid, start_ticks, ..service.clone() };
            Process { service, shim }
        })
    }

    fn exit() -> impl Strategy<Value = ExitRecord> {
        let exit =
            prop_oneof![any::<i32>().prop_map(Exit::Code), any::<i32>().prop_map(Exit::Signal), Just(Exit::Unknown)];
        (exit, proptest::sample::select(&ExitCause::ALL), any::<i64>()).prop_map(|(exit, cause, at)| ExitRecord {
            exit,
            cause,
            at: EpochMs(at),
        })
    }

    fn seconds() -> impl Strategy<Value = f64> {
        prop_oneof![(1..3600_u16).prop_map(f64::from), 0.001..3600.0_f64]
    }

    fn healthcheck() -> impl Strategy<Value = Healthcheck> {
        let http = (text(), any::<u16>()).prop_map(|(url, expect_status)| Probe::Http { url, expect_status });
        let command = (text(), option::of(vec(text(), 0..3)), any::<bool>(), text())
            .prop_map(|(cmd, args, shell, expect_regex)| Probe::Command { cmd, args, shell, expect_regex });
        let on_unhealthy = proptest::sample::select(OnUnhealthy::ALL);
        (seconds(), seconds(), prop_oneof![http, command], 1..9_u32, on_unhealthy).prop_map(
            |(interval_s, timeout_s, probe, failure_threshold, on_unhealthy)| Healthcheck {
                interval_s,
                timeout_s,
                probe,
                failure_threshold,
                on_unhealthy,
            },
        )
    }

    prop_compose! {
        fn restart()(
            mode in proptest::sample::select(RestartMode::ALL),
            backoff_s in vec(seconds(), 1..5),
            (reset_after_s, max_restarts, window_s) in (seconds(), any::<u32>(), seconds()),
            success_exit_codes in vec(any::<i32>(), 0..3),
            (jitter, daily, on_update) in any::<(bool, bool, bool)>(),
        ) -> RestartPolicy {
            RestartPolicy {
                mode, backoff_s, reset_after_s, max_restarts, window_s, success_exit_codes, jitter, daily, on_update,
            }
        }
    }

    prop_compose! {
        fn lifecycle()(
            depends_on in vec(text(), 0..3),
            restart in option::of(restart()),
            activation in proptest::sample::select(Activation::ALL),
            idle_stop_s in option::of(seconds()),
            (signal, grace_s) in (option::of(proptest::sample::select(StopSignal::ALL)), option::of(seconds())),
        ) -> Lifecycle {
            Lifecycle { depends_on, restart, activation, idle_stop_s, stop: StopPolicy { signal, grace_s } }
        }
    }

    fn status() -> impl Strategy<Value = Status> {
        proptest::sample::select(&Status::ALL)
    }

    prop_compose! {
        /// Any memory of a service.
        pub(crate) fn progress()(
            (failures_in_row, restarts, unhealthy_in_row) in any::<(u32, u64, u32)>(),
            recent_starts in vec(any::<i64>().prop_map(EpochMs), 0..4),
            (next_at, last_used_at, updated_at) in (time(), time(), time()),
            last in option::of((any::<i64>(), option::of(status()), status(), text(), text())),
        ) -> Progress {
            let last_transition =
                last.map(|(at, from, to, input, why)| Transition { at: EpochMs(at), from, to, input, why });
            Progress {
                failures_in_row, recent_starts, restarts, next_at, unhealthy_in_row, last_used_at, updated_at,
                last_transition,
            }
        }
    }

    prop_compose! {
        fn spec()(
            (name, cmd, args, cwd) in (text(), text(), vec(text(), 0..4), text()),
            (env, ports, ttl_minutes) in (texts(), vec(any::<u16>(), 0..4), any::<u64>()),
            attrs in object(json()),
            (healthcheck, lifecycle) in (healthcheck(), prop_oneof![Just(Lifecycle::default()), lifecycle()]),
        ) -> Spec {
            Spec { name, cmd, args, cwd, env, ports, ttl_minutes, attrs, healthcheck, lifecycle }
        }
    }

    prop_compose! {
        /// A record of any content, with unknown keys. Those begin with an underscore, as no known key does.
        pub(crate) fn record()(
            (name, spec, agent, work_item, project) in ("[a-z0-9]{1,8}(-[a-z0-9]{1,4}){0,2}", spec(), text(), text(), text()),
            (worktree, generation, spec_hash) in (option::of(text()), generation(), text()),
            status in status(),
            (healthy, alive, pid, process) in (any::<bool>(), any::<bool>(), option::of(pid()), option::of(process())),
            (started_at, ttl_expires_at, last_health_at) in (time(), time(), time()),
            health_proof in option::of(proptest::sample::select(&Proof::ALL)),
            (log_path, run_id, resolved_cmd, passed_env) in (text(), option::of(text()), text(), texts()),
            claim in option::of((identity(), text(), any::<i64>())),
            previous in option::of((generation(), option::of(process()), option::of(pid()), time())),
            (last_exit, progress) in (option::of(exit()), progress()),
            unknown in btree_map("_.{0,5}", json(), 0..3),
        ) -> Record {
            Record {
                name, spec, worktree, generation, spec_hash, status, healthy, alive, pid, process, started_at,
                ttl_expires_at, last_health_at, health_proof, log_path, run_id, resolved_cmd, passed_env, last_exit, progress,
                owner: Owner { agent, work_item, project },
                claim: claim.map(|(maker, verb, at)| Claim { maker, verb, at: EpochMs(at) }),
                previous: previous.map(|(generation, process, legacy_pid, started_at)| Previous { generation, process, legacy_pid, started_at }),
                unknown: unknown.into_iter().collect(),
            }
        }
    }
}

proptest! {
    #[test]
    fn any_record_comes_back_as_it_was(record in any::record()) {
        let json = serde_json::to_string(&RecordJson(&record)).unwrap();
        let again = record_from_json(serde_json::from_str(&json).unwrap()).unwrap();
        prop_assert_eq!(&again, &record);
        prop_assert_eq!(serde_json::to_string(&RecordJson(&again)).unwrap(), json);
    }

    #[test]
    fn any_order_has_the_same_etag(mut records in proptest::collection::vec(any::record(), 0..5)) {
        // Names are unique in a state.
        records.iter_mut().enumerate().for_each(|(at, record)| record.name = format!("{}-{at}", record.name));
        let forth: Vec<_> = records.iter().collect();
        let back: Vec<_> = records.iter().rev().collect();
        prop_assert_eq!(etag(&forth), etag(&back));
    }
}
