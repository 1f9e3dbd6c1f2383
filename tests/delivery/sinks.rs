//! What each kind of sink does with one event.

use minions_managed::ops::deliver::End;
use serde_json::json;

use super::server::{Answer, Server};
use super::support::{Place, refused};

#[test]
fn a_webhook_gets_a_post_with_the_event_and_its_id() {
    let server = Server::good();
    let place = Place::hook(
        &server.url(),
        &json!({"headers": {"X-A": "b", "Authorization": {"env": "HOOK_AUTH"}, "Host": "evil"}}),
    );
    place.events.add(3);
    let report = place.pass();
    assert!(matches!(report.end, End::Idle) && report.delivered == 3, "{report:?}");
    assert_eq!(server.taken(), [1, 2, 3]);
    assert_eq!(server.connections(), 1, "the connection is kept");
    let request = &server.requests()[0];
    assert_eq!(request.line, "POST /hook HTTP/1.1");
    for (name, value) in [
        ("content-type", "application/cloudevents+json"),
        ("idempotency-key", "evt-000000000000000000000001"),
        ("x-a", "b"),
        ("authorization", "Bearer s3cret-of-the-hook"),
        ("host", &server.address.to_string()),
    ] {
        let all: Vec<&String> =
            request.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value).collect();
        assert_eq!(all, [value], "{name}");
    }
    assert_eq!(request.body["id"], "evt-000000000000000000000001");
    assert_eq!(request.body["subject"], "web");
    assert_eq!(place.pass().delivered, 0, "what is delivered is done with");
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn every_answer_delivers_or_is_refused_with_a_sentence() {
    let cases: [(Answer, Option<&str>); 15] = [
        (Answer::status(200), None),
        (Answer::status(202), None),
        (Answer::status(204), None),
        (Answer::status(409), None),
        (Answer::Endless(200), None),
        (Answer::status(400), Some("it answered 400")),
        (Answer::status(404), Some("it answered 404")),
        (Answer::status(429), Some("it answered 429")),
        (Answer::status(500), Some("it answered 500")),
        (
            Answer::Status(302, vec!["location: /elsewhere".into()]),
            Some("it answered 302, and redirects are not followed"),
        ),
        (Answer::status(304), Some("it answered 304, and redirects are not followed")),
        (Answer::Hang, Some("it did not answer within 300.0ms")),
        (Answer::Reset, Some("no answer: ")),
        (Answer::Close, Some("no answer: ")),
        (Answer::Bytes(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), Some("it did not answer in HTTP: ")),
    ];
    for (answer, expected) in cases {
        let bad = answer.clone();
        let first = std::sync::atomic::AtomicBool::new(true);
        let server = Server::start(move |_| {
            if first.swap(false, std::sync::atomic::Ordering::SeqCst) { bad.clone() } else { Answer::status(200) }
        });
        let mut place = Place::hook(&server.url(), &json!({}));
        place.events.add(2);
        if answer == Answer::Hang {
            place.limit(0.3);
        }
        let report = place.pass();
        place.limit(30.0);
        match expected {
            None => assert!(matches!(report.end, End::Idle) && report.delivered == 2, "{answer:?} {report:?}"),
            Some(words) => {
                assert!(refused(&report).starts_with(words), "{answer:?} {report:?}");
                assert_eq!((report.delivered, server.taken().len()), (0, 0), "{answer:?}");
                let again = place.pass();
                assert!(matches!(again.end, End::Idle) && again.delivered == 2, "{answer:?} {again:?}");
            }
        }
        assert_eq!(server.taken(), [1, 2], "{answer:?}");
    }
}

#[test]
fn nobody_there_is_a_refusal_that_names_no_secret() {
    let place = Place::hook("http://127.0.0.1:9/hook?token=hunter2", &json!({}));
    place.events.add(1);
    let report = place.pass();
    assert!(refused(&report).starts_with("no answer: ") && !format!("{report:?}").contains("hunter2"), "{report:?}");
}

#[test]
fn redirects_are_followed_where_the_sink_says_so_and_secrets_stay_with_their_server() {
    let other = Server::good();
    let there = format!("location: {}", other.url());
    let server = Server::start(move |request| match request.line.as_str() {
        "POST /hook HTTP/1.1" => Answer::Status(307, vec!["location: /next".into()]),
        "POST /next HTTP/1.1" => Answer::Status(302, vec![there.clone()]),
        _ => Answer::status(500),
    });
    let headers = json!({"followRedirects": true, "headers": {"Authorization": {"env": "HOOK_AUTH"}}});
    let place = Place::hook(&server.url(), &headers);
    place.events.add(1);
    assert_eq!(place.pass().delivered, 1);
    assert_eq!(other.taken(), [1]);
    assert!(server.requests().iter().all(|request| request.header("authorization").is_some()));
    assert_eq!(
        other.requests()[0].header("authorization"),
        None,
        "what is meant for one server is not told to another"
    );
    let circle = Server::start(|_| Answer::Status(308, vec!["location: /hook".into()]));
    let place = Place::hook(&circle.url(), &headers);
    place.events.add(1);
    assert_eq!(refused(&place.pass()), "it redirected more than 3 times");
    assert_eq!(circle.requests().len(), 4);
    let odd = Server::start(|_| Answer::Status(302, vec!["location: ftp://u:hunter2@h/".into()]));
    let place = Place::hook(&odd.url(), &headers);
    place.events.add(1);
    assert_eq!(refused(&place.pass()), "it redirected to `ftp://[redacted]@h/`, which is no http address");
}

#[test]
fn a_proxy_is_used_where_the_sink_says_so_and_not_because_the_environment_does() {
    let proxy = Server::start(|_| Answer::status(403));
    let server = Server::good();
    let place = Place::hook(&server.url(), &json!({"proxy": format!("http://{}", proxy.address)}));
    place.events.add(1);
    refused(&place.pass());
    assert_eq!(proxy.requests()[0].line, format!("CONNECT {} HTTP/1.1", server.address));
    assert!(server.requests().is_empty());
}

#[test]
fn a_secret_that_is_not_there_counts_as_no_failure_of_the_event() {
    let server = Server::good();
    let place = Place::hook(&server.url(), &json!({"headers": {"Authorization": {"env": "NOT_SET"}}}));
    place.events.add(1);
    for _ in 0..20 {
        let report = place.pass();
        let End::Unready { why } = &report.end else { panic!("{report:?}") };
        assert_eq!(why, "the header `Authorization` wants the variable `NOT_SET`, which is not set");
        assert_eq!(report.dead, 0);
    }
    assert!(server.requests().is_empty());
}

#[test]
fn a_command_gets_the_event_on_its_stdin_and_its_exit_code_decides() {
    let check = |script: &str, expected: &str| {
        let place = Place::new(
            &json!([{"name": "cmd", "type": "command", "cmd": "sh", "args": ["-c", script], "timeoutSec": 5}]),
            &[("TO", "out.jsonl")],
        );
        place.events.add(2);
        let report = place.pass();
        let end = if matches!(report.end, End::Idle) { "idle" } else { refused(&report) };
        assert_eq!(end, expected, "{script}");
        place.read(&place.context.root.dir().join("out.jsonl"))
    };
    let written = check("cat >> \"$TO\"", "idle");
    let lines: Vec<serde_json::Value> = written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[0]["data"]["seq"], &lines[1]["data"]["seq"], lines.len()), (&json!(1), &json!(2), 2));
    check("true", "idle");
    check("exec 0<&-; sleep 0; exit 0", "idle");
    check("echo no http://u:hunter2@h/ >&2; exit 3", "exit code 3; stderr: `no http://[redacted]@h/`");
    check("kill -9 $$", "ended by signal 9");
}

#[test]
fn a_command_that_does_not_end_is_ended_with_all_that_it_started() {
    let place = Place::new(
        &json!([{"name": "cmd", "type": "command", "cmd": "sh", "args": ["-c", "sleep 1000 & exec sleep 1000"], "timeoutSec": 0.2}]),
        &[],
    );
    place.events.add(1);
    // It returns: nothing that holds its stderr is left.
    assert_eq!(refused(&place.pass()), "it did not end within 200.0ms");
    let place = Place::new(&json!([{"name": "cmd", "type": "command", "cmd": "no-such-program"}]), &[]);
    place.events.add(1);
    assert!(refused(&place.pass()).starts_with("there is no program `no-such-program`"));
}

#[test]
fn a_file_gets_a_line_per_event() {
    let place = Place::new(
        &json!([{"name": "log", "type": "file", "path": "../events/out.jsonl", "types": ["service.*"]}]),
        &[],
    );
    place.events.add(100);
    assert_eq!(place.pass().delivered, 100);
    let text = place.read(&place.outside("events/out.jsonl"));
    let seqs: Vec<u64> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["data"]["seq"].as_u64().unwrap())
        .collect();
    assert_eq!(seqs, (1..=100).collect::<Vec<_>>());
    let place = Place::new(&json!([{"name": "log", "type": "file", "path": "engine/managed-processes.json"}]), &[]);
    place.events.add(1);
    assert!(refused(&place.pass()).contains("own files"));
}

#[test]
fn what_a_receiver_says_again_of_our_secrets_is_hidden() {
    let location = "location: ftp://h/an-opaque-word/s3cret-of-the-hook".to_owned();
    let server = Server::start(move |_| Answer::Status(302, vec![location.clone()]));
    let headers = json!({"X-A": "an-opaque-word", "Authorization": {"env": "HOOK_WORD"}});
    let hook =
        json!({"name": "hook", "type": "webhook", "url": server.url(), "followRedirects": true, "headers": headers});
    // Its end would be cut off, and its beginning shown.
    let script = "printf %0190d 0 >&2; echo $MY_TOKEN >&2; exit 1";
    let command = json!({"name": "cmd", "type": "command", "cmd": "sh", "args": ["-c", script]});
    let env = [("HOOK_WORD", "s3cret-of-the-hook"), ("MY_TOKEN", "s3cret-of-a-command")];
    for sink in [hook, command] {
        let place = Place::new(&json!([sink]), &env);
        place.events.add(1);
        let report = place.pass();
        let why = refused(&report);
        assert!(!why.contains("s3cret") && !why.contains("opaque") && why.contains("[redact"), "{why}");
    }
}
