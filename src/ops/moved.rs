//! Moving a record through the table of `lifecycle::transitions`, for use cases: an illegal move is an error of theirs.

use crate::base::clock::EpochMs;
use crate::base::error::{Error, Kind, Result};
use crate::lifecycle::transitions::{Illegal, Input, apply};
use crate::service::Record;

/// Moves `record` by `input`, and writes down why. The error (`illegal-move`) leaves it as it is: another command has moved it
/// meanwhile, or the program is wrong.
pub(super) fn moved(record: &mut Record, input: Input, now: EpochMs, why: impl Into<String>) -> Result<()> {
    apply(record, input, now, why).map_err(|illegal| refused(&record.name, illegal))
}

fn refused(name: &str, illegal: Illegal) -> Error {
    let message = format!("service `{name}` is left as it is");
    Error { source: Some(Box::new(illegal)), ..Error::new(Kind::Conflict, "illegal-move", message) }
        .with_hint(format!("how it is now: minions managed show {name}"))
}
