//! The state as a value: records, and what of the file is kept though nobody here understands it.

use serde_json::{Map, Value};

use crate::service::{Draft, ExitRecord, Record, is_kebab_case};

use super::carried::Carried;
use super::wire::{document_from_bytes, document_to_bytes};

/// The file format that this program writes. A file of a newer one is read, as far as it can be, but never written.
pub const VERSION: u64 = 1;

/// The deepest nesting of a state file. A sidecar may have 128 levels, and a record puts its `attrs` no deeper; the rest
/// is room for keys of other versions. Every level costs stack when it is read.
pub const DEPTH_MAX: usize = 160;

/// Everything that the state file says. Names of records are unique.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// The format of the file; a file that does not say (a predecessor's) has the first.
    pub version: u64,
    /// Rises with every write.
    pub revision: u64,
    /// In the order of the file.
    pub records: Vec<Record>,
    /// What stood among the records and is none; set aside by the next write.
    pub malformed: Vec<Malformed>,
    /// What is carried for the journal: `seq` and `unjournaled`.
    pub carried: Carried,
    /// Top-level keys that this version does not know, kept as they are.
    pub unknown: Map<String, Value>,
}

/// An entry of the file that is no record.
#[derive(Clone, Debug, PartialEq)]
pub struct Malformed {
    /// Where it stands: `/specs/3`.
    pub pointer: String,
    /// What is wrong with it.
    pub why: String,
    /// The entry itself, as it was.
    pub value: Value,
}

impl Default for Document {
    /// What a missing file stands for: nothing lives, revision 0.
    fn default() -> Self {
        let (records, malformed, unknown) = (Vec::new(), Vec::new(), Map::new());
        Self { version: VERSION, revision: 0, records, malformed, carried: Carried::default(), unknown }
    }
}

impl Document {
    /// Reads the bytes of a state file; entries that are no records are in `malformed`. The error says what is wrong and
    /// where. Whoever has a file reads it through `Store`, which also knows what to do then.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        document_from_bytes(bytes).map_err(|unparsed| unparsed.why)
    }

    /// The bytes of the state file, `malformed` left out. Whoever has a file writes it through `Store`, which looks at
    /// [`fault`](Self::fault) first.
    pub fn to_bytes(&self) -> Vec<u8> {
        document_to_bytes(self)
    }

    /// The record of that name.
    pub fn find(&self, name: &str) -> Option<&Record> {
        self.records.iter().find(|record| record.name == name)
    }

    /// The record of that name, to be changed. Its name must stay unique.
    pub fn find_mut(&mut self, name: &str) -> Option<&mut Record> {
        self.records.iter_mut().find(|record| record.name == name)
    }

    /// Takes the record of that name out.
    pub fn remove(&mut self, name: &str) -> Option<Record> {
        let at = self.records.iter().position(|record| record.name == name)?;
        Some(self.records.remove(at))
    }

    /// The same for a service that has ended, so that its last event says how.
    pub fn remove_ended(&mut self, name: &str, exit: Option<ExitRecord>) -> Option<Record> {
        self.carried.exits.extend(exit.map(|exit| (name.to_owned(), exit)));
        self.remove(name)
    }

    /// Tells something that no difference of records shows: the write gives it a number.
    pub fn tell(&mut self, draft: Draft) {
        self.carried.drafts.push(draft);
    }

    /// Puts `record` in the place of the one of its name, or at the end.
    pub fn put(&mut self, record: Record) {
        match self.find_mut(&record.name) {
            Some(there) => *there = record,
            None => self.records.push(record),
        }
    }

    /// Whether one of the records has the name of `record`, or its declared name in its scope.
    pub fn has_namesake(&self, record: &Record) -> bool {
        let is_one = |other: &Record| {
            other.name == record.name || other.spec.name == record.spec.name && other.scope() == record.scope()
        };
        self.records.iter().any(is_one)
    }

    /// Whether this program may write a file of this version.
    pub fn is_writable(&self) -> bool {
        self.version <= VERSION
    }

    /// The first name that two records share, which must never be.
    pub fn shared_name(&self) -> Option<&str> {
        let mut names: Vec<&str> = self.records.iter().map(|record| record.name.as_str()).collect();
        names.sort_unstable();
        names.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
    }

    /// Why this must not be written: a reader would not take it.
    pub fn fault(&self) -> Option<String> {
        if let Some(name) = self.shared_name() {
            return Some(format!("two records would have the name `{name}`"));
        }
        if let Some(record) = self.records.iter().find(|record| !is_kebab_case(&record.name)) {
            return Some(format!("the name `{}` is not kebab-case", record.name.escape_debug()));
        }
        // The top object, the array `specs` and a record are three levels, `attrs` is the fourth.
        let deepest = |map: &Map<String, Value>| map.values().map(depth).max().unwrap_or(0);
        let too_deep =
            |record: &&Record| 3 + deepest(&record.unknown) > DEPTH_MAX || 4 + deepest(&record.spec.attrs) > DEPTH_MAX;
        if let Some(record) = self.records.iter().find(too_deep) {
            return Some(format!("the record `{}` is nested more than {DEPTH_MAX} levels deep", record.name));
        }
        (1 + deepest(&self.unknown) > DEPTH_MAX)
            .then(|| format!("an unknown key is nested more than {DEPTH_MAX} levels deep"))
    }
}

/// How many arrays and objects are nested in `value`, itself included.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(list) => 1 + list.iter().map(depth).max().unwrap_or(0),
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}
