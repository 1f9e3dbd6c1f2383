//! What becomes of many events over many passes: order, dead letters, drops, two deliverers, doubles.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

use minions_managed::delivery::position::Position;
use minions_managed::ops::deliver::End;
use minions_managed::ops::outbox;
use serde_json::json;

use super::server::{Answer, Request, Server};
use super::support::{Place, refused};

/// A server whose status can be changed.
fn switched() -> (Server, Arc<AtomicU16>) {
    let status = Arc::new(AtomicU16::new(500));
    let behaviour = Arc::clone(&status);
    (Server::start(move |_| Answer::status(behaviour.load(Ordering::SeqCst))), status)
}

#[test]
fn after_twelve_failures_an_event_is_a_dead_letter_and_the_next_one_goes_on() {
    let (server, status) = switched();
    let place = Place::hook(&server.url(), &json!({}));
    place.events.add(2);
    for failures in 1..12 {
        let report = place.pass();
        let End::Refused { failures: told, .. } = report.end else { panic!("{report:?}") };
        assert_eq!((told, report.dead), (failures, 0), "a restart forgets waits but not attempts");
    }
    let report = place.pass();
    assert_eq!((report.dead, refused(&report)), (1, "it answered 500"), "the twelfth; then the next one is tried once");
    let seqs: Vec<u64> = server.requests().iter().map(Request::seq).collect();
    assert_eq!(seqs, [[1; 12].as_slice(), &[2]].concat());
    let dead = outbox::dead_letters(&place.context, &[]).unwrap();
    assert_eq!((dead[0].letters.len(), dead[0].letters[0].event.seq, dead[0].letters[0].failures), (1, 1, 12));
    let position = Position::read(&place.context.root.outbox_position("hook")).unwrap();
    assert_eq!((position.acked, position.dead, position.last_error.as_deref()), (1, 1, Some("it answered 500")));
    status.store(200, Ordering::SeqCst);
    assert_eq!(place.pass().delivered, 1);
    assert_eq!(server.taken(), [2]);
}

#[test]
fn dead_letters_that_are_tried_once_more_go_first_and_may_die_again() {
    let (server, status) = switched();
    let place = Place::hook(&server.url(), &json!({}));
    place.events.add(3);
    while outbox::dead_letters(&place.context, &[]).unwrap()[0].letters.len() < 3 {
        place.pass();
    }
    place.events.add(2);
    let none = outbox::retry(&place.context, &[], &["evt-x".to_owned()]).unwrap_err();
    assert_eq!((none.code, none.kind.exit_code()), ("no-such-letter", 6));
    let retried = outbox::retry(&place.context, &[], &["evt-000000000000000000000002".to_owned()]).unwrap();
    assert_eq!((retried[0].sink.as_str(), retried[0].count), ("hook", 1));
    for _ in 0..12 {
        refused(&place.pass());
    }
    let letters = |place: &Place| -> Vec<u64> {
        outbox::dead_letters(&place.context, &[]).unwrap()[0].letters.iter().map(|letter| letter.event.seq).collect()
    };
    assert_eq!(letters(&place), [1, 2, 3], "it died again, and is there once");
    outbox::retry(&place.context, &[], &[]).unwrap();
    assert_eq!(letters(&place), Vec::<u64>::new());
    status.store(200, Ordering::SeqCst);
    assert_eq!(place.pass().delivered, 5);
    assert_eq!(server.taken(), [1, 2, 3, 4, 5]);
    assert!(!place.context.root.outbox_retry("hook").exists());
    // What was retried once can be retried again.
    status.store(500, Ordering::SeqCst);
    place.events.add(1);
    while letters(&place).is_empty() {
        place.pass();
    }
    outbox::retry(&place.context, &[], &[]).unwrap();
    status.store(200, Ordering::SeqCst);
    assert_eq!(place.pass().delivered, 1);
    assert_eq!(server.taken(), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn more_than_five_thousand_waiting_drops_the_oldest_and_counts_them() {
    let (server, status) = switched();
    let place = Place::hook(&server.url(), &json!({}));
    place.events.add(5000);
    assert_eq!(place.pass().dropped, 0);
    place.events.add(7);
    let report = place.pass();
    assert_eq!(report.dropped, 7);
    refused(&report);
    assert_eq!(place.pass().dropped, 0, "they are dropped once");
    let position = Position::read(&place.context.root.outbox_position("hook")).unwrap();
    assert_eq!((position.acked, position.dropped), (7, 7));
    status.store(409, Ordering::SeqCst);
    assert_eq!(place.pass_of(3).delivered, 3);
    assert_eq!(server.taken(), [8, 9, 10]);
}

#[test]
fn of_a_service_only_the_newest_event_waits_where_the_sink_coalesces() {
    let (server, status) = switched();
    let place = Place::hook(&server.url(), &json!({"coalesce": true}));
    place.events.add(1);
    refused(&place.pass());
    place.events.add(4);
    status.store(200, Ordering::SeqCst);
    assert_eq!(place.pass().delivered, 2);
    assert_eq!(server.taken(), [4, 5]);
}

#[test]
fn two_deliverers_never_interleave() {
    let server = Server::good();
    let place = Place::hook(&server.url(), &json!({}));
    place.events.add(300);
    let reports: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| place.pass())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(server.taken(), (1..=300).collect::<Vec<_>>());
    assert_eq!(reports.iter().map(|report| report.delivered).sum::<u64>(), 300);
    assert!(reports.iter().all(|report| matches!(report.end, End::Idle | End::Busy(_))), "{reports:?}");
}

#[test]
fn a_pass_that_is_asked_to_end_does_so_after_the_event_that_it_is_at() {
    let server = Server::good();
    let place = Place::hook(&server.url(), &json!({}));
    place.events.add(10);
    let report = place.pass_of(4);
    assert!(matches!(report.end, End::Asked) && report.delivered == 4, "{report:?}");
    assert_eq!(place.pass().delivered, 6);
}

#[test]
fn a_position_that_cannot_be_read_costs_doubles_under_the_same_ids_and_no_event() {
    let server = Server::good();
    let place = Place::hook(&server.url(), &json!({}));
    place.events.add(3);
    place.pass();
    let path = place.context.root.outbox_position("hook");
    minions_managed::base::files::write_atomic(&path, b"\0\0\0", minions_managed::base::files::Durability::Cached)
        .unwrap();
    assert_eq!(outbox::status(&place.context, &[]).unwrap_err().code, "outbox-unreadable");
    let report = place.pass();
    assert!(report.set_aside.as_ref().is_some_and(|path| path.exists()) && report.delivered == 3, "{report:?}");
    let requests = server.requests();
    for (first, second) in requests[..3].iter().zip(&requests[3..]) {
        assert_eq!(first.header("idempotency-key"), second.header("idempotency-key"));
    }
}

/// What a receiver does that is in a bad way: one request in three fails, each time in another manner.
fn moody() -> Server {
    let turn = AtomicU64::new(0);
    Server::start(move |_| match turn.fetch_add(1, Ordering::SeqCst) * 7 % 31 {
        1 => Answer::status(500),
        4 => Answer::Reset,
        9 => Answer::status(409),
        12 => Answer::Close,
        17 => Answer::Status(302, vec!["location: /".into()]),
        20 => Answer::Bytes(b"\0\0\0\0\r\n\r\n"),
        25 => Answer::status(429),
        28 => Answer::status(503),
        _ => Answer::status(200),
    })
}

fn deliver_all_to_a_moody_receiver(count: u64) {
    let server = moody();
    let place = Place::hook(&server.url(), &json!({}));
    let mut passes = 0;
    for _ in 0..count / 1000 {
        place.events.add(1000);
        // Waits are the deliverer's, and each pass here is a new one.
        while !matches!(place.pass().end, End::Idle) {
            passes += 1;
            assert!(passes < count, "it gets on");
        }
    }
    let taken = server.taken();
    let expected: Vec<u64> = (1..=count).collect();
    assert!(taken == expected, "each once, in order: {} of {count}", taken.len());
}

#[test]
fn a_receiver_in_a_bad_way_gets_every_event_in_order() {
    deliver_all_to_a_moody_receiver(1000);
}

#[test]
#[ignore = "long: `just soak`"]
fn a_receiver_in_a_bad_way_gets_ten_thousand_events_in_order() {
    deliver_all_to_a_moody_receiver(10_000);
}
