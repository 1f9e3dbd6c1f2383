//! Files made to be slow: each of almost 1 MiB, none may take long, none may end the program.

use std::time::Duration;

use minions_managed::config::Settings;
use minions_managed::sidecar::{Expectations, Judge, System, decide_with_schema, excerpt};
use rustix::time::{ClockId, clock_gettime};

/// The room that there is for what makes a file slow, in bytes.
const ROOM: usize = 1_000_000;
/// Far more than any takes without optimisation; what grows with the square of the size would take minutes.
const PROCESSOR_TIME_MAX: Duration = Duration::from_secs(10);

fn repeated(part: &str) -> String {
    part.repeat(ROOM / part.len())
}

/// `count` entries, each with a key of its own.
fn entries(count: usize) -> String {
    (0..count).map(|i| format!("\"k{i}\":0,")).collect()
}

fn spec(fields: &str) -> String {
    format!("{{\"specs\":[{{\"name\":\"web\",\"cmd\":\"node\",{fields}\"ttl_minutes\":5}}]}}")
}

fn cases() -> Vec<(&'static str, String)> {
    let http = "\"type\":\"command\",\"shell\":true,\"timeout_s\":5,\"cmd\":\"curl\"";
    let pattern = "(x{999}){99}".repeat(40);
    let deep = format!("{}{}1{}", "[".repeat(120), repeated("1,"), "]".repeat(120));
    vec![
        ("unknown keys of the document", format!("{{{}\"specs\":[]}}", entries(90_000))),
        ("unknown keys of a spec", spec(&entries(90_000))),
        ("one key again and again", spec(&repeated("\"args\":[],"))),
        ("escaped keys again and again", spec(&repeated("\"\\u0061\":1,"))),
        ("arguments", spec(&format!("\"args\":[{}1],", repeated("1,")))),
        ("ports that are arrays", spec(&format!("\"ports\":[[{}1]],", repeated("1,")))),
        ("specs", format!("{{\"specs\":[{}1]}}", repeated("1,"))),
        ("env keys", spec(&format!("\"env\":{{{}\"k\":0}},", entries(80_000)))),
        ("a long name", format!("{{\"specs\":[{{\"name\":\"{}\"}}]}}", repeated("é"))),
        ("a long env key", spec(&format!("\"env\":{{\"{}\":5}},", repeated("A")))),
        (
            "a long address",
            spec(&format!("\"healthcheck\":{{\"type\":\"http\",\"url\":\"http://{}\"}},", repeated("a@"))),
        ),
        ("deep attrs", spec(&format!("\"attrs\":{{\"a\":{deep}}},"))),
        ("deep attrs to be mended", spec(&format!("\"attrs\":{{\"a\":{}}},", deep.replacen("1,1,1,", "1e999,", 1)))),
        ("attrs with many keys", spec(&format!("\"attrs\":{{{}\"a\":1}},", entries(80_000)))),
        ("a string of escapes", spec(&format!("\"attrs\":{{\"a\":\"{}\"}},", repeated("\\ud83d")))),
        ("a long number", spec(&format!("\"ports\":[{}],", repeated("9")))),
        ("a large pattern", spec(&format!("\"healthcheck\":{{{http},\"expect_regex\":\"{pattern}\"}},"))),
        ("brackets without an end", repeated("[")),
        ("braces without an end", repeated("{\"a\":")),
        ("quotes", repeated("\"")),
        ("colons", repeated("\"://\":")),
        ("newlines", format!("{{{}\"specs\":[{{}},{{}},{{}}]}}", repeated("\n"))),
    ]
}

#[test]
fn no_file_is_slow_to_judge_or_to_show() {
    let judge = Judge::new(&Settings::default()).unwrap();
    for (name, text) in cases() {
        assert!(text.len() <= 1_048_576, "{name}: {} bytes", text.len());
        let started = processor_time();
        let verdict = decide_with_schema(text.as_bytes(), &judge, &Expectations::default(), &System::default());
        assert!(!verdict.is_valid(), "{name}");
        let shown = excerpt(&text, "x.json", &verdict, false);
        let taken = processor_time() - started;
        assert!(taken < PROCESSOR_TIME_MAX, "{name}: {taken:?}");
        assert!(verdict.issues.len() + verdict.warnings.len() < 500 && !shown.is_empty(), "{name}");
    }
}

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.cast_unsigned(), u32::try_from(time.tv_nsec).unwrap())
}
