//! Runs as people read of them: docs/runs.md, written from the tables. A test compares it with the committed file.

use crate::lifecycle::runs::{RunInput, RunStatus, next};

use super::words::FailureClass;

const HEAD: &str = "\
# Runs and the queue

Written from `src/runs/docs.rs` and `src/lifecycle/runs.rs` by `tests/generated.rs`; change it there.

A **run** is one acceptance of one sidecar by one agent: what was asked for, who it was for, and what came of it. It is a file,
`engine/managed-runs/RUN-ID.json`, written when the sidecar is taken up and once more each time that the run moves. Once it has ended it
never changes again. `minions managed runs` lists them, newest first; `minions managed runs show ID` tells one with its events.

A sidecar that is not yet decided waits in the **queue**: `minions managed queue`. Whoever decides it (`accept`, or the loop `run`) has
the agent's **lease** while they do, so that two of them never decide one sidecar twice ([how](design/queue.md)).

## Statuses

| status | meaning |
|---|---|
";

const TAIL: &str = "
## A run that is blocked

What could not be decided now is no failure of the sidecar: the port may be free in a minute. The sidecar stays where it is, and the run
stands as `blocked`, with its reason. The next try takes up the same run, so that a loop which tries every `healthBackoffSec` fills no
folder. If another sidecar stands there by then, or it is accepted for another project or work item, the old run ends as `cancelled`,
and the new one begins.

## Idempotency

`accept --idempotency-key KEY` with a key that an ended run has: the same content (agent, project, work item and the sidecar's bytes)
is answered by what that run came to, and nothing is started; other content is a conflict (`idempotency-key-reused`, exit 7). While
another command decides under the same key, that is a conflict too (`idempotency-key-in-use`). A key lives as long as its run.

## How long runs are kept

`runsMax` of them. The oldest beyond that go with a sweep, but never one that has not ended, and never one that the record of a service
names: of what is there it can always be said how it came.

## The queue

`minions managed queue` shows the sidecars that are not yet decided, in the order in which they are taken: by `priority` at the top of the
sidecar (a whole number from -1000 to 1000, higher first; what is none counts as 0 and is a warning), then by age, then by the agent's
name. `run` and `accept --all` take them in that order, at most `queueSideBySideMax` side by side.

A **lane** is a project. A sidecar does not say its project: whoever accepts it does. So one that nobody has tried yet stands in the
lane without a name, and one that is being decided, or is blocked, in that of its run.

`minions managed queue cancel AGENT` takes a waiting sidecar out of the queue: it moves to `managed-spawn.rejected.json`, its run ends as
`cancelled`, and there is an event `sidecar.cancelled`. One that somebody decides at this moment is a conflict (exit 7).
";

/// The text of docs/runs.md.
pub fn markdown() -> String {
    let statuses: String =
        RunStatus::ALL.into_iter().map(|status| format!("| `{}` | {} |\n", status.word(), status.meaning())).collect();
    let inputs: String =
        RunInput::ALL.into_iter().map(|input| format!("| `{}` | {} |\n", input.word(), input.meaning())).collect();
    let kinds: String =
        FailureClass::ALL.into_iter().map(|kind| format!("| `{}` | {} |\n", kind.word(), kind.meaning())).collect();
    format!(
        "{HEAD}{statuses}\n\
         ## What happens\n\n| input | meaning |\n|---|---|\n{inputs}\n\
         ## The table\n\n\
         A row per input, a column per status: where the run stands then. An empty cell is an illegal move: whoever tries it gets an \
         error that names both, and nothing is written.\n\n{}\n{}\n\
         ## Why not well\n\n`failure_kind` is one of these, or null; `failure_message` says it in words, without secrets.\n\n\
         | kind | meaning |\n|---|---|\n{kinds}{TAIL}",
        table(),
        drawing()
    )
}

fn table() -> String {
    let heads: String = RunStatus::ALL.into_iter().map(|status| format!(" `{}` |", status.word())).collect();
    let line = "---|".repeat(RunStatus::ALL.len() + 1);
    let row = |input: RunInput| {
        let cell = |status| next(status, input).map_or("  |".to_owned(), |to| format!(" {} |", to.word()));
        let cells: String = RunStatus::ALL.into_iter().map(cell).collect();
        format!("| `{}` |{cells}\n", input.word())
    };
    let rows: String = RunInput::ALL.into_iter().map(row).collect();
    format!("| |{heads}\n|{line}\n{rows}")
}

/// In Mermaid's language: an arrow per pair of statuses, with all inputs that lead along it.
fn drawing() -> String {
    let pairs = RunStatus::ALL.into_iter().flat_map(|from| RunStatus::ALL.map(|to| (from, to)));
    let arrow = |(from, to): (RunStatus, RunStatus)| {
        let words: Vec<&str> =
            RunInput::ALL.into_iter().filter(|input| next(from, *input) == Ok(to)).map(RunInput::word).collect();
        (!words.is_empty()).then(|| format!("    {} --> {} : {}\n", from.word(), to.word(), words.join(", ")))
    };
    let arrows: String = pairs.filter_map(arrow).collect();
    let ends: String = RunStatus::ALL
        .into_iter()
        .filter(|status| status.is_ended())
        .map(|status| format!("    {} --> [*]\n", status.word()))
        .collect();
    format!("```mermaid\nstateDiagram-v2\n    [*] --> pending\n{arrows}{ends}```\n")
}
