//! The verdict on a sidecar: is it valid, and if not, everything that is wrong with it, each with its place in the file
//! and what would make it pass (contract section 3).
//!
//! `source` reads the text as a tree of slices, `rules/` judge it field by field in contract order, `decide` puts the
//! verdict together. `schema` judges structure by the JSON Schema, for people and agents; the two never disagree.
//! Deliberately not here: reading files, moving them, resolving host names, what becomes of valid specs.

mod allowlist;
mod codes;
mod decide;
mod excerpt;
mod judge;
mod notes;
mod rules;
mod schema;
mod shape;
mod source;
mod spot;
mod surroundings;
mod value;
mod wire;

use std::ops::Range;
use std::path::Path;

use crate::service::Spec;

pub use codes::{Code, codes_markdown};
pub use decide::{decide, decide_with_schema, priority};
pub use excerpt::excerpt;
pub use judge::Judge;
pub use schema::schema;
pub use shape::smallest_passing_shape;
pub use source::BYTES_MAX;
pub use surroundings::{GitMark, PathKind, Surroundings, System, worktree_top};
pub use wire::verdict_json;

/// What a failed verdict is called in output: the failure class of exit code 3 (contract section 4).
pub const FAILURE_CLASS: &str = "invalid-managed-spawn";

/// A sidecar, judged valid.
#[derive(Clone, Debug, PartialEq)]
pub struct Sidecar {
    /// Its specs, defaults filled in, in file order; at least one, names unique.
    pub specs: Vec<Spec>,
    /// Who says to have written it; empty if nobody does.
    pub written_by: String,
    /// For which work item; empty if it does not say.
    pub wi_id: String,
}

/// One thing that is wrong with a sidecar, or only odd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// The stable code.
    pub code: Code,
    /// The failure as contract section 3 writes it: `spec[0]: port-invalid (80)`.
    pub reason: String,
    /// The same in one sentence.
    pub message: String,
    /// What would make it pass.
    pub help: String,
    /// JSON Pointer (RFC 6901) to the value; of an absent one, where it would stand. Empty for the whole document.
    pub pointer: String,
    /// Line in the file, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The value in the file, in bytes; of an absent one, the first byte of what should hold it.
    pub span: Range<usize>,
}

/// What is thought of a sidecar.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Every failure, in contract order; empty if the sidecar is valid.
    pub issues: Vec<Issue>,
    /// What is odd but no failure, in file order.
    pub warnings: Vec<Issue>,
    /// The sidecar, if it is valid.
    pub sidecar: Option<Sidecar>,
}

impl Verdict {
    /// Whether the sidecar may be accepted.
    pub fn is_valid(&self) -> bool {
        self.issues.is_empty()
    }

    /// The first failure in contract order; `None` if valid.
    pub fn reason(&self) -> Option<&str> {
        self.issues.first().map(|issue| issue.reason.as_str())
    }

    /// [`FAILURE_CLASS`]; `None` if valid.
    pub fn failure_class(&self) -> Option<&'static str> {
        (!self.is_valid()).then_some(FAILURE_CLASS)
    }

    /// Whether the first failure is a working folder's: then the file is fine and the place is not.
    pub fn is_workdir_rejection(&self) -> bool {
        self.issues.first().is_some_and(|issue| issue.code == Code::InvalidWorkdir)
    }
}

/// What `accept` knows about the sidecar that it is about to take; all `None` where a file is only validated.
#[derive(Clone, Copy, Debug, Default)]
pub struct Expectations<'a> {
    /// The agent whose sidecar it is: another `written_by` is a stale file.
    pub agent: Option<&'a str>,
    /// The work item under way: another `wi_id` is a stale file.
    pub work_item: Option<&'a str>,
    /// The folder in which every working folder must lie, links resolved.
    pub dispatch_root: Option<&'a Path>,
}
