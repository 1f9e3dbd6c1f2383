//! The files of fixtures/state, each read, changed and judged by the first word of its name.

use std::path::{Path, PathBuf};

use minions_managed::base::error::{Error as Failure, Kind};
use minions_managed::base::json::{Plain, from_slice_to_depth};
use minions_managed::state::{AsideKind, DEPTH_MAX, Document, Error, Malformed};
use proptest::prelude::*;
use serde_json::Value;

use crate::samples::{record, root, store};

fn fixtures(first_word: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/state");
    let mut found: Vec<_> = std::fs::read_dir(dir)
        .expect("fixtures/state is there")
        .map(|entry| entry.expect("it can be listed").path())
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(first_word)))
        .map(|path| (path.clone(), std::fs::read(path).expect("a fixture is readable")))
        .collect();
    found.sort();
    assert!(!found.is_empty(), "no fixture begins with {first_word}");
    found
}

fn put(root: &minions_managed::base::root::Root, bytes: &[u8]) {
    std::fs::create_dir_all(root.engine()).expect("the root is ours");
    std::fs::write(root.state(), bytes).expect("the root is ours");
}

/// The file as it is written, whatever its keys.
fn tree(bytes: &[u8]) -> Option<Value> {
    from_slice_to_depth::<Plain>(bytes, DEPTH_MAX).ok().map(|plain| plain.0)
}

/// Files in `engine` whose name begins with the state file's and `mark`.
fn beside(root: &minions_managed::base::root::Root, mark: &str) -> Vec<PathBuf> {
    let start = format!("managed-processes.json{mark}");
    let entries = std::fs::read_dir(root.engine()).expect("engine is there");
    entries
        .map(|entry| entry.expect("it can be listed").path())
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&start)))
        .collect()
}

fn schema() -> jsonschema::Validator {
    let schema: Value = serde_json::from_str(include_str!("../../schemas/state.schema.json")).expect("it is JSON");
    jsonschema::validator_for(&schema).expect("it is a schema")
}

#[test]
fn file_of_this_version_is_written_again_as_it_is() {
    for (path, bytes) in fixtures("v1") {
        let (_dir, root) = root();
        put(&root, &bytes);
        assert!(store(&root).read().unwrap().malformed.is_empty(), "{path:?}");
        store(&root).change("test", |document| document.put(record("new"))).unwrap();
        store(&root).change("test", |document| document.remove("new")).unwrap();
        let mut expected = tree(&bytes).unwrap();
        expected["revision"] = (expected["revision"].as_u64().unwrap() + 2).into();
        let written = std::fs::read_to_string(root.state()).unwrap();
        // A record on each line, and the sum, are not the records' matter.
        let (all, _sum) = written.split_once(",\"sum\":").unwrap();
        assert_eq!(format!("{}}}", all.replace('\n', "")), expected.to_string(), "{path:?}");
    }
}

#[test]
fn whatever_is_read_comes_back_as_it_was() {
    for (path, bytes) in ["v1", "legacy", "newer.", "malformed", "repeated"].into_iter().flat_map(fixtures) {
        let mut document = Document::from_bytes(&bytes).unwrap();
        document.malformed.clear();
        assert_eq!(document.fault(), None, "{path:?}");
        assert_eq!(Document::from_bytes(&document.to_bytes()), Ok(document), "{path:?}");
    }
}

#[test]
fn schema_takes_what_is_written_and_describes_every_key() {
    let schema = schema();
    let (_dir, root) = root();
    store(&root).change("test", |document| document.records = vec![record("a"), record("b")]).unwrap();
    let written: Value = serde_json::from_slice(&std::fs::read(root.state()).unwrap()).unwrap();
    let check = |what: &str, value: &Value, good: bool| {
        let errors: Vec<String> = schema.iter_errors(value).map(|error| error.to_string()).collect();
        assert_eq!(errors.is_empty(), good, "{what}: {errors:?}");
    };
    check("freshly written", &written, true);
    for (path, bytes) in fixtures("v1") {
        check(&path.display().to_string(), &tree(&bytes).unwrap(), true);
    }
    for (path, bytes) in fixtures("malformed-pids") {
        check(&path.display().to_string(), &serde_json::from_slice(&bytes).unwrap(), false);
    }
    let schema: Value = serde_json::from_str(include_str!("../../schemas/state.schema.json")).unwrap();
    let described = &schema["$defs"]["record"];
    let mut required: Vec<&str> = described["required"].as_array().unwrap().iter().flat_map(Value::as_str).collect();
    let mut known: Vec<&str> = described["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    let record = &written["specs"][0];
    let mut keys: Vec<&str> = record.as_object().unwrap().keys().map(String::as_str).collect();
    keys.retain(|key| *key != "from_tomorrow");
    // The keys of the lifecycle are absent where they say nothing; the sample's say something, all of them.
    let always = keys.iter().take_while(|key| **key != "depends_on").copied();
    let mut always: Vec<&str> = always.collect();
    for list in [&mut required, &mut known, &mut keys, &mut always] {
        list.sort_unstable();
    }
    assert_eq!((&required, &known), (&always, &keys));
}

#[test]
fn legacy_records_are_read_whole_and_their_keys_kept() {
    for (path, bytes) in fixtures("legacy") {
        let (_dir, root) = root();
        put(&root, &bytes);
        let document = store(&root).read().unwrap();
        assert!(document.malformed.is_empty(), "{path:?}: {:?}", document.malformed);
        assert_eq!((document.version, document.revision), (1, 0));
        let web = document.find("web").unwrap();
        assert_eq!((web.spec.name.as_str(), web.spec.ttl_minutes), ("web", 120), "from its start and its end");
        assert_eq!((web.status.word(), &web.generation, &web.process), ("running", &None, &None));
        assert_eq!(web.pid, Some(2_147_418_112));
        assert_eq!(web.unknown["owner_work_type"], "feature");
        assert_eq!(document.find("db").unwrap().owner.work_item, "");
    }
}

#[test]
fn file_of_a_newer_version_is_never_written() {
    for (path, bytes) in fixtures("newer") {
        let (_dir, root) = root();
        put(&root, &bytes);
        let error = store(&root).change("test", |document| document.records.clear()).unwrap_err();
        assert!(matches!(error, Error::Newer { found: 2, .. }), "{path:?}: {error}");
        let words = Failure::from(error).message;
        assert!(words.contains("version 2") && words.contains("knows 1"), "{words}");
        assert_eq!(std::fs::read(root.state()).unwrap(), bytes, "{path:?}");
        match store(&root).read_or_recover("test") {
            Ok(reading) => assert_eq!(reading.document.records.len(), 1, "{path:?}"),
            Err(error) => assert!(matches!(error, Error::Newer { why: Some(_), .. }), "{path:?}: {error}"),
        }
        assert_eq!(std::fs::read(root.state()).unwrap(), bytes, "{path:?}");
    }
}

#[test]
fn malformed_entries_are_set_aside_and_the_others_go_on() {
    for (path, bytes) in fixtures("malformed") {
        let (_dir, root) = root();
        put(&root, &bytes);
        let entries: Value = serde_json::from_slice(&bytes).unwrap();
        let seen = store(&root).read().unwrap();
        assert_eq!(std::fs::read(root.state()).unwrap(), bytes, "a read touches nothing");
        let good = seen.records.len();
        assert_eq!(good + seen.malformed.len(), entries["specs"].as_array().unwrap().len(), "{path:?}");
        assert!(seen.find("web").is_some(), "{path:?}");

        let reading = store(&root).read_or_recover("list").unwrap();
        assert_eq!(reading.notice().unwrap().kind, Kind::StateSetAside);
        let aside = reading.set_aside.unwrap();
        assert_eq!(aside.what, AsideKind::Entries(seen.malformed.len()), "{path:?}");
        let kept: Value = serde_json::from_slice(&std::fs::read(&aside.path).unwrap()).unwrap();
        for (kept, malformed) in kept.as_array().unwrap().iter().zip(&seen.malformed) {
            assert_eq!(&kept["value"], entries.pointer(&malformed.pointer).unwrap(), "{path:?}");
            assert_eq!(kept["value"], malformed.value);
        }
        let after = store(&root).read_or_recover("list").unwrap();
        assert_eq!((after.document.records.len(), after.set_aside), (good, None), "{path:?}");
    }
}

#[test]
fn reason_of_a_malformed_record_names_its_key() {
    let check = |file: &str, at: usize, parts: &[&str]| {
        let (_dir, root) = root();
        put(&root, &fixtures(file)[0].1);
        let why = store(&root).read().unwrap().malformed[at].why.clone();
        assert!(parts.iter().all(|part| why.contains(part)), "{why}");
    };
    check("malformed-one", 0, &["`pid`", "\"many\"", "u32"]);
    check("malformed-twice", 0, &["`web`", "twice"]);
    check("malformed-climbing", 0, &["../../etc", "kebab-case"]);
    check("malformed-pids", 0, &["`pid`", "0 is no process id"]);
    check("malformed-pids", 1, &["`process`: `pid`: 4294967295 is no process id"]);
}

#[test]
fn unreadable_file_is_left_alone_by_a_read_and_set_aside_by_a_change() {
    for (path, bytes) in fixtures("unreadable") {
        let (_dir, root) = root();
        put(&root, &bytes);
        let error = store(&root).read().unwrap_err();
        assert!(matches!(error, Error::Unreadable { .. }), "{path:?}: {error}");
        assert_eq!(Failure::from(error).kind, Kind::StateSetAside);
        assert_eq!(std::fs::read(root.state()).unwrap(), bytes, "a read touches nothing");

        let changed = store(&root).change("test", |document| document.put(record("new"))).unwrap();
        let aside = changed.set_aside.unwrap();
        assert_eq!(aside.what, AsideKind::File { rebuilt: 0 });
        assert_eq!(std::fs::read(&aside.path).unwrap(), bytes, "{path:?}");
        assert_eq!(aside.to_error().kind, Kind::StateSetAside);
        assert_eq!(store(&root).read().unwrap().records, vec![record("new")]);
    }
}

#[test]
fn file_set_aside_never_replaces_another() {
    let (_dir, root) = root();
    for round in 0..20 {
        put(&root, format!("not JSON {round}").as_bytes());
        store(&root).read_or_recover("test").unwrap();
    }
    let mut kept: Vec<_> = beside(&root, ".corrupt-").iter().map(|path| std::fs::read(path).unwrap()).collect();
    kept.sort();
    kept.dedup();
    assert_eq!(kept.len(), 20);
}

#[test]
fn file_torn_at_any_byte_is_never_taken_for_a_state() {
    let (_, whole) = fixtures("v1.json").swap_remove(0);
    let (_dir, root) = root();
    // The last two bytes are `}` and a line break: without the break the document is still whole.
    for length in 0..whole.len() - 1 {
        put(&root, &whole[..length]);
        let read = store(&root).read();
        assert!(matches!(read, Err(Error::Unreadable { .. })), "cut to {length} bytes: {read:?}");
    }
}

#[test]
fn file_with_any_one_byte_gone_bad_is_never_read_as_fewer_services_silently() {
    let (_, whole) = fixtures("v1.json").swap_remove(0);
    let (_dir, root) = root();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] = 0;
        put(&root, &bytes);
        if let Ok(document) = store(&root).read() {
            assert_eq!(document.records.len() + document.malformed.len(), 2, "byte {at}");
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let (_dir, root) = root();
        put(&root, &bytes);
        let is_said = matches!(store(&root).read(), Err(Error::Unreadable { .. } | Error::Newer { .. }));
        prop_assert!(is_said);
    }

    #[test]
    fn fixture_with_a_part_replaced_is_read_without_a_panic(
        which in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        length in 0..40_usize,
        word in prop::sample::select(vec!["", "null", "-1", "1e999", "[]", "{}", "\"", "\"x\":1,", "\\u0000", "18446744073709551616"]),
    ) {
        let fixtures: Vec<_> = ["v1", "legacy"].into_iter().flat_map(fixtures).collect();
        let (_, bytes) = &fixtures[which.index(fixtures.len())];
        let start = at.index(bytes.len());
        let end = (start + length).min(bytes.len());
        let spoilt = [&bytes[..start], word.as_bytes(), &bytes[end..]].concat();
        let (_dir, root) = root();
        put(&root, &spoilt);
        let entries = tree(&spoilt).and_then(|json| Some(json["specs"].as_array()?.len()));
        match store(&root).read() {
            // Nothing that is there is lost silently.
            Ok(document) => {
                let is_entry = |bad: &&Malformed| bad.pointer.starts_with("/specs/");
                let bad = document.malformed.iter().filter(is_entry).count();
                prop_assert_eq!(Some(document.records.len() + bad), entries);
            }
            Err(error) => {
                let is_said = matches!(error, Error::Unreadable { .. } | Error::Newer { .. });
                prop_assert!(is_said, "{}", error);
            }
        }
    }
}
