//! What happens in a story, one act per line: the language of the scenarios, and of what a failing walk prints.
//!
//! | line | what |
//! |---|---|
//! | `declare AGENT [ttl=M] NAME WORD… [; NAME WORD…]` | writes the agent's sidecar: services that behave as their arguments say (`model.rs`), with fields of contract section 8 (`declare.rs`) |
//! | `sidecar AGENT TEXT` | writes the agent's sidecar, as it stands |
//! | `$ COMMAND` | `minions managed COMMAND`, to its end |
//! | `& COMMAND` | the same, begun; it goes on with later acts |
//! | `steps N` | whatever runs makes N steps |
//! | `until STEP` | whatever runs goes on until somebody reaches that named step |
//! | `join` | every command comes to its end, also those that were frozen, and loops |
//! | `die command at STEP`, `die shim NAME at STEP`, `die follower NAME at STEP` | whoever gets there next is killed; a number is that of a step from then on |
//! | `kill service NAME`, `kill shim NAME`, `kill commands` | SIGKILL |
//! | `reuse NAME` | its shim and service are killed, and their pids are bystanders' from then on |
//! | `connect PORT`, `disconnect PORT` | somebody connects to the service that listens there, and goes again |
//! | `end loops` | SIGTERM to every `run` |
//! | `freeze commands`, `thaw commands`, and of a shim or a service as with `kill` | SIGSTOP, SIGCONT |
//! | `wait SPAN` | time passes: `300ms`, `5s`, `2m`, `1h` |
//! | `clock +SPAN`, `clock -SPAN` | somebody sets the clock |
//! | `reboot` | everything dies; another boot begins |
//! | `fault WORD` | from here on the system refuses things (`faults.rs`); `fault none`: no more |
//! | `tear N` | the state file is cut after N bytes |
//! | `processes` | shows the process table |
//! | `state` | shows what the state file says of each service |
//! | `peace` | no faults; every command ends; `reconcile`; then all of it must be true |

use std::time::Duration;

use minions_managed::base::steps::Step;

use crate::faults::Faults;
use crate::role::{At, Death, Role};

/// One act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Declare { agent: String, ttl_minutes: u64, specs: Vec<Vec<String>> },
    Sidecar { agent: String, text: String },
    Run(Vec<String>),
    Begin(Vec<String>),
    Steps(u64),
    Until(Step),
    Join,
    Die(Death),
    Connect(u16),
    Disconnect(u16),
    AskLoops,
    Freeze(Whom),
    Thaw(Whom),
    Kill(Whom),
    Reuse(String),
    Wait(Duration),
    Clock(i64),
    Reboot,
    Fault(Faults),
    Tear(u64),
    Processes,
    State,
    Peace,
}

/// Who gets a signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Whom {
    Service(String),
    Shim(String),
    Commands,
}

impl Act {
    /// Reads a line; the error says what is wrong with it.
    pub(crate) fn parse(line: &str) -> Result<Self, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let odd = || format!("`{line}` is no act (see tests/sim/script.rs)");
        let texts: Vec<&str> = words.iter().map(String::as_str).collect();
        Ok(match texts.as_slice() {
            ["declare", agent, ..] => declaration(agent, &words[2..]),
            ["sidecar", agent, ..] => {
                let text = line.split_once(agent).map_or("", |(_, text)| text.trim_start());
                Self::Sidecar { agent: (*agent).into(), text: text.into() }
            }
            ["$", ..] => Self::Run(words[1..].to_vec()),
            ["&", ..] => Self::Begin(words[1..].to_vec()),
            ["steps", count] => Self::Steps(count.parse().map_err(|_| odd())?),
            ["until", step] => match moment(step) {
                Some(At::Named(step)) => Self::Until(step),
                Some(At::Number(_)) | None => return Err(odd()),
            },
            ["join"] => Self::Join,
            ["die", who @ .., "at", at] => {
                let who = match who {
                    ["command"] => Role::Command,
                    ["shim", name] => Role::Shim((*name).into()),
                    ["follower", name] => Role::Follower((*name).into()),
                    _ => return Err(odd()),
                };
                Self::Die(Death { who, at: moment(at).ok_or_else(odd)? })
            }
            ["connect", port] => Self::Connect(port.parse().map_err(|_| odd())?),
            ["disconnect", port] => Self::Disconnect(port.parse().map_err(|_| odd())?),
            ["end", "loops"] => Self::AskLoops,
            ["freeze", whom @ ..] => Self::Freeze(parse_whom(whom).ok_or_else(odd)?),
            ["thaw", whom @ ..] => Self::Thaw(parse_whom(whom).ok_or_else(odd)?),
            ["kill", whom @ ..] => Self::Kill(parse_whom(whom).ok_or_else(odd)?),
            ["reuse", name] => Self::Reuse((*name).into()),
            ["wait", span] => Self::Wait(parse_span(span).ok_or_else(odd)?),
            ["clock", by] => Self::Clock(parse_shift(by).ok_or_else(odd)?),
            ["reboot"] => Self::Reboot,
            ["fault", word] => {
                Self::Fault(Faults::ALL.into_iter().find(|fault| fault.word() == *word).ok_or_else(odd)?)
            }
            ["tear", bytes] => Self::Tear(bytes.parse().map_err(|_| odd())?),
            ["processes"] => Self::Processes,
            ["state"] => Self::State,
            ["peace"] => Self::Peace,
            _ => return Err(odd()),
        })
    }

    /// The line.
    pub(crate) fn line(&self) -> String {
        match self {
            Self::Declare { agent, ttl_minutes, specs } => {
                let specs: Vec<String> = specs.iter().map(|words| words.join(" ")).collect();
                format!("declare {agent} ttl={ttl_minutes} {}", specs.join(" ; "))
            }
            Self::Sidecar { agent, text } => format!("sidecar {agent} {text}"),
            Self::Run(words) => format!("$ {}", words.join(" ")),
            Self::Begin(words) => format!("& {}", words.join(" ")),
            Self::Steps(count) => format!("steps {count}"),
            Self::Until(step) => format!("until {}", step.word()),
            Self::Join => "join".into(),
            Self::Connect(port) => format!("connect {port}"),
            Self::Disconnect(port) => format!("disconnect {port}"),
            Self::AskLoops => "end loops".into(),
            Self::Freeze(whom) => format!("freeze {}", whom.words()),
            Self::Thaw(whom) => format!("thaw {}", whom.words()),
            Self::Kill(whom) => format!("kill {}", whom.words()),
            Self::Die(Death { who, at }) => {
                let who = match who {
                    Role::Command => "command".to_owned(),
                    Role::Shim(name) => format!("shim {name}"),
                    Role::Follower(name) => format!("follower {name}"),
                };
                let at = match at {
                    At::Number(number) => number.to_string(),
                    At::Named(step) => step.word().to_owned(),
                };
                format!("die {who} at {at}")
            }
            Self::Reuse(name) => format!("reuse {name}"),
            Self::Wait(span) => format!("wait {}ms", span.as_millis()),
            Self::Clock(by) => format!("clock {by:+}ms"),
            Self::Reboot => "reboot".into(),
            Self::Fault(fault) => format!("fault {}", fault.word()),
            Self::Tear(bytes) => format!("tear {bytes}"),
            Self::Processes => "processes".into(),
            Self::State => "state".into(),
            Self::Peace => "peace".into(),
        }
    }
}

impl Whom {
    fn words(&self) -> String {
        match self {
            Self::Service(name) => format!("service {name}"),
            Self::Shim(name) => format!("shim {name}"),
            Self::Commands => "commands".into(),
        }
    }
}

fn parse_whom(words: &[&str]) -> Option<Whom> {
    match words {
        ["service", name] => Some(Whom::Service((*name).into())),
        ["shim", name] => Some(Whom::Shim((*name).into())),
        ["commands"] => Some(Whom::Commands),
        _ => None,
    }
}

fn declaration(agent: &str, words: &[String]) -> Act {
    let ttl = words.first().and_then(|word| word.strip_prefix("ttl=")?.parse().ok());
    let words = if ttl.is_some() { &words[1..] } else { words };
    let specs = words.split(|word| word == ";").map(<[String]>::to_vec).filter(|spec| !spec.is_empty()).collect();
    Act::Declare { agent: agent.to_owned(), ttl_minutes: ttl.unwrap_or(60), specs }
}

fn moment(word: &str) -> Option<At> {
    let named = || Step::ALL.iter().copied().find(|step| step.word() == word).map(At::Named);
    word.parse().ok().map(At::Number).or_else(named)
}

fn parse_span(text: &str) -> Option<Duration> {
    let at = text.find(|c: char| !c.is_ascii_digit())?;
    let (figure, unit) = (text[..at].parse::<u64>().ok()?, &text[at..]);
    let millis = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    Some(Duration::from_millis(figure * millis))
}

fn parse_shift(text: &str) -> Option<i64> {
    let millis = i64::try_from(parse_span(text.get(1..)?)?.as_millis()).ok()?;
    match text.as_bytes().first()? {
        b'+' => Some(millis),
        b'-' => Some(-millis),
        _ => None,
    }
}

#[test]
fn acts_read_back_from_their_lines() {
    for line in [
        "declare ripley ttl=60 web --port 3001 restart=always backoff_s=1,2 ; api --deaf",
        "sidecar ripley {\"specs\": []}",
        "$ accept ripley",
        "& stop web",
        "steps 40",
        "until start.claimed",
        "join",
        "die command at start.claimed",
        "die shim web at 7",
        "die follower web at follow.noted",
        "connect 3001",
        "disconnect 3001",
        "end loops",
        "freeze commands",
        "thaw shim web",
        "kill service web",
        "kill shim web",
        "kill commands",
        "reuse web",
        "wait 300ms",
        "clock +1000ms",
        "clock -1000ms",
        "reboot",
        "fault disk-full",
        "tear 40",
        "processes",
        "state",
        "peace",
    ] {
        assert_eq!(Act::parse(line).expect(line).line(), line);
    }
    assert!(Act::parse("fault unknown").is_err() && Act::parse("die command at nowhere").is_err());
    assert_eq!(Act::parse("wait 2m"), Act::parse("wait 120s"));
}
