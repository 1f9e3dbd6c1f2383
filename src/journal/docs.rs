//! docs/events.md and schemas/event.schema.json, made from the table of types. Pure.

use serde_json::{Value, json};

use crate::service::EventType;

const OPENING: &str = "# Events

<!-- Written from the table in src/service/event.rs: UPDATE=1 cargo test --test generated -->

Every change of every service is an event: one line of the journal, with a number of its own. `minions managed events` shows them,
`timeline` draws them, `list --reader` says what of them somebody has not seen, and the outbox tells them elsewhere. Nobody writes
them: each write of the state derives them from the difference between the records before and after
([how](design/journal.md)).

## The line

```json
{\"seq\":7,\"id\":\"evt-019a0c0ffee0123456789abc\",\"at\":1800000000000,\"type\":\"service.healthy\",\"service\":\"web\",\"project\":\"shop\",
 \"agent\":\"ripley\",\"generation\":\"g019a0c0ffee0123456789abc\",\"run_id\":\"run-019a0c0ffee0123456789abc\",\"data\":{}}
```

(In the file it is one line, with the checksum `crc` as its last key: the CRC-32 of all that stands before it.)

| key | what |
|---|---|
| `seq` | its number: one more than that of the event before it, without a gap |
| `id` | names the event for good, wherever and however often it is told: the idempotency key of deliveries |
| `at` | when it happened, as far as anyone saw it, in epoch milliseconds; `seq` is the order, not `at` |
| `type` | one of the table below |
| `service`, `project`, `agent`, `generation`, `run_id` | what it is about; empty where there is none |
| `data` | more, by type |

In `data`, where it is known: `from` and `to` (statuses), `by` (the command that did it), `input` and `why` (docs/lifecycle.md has the
inputs), `pid`, `previous` (the generation before), `exit` (`code`, `signal`, `cause`, `at`; `code` and `signal` null if nobody saw it),
`next_at` (when a service in backoff is started). Of `service.renewed`, `from` and `to` are ends of its time to live. Of a
`fatal`: `command`, `code`, `message`; one of the command `journal` says that the journal takes nothing. Of `sidecar.rejected`: `reason`. Of `journal.lost`: `from_seq`, `to_seq`, `why`.
There is nothing secret in it: no environment is told, and user info of URLs is hidden. An event is at most 32 KiB; one that would be
longer has only `cut_bytes` in its `data`.

";

const CLOSING: &str = "
## Reading

```console
$ minions managed events                      # the last 50
$ minions managed events --service web -f     # and whatever comes, until interrupted
$ minions managed events --after 120 --type service.failed --format json
$ minions managed events --reader kay --mark-read
```

With `--format json` the answer is `{\"items\": [EVENT…], \"next\": SEQ}`; everything up to `next` has been looked at, so the next
question is `--after SEQ`. A followed journal as JSON is an event on each line. A **reader** is a name with a place in the journal,
`engine/managed-cursors/NAME.json`, that survives restarts: `--reader` goes on there, `--mark-read` moves it once the events are
printed, and `list --reader` says of each service whether its last event is before that place (`attention`: `active`, `unread`,
`read`; active: it is on its way somewhere, so more will come).

`timeline` draws the last hours, a line for each service:

```text
db   ············▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒············  down
web  ████████████████████████!!!!!!██████████████████  healthy
     8h ago                                       now
     █ healthy  ▒ up  ! backoff  · down
```

## The files

`engine/managed-events.jsonl` is written; once it has `journalSegmentBytes` it is closed and named by its first event,
`managed-events.0000000000000001.jsonl`, and the newest `journalSegmentsMax` closed ones are kept. Any tool may read them. What is
missing in the middle is said on stderr and by `doctor`; an end that was torn by a power cut or a kill is cut to its last whole line,
and what was on it is appended anew from the state file, which keeps the last events until the journal is synced. Lines that make no
sense are kept beside the journal as `managed-events.jsonl.torn-MILLISECONDS`.
";

/// docs/events.md.
pub fn markdown() -> String {
    let mut text = OPENING.to_owned();
    text.push_str("## The types\n\n| type | when |\n|---|---|\n");
    for kind in EventType::ALL {
        text.extend(["| `", kind.word(), "` | ", kind.when(), " |\n"]);
    }
    text.push_str(CLOSING);
    text
}

/// schemas/event.schema.json: a line of the journal, and what `events` shows, which is the same without `crc`.
pub fn schema() -> Value {
    let words: Vec<&str> = EventType::ALL.iter().map(|kind| kind.word()).collect();
    let text = |description: &str| json!({"type": "string", "description": description});
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "managed-events.jsonl",
        "description": "A line of the journal, engine/managed-events.jsonl, or an event as `minions managed events` shows it.",
        "type": "object",
        "required": ["seq", "id", "at", "type", "service", "project", "agent", "generation", "run_id", "data"],
        "properties": {
            "seq": {"type": "integer", "minimum": 1, "description": "One more than that of the event before it."},
            "id": text("Names the event for good."),
            "at": {"type": "integer", "description": "When it happened, in milliseconds since 1970-01-01 UTC."},
            "type": {"enum": words, "description": "What kind of thing happened; docs/events.md says when."},
            "service": text("The record's name; empty if it is about no service."),
            "project": text("The service's project; empty when nobody said."),
            "agent": text("The agent that declared it; empty when nobody said."),
            "generation": text("The life that it is about; empty if none."),
            "run_id": text("The acceptance it came from; empty if none."),
            "data": {"type": "object", "description": "More, by type."},
            "crc": text("In the file only: the CRC-32, in 8 hex digits, of all that stands before this key and its comma.")
        }
    })
}
