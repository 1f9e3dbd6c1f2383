//! `remove-project`: stops and removes every service of a project, and its logs.

use std::path::Path;

use crate::base::error::{Error, Kind, Result};
use crate::base::root::Root;
use crate::base::steps::{Step, reached};
use crate::logs;
use crate::service::Record;

use super::context::Context;
use super::stop::{self, Choice, Report};

/// Removes the project's services, side by side. Their logs go once they are proven gone, and before their names are free
/// for anybody else's. Errors: `no-such-project` (exit 6), an empty name (exit 64), and as for `stop`.
pub fn run(context: &Context, project: &str) -> Result<Report> {
    // A shell variable that is not set must not mean every service that has no project.
    if project.is_empty() {
        let error = Error::new(Kind::Usage, "usage", "an empty P is no project");
        return Err(error.with_hint("services without a project are stopped by name: minions managed stop NAME"));
    }
    stop::end_chosen(context, "remove-project", Choice::Project(project), |record| remove_logs(&context.root, record))
}

/// Removes the log of its name, and the one that its record names, if that is in the folder of logs.
fn remove_logs(root: &Root, record: &Record) -> Result<()> {
    let log = root.log(&record.name);
    let removed = logs::remove(&log, &root.log_previous(&record.name)).and_then(|()| {
        let recorded = Path::new(&record.log_path);
        let is_another = recorded.parent() == log.parent() && *recorded != *log;
        if is_another { logs::remove(recorded, Path::new(&format!("{}.1", record.log_path))) } else { Ok(()) }
    });
    reached(Step::LogsRemoved);
    removed.map_err(|error| {
        Error::io(format!("service `{}` has ended, and its log cannot be removed", record.name), error)
            .with_hint("its record stays; the next try removes both")
    })
}
