//! The lease's file: taken, prolonged and given back under the lock of the state, so that of two who want it one gets it.
//!
//! One line: `{"version":1,"pid":4711,"start_ticks":99,"boot_id":"…","pid_namespace":4026531836,"since":1795172866000,"expires_at":1795172986000}`.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::base::clock::EpochMs;
use crate::base::error::{Error, Kind, Result};
use crate::base::files::{self, Durability};
use crate::base::json::PlainObject;
use crate::base::lock::FileLock;
use crate::base::root::Root;
use crate::base::span;
use crate::lifecycle::lease::{self, Claimable, Lease};
use crate::process::observe_liveness;
use crate::service::{Identity, identity_from_json, identity_json};

use super::super::context::Context;
use super::VERB;

/// The format of the file.
const VERSION: u64 = 1;
/// One line, of which the boot id is the longest part.
const FILE_BYTES_MAX: u64 = 4096;

/// The lease that this process has.
#[derive(Debug)]
pub(super) struct Held {
    lease: Lease,
}

/// Takes the lease for `me`, and says whose was taken over, if anybody's. Error: `lease-held` (exit 7) names its holder.
pub(super) fn take(
    context: &Context,
    me: Identity,
    interval: Duration,
    now: EpochMs,
) -> Result<(Held, Option<String>)> {
    let _lock = lock(context)?;
    let there = read(&context.root)?;
    let taken_over = match (lease::judge(there.as_ref(), &me, observe_liveness, now), there) {
        (Claimable::Theirs, Some(there)) => return Err(held(&there, now)),
        (Claimable::Abandoned, Some(there)) => Some(format!("pid {}, which is dead", there.holder.pid)),
        (Claimable::Over, Some(there)) => {
            let since = span::short(now.since(there.expires_at));
            Some(format!("pid {}, whose lease is over since {since}", there.holder.pid))
        }
        (_, None) | (Claimable::Free | Claimable::Ours, Some(_)) => None,
    };
    let lease = Lease { holder: me, since: now, expires_at: now.plus(lease::span(interval)) };
    write(&context.root, &lease)?;
    Ok((Held { lease }, taken_over))
}

impl Held {
    /// Prolongs it where that is due. Error: `lease-lost` (exit 7), if another has it by now.
    pub(super) fn keep(&mut self, context: &Context, interval: Duration, now: EpochMs) -> Result<()> {
        let span = lease::span(interval);
        match read(&context.root)? {
            Some(there) if there.holder != self.lease.holder => return Err(lost(&there, now)),
            Some(_) if !lease::is_to_prolong(&self.lease, span, now) => return Ok(()),
            Some(_) => {}
            // Somebody has removed it; then nobody has it but us.
            None => {}
        }
        let _lock = lock(context)?;
        match read(&context.root)? {
            Some(there) if there.holder != self.lease.holder => Err(lost(&there, now)),
            Some(_) | None => {
                self.lease.expires_at = now.plus(span);
                write(&context.root, &self.lease)
            }
        }
    }

    /// Gives it back. What fails here is as good as done: the holder will be proven dead.
    pub(super) fn release(self, context: &Context) {
        let release = || -> Result<()> {
            let _lock = lock(context)?;
            if read(&context.root)?.is_some_and(|there| there.holder == self.lease.holder) {
                let path = context.root.lease();
                files::remove(&path)
                    .map_err(|error| Error::io(format!("cannot remove `{}`", path.display()), error))?;
            }
            Ok(())
        };
        if let Err(error) = release() {
            log::warn!("the lease is not given back: {}", error.chain());
        }
    }
}

fn lock(context: &Context) -> Result<FileLock> {
    FileLock::acquire(&context.root.lock(), context.lock_timeout(), VERB)?.with_folder(context.lock_timeout())
}

/// What makes no sense is as good as none: nobody could say whose it is.
fn read(root: &Root) -> Result<Option<Lease>> {
    let path = root.lease();
    let bytes = match files::read_bounded(&path, FILE_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io(format!("cannot read the lease `{}`", path.display()), error)),
    };
    let lease = parse(&bytes);
    if lease.is_none() {
        log::warn!("`{}` holds no lease", path.display());
    }
    Ok(lease)
}

fn parse(bytes: &[u8]) -> Option<Lease> {
    let PlainObject(object) = serde_json::from_slice(bytes).ok()?;
    let time = |key: &str| object.get(key)?.as_i64().map(EpochMs);
    Some(Lease { holder: identity_from_json(&object)?, since: time("since")?, expires_at: time("expires_at")? })
}

fn write(root: &Root, lease: &Lease) -> Result<()> {
    let Lease { holder, since, expires_at } = lease;
    let mut object = Map::from_iter([("version".to_owned(), json!(VERSION))]);
    object.extend(identity_json(holder));
    object.extend([("since".to_owned(), json!(since.0)), ("expires_at".to_owned(), json!(expires_at.0))]);
    let value = Value::Object(object);
    let path = root.lease();
    // It is about a process, which ends with the boot.
    files::write_atomic(&path, format!("{value}\n").as_bytes(), Durability::Cached)
        .map_err(|error| Error::io(format!("cannot write the lease `{}`", path.display()), error))
}

fn held(there: &Lease, now: EpochMs) -> Error {
    let message = format!("the loop of this root runs already: {}", words(there, now));
    Error::new(Kind::Conflict, "lease-held", message)
        .with_hint(format!("one loop per root is enough; to end that one: kill -TERM {}", there.holder.pid))
}

fn lost(there: &Lease, now: EpochMs) -> Error {
    let message = format!("another loop has taken this one's place: {}", words(there, now));
    Error::new(Kind::Conflict, "lease-lost", message)
        .with_hint("this one ends; it had let its lease run out: it was stopped, or a step took too long")
}

fn words(lease: &Lease, now: EpochMs) -> String {
    format!("pid {}, since {}", lease.holder.pid, span::short(now.since(lease.since)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back_and_anything_else_is_no_lease() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::at(dir.path());
        assert_eq!(read(&root).unwrap(), None);
        files::create_dir(&root.engine()).unwrap();
        let holder = Identity { pid: 7, start_ticks: 99, boot_id: "b".into(), pid_namespace: None };
        let lease = Lease { holder, since: EpochMs(1), expires_at: EpochMs(2) };
        write(&root, &lease).unwrap();
        assert_eq!(read(&root).unwrap(), Some(lease));
        let text = r#"{"version":2,"pid":7,"start_ticks":99,"boot_id":"b","since":1,"expires_at":2,"more":[]}"#;
        assert!(parse(text.as_bytes()).is_some(), "a later format only adds");
        for odd in ["", "{}", "[]", "7", "\0\0", &text[1..], &text.replace("99", "-1"), &text.replace("\"b\"", "1")] {
            assert_eq!(parse(odd.as_bytes()), None, "{odd:?}");
        }
    }
}
