//! `remove-project`: stops and removes every service of a project, and its logs.

use std::path::{Path, PathBuf};

use crate::base::error::{Error, Result};
use crate::base::files;
use crate::base::root::Root;
use crate::service::Record;

use super::context::Context;
use super::stop::{self, Choice, Report};

/// Removes the project's services, side by side. Their logs go once they are proven gone, and before their names are free
/// for anybody else's. Errors: `no-such-project` (exit 6), and as for `stop`.
pub fn run(context: &Context, project: &str) -> Result<Report> {
    stop::end_chosen(context, "remove-project", Choice::Project(project), |record| remove_logs(&context.root, record))
}

fn remove_logs(root: &Root, record: &Record) -> Result<()> {
    for path in logs_of(root, record) {
        let failed = |error| {
            let message = format!("service `{}` has ended, but not its log `{}`", record.name, path.display());
            Error::io(message, error).with_hint("its record stays; the next try removes both")
        };
        files::remove(&path).map_err(failed)?;
    }
    Ok(())
}

/// The files of its log: those of its name, and those that its record names, if they are in the folder of logs.
fn logs_of(root: &Root, record: &Record) -> Vec<PathBuf> {
    let mut logs = vec![root.log(&record.name), root.log_previous(&record.name)];
    let recorded = Path::new(&record.log_path);
    if recorded.parent() == logs[0].parent() && *recorded != *logs[0] {
        logs.push(recorded.to_owned());
        logs.push(PathBuf::from(format!("{}.1", record.log_path)));
    }
    logs
}
