//! `list` as JSON passes the file's text on; that may never show.

use std::path::PathBuf;

use minions_managed::base::clock::EpochMs;
use minions_managed::base::root::Root;
use minions_managed::config::Settings;
use minions_managed::ops::context::Context;
use minions_managed::ops::list::{self, Filter};
use minions_managed::process;
use minions_managed::service::{Process, Record, Status};
use minions_managed::state::{Document, Glimpse, OwnText};
use proptest::prelude::*;
use serde_json::Value;
use sha1::{Digest, Sha1};

use crate::samples::{record, root};
use crate::wire::any;

fn context(root: &Root) -> Context {
    Context { root: root.clone(), settings: Settings::default(), env: Vec::new() }
}

/// Both ways; the first says whether the text was passed on.
fn both(root: &Root, filter: &Filter) -> (bool, [(String, String); 2]) {
    let context = context(root);
    let own = context.store().read_own_text();
    let is_passed_on = own.is_some_and(|text| text.records().into_iter().all(|text| Glimpse::new(text).is_some()));
    let slow = list::run(&context, filter).unwrap();
    let fast = list::run_json(&context, filter).unwrap();
    (is_passed_on, [(fast.json, fast.etag), (slow.json, slow.etag)])
}

fn write(root: &Root, bytes: &[u8]) {
    std::fs::create_dir_all(root.state().parent().unwrap()).unwrap();
    std::fs::write(root.state(), bytes).unwrap();
}

/// Makes the record one that lives, one that cannot be told, one with secrets; or leaves it as it is.
fn turn(record: &mut Record, kind: u8) {
    let own = process::own_identity().unwrap();
    match kind {
        0 => record.process = Some(Process { service: own.clone(), shim: own }),
        // A predecessor's record that does not say since when.
        1 => {
            record.process = None;
            record.generation = None;
            record.pid = Some(std::process::id());
            record.started_at = None;
        }
        2 => record.spec.env.push(("MY_API_TOKEN".into(), "s3cret".into())),
        3 => record.passed_env.push(("GH_TOKEN".into(), "s3cret".into())),
        4 => record.spec.args.push("postgres://u:s3cret@db/".into()),
        5 => drop(record.unknown.insert("_odd".into(), "a://u:s3cret@h\"/\n\u{1f980}".into())),
        _ => {}
    }
}

fn filters(of: Option<&Record>) -> Vec<Filter> {
    let mut filters = vec![Filter::default()];
    if let Some(record) = of {
        let owner = &record.owner;
        let any = Filter::default();
        filters.push(Filter { project: Some(owner.project.clone()), ..any.clone() });
        filters.push(Filter { agent: Some(owner.agent.clone()), ..any.clone() });
        filters.push(Filter { work_item: Some(owner.work_item.clone()), ..any.clone() });
        filters.push(Filter { status: Some(record.status), ..any.clone() });
        filters.push(Filter { worktree: record.worktree.clone().map(PathBuf::from), ..any });
    }
    filters
}

proptest! {
    // Each case is listed twice by every filter.
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn text_that_is_passed_on_is_what_the_records_yield(
        records in proptest::collection::vec((any::record(), 0..9_u8), 0..4),
        unknown in proptest::collection::btree_map("_.{0,5}", "(?s).{0,12}", 0..3),
        revision in any::<u64>(),
    ) {
        let (_dir, root) = root();
        let mut document = Document { revision, ..Document::default() };
        document.unknown = unknown.into_iter().map(|(key, value)| (key, Value::from(value))).collect();
        for (at, (mut record, kind)) in records.into_iter().enumerate() {
            // Names are unique in a state.
            record.name = format!("{}-{at}", record.name);
            turn(&mut record, kind);
            document.put(record);
        }
        write(&root, &document.to_bytes());
        for filter in filters(document.records.first()) {
            let (is_passed_on, [fast, slow]) = both(&root, &filter);
            prop_assert_eq!(is_passed_on, !document.records.is_empty());
            prop_assert_eq!(fast, slow);
        }
    }
}

#[test]
fn thousands_are_listed_by_many_threads_as_by_one() {
    let (_dir, root) = root();
    let mut document = Document::default();
    for at in 0..1000_u16 {
        let mut record = record(&format!("s-{}", at.reverse_bits()));
        turn(&mut record, (at % 9) as u8);
        document.records.push(record);
    }
    write(&root, &document.to_bytes());
    let (is_passed_on, [fast, slow]) = both(&root, &Filter::default());
    assert!(is_passed_on && fast == slow, "{} and {} bytes", fast.0.len(), slow.0.len());
    assert_eq!(fast.0.matches("s3cret").count(), 0);
    let none = Filter { status: Some(Status::Failed), ..Filter::default() };
    assert_eq!(list::run_json(&context(&root), &none).unwrap().json, "[]");
}

/// The text with a sum that fits it.
fn with_sum(text: &str) -> String {
    let digits: String = Sha1::digest(text).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{text},\"sum\":\"{digits}\"}}\n")
}

#[test]
fn edited_file_is_listed_as_it_stands_now() {
    let mut document = Document { revision: 7, ..Document::default() };
    document.records = vec![record("b"), record("a")];
    document.records[0].started_at = Some(EpochMs(1));
    let text = String::from_utf8(document.to_bytes()).unwrap();
    let summed = text.split_once(",\"sum\":").unwrap().0;
    assert_eq!(with_sum(summed), text, "the test sums as the program does");
    let extra = serde_json::to_string(&minions_managed::state::RecordJson(&record("c"))).unwrap();
    let pretty = serde_json::to_string_pretty(&serde_json::from_str::<Value>(&text).unwrap()).unwrap();
    let cases = [
        ("untouched", text.clone(), true, 2),
        ("indented", pretty, false, 2),
        ("another name", text.replacen("\"a\"", "\"z\"", 1), false, 2),
        ("a record more", text.replacen("\n]", &format!(",\n{extra}\n]"), 1), false, 3),
        ("the array twice", text.replacen(",\"sum\"", &format!(",\"specs\":[{extra}],\"sum\""), 1), false, 1),
        ("no sum", format!("{summed}}}\n"), false, 2),
        ("another sum", text.replacen("\"sum\":\"", "\"sum\":\"0", 1), false, 2),
        ("a sum that is none", text.replacen("\"sum\":", "\"sum\":[{}],\"x\":", 1), false, 2),
        ("a sum elsewhere", text.replacen("{\"version\"", "{\"sum\":1,\"version\"", 1), false, 2),
        ("a forged record", with_sum(&summed.replacen("\n]", ",\n{\"name\":5}\n]", 1)), false, 2),
        ("a forged pid", with_sum(&summed.replacen("\"pid\":", "\"pid\":-", 1)), false, 1),
        ("a forged key twice", with_sum(&summed.replacen("\"env\":", "\"env\":{},\"env\":", 1)), false, 2),
        ("a forged end", with_sum(&summed.replacen("\n]", "\n}", 1)), false, 0),
        ("a forged version", with_sum(&summed.replacen(":1,", ":2,", 1)), false, 2),
        ("a forged nothing", with_sum("{\"version\":1,\"specs\":[\n]"), false, 0),
    ];
    for (what, bytes, passed_on, count) in cases {
        let (_dir, root) = root();
        write(&root, bytes.as_bytes());
        let (is_passed_on, [fast, slow]) = both(&root, &Filter::default());
        assert_eq!((is_passed_on, &fast), (passed_on, &slow), "{what}");
        let items: Vec<Value> = serde_json::from_str(&fast.0).unwrap();
        assert_eq!(items.len(), count, "{what}");
    }
}

#[test]
fn text_of_any_bytes_is_no_panic() {
    let tail = with_sum("{\"version\":1,\"revision\":0,\"specs\":[\n");
    for text in ["", "\"}\n", "x\"}\n", ",\"sum\":\"0123456789abcdef\"}\n", "é3456789abcdef\"}\n", &tail, &with_sum("")]
    {
        let records = OwnText::new(text.as_bytes().to_vec()).map(|own| own.records().len());
        assert_eq!(records, None, "{text:?}");
    }
    assert!(OwnText::new(vec![0xff]).is_none() && Glimpse::new("[").is_none());
}
