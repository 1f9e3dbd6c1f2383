//! The state machine as people read it: docs/lifecycle.md, written from the table. A test compares it with the committed file.

use crate::service::Status;

use super::transitions::{Input, next};

const HEAD: &str = "\
# The life of a service

Written from `src/lifecycle/transitions.rs` by `tests/generated.rs`; change it there.

A record stands in one of seven statuses, and only the moves of this page lead from one to another.
Whoever moves it writes down when, from where, by what and why: `minions managed explain NAME` tells.

## Statuses

| status | meaning |
|---|---|
";

/// The text of docs/lifecycle.md.
pub fn markdown() -> String {
    let statuses: String =
        Status::ALL.into_iter().map(|status| format!("| `{}` | {} |\n", status.word(), meaning(status))).collect();
    let inputs: String =
        Input::ALL.into_iter().map(|input| format!("| `{}` | {} |\n", input.word(), input.meaning())).collect();
    format!(
        "{HEAD}{statuses}\n\
         ## What happens\n\n\
         | input | meaning |\n|---|---|\n{inputs}\n\
         ## The table\n\n\
         A row per input, a column per status: where the record stands then. An empty cell is an illegal move; whoever tries it \
         gets an error that names both, and the record stays as it is.\n\n{}\n\
         ## The drawing\n\n\
         From every status to `stopping`, and not drawn: {}.\n\n{}",
        table(),
        ends().collect::<Vec<_>>().join(", "),
        drawing()
    )
}

/// What a status means, for people.
const fn meaning(status: Status) -> &'static str {
    match status {
        Status::Queued => "waits to be started; has no process",
        Status::Starting => "a command is about to start it, or has started it and not yet written that down",
        Status::Running => "started, and as far as anybody has seen it is there",
        Status::Backoff => "dead; its restart policy starts it again at `next_at`",
        Status::Stopping => "it is being ended, or would not end and the next sweep tries again",
        Status::Stopped => "has no process; its declaration stays until somebody needs it or its time to live is over",
        Status::Failed => "given up; with a restart policy or on-demand it stays until its time to live is over",
    }
}

fn table() -> String {
    let heads: String = Status::ALL.into_iter().map(|status| format!(" `{}` |", status.word())).collect();
    let line = "---|".repeat(Status::ALL.len() + 1);
    let row = |input: Input| {
        let cell = |status| next(status, input).map_or("  |".to_owned(), |to| format!(" {} |", to.word()));
        let cells: String = Status::ALL.into_iter().map(cell).collect();
        format!("| `{}` |{cells}\n", input.word())
    };
    let rows: String = Input::ALL.into_iter().map(row).collect();
    format!("| |{heads}\n|{line}\n{rows}")
}

/// Whether `input` leads from everywhere to the end.
fn is_end(input: Input) -> bool {
    Status::ALL.into_iter().all(|status| next(status, input) == Ok(Status::Stopping))
}

fn ends() -> impl Iterator<Item = String> {
    Input::ALL.into_iter().filter(|input| is_end(*input)).map(|input| format!("`{}`", input.word()))
}

/// In Mermaid's language: an arrow per pair of statuses, with all inputs that lead along it.
fn drawing() -> String {
    let pairs =
        Status::ALL.into_iter().flat_map(|from| Status::ALL.map(|to| (from, to))).filter(|(from, to)| from != to);
    let arrow = |(from, to): (Status, Status)| {
        let leads = |input: &Input| next(from, *input) == Ok(to) && !is_end(*input);
        let words: Vec<&str> = Input::ALL.into_iter().filter(leads).map(Input::word).collect();
        (!words.is_empty()).then(|| format!("    {} --> {} : {}\n", from.word(), to.word(), words.join(", ")))
    };
    let arrows: String = pairs.filter_map(arrow).collect();
    format!("```mermaid\nstateDiagram-v2\n    [*] --> queued\n    stopping --> [*]\n{arrows}```\n")
}
