//! The state file's text as it stands, for who only passes records on: to turn thousands of them into values and back
//! takes longer than all else. That is right only where the text is just what we would write, so the file ends with its
//! own sum; a file without one, or edited since, is read by `read` as ever.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::base::clock::EpochMs;
use crate::base::json::{Plain, from_slice_to_depth};
use crate::service::{Identity, Record, Status};
use crate::state::{DEPTH_MAX, VERSION, etag};

use super::object::Key;
use super::parts::Pid;
use super::read;

/// What stands between the text that is summed and the sum.
pub(super) const SUM_OPENING: &str = r#","sum":""#;
/// What stands after the sum.
pub(super) const SUM_END: &str = "\"}\n";
/// Hex digits of the sum.
const SUM_DIGITS: usize = 16;

/// The text of a state file that this program wrote and nobody edited.
#[derive(Debug)]
pub struct OwnText {
    text: String,
    /// The lines of records.
    lines: Range<usize>,
}

impl OwnText {
    /// Takes the bytes of a state file; `None` if they are not as we write them, or of another version.
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        let text = String::from_utf8(bytes).ok()?;
        let summed = text.strip_suffix(SUM_END)?;
        let (summed, sum) = summed.split_at_checked(summed.len().checked_sub(SUM_DIGITS)?)?;
        let summed = summed.strip_suffix(SUM_OPENING)?;
        if etag::sum(summed.as_bytes()) != sum {
            return None;
        }
        let head = text.find('\n').filter(|end| text[..*end].ends_with(r#","specs":["#))?;
        if !text.starts_with(&format!(r#"{{"version":{VERSION},"#)) {
            return None;
        }
        // No line break stands in any value: only after records, and at the end of the file.
        let lines = head + 1..summed.rfind("\n]")?;
        Some(Self { text, lines })
    }

    /// The text of each record, in the order of the file.
    pub fn records(&self) -> Vec<&str> {
        let lines = self.text.get(self.lines.clone()).unwrap_or_default().split('\n');
        lines.map(|line| line.strip_suffix(',').unwrap_or(line)).collect()
    }
}

/// What must be known of a record to list it, and its text.
#[derive(Debug)]
pub struct Glimpse<'a> {
    /// The record as compact JSON.
    pub text: &'a str,
    /// Its name.
    pub name: Cow<'a, str>,
    /// Its project, the agent that declared it and its work item.
    pub owner: [Cow<'a, str>; 3],
    /// The top folder of its git worktree.
    pub worktree: Option<Cow<'a, str>>,
    /// Where it stands in its life.
    pub status: Status,
    /// Its process.
    pub service: Option<Identity>,
    /// The pid of a record without a generation, which may be all that is known of its process.
    pub legacy_pid: Option<u32>,
    /// When it was spawned.
    pub started_at: Option<EpochMs>,
    /// The keys of both its environments.
    pub env_keys: Vec<Cow<'a, str>>,
    /// Where in the text `alive` is.
    alive: Range<usize>,
}

impl<'a> Glimpse<'a> {
    /// Looks at the text of a record; `None` if it is not as we write one.
    pub fn new(text: &'a str) -> Option<Self> {
        let facts: Facts<'a> = serde_json::from_str(text).ok()?;
        let alive = facts.alive.get();
        let start = (alive.as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
        let mut env_keys = facts.env.0;
        env_keys.extend(facts.passed_env.0);
        Some(Self {
            text,
            name: facts.name.0,
            owner: [facts.owner_project.0, facts.owner_agent.0, facts.owner_wi.0],
            worktree: facts.worktree.map(|key| key.0),
            status: Status::parse(&facts.status.0)?,
            legacy_pid: facts.pid.map(|pid| pid.0).filter(|_| facts.generation.is_none()),
            service: facts.process.map(|process| Identity {
                pid: process.pid.0,
                start_ticks: process.start_ticks,
                boot_id: process.boot_id.0.into_owned(),
                pid_namespace: process.pid_namespace,
            }),
            started_at: facts.started_at.map(EpochMs),
            env_keys,
            alive: start..start + alive.len(),
        })
    }

    /// The text with `alive` as it is now.
    pub fn text_with(&self, alive: bool) -> Cow<'a, str> {
        let word = if alive { "true" } else { "false" };
        if self.text.get(self.alive.clone()) == Some(word) {
            return Cow::Borrowed(self.text);
        }
        let mut text = self.text.to_owned();
        text.replace_range(self.alive.clone(), word);
        Cow::Owned(text)
    }

    /// The whole record; `None` if the text is none.
    pub fn record(&self) -> Option<Record> {
        let Plain(value) = from_slice_to_depth(self.text.as_bytes(), DEPTH_MAX).ok()?;
        read::record(value).ok()
    }
}

/// The keys of a record that a glimpse is about; of the others only their ends are found. A key that stands twice is an
/// error, and so is one that we always write and that is not there.
#[derive(Deserialize)]
struct Facts<'a> {
    #[serde(borrow)]
    name: Key<'a>,
    #[serde(borrow)]
    owner_project: Key<'a>,
    #[serde(borrow)]
    owner_agent: Key<'a>,
    #[serde(borrow)]
    owner_wi: Key<'a>,
    #[serde(borrow)]
    worktree: Option<Key<'a>>,
    #[serde(borrow)]
    status: Key<'a>,
    #[serde(borrow)]
    alive: &'a RawValue,
    pid: Option<Pid>,
    started_at: Option<i64>,
    generation: Option<IgnoredAny>,
    #[serde(borrow)]
    process: Option<ServiceFacts<'a>>,
    #[serde(borrow)]
    env: EnvKeys<'a>,
    #[serde(borrow)]
    passed_env: EnvKeys<'a>,
}

#[derive(Deserialize)]
struct ServiceFacts<'a> {
    pid: Pid,
    start_ticks: u64,
    #[serde(borrow)]
    boot_id: Key<'a>,
    pid_namespace: Option<u64>,
}

/// The keys of an environment.
struct EnvKeys<'a>(Vec<Cow<'a, str>>);

impl<'de: 'a, 'a> Deserialize<'de> for EnvKeys<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = EnvKeys<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<EnvKeys<'de>, A::Error> {
                let mut keys = Vec::new();
                while let Some((key, IgnoredAny)) = map.next_entry::<Key<'de>, IgnoredAny>()? {
                    keys.push(key.0);
                }
                Ok(EnvKeys(keys))
            }
        }
        from.deserialize_map(Keys)
    }
}
