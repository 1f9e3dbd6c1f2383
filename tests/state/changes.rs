//! Changes under the lock.

use minions_managed::service::Record;
use minions_managed::state::{DEPTH_MAX, Error, STATE_BYTES_MAX};
use serde_json::{Value, json};

use crate::samples::{record, root, store};

#[test]
fn missing_file_is_an_empty_document_of_revision_0() {
    let (_dir, root) = root();
    let document = store(&root).read().unwrap();
    assert_eq!((document.revision, document.records.len()), (0, 0));
}

#[test]
fn change_is_read_back_and_raises_the_revision() {
    let (_dir, root) = root();
    let changed = store(&root).change("test", |document| document.put(record("web"))).unwrap();
    assert!(changed.written);
    let document = store(&root).read().unwrap();
    assert_eq!((document.revision, &document.records), (1, &vec![record("web")]));
    assert_eq!(document, changed.after);
}

#[test]
fn nothing_is_written_when_nothing_changed() {
    let (_dir, root) = root();
    store(&root).change("test", |document| document.put(record("web"))).unwrap();
    let changed = store(&root).change("test", |document| document.put(record("web"))).unwrap();
    assert_eq!((changed.written, changed.after.revision), (false, 1));
}

#[test]
fn guard_dropped_without_commit_writes_nothing() {
    let (_dir, root) = root();
    let mut exclusive = store(&root).exclusive("test").unwrap();
    exclusive.document().put(record("web"));
    drop(exclusive);
    assert!(!root.state().exists());
    store(&root).change("test", |_| ()).unwrap();
}

/// An array nested so many levels deep.
fn nested(levels: usize) -> Value {
    (1..levels).fold(json!([]), |inner, _| json!([inner]))
}

#[test]
fn what_no_reader_would_take_is_never_written() {
    let check = |good: bool, records: Vec<Record>| {
        let (_dir, root) = root();
        let result = store(&root).change("test", |document| document.records = records.clone());
        if good {
            result.unwrap();
            let document = store(&root).read().unwrap();
            assert_eq!((&document.records, document.malformed.len()), (&records, 0));
        } else {
            assert!(matches!(result, Err(Error::Refused { .. })), "{result:?}");
            assert!(!root.state().exists());
        }
    };
    let with = |edit: &dyn Fn(&mut Record)| {
        let mut record = record("web");
        edit(&mut record);
        vec![record]
    };
    let attrs = |levels| with(&|record| drop(record.spec.attrs.insert("deep".into(), nested(levels))));
    check(true, attrs(128 - 4)); // all that a sidecar may nest; one more than the parser's own limit
    check(true, attrs(DEPTH_MAX - 4));
    check(false, attrs(DEPTH_MAX - 3));
    check(true, with(&|record| drop(record.unknown.insert("x".into(), nested(DEPTH_MAX - 3)))));
    check(false, with(&|record| drop(record.unknown.insert("x".into(), nested(DEPTH_MAX - 2)))));
    check(false, with(&|record| record.name = "../up".into()));
    check(false, vec![record("web"), record("web")]);
    let most = usize::try_from(STATE_BYTES_MAX).unwrap();
    check(false, with(&|record| record.log_path = "x".repeat(most)));
}

#[test]
fn file_longer_than_the_bound_is_set_aside() {
    let (_dir, root) = root();
    std::fs::create_dir_all(root.engine()).unwrap();
    std::fs::File::create(root.state()).unwrap().set_len(STATE_BYTES_MAX + 1).unwrap();
    let reading = store(&root).read_or_recover("list").unwrap();
    let aside = reading.set_aside.unwrap();
    assert!(aside.why.contains("67108864"), "{}", aside.why);
    assert_eq!(std::fs::metadata(aside.path).unwrap().len(), STATE_BYTES_MAX + 1);
}
