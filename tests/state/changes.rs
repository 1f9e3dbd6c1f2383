//! Changes under the lock.

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
