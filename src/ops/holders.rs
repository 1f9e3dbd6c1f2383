//! `holders`: which services live in or below a folder, by their records and by the process table.
//!
//! What counts of a process: its working folder, its program, and the files that it has open, but for those under the root
//! (every service's log is there). Impure: looks at the process table.

use std::path::{Path, PathBuf};

use crate::base::error::{Error, Kind, Result};
use crate::base::ids::{Generation, own_pid};
use crate::process;
use crate::service::Record;
use crate::state::{Document, SetAside};

use super::context::Context;
use super::folders::resolve;
use super::trees::Trees;

/// So many processes of one service are named; a service may have thousands in a folder.
const TOLD_MAX: usize = 5;
/// So many strangers are named.
const STRANGERS_MAX: usize = 10;

/// Why a service counts as living in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// It declared this working folder.
    Cwd(String),
    /// It belongs to this git worktree.
    Worktree(String),
    /// A process of its tree is there.
    Process {
        /// Which.
        pid: u32,
        /// By what.
        hold: Hold,
        /// Where exactly, links resolved.
        path: String,
    },
    /// More processes than are named.
    More(usize),
}

/// How a process holds a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// It works there.
    Cwd,
    /// Its program is there.
    Program,
    /// It has a file open there.
    Open,
}

/// A service that lives in the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The record's name.
    pub name: String,
    /// Its project; empty when nobody said.
    pub project: String,
    /// Its pid.
    pub pid: Option<u32>,
    /// The life that was looked at; `None` in a legacy record.
    pub generation: Option<Generation>,
    /// At least one reason.
    pub why: Vec<Why>,
}

/// A process in the folder that is none of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stranger {
    /// Which.
    pub pid: u32,
    /// Its command line; other people's text.
    pub command: String,
}

/// Who is in the folder.
#[derive(Debug)]
pub struct Report {
    /// The folder, links resolved as far as they are there.
    pub dir: PathBuf,
    /// Whether there is such a folder.
    pub is_there: bool,
    /// Services, in the order of the file.
    pub items: Vec<Holder>,
    /// Generations that are in no record, of which processes are in the folder, with those.
    pub unrecorded: Vec<(Generation, Vec<u32>)>,
    /// Processes of others that work there, but for this one and those above it; at most ten.
    pub strangers: Vec<Stranger>,
    /// Something unreadable in the state file was put aside.
    pub set_aside: Option<SetAside>,
}

/// Looks who lives in or below `dir`, which may be gone. Error: the process table cannot be seen, so that nothing is proven.
pub fn run(context: &Context, dir: &Path) -> Result<Report> {
    look(context, dir, "holders")
}

/// The same for `verb`. The processes are looked at before the records: whoever is in no record by then is nobody's start.
pub(super) fn look(context: &Context, dir: &Path, verb: &str) -> Result<Report> {
    if dir.as_os_str().is_empty() {
        return Err(Error::new(Kind::Usage, "usage", "an empty DIR is no folder").with_hint("give `.` for this one"));
    }
    let dir = resolve(dir);
    let trees = Trees::observe_with_marks().map_err(|error| Error::io("cannot look at the process table", error))?;
    let reading = context.store().read_or_recover(verb)?;
    let place = Place { dir: &dir, root: resolve(context.root.dir()) };
    let items = reading.document.records.iter().filter_map(|record| place.holder(record, &trees)).collect();
    let unrecorded = place.unrecorded(&reading.document, &trees);
    let strangers = place.strangers(&reading.document, &trees);
    let is_there = dir.is_dir();
    Ok(Report { is_there, items, unrecorded, strangers, set_aside: reading.set_aside, dir })
}

/// The folder, and the root whose files do not count.
struct Place<'a> {
    dir: &'a Path,
    root: PathBuf,
}

impl Place<'_> {
    fn holder(&self, record: &Record, trees: &Trees) -> Option<Holder> {
        let mut why = Vec::new();
        let is_in = |path: &str| !path.is_empty() && resolve(Path::new(path)).starts_with(self.dir);
        if is_in(&record.spec.cwd) {
            why.push(Why::Cwd(record.spec.cwd.clone()));
        } else if let Some(worktree) = record.worktree.as_deref().filter(|worktree| is_in(worktree)) {
            why.push(Why::Worktree(worktree.to_owned()));
        }
        let mut processes: Vec<Why> = trees
            .members(record)
            .into_iter()
            .filter_map(|pid| {
                let (hold, path) = self.hold(pid)?;
                Some(Why::Process { pid, hold, path: path.to_string_lossy().into_owned() })
            })
            .collect();
        let more = processes.len().saturating_sub(TOLD_MAX);
        processes.truncate(TOLD_MAX);
        why.append(&mut processes);
        why.extend(Some(Why::More(more)).filter(|_| more > 0));
        let Record { name, owner, pid, generation, .. } = record;
        let (name, project, pid, generation) = (name.clone(), owner.project.clone(), *pid, generation.clone());
        (!why.is_empty()).then_some(Holder { name, project, pid, generation, why })
    }

    /// By what `pid` holds the folder.
    fn hold(&self, pid: u32) -> Option<(Hold, PathBuf)> {
        let is_in = |path: &PathBuf| path.starts_with(self.dir);
        let cwd = process::observe_cwd(pid).filter(is_in).map(|path| (Hold::Cwd, path));
        let program = || process::observe_program(pid).filter(is_in).map(|path| (Hold::Program, path));
        let is_open = |path: &PathBuf| is_in(path) && !path.starts_with(&self.root);
        let open = || process::observe_open(pid).into_iter().find(is_open).map(|path| (Hold::Open, path));
        cwd.or_else(program).or_else(open)
    }

    /// Processes in the folder that carry the mark of a generation without a record.
    fn unrecorded(&self, document: &Document, trees: &Trees) -> Vec<(Generation, Vec<u32>)> {
        let is_known = |generation: &Generation| {
            let has = |it: Option<&Generation>| it.is_some_and(|it| it.is_kin(generation));
            document.records.iter().any(|record| {
                let previous = record.previous.as_ref().and_then(|previous| previous.generation.as_ref());
                has(record.generation.as_ref()) || has(previous)
            })
        };
        let me = own_pid();
        let unknown = trees.marked().filter(|(generation, _)| !is_known(generation));
        let mut found: Vec<(Generation, Vec<u32>)> = unknown
            .filter_map(|(generation, pids)| {
                let there: Vec<u32> =
                    pids.iter().copied().filter(|pid| *pid != me && self.hold(*pid).is_some()).collect();
                (!there.is_empty()).then(|| (generation.clone(), there))
            })
            .collect();
        found.sort();
        found
    }

    fn strangers(&self, document: &Document, trees: &Trees) -> Vec<Stranger> {
        let mut known = trees.lineage(own_pid());
        known.extend(document.records.iter().flat_map(|record| trees.members(record)));
        let is_strange = |pid: &u32| !known.contains(pid);
        let there = |pid: &u32| process::observe_cwd(*pid).is_some_and(|path| path.starts_with(self.dir));
        let mut pids: Vec<u32> = trees.pids().filter(is_strange).filter(there).collect();
        pids.sort_unstable();
        pids.truncate(STRANGERS_MAX);
        let command = |pid| process::observe_portrait(pid).command.unwrap_or_default();
        pids.into_iter().map(|pid| Stranger { pid, command: command(pid) }).collect()
    }
}
