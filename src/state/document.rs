//! The state as a value: records, and what of the file is kept though nobody here understands it.

use serde_json::{Map, Value};

use crate::service::Record;

/// The file format that this program writes. A file of a newer one is read, as far as it can be, but never written.
pub const VERSION: u64 = 1;

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
        Self { version: VERSION, revision: 0, records: Vec::new(), malformed: Vec::new(), unknown: Map::new() }
    }
}

impl Document {
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

    /// Puts `record` in the place of the one of its name, or at the end.
    pub fn put(&mut self, record: Record) {
        match self.find_mut(&record.name) {
            Some(there) => *there = record,
            None => self.records.push(record),
        }
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
}
