//! `validate`: judges sidecars and changes nothing. Impure: reads stdin.

use std::io::Read;

use crate::base::error::{Error, Kind, Result};
use crate::base::redact::DenyPatterns;
use crate::sidecar::BYTES_MAX;
use crate::{ops, view};

use super::Door;
use super::exit::Outcome;

/// Judge sidecars: every failure, with its place and what would make it pass
///
/// Ends with 0 if all are valid, with 3 if one is not. Nothing is changed.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: minions managed validate ripley\n         \
                        cat sidecar.json | minions managed validate - --format json")]
pub(super) struct Args {
    /// A file, `-` for stdin, or an agent's name; none: every agent's sidecar under the root
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
}

/// Judges the targets.
pub(super) fn run(args: &Args, door: &Door) -> Outcome {
    let context = door.context()?;
    let targets = args.targets.iter().map(|word| ops::validate::target(word, stdin)).collect::<Result<_>>()?;
    let items = ops::validate::run(&context, targets)?;
    if door.ui.is_json() {
        let deny = DenyPatterns::new(&context.settings.env_key_deny_patterns);
        door.ui.data(view::validate::report_json(&items, &deny))?;
    } else if items.is_empty() {
        door.ui.note(
            "no agent has a sidecar that waits\n  hint: an agent declares services in agents/AGENT/managed-spawn.json",
        );
    } else {
        door.ui.data(view::validate::report_text(&items, door.ui.table_style().color))?;
    }
    let is_invalid = items.iter().any(|item| !item.verdict.is_valid());
    Ok(door.end(is_invalid.then_some(Kind::InvalidSidecar), None))
}

/// What stands on stdin, up to one byte more than a sidecar may have.
fn stdin() -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::io::stdin()
        .lock()
        .take(BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Error::io("cannot read stdin", error))?;
    Ok(bytes)
}
