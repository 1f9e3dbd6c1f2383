//! What the fuzz targets share: their first inputs, made of fixtures/, and JSON compared as a reader would.

use std::fs;
use std::path::{Path, PathBuf};

use minions_managed::base::clock::EpochMs;
use minions_managed::base::json::{Plain, from_slice_to_depth};
use minions_managed::config::{Settings, table};
use minions_managed::service::{Draft, EventType, event_to_text};
use serde_json::{Value, json};

mod mutate;

/// Changes the first `size` bytes of `data`, as libFuzzer does or as JSON, in turn; returns how many there are now.
pub fn mutate(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    match mutate::changed(&data[..size], seed).filter(|new| seed % 2 == 0 && new.len() <= max_size) {
        Some(new) => {
            data[..new.len()].copy_from_slice(&new);
            new.len()
        }
        None => libfuzzer_sys::fuzzer_mutate(data, size, max_size),
    }
}

/// A file of the project.
fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// Puts `seeds` into the corpus of `target`, where cargo-fuzz looks. Inputs that are there already stay as they are.
pub fn plant(target: &str, seeds: Vec<Vec<u8>>) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&corpus).expect("the corpus folder is ours");
    for (at, seed) in seeds.into_iter().enumerate() {
        let path = corpus.join(format!("seed-{at:03}"));
        if !path.exists() {
            fs::write(path, seed).expect("the corpus folder is ours");
        }
    }
}

/// Every file of a folder of fixtures, in the order of their names.
fn files(folder: &str) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(project(folder)).expect("the fixtures are there");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("a fixture is readable")).collect()
}

/// Sidecars: the text of every vector, its folder one that the target's surroundings have.
pub fn sidecars() -> Vec<Vec<u8>> {
    let vectors = fs::read_to_string(project("fixtures/sidecars/vectors.jsonl")).expect("the vectors are there");
    let texts = vectors.lines().map(|line| {
        let vector: Value = serde_json::from_str(line).expect("a vector is JSON");
        let text = vector["sidecar_text"].as_str().expect("a vector has a text");
        text.replace("{{GIT_ROOT}}", "/repo").into_bytes()
    });
    texts.collect()
}

/// State files of every kind.
pub fn states() -> Vec<Vec<u8>> {
    files("fixtures/state")
}

/// Settings: each key with its default, all of them, and the fixtures.
pub fn settings() -> Vec<Vec<u8>> {
    let defaults = Settings::default();
    let file = |ours: Value| json!({"other": [1], "engine": {"managedSpawn": ours}}).to_string().into_bytes();
    let mut seeds: Vec<_> = table::ROWS.iter().map(|row| file(json!({row.key: row.value(&defaults)}))).collect();
    seeds.push(file(table::ROWS.iter().map(|row| (row.key.to_owned(), row.value(&defaults))).collect()));
    seeds.extend(files("fixtures/settings"));
    seeds
}

/// A folder of this process's own for what `target` writes, in memory where there is such a place.
pub fn scratch(target: &str) -> PathBuf {
    let memory = Path::new("/dev/shm");
    let base = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    base.join(format!("minions-fuzz-{target}-{}", std::process::id()))
}

/// An event of each type.
fn events() -> Vec<String> {
    let event = |(seq, kind): (u64, &EventType)| {
        let draft = Draft {
            service: if seq % 3 == 0 { String::new() } else { format!("web-{}", seq % 2) },
            project: "a\"b\\é".into(),
            agent: "ripley".into(),
            ..Draft::new(*kind, EpochMs(i64::try_from(seq).unwrap_or(0) * 200))
        };
        event_to_text(&draft.with("why", "x").with("pid", seq).numbered(seq, format!("evt-{seq}")))
    };
    (1..).zip(EventType::ALL).map(event).collect()
}

/// Journals, as the target takes them: whole, in segments, with something torn or foreign in the middle and at the end.
pub fn journals() -> Vec<Vec<u8>> {
    let events = events();
    let whole = events.join("\n");
    let segments: Vec<String> =
        (1..).step_by(5).zip(events.chunks(5)).map(|(first, part)| format!("{}\n|{first}", part.join("\n"))).collect();
    let torn = [&events[0], "~{\"seq\":2,~", &events[1], "~", "~\0\0", &events[4], "~{\"seq\":6,\"id\":\"~"].join("\n");
    let back = [&events[3], &events[1], &events[3], "|9", &events[2], &events[8]].join("\n");
    [whole, segments.join("\n"), torn, back, events[0].clone()].map(String::into_bytes).to_vec()
}

/// Files of a sink: positions, and dead letters.
pub fn outboxes() -> Vec<Vec<u8>> {
    let letter = |event: &String| format!(r#"{{"event":{event},"failures":12,"error":"it answered 500","at":7}}"#);
    let letters: Vec<String> = events().iter().map(letter).collect();
    let position = r#"{"version":1,"acked":41,"tried":{"seq":42,"failures":3},"retried":7,"retry_tried":null,"next_at":1800000000000,"delivered":40,"dropped":1,"dropped_said":1,"dropped_said_at":5,"dead":1,"dead_dropped":0,"last_error":"it answered 500","last_error_at":6,"last_delivered_at":7}"#;
    let seeds = [
        position.to_owned(),
        "{}".to_owned(),
        r#"{"version":2}"#.to_owned(),
        letters.join("\n"),
        format!("{}\nwhat\n{}\n{{\"event\":", letters[1], letters[0]),
    ];
    seeds.map(String::into_bytes).to_vec()
}

/// The value of a text, if it is JSON, whatever its keys.
pub fn value(json: &[u8]) -> Option<Value> {
    from_slice_to_depth::<Plain>(json, 128).ok().map(|plain| plain.0)
}

/// Whether everything in `before` is in `after` too. A null counts as absent, a number as its double.
pub fn is_kept(before: &Value, after: &Value) -> bool {
    match (before, after) {
        (Value::Null, _) => true,
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_kept(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.iter().all(|(key, value)| value.is_null() || b.get(key).is_some_and(|kept| is_kept(value, kept)))
        }
        _ => before == after,
    }
}
