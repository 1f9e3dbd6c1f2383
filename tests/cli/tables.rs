//! Tables as people see them: drawn from values, at the widths of real terminals, with whatever agents may write.

#![expect(clippy::unwrap_used, reason = "what a test makes up is well formed")]

use minions_managed::base::clock::EpochMs;
use minions_managed::ops::show::{Service, Tree, Work};
use minions_managed::ops::shown::Seen;
use minions_managed::service::{Exit, ExitCause, ExitRecord, Liveness, Record};
use minions_managed::state::record_from_json;
use minions_managed::view::record::{Listed, draw_list};
use minions_managed::view::table::Style;
use minions_managed::view::whole;
use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr;

const NOW: EpochMs = EpochMs(1_767_225_600_000);

fn record(name: &str, project: &str, more: &Value) -> Record {
    let mut record = json!({
        "name": name, "owner_project": project, "owner_agent": "ripley", "cmd": "node", "args": ["server.js"],
        "pid": 4711, "ports": [3001], "status": "running", "healthy": true, "ttl_minutes": 240,
        "healthcheck": {"type": "http", "url": "http://localhost:3001/", "expect_status": 200},
        "started_at": NOW.0 - 300_000, "ttl_expires_at": NOW.0 + 14_100_000,
    });
    for (key, value) in more.as_object().unwrap() {
        record[key] = value.clone();
    }
    record_from_json(record).unwrap()
}

/// Ordinary services, and one of each oddity.
fn services() -> Vec<(Record, Liveness, Option<u64>)> {
    vec![
        (record("web", "shop", &json!({})), Liveness::Alive, Some(123_456_789)),
        (
            record("api-of-the-shop", "shop", &json!({"healthy": false, "ports": [3002, 3003]})),
            Liveness::Alive,
            Some(640_000),
        ),
        (record("db", "shop", &json!({"pid": 4_194_304, "ports": []})), Liveness::Dead, None),
        (record("hidden", "", &json!({"ttl_expires_at": NOW.0 - 1})), Liveness::Unknown, None),
    ]
}

/// What agents may write: other scripts, letters of no width, terminal escapes, and much of it.
fn hostile() -> Vec<(Record, Liveness, Option<u64>)> {
    let long = "a".repeat(64);
    let projects = [
        "日本語のプロジェクト".repeat(20),
        "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}\u{2764}\u{fe0f}".repeat(30),
        "\u{1b}[2J\u{1b}]0;x\u{7}\r\n\u{202e}".repeat(10),
        format!("z{}", "\u{301}".repeat(5000)),
        "| a | **b** | `c` |".to_owned(),
    ];
    let ports: Vec<u16> = (3001..3021).collect();
    let odd = |project: &String| record(&long, project, &json!({"ports": ports, "pid": 4_194_304}));
    projects.iter().map(|project| (odd(project), Liveness::Dead, Some(u64::MAX))).collect()
}

fn drawn(services: &[(Record, Liveness, Option<u64>)], width: Option<usize>) -> String {
    let listed = services.iter().map(|(record, liveness, memory_bytes)| Listed {
        record,
        liveness: *liveness,
        memory_bytes: *memory_bytes,
    });
    draw_list(listed, NOW, Style { width, color: false })
}

#[test]
fn a_list_keeps_what_matters_most_at_every_width() {
    let check = |width: Option<usize>, expected: &str| {
        let text = drawn(&services(), width);
        let trimmed: Vec<&str> = text.lines().map(str::trim_end).collect();
        assert_eq!(trimmed.join("\n"), expected.trim_matches('\n'), "{width:?}\n{text}");
    };
    let whole = "
NAME             PROJECT  STATUS           HEALTH     PID      PORTS      UPTIME  LEFT     MEMORY
web              shop     running          healthy    4711     3001       5m      3h 55m   117 MiB
api-of-the-shop  shop     running          unhealthy  4711     3002,3003  5m      3h 55m   625 KiB
db               shop     running, dead    -          4194304  -          -       3h 55m   -
hidden           -        running, unseen  healthy    4711     3001       5m      expired  -
";
    check(None, whole);
    check(Some(120), whole);
    check(
        Some(80),
        "
NAME            PROJECT  STATUS           HEALTH     PORTS      LEFT     MEMORY
web             shop     running          healthy    3001       3h 55m   117 MiB
api-of-the-sh…  shop     running          unhealthy  3002,3003  3h 55m   625 KiB
db              shop     running, dead    -          -          3h 55m   -
hidden          -        running, unseen  healthy    3001       expired  -
",
    );
    check(
        Some(40),
        "
NAME          STATUS           HEALTH
web           running          healthy
api-of-the-…  running          unhealthy
db            running, dead    -
hidden        running, unseen  healthy
",
    );
    check(
        Some(12),
        "
NAME
web
api-of-the-…
db
hidden
",
    );
}

#[test]
fn no_line_of_a_list_is_wider_than_the_terminal_and_none_is_torn() {
    let all: Vec<_> = services().into_iter().chain(hostile()).collect();
    for width in 1..=200 {
        let text = drawn(&all, Some(width));
        assert_eq!(text.lines().count(), all.len() + 1, "{width}");
        for line in text.lines() {
            assert!(line.width() <= width, "{width}: {} columns: {line:?}", line.width());
            assert!(!line.contains(['\u{1b}', '\u{7}', '\r', '\u{202e}']), "{width}: {line:?}");
        }
    }
}

#[test]
fn colour_says_nothing_that_words_do_not() {
    let listed = |color: bool| {
        let services = services();
        let listed = services.iter().map(|(record, liveness, memory_bytes)| Listed {
            record,
            liveness: *liveness,
            memory_bytes: *memory_bytes,
        });
        draw_list(listed, NOW, Style { width: Some(100), color })
    };
    let (plain, mut painted) = (listed(false), listed(true));
    assert!(painted.contains("\u{1b}[32mrunning\u{1b}[0m") && painted.contains("\u{1b}[31mrunning, dead\u{1b}[0m"));
    for paint in ["\u{1b}[31m", "\u{1b}[32m", "\u{1b}[33m", "\u{1b}[0m"] {
        painted = painted.replace(paint, "");
    }
    assert_eq!(painted, plain);
}

fn service(record: Record, liveness: Liveness) -> Service {
    Service {
        json: String::new(),
        env: record.spec.env.clone(),
        exit: None,
        work: None,
        log_tail: Vec::new(),
        set_aside: None,
        seen: Seen { record, liveness },
    }
}

#[test]
fn a_service_is_shown_whole_with_what_can_be_done_next() {
    let more = json!({
        "env": {"NODE_ENV": "test"}, "attrs": {"base_url": "http://u:p@localhost:3001", "n": [1, 2]},
        "cwd": "/repos/shop", "log_path": "/root/engine/managed-logs/web.log", "args": ["a b", "it's"],
    });
    let service = Service {
        log_tail: vec!["listening".to_owned(), "\u{1b}[2Jgone".to_owned()],
        ..service(record("web", "shop", &more), Liveness::Alive)
    };
    let tree = Tree { pids: vec![4711, 4712], memory_bytes: Some(21_000_000) };
    let text = whole::draw(&service, Some(&tree), NOW, Style::default());
    let expected = r#"
name          web
status        running
health        healthy
last healthy  -
pid           4711
processes     2: 4711 4712
memory        20 MiB
started       2025-12-31 23:55:00 UTC (5m ago)
lives until   2026-01-01 03:55:00 UTC (3h 55m left); it declared 240 minutes

project       shop
agent         ripley
work item     -
worktree      -
declared as   web
run           -

command       node 'a b' "it's"
program       -
folder        /repos/shop
ports         3001
healthcheck   GET http://localhost:3001/ answers 200, every 1 s, within 60 s
env           NODE_ENV=test
passed on     -
attr          base_url = "http://[redacted]@localhost:3001"
attr          n = [1,2]

generation    none: it was recorded by another program
log           /root/engine/managed-logs/web.log

end of the log:
  listening
  \u{1b}[2Jgone

what next:
  minions managed explain web  why, and what comes
  minions managed logs web -f  its log as it grows
  minions managed restart web  a new start
  minions managed stop web     its end
"#;
    assert_eq!(text, expected.trim_start_matches('\n'), "{text}");
}

#[test]
fn how_a_service_ended_and_who_is_at_it_is_put_in_words() {
    let line = |exit: Option<ExitRecord>, work: Option<Work>, key: &str| {
        let shown = Service { exit, work, ..service(record("web", "shop", &json!({})), Liveness::Dead) };
        let text = whole::draw(&shown, Some(&Tree::default()), NOW, Style::default());
        assert!(text.contains("\nprocesses     none\n") && text.contains("\nstatus        running, dead\n"), "{text}");
        let found = text.lines().find_map(|line| Some(line.strip_prefix(key)?.trim().to_owned()));
        found.unwrap_or_else(|| panic!("no {key} in {text}"))
    };
    let ended = |exit, cause, expected: &str| {
        assert_eq!(
            line(Some(ExitRecord { exit, cause, at: NOW }), None, "ended "),
            format!("2026-01-01 00:00:00 UTC, {expected}")
        );
    };
    ended(Exit::Code(3), ExitCause::Own, "by itself: exit code 3");
    ended(Exit::Signal(15), ExitCause::Asked, "when it was asked to: signal 15");
    ended(Exit::Unknown, ExitCause::Expired, "when its time to live was over: nobody saw how");
    let claim = |is_under_way, expected: &str| {
        let work = Work { verb: "stop".into(), pid: 12, since: EpochMs(NOW.0 - 3000), is_under_way };
        assert_eq!(line(None, Some(work), "claim "), expected);
    };
    claim(true, "`minions managed stop` (pid 12) is at it, for 3s");
    claim(false, "`minions managed stop` died in the middle of it, 3s ago; the next command takes over");
}
