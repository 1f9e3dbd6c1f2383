//! What shims leave, and the state rebuilt from it.

use minions_managed::base::clock::EpochMs;
use minions_managed::base::ids::Generation;
use minions_managed::base::root::Root;
use minions_managed::service::{
    Exit, ExitCause, ExitRecord, Identity, Liveness, Process, Progress, Record, Status, StopSignal,
};
use minions_managed::state::{self, AsideKind, DEPTH_MAX, Ended, Launch, Next, Started};
use serde_json::json;

use crate::samples::{process, record, root, store};

/// Pids of the samples at and above this are alive.
const ALIVE_FROM: u32 = 1000;

fn liveness(identity: &Identity) -> Liveness {
    if identity.pid >= ALIVE_FROM { Liveness::Alive } else { Liveness::Dead }
}

fn launch(record: &Record) -> Launch {
    Launch {
        name: record.name.clone(),
        generation: record.generation.clone().expect("samples have one"),
        program: record.resolved_cmd.clone(),
        args: record.spec.args.clone(),
        cwd: record.spec.cwd.clone(),
        env: vec![("A".into(), "\u{1f980}\n\"".into())],
        log_path: record.log_path.clone(),
        ttl_expires_at: Some(EpochMs(99)),
        grace_ms: 5000,
        stop_signal: StopSignal::Term,
        restart: None,
        progress: Progress::default(),
    }
}

fn its(record: &Record) -> Generation {
    record.generation.clone().expect("samples have one")
}

/// One generation of `name`, the `age`-th, as a shim leaves it.
fn leave(root: &Root, name: &str, age: u8, processes: Option<&Process>, exit: Option<ExitRecord>) -> Record {
    let mut record = record(name);
    record.generation = Generation::parse(&format!("g{age:024x}"));
    record.status = Status::Starting;
    (record.process, record.pid, record.started_at) = (None, None, None);
    let dir = root.run_dir(name, record.generation.as_ref().expect("well-formed"));
    state::write_launch(&dir, &launch(&record), &record).expect("the root is ours");
    if let Some(Process { service, shim }) = processes {
        state::write_shim(&dir, shim).expect("the root is ours");
        let started = Started { service: service.clone(), at: EpochMs(7), generation: its(&record) };
        state::write_service(&dir, &started).expect("the root is ours");
    }
    if let Some(exit) = exit {
        state::write_exit(&dir, &Ended::for_good(its(&record), exit)).expect("the root is ours");
    }
    record
}

const EXIT: ExitRecord = ExitRecord { exit: Exit::Code(3), cause: ExitCause::Asked, at: EpochMs(8) };

#[test]
fn orders_of_a_life_with_a_policy_come_back_and_those_of_old_are_read_as_ever() {
    let (_dir, root) = root();
    let record = record("web");
    let dir = root.run_dir("web", record.generation.as_ref().unwrap());
    let plain = launch(&record);
    state::write_launch(&dir, &plain, &record).unwrap();
    // Nothing stands in the file that did not before there were policies, so that one from then reads the same.
    let text = std::fs::read_to_string(dir.join("launch.json")).unwrap();
    let (orders, _record) = text.split_once("\"record\":").unwrap();
    for key in ["stop_signal", "restart", "failures_in_row", "recent_starts"] {
        assert!(!orders.contains(key), "{orders}");
    }
    assert_eq!(state::read_launch(&dir).unwrap(), Some(plain.clone()));
    let history = Progress {
        failures_in_row: 2,
        recent_starts: vec![EpochMs(3), EpochMs(5)],
        restarts: 4,
        ..Progress::default()
    };
    let orders = Launch {
        stop_signal: StopSignal::Int,
        restart: record.spec.lifecycle.restart.clone(),
        progress: history.clone(),
        ..plain
    };
    assert!(orders.restart.is_some());
    // Of the rest of a record's memory a shim knows nothing.
    let told = Launch { progress: record.progress.clone(), ..orders.clone() };
    let told = Launch { progress: Progress { next_at: Some(EpochMs(8)), ..history }, ..told };
    state::write_launch(&dir, &told, &record).unwrap();
    assert_eq!(state::read_launch(&dir).unwrap(), Some(orders));
}

#[test]
fn record_of_any_content_that_the_state_file_takes_is_read_back() {
    let (_dir, root) = root();
    let mut record = record("web");
    let deep = (0..DEPTH_MAX - 4).fold(json!(1), |value, _| json!([value]));
    record.unknown.insert("from_tomorrow".to_owned(), deep);
    record.spec.attrs.insert("a".to_owned(), json!({"$serde_json::private::RawValue": "no JSON"}));
    store(&root).change("test", |document| document.put(record.clone())).unwrap();
    let dir = root.run_dir("web", record.generation.as_ref().unwrap());
    state::write_launch(&dir, &launch(&record), &record).unwrap();
    let all = state::read_all(&root).unwrap();
    assert_eq!(all[0].unreadable, Vec::<String>::new());
    assert_eq!((all[0].record.as_ref(), all[0].launch.as_ref()), (Some(&record), Some(&launch(&record))));
}

#[test]
fn end_of_a_life_is_its_own_and_comes_back_with_what_follows() {
    let (_dir, root) = root();
    let first = leave(&root, "web", 1, Some(&process(50)), None);
    let dir = root.run_dir("web", &its(&first));
    let second = its(&first).successor(EpochMs(50));
    let history = Progress { failures_in_row: 2, recent_starts: vec![EpochMs(3)], restarts: 4, ..Progress::default() };
    for next in [Next::Over, Next::Again { at: EpochMs(9) }, Next::GaveUp { why: "too often".into() }] {
        let next_at = if let Next::Again { at } = &next { Some(*at) } else { None };
        let progress = Progress { next_at, ..history.clone() };
        let refusal = Some("there is no such program".to_owned());
        let ended = Ended { generation: its(&first), exit: EXIT, refusal, next, progress };
        state::write_exit(&dir, &ended).unwrap();
        assert_eq!(state::read_ended(&dir).unwrap(), Some(ended));
        assert_eq!(state::read_exit(&dir).unwrap(), Some(EXIT));
    }
    // The folder moves on, and a second life begins in it: of its end nothing is known.
    let moved = root.run_dir("web", &second);
    std::fs::rename(&dir, &moved).unwrap();
    let started = Started { service: process(60).service, at: EpochMs(51), generation: second.clone() };
    state::write_service(&moved, &started).unwrap();
    assert_eq!(state::read_exit(&moved).unwrap(), None);
    assert_eq!(state::read_ended(&moved).unwrap().map(|ended| ended.generation), Some(its(&first)));
    let evidence = state::read_one(&moved).unwrap();
    assert_eq!((evidence.unreadable, evidence.record.map(|it| it.name)), (Vec::new(), Some("web".to_owned())));
    // Files of before there were several lives say nothing of which they are about.
    for file in ["service.json", "exit.json"] {
        let text = std::fs::read_to_string(moved.join(file)).unwrap();
        let (its_first, its_second) = (format!("\"{}\"", its(&first)), format!("\"{second}\""));
        std::fs::write(moved.join(file), text.replace(&its_first, "null").replace(&its_second, "null")).unwrap();
    }
    assert_eq!(state::read_exit(&moved).unwrap(), Some(EXIT));
    assert_eq!(state::read_service(&moved).unwrap(), Some(started));
}

#[test]
fn evidence_is_read_back_as_it_was_written() {
    for exit in [Exit::Code(0), Exit::Code(255), Exit::Signal(15), Exit::Unknown] {
        for cause in ExitCause::ALL {
            let (_dir, root) = root();
            let exit = ExitRecord { exit, cause, at: EpochMs(8) };
            let left = leave(&root, "web", 1, Some(&process(50)), Some(exit));
            let all = state::read_all(&root).unwrap();
            let [evidence] = all.as_slice() else { panic!("{all:?}") };
            assert_eq!(evidence.unreadable, Vec::<String>::new());
            assert_eq!(evidence.launch, Some(launch(&left)));
            assert_eq!(evidence.record.as_ref(), Some(&left));
            assert_eq!(evidence.shim, Some(process(50).shim));
            assert_eq!(
                evidence.service,
                Some(Started { service: process(50).service, at: EpochMs(7), generation: its(&left) })
            );
            assert_eq!(evidence.exit, Some(exit));
            assert_eq!(state::read_one(&evidence.dir).as_ref(), Some(evidence));
        }
    }
}

#[test]
fn torn_or_foreign_evidence_is_named_and_the_rest_is_read() {
    let (_dir, root) = root();
    let left = leave(&root, "web", 1, Some(&process(50)), Some(EXIT));
    let dir = root.run_dir("web", left.generation.as_ref().unwrap());
    std::fs::write(dir.join("exit.json"), "{\"version\":1,\"co").unwrap();
    std::fs::write(dir.join("shim.json"), r#"{"version":9,"pid":1,"start_ticks":1,"boot_id":"x"}"#).unwrap();
    std::fs::create_dir_all(root.run().join("web/not-a-generation")).unwrap();
    std::fs::create_dir_all(root.run().join("Not A Name/g000000000000000000000001")).unwrap();
    std::fs::write(root.run().join("a-file"), "").unwrap();
    let all = state::read_all(&root).unwrap();
    assert_eq!(all.len(), 1);
    assert_eq!((&all[0].exit, &all[0].shim), (&None, &None));
    assert!(all[0].service.is_some() && all[0].launch.is_some());
    let [shim, exit] = all[0].unreadable.as_slice() else { panic!("{:?}", all[0].unreadable) };
    assert!(shim.contains("shim.json") && shim.contains("version 9"), "{shim}");
    assert!(exit.contains("exit.json"), "{exit}");
}

/// Leaves evidence by `leave`, breaks the state file, and returns the names of the records that come back.
fn rebuilt(leave: impl FnOnce(&Root)) -> Vec<Record> {
    let (_dir, root) = root();
    leave(&root);
    std::fs::create_dir_all(root.engine()).expect("the root is ours");
    std::fs::write(root.state(), "{").expect("the root is ours");
    let reading = store(&root).judging_by(liveness).read_or_recover("list").expect("it can be rebuilt");
    let what = reading.set_aside.expect("it was set aside").what;
    assert_eq!(what, AsideKind::File { rebuilt: reading.document.records.len() });
    assert!(reading.document.revision > 1_000_000_000_000, "above any count of writes");
    assert_eq!(store(&root).read().expect("whole again"), reading.document);
    reading.document.records
}

#[test]
fn live_services_come_back_with_their_identity() {
    let records = rebuilt(|root| drop(leave(root, "web", 1, Some(&process(2000)), None)));
    let [web] = records.as_slice() else { panic!("{records:?}") };
    assert_eq!((web.pid, &web.process), (Some(2000), &Some(process(2000))));
    assert_eq!((web.alive, web.healthy, web.status), (true, false, Status::Running));
    assert_eq!((web.started_at, web.ttl_expires_at), (Some(EpochMs(7)), Some(EpochMs(99))));
    assert_eq!(web.claim, None);
    assert_eq!(web.spec, record("web").spec);
}

#[test]
fn ended_generations_stay_away_and_unended_ones_come_back() {
    let check = |processes: Option<u32>, exit: Option<ExitRecord>, comes_back: bool, alive: bool| {
        let records = rebuilt(|root| drop(leave(root, "web", 1, processes.map(process).as_ref(), exit)));
        let found: Vec<bool> = records.iter().map(|record| record.alive).collect();
        assert_eq!(found, if comes_back { vec![alive] } else { vec![] }, "{processes:?} {exit:?}");
    };
    check(Some(2000), None, true, true);
    check(Some(50), None, true, false); // a power cut ends shim and service at once: the next sweep decides
    check(None, None, true, false); // claimed, never spawned: recovery decides
    check(Some(50), Some(EXIT), false, false);
    check(None, Some(EXIT), false, false);
    check(Some(2000), Some(EXIT), true, true); // its shim still waits for the rest of the tree
}

#[test]
fn newest_generation_counts_and_a_live_older_one_must_go_first() {
    let check = |older: u32, expected: Option<Process>| {
        let records = rebuilt(|root| {
            leave(root, "web", 1, Some(&process(older)), None);
            leave(root, "web", 2, Some(&process(3000)), None);
            leave(root, "db", 1, Some(&process(4000)), None);
        });
        let names: Vec<&str> = records.iter().map(|record| record.name.as_str()).collect();
        assert_eq!(names, ["db", "web"]);
        assert_eq!(records[1].pid, Some(3000));
        assert_eq!(records[1].previous.as_ref().and_then(|previous| previous.process.clone()), expected);
    };
    check(2000, Some(process(2000)));
    check(50, None);
}
