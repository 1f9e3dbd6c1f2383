//! `completions`: what a shell needs to complete our command lines.

use clap_complete::Shell;
use serde_json::json;

use crate::view::wire;

use super::exit::{End, Outcome};
use super::{Door, reference};

/// Print the script by which a shell completes commands and options
///
/// bash: `eval "$(minions managed completions bash)"` in ~/.bashrc; zsh: as `_minions` in a folder of $fpath; fish: as
/// ~/.config/fish/completions/minions.fish; PowerShell and elvish: in the profile. A new version may have more to
/// complete: print it again then. With --format json: {"shell", "script"}.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: minions managed completions bash > minions.bash")]
pub(super) struct Args {
    /// The shell that it is for
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

/// Prints the script.
pub(super) fn run(args: &Args, door: &Door) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut reference::tree(), "minions", &mut script);
    if door.ui.is_json() {
        let script = String::from_utf8_lossy(&script);
        door.ui.data(wire::line(&json!({ "shell": args.shell.to_string(), "script": script })))?;
    } else {
        door.ui.bytes(script)?;
    }
    Ok(End::Done)
}
