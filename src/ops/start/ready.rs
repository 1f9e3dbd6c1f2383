//! Whether a record can be started anew, asked before anything of it is ended: what runs must not be lost for a start that
//! is bound to fail.

use std::path::Path;

use rustix::fs::{Access, access};

use crate::base::error::{Error, Kind, Result};
use crate::health::ports::wanted_ports;
use crate::lifecycle::stop::{Way, way};
use crate::process;
use crate::service::{Liveness, Record, spec_hash};
use crate::state::Document;

use super::super::context::Context;
use super::super::ending::Target;
use super::super::facts;
use super::ports::observe_taken;

/// What is to be started in place of `old`: the same declaration, the same program and the same passed environment. A
/// legacy record has none of the latter two and gets them as the caller has them. Errors leave the service as it is:
/// `stop-unproven` (it cannot be told whose its process is), `cannot-start` (the program or the working folder is gone),
/// `port-in-use` (exit 7).
pub(super) fn successor(context: &Context, document: &Document, old: &Record) -> Result<Record> {
    check_provable(context, old)?;
    let record = with_defaults(context, old)?;
    check_folder(&record)?;
    // Resolved once, it is a path: only whether it is still a program is asked.
    process::resolve_program(&record.resolved_cmd, &record.spec.cwd, "").map_err(|why| cannot_start(old, &why))?;
    let leaving: &[&Record] = if is_gone(old) { &[] } else { &[old] };
    match observe_taken(&wanted_ports(&record.spec), leaving, document) {
        None => Ok(record),
        Some(taken) => {
            let message = format!("service `{}` is left as it is: {taken}", old.name);
            Err(Error::new(Kind::Conflict, "port-in-use", message)
                .with_hint("stop whoever listens there, and try again"))
        }
    }
}

/// What a legacy record lacks.
fn with_defaults(context: &Context, old: &Record) -> Result<Record> {
    let mut record = old.clone();
    if record.resolved_cmd.is_empty() {
        let program = process::resolve_program(&record.spec.cmd, &record.spec.cwd, context.path());
        record.resolved_cmd = program.map_err(|why| cannot_start(old, &why))?.to_string_lossy().into_owned();
    }
    if old.generation.is_none() && record.passed_env.is_empty() {
        record.passed_env = context.passed_env();
    }
    if record.spec_hash.is_empty() {
        record.spec_hash = spec_hash(&record.spec);
    }
    if record.log_path.is_empty() {
        record.log_path = context.root.log(&record.name).to_string_lossy().into_owned();
    }
    Ok(record)
}

fn check_provable(context: &Context, old: &Record) -> Result<()> {
    let facts = facts::for_stop(&context.root, &Target::of(&context.root, old));
    if way(old.generation.is_none(), &facts) != Way::Refuse {
        return Ok(());
    }
    let message = format!("service `{}` is left as it is: it cannot be told whose the recorded process is", old.name);
    Err(Error::new(Kind::Unforeseen, "stop-unproven", message)
        .with_hint("run as the user who started it, with open files to spare (`ulimit -n`)"))
}

/// Whether nothing of it can listen anywhere: its recorded pids may be other processes' by now.
fn is_gone(old: &Record) -> bool {
    facts::observe_service(old) == Liveness::Dead
        && facts::observe_shim(old) == Liveness::Dead
        && old.generation.is_none()
}

fn check_folder(record: &Record) -> Result<()> {
    let cwd = Path::new(&record.spec.cwd);
    if record.spec.cwd.is_empty() {
        return Ok(());
    }
    let entered = match std::fs::metadata(cwd) {
        Err(error) => Err(error),
        Ok(meta) if !meta.is_dir() => Err(std::io::ErrorKind::NotADirectory.into()),
        Ok(_) => access(cwd, Access::EXEC_OK).map_err(std::io::Error::from),
    };
    entered.map_err(|error| {
        cannot_start(
            record,
            &format!("the working folder `{}` cannot be entered: {}", cwd.display(), process::system_words(&error)),
        )
    })
}

fn cannot_start(old: &Record, why: &str) -> Error {
    let message = format!("service `{}` is left as it is: it could not be started again: {why}", old.name);
    Error::new(Kind::Unforeseen, "cannot-start", message)
        .with_hint("nothing was ended; put back what is missing, or declare the service anew")
}
